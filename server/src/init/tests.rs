#![allow(clippy::unwrap_used)]
use super::*;

fn args(dir: &Path) -> InitArgs {
    InitArgs {
        dir: dir.join("etc: \"quoted\""),
        state_dir: dir.join("state"),
        name: "main".into(),
        listen: "127.0.0.1:8443".parse().unwrap(),
        metrics: "127.0.0.1:8081".parse().unwrap(),
        anchor: Kind::Pkcs11,
        module: "/m.so".into(),
        token_label: "a: b".into(),
    }
}

#[test]
fn each_kind_of_anchor_is_written_as_it_is_read() {
    for (kind, name) in [(Kind::Usb, "usb"), (Kind::Hwid, "hwid")] {
        let dir = tempfile::tempdir().unwrap();
        let a = InitArgs {
            anchor: kind,
            ..args(dir.path())
        };
        let todo = init(&a).unwrap();
        let said = format!("mooring license anchor {name} --generate");
        assert!(todo.contains(&said) && !todo.contains("PIN"), "{todo}");
        let c = Config::load(&a.dir.join("config.yaml")).unwrap();
        assert_eq!(c.anchor.kind().to_string(), name);
    }
}

#[test]
fn what_is_written_is_read_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let a = args(dir.path());
    init(&a).unwrap();
    let path = a.dir.join("config.yaml");
    let c = Config::load(&path).unwrap();
    assert_eq!(
        (c.name.as_str(), c.anchor.kind()),
        ("main", mooring_core::license::AnchorKind::Pkcs11)
    );
    assert!(matches!(&c.anchor, AnchorConfig::Pkcs11(p) if p.token_label == "a: b"));
    assert_eq!(std::fs::read(&c.identity_key).unwrap().len(), 32);
    assert!(c.admins.is_empty() && c.clients.is_some());
    // No lease was ever granted, so the first start settles for none.
    let known = LongestLease::open(&c.state_dir).unwrap().known();
    assert_eq!(known, Some(Duration::ZERO));
    assert_eq!(
        mooring_core::ledger::settle_for(known, Duration::from_secs(30)),
        Duration::ZERO
    );

    let (text, key) = (
        std::fs::read(&path).unwrap(),
        std::fs::read(&c.identity_key).unwrap(),
    );
    let e = init(&a).unwrap_err().to_string();
    assert!(e.contains("is there already"), "{e}");
    // A configuration that was thrown away is written again around the same key and the number
    // that was kept.
    std::fs::remove_file(&path).unwrap();
    LongestLease::open(&c.state_dir)
        .unwrap()
        .raise(Duration::from_secs(60))
        .unwrap();
    init(&a).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), text);
    assert_eq!(std::fs::read(&c.identity_key).unwrap(), key);
    let known = LongestLease::open(&c.state_dir).unwrap().known();
    assert_eq!(known, Some(Duration::from_secs(60)));
}
