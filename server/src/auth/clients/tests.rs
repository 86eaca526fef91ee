#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use mooring_core::license::SigningKey;
use std::fs;

fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

fn token(subject: &str, id: &str, key: &SigningKey) -> String {
    let t = ClientToken {
        id: id.into(),
        subject: subject.into(),
        server: "main".into(),
        issued_at: at("2026-01-01T00:00:00Z"),
        expires: at("2027-01-01T00:00:00Z"),
        claims: None,
    };
    t.seal(key).unwrap()
}

#[test]
fn keys_and_revocations_change_while_it_runs_and_bad_files_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    let key = |n: u8| SigningKey::from_seed(&[n; 32]).unwrap();
    let now = at("2026-06-01T00:00:00Z");
    fs::write(path("keys"), format!("# ours\n{}\n", key(1).public())).unwrap();
    fs::write(path("revoked"), "").unwrap();
    let files = Clients {
        keys: Some(path("keys")),
        issuers: Some(path("issuers")),
        revoked: Some(path("revoked")),
    };
    let revoked = Arc::new(Revoked::default());
    let metrics = Arc::new(Metrics::new().unwrap());
    let load = |f: &Clients| {
        ClientTokens::load(
            ("main", &["ops".to_owned()]),
            f.clone(),
            revoked.clone(),
            metrics.clone(),
        )
    };
    let tokens = load(&files).unwrap();
    let mut files_seen = tokens.watched();
    tokens.look(&mut files_seen);

    let farm = token("farm", "t-1", &key(1));
    let kind = |t: &str| {
        tokens
            .verify(t, now)
            .map(|k| match k.credential {
                Credential::ClientToken { subject, .. } => subject,
                other => panic!("{other:?}"),
            })
            .map_err(|r| r.why.kind)
    };
    for _ in 0..2 {
        assert_eq!(kind(&farm), Ok("farm".into()));
    }
    let other = token("farm", "t-2", &key(2));
    assert_eq!(kind(&other), Err(ProblemType::Unauthenticated));
    assert_eq!(kind("mct_x"), Err(ProblemType::Unauthenticated));
    assert!(tokens.verify(&farm, at("2027-01-01T00:00:00Z")).is_err());

    let mut write = |name: &str, text: &str| {
        fs::write(path(name), text).unwrap();
        tokens.look(&mut files_seen);
    };
    write("keys", &key(2).public().to_string());
    assert_eq!(kind(&other), Ok("farm".into()));
    assert_eq!(kind(&farm), Err(ProblemType::Unauthenticated));
    // A broken file of keys, and a revocation right after it: the keys stay, the revocation
    // counts.
    write("keys", "ed25519:12");
    assert_eq!(kind(&other), Ok("farm".into()));
    write("revoked", "t-2");
    assert_eq!(kind(&other), Err(ProblemType::Revoked));
    let third = token("farm", "t-3", &key(2));
    assert_eq!(kind(&third), Ok("farm".into()));
    // A broken list changes nothing, and so lifts nothing.
    write("revoked", "what is this");
    assert_eq!(kind(&other), Err(ProblemType::Revoked));
    write("revoked", "subject:farm");
    assert_eq!(kind(&third), Err(ProblemType::Revoked));
    assert_eq!(kind(&token("barn", "t-4", &key(2))), Ok("barn".into()));
    write("revoked", "");
    assert_eq!(kind(&third), Ok("farm".into()));

    let e = load(&files).err().unwrap().to_string();
    assert!(e.contains("clients.keys") && e.contains("line 1"), "{e}");
}

#[test]
fn a_list_of_revoked_ones_need_not_be_there_and_lifts_nothing_when_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let now = at("2026-06-01T00:00:00Z");
    fs::write(path("keys"), key.public().to_string()).unwrap();
    let files = Clients {
        keys: Some(path("keys")),
        issuers: Some(path("issuers")),
        revoked: Some(path("revoked")),
    };
    let (revoked, metrics) = (
        Arc::new(Revoked::default()),
        Arc::new(Metrics::new().unwrap()),
    );
    let tokens = ClientTokens::load(("main", &[]), files, revoked, metrics).unwrap();
    let mut seen = tokens.watched();
    tokens.look(&mut seen);
    let farm = token("farm", "t-1", &key);
    assert!(tokens.verify(&farm, now).is_ok());
    fs::write(path("revoked"), "t-1").unwrap();
    tokens.look(&mut seen);
    assert!(tokens.verify(&farm, now).is_err());
    fs::remove_file(path("revoked")).unwrap();
    tokens.look(&mut seen);
    assert!(tokens.verify(&farm, now).is_err());
}

#[test]
fn issuers_need_no_list_of_keys_beside_them_and_one_of_both_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let files = Clients {
        keys: Some(path("keys")),
        issuers: Some(path("issuers")),
        revoked: None,
    };
    let load = || {
        let metrics = Arc::new(Metrics::new().unwrap());
        ClientTokens::load(("main", &[]), files.clone(), Arc::default(), metrics)
    };
    let e = load().err().unwrap().to_string();
    assert!(e.contains("clients.keys"), "{e}");
    let issuer = format!(
        "- {{name: cluster, keys: [\"{}\"], subjects: \"pod:a/\", claims: 2}}\n",
        key.public()
    );
    fs::write(path("issuers"), issuer).unwrap();
    let tokens = load().unwrap();
    let now = at("2026-06-01T00:00:00Z");
    assert!(tokens.verify(&token("pod:a/x", "t-1", &key), now).is_ok());
    assert!(tokens.verify(&token("farm", "t-2", &key), now).is_err());
}
