//! What mirrors and Events say while a license server does not serve.

use super::*;

fn at(time: &str) -> Timestamp {
    format!("2026-03-01T{time}Z").parse().unwrap()
}

/// Not Ready since 12:00:00.
fn trouble(reason: &str, message: &str) -> Trouble {
    Trouble {
        reason: reason.into(),
        message: message.into(),
        since: now(),
    }
}

/// Its pod is gone from its node; it was heard last two seconds before that was noticed.
fn away() -> Service {
    Service {
        trouble: Some(trouble(
            "NodeCordoned",
            "node node-a is cordoned: kubectl uncordon node-a",
        )),
        stopped: Some(at("11:59:58")),
        heard: Some(at("11:59:58")),
        connected: false,
        ..WELL
    }
}

/// It answers, and signs nothing.
fn rejected() -> Service {
    Service {
        trouble: Some(trouble("PinRejected", "wrong PIN")),
        stopped: Some(now()),
        ..WELL
    }
}

fn during<'a>(
    server: &'a ServerRef,
    service: &'a Service,
    claims: &'a [Known],
    existing: Option<&'a LicenseLease>,
    time: &str,
) -> LeaseFacts<'a> {
    LeaseFacts {
        service,
        settled: service.connected,
        now: at(time),
        pod: running(0),
        ..facts(server, claims, existing)
    }
}

fn message(lease: &LicenseLease) -> &str {
    lease.status.as_ref().unwrap().message.as_deref().unwrap()
}

fn runs(secs: u64, optimistic: bool) -> PodFact {
    let PodFact::Running { mut of, .. } = running(secs) else {
        panic!("it runs");
    };
    of.optimistic = optimistic;
    PodFact::Running {
        of,
        unknown_for: Duration::from_secs(secs),
    }
}

#[test]
fn a_lease_that_nobody_renews_is_in_force_for_its_duration_and_then_grace() {
    let (server, service) = (server(), away());
    let held = claims(vec![view("pod", "Held", json!({}))]);
    let lease = written(vec![view("pod", "Held", json!({}))]);
    let young = during(&server, &service, &held, Some(&lease), "12:00:20");
    assert_eq!(plan(&young), Step::Nothing, "a restart is no news");
    assert_eq!(
        again(&service, young.now),
        Some(Duration::from_secs(10)),
        "and it is looked at when it is one"
    );
    let old = during(&server, &service, &held, Some(&lease), "12:00:30");
    let (stale, note) = applied(plan(&old));
    let s = stale.status.as_ref().unwrap();
    assert_eq!(
        (s.state, s.reason.as_deref(), s.as_of.as_deref()),
        (
            LeaseState::Grace,
            Some("NodeCordoned"),
            Some("2026-03-01T11:59:58Z")
        )
    );
    assert_eq!(
        s.until.as_deref(),
        Some("2026-03-01T19:59:43Z"),
        "the grace, from the earliest last renewal"
    );
    assert_eq!(
        message(&stale),
        "license server licensing/main is not Ready since 2026-03-01T12:00:00Z (NodeCordoned: node node-a is cordoned: kubectl uncordon node-a); \
         the application runs on under its grace, until about 2026-03-01T19:59:43Z. As of 2026-03-01T11:59:58Z: it has not been heard since"
    );
    let note = note.unwrap();
    assert_eq!(
        (note.reason, note.severity),
        ("LicenseGrace", EventType::Warning)
    );
    assert!(note.message.contains("cordoned") && note.message.contains("19:59:43"));
    let later = during(&server, &service, &held, Some(&stale), "13:00:00");
    assert_eq!(plan(&later), Step::Nothing, "it is said once");
    // An operator that has just started knows of it by the mirror alone.
    let mut blank = during(&server, &service, &[], Some(&lease), "12:00:31");
    blank.pod = running(1);
    assert_eq!(applied(plan(&blank)).0.status, stale.status);
    let back = facts(&server, &held, Some(&stale));
    let (lease, note) = applied(plan(&back));
    let s = lease.status.unwrap();
    assert_eq!(
        (s.state, s.reason, s.as_of, s.until, s.message),
        (LeaseState::Held, None, None, None, None)
    );
    assert_eq!(note.unwrap().reason, "LicenseHeld");
}

