//! Pods that replace others: what the operator claims for it, in the ledger of a license server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use k8s_openapi::api::core::v1::Pod;
use mooring_api::names::ServerRef;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::ledger::{Capacity, Claim, Claimed, Ledger, Limits, Settings};
use mooring_core::license::{AnchorKey, AnchorKind, Digest, SigningKey};
use mooring_core::names::{ClaimName, InstanceId, LeaseId};
use mooring_core::policy::Reclaim;
use mooring_core::request;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::wire::{OwnerClaim, OwnerStands, OwnersAnswer, Problem, ViewState, WaitReason};
use mooring_operator::owners::{
    Act, OwnersMemory, OwnersSight, Root, RootKind, Wants, WorkloadClaim, own_pod,
};
use serde_json::json;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// A pod, as the API server shows it.
struct Shown {
    name: String,
    /// A Deployment's ReplicaSet, or nobody's.
    set: Option<&'static str>,
    place: Option<&'static str>,
    gated: Option<bool>,
    ends: bool,
    phase: &'static str,
}

impl Shown {
    fn object(&self) -> Pod {
        let mut annotations = json!({ "mooring.dev/licenses": "" });
        if let Some(name) = self.place {
            annotations["mooring.dev/place"] = json!(name);
        }
        if self.gated.is_some() {
            annotations["mooring.dev/wait"] = json!("scheduling");
        }
        let owners = self.set.map(|uid| {
            json!([{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "d-1", "uid": uid,
                "controller": true,
            }])
        });
        let gates = self.gated.filter(|g| *g);
        let env = json!([{ "name": "MOORING_LICENSES", "value": "render" }]);
        let sidecar =
            json!({ "name": "mooring", "args": ["run"], "restartPolicy": "Always", "env": env });
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "apps", "name": self.name, "uid": format!("uid-{}", self.name),
                "annotations": annotations, "ownerReferences": owners,
                "deletionTimestamp": self.ends.then_some("2026-03-01T12:00:00Z"),
            },
            "spec": {
                "serviceAccountName": "default", "containers": [], "initContainers": [sidecar],
                "schedulingGates": gates.map(|_| json!([{ "name": "mooring.dev/license" }])),
            },
            "status": { "phase": self.phase },
        }))
        .unwrap()
    }
}

struct World {
    ledger: Ledger,
    memory: OwnersMemory,
    pods: Vec<Shown>,
    /// Who asks, and by which number.
    asks: Vec<String>,
    wants: u32,
    now: Duration,
    ids: u128,
}

impl World {
    fn new(seats: u32) -> Self {
        let anchor = AnchorKey {
            kind: AnchorKind::Usb,
            ..mooring_testkit::token(SigningKey::from_seed(&[7; 32]).unwrap().public())
        };
        let license = mooring_testkit::license(anchor, seats);
        let settings = Settings {
            instance: InstanceId::from_bytes([1; 16]),
            generation: 1,
            lease_for: Duration::from_secs(300),
            settle: Duration::ZERO,
            reclaim: Reclaim::Any,
            grace: Duration::from_secs(600),
            outsiders: false,
            limits: Limits::default(),
        };
        let capacity = Capacity::of([(&license, &Digest("t".into()))]);
        let now = Duration::from_secs(1000);
        Self {
            ledger: Ledger::new(settings, capacity, boot(now)),
            memory: OwnersMemory::default(),
            pods: Vec::new(),
            asks: Vec::new(),
            wants: 0,
            now,
            ids: 0,
        }
    }

    fn make(&mut self, name: &str, set: Option<&'static str>) -> &mut Shown {
        self.pods.push(Shown {
            name: name.to_owned(),
            set,
            place: None,
            gated: None,
            ends: false,
            phase: "Running",
        });
        self.pods.last_mut().unwrap()
    }

    fn shown(&mut self, name: &str) -> &mut Shown {
        self.pods.iter_mut().find(|p| p.name == name).unwrap()
    }

