#![allow(clippy::unwrap_used)]
use super::*;

fn at(s: u32) -> Timestamp {
    format!("2026-01-01T00:00:{s:02}Z").parse().unwrap()
}

fn farm() -> Holder {
    Holder::External {
        subject: "farm".into(),
    }
}

fn revocation(of: &Holder, lease: u8, until: Option<u32>) -> RevokedHolder {
    RevokedHolder {
        holder: of.key(),
        lease: Some(LeaseId::from_bytes([lease; 16])),
        reason: Some("laptop lost".into()),
        until: until.map(at),
        at: at(0),
    }
}

fn revoke(r: &Revoked, of: RevokedHolder) -> Result<(), Problem> {
    let at = of.at;
    let change = ChangeRevocations {
        revoke: vec![of],
        lift: vec![],
    };
    r.change(change, &Credential::Operator, at)
}

#[test]
fn a_revocation_outlives_a_restart_and_ends_when_lifted_or_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Revoked::open(dir.path()).unwrap();
    let r = open();
    assert!(r.len() == 0 && r.check(&farm(), at(1)).is_ok());
    revoke(&r, revocation(&farm(), 1, None)).unwrap();
    let p = open().check(&farm(), at(1)).unwrap_err();
    assert!(
        p.kind == ProblemType::Revoked && p.detail.contains("laptop lost"),
        "{p}"
    );
    let r = open();
    assert_eq!(
        r.lift(LeaseId::from_bytes([2; 16]), &Credential::Operator, |_| {
            true
        }),
        Ok(false)
    );
    assert_eq!(
        r.lift(LeaseId::from_bytes([1; 16]), &Credential::Operator, |_| {
            true
        }),
        Ok(true)
    );
    assert!(r.check(&farm(), at(1)).is_ok() && open().len() == 0);

    revoke(&r, revocation(&farm(), 3, Some(10))).unwrap();
    assert!(r.check(&farm(), at(9)).is_err() && r.check(&farm(), at(10)).is_ok());

    std::fs::write(dir.path().join("revoked.json"), "[{").unwrap();
    let e = Revoked::open(dir.path()).err().unwrap();
    assert!(e.contains("revoked.json") && e.contains("remove it"), "{e}");
}

#[test]
fn the_ledger_is_told_of_each_change_once() {
    let r = Revoked::default();
    let told = |now| {
        let mut told = Vec::new();
        r.bar(at(now), |h, why, _| told.push((h.0.clone(), why.is_some())));
        told
    };
    let farm_is = |yes| vec![("external:farm".to_owned(), yes)];
    assert_eq!(told(0), []);
    revoke(&r, revocation(&farm(), 1, Some(5))).unwrap();
    assert_eq!((told(1), told(4)), (farm_is(true), vec![]));
    // Its time is over, but the list goes on; then the list lets go, too.
    r.set_list(RevokedList::parse("subject:farm").unwrap());
    assert_eq!((told(5), told(6)), (farm_is(true), vec![]));
    r.set_list(RevokedList::default());
    assert_eq!((told(7), told(8)), (farm_is(false), vec![]));
}

#[test]
fn whoever_asked_is_named_once_and_a_file_or_time_is_nobody() {
    let r = Revoked::default();
    let told = |now| {
        let mut told = Vec::new();
        r.bar(at(now), |_, why, by| told.push((why.is_some(), by)));
        told
    };
    let operator = || Some(Credential::Operator);
    revoke(&r, revocation(&farm(), 1, Some(5))).unwrap();
    assert_eq!(told(1), [(true, operator())]);
    assert_eq!(told(5), [(false, None)]);
    revoke(&r, revocation(&farm(), 2, None)).unwrap();
    assert_eq!(told(6).len(), 1);
    let lease = LeaseId::from_bytes([2; 16]);
    assert_eq!(r.lift(lease, &Credential::Operator, |_| true), Ok(true));
    assert_eq!(told(7), [(false, operator())]);
    r.set_list(RevokedList::parse("subject:farm").unwrap());
    assert_eq!(told(8), [(true, None)]);
}

#[test]
fn the_list_names_subjects_and_tokens_and_no_pods() {
    let r = Revoked::default();
    r.set_list(RevokedList::parse("subject:farm\nt-1").unwrap());
    assert!(r.check(&farm(), at(0)).is_err() && r.len() == 2);
    assert!(r.token("t-1").is_err() && r.token("t-2").is_ok());
    let s = || "farm".to_owned();
    let pod = Holder::Pod {
        namespace: s(),
        pod: s(),
        uid: s(),
        service_account: s(),
        node: None,
    };
    assert!(r.check(&pod, at(0)).is_ok());
    revoke(&r, revocation(&pod, 1, None)).unwrap();
    assert!(r.check(&pod, at(0)).is_err());
}

#[test]
fn a_change_names_holders_and_touches_no_other_and_pods_that_are_gone_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Revoked::open(dir.path()).unwrap();
    let pod = |n: u8| Holder::Pod {
        namespace: "a".into(),
        pod: format!("p{n}"),
        uid: format!("u{n}"),
        service_account: "s".into(),
        node: None,
    };
    let by_holder = |of: &Holder, until| RevokedHolder {
        lease: None,
        ..revocation(of, 0, until)
    };
    let r = open();
    revoke(&r, revocation(&farm(), 1, None)).unwrap();
    let two = ChangeRevocations {
        revoke: vec![by_holder(&pod(1), None), by_holder(&pod(2), None)],
        lift: vec![],
    };
    r.change(two, &Credential::Operator, at(1)).unwrap();
    let r = open();
    assert_eq!(r.len(), 3, "kept over a restart");
    let change = ChangeRevocations {
        // Its time is over by this side's clock: no error, and nothing.
        revoke: vec![by_holder(&pod(3), Some(2))],
        lift: vec![pod(1).key()],
    };
    r.change(change, &Credential::Operator, at(3)).unwrap();
    let is = |of: &Holder| r.check(of, at(3)).is_err();
    assert!(is(&farm()) && is(&pod(2)) && !is(&pod(1)) && !is(&pod(3)));
    // An external client comes again under the same name; a pod's UID does not.
    assert_eq!(r.gone(&[farm().key(), pod(1).key()]), Ok(false));
    assert_eq!(r.gone(&[pod(2).key()]), Ok(true));
    assert!(open().check(&pod(2), at(3)).is_ok() && open().check(&farm(), at(3)).is_err());
}