#[test]
fn who_waits_is_told_of_an_outage_well_before_a_long_lease_has_passed() {
    let server = server();
    let service = Service {
        lease_for: Duration::from_secs(300),
        ..away()
    };
    let full = json!({ "place": 1, "reason": "full", "message": "all 2 seats are taken" });
    let waiting = claims(vec![view("pod", "Waiting", full.clone())]);
    let lease = written(vec![view("pod", "Waiting", full)]);
    let young = during(&server, &service, &waiting, Some(&lease), "12:00:12");
    assert_eq!(plan(&young), Step::Nothing);
    assert_eq!(again(&service, young.now), Some(Duration::from_secs(8)));
    let old = during(&server, &service, &waiting, Some(&lease), "12:00:20");
    assert!(message(&applied(plan(&old)).0).contains("nothing is granted before it is"));
    let held = claims(vec![view("pod", "Held", json!({}))]);
    let lease = written(vec![view("pod", "Held", json!({}))]);
    let holds = during(&server, &service, &held, Some(&lease), "12:00:20");
    assert_eq!(plan(&holds), Step::Nothing, "its lease is in force");
    assert_eq!(again(&service, holds.now), Some(Duration::from_secs(280)));
}

#[test]
fn until_is_what_the_pods_own_sidecar_goes_by() {
    let (server, service) = (server(), away());
    let told = |pod: PodFact, secs: u64| match pod {
        PodFact::Running {
            mut of,
            unknown_for,
        } => {
            of.max_grace = Duration::from_secs(secs);
            PodFact::Running { of, unknown_for }
        }
        other => other,
    };
    let until = |f: &LeaseFacts<'_>| {
        let lease = applied(plan(f)).0;
        let until = lease.status.as_ref().unwrap().until.clone().unwrap();
        assert!(message(&lease).contains(&until));
        until
    };
    let held = claims(vec![view("pod", "Held", json!({}))]);
    let lease = written(vec![view("pod", "Held", json!({}))]);
    let mut f = during(&server, &service, &held, Some(&lease), "12:00:30");
    f.pod = told(running(0), 3600);
    assert_eq!(until(&f), "2026-03-01T12:59:43Z", "less than the server's");
    f.pod = told(running(0), 24 * 3600);
    assert_eq!(until(&f), "2026-03-01T19:59:43Z", "never more");
    f.pod = told(running(0), 1);
    assert_eq!(until(&f), "2026-03-01T12:00:13Z", "at least a lease");
    let mut f = during(&server, &service, &[], None, "12:00:30");
    f.pod = told(runs(15, true), 3600);
    assert_eq!(until(&f), "2026-03-01T13:00:00Z");
}

#[test]
fn a_server_without_its_anchor_says_so_and_not_that_seats_are_taken() {
    let (server, service) = (server(), rejected());
    let waits = json!({ "place": 1, "reason": "anchorLost", "message": "PinRejected: wrong PIN" });
    let waiting = claims(vec![view("pod", "Waiting", waits)]);
    let young = during(&server, &service, &waiting, None, "12:00:05");
    let (lease, note) = applied(plan(&young));
    assert_eq!(message(&lease), "PinRejected: wrong PIN");
    let note = note.unwrap();
    assert_eq!(
        (note.reason, note.severity, note.message.as_str()),
        (
            "LicenseWaiting",
            EventType::Warning,
            "waits in line at place 1 for render:2 at license server licensing/main: PinRejected: wrong PIN"
        )
    );
    let held = claims(vec![view("pod", "Held", json!({}))]);
    let lease = written(vec![view("pod", "Held", json!({}))]);
    // Renewals go on for a while after the anchor is lost.
    let renews = Service {
        stopped: None,
        ..service.clone()
    };
    let f = during(&server, &renews, &held, Some(&lease), "12:00:40");
    let (noted, note) = applied(plan(&f));
    let s = noted.status.as_ref().unwrap();
    assert_eq!((s.state, note), (LeaseState::Held, None));
    assert!(message(&noted).contains("(PinRejected: wrong PIN); leases are in force still"));
    let f = during(&server, &service, &held, Some(&noted), "12:00:40");
    let (grace, _) = applied(plan(&f));
    let s = grace.status.as_ref().unwrap();
    assert_eq!((s.state, s.as_of.as_deref()), (LeaseState::Grace, None));
    assert!(message(&grace).contains("PinRejected: wrong PIN"));
    assert!(!message(&grace).contains("NetworkPolicies"));
}

