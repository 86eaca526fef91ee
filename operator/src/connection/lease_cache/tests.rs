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

fn key(uid: &str) -> HolderKey {
    HolderKey(uid.to_owned())
}

#[test]
fn ages_become_points_in_time() {
    let now: Timestamp = "2026-03-01T12:00:10Z".parse().unwrap();
    let mut lease_cache = LeaseCache::default();
    lease_cache.list(list(vec![view(1, "u1", "Held")]), now);
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
    );
    assert_eq!(all.len(), 3);
    let changed = lease_cache.list(
        list(vec![
            view(1, "u1", "Held"),
            view(2, "u2", "Held"),
            view(4, "u4", "Held"),
        ]),
        now,
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
    lease_cache.event(view(1, "u1", "Held"), now);
    let mut end = view(1, "u1", "Ended");
    end.ended = Some(EndReason::Released);
    lease_cache.event(end, now);
    assert!(!lease_cache.knows(&key("u1")) && lease_cache.has_released(&key("u1")));
    lease_cache.event(view(2, "u1", "Waiting"), now);
    assert!(lease_cache.knows(&key("u1")) && !lease_cache.has_released(&key("u1")));
    assert_eq!(lease_cache.waiting(), 1);
}
