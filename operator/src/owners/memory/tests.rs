#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::owners::sample::{controller, deployment};
use crate::owners::{kept_for, own_pod};
use k8s_openapi::api::core::v1::Pod;
use mooring_core::names::LeaseId;
use mooring_core::receipt::Sealed;
use mooring_core::time::Now;
use mooring_core::wire::{Problem, ProblemType, WaitReason};
use serde_json::json;

fn pod(name: &str, group: u32) -> OwnPod {
    let mut annotations = json!({ "mooring.dev/licenses": "", "mooring.dev/wait": "scheduling" });
    if group > 0 {
        annotations["mooring.dev/group"] = json!("g");
        annotations["mooring.dev/group-size"] = json!(group.to_string());
    }
    let env = json!([{ "name": "MOORING_LICENSES", "value": "render" }]);
    let sidecar =
        json!({ "name": "mooring", "args": ["run"], "restartPolicy": "Always", "env": env });
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "namespace": "apps", "name": name, "uid": format!("uid-{name}"),
            "annotations": annotations,
        },
        "spec": {
            "containers": [], "initContainers": [sidecar],
            "schedulingGates": [{ "name": "mooring.dev/license" }],
        },
    }))
    .unwrap();
    own_pod(&pod, false, false).unwrap()
}

fn server() -> ServerRef {
    ServerRef::new("licensing", "main")
}

fn look(m: &mut OwnersMemory, pods: Vec<OwnPod>, listed: &[LeaseView], now: BootTime) -> Vec<Act> {
    let none = HashSet::new();
    let sight = OwnersSight {
        server: &server(),
        pods,
        held: &none,
        waiting: &none,
        listed,
    };
    m.look(sight, now)
}

fn at(secs: u64) -> BootTime {
    BootTime::from_millis(secs * 1000)
}

fn sealed(text: &str) -> Sealed {
    serde_json::from_value(json!(text)).unwrap()
}

fn lease() -> LeaseId {
    "0".repeat(32).parse().unwrap()
}

fn answer(stands: OwnerStands) -> OwnersAnswer {
    OwnersAnswer {
        instance: "0".repeat(32).parse().unwrap(),
        owners: vec![stands],
    }
}

fn reserved() -> OwnersAnswer {
    answer(OwnerStands::Reserved {
        lease: lease(),
        receipt: sealed("cmVjZWlwdA"),
        called_back: None,
    })
}

fn waiting() -> OwnersAnswer {
    answer(OwnerStands::Waiting {
        lease: lease(),
        place: 3,
        reason: WaitReason::Full,
        message: "all are taken".into(),
        ticket: sealed("dGlja2V0"),
    })
}

#[test]
fn a_claim_is_said_when_it_changes_and_each_hundred_seconds_with_what_was_given_for_it() {
    let mut m = OwnersMemory::default();
    let pods = || vec![pod("p", 0)];
    assert_eq!(look(&mut m, pods(), &[], at(0)), []);
    let due = m.due(at(0));
    assert_eq!(due.len(), 1);
    m.answered(&due, at(0), waiting());
    assert_eq!(m.due(at(1)).len(), 0);
    assert!(m.all(at(1))[0].ticket.is_some(), "shown to another run");
    // Its grant is heard by the watch, and its receipt is fetched.
    let view: LeaseView = serde_json::from_value(json!({
        "lease": lease(), "claim": "owner", "holder": m.all(at(1))[0].owner,
        "items": [{ "product": "render" }], "state": "Reserved", "sinceMs": 0,
    }))
    .unwrap();
    assert_eq!(look(&mut m, pods(), &[view], at(2)), []);
    let due = m.due(at(2));
    assert_eq!(due.len(), 1);
    m.answered(&due, at(2), reserved());
    let acts = look(&mut m, pods(), &[], at(2));
    assert_eq!(acts, [Act::Open(HolderKey("uid-p".into()), None)]);
    // It takes a while until that is seen.
    assert_eq!(look(&mut m, pods(), &[], at(3)), []);
    assert_eq!(look(&mut m, pods(), &[], at(12)).len(), 1);
    assert_eq!((m.due(at(101)).len(), m.due(at(102)).len()), (0, 1));
    let shown = &m.all(at(42))[0];
    assert_eq!(shown.sent_ago, Some(Duration::from_secs(40)));
    assert!(shown.receipt.is_some() && shown.ticket.is_none() && shown.heard.is_some());
    // It ends, and is said until that is heard.
    look(&mut m, vec![], &[], at(50));
    let due = m.due(at(50));
    assert!(due[0].ends);
    m.failed(&due, at(50));
    assert_eq!((m.due(at(51)).len(), m.due(at(60)).len()), (0, 1));
    m.answered(&due, at(60), answer(OwnerStands::Ended));
    assert!(m.is_empty());
}

