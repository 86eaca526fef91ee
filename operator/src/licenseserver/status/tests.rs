#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::licenseserver::facts::Missing;
use crate::licenseserver::ownership::Taken;
use crate::licenseserver::placement::{Placed, Whereabouts};
use crate::licenseserver::seat_policy::named::NamedPolicy;
use crate::licenseserver::standby::Evidence;
use crate::licenseserver::trust::{Group, Served};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::events::EventType;
use mooring_api::names::ServerRef;
use mooring_api::{Serving, Side, StuckPod};
use mooring_core::time::Timestamp;
use serde_json::json;

fn snapshot(change: impl FnOnce(&mut serde_json::Value)) -> Snapshot {
    let mut v = json!({
        "instance": "0a".repeat(16), "version": "0.1.0",
        "anchor": { "kind": "pkcs11", "present": true, "reason": "Present", "message": "token mooring signs" },
        "licenseValid": true, "licenseReason": "Valid", "licenseMessage": "license 7 is in force", "licenses": [{"id": "7", "valid": true, "reason": "Valid", "message": "license 7 is in force"}],
        "settling": false, "renews": true, "leaseForSecs": 30
    });
    change(&mut v);
    let pools =
        json!([{ "license": "7", "name": "render", "seats": 2, "overdraft": 0, "used": 1 }]);
    let products = json!([{ "name": "render", "seats": 2, "used": 1, "waiting": 0 }]);
    Snapshot {
        connected: true,
        state: Some(serde_json::from_value(v).unwrap()),
        seen: Some(BootTime::from_millis(1)),
        products: serde_json::from_value(products).unwrap(),
        pools: serde_json::from_value(pools).unwrap(),
        waiting: 3,
        ..Snapshot::default()
    }
}

struct Case {
    snapshot: Snapshot,
    missing: Vec<Missing>,
    taken: Vec<Taken>,
    placed: Placed,
    whereabouts: Whereabouts,
    pod: Option<Pod>,
    cordoned: Vec<String>,
    outside: bool,
    node_down: Option<String>,
    stuck: Option<(StuckPod, String)>,
    trust: Vec<Group>,
    named: NamedPolicy,
    serving: Option<(Serving, Evidence)>,
    twin: Option<(ServerRef, String)>,
    cluster_ips: Vec<String>,
    at: &'static str,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            snapshot: snapshot(|_| ()),
            missing: vec![],
            taken: vec![],
            placed: Placed::Well,
            whereabouts: Whereabouts {
                found: true,
                reason: "NodeFound",
                message: "anchor=main: on node node-a".into(),
            },
            pod: None,
            cordoned: vec![],
            outside: false,
            node_down: None,
            stuck: None,
            trust: vec![],
            named: NamedPolicy::Nothing,
            serving: None,
            twin: None,
            cluster_ips: vec![],
            at: "2026-03-01T12:00:00Z",
        }
    }
}

impl Case {
    /// Of a server that has not been heard, with this pod.
    fn unheard(pod: serde_json::Value) -> Self {
        Self {
            snapshot: Snapshot::default(),
            pod: Some(serde_json::from_value(pod).unwrap()),
            ..Self::default()
        }
    }

    fn status(&self, before: Option<&LicenseServerStatus>) -> LicenseServerStatus {
        status(&self.judged(), before, Duration::from_secs(30))
    }

    fn judged(&self) -> Judged<'_> {
        Judged {
            generation: Some(2),
            invalid: None,
            missing: &self.missing,
            taken: &self.taken,
            placed: &self.placed,
            whereabouts: &self.whereabouts,
            pod: self.pod.as_ref(),
            cordoned: &self.cordoned,
            node: Some("node-a".into()),
            outside: self.outside,
            node_down: self.node_down.clone(),
            stuck: self.stuck.clone(),
            endpoint: "https://main.licensing.svc:8443".into(),
            cluster_ips: self.cluster_ips.clone(),
            snapshot: &self.snapshot,
            trust: &self.trust,
            named: &self.named,
            serving: self.serving.as_ref().map(|(s, e)| (s, e.clone())),
            twin: self.twin.clone(),
            now: self.at.parse::<Timestamp>().unwrap(),
        }
    }
}

fn said(s: &LicenseServerStatus, kind: &str) -> (String, String, String) {
    let c = s.conditions.iter().find(|c| c.type_ == kind).unwrap();
    (c.status.clone(), c.reason.clone(), c.message.clone())
}

