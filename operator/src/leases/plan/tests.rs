#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value)]
use super::*;
use crate::connection::LeaseCache;
use crate::leases::{Service, Trouble, WAITING, waits_for_itself};
use crate::pods::Holding;
use kube::runtime::events::EventType;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::wire::LeaseView;
use serde_json::{Value, json};

mod before_scheduling;
mod cut_off;
mod outage;
mod pool;
mod taken_away;

const UID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
const WELL: Service = Service {
    trouble: None,
    stopped: None,
    heard: None,
    connected: true,
    lease_for: Duration::from_secs(30),
    run_for: Some(Duration::from_secs(8 * 3600)),
};

fn server() -> ServerRef {
    ServerRef::new("licensing", "main")
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn view(claim: &str, state: &str, more: Value) -> LeaseView {
    let holder = json!({ "kind": "pod", "namespace": "apps", "pod": "job-1", "uid": UID, "serviceAccount": "default", "node": "node-a" });
    let lease = if claim == "pod" {
        "0a".repeat(16)
    } else {
        "0b".repeat(16)
    };
    let mut v = json!({ "lease": lease, "claim": claim, "holder": holder, "items": [{ "product": "render", "seats": 2 }], "state": state, "sinceMs": 5000 });
    v.as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    serde_json::from_value(v).unwrap()
}

fn claims_at(views: Vec<LeaseView>, at: Timestamp) -> Vec<Known> {
    let mut book = LeaseCache::default();
    for v in views {
        book.event(v, at, |_| true);
    }
    book.claims(&HolderKey(UID.into()))
}

fn claims(views: Vec<LeaseView>) -> Vec<Known> {
    claims_at(views, now())
}

fn facts<'a>(
    server: &'a ServerRef,
    claims: &'a [Known],
    existing: Option<&'a LicenseLease>,
) -> LeaseFacts<'a> {
    LeaseFacts {
        server,
        service: &WELL,
        now: now(),
        claims,
        settled: true,
        released: false,
        pod: PodFact::Unseen,
        standing: Standing::Counts,
        elsewhere: Elsewhere::Nowhere,
        node: None,
        listed: Listed::No,
        existing,
        written: None,
    }
}

fn running(secs: u64) -> PodFact {
    let holder = Holder::Pod {
        namespace: "apps".into(),
        pod: "job-1".into(),
        uid: UID.into(),
        service_account: "default".into(),
        node: Some("node-a".into()),
    };
    let of = Holding {
        holder,
        products: "render:2".into(),
        since: Some(now()),
        max_grace: Duration::from_secs(8 * 3600),
        optimistic: false,
        app_runs: true,
        unreachable: false,
        on_loss: mooring_core::policy::OnLoss::Keep,
    };
    PodFact::Running {
        of: Box::new(of),
        unknown_for: Duration::from_secs(secs),
    }
}

fn applied(step: Step) -> (LicenseLease, Option<Note>) {
    match step {
        Step::Apply(l, n) => (*l, n),
        other => panic!("{other:?}"),
    }
}

fn written(views: Vec<LeaseView>) -> LicenseLease {
    let server = server();
    let claims = claims(views);
    applied(plan(&facts(&server, &claims, None))).0
}

#[test]
fn a_new_lease_is_one_object_that_tells_all() {
    let (server, claims) = (server(), claims(vec![view("pod", "Held", json!({}))]));
    let (lease, note) = applied(plan(&facts(&server, &claims, None)));
    assert_eq!(
        lease.metadata.name.as_deref(),
        Some("job-1-3f2504e0.main.licensing")
    );
    assert_eq!(lease.metadata.namespace.as_deref(), Some("apps"));
    assert!(lease.metadata.owner_references.is_none() && lease.metadata.finalizers.is_none());
    let s = lease.status.unwrap();
    assert_eq!(
        (s.products.as_str(), s.state, s.node.as_deref()),
        ("render:2", LeaseState::Held, Some("node-a"))
    );
    assert_eq!(s.since.0.to_string(), "2026-03-01T11:59:55Z");
    assert_eq!(note.unwrap().reason, "LicenseHeld");
}