#[test]
fn another_operator_goes_on_with_what_the_server_has() {
    let mut m = OwnersMemory::default();
    let mut p = pod("p", 0);
    p.gate = Gate::Open;
    let view: LeaseView = serde_json::from_value(json!({
        "lease": lease(), "claim": "owner", "holder": p.alone(),
        "items": [{ "product": "render" }], "state": "Reserved", "sinceMs": 0,
    }))
    .unwrap();
    look(&mut m, vec![p.clone()], &[], at(0));
    assert_eq!(m.due(at(0)).len(), 0, "not made anew");
    look(&mut m, vec![p.clone()], std::slice::from_ref(&view), at(1));
    let due = m.due(at(1));
    assert!(due.len() == 1 && !due[0].ends);
    m.answered(&due, at(1), reserved());
    // Of pods that are gone nothing is kept.
    look(&mut m, vec![], &[view], at(2));
    assert!(m.due(at(2))[0].ends);
}

#[test]
fn a_server_that_cannot_say_takes_nothing_away_and_one_that_refuses_is_asked_each_minute() {
    let mut m = OwnersMemory::default();
    let pods = || vec![pod("p", 0)];
    look(&mut m, pods(), &[], at(0));
    let due = m.due(at(0));
    m.answered(&due, at(0), reserved());
    let problem = |kind| {
        answer(OwnerStands::Refused {
            problem: Problem::new(kind, "so it is"),
        })
    };
    m.answered(&due, at(1), problem(ProblemType::AnchorLost));
    assert!(m.all(at(1))[0].receipt.is_some());
    assert_eq!((m.due(at(10)).len(), m.due(at(11)).len()), (0, 1));
    m.answered(&due, at(11), problem(ProblemType::UnknownProduct));
    assert!(m.all(at(11))[0].receipt.is_none());
    assert_eq!((m.due(at(70)).len(), m.due(at(71)).len()), (0, 1));
    assert_eq!(look(&mut m, pods(), &[], at(12)), [], "its gate stays");
}

#[test]
fn each_pod_of_a_group_is_told_once_why_it_waits_and_that_it_is_scheduled() {
    let mut m = OwnersMemory::default();
    let said = |acts: Vec<Act>| {
        let note = |a: Act| match a {
            Act::Open(_, note) => note,
            Act::Say(_, note) => Some(note),
            _ => None,
        };
        let notes = acts.into_iter().filter_map(note);
        notes.map(|n| n.reason).collect::<Vec<_>>()
    };
    let one = || vec![pod("a", 2)];
    assert_eq!(said(look(&mut m, one(), &[], at(0))), [""; 0]);
    let acts = look(&mut m, one(), &[], at(10));
    assert_eq!(said(acts), ["LicenseWaiting"]);
    assert_eq!(said(look(&mut m, one(), &[], at(20))), [""; 0]);
    let both = || vec![pod("a", 2), pod("b", 2)];
    look(&mut m, both(), &[], at(21));
    let due = m.due(at(21));
    m.answered(&due, at(21), waiting());
    let acts = look(&mut m, both(), &[], at(22));
    assert_eq!(said(acts), ["LicenseWaiting"; 2]);
    assert_eq!(said(look(&mut m, both(), &[], at(23))), [""; 0]);
    m.answered(&due, at(24), reserved());
    let acts = look(&mut m, both(), &[], at(24));
    assert_eq!(said(acts), ["LicenseReserved"; 2]);
}

