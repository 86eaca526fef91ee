#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

#[test]
fn a_machine_without_usb_has_no_device_and_a_missing_sysfs_is_said() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(plugged(dir.path()).unwrap(), BTreeSet::new());
    let e = plugged(&dir.path().join("sys")).unwrap_err().to_string();
    assert!(e.contains("bus/usb/devices"), "{e}");
    let at = dir.path().join("bus/usb/devices/1-1");
    std::fs::create_dir_all(&at).unwrap();
    for (file, says) in [("idVendor", "1050"), ("idProduct", "0407"), ("serial", "7")] {
        std::fs::write(at.join(file), format!("{says}\n")).unwrap();
    }
    let device = Device {
        vendor_id: "1050".into(),
        product_id: "0407".into(),
        serial: Some("7".into()),
    };
    assert_eq!(plugged(dir.path()).unwrap(), BTreeSet::from([device]));
}

#[test]
fn a_change_is_told_at_once_and_the_same_again_as_a_sign_of_life() {
    let ca = crate::certs::Ca::ephemeral(std::time::SystemTime::now()).unwrap();
    let config = tls::client_config(&ca.roots_pem(), None).unwrap();
    let client = Client::new("https://x:1", vec![], config);
    let at = BootTime::from_millis;
    let none = BTreeSet::new();
    let mut r = Replica {
        client: client.unwrap(),
        told: None,
        trouble: None,
    };
    assert!(r.is_due(&none, at(0)), "it was never told");
    r.told = Some((none.clone(), at(0)));
    assert!(!r.is_due(&none, at(14_999)));
    assert!(r.is_due(&none, at(15_000)));
    let one = BTreeSet::from([Device {
        vendor_id: "1050".into(),
        product_id: "0407".into(),
        serial: None,
    }]);
    assert!(r.is_due(&one, at(1)));
}

#[test]
fn an_address_that_is_none_is_said_with_what_was_expected() {
    use clap::Parser as _;
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: AgentArgs,
    }
    let new = |url: &str| {
        let cli = Cli::try_parse_from(["x", "--operator", url]).unwrap();
        Agent::new(cli.args).map(|a| a.host)
    };
    assert_eq!(new("https://a.b.svc:9443").unwrap(), "a.b.svc:9443");
    let e = new("http://a.b.svc").err().unwrap().to_string();
    assert!(e.contains("expected https://NAME:PORT"), "{e}");
}
