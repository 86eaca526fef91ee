#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::semicolon_if_nothing_returned
)]
use super::super::facts::{Crd, Deployment, Webhook};
use super::super::print;
use super::*;
use crate::cluster::operator::{LEASE, Operator};
use mooring_api::ca::CaStatus;
use serde_json::json;
use std::time::Duration;

const NOW: &str = "2026-03-01T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn lease(renewed: &str) -> Operator {
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": LEASE, "namespace": "mooring-system" },
        "spec": { "renewTime": renewed, "leaseDurationSeconds": 15, "holderIdentity": "a" } });
    Operator::Lease(Box::new(serde_json::from_value(lease).unwrap()))
}

fn server(ready: &str, reason: &str, message: &str) -> ServerObject {
    let object = json!({ "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
        "metadata": { "name": "main", "namespace": "licensing" }, "spec": {},
        "status": { "version": "0.1.0", "conditions": [{ "type": "Ready", "status": ready,
            "reason": reason, "message": message, "lastTransitionTime": NOW }] } });
    serde_json::from_value(object).unwrap()
}

/// An installation as it should be.
fn well() -> Facts {
    let crd = || {
        Told::Is(Crd {
            established: true,
            served: vec!["v1alpha1".into()],
        })
    };
    Facts {
        version: "0.1.0",
        clocks: (at(NOW), Some(at(NOW))),
        kubernetes: Told::Is((1, 37)),
        crds: vec![("licenseservers.mooring.dev", crd())],
        operator_namespace: "mooring-system".into(),
        operator: lease("2026-03-01T11:59:55.000000Z"),
        deployment: Told::Is(Deployment {
            wanted: 2,
            ready: 2,
            version: Some("0.1.0".into()),
        }),
        webhook: Told::Is(Webhook {
            trusts_until: Ok(vec![at("2036-03-01T00:00:00Z")]),
        }),
        probe: Probe::Refused {
            said: "mooring.dev/licenses: character 1".into(),
            took: Duration::from_millis(12),
        },
        ca: Told::Is(CaStatus {
            name: "Mooring CA 3f9a1c22".into(),
            not_after: "2036-03-01T00:00:00Z".into(),
            phase: CaPhase::Settled,
            message: "all pods trust it".into(),
            waits_for: vec![],
            pods: 0,
            some_pods: vec![],
        }),
        rights: Told::Is(vec![("list pods".into(), true)]),
        servers: Told::Is(vec![server("True", "Serving", "it serves")]),
        bare: vec![],
    }
}

#[test]
fn an_installation_as_it_should_be_has_nothing_to_say() {
    let all = judge(&well());
    assert!(all.iter().all(|f| f.outcome == Outcome::Ok), "{all:#?}");
    let groups: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
    assert!(groups.iter().all(|g| all.iter().any(|f| f.group == *g)));
    assert_eq!(print::text(&all, true), "All is well.\n");
}

type Change = fn(&mut Facts);