#[test]
fn who_waited_for_a_seat_is_told_once_that_the_server_stopped() {
    let (server, service) = (server(), rejected());
    let full =
        json!({ "place": 1, "reason": "full", "message": "all 2 seats of render are taken" });
    let lease = written(vec![view("pod", "Waiting", full)]);
    let stopped =
        json!({ "place": 1, "reason": "anchorLost", "message": "PinRejected: wrong PIN" });
    let stopped = claims(vec![view("pod", "Waiting", stopped)]);
    let mut f = during(&server, &service, &stopped, Some(&lease), "12:00:05");
    f.written = Some(Duration::from_secs(5));
    let (now, note) = applied(plan(&f));
    let note = note.unwrap();
    assert_eq!(
        (note.reason, note.message.as_str()),
        ("LicenseServerNotReady", "PinRejected: wrong PIN")
    );
    f.existing = Some(&now);
    assert_eq!(plan(&f), Step::Nothing);
}

#[test]
fn a_pod_that_was_never_heard_is_shown_by_what_it_does() {
    let (server, service) = (server(), away());
    let mut f = during(&server, &service, &[], None, "12:00:20");
    f.pod = runs(4, true);
    assert_eq!(plan(&f), Step::Later(Duration::from_secs(11)));
    f.pod = runs(15, true);
    let (lease, note) = applied(plan(&f));
    let s = lease.status.as_ref().unwrap();
    assert_eq!(
        (s.state, s.products.as_str(), s.until.as_deref()),
        (
            LeaseState::Optimistic,
            "render:2",
            Some("2026-03-01T20:00:00Z")
        )
    );
    assert!(message(&lease).contains("cordoned") && message(&lease).contains("until about"));
    assert_eq!(note.unwrap().reason, "LicenseOptimistic");
    f.existing = Some(&lease);
    assert_eq!(plan(&f), Step::Nothing);
    f.existing = None;
    f.pod = runs(15, false);
    let (lease, note) = applied(plan(&f));
    assert_eq!(
        lease.status.as_ref().unwrap().state,
        LeaseState::Waiting,
        "its application has not started"
    );
    let note = note.unwrap();
    assert!(
        note.message
            .starts_with("waits for render:2 at license server licensing/main: license server licensing/main is not Ready"),
        "{}",
        note.message
    );
}

#[test]
fn a_pod_that_is_gone_is_not_shown_and_one_whose_end_is_unproven_is() {
    let (server, service) = (server(), away());
    let held = claims(vec![view("pod", "Held", json!({}))]);
    let lease = written(vec![view("pod", "Held", json!({}))]);
    let mut f = during(&server, &service, &held, Some(&lease), "12:00:05");
    f.pod = PodFact::Gone;
    assert_eq!(plan(&f), Step::Delete);
    f = during(&server, &service, &held, Some(&lease), "12:00:40");
    f.pod = PodFact::Unseen;
    assert_eq!(plan(&f), Step::AskForPod);
    f.pod = PodFact::Absent;
    let (lost, _) = applied(plan(&f));
    assert_eq!(lost.status.as_ref().unwrap().state, LeaseState::Unknown);
    assert!(message(&lost).contains("no proof that it has ended"));
    assert!(message(&lost).contains("As of 2026-03-01T11:59:58Z"));
}

