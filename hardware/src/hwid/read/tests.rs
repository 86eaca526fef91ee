#![allow(clippy::unwrap_used)]
use super::*;
use std::os::unix::fs::symlink;

/// A machine as a tree of files.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let t = Self(tempfile::tempdir().unwrap());
        t.put(
            "sys/class/dmi/id/product_uuid",
            b"4C4C4544-0042-3510-8052-B4C04F4E3132\n",
        );
        t.put("sys/class/dmi/id/board_serial", b"Default string\n");
        t.put("etc/machine-id", b"0f1e2d3c4b5a69788796a5b4c3d2e1f0\n");
        t
    }

    fn put(&self, path: &str, data: &[u8]) {
        let p = self.0.path().join(path);
        std::fs::create_dir_all(p.parent().unwrap()).unwrap();
        std::fs::write(p, data).unwrap();
    }

    /// A device under `sys/devices`, linked from where it is listed.
    fn device(&self, listed: &str, real: &str, files: &[(&str, &[u8])]) {
        for (name, data) in files {
            self.put(&format!("sys/devices/{real}/{name}"), data);
        }
        let link = self.0.path().join(listed);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(self.0.path().join("sys/devices").join(real), link).unwrap();
    }

    fn values(&self, item: HwidItem) -> Vec<String> {
        let Found { facts, unread, .. } = read(self.0.path()).unwrap();
        assert!(unread.is_empty(), "{unread:?}");
        facts
            .into_iter()
            .filter(|f| f.item == item)
            .map(|f| f.value)
            .collect()
    }
}

#[test]
fn firmware_and_system_are_read_and_placeholders_are_not() {
    let t = Tree::new();
    assert_eq!(
        t.values(HwidItem::ProductUuid),
        ["4c4c4544-0042-3510-8052-b4c04f4e3132"]
    );
    assert!(t.values(HwidItem::BoardSerial).is_empty());
    assert_eq!(
        t.values(HwidItem::MachineId),
        ["0f1e2d3c4b5a69788796a5b4c3d2e1f0"]
    );
}

#[test]
fn disks_are_known_by_their_serials_of_every_kind_and_those_that_travel_are_not() {
    let t = Tree::new();
    t.device(
        "sys/block/nvme0n1",
        "pci0/nvme/nvme0/nvme0n1",
        &[("removable", b"0"), ("device/serial", b"S4EV  \n")],
    );
    t.device(
        "sys/block/vda",
        "pci0/virtio1/block/vda",
        &[("serial", b"virt-1")],
    );
    t.device(
        "sys/block/sda",
        "pci0/ata1/host0/block/sda",
        &[
            ("device/vpd_pg80", b"\x00\x80\x00\x08  WD-A1B2"),
            ("removable", b"0"),
        ],
    );
    t.device(
        "sys/block/sdb",
        "pci0/usb2/2-1/host1/block/sdb",
        &[
            ("device/vpd_pg80", b"\x00\x80\x00\x04STIK"),
            ("removable", b"0"),
        ],
    );
    t.device(
        "sys/block/sr0",
        "pci0/ata2/host2/block/sr0",
        &[("device/serial", b"CD1"), ("removable", b"1")],
    );
    t.device(
        "sys/block/loop0",
        "virtual/block/loop0",
        &[("serial", b"loop")],
    );
    // A page that is cut off, and one that lies about its length.
    t.device(
        "sys/block/sdc",
        "pci0/ata3/host3/block/sdc",
        &[("device/vpd_pg80", b"\x00\x80")],
    );
    t.device(
        "sys/block/sdd",
        "pci0/ata4/host4/block/sdd",
        &[("device/vpd_pg80", b"\x00\x80\xff\xffLONG1")],
    );
    assert_eq!(
        t.values(HwidItem::DiskSerial),
        ["LONG1", "S4EV", "WD-A1B", "virt-1"]
    );
}

#[test]
fn network_cards_count_by_their_own_address() {
    let t = Tree::new();
    let card: &[(&str, &[u8])] = &[
        ("type", b"1"),
        ("addr_assign_type", b"0"),
        ("address", b"3C:EC:EF:00:00:01\n"),
        ("device/vendor", b"x"),
    ];
    t.device("sys/class/net/eno1", "pci0/0000:03/net/eno1", card);
    t.device(
        "sys/class/net/eno2",
        "pci0/0000:04/net/eno2",
        &[
            ("type", b"1"),
            ("addr_assign_type", b"3"),
            ("address", b"02:00:00:00:00:02"),
            ("device/vendor", b"x"),
        ],
    );
    t.device(
        "sys/class/net/eno3",
        "pci0/0000:05/net/eno3",
        &[
            ("type", b"1"),
            ("addr_assign_type", b"3"),
            ("address", b"02:00:00:00:00:02"),
            ("device/vendor", b"x"),
            ("bonding_slave/perm_hwaddr", b"3c:ec:ef:00:00:03"),
        ],
    );
    t.device("sys/class/net/enx1", "pci0/usb1/1-2/net/enx1", card);
    t.device("sys/class/net/cni0", "virtual/net/cni0", card);
    t.device(
        "sys/class/net/lo",
        "virtual/net/lo",
        &[("type", b"772"), ("address", b"00:00:00:00:00:00")],
    );
    assert_eq!(
        t.values(HwidItem::Mac),
        ["3c:ec:ef:00:00:01", "3c:ec:ef:00:00:03"]
    );
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_counts() {
    let t = Tree::new();
    // A folder in a file's place: root may read every file, so permissions would not do here.
    std::fs::remove_file(t.0.path().join("sys/class/dmi/id/product_uuid")).unwrap();
    std::fs::create_dir(t.0.path().join("sys/class/dmi/id/product_uuid")).unwrap();
    let Found { facts, unread, .. } = read(t.0.path()).unwrap();
    assert_eq!(facts.len(), 1);
    assert!(
        unread[0].item == HwidItem::ProductUuid && unread[0].why.path.ends_with("product_uuid")
    );
    assert!(read(&t.0.path().join("nowhere")).is_err());
}