fn reasons(before: Option<&LicenseServerStatus>, now: &LicenseServerStatus) -> Vec<&'static str> {
    events(before, now).into_iter().map(|n| n.reason).collect()
}

#[test]
fn a_serving_server_says_so_in_every_column() {
    let s = Case::default().status(None);
    assert_eq!(said(&s, "Ready").0, "True");
    assert_eq!((s.used, s.seats, s.waiting), (Some(1), Some(2), Some(3)));
    assert_eq!(
        (
            s.anchor.as_deref(),
            s.node.as_deref(),
            s.licenses.first().map(String::as_str)
        ),
        (Some("Present"), Some("node-a"), Some("7"))
    );
    assert_eq!(s.observed_generation, Some(2));
    assert_eq!(
        reasons(None, &s),
        ["AnchorPresent", "LicenseValid", "Serving"]
    );
}

#[test]
fn the_same_facts_later_change_nothing() {
    let s = Case::default().status(None);
    let later = Case {
        at: "2026-03-01T13:00:00Z",
        ..Case::default()
    }
    .status(Some(&s));
    assert_eq!(later, s);
    assert!(events(Some(&s), &later).is_empty());
}

#[test]
fn a_lost_anchor_is_said_with_what_to_do_and_its_return_too() {
    let s = Case::default().status(None);
    let lost = snapshot(
        |v| v["anchor"] = json!({ "kind": "pkcs11", "present": false, "reason": "TokenNotFound", "message": "no token mooring: plug it in" }),
    );
    let lost = Case {
        snapshot: lost,
        ..Case::default()
    }
    .status(Some(&s));
    assert_eq!(
        said(&lost, "Ready"),
        (
            "False".into(),
            "TokenNotFound".into(),
            "no token mooring: plug it in".into()
        )
    );
    assert_eq!(lost.anchor.as_deref(), Some("TokenNotFound"));
    let notes = events(Some(&s), &lost);
    assert_eq!(
        (notes[0].reason, notes[0].severity),
        ("AnchorLost", EventType::Warning)
    );
    assert!(notes[0].message.contains("plug it in"));
    let back = Case::default().status(Some(&lost));
    assert_eq!(reasons(Some(&lost), &back), ["AnchorPresent", "Serving"]);
}

#[test]
fn a_standby_anchor_that_serves_is_said_and_the_firsts_return_too() {
    let s = Case::default().status(None);
    let standby = snapshot(|v| {
        v["anchor"] = json!({ "kind": "usb", "present": true, "reason": "StandbyInUse", "message": "until 2026-05-15" });
    });
    let standby = Case {
        snapshot: standby,
        ..Case::default()
    }
    .status(Some(&s));
    assert_eq!(said(&standby, "AnchorPresent").0, "True");
    let notes = events(Some(&s), &standby);
    assert_eq!(
        (
            notes[0].reason,
            notes[0].severity,
            notes[0].message.as_str()
        ),
        ("AnchorStandby", EventType::Warning, "until 2026-05-15")
    );
    let back = Case::default().status(Some(&standby));
    assert_eq!(reasons(Some(&standby), &back), ["AnchorPresent"]);
}

#[test]
fn a_pin_that_was_changed_under_a_serving_server_is_said_before_it_matters() {
    let s = Case::default().status(None);
    let snapshot = snapshot(|v| {
        v["anchor"] = json!({ "kind": "pkcs11", "present": true, "reason": "PinChanged", "message": "at the next login" });
    });
    let changed = Case {
        snapshot,
        ..Case::default()
    }
    .status(Some(&s));
    assert_eq!(said(&changed, "AnchorPresent").0, "True");
    assert_eq!(said(&changed, "Ready").0, "True");
    assert_eq!(reasons(Some(&s), &changed), ["PinChanged"]);
    let back = Case::default().status(Some(&changed));
    assert_eq!(reasons(Some(&changed), &back), [""; 0]);
}

#[test]
fn a_second_server_is_said_while_it_is_seen_and_its_end_too() {
    let alone = Case::default().status(None);
    let none = |s: &LicenseServerStatus| s.conditions.iter().all(|c| c.type_ != "SecondServerSeen");
    assert!(none(&alone), "nobody is told of what never was");
    let seen = Case {
        snapshot: snapshot(|v| {
            v["secondServer"] =
                json!({ "instance": "0b".repeat(16), "issuedAt": "2026-03-01T11:59:00Z" });
        }),
        ..Case::default()
    }
    .status(Some(&alone));
    let (status, reason, message) = said(&seen, "SecondServerSeen");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "ForeignToken"));
    assert!(
        message.contains(&"0b".repeat(16)) && message.contains("stop one of them"),
        "{message}"
    );
    assert_eq!(reasons(Some(&alone), &seen), ["SecondServer"]);
    assert_eq!(
        said(&seen, "Ready").0,
        "True",
        "it is noticed, not prevented"
    );
    let over = Case::default().status(Some(&seen));
    assert_eq!(said(&over, "SecondServerSeen").1, "Alone");
    assert!(reasons(Some(&seen), &over).is_empty());
}