#[test]
fn a_repeated_answer_and_a_renewal_write_nothing() {
    let lease = written(vec![view("pod", "Held", json!({}))]);
    let later = claims_at(
        vec![view("pod", "Held", json!({ "sinceMs": 900_123 }))],
        "2026-03-01T13:00:00Z".parse().unwrap(),
    );
    assert_eq!(plan(&facts(&server(), &later, Some(&lease))), Step::Nothing);
    // A restarted server that took the lease in counts its state's age from there.
    let taken_in = claims_at(
        vec![view("pod", "Held", json!({ "sinceMs": 0 }))],
        "2026-03-01T13:00:00Z".parse().unwrap(),
    );
    assert_eq!(
        plan(&facts(&server(), &taken_in, Some(&lease))),
        Step::Nothing
    );
}

#[test]
fn a_pods_life_through_the_line_is_three_writes() {
    let server = server();
    let waiting = written(vec![view(
        "pod",
        "Waiting",
        json!({ "place": 3, "reason": "full" }),
    )]);
    let held = claims(vec![view("pod", "Held", json!({}))]);
    let (held_lease, note) = applied(plan(&facts(&server, &held, Some(&waiting))));
    assert_eq!(note.unwrap().reason, "LicenseHeld");
    let mut end = facts(&server, &[], Some(&held_lease));
    end.pod = PodFact::Gone;
    assert_eq!(plan(&end), Step::Delete);
}

#[test]
fn waiting_tells_place_and_reason() {
    let (server, claims) = (
        server(),
        claims(vec![view(
            "pod",
            "Waiting",
            json!({ "place": 3, "reason": "full", "message": "2 seats of render are wanted, and 1 is free" }),
        )]),
    );
    let (lease, note) = applied(plan(&facts(&server, &claims, None)));
    let status = lease.status.unwrap();
    assert_eq!(
        (status.place, status.reason.as_deref()),
        (Some(3), Some("Full"))
    );
    let note = note.unwrap();
    assert_eq!(note.reason, "LicenseWaiting");
    assert!(
        note.message.contains("place 3")
            && note
                .message
                .contains("2 seats of render are wanted, and 1 is free"),
        "{}",
        note.message
    );
}

#[test]
fn who_waits_for_the_pods_that_it_replaces_is_told_the_way_out() {
    let of = |state: &str, product: &str| {
        let items =
            json!({ "place": 1, "reason": "full", "items": [{ "product": product, "seats": 1 }] });
        claims(vec![view("pod", state, items)])
    };
    let (waits, server) = (of("Waiting", "render"), server());
    let keeps = |theirs: Vec<Known>| theirs.iter().any(|t| t.keeps(&waits[0]));
    assert!(keeps(of("Held", "render")));
    assert!(!keeps(of("Held", "mesh")) && !keeps(of("Waiting", "render")));
    let (_, note) = applied(plan(&facts(&server, &waits, None)));
    let told = waits_for_itself(&note.unwrap(), "app", 2);
    assert_eq!(told.reason, WAITING);
    assert!(
        told.message.contains("place 1") && told.message.contains("maxSurge: 0"),
        "{}",
        told.message
    );
}

#[test]
fn a_place_is_written_each_minute_at_most_and_for_the_first_ten() {
    let server = server();
    let lease = written(vec![view(
        "pod",
        "Waiting",
        json!({ "place": 30, "reason": "full" }),
    )]);
    let far = claims(vec![view(
        "pod",
        "Waiting",
        json!({ "place": 11, "reason": "full" }),
    )]);
    assert_eq!(plan(&facts(&server, &far, Some(&lease))), Step::Nothing);
    let near = claims(vec![view(
        "pod",
        "Waiting",
        json!({ "place": 10, "reason": "full" }),
    )]);
    let mut f = facts(&server, &near, Some(&lease));
    f.written = Some(Duration::from_secs(20));
    assert_eq!(plan(&f), Step::Later(Duration::from_secs(40)));
    // At 20 places in two minutes it has its seats in one.
    f.written = Some(Duration::from_secs(120));
    assert_eq!(plan(&f), Step::Later(Duration::from_secs(60)));
    f.written = Some(Duration::from_secs(122));
    let (moved, note) = applied(plan(&f));
    assert_eq!((moved.status.unwrap().place, note), (Some(10), None));
}

