#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value)]
use super::*;
use serde_json::{Value, json};

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + s).unwrap()
}

/// The mirror of pod apps/p of server licensing/main, with this in its spec.
fn mirror(spec: Value, since: Option<Timestamp>) -> LicenseLease {
    let mut l = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseLease",
        "metadata": { "name": "p-uid.main.licensing", "namespace": "apps", "labels": { "a": "b" }, "resourceVersion": "7" },
        "spec": { "server": { "namespace": "licensing", "name": "main" }, "holder": { "kind": "Pod", "name": "p", "uid": "uid" } },
        "status": { "products": "render", "state": "Held", "since": "2026-01-01T00:00:00Z" }
    });
    let fields = spec.as_object().unwrap().clone();
    l["spec"].as_object_mut().unwrap().extend(fields);
    if let Some(t) = since {
        l["status"]["revokedSince"] = json!(t.to_string());
    }
    serde_json::from_value(l).unwrap()
}

fn key() -> HolderKey {
    HolderKey("uid".into())
}

fn listed(reason: &str) -> RevokedHolder {
    RevokedHolder {
        holder: key(),
        lease: None,
        reason: Some(reason.into()),
        until: None,
        at: at(0),
    }
}

fn revoked(reason: &str) -> Value {
    json!({ "revoked": { "reason": reason, "by": "ann" } })
}

fn is_due(lease: &LicenseLease, listed: Listed<'_>) -> Option<RevocationDue> {
    due(&key(), lease, listed, at(100))
}

#[test]
fn what_somebody_writes_is_noted_first_and_then_told() {
    let asked = mirror(revoked("x"), None);
    assert_eq!(is_due(&asked, Listed::No), None, "not before it is noted");
    let noted_first = noted(&asked, Listed::No, at(5)).unwrap();
    let status = noted_first.status.unwrap();
    assert_eq!(status.revoked_since, Some(Time(at(5))));
    assert_eq!(status.products, "render", "the rest stays");
    assert_eq!(
        noted_first.spec.revoked, None,
        "what is people's is not written by the operator"
    );
    assert_eq!(noted_first.metadata.resource_version, None);

    let asked = mirror(revoked("x"), Some(at(5)));
    assert_eq!(noted(&asked, Listed::No, at(9)), None);
    let Some(RevocationDue::Revoke(r)) = is_due(&asked, Listed::No) else {
        panic!("{asked:?}")
    };
    assert_eq!((r.reason.as_deref(), r.at), (Some("x"), at(5)));
    assert_eq!(is_due(&asked, Listed::Yes(&listed("x"))), None, "done");
    let other = is_due(&asked, Listed::Yes(&listed("y")));
    assert!(matches!(other, Some(RevocationDue::Revoke(_))), "{other:?}");
    assert_eq!(is_due(&asked, Listed::Unheard), None);
}

#[test]
fn a_server_whose_list_ended_with_its_pod_is_told_again() {
    let asked = mirror(revoked("x"), Some(at(5)));
    let again = is_due(&asked, Listed::No);
    assert!(matches!(again, Some(RevocationDue::Revoke(_))), "{again:?}");
}

#[test]
fn taking_it_away_lifts_and_deleting_the_mirror_does_not() {
    let taken_away = mirror(json!({}), Some(at(5)));
    let yes = listed("x");
    assert_eq!(noted(&taken_away, Listed::Yes(&yes), at(9)), None);
    assert_eq!(noted(&taken_away, Listed::Unheard, at(9)), None);
    assert_eq!(
        is_due(&taken_away, Listed::Yes(&yes)),
        Some(RevocationDue::Lift(key()))
    );
    let over = noted(&taken_away, Listed::No, at(9)).unwrap();
    assert_eq!(over.status.unwrap().revoked_since, None);

    let written_anew = mirror(json!({}), None);
    let Some(RevocationDue::Restore(said)) = is_due(&written_anew, Listed::Yes(&yes)) else {
        panic!("{written_anew:?}")
    };
    assert_eq!(said.reason.as_deref(), Some("x"));
    assert_eq!(is_due(&written_anew, Listed::No), None);
    assert_eq!(noted(&written_anew, Listed::Yes(&yes), at(9)), None);
}

#[test]
fn one_whose_time_is_over_is_not_told_again() {
    let until = |s| json!({ "revoked": { "until": at(s).to_string() } });
    let over = mirror(until(100), Some(at(5)));
    assert_eq!(is_due(&over, Listed::No), None);
    let runs = is_due(&mirror(until(101), Some(at(5))), Listed::No);
    assert!(matches!(runs, Some(RevocationDue::Revoke(_))), "{runs:?}");
}

#[test]
fn only_the_mirror_that_the_operator_writes_speaks_for_a_pod() {
    let pod = |namespace: &str, name: &str| -> Pod {
        serde_json::from_value(
            json!({ "metadata": { "namespace": namespace, "name": name, "uid": "uid" } }),
        )
        .unwrap()
    };
    let lease = mirror(json!({}), None);
    assert!(is_its_holders(&lease, Some(&pod("apps", "p")), &[]));
    assert!(
        !is_its_holders(&lease, Some(&pod("other", "p")), &[]),
        "a pod of another namespace"
    );
    assert!(!is_its_holders(&lease, Some(&pod("apps", "q")), &[]));
    assert!(!is_its_holders(&lease, None, &[]), "nobody in sight");
    let claims = [claim("Held", json!({}))];
    assert!(is_its_holders(&lease, None, &claims));
    let mut forged = lease.clone();
    forged.metadata.name = Some("mine".into());
    assert!(!is_its_holders(&forged, Some(&pod("apps", "p")), &claims));
    let mut external = lease;
    external.spec.holder.kind = HolderKind::External;
    let (namespace, name) = mirror_name(
        &external.spec.server,
        &Holder::External {
            subject: "p".into(),
        },
    );
    assert!(
        !is_its_holders(&external, None, &[]),
        "it lives with its server"
    );
    (external.metadata.namespace, external.metadata.name) = (Some(namespace), Some(name));
    assert!(is_its_holders(&external, None, &[]));
}

fn claim(state: &str, more: Value) -> Known {
    let holder = json!({ "kind": "pod", "namespace": "apps", "pod": "p", "uid": "uid", "serviceAccount": "default" });
    let mut v = json!({ "lease": "0a".repeat(16), "claim": "pod", "holder": holder,
        "items": [{ "product": "render", "seats": 1 }], "state": state, "sinceMs": 0 });
    let more = more.as_object().unwrap().clone();
    v.as_object_mut().unwrap().extend(more);
    Known::new(serde_json::from_value(v).unwrap(), at(0))
}

#[test]
fn a_lease_is_taken_back_once_and_by_its_id() {
    let asked = mirror(json!({ "release": ["0a".repeat(16)] }), None);
    let due = |state, more| to_take_back(&asked, &[claim(state, more)]).len();
    let problem = |kind: &str| json!({ "problem": { "type": kind, "title": "", "status": 409, "detail": "" } });
    for state in ["Held", "Silent", "Waiting", "Contested"] {
        assert_eq!(due(state, json!({})), 1, "{state}");
    }
    assert_eq!(due("Silent", problem("given-back")), 0, "it is already");
    assert_eq!(due("Held", problem("not-entitled")), 1, "called back");
    assert_eq!(due("Refused", problem("not-entitled")), 0);
    let other = mirror(json!({ "release": ["0b".repeat(16)] }), None);
    assert!(to_take_back(&other, &[claim("Held", json!({}))]).is_empty());
}