#[test]
fn each_trouble_is_told_with_what_to_do() {
    let troubles: &[(Change, Outcome, &str, &str)] = &[
        (
            |f| f.kubernetes = Told::Is((1, 33)),
            Outcome::Fails,
            "Kubernetes 1.33",
            "1.34",
        ),
        (
            |f| f.clocks.0 = at("2026-03-01T12:10:00Z"),
            Outcome::Warning,
            "10m apart",
            "clocks",
        ),
        (
            |f| f.crds[0].1 = Told::None,
            Outcome::Fails,
            "is not there",
            "helm install",
        ),
        (
            |f| {
                f.crds[0].1 = Told::Is(Crd {
                    established: false,
                    served: vec![],
                })
            },
            Outcome::Fails,
            "not established",
            "kubectl describe crd",
        ),
        (
            |f| {
                f.crds[0].1 = Told::Is(Crd {
                    established: true,
                    served: vec!["v1".into()],
                })
            },
            Outcome::Fails,
            "has v1, and not v1alpha1",
            "helm upgrade",
        ),
        (
            |f| f.deployment = Told::None,
            Outcome::Fails,
            "no Deployment",
            "--operator-namespace",
        ),
        (
            |f| {
                f.deployment = Told::Is(Deployment {
                    wanted: 2,
                    ready: 1,
                    version: None,
                })
            },
            Outcome::Warning,
            "1 of 2 replicas",
            "describe pods",
        ),
        (
            |f| {
                f.deployment = Told::Is(Deployment {
                    wanted: 2,
                    ready: 2,
                    version: Some("0.2.0".into()),
                })
            },
            Outcome::Warning,
            "of version 0.2.0, and this program of 0.1.0",
            "four minor versions",
        ),
        (
            |f| f.operator = lease("2026-03-01T11:50:00.000000Z"),
            Outcome::Fails,
            "has not reported for 10m",
            "logs deploy/mooring-operator",
        ),
        (
            |f| f.rights = Told::Is(vec![("list pods".into(), false)]),
            Outcome::Fails,
            "may not: list pods",
            "ClusterRole",
        ),
        (
            |f| f.webhook = Told::None,
            Outcome::Fails,
            "no MutatingWebhookConfiguration",
            "no sidecar",
        ),
        (
            |f| f.probe = Probe::Admitted,
            Outcome::Fails,
            "was let in",
            "-n",
        ),
        (
            |f| {
                f.probe = Probe::Unreachable {
                    said: "connection refused".into(),
                    took: Duration::from_secs(10),
                }
            },
            Outcome::Fails,
            "(10000 ms): connection refused",
            "port 9443",
        ),
        (
            |f| {
                f.probe = Probe::Refused {
                    said: String::new(),
                    took: Duration::from_secs(3),
                }
            },
            Outcome::Warning,
            "within 3000 ms",
            "waits so long",
        ),
        (
            |f| {
                f.webhook = Told::Is(Webhook {
                    trusts_until: Ok(vec![at("2026-02-01T00:00:00Z")]),
                })
            },
            Outcome::Fails,
            "no certificate that is still valid",
            "its log",
        ),
        (
            |f| {
                f.webhook = Told::Is(Webhook {
                    trusts_until: Err("no certificate".into()),
                })
            },
            Outcome::Fails,
            "caBundle cannot be read",
            "anew",
        ),
        (
            |f| f.ca = Told::None,
            Outcome::Fails,
            "no Secret mooring-ca",
            "backup",
        ),
        (
            |f| f.servers = Told::Is(vec![]),
            Outcome::Warning,
            "there is none",
            "make a LicenseServer",
        ),
        (
            |f| f.bare = (0..7).map(|n| format!("a/p{n}")).collect(),
            Outcome::Warning,
            "a/p4 and 2 more",
            "anew",
        ),
    ];
    for (change, outcome, said, hint) in troubles {
        let mut facts = well();
        change(&mut facts);
        let all = judge(&facts);
        let bad: Vec<&Finding> = all.iter().filter(|f| f.outcome != Outcome::Ok).collect();
        let [one] = bad[..] else {
            panic!("{said}: {bad:#?}");
        };
        assert_eq!(one.outcome, *outcome, "{one:?}");
        assert!(one.said.contains(said), "{said}: {one:?}");
        let todo = one.hint.as_deref().unwrap_or_default();
        assert!(todo.contains(hint) && one.page.is_some(), "{hint}: {one:?}");
    }
}

#[test]
fn a_ca_that_ends_soon_and_a_server_that_does_not_serve_are_told() {
    let mut facts = well();
    let Told::Is(ca) = &mut facts.ca else {
        unreachable!()
    };
    ca.not_after = "2026-03-04T00:00:00Z".into();
    facts.servers = Told::Is(vec![server(
        "False",
        "PinRejected",
        "the token refuses the PIN",
    )]);
    let all = judge(&facts);
    let of = |group: &str| all.iter().rfind(|f| f.group == group).unwrap();
    assert_eq!(of("certificates").outcome, Outcome::Warning);
    let server = of("license servers");
    assert_eq!(server.outcome, Outcome::Fails);
    assert!(
        server.said.contains("licensing/main: ") && server.said.contains("PIN"),
        "{server:?}"
    );
    let text = print::text(&all, true);
    assert!(
        text.starts_with("certificates\n  warn  Mooring CA"),
        "{text}"
    );
    assert!(text.ends_with("\n1 fail, 1 to look at.\n"), "{text}");
}

#[test]
fn what_may_not_be_read_is_said_and_fails_nothing() {
    let no = || "pods is forbidden".to_owned();
    let facts = Facts {
        kubernetes: Told::NotRead(no()),
        deployment: Told::NotRead(no()),
        webhook: Told::NotRead(no()),
        probe: Probe::NotTried(no()),
        ca: Told::NotRead(no()),
        rights: Told::NotRead(no()),
        servers: Told::NotRead(no()),
        operator: Operator::NotRead(no()),
        crds: vec![("licenseservers.mooring.dev", Told::NotRead(no()))],
        ..well()
    };
    let all = judge(&facts);
    let bad = all.iter().filter(|f| f.outcome != Outcome::Ok);
    assert!(
        bad.clone()
            .all(|f| f.outcome == Outcome::Unknown && f.said.contains("forbidden"))
    );
    assert_eq!(bad.count(), 9);
    assert!(print::text(&all, false).ends_with("\nAll is well, 9 could not be looked at.\n"));
}