#[test]
fn far_back_in_line_who_stands_before_it_is_no_news_but_a_policy_is() {
    let server = server();
    let in_line = |place: u32, reason: &str| {
        let more = json!({ "place": place, "reason": reason });
        vec![view("pod", "Waiting", more)]
    };
    let lease = written(in_line(300, "full"));
    for (reason, is_news) in [("behind", false), ("policy", true)] {
        let now = claims(in_line(250, reason));
        let step = plan(&facts(&server, &now, Some(&lease)));
        let wrote = matches!(step, Step::Apply(..));
        assert_eq!(wrote, is_news, "{reason}: {step:?}");
    }
}

#[test]
fn a_refusal_names_the_field_and_what_to_do() {
    let problem = json!({ "type": "https://mooring.dev/problems/unknown-product", "title": "t", "status": 422,
        "detail": "product \"rendr\" is not in license 7: expected one of render, denoise", "field": "items[0].product" });
    let (server, claims) = (
        server(),
        claims(vec![view("pod", "Refused", json!({ "problem": problem }))]),
    );
    let note = applied(plan(&facts(&server, &claims, None))).1.unwrap();
    assert_eq!(
        (note.reason, note.severity),
        ("LicenseRefused", EventType::Warning)
    );
    assert!(
        note.message.contains("expected one of render")
            && note.message.contains("items[0].product"),
        "{}",
        note.message
    );
}

#[test]
fn a_refusal_repeated_each_minute_is_written_once() {
    let server = server();
    let lease = written(vec![view("pod", "Refused", json!({}))]);
    let again = claims_at(
        vec![view(
            "pod",
            "Refused",
            json!({ "lease": "0c".repeat(16), "sinceMs": 10 }),
        )],
        "2026-03-01T12:01:00Z".parse().unwrap(),
    );
    assert_eq!(plan(&facts(&server, &again, Some(&lease))), Step::Nothing);
}

#[test]
fn silence_says_until_when_and_does_not_move_with_each_answer() {
    let server = server();
    let lease = written(vec![view("pod", "Silent", json!({ "freeInMs": 20_000 }))]);
    assert_eq!(
        lease.status.as_ref().unwrap().until.as_deref(),
        Some("2026-03-01T12:00:20Z")
    );
    let again = claims_at(
        vec![view("pod", "Silent", json!({ "freeInMs": 16_100 }))],
        "2026-03-01T12:00:04Z".parse().unwrap(),
    );
    assert_eq!(plan(&facts(&server, &again, Some(&lease))), Step::Nothing);
}

#[test]
fn the_claim_that_needs_attention_speaks_for_the_pod() {
    let lease = written(vec![
        view("pod", "Held", json!({})),
        view("extra", "Waiting", json!({ "place": 1, "reason": "full" })),
    ]);
    let s = lease.status.unwrap();
    assert_eq!(
        (s.state, s.claims.len(), s.products.as_str()),
        (LeaseState::Waiting, 2, "render:2,render:2")
    );
}

#[test]
fn of_a_thousand_claims_a_mirror_tells_those_that_need_attention() {
    let view_of = |n: usize| {
        let state = if n == 900 { "Refused" } else { "Held" };
        let lease = format!("{n:032x}");
        view(&format!("c{n:04}"), state, json!({ "lease": lease }))
    };
    let lease = written((0..1000).map(view_of).collect());
    let status = lease.status.as_ref().unwrap();
    let names: Vec<&str> = status.claims.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names.len(), 64);
    assert!(names.contains(&"c0900") && names.is_sorted(), "{names:?}");
    assert_eq!(status.state, LeaseState::Refused);
    let size = serde_json::to_string(&lease).unwrap().len();
    assert!(size < 100_000, "{size} bytes");
}

#[test]
fn a_deleted_mirror_is_written_anew_without_telling_old_news() {
    let (server, claims) = (
        server(),
        claims(vec![view("pod", "Held", json!({ "sinceMs": 600_000 }))]),
    );
    let (lease, note) = applied(plan(&facts(&server, &claims, None)));
    assert_eq!(
        (lease.status.unwrap().state, note),
        (LeaseState::Held, None)
    );
}