/// A pod of a Deployment that has its seat.
fn of_deployment(name: &str) -> OwnPod {
    let controller = controller("apps/v1", "ReplicaSet", "d-1", "set");
    let mut p = pod(name, 0);
    (p.controller, p.gated, p.gate, p.leased) = (Some(controller), false, Gate::Open, true);
    p
}

#[test]
fn a_seat_that_is_kept_is_shown_after_some_seconds_with_for_whom_and_until_when() {
    let mut m = OwnersMemory::default();
    let both = || vec![of_deployment("a"), of_deployment("b")];
    let acts = look(&mut m, both(), &[], at(0));
    assert!(
        matches!(acts.as_slice(), [Act::AskForRoot(set)] if set.uid == "set"),
        "{acts:?}"
    );
    m.set_root("set", Some(deployment()));
    look(&mut m, both(), &[], at(1));
    let due = m.due(at(1));
    let key = due[0].owner.key();
    assert!(due[0].rests, "it takes no seat that its pods do not have");
    m.answered(&due, at(1), reserved());
    assert_eq!(m.parked(&key, at(2)), Some(vec![]));
    let one = || vec![of_deployment("b")];
    let acts = look(&mut m, one(), &[], at(10));
    assert_eq!(acts, [Act::AskWhatItWants(deployment())]);
    assert_eq!(m.news(at(10)), []);
    assert_eq!(
        m.parked(&key, at(14)),
        Some(vec![]),
        "most are taken by then"
    );
    assert_eq!(m.news(at(15)), std::slice::from_ref(&key));
    let parked = m.parked(&key, at(15)).unwrap();
    let now = Now {
        wall: "2026-03-01T12:00:00.5Z".parse().unwrap(),
        boot: at(15),
    };
    let said = kept_for(&parked, now);
    assert_eq!(
        said,
        "kept for the replacement of a until 2026-03-01T12:00:55Z"
    );
    // It lapses, and is shown no more.
    look(&mut m, one(), &[], at(70));
    assert_eq!(m.news(at(70)), std::slice::from_ref(&key));
    assert_eq!(m.news(at(71)), []);
    assert_eq!(m.parked(&key, at(71)), Some(vec![]));
    assert_eq!(
        m.parked(&HolderKey("uid-b".into()), at(71)),
        None,
        "a pod keeps none"
    );
}

#[test]
fn what_keeps_no_seats_for_others_is_asked_seldom_and_what_changed_meanwhile_soon() {
    let mut m = OwnersMemory::default();
    m.set_root("set", Some(deployment()));
    let one = || vec![of_deployment("a")];
    look(&mut m, one(), &[], at(0));
    let due = m.due(at(0));
    m.answered(&due, at(0), reserved());
    let problem = |kind| {
        answer(OwnerStands::Refused {
            problem: Problem::new(kind, "so it is"),
        })
    };
    m.answered(&due, at(1), problem(ProblemType::ClaimChanged));
    assert!(
        m.all(at(1))[0].receipt.is_some(),
        "what it has stays its own"
    );
    assert_eq!((m.due(at(10)).len(), m.due(at(11)).len()), (0, 1));
    m.answered(&due, at(11), problem(ProblemType::UnknownProduct));
    look(
        &mut m,
        vec![of_deployment("a"), of_deployment("b")],
        &[],
        at(12),
    );
    assert_eq!((m.due(at(610)).len(), m.due(at(611)).len()), (0, 1));
}
