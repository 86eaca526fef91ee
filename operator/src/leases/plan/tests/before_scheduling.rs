//! Pods that wait before they are scheduled: their owners' claims are shown as their own.

use super::*;
use crate::leases::about;

fn who() -> Holder {
    Holder::Pod {
        namespace: "apps".into(),
        pod: "job-1".into(),
        uid: UID.into(),
        service_account: "default".into(),
        node: None,
    }
}

fn owner(owner: &str, state: &str, more: Value) -> LeaseView {
    let mut v = view("owner", state, more);
    v.holder = Holder::Owner {
        namespace: "apps".into(),
        owner: owner.into(),
        uid: UID.into(),
        service_account: "default".into(),
    };
    v
}

fn facts_of<'a>(
    server: &'a ServerRef,
    claims: &'a [Known],
    existing: Option<&'a LicenseLease>,
) -> LeaseFacts<'a> {
    LeaseFacts {
        pod: PodFact::Idle,
        ..facts(server, claims, existing)
    }
}

#[test]
fn a_pod_that_waits_to_be_scheduled_has_one_mirror_and_three_writes_of_it() {
    let server = server();
    let in_line = |place: u32| {
        let more = json!({ "place": place, "reason": "full", "message": "0 seats are free" });
        about(claims(vec![owner("Pod/job-1", "Waiting", more)]), &who())
    };
    let first = in_line(3);
    let (waits, note) = applied(plan(&facts_of(&server, &first, None)));
    assert_eq!(
        waits.metadata.name.as_deref(),
        Some("job-1-3f2504e0.main.licensing")
    );
    let status = waits.status.as_ref().unwrap();
    assert_eq!((status.state, status.place), (LeaseState::Waiting, Some(3)));
    let note = note.unwrap();
    assert_eq!(note.reason, WAITING);
    assert!(note.message.contains("0 seats are free"), "{note:?}");
    // It moves up, and nothing is written.
    let up = in_line(1);
    assert_eq!(plan(&facts_of(&server, &up, Some(&waits))), Step::Nothing);

    let reserved = owner("Pod/job-1", "Reserved", json!({}));
    let there = about(claims(vec![reserved.clone()]), &who());
    let (reserved_mirror, note) = applied(plan(&facts_of(&server, &there, Some(&waits))));
    assert_eq!(
        reserved_mirror.status.as_ref().unwrap().state,
        LeaseState::Reserved
    );
    assert_eq!(note.unwrap().reason, "LicenseReserved");

    // Its sidecar has its own: what was claimed for it is told of no more.
    let both = claims(vec![reserved, view("pod", "Held", json!({}))]);
    let both = about(both, &who());
    assert_eq!(both.len(), 1);
    let (held, note) = applied(plan(&facts_of(&server, &both, Some(&reserved_mirror))));
    assert_eq!(held.metadata.name, waits.metadata.name);
    assert_eq!(held.status.as_ref().unwrap().state, LeaseState::Held);
    assert_eq!(note.unwrap().reason, "LicenseHeld");
}

#[test]
fn what_is_claimed_for_another_is_no_word_about_a_pod() {
    for other in ["Pod/job-2", "Job/job-1", "job-1"] {
        let views = vec![owner(other, "Reserved", json!({}))];
        assert_eq!(about(claims(views), &who()).len(), 0, "{other}");
    }
    let mut elsewhere = owner("Pod/job-1", "Reserved", json!({}));
    if let Holder::Owner { namespace, .. } = &mut elsewhere.holder {
        *namespace = "kube-system".into();
    }
    assert_eq!(about(claims(vec![elsewhere]), &who()).len(), 0);
}

#[test]
fn a_group_has_a_mirror_of_its_own() {
    let server = server();
    let mut group = owner("Group/gang", "Reserved", json!({}));
    if let Holder::Owner { uid, .. } = &mut group.holder {
        *uid = "group:apps/gang".into();
    }
    let key = HolderKey("group:apps/gang".into());
    let mut book = LeaseCache::default();
    book.event(group, now(), |_| true);
    let claims = book.claims(&key);
    let facts = LeaseFacts {
        pod: PodFact::External,
        standing: Standing::External,
        ..facts(&server, &claims, None)
    };
    let (lease, _) = applied(plan(&facts));
    let name = lease.metadata.name.as_deref().unwrap();
    assert!(name.starts_with("group-gang-") && name.ends_with(".main.licensing"));
    assert_eq!(lease.metadata.namespace.as_deref(), Some("apps"));
    assert_eq!(lease.spec.holder.name, "Group/gang");
    // It is over.
    let facts = LeaseFacts {
        claims: &[],
        existing: Some(&lease),
        ..facts
    };
    assert_eq!(plan(&facts), Step::Delete);
}
