//! The words for a place in the queue: true at that moment, and nothing of other namespaces.

use super::*;

/// Two products with pools of their own.
fn books(fluids: u32, mesh: u32) -> Ledger {
    let pools = [("f", fluids), ("m", mesh)];
    let l = license(&pools, &[("fluids", "f"), ("mesh", "m")]);
    Ledger::new(settings(1, Duration::ZERO), one(&l), at(0))
}

fn waits(l: &mut Ledger, n: u8, what: &str) -> (u32, WaitReason, String) {
    let p = place(l.claim(claim(n, what), at(u64::from(n))));
    (p.place, p.reason, p.message)
}

#[test]
fn all_seats_are_taken_is_said_when_they_are_with_who_stands_in_front() {
    let mut l = books(2, 1);
    granted(l.claim(claim(1, "fluids:2"), at(1)));
    granted(l.claim(claim(2, "mesh"), at(2)));
    let (place, reason, text) = waits(&mut l, 3, "fluids");
    assert_eq!((place, reason), (1, WaitReason::Full));
    assert_eq!(text, "all 2 seats of fluids are taken");
    let (place, _, text) = waits(&mut l, 4, "fluids");
    assert_eq!(place, 2);
    assert_eq!(
        text,
        "all 2 seats of fluids are taken; in front of it: pod p3"
    );
    let (_, _, text) = waits(&mut l, 5, "fluids,mesh");
    assert_eq!(
        text,
        "all 2 seats of fluids are taken; the only seat of mesh is taken; in front of it: pod p3 and 1 more"
    );
}

#[test]
fn seats_that_gather_for_the_head_are_told_as_free() {
    let mut l = books(3, 1);
    granted(l.claim(claim(1, "fluids:2"), at(1)));
    let (_, reason, text) = waits(&mut l, 2, "fluids:2");
    assert_eq!(reason, WaitReason::Full);
    assert_eq!(text, "2 seats of fluids are wanted, and 1 is free");
    let (place, reason, text) = waits(&mut l, 3, "fluids");
    assert_eq!((place, reason), (2, WaitReason::Behind));
    assert_eq!(
        text,
        "1 seat of fluids is free, kept for pod p2, which is in front of it"
    );
    // The line is one across products: who wants both stands in the way of who wants one.
    waits(&mut l, 4, "fluids:2,mesh");
    let (place, reason, text) = waits(&mut l, 5, "mesh");
    assert_eq!((place, reason), (2, WaitReason::Behind));
    assert_eq!(
        text,
        "1 seat of mesh is free, kept for pod p4, which is in front of it"
    );
}

#[test]
fn what_another_product_has_of_a_pool_is_not_told_as_taken_seats() {
    let l = license(&[("tokens", 10)], &[("a", "tokens*4"), ("b", "tokens")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&l), at(0));
    granted(l.claim(claim(1, "b:7"), at(1)));
    let (_, reason, text) = waits(&mut l, 2, "a");
    assert_eq!(reason, WaitReason::Full);
    assert_eq!(
        text,
        "1 seat of a takes 4 of tokens, of which 3 are free; 7 seats of b are out"
    );
    let l = license(&[("tokens", 8)], &[("a", "tokens*4"), ("b", "tokens")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&l), at(0));
    granted(l.claim(claim(1, "a:2"), at(1)));
    let (_, _, text) = waits(&mut l, 2, "a");
    assert_eq!(text, "all 2 seats of a are taken");
    let (_, _, text) = waits(&mut l, 3, "b");
    assert_eq!(
        text,
        "1 seat of b takes 1 of tokens, of which none is free; 2 seats of a are out; in front of it: pod p2"
    );
}

#[test]
fn a_claim_of_another_namespace_is_not_named() {
    let mut l = books(1, 1);
    granted(l.claim(claim(1, "fluids"), at(1)));
    waits(&mut l, 2, "fluids");
    let from = |n: u8, holder: Holder| Claim {
        holder,
        ..claim(n, "fluids")
    };
    let elsewhere = Holder::Pod {
        namespace: "other".into(),
        pod: "p3".into(),
        uid: "uid-3".into(),
        service_account: "default".into(),
        node: None,
    };
    let outside = Holder::External {
        subject: "ann".into(),
    };
    for (n, holder, front) in [
        (3, elsewhere, "a claim of another namespace"),
        (4, outside, "a claim of a pod"),
    ] {
        let text = place(l.claim(from(n, holder), at(9))).message;
        assert!(text.contains(&format!("in front of it: {front}")), "{text}");
        assert!(!text.contains("p2"), "{text}");
    }
}

#[test]
fn while_nothing_is_granted_the_servers_own_reason_is_told() {
    let pools = [("f", 1), ("m", 1)];
    let license = license(&pools, &[("fluids", "f"), ("mesh", "m")]);
    let capacity = one(&license);
    // Also while it settles, which would end by itself.
    let mut l = Ledger::new(settings(1, Duration::from_secs(31)), capacity, at(0));
    let lost = Problem::new(ProblemType::AnchorLost, "PinRejected: wrong PIN");
    l.pause(Some(lost), at(1));
    let told = Problem::from(l.claim(claim(1, "mesh"), at(2)).unwrap_err());
    assert_eq!(told.detail, "PinRejected: wrong PIN");
    let view = &l.views(at(3))[0];
    assert_eq!(
        (view.state, view.reason, view.message.as_deref()),
        (
            ViewState::Waiting,
            Some(WaitReason::AnchorLost),
            Some("PinRejected: wrong PIN")
        )
    );
    let revoked = Problem::new(ProblemType::LicenseInvalid, "Revoked: charged back");
    l.pause(Some(revoked), at(4));
    assert_eq!(
        l.views(at(5))[0].reason,
        Some(WaitReason::LicenseInvalid),
        "never that seats are taken"
    );
}

#[test]
fn who_asks_again_is_told_to_others_where_it_waits_otherwise_and_only_then() {
    let mut l = books(1, 1);
    granted(l.claim(claim(1, "fluids"), at(1)));
    for n in 2..=4 {
        waits(&mut l, n, "fluids");
    }
    while l.next_event().is_some() {}
    waits(&mut l, 4, "fluids");
    assert_eq!(l.next_event(), None, "as before");
    let second = place(l.claim(claim(2, "fluids"), at(10))).lease;
    let name = ClaimName::pod();
    l.release(&name, second, &secret(2), None, at(11)).unwrap();
    while l.next_event().is_some() {}
    waits(&mut l, 4, "fluids");
    let told = l.next_event().unwrap().view;
    assert_eq!((told.place, l.next_event()), (Some(2), None));
    assert_eq!(
        told.message.as_deref(),
        Some("the only seat of fluids is taken; in front of it: pod p3")
    );
}
