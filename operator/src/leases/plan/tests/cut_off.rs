//! One pod or one node that is cut off while its license server serves.

use super::*;

fn cut_off(change: impl FnOnce(&mut Holding)) -> PodFact {
    let PodFact::Running { mut of, .. } = running(0) else {
        panic!("it runs");
    };
    change(&mut of);
    PodFact::Running {
        of,
        unknown_for: Duration::from_secs(15),
    }
}

fn judged(existing: Option<&LicenseLease>, pod: PodFact) -> (LicenseLease, Option<Note>) {
    let server = server();
    let mut f = facts(&server, &[], existing);
    f.pod = pod;
    let (lease, note) = applied(plan(&f));
    f.existing = Some(&lease);
    assert_eq!(plan(&f), Step::Nothing, "it is said once");
    (lease.clone(), note)
}

fn message(lease: &LicenseLease) -> &str {
    lease.status.as_ref().unwrap().message.as_deref().unwrap()
}

#[test]
fn who_held_and_is_not_heard_runs_on_under_its_grace_with_its_claims() {
    let silent = written(vec![view("pod", "Silent", json!({ "freeInMs": 6000 }))]);
    let (lease, note) = judged(Some(&silent), cut_off(|_| ()));
    let s = lease.status.as_ref().unwrap();
    assert_eq!(
        (s.state, s.reason.as_deref(), s.until.as_deref()),
        (
            LeaseState::Grace,
            Some("NotHeard"),
            Some("2026-03-01T19:59:35Z")
        ),
        "from its last renewal, two thirds of a lease before it was called silent"
    );
    assert_eq!((s.claims.len(), s.claims[0].state), (1, LeaseState::Grace));
    assert!(message(&lease).contains("NetworkPolicies"));
    assert!(message(&lease).contains("until about 2026-03-01T19:59:35Z"));
    assert_eq!(note.unwrap().reason, "LicenseGrace");
    let short = cut_off(|of| of.max_grace = Duration::from_secs(600));
    let (lease, _) = judged(Some(&silent), short);
    let s = lease.status.unwrap();
    assert_eq!(s.until.as_deref(), Some("2026-03-01T12:09:35Z"));
}

#[test]
fn a_node_that_is_not_ready_is_named() {
    let away = || cut_off(|of| of.unreachable = true);
    let silent = written(vec![view("pod", "Silent", json!({ "freeInMs": 6000 }))]);
    for existing in [None, Some(&silent)] {
        let (lease, note) = judged(existing, away());
        let reason = lease.status.as_ref().unwrap().reason.as_deref();
        assert_eq!(reason, Some("NodeNotReady"));
        let note = note.unwrap().message;
        for text in [message(&lease), &note] {
            assert!(text.contains("its node node-a is not ready"), "{text}");
            assert!(!text.contains("NetworkPolicies"), "{text}");
        }
    }
    let (server, known) = (server(), claims(vec![view("pod", "Silent", json!({}))]));
    let mut f = facts(&server, &known, None);
    f.pod = away();
    let (_, note) = applied(plan(&f));
    let text = note.unwrap().message;
    assert!(text.contains("its node node-a is not ready"), "{text}");
    assert!(!text.contains("Look at the network"), "{text}");
}

#[test]
fn a_new_pod_that_reaches_nobody_and_starts_is_optimistic() {
    let (waits, note) = judged(None, cut_off(|_| ()));
    assert_eq!(waits.status.as_ref().unwrap().state, LeaseState::Unknown);
    assert_eq!(note.unwrap().reason, "LicenseUnknown");
    let (lease, note) = judged(Some(&waits), cut_off(|of| of.optimistic = true));
    let s = lease.status.as_ref().unwrap();
    assert_eq!(
        (s.state, s.until.as_deref()),
        (LeaseState::Optimistic, Some("2026-03-01T20:00:00Z"))
    );
    assert!(message(&lease).contains("started without a lease, and may run until about"));
    assert_eq!(note.unwrap().reason, "LicenseOptimistic");
}

#[test]
fn who_stood_in_line_and_is_not_heard_was_not_started_without_a_lease() {
    let waiting = json!({ "place": 2, "reason": "full" });
    let waiting = written(vec![view("pod", "Waiting", waiting)]);
    let (lease, _) = judged(Some(&waiting), cut_off(|of| of.optimistic = true));
    let s = lease.status.unwrap();
    assert_eq!((s.state, s.place), (LeaseState::Unknown, None));
}

#[test]
fn a_pod_whose_node_was_started_anew_is_not_told_that_its_application_runs_on() {
    let (server, known) = (
        server(),
        claims(vec![view("pod", "Silent", json!({ "freeInMs": 60_000 }))]),
    );
    let mut f = facts(&server, &known, None);
    f.pod = cut_off(|of| of.app_runs = false);
    let (lease, note) = applied(plan(&f));
    let reason = lease.status.as_ref().unwrap().reason.as_deref();
    assert_eq!(reason, Some("EarlierLife"));
    let text = note.unwrap().message;
    assert!(
        text.contains("free at 2026-03-01T12:01:00Z")
            && text.contains("an earlier life of the pod holds its seat"),
        "{text}"
    );
    assert!(!text.contains("runs on"), "{text}");
}