#[test]
fn a_clock_that_differs_is_said_while_it_does() {
    let right = Case::default().status(None);
    assert!(right.conditions.iter().all(|c| c.type_ != "ClockSkew"));
    let differs = |ahead: i64| {
        let skew = json!({
            "holder": {"kind": "pod", "namespace": "studio", "pod": "render-0", "uid": "1",
                "serviceAccount": "default", "node": "node-b"},
            "aheadSecs": ahead,
        });
        let snapshot = snapshot(|v| v["clockSkew"] = skew);
        Case {
            snapshot,
            ..Case::default()
        }
        .status(Some(&right))
    };
    for (ahead, words) in [(-82_800, "23h behind"), (3660, "1h1m ahead of")] {
        let (status, reason, message) = said(&differs(ahead), "ClockSkew");
        assert_eq!((status.as_str(), reason.as_str()), ("True", "HolderClock"));
        for part in ["studio/render-0", "node-b", words] {
            assert!(message.contains(part), "{message}");
        }
    }
    let seen = differs(7200);
    assert_eq!(reasons(Some(&right), &seen), ["ClockSkew"]);
    assert_eq!(said(&seen, "Ready").0, "True");
    let over = Case::default().status(Some(&seen));
    assert_eq!(said(&over, "ClockSkew").1, "ClocksAgree");
    assert!(reasons(Some(&seen), &over).is_empty());
}

#[test]
fn two_servers_of_a_cluster_that_sign_with_one_anchor_name_each_other() {
    let name = |n: &str| ServerRef {
        namespace: "licensing".into(),
        name: n.into(),
    };
    let with = |key: &str, present: bool| {
        snapshot(|v| {
            v["anchor"]["keyId"] = json!(key);
            v["anchor"]["present"] = json!(present);
        })
    };
    let me = with("k1", true);
    let alone = |other: Snapshot| assert_eq!(twin(&me, &[(name("b"), other)]), None);
    alone(with("k2", true));
    // The key id of a lost anchor is what was: that server signs no more.
    alone(with("k1", false));
    alone(Snapshot {
        connected: false,
        ..with("k1", true)
    });
    // Another license on the same anchor is another server.
    alone(snapshot(|v| {
        v["anchor"]["keyId"] = json!("k1");
        v["licenses"][0]["id"] = json!("8");
    }));
    let unkeyed = [(name("b"), snapshot(|_| ()))];
    assert_eq!(
        twin(&snapshot(|_| ()), &unkeyed),
        None,
        "neither says a key"
    );
    let others = [(name("b"), with("k2", true)), (name("c"), with("k1", true))];
    let found = twin(&me, &others);
    assert_eq!(found, Some((name("c"), "7".into())));
    let s = Case {
        twin: found,
        ..Case::default()
    }
    .status(None);
    let (_, reason, message) = said(&s, "SecondServerSeen");
    assert!(
        reason == "SameAnchor" && message.contains("licensing/c"),
        "{reason}: {message}"
    );
}

#[test]
fn a_bad_license_is_said_where_people_look() {
    let bad = snapshot(|v| {
        v["licenseValid"] = json!(false);
        v["licenseReason"] = json!("Expired");
        v["licenseMessage"] = json!("expired 2026-02-01: ask the vendor for a new one");
    });
    let s = Case {
        snapshot: bad,
        ..Case::default()
    }
    .status(None);
    assert_eq!(said(&s, "LicenseValid").1, "Expired");
    assert_eq!(said(&s, "Ready").1, "Expired");
    assert!(reasons(None, &s).contains(&"LicenseInvalid"));
}