#[test]
fn holders_of_a_deleted_license_server_are_shown_until_they_are_gone() {
    let server = server();
    let service = Service {
        trouble: Some(Trouble::deleted(now())),
        ..away()
    };
    let lease = written(vec![view("pod", "Held", json!({}))]);
    let mut f = during(&server, &service, &[], Some(&lease), "12:00:40");
    f.pod = running(60);
    let (grace, note) = applied(plan(&f));
    assert_eq!(grace.status.as_ref().unwrap().state, LeaseState::Grace);
    assert!(
        message(&grace).starts_with(
            "LicenseServer licensing/main was deleted (noticed 2026-03-01T12:00:00Z); the application runs on under its grace, until about"
        ),
        "{}",
        message(&grace)
    );
    assert_eq!(note.unwrap().reason, "LicenseGrace");
    for pod in [PodFact::Gone, PodFact::Absent, PodFact::External] {
        f.pod = pod;
        assert_eq!(plan(&f), Step::Delete);
    }
}

#[test]
fn a_server_that_fails_again_and_again_is_not_written_each_time() {
    let (server, service) = (server(), away());
    let held = claims(vec![view("pod", "Held", json!({}))]);
    let lease = written(vec![view("pod", "Held", json!({}))]);
    let f = during(&server, &service, &held, Some(&lease), "12:00:40");
    let stale = applied(plan(&f)).0;
    let other = Service {
        trouble: Some(trouble("PodNotRunning", "CrashLoopBackOff")),
        ..away()
    };
    let mut f = during(&server, &other, &held, Some(&stale), "12:00:50");
    f.written = Some(Duration::from_secs(10));
    assert_eq!(plan(&f), Step::Later(Duration::from_secs(50)));
    f.written = Some(Duration::from_secs(60));
    assert!(message(&applied(plan(&f)).0).contains("CrashLoopBackOff"));
}

#[test]
fn there_is_trouble_while_ready_is_not_true_in_its_own_words() {
    let ready = |status: &str| -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
        serde_json::from_value(json!({
            "type": "Ready", "status": status, "reason": "PinRejected", "message": "wrong PIN",
            "lastTransitionTime": "2026-03-01T12:00:00Z",
        }))
        .unwrap()
    };
    let said = Some(trouble("PinRejected", "wrong PIN"));
    assert_eq!(Trouble::of(&ready("False")), said);
    assert_eq!(Trouble::of(&ready("Unknown")), said);
    assert_eq!(Trouble::of(&ready("True")), None);
}

#[test]
fn who_waits_while_a_server_is_away_is_told_so_and_of_no_place_nor_taken_seats() {
    let server = server();
    let full =
        json!({ "place": 3, "reason": "full", "message": "all 2 seats of render are taken" });
    let waiting = claims(vec![view("pod", "Waiting", full.clone())]);
    let lease = written(vec![view("pod", "Waiting", full)]);
    let deleted = Service {
        trouble: Some(Trouble::deleted(now())),
        ..away()
    };
    for (service, ends) in [
        (away(), "; nothing is granted before it is. As of"),
        (deleted, "; nothing is granted any more. As of"),
    ] {
        let f = during(&server, &service, &waiting, Some(&lease), "12:00:40");
        let told = applied(plan(&f)).0;
        let s = told.status.as_ref().unwrap();
        let claims: Vec<_> = s.claims.iter().map(|c| c.place).collect();
        assert_eq!(
            (s.state, s.place, claims),
            (LeaseState::Waiting, None, vec![None])
        );
        assert!(message(&told).contains(ends), "{}", message(&told));
        assert!(!message(&told).contains("taken"), "{}", message(&told));
    }
}

#[test]
fn a_refusal_is_the_servers_last_word_in_an_outage_too() {
    let (server, service) = (server(), away());
    let problem = json!({
        "type": "https://mooring.dev/problems/unknown-product", "title": "t", "status": 422, "detail": "no such product",
    });
    let refused = vec![view("pod", "Refused", json!({ "problem": problem }))];
    let (known, lease) = (claims(refused.clone()), written(refused));
    let f = during(&server, &service, &known, Some(&lease), "12:00:40");
    let told = applied(plan(&f)).0;
    assert_eq!(message(&told), "no such product");
}

#[test]
fn who_holds_a_lease_is_looked_at_again_when_it_has_run_out() {
    let service = Service {
        stopped: Some(at("12:00:02")),
        ..rejected()
    };
    let left = again(&service, at("12:00:30"));
    assert_eq!(
        left,
        Some(Duration::from_secs(2)),
        "it is old, and in force"
    );
    assert_eq!(again(&service, at("12:00:32")), None);
}
