#![allow(clippy::unwrap_used)]
use super::*;

fn plug(sysfs: &Path, port: &str, files: &[(&str, &str)]) {
    let at = sysfs.join("bus/usb/devices").join(port);
    std::fs::create_dir_all(&at).unwrap();
    for (name, says) in files {
        std::fs::write(at.join(name), format!("{says}\n")).unwrap();
    }
}

fn dongle() -> UsbDevice {
    UsbDevice {
        vendor_id: "096e".into(),
        product_id: "0006".into(),
        serial: "A1".into(),
    }
}

#[test]
fn a_device_is_found_by_ids_and_serial_and_by_nothing_less() {
    let dir = tempfile::tempdir().unwrap();
    let sysfs = dir.path();
    plug(
        sysfs,
        "usb1",
        &[("idVendor", "1d6b"), ("idProduct", "0002")],
    );
    plug(sysfs, "1-0:1.0", &[("bInterfaceClass", "09")]);
    assert_eq!(count(sysfs, &dongle()).unwrap(), 0);
    for (vendor, product, serial) in [
        ("096e", "0006", "A2"),
        ("096e", "0007", "A1"),
        ("096f", "0006", "A1"),
        ("096e", "0006", "A"),
        ("096e", "0006", ""),
    ] {
        plug(
            sysfs,
            "1-1",
            &[
                ("idVendor", vendor),
                ("idProduct", product),
                ("serial", serial),
            ],
        );
        assert_eq!(
            count(sysfs, &dongle()).unwrap(),
            0,
            "{vendor} {product} {serial}"
        );
    }
    plug(
        sysfs,
        "1-1",
        &[
            ("idVendor", "096E"),
            ("idProduct", "0006"),
            ("serial", "A1"),
            ("manufacturer", "Feitian"),
            ("product", "Key"),
        ],
    );
    assert_eq!(count(sysfs, &dongle()).unwrap(), 1);
    plug(
        sysfs,
        "1-2",
        &[
            ("idVendor", "096e"),
            ("idProduct", "0006"),
            ("serial", "A1"),
        ],
    );
    assert_eq!(count(sysfs, &dongle()).unwrap(), 2);
    let all = devices(sysfs).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(
        (all[0].name.as_str(), all[0].device()),
        ("Feitian Key", Some(dongle()))
    );
    assert_eq!((all[2].port.as_str(), all[2].device()), ("usb1", None));
    std::fs::remove_dir_all(sysfs.join("bus/usb/devices/1-1")).unwrap();
    std::fs::remove_dir_all(sysfs.join("bus/usb/devices/1-2")).unwrap();
    assert_eq!(count(sysfs, &dongle()).unwrap(), 0);
}

#[test]
fn what_cannot_be_read_is_no_device_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let e = count(dir.path(), &dongle()).unwrap_err();
    assert!(e.path.ends_with("bus/usb/devices"), "{e}");
    // A folder where a file should be: an error that is not "gone".
    plug(dir.path(), "1-1", &[("idProduct", "0006")]);
    std::fs::create_dir(dir.path().join("bus/usb/devices/1-1/idVendor")).unwrap();
    let e = devices(dir.path()).unwrap_err();
    assert!(e.path.ends_with("1-1/idVendor"), "{e}");
}