#[test]
fn what_the_license_says_of_starts_is_kept_while_nothing_is_known() {
    let says = |v: &'static str| snapshot(move |s| s["optimisticStart"] = json!(v));
    let start = |s: Snapshot, before: Option<&LicenseServerStatus>| {
        Case {
            snapshot: s,
            ..Case::default()
        }
        .status(before)
        .optimistic_start
    };
    let before = Case {
        snapshot: says("voucher"),
        ..Case::default()
    }
    .status(None);
    assert_eq!(before.optimistic_start.as_deref(), Some("voucher"));
    let silent = start(snapshot(|_| ()), Some(&before));
    assert_eq!(silent.as_deref(), Some("voucher"));
    let allowed = start(says("allow"), Some(&before));
    assert_eq!(allowed.as_deref(), Some("allow"));
}

#[test]
fn the_grace_is_kept_as_the_server_said_it_last() {
    let case = |snapshot| Case {
        snapshot,
        ..Case::default()
    };
    let told = case(snapshot(|s| s["runForSecs"] = json!(600))).status(None);
    assert_eq!(told.grace.unwrap().to_string(), "10m");
    let no_license = case(snapshot(|_| ())).status(Some(&told));
    assert_eq!(no_license.grace, told.grace);
}

#[test]
fn that_the_state_is_not_kept_is_an_event_and_no_refused_file() {
    let s = Case::default().status(None);
    let unkept = snapshot(|v| v["licenseReason"] = json!("StateNotKept"));
    let unkept = Case {
        snapshot: unkept,
        ..Case::default()
    }
    .status(Some(&s));
    assert_eq!(said(&unkept, "Ready").0, "True");
    assert_eq!(reasons(Some(&s), &unkept), ["StateNotKept"]);
}

#[test]
fn a_refused_new_file_is_an_event_although_the_old_license_stays_in_force() {
    let s = Case::default().status(None);
    let refused = snapshot(|v| v["licenseReason"] = json!("NewLicenseRefused"));
    let refused = Case {
        snapshot: refused,
        ..Case::default()
    }
    .status(Some(&s));
    assert_eq!(said(&refused, "Ready").0, "True");
    assert_eq!(reasons(Some(&s), &refused), ["LicenseFileRefused"]);
    assert_eq!(
        reasons(Some(&refused), &Case::default().status(Some(&refused))),
        ["LicenseValid"]
    );
}

#[test]
fn settling_is_a_condition_and_not_yet_ready() {
    let s = Case {
        snapshot: snapshot(|v| v["settling"] = json!(true)),
        ..Case::default()
    }
    .status(None);
    assert_eq!(said(&s, "Settling").0, "True");
    assert_eq!(
        (said(&s, "Ready").0.as_str(), said(&s, "Ready").1.as_str()),
        ("False", "Settling")
    );
}

#[test]
fn a_drained_node_is_named_with_what_brings_the_server_back() {
    let pending = json!({ "metadata": {}, "status": { "conditions": [{ "type": "PodScheduled", "status": "False",
        "message": "0/2 nodes are available" }] } });
    let drained = Case {
        snapshot: Snapshot {
            problem: Some("cannot connect".into()),
            heard: Some("2026-03-01T11:59:58Z".parse().unwrap()),
            ..Snapshot::default()
        },
        pod: Some(serde_json::from_value(pending).unwrap()),
        cordoned: vec!["node-a".into()],
        ..Case::default()
    };
    let before = Case::default().status(None);
    let s = drained.status(Some(&before));
    let (status, reason, message) = said(&s, "Ready");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "NodeCordoned")
    );
    assert!(
        message.contains("node-a") && message.contains("kubectl uncordon node-a"),
        "{message}"
    );
    assert_eq!(reasons(Some(&before), &s), ["NodeCordoned"]);
    assert_eq!(
        (s.used, s.as_of.as_deref()),
        (Some(1), Some("2026-03-01T11:59:58Z")),
        "numbers that are old say of when they are"
    );
    let told = notice(
        &drained.judged(),
        &s,
        Duration::from_secs(30),
        Duration::from_secs(600),
    );
    assert_eq!(told.trouble.unwrap().reason, "NodeCordoned");
    assert_eq!(Case::default().status(Some(&s)).as_of, None);
}

#[test]
fn mirrors_are_told_of_no_trouble_that_stops_nobody() {
    let serves = Case::default();
    let mut s = serves.status(None);
    let told = |s: &LicenseServerStatus| {
        let second = Duration::from_secs(1);
        notice(&serves.judged(), s, second, second).trouble
    };
    assert_eq!(told(&s), None);
    s.conditions[0].status = "False".into();
    s.conditions[0].reason = "InvalidSpec".into();
    assert_eq!(told(&s), None, "the server that runs goes on");
}

