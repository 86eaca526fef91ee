//! What an administrator takes away, as mirrors and Events say it.

use super::*;
use mooring_core::wire::RevokedHolder;

fn problem(kind: &str, detail: &str, more: Value) -> Value {
    let mut v =
        json!({ "problem": { "type": kind, "title": "", "status": 403, "detail": detail } });
    let more = more.as_object().unwrap().clone();
    v.as_object_mut().unwrap().extend(more);
    v
}

/// What becomes of a mirror when its server says this of the claim.
fn becomes(
    before: Option<&LicenseLease>,
    state: &str,
    more: Value,
) -> (LicenseLease, Option<Note>) {
    let (server, claims) = (server(), claims(vec![view("pod", state, more)]));
    applied(plan(&facts(&server, &claims, before)))
}

fn says(lease: &LicenseLease) -> (LeaseState, Option<String>, String) {
    let s = lease.status.clone().unwrap();
    (s.state, s.reason, s.message.unwrap_or_default())
}

#[test]
fn a_revoked_holder_is_revoked_whatever_it_has_and_says_who_asked() {
    let mut held = written(vec![view("pod", "Held", json!({}))]);
    held.spec.revoked = Some(mooring_api::Revoked {
        by: Some("ann".into()),
        ..mooring_api::Revoked::default()
    });
    held.status.as_mut().unwrap().revoked_since =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    let revoked = |more| problem("revoked", "an administrator revoked it: stolen", more);
    let (lease, note) = becomes(Some(&held), "Held", revoked(json!({})));
    let (state, reason, message) = says(&lease);
    assert_eq!(
        (state, reason.as_deref()),
        (LeaseState::Revoked, Some("Revoked"))
    );
    assert!(
        message.contains("stolen (as ann asked)") && message.contains("--lift"),
        "{message}"
    );
    assert_eq!(lease.spec.revoked, None, "it is not ours to write");
    assert!(
        lease.status.as_ref().unwrap().revoked_since.is_some(),
        "kept"
    );
    let note = note.unwrap();
    assert_eq!(
        (note.reason, note.severity),
        ("LicenseRevoked", EventType::Warning)
    );

    // The rest of its way is the same state, and no news.
    let silent = revoked(json!({ "freeInMs": 20_000 }));
    let (lease, note) = becomes(Some(&lease), "Silent", silent);
    assert_eq!(says(&lease).0, LeaseState::Revoked);
    assert!(note.is_none() && lease.status.as_ref().unwrap().until.is_some());
    let (lease, note) = becomes(Some(&lease), "Refused", revoked(json!({})));
    assert_eq!((says(&lease).0, note), (LeaseState::Revoked, None));
}

#[test]
fn what_people_wrote_into_a_mirror_is_no_reason_to_write_it() {
    let mut held = written(vec![view("pod", "Held", json!({}))]);
    held.spec.revoked = Some(mooring_api::Revoked::default());
    held.spec.release = vec!["0a".repeat(16)];
    let (server, claims) = (server(), claims(vec![view("pod", "Held", json!({}))]));
    assert_eq!(plan(&facts(&server, &claims, Some(&held))), Step::Nothing);
}

#[test]
fn a_lease_that_is_called_back_says_until_when_once_and_when_that_is_over() {
    let held = written(vec![view("pod", "Held", json!({}))]);
    let called = |ms| {
        problem(
            "not-entitled",
            "namespace \"a\" may not",
            json!({ "freeInMs": ms }),
        )
    };
    let (lease, note) = becomes(Some(&held), "Held", called(900_000));
    let (state, reason, message) = says(&lease);
    assert_eq!(
        (state, reason.as_deref()),
        (LeaseState::Held, Some("CalledBack"))
    );
    assert!(
        message.starts_with("called back: namespace")
            && message.contains("until 2026-03-01T12:15:00Z"),
        "{message}"
    );
    assert_eq!(note.unwrap().reason, "LicenseCalledBack");
    let (server, claims) = (server(), claims(vec![view("pod", "Held", called(899_000))]));
    assert_eq!(plan(&facts(&server, &claims, Some(&lease))), Step::Nothing);

    let (kept, note) = becomes(Some(&lease), "Held", json!({}));
    assert_eq!(says(&kept), (LeaseState::Held, None, String::new()));
    assert_eq!(note.unwrap().reason, "LicenseKept");
    // Its notice is over, and nobody is sent to look at the network.
    let (over, note) = becomes(Some(&lease), "Silent", called(20_000));
    let (state, reason, message) = says(&over);
    assert_eq!(
        (state, reason.as_deref()),
        (LeaseState::Silent, Some("CalledBack"))
    );
    assert!(
        message.contains("notice has run out") && note.is_none(),
        "{message}"
    );
}

#[test]
fn a_lease_that_is_taken_back_says_so() {
    let held = written(vec![view("pod", "Held", json!({}))]);
    let taken = problem(
        "given-back",
        "an administrator took it",
        json!({ "freeInMs": 20_000 }),
    );
    let (lease, note) = becomes(Some(&held), "Silent", taken);
    let (state, reason, message) = says(&lease);
    assert_eq!(
        (state, reason.as_deref()),
        (LeaseState::Silent, Some("TakenBack"))
    );
    let note = note.unwrap();
    assert!(
        note.reason == "LicenseTakenBack" && !note.message.contains("network"),
        "{note:?}"
    );
    assert!(
        message.contains("free at 2026-03-01T12:00:20Z"),
        "{message}"
    );
}

#[test]
fn a_revoked_pod_that_its_server_has_not_heard_is_not_unknown() {
    let server = server();
    let listed = RevokedHolder {
        holder: HolderKey(UID.into()),
        lease: None,
        reason: Some("stolen".into()),
        until: None,
        at: now(),
    };
    let mut f = facts(&server, &[], None);
    f.pod = running(20);
    f.listed = Listed::Yes(&listed);
    let (lease, _) = applied(plan(&f));
    let (state, _, message) = says(&lease);
    assert_eq!(state, LeaseState::Revoked);
    assert!(
        message.contains("stolen") && !message.contains("Network"),
        "{message}"
    );
    f.existing = Some(&lease);
    assert_eq!(plan(&f), Step::Nothing, "once");
    // Lifted, it asks within a minute: nobody is sent to look at the network before that.
    f.listed = Listed::No;
    let (lifted, _) = applied(plan(&f));
    let (state, reason, message) = says(&lifted);
    assert_eq!(
        (state, reason.as_deref()),
        (LeaseState::Unknown, Some("Lifted"))
    );
    assert!(message.contains("is lifted"), "{message}");
    f.existing = Some(&lifted);
    assert_eq!(plan(&f), Step::Nothing);
    f.now = now() + Duration::from_secs(91);
    let (unknown, _) = applied(plan(&f));
    assert!(says(&unknown).2.contains("NetworkPolicies"), "{unknown:?}");
}
