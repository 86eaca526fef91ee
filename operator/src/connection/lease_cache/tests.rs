#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::json;

fn view(lease: u8, uid: &str, state: &str) -> LeaseView {
    let holder = json!({ "kind": "pod", "namespace": "a", "pod": format!("p-{uid}"), "uid": uid, "serviceAccount": "default" });
    let items = json!([{ "product": "render", "seats": 1 }]);
    let v = json!({ "lease": hex::encode([lease; 16]), "claim": "pod", "holder": holder, "items": items, "state": state, "sinceMs": 2000 });
    serde_json::from_value(v).unwrap()
}

fn list(leases: Vec<LeaseView>) -> Leases {
    Leases {
        position: format!("{}.1", "0".repeat(32)).parse().unwrap(),
        leases,
    }
}

fn seen(_: &HolderKey) -> bool {
    true
}

fn key(uid: &str) -> HolderKey {
    HolderKey(uid.to_owned())
}

#[test]
fn ages_become_points_in_time() {
    let now: Timestamp = "2026-03-01T12:00:10Z".parse().unwrap();
    let mut lease_cache = LeaseCache::default();
    lease_cache.list(list(vec![view(1, "u1", "Held")]), now, seen);
    assert_eq!(
        lease_cache.claims(&key("u1"))[0].since.to_string(),
        "2026-03-01T12:00:08Z"
    );
}

#[test]
fn a_list_names_only_the_holders_that_changed() {
    let now = Timestamp::UNIX_EPOCH;
    let mut lease_cache = LeaseCache::default();
    let all = lease_cache.list(
        list(vec![
            view(1, "u1", "Held"),
            view(2, "u2", "Waiting"),
            view(3, "u3", "Held"),
        ]),
        now,
        seen,
    );
    assert_eq!(all.len(), 3);
    let changed = lease_cache.list(
        list(vec![
            view(1, "u1", "Held"),
            view(2, "u2", "Held"),
            view(4, "u4", "Held"),
        ]),
        now,
        seen,
    );
    assert_eq!(
        changed.into_iter().collect::<Vec<_>>(),
        [key("u2"), key("u3"), key("u4")]
    );
}

#[test]
fn a_holder_that_gave_back_is_remembered_until_it_asks_again() {
    let now = Timestamp::UNIX_EPOCH;
    let mut lease_cache = LeaseCache::default();
    lease_cache.event(view(1, "u1", "Held"), now, seen);
    let mut end = view(1, "u1", "Ended");
    end.ended = Some(EndReason::Released);
    lease_cache.event(end, now, seen);
    assert!(!lease_cache.knows(&key("u1")) && lease_cache.has_released(&key("u1")));
    lease_cache.event(view(2, "u1", "Waiting"), now, seen);
    assert!(lease_cache.knows(&key("u1")) && !lease_cache.has_released(&key("u1")));
    assert_eq!(lease_cache.waiting(), 1);
}

fn numbered(n: u32, uid: &str, state: &str) -> LeaseView {
    let mut v = view(0, uid, state);
    let id = serde_json::to_value(format!("{n:032x}")).unwrap();
    v.lease = serde_json::from_value(id).unwrap();
    v
}

#[test]
fn of_holders_that_nobody_sees_only_so_many_claims_are_kept() {
    let now = Timestamp::UNIX_EPOCH;
    let mut lease_cache = LeaseCache::default();
    let honest = |k: &HolderKey| k.0 == "honest";
    lease_cache.event(numbered(0, "honest", "Held"), now, honest);
    for n in 1..=5000 {
        lease_cache.event(numbered(n, &format!("forged-{n}"), "Held"), now, honest);
    }
    assert_eq!(lease_cache.holders().count(), MOST_UNSEEN + 1);
    assert_eq!(lease_cache.leases.len(), MOST_UNSEEN + 1);
    assert!(lease_cache.knows(&key("honest")) && lease_cache.knows(&key("forged-5000")));
    for n in 1..=5000 {
        lease_cache.event(numbered(n, &format!("forged-{n}"), "Ended"), now, honest);
    }
    assert!(lease_cache.unseen.is_empty() && lease_cache.leases.len() == 1);
}

#[test]
fn of_all_claims_of_a_server_only_so_many_are_kept() {
    let now = Timestamp::UNIX_EPOCH;
    let mut lease_cache = LeaseCache::default();
    let most = u32::try_from(MOST).unwrap();
    for n in 0..most + 100 {
        lease_cache.event(numbered(n, "a", "Held"), now, seen);
    }
    assert_eq!(lease_cache.leases.len(), MOST);
    let known = lease_cache.event(numbered(7, "a", "Silent"), now, seen);
    assert_eq!(known, Some(key("a")));
    let unknown = numbered(most + 200, "a", "Held");
    assert_eq!(
        lease_cache.event(unknown, now, seen),
        None,
        "nobody to look at"
    );
    let unheard = numbered(most + 201, "b", "Ended");
    assert_eq!(lease_cache.event(unheard, now, seen), None);
    let endless = numbered(0, &"x".repeat(60_000), "Held");
    assert_eq!(LeaseCache::default().event(endless, now, seen), None);
    let silent = |k: &Known| k.view.state == ViewState::Silent;
    assert_eq!(lease_cache.leases.values().filter(|k| silent(k)).count(), 1);
}

#[test]
fn texts_are_cut_and_an_id_never_changes_its_holder() {
    let now = Timestamp::UNIX_EPOCH;
    let mut lease_cache = LeaseCache::default();
    let mut long = view(1, "a", "Refused");
    let detail = "x".repeat(1_000_000);
    long.problem = Some(mooring_core::wire::Problem::new(
        mooring_core::wire::ProblemType::NotEntitled,
        detail.clone(),
    ));
    if let Holder::Pod { node, .. } = &mut long.holder {
        *node = Some(detail.clone());
    }
    long.message = Some(detail);
    lease_cache.event(long, now, seen);
    let kept = format!("{:?}", lease_cache.claims(&key("a")));
    assert!(kept.len() < 4000, "{} characters are kept", kept.len());
    lease_cache.event(view(1, "b", "Held"), now, seen);
    assert!(!lease_cache.knows(&key("b")), "the lease is a's");
    lease_cache.event(numbered(2, &"u".repeat(5000), "Held"), now, seen);
    assert_eq!(lease_cache.holders().count(), 1);
}

#[test]
fn what_never_was_told_of_leaves_no_trace_when_it_ends() {
    let now = Timestamp::UNIX_EPOCH;
    let mut lease_cache = LeaseCache::default();
    for n in 0..1000 {
        let mut end = numbered(n, &format!("forged-{n}"), "Ended");
        end.ended = Some(EndReason::Released);
        lease_cache.event(end, now, seen);
    }
    assert!(lease_cache.released.is_empty());
}