    /// A pod's sidecar asks; whether it has a seat.
    fn asks(&mut self, name: &str) -> bool {
        let holder = Holder::Pod {
            namespace: "apps".into(),
            pod: name.into(),
            uid: format!("uid-{name}"),
            service_account: "default".into(),
            node: None,
        };
        if !self.asks.iter().any(|n| n == name) {
            self.asks.push(name.to_owned());
        }
        let n = u8::try_from(self.asks.iter().position(|n| n == name).unwrap()).unwrap();
        let ids = (secret(n).hash(), LeaseId::from_bytes([n; 16]));
        let items = request::parse("render").unwrap();
        let claim = Claim::new(holder, ClaimName::pod(), items, ids);
        let claimed = self.ledger.claim(claim, boot(self.now)).unwrap();
        matches!(claimed, Claimed::Granted(_))
    }

    fn releases(&mut self, name: &str) {
        let n = u8::try_from(self.asks.iter().position(|n| n == name).unwrap()).unwrap();
        let id = LeaseId::from_bytes([n; 16]);
        let given = self
            .ledger
            .release(&ClaimName::pod(), id, &secret(n), None, boot(self.now));
        assert_eq!(given, Ok(true), "{name}");
    }

    fn of_state(&self, state: &[ViewState]) -> BTreeSet<String> {
        let views = self.ledger.views(boot(self.now)).into_iter();
        let pods = views.filter(|v| matches!(v.holder, Holder::Pod { .. }));
        let pods = pods.filter(|v| state.contains(&v.state));
        pods.map(|v| v.holder.key().0.trim_start_matches("uid-").to_owned())
            .collect()
    }

    fn holding(&self) -> BTreeSet<String> {
        self.of_state(&[ViewState::Held, ViewState::Silent])
    }

    fn used(&self) -> u32 {
        self.ledger.pools()[0].used
    }

    fn says(&mut self, c: &OwnerClaim) -> OwnerStands {
        let (key, now) = (c.owner.key(), boot(self.now));
        if c.ends {
            self.ledger.end_owner(&key, &c.claim, now);
            return OwnerStands::Ended;
        }
        self.ledger.set_pods(&key, &c.claim, &c.pods, now);
        self.ids += 1;
        let ids = (
            secret(99).hash(),
            LeaseId::from_bytes((self.ids << 64).to_be_bytes()),
        );
        let mut claim = Claim::new(c.owner.clone(), c.claim.clone(), c.items.clone(), ids);
        claim.stance = c.stance();
        let sealed = || serde_json::from_value(json!("cmVjZWlwdA")).unwrap();
        match self.ledger.claim(claim, now) {
            Ok(Claimed::Granted(g)) => OwnerStands::Reserved {
                lease: g.lease,
                receipt: sealed(),
                called_back: None,
            },
            Ok(Claimed::Waiting(p)) => OwnerStands::Waiting {
                lease: p.lease,
                place: p.place,
                reason: WaitReason::Full,
                message: p.message,
                ticket: sealed(),
            },
            Err(why) => OwnerStands::Refused {
                problem: Problem::from(why),
            },
        }
    }