#[test]
fn without_contact_nothing_is_claimed_and_the_last_numbers_stay() {
    let s = Case::default().status(None);
    let broken = Snapshot {
        problem: Some("cannot connect".into()),
        ..Snapshot::default()
    };
    let pod = serde_json::from_value(json!({ "metadata": {}, "status": {} })).unwrap();
    let gone = Case {
        snapshot: broken,
        pod: Some(pod),
        ..Case::default()
    }
    .status(Some(&s));
    assert_eq!(said(&gone, "AnchorPresent").0, "Unknown");
    assert_eq!(said(&gone, "Ready").1, "NotConnected");
    assert_eq!((gone.used, gone.seats), (Some(1), Some(2)));
    assert_eq!(reasons(Some(&s), &gone), ["ServerUnreachable"]);
    let restarted = Case {
        snapshot: snapshot(|v| v["instance"] = json!("0b".repeat(16))),
        ..Case::default()
    }
    .status(Some(&gone));
    assert_eq!(
        reasons(Some(&gone), &restarted),
        ["ServerRestarted", "Serving"]
    );
}

#[test]
fn an_operator_that_has_just_started_takes_nothing_back() {
    let s = Case::default().status(None);
    let pod: Pod = serde_json::from_value(json!({ "metadata": {}, "status": {} })).unwrap();
    let started = Case {
        snapshot: Snapshot::default(),
        pod: Some(pod),
        ..Case::default()
    };
    assert_eq!(started.status(Some(&s)), s);
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let none = || Case {
        snapshot: Snapshot::default(),
        ..Case::default()
    };
    let missing = vec![Missing {
        reason: "LicenseSecretMissing",
        message: "spec.licenses[0]: Secret a/b is not there: create it".into(),
    }];
    let s = Case {
        missing: missing.clone(),
        ..none()
    }
    .status(None);
    assert_eq!(said(&s, "Ready").1, "LicenseSecretMissing");
    assert_eq!(said(&s, "LicenseValid").0, "False");
    assert_eq!(reasons(None, &s), ["LicenseInvalid"]);
    let serving = Case {
        missing,
        ..Case::default()
    }
    .status(None);
    assert_eq!(
        (
            said(&serving, "Ready").0.as_str(),
            said(&serving, "LicenseValid").1.as_str()
        ),
        ("True", "LicenseSecretMissing")
    );
    let s = Case {
        placed: Placed::Nowhere,
        whereabouts: Whereabouts {
            found: false,
            reason: "NoMatchingNode",
            message: "no node carries anchor=main: kubectl label node NODE anchor=main".into(),
        },
        ..none()
    }
    .status(None);
    let (_, reason, message) = said(&s, "Ready");
    assert_eq!(reason, "NoMatchingNode");
    assert!(
        message.contains("kubectl label node NODE anchor=main"),
        "{message}"
    );
}

#[test]
fn a_pod_that_cannot_start_says_why() {
    let pod = json!({ "metadata": {}, "status": { "containerStatuses": [{ "name": "server", "image": "i", "imageID": "", "ready": false, "restartCount": 3,
        "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off" } }, "lastState": { "terminated": { "exitCode": 2 } } }] } });
    let f = Case::unheard(pod);
    let (_, reason, message) = said(&f.status(None), "Ready");
    assert_eq!(reason, "PodNotRunning");
    assert!(
        message.contains("CrashLoopBackOff") && message.contains("exit code 2"),
        "{message}"
    );
}

