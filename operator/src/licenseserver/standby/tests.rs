#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::{Value, json};
use std::sync::Arc;

const OUT: &str = "node.kubernetes.io/out-of-service";

/// A primary on node a and a standby on node b.
struct Case {
    before: Serving,
    request: Option<&'static str>,
    pod: Option<Pod>,
    nodes: Vec<Arc<Node>>,
}

/// A pod `u-‹side›` that runs on a node; none if that is empty.
fn pod(side: &str, at: &str, status: &Value) -> Pod {
    let labels = json!({ SIDE: side });
    let metadata = json!({ "name": "main-0", "uid": format!("u-{side}"), "labels": labels });
    let at = Some(at).filter(|a| !a.is_empty());
    let spec = json!({ "nodeName": at, "containers": [] });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).unwrap()
}

fn runs(side: &str, at: &str) -> Pod {
    pod(side, at, &json!({ "phase": "Running" }))
}

/// Its kubelet reported its containers as terminated.
fn has_ended(side: &str, at: &str) -> Pod {
    let container = json!({ "name": "server", "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": { "terminated": { "exitCode": 0 } } });
    pod(
        side,
        at,
        &json!({ "phase": "Failed", "containerStatuses": [container] }),
    )
}

fn node(name: &str, ready: &str, taint: Option<&str>) -> Arc<Node> {
    let taints: Vec<Value> = taint
        .iter()
        .map(|t| json!({ "key": t, "effect": "NoExecute" }))
        .collect();
    let v = json!({
        "metadata": { "name": name, "labels": { "anchor": name } },
        "spec": { "taints": taints },
        "status": { "conditions": [{ "type": "Ready", "status": ready }] }
    });
    Arc::new(serde_json::from_value(v).unwrap())
}

impl Default for Case {
    fn default() -> Self {
        Self {
            before: Serving::default(),
            request: None,
            pod: Some(runs("primary", "a")),
            nodes: vec![node("a", "True", None), node("b", "True", None)],
        }
    }
}

impl Case {
    /// The node of the primary is switched off or cut off, and an administrator says what it is.
    fn unheard(taint: Option<&str>) -> Self {
        Self {
            nodes: vec![node("a", "Unknown", taint), node("b", "True", None)],
            ..Self::default()
        }
    }

    fn decided(&self) -> Serving {
        let anchor = json!({ "pkcs11": { "module": "/m", "tokenLabel": "t", "pinSecret": { "name": "p" } } });
        let at = |node: &str| json!({ "nodeSelector": { "anchor": node } });
        let mut standby = anchor.clone();
        standby["placement"] = at("b");
        let spec = json!({ "licenses": [{ "secretName": "l" }], "anchor": anchor, "placement": at("a"), "standby": standby });
        decide(&StandbyFacts {
            spec: &serde_json::from_value(spec).unwrap(),
            before: Some(&self.before),
            request: self.request,
            pod: self.pod.as_ref(),
            nodes: &self.nodes,
            now: "2026-03-01T12:00:00Z".parse().unwrap(),
        })
    }

    /// Looks once more, at what the last look wrote down.
    fn then(self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = Self {
            before: self.decided(),
            ..self
        };
        change(&mut next);
        next
    }

    fn held(&self) -> PodHold {
        hold(Some(&self.before), self.pod.as_ref().unwrap(), &self.nodes)
    }
}

fn reason(before: &Serving, now: &Serving) -> Option<&'static str> {
    news(Some(before), now).map(|n| n.reason)
}

#[test]
fn while_nothing_is_proven_nothing_changes() {
    let cut_off = Case::unheard(None);
    assert_eq!(
        cut_off.decided(),
        Serving::default(),
        "a node that is cut off"
    );
    assert_eq!(Case::default().decided(), Serving::default());
    // The taint of a node that is heard says nothing of it.
    let heard = Case {
        nodes: vec![node("a", "True", Some(OUT)), node("b", "True", None)],
        ..Case::default()
    };
    assert_eq!(heard.decided(), Serving::default());
    // The pod has ended, and its own node can have the next one.
    let restarts = Case {
        pod: Some(has_ended("primary", "a")),
        ..Case::default()
    };
    assert_eq!(restarts.decided(), Serving::default());
    // Nobody could serve at the other node either.
    let both = Case {
        nodes: vec![node("a", "Unknown", Some(OUT)), node("b", "Unknown", None)],
        ..Case::default()
    };
    assert_eq!(both.decided(), Serving::default());
    // The primary's node was never seen: its label may come.
    let early = Case {
        pod: None,
        nodes: vec![node("b", "True", None)],
        ..Case::default()
    };
    assert_eq!(early.decided(), Serving::default());
}

#[test]
fn the_standby_serves_on_proof_that_the_primarys_pod_has_ended() {
    let off = Case::unheard(Some(OUT));
    let now = off.decided();
    assert_eq!(
        (now.side, now.over.as_deref()),
        (Side::Standby, Some("u-primary"))
    );
    assert!(
        now.why.as_ref().unwrap().contains("out of service"),
        "{now:?}"
    );
    assert_eq!(reason(&off.before, &now), Some("StandbyServes"));
    for pod in [
        Some(has_ended("primary", "a")),
        Some(runs("primary", "")),
        None,
    ] {
        let down = Case {
            pod,
            ..Case::unheard(None)
        };
        assert_eq!(down.decided().side, Side::Standby, "{:?}", down.pod);
    }
}