    /// All that follows at once from how pods are.
    fn settle(&mut self) {
        for _ in 0..20 {
            let pods = self.pods.iter();
            let (held, waiting) = (self.holding(), self.of_state(&[ViewState::Waiting]));
            let pods = pods.filter_map(|p| own_pod(&p.object(), false, held.contains(&p.name)));
            let pods = pods.collect();
            let keys = |names: BTreeSet<String>| -> HashSet<HolderKey> {
                names
                    .into_iter()
                    .map(|n| HolderKey(format!("uid-{n}")))
                    .collect()
            };
            let listed = self.ledger.views(boot(self.now));
            let listed: Vec<_> = listed.into_iter().collect();
            let sight = OwnersSight {
                server: &ServerRef::new("licensing", "main"),
                pods,
                held: &keys(held),
                waiting: &keys(waiting),
                listed: &listed,
            };
            let acts = self.memory.look(sight, boot(self.now));
            let news = !acts.is_empty();
            for act in acts {
                self.acts(act);
            }
            let due = self.memory.due(boot(self.now));
            for c in &due {
                let stands = vec![self.says(c)];
                let instance = InstanceId::from_bytes([1; 16]);
                let answer = OwnersAnswer {
                    instance,
                    owners: stands,
                };
                self.memory
                    .answered(std::slice::from_ref(c), boot(self.now), answer);
            }
            if due.is_empty() && !news {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn acts(&mut self, act: Act) {
        match act {
            Act::AskForRoot(set) => {
                let root = Root {
                    kind: RootKind::Deployment,
                    name: "d".into(),
                    uid: "root".into(),
                    ..set.clone()
                };
                self.memory.set_root(&set.uid, Some(root));
            }
            Act::AskWhatItWants(root) => {
                let wants = Wants {
                    pods: self.wants,
                    surge: 0,
                };
                self.memory.set_wants(&root, wants, boot(self.now));
            }
            Act::Open(key, _) => {
                let name = key.0.trim_start_matches("uid-").to_owned();
                self.shown(&name).gated = Some(false);
            }
            Act::Say(..) | Act::AskForJob(_) => {}
        }
    }

    fn later(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
        self.settle();
    }
}

fn boot(t: Duration) -> BootTime {
    BootTime::from_millis(u64::try_from(t.as_millis()).unwrap())
}

fn secret(n: u8) -> Secret {
    Secret::from_bytes([n; 32])
}

fn names(prefix: &str, to: u32) -> BTreeSet<String> {
    (1..=to).map(|n| format!("{prefix}{n}")).collect()
}

/// So many pods of a Deployment that hold a seat each, and strangers in line.
fn deployment(seats: u32, strangers: u32) -> World {
    let mut w = World::new(seats);
    w.wants = seats;
    for name in names("old-", seats) {
        w.make(&name, Some("set"));
        w.settle();
        assert!(w.asks(&name));
        w.settle();
    }
    for name in names("stranger-", strangers) {
        w.make(&name, None);
        assert!(!w.asks(&name));
    }
    w.settle();
    w
}

#[test]
fn in_a_drain_each_replacement_has_its_predecessors_seat_and_no_stranger_any() {
    let mut w = deployment(10, 5);
    assert_eq!(w.used(), 10, "an owner's claim takes nothing");
    let old = names("old-", 10);
    for name in &old {
        w.shown(name).ends = true;
        let new = name.replace("old", "new");
        w.settle();
        w.make(&new, Some("set"));
    }
    w.later(1);
    // Some ask before their predecessor has gone.
    for n in 1..=3 {
        assert!(!w.asks(&format!("new-{n}")));
    }
    w.settle();
    for name in &old {
        w.releases(name);
        w.pods.retain(|p| p.name != *name);
        w.later(1);
    }
    for n in 1..=10 {
        assert!(w.asks(&format!("new-{n}")), "new-{n}");
        w.later(1);
    }
    assert_eq!(w.holding(), names("new-", 10));
    assert_eq!(w.used(), 10);
    // And in steady state again: the next one that goes leaves its seat likewise.
    w.later(60);
    w.releases("new-1");
    w.pods.retain(|p| p.name != "new-1");
    w.settle();
    assert_eq!(w.holding().len(), 9);
}

#[test]
fn a_replacement_that_never_comes_keeps_a_seat_for_a_minute() {
    let mut w = deployment(2, 1);
    w.shown("old-1").ends = true;
    w.settle();
    w.releases("old-1");
    w.pods.retain(|p| p.name != "old-1");
    w.settle();
    w.later(59);
    assert!(!w.holding().contains("stranger-1"));
    w.later(1);
    assert!(w.holding().contains("stranger-1"));
}

#[test]
fn who_is_scaled_down_leaves_its_seat_to_the_line_at_once() {
    let mut w = deployment(2, 1);
    w.wants = 1;
    w.shown("old-1").ends = true;
    w.settle();
    w.releases("old-1");
    w.settle();
    assert!(w.holding().contains("stranger-1"));
}

#[test]
fn a_sibling_that_waits_has_its_own_place_behind_strangers_before_it() {
    let mut w = deployment(2, 1);
    w.make("late", Some("set"));
    assert!(!w.asks("late"));
    w.settle();
    w.later(1);
    // One ends, and its owner has as many as it wants: its seat is the line's.
    w.releases("old-1");
    w.settle();
    assert!(!w.holding().contains("late"));
    w.shown("old-1").phase = "Succeeded";
    w.settle();
    let held: Vec<String> = w.holding().into_iter().collect();
    assert_eq!(held, ["old-2", "stranger-1"]);
}

#[test]
fn what_a_pod_had_before_it_was_scheduled_is_its_owners_to_keep_as_well() {
    let mut w = World::new(1);
    w.wants = 1;
    w.make("one", Some("set")).gated = Some(true);
    w.settle();
    assert_eq!(w.shown("one").gated, Some(false));
    assert!(w.asks("one"));
    w.settle();
    w.make("stranger", None);
    assert!(!w.asks("stranger"));
    w.shown("one").ends = true;
    w.settle();
    w.make("two", Some("set")).gated = Some(true);
    w.later(1);
    assert_eq!(w.shown("two").gated, Some(true), "the other has the seat");
    w.releases("one");
    w.pods.retain(|p| p.name != "one");
    w.settle();
    assert_eq!(w.shown("two").gated, Some(false));
    assert!(w.asks("two"));
    w.settle();
    assert_eq!(w.holding(), BTreeSet::from(["two".to_owned()]));
    assert_eq!(w.used(), 1);
}

#[test]
fn a_place_in_line_outlives_its_pod() {
    let mut w = World::new(1);
    w.make("first", None);
    assert!(w.asks("first"));
    w.make("etl-1", None).place = Some("etl");
    assert!(!w.asks("etl-1"));
    w.settle();
    w.make("stranger", None);
    assert!(!w.asks("stranger"));
    // It goes, and its place rests: who came later is served meanwhile.
    w.releases("etl-1");
    w.pods.retain(|p| p.name != "etl-1");
    w.settle();
    w.later(100);
    w.make("etl-2", None).place = Some("etl");
    assert!(!w.asks("etl-2"));
    w.settle();
    assert!(!w.asks("stranger"));
    w.releases("first");
    assert!(w.holding().contains("etl-2"), "{:?}", w.holding());
    w.settle();
    w.later(1);
    assert_eq!(w.used(), 1);
    w.releases("etl-2");
    w.pods.retain(|p| p.name != "etl-2");
    w.later(10);
    assert!(w.holding().contains("stranger"), "{:?}", w.holding());
}

#[test]
fn a_workloads_pods_have_its_seats_and_a_stranger_who_was_in_line_before_them_none() {
    let mut w = World::new(2);
    let of_set = |seats: &str| WorkloadClaim {
        namespace: "apps".into(),
        name: "job-j".into(),
        uid: "set".into(),
        is_group: false,
        service_account: "default".into(),
        project: None,
        items: request::parse(seats).unwrap(),
        rests: false,
    };
    w.memory.set_workloads(&[of_set("render:2")]);
    w.settle();
    assert_eq!(w.used(), 2, "reserved before there are pods");
    w.make("stranger", None);
    assert!(!w.asks("stranger"));
    w.make("p1", Some("set"));
    assert!(!w.asks("p1"), "the operator has not seen it");
    w.later(1);
    w.make("p2", Some("set"));
    w.later(1);
    assert!(w.asks("p2"));
    assert_eq!(w.holding(), names("p", 2));
    assert_eq!(w.used(), 2, "it and its pods are one share");
    // One fails, and is made anew; one succeeds, and is not.
    w.releases("p1");
    w.shown("p1").phase = "Failed";
    w.later(1);
    assert_eq!(w.holding(), BTreeSet::from(["p2".to_owned()]));
    w.make("p3", Some("set"));
    w.later(1);
    assert!(w.asks("p3"));
    w.memory.set_workloads(&[of_set("render")]);
    w.releases("p2");
    w.shown("p2").phase = "Succeeded";
    w.later(1);
    let left = BTreeSet::from(["p3".to_owned(), "stranger".to_owned()]);
    assert_eq!(w.holding(), left);
}
