#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

fn token() -> ClientToken {
    ClientToken {
        id: "t-1".into(),
        subject: "build farm/7".into(),
        server: "main".into(),
        issued_at: at("2026-01-01T00:00:00Z"),
        expires: at("2026-04-01T00:00:00Z"),
        claims: None,
    }
}

fn open(text: &str) -> Result<ClientToken, ClientTokenError> {
    let now = at("2026-02-01T00:00:00Z");
    ClientToken::open(text, &[key(9).public(), key(1).public()], "main", now).map(|(t, _)| t)
}

fn sealed(json: &serde_json::Value, payload_type: &'static str, key: &SigningKey) -> String {
    let e = Envelope::sign(payload_type, json, key).unwrap();
    let json = serde_json::to_vec(&e).unwrap();
    format!("{CLIENT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
}

#[test]
fn a_token_is_read_as_it_was_sealed() {
    let text = token().seal(&key(1)).unwrap();
    assert!(
        text.starts_with("mct_") && text.len() < 800,
        "{}",
        text.len()
    );
    assert_eq!(open(&text), Ok(token()));
    let (seen, by) = ClientToken::read_unverified(&text).unwrap();
    assert_eq!((seen, by), (token(), vec![key(1).public().id()]));
}

#[test]
fn each_bad_one_is_refused_for_its_reason() {
    let good = token().seal(&key(1)).unwrap();
    let json = serde_json::to_value(token()).unwrap();
    let with = |f: &str, v: serde_json::Value| {
        let mut j = json.clone();
        j[f] = v;
        sealed(&j, types::CLIENT, &key(1))
    };
    let cases = [
        (sealed(&json, types::LEASE, &key(1)), "wrong-type"),
        (token().seal(&key(2)).unwrap(), "not-signed"),
        (with("server", "other".into()), "other-server"),
        (with("expires", "2026-02-01T00:00:00Z".into()), "expired"),
        (
            with("expires", "2025-02-01T00:00:00Z".into()),
            "field-invalid",
        ),
        (with("issuedAt", "2026-02-01T00:01:01Z".into()), "not-yet"),
        (
            with("expires", "2027-01-02T00:00:01Z".into()),
            "field-invalid",
        ),
        (with("subject", "mooring-operator".into()), "field-invalid"),
        (with("subject", "a\nb".into()), "field-invalid"),
        (with("subject", "x".repeat(201).into()), "field-invalid"),
        (with("id", "a b".into()), "field-invalid"),
        (with("onlyFrom", "10.0.0.0/8".into()), "field-invalid"),
        (good.replace("mct_", "mct-"), "malformed"),
        (good[..good.len() - 7].to_owned(), "malformed"),
        (format!("mct_{}", "A".repeat(MAX_CLIENT_TOKEN)), "malformed"),
        ("mct_".into(), "malformed"),
        (String::new(), "malformed"),
    ];
    for (text, want) in cases {
        let e = open(&text).unwrap_err();
        assert_eq!(e.reason(), want, "{e}");
    }
    // The last instant counts, and the one after does not.
    let until = |now| ClientToken::open(&good, &[key(1).public()], "main", at(now)).is_ok();
    assert!(until("2026-03-31T23:59:59Z") && !until("2026-04-01T00:00:00Z"));
    // Whoever issues may be a minute ahead, and a year may be a leap year.
    for (f, v) in [
        ("issuedAt", "2026-02-01T00:01:00Z"),
        ("expires", "2027-01-02T00:00:00Z"),
    ] {
        assert!(open(&with(f, v.into())).is_ok(), "{f} {v}");
    }
    // Without any key nothing is signed.
    assert!(ClientToken::open(&good, &[], "main", at("2026-02-01T00:00:00Z")).is_err());
}

#[test]
fn an_edited_document_is_not_the_signed_one() {
    let good = token().seal(&key(1)).unwrap();
    let mut e = envelope(&good).unwrap();
    let other = ClientToken {
        subject: "admin".into(),
        ..token()
    };
    e.payload = serde_json::to_vec(&other).unwrap();
    let json = serde_json::to_vec(&e).unwrap();
    let text = format!("{CLIENT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(json));
    assert_eq!(open(&text).unwrap_err().reason(), "not-signed");
}

#[test]
fn nothing_is_sealed_that_would_not_open() {
    for bad in [
        ClientToken {
            id: String::new(),
            ..token()
        },
        ClientToken {
            subject: " farm".into(),
            ..token()
        },
        ClientToken {
            server: String::new(),
            ..token()
        },
        ClientToken {
            expires: token().issued_at,
            ..token()
        },
        ClientToken {
            claims: Some(0),
            ..token()
        },
        ClientToken {
            claims: Some(1025),
            ..token()
        },
    ] {
        assert!(matches!(
            bad.seal(&key(1)),
            Err(ClientTokenError::Field { .. })
        ));
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(s in any::<String>(), at in 0usize..600, with in any::<u8>()) {
        prop_assert!(open(&s).is_err());
        // One changed byte of a good one is never another good one.
        let good = token().seal(&key(1)).unwrap();
        let mut b = good.clone().into_bytes();
        let at = at % b.len();
        b[at] = with;
        let read = String::from_utf8(b).ok().filter(|t| *t != good).and_then(|t| open(&t).ok());
        if let Some(t) = read {
            prop_assert_eq!(t, token());
        }
    }
}
