#![allow(clippy::unwrap_used)]
use super::*;
use crate::license::SigningKey;
use crate::license::check::check_anchors as check;

fn bare(kind: AnchorKind, seed: u8) -> AnchorKey {
    AnchorKey {
        kind,
        key: SigningKey::from_seed(&[seed; 32]).unwrap().public(),
        software: false,
        label: None,
        usb: None,
        hwid: None,
        standby: None,
    }
}

fn usb() -> AnchorKey {
    AnchorKey {
        usb: Some(UsbDevice {
            vendor_id: "096e".into(),
            product_id: "0006".into(),
            serial: "A1".into(),
        }),
        ..bare(AnchorKind::Usb, 2)
    }
}

fn hwid() -> AnchorKey {
    let salt = "00".repeat(16);
    let items = [
        (HwidItem::Mac, "02:00:5e:10:00:01"),
        (HwidItem::MachineId, "0f"),
    ];
    let items = items.map(|(item, v)| HwidHash {
        item,
        hash: HwidItems::hash(&salt, item, v),
    });
    AnchorKey {
        hwid: Some(HwidItems {
            k: 1,
            items: items.to_vec(),
            salt,
        }),
        ..bare(AnchorKind::Hwid, 3)
    }
}

fn refused(a: &AnchorKey) -> String {
    check(std::slice::from_ref(a)).unwrap_err().to_string()
}

#[test]
fn each_kind_has_what_it_needs_and_nothing_else() {
    for good in [bare(AnchorKind::Pkcs11, 1), usb(), hwid()] {
        check(std::slice::from_ref(&good)).unwrap();
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<AnchorKey>(&json).unwrap(), good);
    }
    for (a, says) in [
        (bare(AnchorKind::Usb, 2), "anchors[0].usb: missing"),
        (bare(AnchorKind::Hwid, 2), "anchors[0].hwid: missing"),
        (
            AnchorKey {
                usb: usb().usb,
                ..bare(AnchorKind::Pkcs11, 1)
            },
            "anchors[0].usb: does not belong to an anchor of kind pkcs11",
        ),
        (
            AnchorKey {
                hwid: hwid().hwid,
                ..usb()
            },
            "anchors[0].hwid: does not belong to an anchor of kind usb",
        ),
    ] {
        let e = refused(&a);
        assert!(e.contains(says), "{e}");
    }
}

#[test]
fn a_device_that_nothing_could_match_is_refused() {
    for (vendor, product, serial, says) in [
        (
            "096E",
            "0006",
            "A1",
            "usb.vendorId: \"096E\", expected four",
        ),
        ("96e", "0006", "A1", "usb.vendorId: \"96e\""),
        ("096e", "00g6", "A1", "usb.productId: \"00g6\""),
        ("096e", "0006", " ", "usb.serial"),
        ("096e", "0006", "a\nb", "usb.serial"),
    ] {
        let mut a = usb();
        a.usb = Some(UsbDevice {
            vendor_id: vendor.into(),
            product_id: product.into(),
            serial: serial.into(),
        });
        let e = refused(&a);
        assert!(e.contains(says), "{e}");
    }
}

#[test]
fn a_machine_needs_hardware_and_a_k_that_can_be_reached() {
    let change = |f: &dyn Fn(&mut HwidItems)| {
        let mut a = hwid();
        f(a.hwid.as_mut().unwrap());
        refused(&a)
    };
    for (e, says) in [
        (
            change(&|h| h.k = 0),
            "hwid.k: 0, expected 1 to the number of items, 2",
        ),
        (change(&|h| h.k = 3), "hwid.k: 3"),
        (change(&|h| h.items.clear()), "hwid.items: 0 items"),
        (
            change(&|h| drop(h.items.remove(0))),
            "hwid.items: none of hardware",
        ),
        (
            change(&|h| h.items[1].hash = h.items[0].hash.clone()),
            "hwid.items[1].hash: it is there twice",
        ),
        (
            change(&|h| h.items[1].hash.truncate(10)),
            "hwid.items[1].hash: expected a SHA-256",
        ),
        (
            change(&|h| h.items[1].hash.make_ascii_uppercase()),
            "hwid.items[1].hash: expected a SHA-256",
        ),
        (change(&|h| h.salt = "00".into()), "hwid.salt"),
        (change(&|h| h.salt = "zz".repeat(16)), "hwid.salt"),
    ] {
        assert!(e.contains(says), "{e}");
    }
}

#[test]
fn one_anchor_serves_and_each_key_is_there_once() {
    let standby = |mut a: AnchorKey, days| {
        a.standby = Some(Standby { days });
        a
    };
    let main = bare(AnchorKind::Pkcs11, 1);
    check(&[main.clone(), standby(usb(), 14), standby(hwid(), 365)]).unwrap();
    for (anchors, says) in [
        (vec![], "expected at least one"),
        (vec![main.clone(), usb()], "exactly one without standby"),
        (vec![standby(usb(), 14)], "exactly one without standby"),
        (
            vec![main.clone(), standby(main.clone(), 14)],
            "anchors[1].key",
        ),
        (
            vec![main.clone(), standby(usb(), 0)],
            "anchors[1].standby.days: 0; expected 1 to 365",
        ),
        (
            vec![main, standby(usb(), 366)],
            "anchors[1].standby.days: 366",
        ),
    ] {
        let e = check(&anchors).unwrap_err().to_string();
        assert!(e.contains(says), "{e}");
    }
}

#[test]
fn a_hash_is_of_its_salt_item_and_value() {
    let h = HwidItems::hash("00", HwidItem::Mac, "02:00:5e:10:00:01");
    // printf 'mooring-hwid\n00\nmac\n02:00:5e:10:00:01' | sha256sum
    assert_eq!(
        h,
        "adf34c962daf73764828563e55fd75d6c8f2bc47050d8b16bda62a5db94789d1"
    );
    assert_ne!(h, HwidItems::hash("01", HwidItem::Mac, "02:00:5e:10:00:01"));
    assert_ne!(
        h,
        HwidItems::hash("00", HwidItem::DiskSerial, "02:00:5e:10:00:01")
    );
}