#[test]
fn what_the_server_needs_before_it_starts_is_looked_at_first() {
    let container = |name: &str, reason: &str, exit: Option<i32>| {
        let last = exit.map_or(
            json!({}),
            |code| json!({ "terminated": { "exitCode": code } }),
        );
        json!({ "name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": reason } }, "lastState": last })
    };
    for (reason, exit, says) in [
        (
            "ImagePullBackOff",
            None,
            "container pcscd waits, which the server needs: ImagePullBackOff",
        ),
        (
            "CrashLoopBackOff",
            Some(3),
            "exit code 3: kubectl logs --previous -c pcscd",
        ),
    ] {
        let pod = json!({ "metadata": {}, "status": {
            "initContainerStatuses": [container("pcscd", reason, exit)],
            "containerStatuses": [container("server", "PodInitializing", None)] } });
        let f = Case::unheard(pod);
        let (_, reason, message) = said(&f.status(None), "Ready");
        assert_eq!(reason, "PodNotRunning");
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_server_on_a_node_that_is_not_ready_says_so() {
    let running = json!({ "metadata": {}, "status": { "containerStatuses": [{ "name": "server", "image": "i", "imageID": "",
        "ready": true, "restartCount": 0, "state": { "running": {} } }] } });
    let node = json!({ "metadata": { "name": "node-a" }, "status": { "conditions": [{ "type": "Ready", "status": "Unknown",
        "message": "Kubelet stopped posting node status.", "lastTransitionTime": "2026-03-01T11:59:00Z" }] } });
    let node: std::sync::Arc<k8s_openapi::api::core::v1::Node> =
        serde_json::from_value(node).unwrap();
    let nodes = [node];
    let f = Case {
        snapshot: Snapshot {
            problem: Some("cannot connect".into()),
            ..Snapshot::default()
        },
        pod: Some(serde_json::from_value(running).unwrap()),
        node_down: crate::licenseserver::placement::down(&nodes, Some("node-a")),
        ..Case::default()
    };
    let before = Case::default().status(None);
    let s = f.status(Some(&before));
    let (_, reason, message) = said(&s, "Ready");
    assert_eq!(reason, "NodeNotReady");
    assert!(
        message.starts_with(
            "node node-a, where the server's pod is, is not ready since 2026-03-01T11:59:00Z (Kubelet stopped posting node status.)"
        ),
        "{message}"
    );
    assert_eq!(reasons(Some(&before), &s), ["NodeNotReady"]);

    // Its dongle is elsewhere: until when its pod is awaited is said, once for each pod.
    let stuck = StuckPod {
        uid: "u".into(),
        since: Time("2026-03-01T12:00:00Z".parse().unwrap()),
    };
    let f = Case {
        stuck: Some((stuck, "the dongle is elsewhere: until 12:15".into())),
        ..f
    };
    let awaited = f.status(Some(&s));
    let (_, reason, message) = said(&awaited, "Ready");
    assert_eq!(reason, "NodeNotReady");
    assert!(message.ends_with("until 12:15"), "{message}");
    assert_eq!(reasons(Some(&s), &awaited), ["ServerStuck"]);
    assert_eq!(reasons(Some(&awaited), &f.status(Some(&awaited))), [""; 0]);
    assert_eq!(Case::default().status(Some(&awaited)).stuck, None, "over");
}

#[test]
fn the_longest_lease_is_raised_at_once_and_lowered_late() {
    let s = |secs| Duration::from_secs(secs);
    let none = Snapshot::default();
    let at = BootTime::from_millis;
    assert_eq!(
        in_force(None, s(30), true, &none, at(0)),
        s(30),
        "a first start"
    );
    assert_eq!(
        in_force(None, s(30), false, &none, at(0)),
        s(300),
        "a lost status: unknown, the longest there can be"
    );
    assert_eq!(in_force(Some(s(30)), s(60), false, &none, at(0)), s(60));
    assert_eq!(in_force(Some(s(60)), s(30), false, &none, at(0)), s(60));
    let stood = snapshot(|_| ());
    assert_eq!(
        in_force(Some(s(60)), s(30), false, &stood, at(60_000)),
        s(60)
    );
    assert_eq!(
        in_force(Some(s(60)), s(30), false, &stood, at(61_100)),
        s(30)
    );
    let old = snapshot(|v| v["leaseForSecs"] = json!(60));
    assert_eq!(
        in_force(Some(s(60)), s(30), false, &old, at(99_000)),
        s(60),
        "the old server still grants the longer one"
    );
    let settling = snapshot(|v| v["settling"] = json!(true));
    assert_eq!(
        in_force(Some(s(60)), s(30), false, &settling, at(99_000)),
        s(60)
    );
}

#[test]
fn a_device_that_moves_is_told_and_its_loss_while_the_server_runs_too() {
    let at = |found, reason, message: &str| Case {
        whereabouts: Whereabouts {
            found,
            reason,
            message: message.to_owned(),
        },
        ..Case::default()
    };
    let here = at(true, "DeviceFound", "device 1050:0407: on node n1").status(None);
    assert_eq!(said(&here, "Placed").0, "True");
    let there = at(true, "DeviceFound", "device 1050:0407: on node n2").status(Some(&here));
    assert_eq!(reasons(Some(&here), &there), ["DeviceMoved"]);
    let gone = at(false, "DeviceNotFound", "device 1050:0407: on no node").status(Some(&there));
    assert_eq!(said(&gone, "Placed").0, "False");
    assert_eq!(said(&gone, "Ready").0, "True", "the server still serves");
    assert_eq!(reasons(Some(&there), &gone), ["DeviceNotFound"]);
    assert!(reasons(Some(&gone), &gone).is_empty());
}

#[test]
fn the_services_addresses_are_kept_while_it_is_gone() {
    let with = Case {
        cluster_ips: vec!["10.96.0.7".into()],
        ..Case::default()
    };
    let s = with.status(None);
    assert_eq!(s.cluster_ips, ["10.96.0.7"]);
    assert_eq!(Case::default().status(Some(&s)).cluster_ips, ["10.96.0.7"]);
}

#[test]
fn a_name_that_is_taken_is_a_condition_of_its_own_and_the_reason_for_not_being_ready() {
    let service: k8s_openapi::api::core::v1::Service =
        serde_json::from_value(json!({ "metadata": { "name": "payments", "namespace": "shop" } }))
            .unwrap();
    let server = ServerRef::new("shop", "payments");
    let taken = crate::licenseserver::ownership::taken(&service, &server, "uid");
    let case = Case {
        taken: taken.into_iter().collect(),
        snapshot: Snapshot::default(),
        ..Case::default()
    };
    let s = case.status(None);
    for (kind, status, reason) in [
        ("NameTaken", "True", "NotOurs"),
        ("Ready", "False", "NameTaken"),
    ] {
        let (is, why, text) = said(&s, kind);
        assert_eq!((is.as_str(), why.as_str()), (status, reason), "{kind}");
        assert!(
            text.contains("Service shop/payments") && text.contains("another name"),
            "{text}"
        );
    }
    assert!(reasons(None, &s).contains(&"NameTaken"));
    let free = Case::default().status(Some(&s));
    assert_eq!(said(&free, "NameTaken").0, "False");
    assert!(
        Case::default()
            .status(None)
            .condition("NameTaken")
            .is_none()
    );
}

#[test]
fn pods_that_trust_an_earlier_ca_are_told_until_there_are_none() {
    let group = |served| Group {
        served,
        until: None,
        pods: vec!["a/p".into()],
    };
    let kind = "PodsTrustEarlierCa";
    let none = Case::default().status(None);
    assert!(none.conditions.iter().all(|c| c.type_ != kind));
    let bridged = Case {
        trust: vec![group(Served::Bridged)],
        ..Case::default()
    }
    .status(Some(&none));
    let (status, reason, text) = said(&bridged, kind);
    assert_eq!((&*status, &*reason), ("True", "EarlierCaVouches"));
    assert!(text.contains("a/p"), "{text}");
    let notes = events(Some(&none), &bridged);
    assert_eq!(notes.len(), 1);
    assert_eq!(
        (notes[0].reason, &notes[0].severity),
        (kind, &EventType::Normal)
    );
    // The worst gives the reason, and is said first.
    let lost = Case {
        trust: vec![group(Served::Bridged), group(Served::Not)],
        ..Case::default()
    }
    .status(Some(&bridged));
    let (_, reason, text) = said(&lost, kind);
    assert_eq!(reason, "PodsCutOff");
    assert!(
        text.starts_with("1 pod trusts only a CA by which nothing"),
        "{text}"
    );
    let notes = events(Some(&bridged), &lost);
    assert_eq!((notes.len(), &notes[0].severity), (1, &EventType::Warning));
    let over = Case::default().status(Some(&lost));
    let (status, reason, _) = said(&over, kind);
    assert_eq!((&*status, &*reason), ("False", "PresentCaTrusted"));
    assert!(events(Some(&lost), &over).is_empty());
}

#[test]
fn a_policy_that_is_missing_changes_nothing_and_is_said_with_what_to_do() {
    let of = |named: NamedPolicy| Case {
        named,
        ..Case::default()
    };
    let none = Case::default().status(None);
    assert!(none.condition("PolicyReady").is_none(), "none is named");

    let force = of(NamedPolicy::InForce {
        name: "shares".into(),
        generation: 1,
    });
    let force = force.status(Some(&none));
    let (status, reason, _) = said(&force, "PolicyReady");
    assert_eq!((&*status, &*reason), ("True", "PolicyInForce"));
    assert_eq!(reasons(Some(&none), &force), Vec::<&str>::new());

    let gone = of(NamedPolicy::Missing {
        name: "shares".into(),
        stays: Some("shares".into()),
    });
    let gone = gone.status(Some(&force));
    let (status, reason, text) = said(&gone, "PolicyReady");
    assert_eq!((&*status, &*reason), ("False", "PolicyNotFound"));
    assert!(
        text.contains("create it, or take spec.policy away"),
        "{text}"
    );
    assert!(text.contains("stays in force"), "{text}");
    assert_eq!(reasons(Some(&force), &gone), ["PolicyNotFound"]);
    assert_eq!(said(&gone, "Ready").0, "True", "it serves all the same");

    let bad = of(NamedPolicy::Unusable {
        name: "shares".into(),
        why: "spec.groups[a].pools.r.max: expected at least owned".into(),
        stays: None,
    });
    let bad = bad.status(Some(&force));
    let (_, reason, text) = said(&bad, "PolicyReady");
    assert_eq!(reason, "PolicyInvalid");
    assert!(text.ends_with("no policy is in force"), "{text}");
    assert_eq!(reasons(Some(&force), &bad), ["PolicyInvalid"]);

    let dry = of(NamedPolicy::DryRun {
        name: "shares".into(),
    });
    assert_eq!(
        said(&dry.status(Some(&gone)), "PolicyReady").1,
        "PolicyDryRun"
    );
    let away = Case::default().status(Some(&gone));
    assert!(away.condition("PolicyReady").is_none());
}

#[test]
fn of_a_server_outside_of_the_cluster_neither_node_nor_pod_is_spoken_of() {
    let outside = |snapshot: Snapshot| Case {
        snapshot,
        outside: true,
        ..Case::default()
    };
    let s = outside(snapshot(|_| ())).status(None);
    let ready = s.condition("Ready").unwrap();
    assert_eq!((&*ready.status, &*ready.reason), ("True", "Serving"));
    assert!(s.condition("Placed").is_none(), "{:?}", s.conditions);
    let cut_off = Snapshot {
        problem: Some("cannot connect to license.example.com:8443".into()),
        ..Snapshot::default()
    };
    let cut = outside(cut_off).status(Some(&s));
    let ready = cut.condition("Ready").unwrap();
    assert_eq!((&*ready.status, &*ready.reason), ("False", "NotConnected"));
    assert!(ready.message.contains("license.example.com"), "{ready:?}");
    assert_eq!(cut.condition("AnchorPresent").unwrap().reason, "NoContact");
    // An operator that has just started says what the one before it said.
    let unheard = outside(Snapshot::default()).status(Some(&s));
    assert_eq!(unheard.conditions, s.conditions);
}

#[test]
fn which_of_two_sides_serves_is_said_and_what_keeps_the_other_from_it() {
    let heard = || Evidence::Heard("node-a".into());
    let case = |serving: Serving, evidence, standbys: u32| Case {
        snapshot: snapshot(|v| v["licenses"][0]["standbys"] = json!(standbys)),
        serving: Some((serving, evidence)),
        ..Case::default()
    };
    let primary = Serving::default;
    let says = |c: &Case| said(&c.status(None), "PrimaryServes");
    let well = case(primary(), heard(), 1);
    assert_eq!(
        (says(&well).0.as_str(), says(&well).1.as_str()),
        ("True", "AsPlanned")
    );
    assert_eq!(well.status(None).serving, Some(primary()));
    let unlisted = says(&case(primary(), heard(), 0));
    assert_eq!(unlisted.1, "StandbyNotLicensed");
    let cut_off = says(&case(primary(), Evidence::Unheard("node-a".into()), 1));
    assert_eq!(
        (cut_off.0.as_str(), cut_off.1.as_str()),
        ("True", "NotProven")
    );
    assert!(cut_off.2.contains("taint node node-a"), "{cut_off:?}");
    let asked = Serving {
        refused: Some("the primary serves already".into()),
        ..primary()
    };
    assert_eq!(says(&case(asked, heard(), 1)).1, "FailoverRefused");
    let since = Some(Time("2026-03-01T12:00:00Z".parse().unwrap()));
    let ends = Serving {
        hands_over: since.clone(),
        ..primary()
    };
    assert_eq!(says(&case(ends, heard(), 1)).1, "HandsOver");
    let standby = Serving {
        side: Side::Standby,
        why: Some("its node is out of service".into()),
        since,
        ..primary()
    };
    let serves = says(&case(standby, Evidence::Heard("node-b".into()), 1));
    assert_eq!(
        (serves.0.as_str(), serves.1.as_str()),
        ("False", "StandbyServes")
    );
    assert!(
        serves.2.contains("out of service") && serves.2.contains("--to primary"),
        "{serves:?}"
    );
    let alone = Case::default().status(Some(&well.status(None)));
    assert_eq!(alone.serving, None, "the standby was taken out of the spec");
    assert!(alone.condition("PrimaryServes").is_none());
}