#[test]
fn it_stays_with_the_standby_when_the_primary_is_back() {
    let back = Case::unheard(Some(OUT)).then(|c| {
        c.pod = Some(runs("standby", "b"));
        c.nodes = vec![node("a", "True", None), node("b", "True", None)];
    });
    assert_eq!(back.decided(), back.before);
}

#[test]
fn a_handover_ends_the_pod_first_and_then_begins_the_other() {
    let asked = Case {
        request: Some("standby 1"),
        ..Case::default()
    };
    let ends = asked.then(|_| ());
    assert_eq!(ends.before.side, Side::Primary, "its pod runs");
    assert!(ends.before.hands_over.is_some());
    assert_eq!(reason(&Serving::default(), &ends.before), Some("HandsOver"));
    assert_eq!(
        ends.decided(),
        ends.before,
        "an operator that starts anew asks nothing new"
    );
    assert_eq!(ends.held(), PodHold::Holds);
    let ended = ends.then(|c| c.pod = Some(has_ended("primary", "a")));
    let now = ended.decided();
    assert_eq!((now.side, now.hands_over.as_ref()), (Side::Standby, None));
    let begins = ended.then(|_| ());
    assert_eq!(begins.held(), PodHold::LeftBehind);
    // And back, by another request alone.
    let back = begins.then(|c| {
        c.pod = Some(runs("standby", "b"));
        c.request = Some("primary 2");
    });
    let back = back.then(|c| c.pod = Some(has_ended("standby", "b")));
    let now = back.decided();
    assert_eq!(now.side, Side::Primary);
    assert_eq!(reason(&back.before, &now), Some("PrimaryServes"));
}

#[test]
fn a_handover_waits_for_a_node_that_is_cut_off_meanwhile() {
    let asked = Case {
        request: Some("standby 1"),
        ..Case::default()
    };
    let cut = asked.then(|c| c.nodes[0] = node("a", "Unknown", None));
    assert_eq!(cut.decided(), cut.before);
    assert_eq!(cut.held(), PodHold::Holds);
    let turned = cut.then(|c| c.request = Some("primary 2"));
    let now = turned.decided();
    assert_eq!(
        (now.hands_over, now.refused),
        (None, None),
        "it can be taken back"
    );
}

#[test]
fn what_cannot_be_proven_is_refused_and_an_administrator_may_answer_for_it() {
    let refused = Case {
        request: Some("standby 1"),
        ..Case::unheard(None)
    };
    let now = refused.decided();
    assert_eq!((now.side, now.hands_over.as_ref()), (Side::Primary, None));
    let why = now.refused.as_ref().unwrap();
    assert!(
        why.contains("node a") && why.contains("--without-proof"),
        "{why}"
    );
    assert_eq!(reason(&refused.before, &now), Some("FailoverRefused"));

    let word = refused.then(|c| c.request = Some("standby without-proof 2"));
    let now = word.then(|_| ());
    assert_eq!(now.before.side, Side::Standby);
    assert_eq!(now.before.over.as_deref(), Some("u-primary"));
    assert_eq!(now.held(), PodHold::LeftBehind, "that pod, and no other:");
    let other = now.then(|c| c.pod.as_mut().unwrap().metadata.uid = Some("v".into()));
    assert_eq!(other.held(), PodHold::Holds);
    let answered = other.then(|c| c.request = Some("standby without-proof 3"));
    assert_eq!(answered.then(|_| ()).held(), PodHold::LeftBehind);
}

#[test]
fn a_request_counts_once_and_a_bad_one_says_what_was_expected() {
    let bad = Case {
        request: Some("node-b"),
        ..Case::default()
    };
    let refused = bad.decided().refused.unwrap();
    assert!(refused.contains("primary or standby"), "{refused}");
    let same = Case {
        request: Some("primary"),
        ..Case::default()
    };
    assert!(same.decided().refused.unwrap().contains("serves already"));
    // A request from before the failover moves nothing back.
    let stays = Case {
        request: Some("primary"),
        ..Case::unheard(Some(OUT))
    };
    let stays = stays.then(|c| {
        c.pod = Some(runs("standby", "b"));
        c.nodes[0] = node("a", "True", None);
    });
    assert_eq!(stays.decided().side, Side::Standby);
}

#[test]
fn a_pods_object_goes_once_its_end_was_seen() {
    let case = |pod: Pod, ready: &str, side: Side| {
        let before = Serving {
            side,
            ..Serving::default()
        };
        let nodes = vec![node("a", ready, None), node("b", "True", None)];
        hold(Some(&before), &pod, &nodes)
    };
    use Side::{Primary, Standby};
    assert_eq!(case(runs("primary", "a"), "True", Primary), PodHold::Holds);
    assert_eq!(
        case(runs("primary", "a"), "Unknown", Primary),
        PodHold::Holds
    );
    assert_eq!(
        case(has_ended("primary", "a"), "True", Primary),
        PodHold::Released
    );
    assert_eq!(
        case(runs("primary", ""), "True", Primary),
        PodHold::Released
    );
    // One that got a node after its side had ceased to serve is ended by its kubelet, or proven.
    assert_eq!(case(runs("primary", "a"), "True", Standby), PodHold::Holds);
    assert_eq!(
        case(runs("primary", "a"), "Unknown", Standby),
        PodHold::Holds
    );
    assert_eq!(
        case(has_ended("primary", "a"), "Unknown", Standby),
        PodHold::LeftBehind
    );
    let alone = hold(None, &runs("primary", "a"), &[node("a", "Unknown", None)]);
    assert_eq!(alone, PodHold::Released, "without a standby elsewhere");
}
