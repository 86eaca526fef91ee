use super::*;
use crate::identity::{Holder, HolderKey};
use crate::license::KeyId;
use crate::wire::ProblemType;

fn salt(n: u8) -> Salt {
    Salt::from_bytes([n; 32])
}

/// A log that names everything a customer has names for.
fn named() -> Vec<String> {
    let pod = Holder::Pod {
        namespace: "secret-namespace".into(),
        pod: "secret-pod".into(),
        uid: "secret-uid".into(),
        service_account: "secret-account".into(),
        node: Some("secret-node".into()),
    };
    let subject = || "secret-subject".to_owned();
    let token = Credential::ClientToken {
        id: "secret-token".into(),
        key: KeyId("secret-key".into()),
        subject: subject(),
    };
    let granted = Fact {
        holder: Some(pod.clone()),
        credential: Some(token),
        claim: Some("secret-claim".parse().unwrap()),
        items: crate::request::parse("render:2").unwrap(),
        project: Some("secret-project".parse().unwrap()),
        problem: Some(ProblemType::Cloned),
        ..Fact::of(AuditEvent::Granted)
    };
    let of_key = |key: HolderKey| Fact {
        holder_key: Some(key),
        why: Some("secret-why".into()),
        credential: Some(Credential::Certificate { subject: subject() }),
        ..Fact::of(AuditEvent::Revoked)
    };
    let external = Holder::External { subject: subject() };
    let mut end = ChainEnd::default();
    let facts = [granted, of_key(pod.key()), of_key(external.key())];
    let seal = |fact| {
        let (line, next) = end.seal(at(end.seq as i64), run(1), fact).unwrap();
        end = next;
        line
    };
    facts.into_iter().map(seal).collect()
}

fn extract(lines: &[String], salt: &Salt) -> Vec<String> {
    let mut extract = Extract::new(salt);
    let lines = lines.iter();
    lines.map(|l| extract.line(l.as_bytes()).unwrap()).collect()
}

#[test]
fn no_name_of_the_customers_is_in_an_extract_and_the_rest_stays() {
    let text = extract(&named(), &salt(1)).join("\n");
    assert!(!text.contains("secret-"), "{text}");
    for stays in [
        "\"render\"",
        "\"seats\":2",
        "\"cloned\"",
        "\"granted\"",
        "07:06:40.007",
    ] {
        assert!(text.contains(stays), "{stays}: {text}");
    }
}

#[test]
fn one_name_is_one_hash_and_another_salt_gives_another() {
    let lines = extract(&named(), &salt(1));
    let read = |l: &String| serde_json::from_str::<AuditRecord>(l).unwrap().fact;
    let facts: Vec<Fact> = lines.iter().map(read).collect();
    let holder = facts[0].holder.clone().unwrap();
    assert_eq!(facts[1].holder_key, Some(holder.key()), "the same UID");
    let Some(Credential::Certificate { subject }) = &facts[2].credential else {
        panic!("{:?}", facts[2])
    };
    let external = Holder::External {
        subject: subject.clone(),
    };
    assert_eq!(facts[2].holder_key, Some(external.key()));
    assert_eq!(extract(&named(), &salt(1)), lines);
    let others = extract(&named(), &salt(2));
    assert_ne!(read(&others[0]).holder, facts[0].holder);
    assert!(Salt::read(&(salt(3).text() + "\n")).is_ok());
    assert!(Salt::read("short").is_err() && format!("{:?}", salt(1)) == "…");
}

#[test]
fn an_extract_is_a_chain_that_names_what_it_was_made_of() {
    let log = named();
    let lines = extract(&log, &salt(1));
    assert_eq!(verified(&lines).breaks, []);
    for (made, original) in lines.iter().zip(&log) {
        let of = serde_json::from_str::<AuditRecord>(made)
            .unwrap()
            .of
            .unwrap();
        assert_eq!(of.hash, LineHash::of(original.as_bytes()));
    }
    let mut changed = lines.clone();
    changed[1] = changed[1].replace("revoked", "lifted");
    assert_eq!(breaks(&changed).len(), 1);
    // Made of a log out of which somebody has taken a record.
    let gap = extract(&[log[0].clone(), log[2].clone()], &salt(1));
    assert!(
        breaks(&gap)[0]
            .1
            .contains("it is made of seq 3, expected 2")
    );
    assert!(Extract::new(&salt(1)).line(b"{}").is_err());
}
