//! Anchors whose presence is a tree of files: a USB device, a machine.

#![allow(clippy::unwrap_used)]

use super::software::SoftwareAnchor;
use super::*;
use mooring_config::{HwidConfig, UsbConfig};
use mooring_core::license::{HwidItem, SigningKey, UsbDevice};
use mooring_hardware::hwid::{Fact, hashed};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const SEED: [u8; 32] = [7; 32];
/// PKCS#8 of the seed.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn key_file(dir: &Path) -> PathBuf {
    let path = dir.join("anchor.key");
    put(&path, PEM);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn entry(kind: AnchorKind) -> AnchorKey {
    AnchorKey {
        kind,
        key: SigningKey::from_seed(&SEED).unwrap().public(),
        software: false,
        label: None,
        usb: None,
        hwid: None,
        standby: None,
    }
}

fn reason<T: std::fmt::Debug>(r: Result<T, Lost>) -> (AnchorReason, String) {
    let l = r.unwrap_err();
    (l.reason, l.message)
}

#[tokio::test]
async fn a_usb_anchor_signs_while_its_device_is_there_and_never_without() {
    let dir = tempfile::tempdir().unwrap();
    let device = dir.path().join("sys/bus/usb/devices/1-1");
    let plug = |serial: &str| {
        put(&device.join("idVendor"), "096e\n");
        put(&device.join("idProduct"), "0006\n");
        put(&device.join("serial"), &format!("{serial}\n"));
    };
    let mut a = SoftwareAnchor::usb(UsbConfig {
        key_file: key_file(dir.path()),
        sysfs_root: dir.path().join("sys"),
    });
    let e = AnchorKey {
        usb: Some(UsbDevice {
            vendor_id: "096e".into(),
            product_id: "0006".into(),
            serial: "A1".into(),
        }),
        ..entry(AnchorKind::Usb)
    };
    assert_eq!(a.open(&[]).await.unwrap(), vec![e.key]);
    // No list of devices at all is not a device that is missing.
    let (r, m) = reason(a.present(Some(&e)).await);
    assert!(
        r == AnchorReason::DevicesUnreadable && m.contains("--sysfs-root"),
        "{m}"
    );
    plug("A1");
    a.present(Some(&e)).await.unwrap();
    let signature = a.sign(&e, b"hello").await.unwrap();
    assert!(e.key.verifies(b"hello", &signature));
    // Another of the same make, and none.
    plug("A2");
    let (r, m) = reason(a.present(Some(&e)).await);
    assert!(
        r == AnchorReason::DeviceNotFound
            && m.contains("096e:0006 serial \"A1\"")
            && m.contains("plug it in"),
        "{m}"
    );
    assert_eq!(
        reason(a.sign(&e, b"hello").await).0,
        AnchorReason::DeviceNotFound
    );
    std::fs::remove_dir_all(&device).unwrap();
    assert_eq!(
        reason(a.present(Some(&e)).await).0,
        AnchorReason::DeviceNotFound
    );
    plug("A1");
    a.present(Some(&e)).await.unwrap();
    // Without a license there is nothing that must be there.
    std::fs::remove_dir_all(&device).unwrap();
    a.present(None).await.unwrap();
    // An entry of another kind, and another key.
    plug("A1");
    assert_eq!(
        reason(a.present(Some(&entry(AnchorKind::Hwid))).await).0,
        AnchorReason::KeyNotInLicense
    );
    let other = AnchorKey {
        key: SigningKey::from_seed(&[8; 32]).unwrap().public(),
        ..e.clone()
    };
    assert_eq!(
        reason(a.sign(&other, b"hello").await).0,
        AnchorReason::KeyNotFound
    );
    a.close().await;
    assert_eq!(
        reason(a.sign(&e, b"hello").await).0,
        AnchorReason::KeyNotFound
    );
}

#[tokio::test]
async fn a_key_file_that_everybody_may_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = key_file(dir.path());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut a = SoftwareAnchor::usb(UsbConfig {
        key_file: path,
        sysfs_root: "/sys".into(),
    });
    let (r, m) = reason(a.open(&[]).await);
    assert!(
        r == AnchorReason::KeyFileUnusable
            && m.contains("mode 0644")
            && m.contains("anchor.usb.keyFile"),
        "{m}"
    );
}

#[tokio::test]
async fn an_hwid_anchor_takes_k_of_n_and_names_what_no_longer_matches() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("host");
    let (uuid, id, board) = (
        root.join("sys/class/dmi/id/product_uuid"),
        root.join("etc/machine-id"),
        root.join("sys/class/dmi/id/board_serial"),
    );
    put(&uuid, "4C4C4544-0042\n");
    put(&board, "BOARD-77\n");
    put(&id, "0f1e2d3c\n");
    let fact = |item, v: &str| Fact::new(item, v).unwrap();
    let facts = [
        fact(HwidItem::ProductUuid, "4C4C4544-0042"),
        fact(HwidItem::BoardSerial, "BOARD-77"),
        fact(HwidItem::MachineId, "0f1e2d3c"),
    ];
    let e = AnchorKey {
        hwid: Some(hashed(&facts, &"5a".repeat(16), 2)),
        ..entry(AnchorKind::Hwid)
    };
    let mut a = SoftwareAnchor::hwid(HwidConfig {
        key_file: key_file(dir.path()),
        host_root: root.clone(),
    });
    a.open(&[]).await.unwrap();
    let signature = a.sign(&e, b"hello").await.unwrap();
    assert!(e.key.verifies(b"hello", &signature));
    // One may change.
    put(&board, "BOARD-78\n");
    a.present(Some(&e)).await.unwrap();
    put(&id, "ffee\n");
    let (r, m) = reason(a.sign(&e, b"hello").await);
    assert_eq!(r, AnchorReason::HostChanged);
    assert!(
        m.contains("1 of the 3")
            && m.contains("at least 2")
            && m.contains("boardSerial, machineId"),
        "{m}"
    );
    assert!(
        !m.contains("BOARD") && !m.contains("ffee") && !m.contains("0f1e"),
        "{m}"
    );
    // What is there and cannot be read is another matter: the server runs without the rights it
    // needs.
    std::fs::remove_file(&board).unwrap();
    std::fs::create_dir(&board).unwrap();
    let (r, m) = reason(a.present(Some(&e)).await);
    assert!(
        r == AnchorReason::HostUnreadable && m.contains("UID 0") && m.contains("boardSerial"),
        "{m}"
    );
    std::fs::remove_dir(&board).unwrap();
    put(&board, "BOARD-77\n");
    a.present(Some(&e)).await.unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    let (r, m) = reason(a.present(Some(&e)).await);
    assert!(
        r == AnchorReason::HostUnreadable && m.contains("--host-root"),
        "{m}"
    );
}