#[test]
fn an_edited_mirror_is_written_anew() {
    let server = server();
    let claims = claims(vec![view("pod", "Held", json!({}))]);
    let mut lease = written(vec![view("pod", "Held", json!({}))]);
    lease.status.as_mut().unwrap().products = "everything".into();
    assert_eq!(
        applied(plan(&facts(&server, &claims, Some(&lease))))
            .0
            .status
            .unwrap()
            .products,
        "render:2"
    );
    let mut lease = written(vec![view("pod", "Held", json!({}))]);
    lease.metadata.labels = None;
    applied(plan(&facts(&server, &claims, Some(&lease))));
}

#[test]
fn a_running_pod_that_its_server_does_not_know_shows_after_15_seconds_and_once() {
    let server = server();
    let mut f = facts(&server, &[], None);
    f.pod = running(4);
    assert_eq!(plan(&f), Step::Later(Duration::from_secs(11)));
    f.pod = running(15);
    let (lease, note) = applied(plan(&f));
    assert_eq!(lease.status.as_ref().unwrap().state, LeaseState::Unknown);
    assert_eq!(note.unwrap().reason, "LicenseUnknown");
    f.existing = Some(&lease);
    assert_eq!(plan(&f), Step::Nothing);
    f.settled = false;
    assert_eq!(plan(&f), Step::Nothing);
}

#[test]
fn while_the_server_settles_nothing_is_concluded_from_its_silence() {
    let server = server();
    let lease = written(vec![view("pod", "Held", json!({}))]);
    for pod in [
        PodFact::Absent,
        PodFact::Unseen,
        PodFact::Idle,
        running(60),
        PodFact::External,
    ] {
        let mut f = facts(&server, &[], Some(&lease));
        (f.pod, f.settled) = (pod, false);
        assert_eq!(plan(&f), Step::Nothing);
    }
}

#[test]
fn what_the_server_does_not_know_and_no_pod_stands_for_is_removed() {
    let server = server();
    let lease = written(vec![view("pod", "Held", json!({}))]);
    for (pod, step) in [
        (PodFact::Unseen, Step::AskForPod),
        (PodFact::Absent, Step::Delete),
        (PodFact::Idle, Step::Delete),
        (PodFact::Gone, Step::Delete),
    ] {
        let mut f = facts(&server, &[], Some(&lease));
        f.pod = pod;
        assert_eq!(plan(&f), step);
        f.existing = None;
        assert_eq!(plan(&f), Step::Nothing, "nothing there, nothing to do");
    }
}

#[test]
fn a_pod_that_gave_back_is_not_unknown() {
    let server = server();
    let lease = written(vec![view("pod", "Held", json!({}))]);
    let mut f = facts(&server, &[], Some(&lease));
    (f.pod, f.released) = (running(60), true);
    assert_eq!(plan(&f), Step::Delete);
    f.existing = None;
    assert_eq!(plan(&f), Step::Nothing);
}

#[test]
fn of_a_pod_that_does_not_count_nothing_is_written_anew_and_nobody_is_told() {
    let (server, claims) = (server(), claims(vec![view("pod", "Held", json!({}))]));
    for standing in [
        Standing::Foreign,
        Standing::OutOfSight,
        Standing::NotAllowed,
    ] {
        let f = LeaseFacts {
            standing,
            pod: running(60),
            ..facts(&server, &claims, None)
        };
        assert_eq!(
            plan(&f),
            Step::Nothing,
            "{standing:?}: what the server says of it"
        );
        let unknown = LeaseFacts { claims: &[], ..f };
        assert_eq!(
            plan(&unknown),
            Step::Nothing,
            "{standing:?}: what its pod says of itself"
        );
    }
}

#[test]
fn a_mirror_that_was_written_rightly_is_kept_true_and_a_foreign_one_goes() {
    let (server, lease) = (server(), written(vec![view("pod", "Held", json!({}))]));
    let now_waits = claims(vec![view("pod", "Waiting", json!({ "place": 1 }))]);
    let judge = |standing| {
        plan(&LeaseFacts {
            standing,
            ..facts(&server, &now_waits, Some(&lease))
        })
    };
    let (_, note) = applied(judge(Standing::NotAllowed));
    assert!(note.is_some(), "its pod is there and must know");
    let (_, note) = applied(judge(Standing::OutOfSight));
    assert_eq!(note, None, "an Event on a pod that nobody sees");
    assert_eq!(judge(Standing::Foreign), Step::Delete);
}
