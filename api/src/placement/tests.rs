#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn device(serial: Option<&str>) -> Device {
    Device {
        vendor_id: "1050".into(),
        product_id: "0407".into(),
        serial: serial.map(str::to_owned),
    }
}

#[test]
fn a_device_is_a_label_that_kubernetes_takes_whatever_its_serial() {
    assert_eq!(
        device(None).label(),
        "anchor.mooring.node-restriction.kubernetes.io/1050-0407"
    );
    for serial in ["12345678", "ünïcode / with blanks", &"x".repeat(126)] {
        let label = device(Some(serial)).label();
        let (_, name) = label.split_once('/').unwrap();
        assert!(name.len() <= 63, "{name}");
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
            "{name}"
        );
        assert_ne!(label, device(None).label());
    }
    assert_ne!(device(Some("a")).label(), device(Some("b")).label());
}

#[test]
fn labels_come_from_the_device_or_from_the_selector() {
    let by_device: Placement =
        serde_yaml::from_str("device: {vendorId: \"1050\", productId: \"0407\"}").unwrap();
    assert_eq!(
        by_device.labels(),
        BTreeMap::from([(
            "anchor.mooring.node-restriction.kubernetes.io/1050-0407".to_owned(),
            "present".to_owned()
        )])
    );
    let by_labels: Placement = serde_yaml::from_str("nodeSelector: {a: b}").unwrap();
    assert_eq!(
        by_labels.labels(),
        BTreeMap::from([("a".to_owned(), "b".to_owned())])
    );
}
