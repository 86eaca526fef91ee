//! `usb` and `hwid` anchors, and attested keys: described, licensed, refused.

use super::common::{ANCHOR, Desk, ORDER};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use std::os::unix::fs::PermissionsExt as _;

fn put(desk: &Desk, path: &str, text: &str) {
    std::fs::create_dir_all(desk.path(path).parent().unwrap()).unwrap();
    desk.write(path, text);
}

fn plug(desk: &Desk, port: &str, vendor: &str, product: &str, serial: Option<&str>) {
    let at = format!("sys/bus/usb/devices/{port}");
    put(desk, &format!("{at}/idVendor"), vendor);
    put(desk, &format!("{at}/idProduct"), product);
    put(desk, &format!("{at}/product"), "Key");
    if let Some(s) = serial {
        put(desk, &format!("{at}/serial"), s);
    }
}

const ISSUE: [&str; 6] = [
    "license",
    "issue",
    "order.yaml",
    "--key",
    "vendor.key",
    "--anchor",
];

#[test]
fn a_usb_device_is_chosen_described_and_licensed_by_name() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    desk.write("order.yaml", ORDER);
    let sysfs = desk.path("sys").display().to_string();
    let anchor = |more: &[&str]| {
        let args = [
            "license",
            "anchor",
            "usb",
            "--key-file",
            "anchor.key",
            "--sysfs-root",
            &sysfs,
        ];
        desk.mooring(&[&args[..], more].concat())
    };
    std::fs::create_dir_all(desk.path("sys/bus/usb/devices")).unwrap();
    let none = anchor(&["--generate"]).bad();
    assert!(none.stderr.contains("none at all"), "{}", none.stderr);
    plug(&desk, "1-1", "096e", "0006", Some("A1"));
    plug(&desk, "1-2", "096e", "0006", Some("A2"));
    plug(&desk, "1-3", "1d6b", "0002", None);
    let several = anchor(&["--generate", "--vendor-id", "096E"]).bad();
    assert!(
        several.stderr.contains("several USB devices fit")
            && several
                .stderr
                .contains("096e:0006 serial \"A2\" Key (port 1-2)"),
        "{}",
        several.stderr
    );
    let unnumbered = anchor(&["--vendor-id", "1d6b"]).bad();
    assert!(
        unnumbered.stderr.contains("has no serial number"),
        "{}",
        unnumbered.stderr
    );
    let no_key = anchor(&["--serial", "A2"]).bad();
    assert!(no_key.stderr.contains("--generate"), "{}", no_key.stderr);
    assert!(
        !desk.path("anchor.key").exists(),
        "no key is made for nothing"
    );

    anchor(&["--serial", "A2", "--generate", "--out", "anchor.yaml"]).good();
    let mode = desk
        .path("anchor.key")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let made = desk.read("anchor.yaml");
    assert!(
        made.contains("kind: usb")
            && made.contains("software: true")
            && made.contains("serial: A2"),
        "{made}"
    );
    // The same key again.
    let again = anchor(&["--serial", "A1", "--generate"]).good().stdout;
    let key = |s: &str| {
        s.lines()
            .find(|l| l.starts_with("key:"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(key(&again), key(&made));

    let refused = desk
        .mooring(&[&ISSUE[..], &["anchor.yaml", "--allow-software-token"]].concat())
        .bad();
    assert!(
        refused.stderr.contains("order field anchors[0].kind: usb")
            && refused.stderr.contains("--allow-anchor usb"),
        "{}",
        refused.stderr
    );
    desk.write(
        "lied.yaml",
        &made.replace("software: true", "software: false"),
    );
    desk.mooring(&[&ISSUE[..], &["lied.yaml"]].concat()).bad();
    desk.mooring(
        &[
            &ISSUE[..],
            &["anchor.yaml", "--allow-anchor", "usb", "--out", "l.mooring"],
        ]
        .concat(),
    )
    .good();
    let seen = desk
        .mooring(&["license", "inspect", "l.mooring"])
        .good()
        .stdout;
    assert!(
        seen.contains("usb, key id")
            && seen.contains("096e:0006 serial \"A2\"")
            && seen.contains("SOFTWARE"),
        "{seen}"
    );
    // What is wrong with a description is named.
    desk.write("bad.yaml", &made.replace("serial: A2", "serial: ''"));
    let bad = desk
        .mooring(&[&ISSUE[..], &["bad.yaml", "--allow-anchor", "usb"]].concat())
        .bad();
    assert!(
        bad.stderr.contains("order field anchors[0].usb.serial"),
        "{}",
        bad.stderr
    );

    // So is what a stick says that has no number of its own, whoever wrote the description.
    for none in ["0123456789ABCDEF", "\"000000000000\"", "\"12345678\"", "x"] {
        desk.write(
            "bad.yaml",
            &made.replace("serial: A2", &format!("serial: {none}")),
        );
        let e = desk
            .mooring(&[&ISSUE[..], &["bad.yaml", "--allow-anchor", "usb"]].concat())
            .bad()
            .stderr;
        let says = [
            "anchors[0].usb.serial",
            none.trim_matches('"'),
            "is a placeholder",
        ];
        assert!(says.iter().all(|s| e.contains(s)), "{none}: {e}");
    }
    plug(&desk, "2-1", "0781", "5567", Some("0123456789ABCDEF"));
    let e = anchor(&["--vendor-id", "0781"]).bad().stderr;
    assert!(
        e.contains("0781:5567") && e.contains("is a placeholder"),
        "{e}"
    );
    plug(&desk, "1-3", "0781", "5568", Some("A9"));
    plug(&desk, "1-4", "0781", "5568", Some("A9"));
    let e = anchor(&["--serial", "A9"]).bad().stderr;
    let says = [
        "2 USB devices say the same of themselves",
        "(port 1-3)",
        "(port 1-4)",
    ];
    assert!(says.iter().all(|s| e.contains(s)), "{e}");

    // A key that everybody may read is none.
    std::fs::set_permissions(
        desk.path("anchor.key"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let open = anchor(&["--serial", "A2"]).bad();
    assert!(
        open.stderr.contains("--key-file") && open.stderr.contains("mode 0644"),
        "{}",
        open.stderr
    );
}

#[test]
fn a_machine_is_described_by_hashes_and_licensed_by_name() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    desk.write("order.yaml", ORDER);
    let root = desk.path("host").display().to_string();
    let anchor = |more: &[&str]| {
        let args = [
            "license",
            "anchor",
            "hwid",
            "--key-file",
            "anchor.key",
            "--host-root",
            &root,
        ];
        desk.mooring(&[&args[..], more].concat())
    };
    put(
        &desk,
        "host/etc/machine-id",
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    );
    let none = anchor(&["--generate"]).bad();
    assert!(
        none.stderr.contains("nothing of this machine's hardware")
            && none.stderr.contains("machineId"),
        "{}",
        none.stderr
    );
    put(
        &desk,
        "host/sys/class/dmi/id/product_uuid",
        "4C4C4544-0042-3510-8052-B4C04F4E3132",
    );
    put(&desk, "host/sys/class/dmi/id/board_serial", "BOARD-77");
    let many = anchor(&["--generate", "-k", "4"]).bad();
    assert!(
        many.stderr.contains("-k 4: more than there is") && many.stderr.contains("3 in all"),
        "{}",
        many.stderr
    );
    anchor(&["--generate", "--out", "anchor.yaml"]).good();
    let made = desk.read("anchor.yaml");
    assert!(
        made.contains("kind: hwid") && made.contains("k: 2") && made.contains("item: boardSerial"),
        "{made}"
    );
    for secret in ["BOARD-77", "4c4c4544", "4C4C4544", "0f1e2d3c"] {
        assert!(!made.contains(secret), "{secret}: {made}");
    }
    // Another salt each time.
    let hash = |s: &str| s.lines().find(|l| l.contains("hash:")).unwrap().to_owned();
    assert_ne!(hash(&anchor(&[]).good().stdout), hash(&made));
    let refused = desk.mooring(&[&ISSUE[..], &["anchor.yaml"]].concat()).bad();
    assert!(
        refused.stderr.contains("--allow-anchor hwid"),
        "{}",
        refused.stderr
    );
    desk.mooring(
        &[
            &ISSUE[..],
            &[
                "anchor.yaml",
                "--allow-anchor",
                "hwid",
                "--out",
                "l.mooring",
            ],
        ]
        .concat(),
    )
    .good();
    let seen = desk
        .mooring(&["license", "inspect", "l.mooring"])
        .good()
        .stdout;
    assert!(
        seen.contains("2 of 3 of productUuid, boardSerial, machineId"),
        "{seen}"
    );
    desk.write("bad.yaml", &made.replace("k: 2", "k: 4"));
    let bad = desk
        .mooring(&[&ISSUE[..], &["bad.yaml", "--allow-anchor", "hwid"]].concat())
        .bad();
    assert!(
        bad.stderr
            .contains("anchors[0].hwid.k: 4, expected 1 to the number of items, 3"),
        "{}",
        bad.stderr
    );
}

#[test]
fn a_machine_whose_numbers_move_is_refused_and_each_fact_is_judged() {
    let desk = Desk::new();
    let root = desk.path("host").to_str().unwrap().to_owned();
    let describe = || {
        let key = [
            "--key-file",
            "anchor.key",
            "--generate",
            "--host-root",
            &root,
        ];
        desk.mooring(&[&["license", "anchor", "hwid"][..], &key].concat())
    };
    let card = |name: &str, address: &str| {
        for (file, says) in [
            ("type", "1"),
            ("addr_assign_type", "0"),
            ("address", address),
            ("device/x", ""),
        ] {
            put(&desk, &format!("host/sys/class/net/{name}/{file}"), says);
        }
    };
    // WSL2: no firmware, a card with another address at each start, disks without serial numbers.
    put(
        &desk,
        "host/proc/sys/kernel/osrelease",
        "5.15.153.1-microsoft-standard-WSL2",
    );
    put(
        &desk,
        "host/etc/machine-id",
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    );
    put(&desk, "host/sys/block/sda/removable", "0");
    card("eth0", "3c:ec:ef:00:00:01");
    let e = describe().bad().stderr;
    for says in [
        "Note: mac: moves, left out: a virtual card of WSL2",
        "Note: machineId: stays: ",
        "Note: diskSerial: 1 more without a serial number",
        "Error: nothing of this machine's hardware that stays tells it from another: machineId",
    ] {
        assert!(e.contains(says), "{says}: {e}");
    }
    // The same on hardware, at a first boot whose machine id is of that start alone.
    put(&desk, "host/proc/sys/kernel/osrelease", "6.1.0-28-amd64");
    let mounted = "36 35 0:33 /machine-id /etc/machine-id ro,relatime - tmpfs tmpfs rw";
    put(&desk, "host/proc/self/mountinfo", mounted);
    card("virbr0", "52:54:00:12:34:57");
    let e = describe().bad().stderr;
    for says in [
        "Note: mac: stays: given by the card's maker",
        "Note: mac: moves, left out: locally administered",
        "Note: machineId: moves, left out: of this start alone",
        "Error: only 1 fact of this machine stays (mac), expected at least 2; take a token (pkcs11)",
    ] {
        assert!(e.contains(says), "{says}: {e}");
    }
    // And once it has one of its own.
    put(
        &desk,
        "host/proc/self/mountinfo",
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
    );
    let made = describe().good().stdout;
    assert!(
        made.contains("# mac: moves, left out") && made.contains("k: 2"),
        "{made}"
    );
    assert_eq!(made.matches("item: mac\n").count(), 1, "{made}");
}

/// A root, and the description of a key attested under it.
fn attested(desk: &Desk, touch: u8) -> String {
    let key = || KeyPair::generate().unwrap();
    let params = |name: &str| {
        let mut p = CertificateParams::new(Vec::new()).unwrap();
        p.distinguished_name.push(DnType::CommonName, name);
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        p
    };
    let root_params = params("Maker Root");
    let root_key = key();
    desk.write(
        "root.pem",
        &root_params.self_signed(&root_key).unwrap().pem(),
    );
    let root = Issuer::new(root_params, root_key);
    let device_params = params("Device");
    let device_key = key();
    let device_pem = device_params.signed_by(&device_key, &root).unwrap().pem();
    let device = Issuer::new(device_params, device_key);
    let mut p = CertificateParams::new(Vec::new()).unwrap();
    p.distinguished_name
        .push(DnType::CommonName, "Attestation 9a");
    for (last, value) in [(3, vec![5, 7, 1]), (7, vec![2, 1, 77]), (8, vec![2, touch])] {
        let oid = [1, 3, 6, 1, 4, 1, 41482, 3, last];
        p.custom_extensions
            .push(CustomExtension::from_oid_content(&oid, value));
    }
    let leaf_key = key();
    let leaf_pem = p.signed_by(&leaf_key, &device).unwrap().pem();
    let digits = hex::encode(leaf_key.public_key_raw());
    let block = |pem: &str| format!("- |\n  {}\n", pem.trim_end().replace('\n', "\n  "));
    format!(
        "kind: pkcs11\nkey: \"p256:{digits}\"\nlabel: YubiKey\nattestation:\n{}{}",
        block(&leaf_pem),
        block(&device_pem)
    )
}

#[test]
fn an_attested_key_is_verified_at_issue() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    desk.write("order.yaml", ORDER);
    desk.write("anchor.yaml", &attested(&desk, 1));
    let issue = |anchor: &str, more: &[&str]| desk.mooring(&[&ISSUE[..], &[anchor], more].concat());
    let unverified = issue("anchor.yaml", &[]).good();
    assert!(
        unverified
            .stderr
            .contains("not verified without --attestation-root"),
        "{}",
        unverified.stderr
    );
    let good = issue(
        "anchor.yaml",
        &["--attestation-root", "root.pem", "--require-attestation"],
    )
    .good();
    assert!(
        good.stderr
            .contains("is attested by YubiKey serial 77, firmware 5.7.1, PIN once, touch never"),
        "{}",
        good.stderr
    );
    assert!(
        !good.stdout.contains("CERTIFICATE"),
        "not part of the license"
    );
    // Without one, under another root, with another key, of a key that wants a touch.
    desk.write("plain.yaml", ANCHOR);
    let e = issue(
        "plain.yaml",
        &["--attestation-root", "root.pem", "--require-attestation"],
    )
    .bad()
    .stderr;
    assert!(
        e.contains("order field anchors[0].attestation: missing"),
        "{e}"
    );
    let first = std::fs::read_to_string(desk.path("root.pem")).unwrap();
    desk.write("touch.yaml", &attested(&desk, 2));
    let e = issue("touch.yaml", &[]).bad().stderr;
    assert!(
        e.contains("anchors[0].attestation") && e.contains("touch policy never"),
        "{e}"
    );
    let e = issue("anchor.yaml", &["--attestation-root", "root.pem"])
        .bad()
        .stderr;
    assert!(
        e.contains("order field anchors[0].attestation[1]")
            && e.contains("none of --attestation-root"),
        "{e}"
    );
    desk.write("root.pem", &first);
    let other = attested(&Desk::new(), 1);
    let key = other.lines().nth(1).unwrap();
    let own = desk.read("anchor.yaml");
    desk.write(
        "swapped.yaml",
        &own.replace(own.lines().nth(1).unwrap(), key),
    );
    let e = issue("swapped.yaml", &["--attestation-root", "root.pem"])
        .bad()
        .stderr;
    assert!(
        e.contains("attestation[0]") && e.contains("another key than the anchor's"),
        "{e}"
    );
    let e = issue("anchor.yaml", &["--require-attestation"]);
    assert!(
        e.code == Some(2) && e.stderr.contains("--attestation-root"),
        "{}",
        e.stderr
    );
}
