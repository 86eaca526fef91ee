#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::cache::own::Gate;
use crate::owners::kept::is_replacing;
use crate::owners::root::RootKind;
use crate::owners::sample::{self, deployment};
use mooring_core::request::parse;
use mooring_core::time::Timestamp;

/// The pods of one Deployment, as they are seen second by second.
struct World {
    replacing: Replacements,
    pods: Vec<OwnPod>,
    first: HashMap<HolderKey, BootTime>,
    /// Leases of pods whose object is gone.
    ghosts: HashSet<HolderKey>,
    known: Option<(u32, bool)>,
    now: u64,
}

fn at(secs: u64) -> BootTime {
    BootTime::from_millis(secs * 1000)
}

fn key(name: &str) -> HolderKey {
    HolderKey(format!("uid-{name}"))
}

fn pod(name: &str, created: i64) -> OwnPod {
    OwnPod {
        controller: Some(sample::controller("apps/v1", "ReplicaSet", "d-1", "set")),
        revision: Some("1".into()),
        created: Timestamp::from_second(created).ok(),
        ..sample::pod(name, "render:2")
    }
}

impl World {
    /// With so many pods that hold a seat.
    fn new(holding: usize) -> Self {
        let mut w = Self {
            replacing: Replacements::default(),
            pods: Vec::new(),
            first: HashMap::new(),
            ghosts: HashSet::new(),
            known: None,
            now: 0,
        };
        w.replacing.set_root("set", Some(deployment()));
        for n in 1..=holding {
            w.pods.push(pod(&format!("p{n}"), 0));
            w.holds(&format!("p{n}"));
        }
        w
    }

    fn pod(&mut self, name: &str) -> &mut OwnPod {
        self.pods.iter_mut().find(|p| p.name == name).unwrap()
    }

    fn make(&mut self, name: &str) -> &mut OwnPod {
        let made = pod(name, i64::try_from(self.now).unwrap());
        self.pods.push(made);
        self.pod(name)
    }

    fn holds(&mut self, name: &str) {
        self.pod(name).leased = true;
    }

    fn frees(&mut self, name: &str) {
        self.pod(name).leased = false;
    }

    fn ends(&mut self, name: &str) {
        self.pod(name).stage = PodStage::Ends;
    }

    fn vanishes(&mut self, name: &str) {
        self.pods.retain(|p| p.name != name);
    }

    fn wants(&mut self, pods: u32, surge: u32) {
        let now = at(self.now);
        self.replacing
            .set_wants(&deployment(), Wants { pods, surge }, now);
    }

    fn look(&mut self, now: u64) -> Kept {
        self.now = now;
        for p in &self.pods {
            self.first.entry(p.key.clone()).or_insert(at(now));
        }
        let leased = self.pods.iter().filter(|p| p.leased).map(|p| p.key.clone());
        let held: HashSet<HolderKey> = leased.chain(self.ghosts.iter().cloned()).collect();
        let first = self.first.clone();
        let known = self.known;
        let kept = self.replacing.look(&Sight {
            pods: &self.pods,
            held: &held,
            waiting: &HashSet::new(),
            first: &|k| first[k],
            taken: &|_| false,
            known: &|_| known,
            now: at(now),
        });
        if let Some(c) = kept.claims.first() {
            self.known = Some((c.items[0].seats.get(), true));
        }
        kept
    }

    /// What is claimed then: `seats pod+pod`.
    fn claims(&mut self, now: u64) -> String {
        said(&self.look(now))
    }
}

fn said(kept: &Kept) -> String {
    let claim = |c: &OwnerWish| {
        let pods: Vec<&str> = c
            .pods
            .iter()
            .map(|k| k.0.trim_start_matches("uid-"))
            .collect();
        let rests = if c.rests { " rests" } else { "" };
        let pairs = c.replaces.iter().map(|r| format!(" {}>{}", r.pod, r.by));
        let old = pairs.collect::<Vec<_>>().concat();
        let old = old.replace("uid-", "");
        format!("{} {}{rests}{old}", print(&c.items), pods.join("+"))
    };
    let all: Vec<String> = kept.claims.iter().map(claim).collect();
    all.join("; ")
}

#[test]
fn an_owner_has_what_its_pods_have_and_waits_for_no_more() {
    let mut w = World::new(2);
    w.make("p3");
    let kept = w.look(0);
    assert_eq!(said(&kept), "render:4 p1+p2 rests", "none has asked yet");
    assert_eq!(kept.questions, [], "nothing is asked while nobody goes");
    let owner = &kept.claims[0].owner;
    let Holder::Owner { owner, uid, .. } = owner else {
        panic!("{owner:?}")
    };
    assert_eq!(owner, "Deployment/d");
    assert!(uid.starts_with("root:pods-"), "{uid}");
    assert_eq!(w.claims(1), "render:4 p1+p2", "once it is reserved");
    assert_eq!(w.claims(1000), "render:4 p1+p2");
    w.holds("p3");
    assert_eq!(w.claims(1001), "render:6 p1+p2+p3");
}

#[test]
fn the_seat_of_a_pod_that_goes_is_its_successors_alone() {
    let mut w = World::new(2);
    w.make("waits");
    w.claims(0);
    w.ends("p1");
    w.look(9);
    w.make("p3");
    let kept = w.look(10);
    assert_eq!(
        said(&kept),
        "render:4 p1+p2+p3",
        "it may come before the other has gone"
    );
    w.frees("p1");
    assert_eq!(
        w.claims(20),
        "render:4 p2+p3",
        "and not the one that waited before"
    );
    w.vanishes("p1");
    assert_eq!(w.claims(21), "render:4 p2+p3");
    w.holds("p3");
    assert_eq!(w.claims(22), "render:4 p2+p3");
    w.holds("waits");
    assert_eq!(
        w.claims(23),
        "render:6 p2+p3+waits",
        "it has one of its own"
    );
}

#[test]
fn a_successor_that_has_a_seat_at_another_license_server_takes_none_here() {
    let mut w = World::new(2);
    w.claims(0);
    w.ends("p1");
    w.look(9);
    w.make("p3");
    w.frees("p1");
    w.vanishes("p1");
    assert_eq!(w.claims(10), "render:4 p2+p3");
    w.pod("p3").elsewhere = true;
    assert_eq!(w.claims(11), "render:4 p2", "kept for another to come");
    w.wants(2, 0);
    assert_eq!(w.claims(12), "render:2 p2", "and not where none is to come");
}

#[test]
fn a_drain_of_ten_keeps_ten_seats_for_ten_others() {
    let mut w = World::new(10);
    w.claims(0);
    for n in 1..=10 {
        w.ends(&format!("p{n}"));
    }
    w.look(1);
    for n in 1..=10 {
        w.make(&format!("q{n}"));
        w.frees(&format!("p{n}"));
    }
    let kept = w.look(2);
    assert_eq!(kept.claims[0].items, parse("render:20").unwrap());
    assert_eq!(kept.claims[0].pods.len(), 10);
    assert!(kept.claims[0].pods.iter().all(|k| k.0.starts_with("uid-q")));
    for n in 1..=10 {
        w.holds(&format!("q{n}"));
        w.vanishes(&format!("p{n}"));
    }
    assert!(w.claims(3).starts_with("render:20 "));
}

#[test]
fn a_deployments_pod_that_ends_with_0_when_it_is_deleted_has_not_done_its_work() {
    let mut w = World::new(2);
    w.claims(0);
    w.ends("p1");
    w.claims(1);
    w.make("q1");
    w.frees("p1");
    w.pod("p1").stage = PodStage::Succeeded;
    assert_eq!(w.claims(2), "render:4 p2+q1");
}

#[test]
fn a_free_seat_waits_a_minute_for_its_successor_and_two_more_for_that_to_ask() {
    let mut w = World::new(2);
    w.claims(0);
    w.ends("p1");
    w.claims(1);
    w.wants(2, 0);
    assert_eq!(
        w.claims(300),
        "render:4 p1+p2",
        "it ends slowly, and has its seat"
    );
    w.vanishes("p1");
    assert_eq!(w.claims(301), "render:4 p2");
    assert_eq!(w.claims(360), "render:4 p2");
    assert_eq!(w.claims(361), "render:2 p2");

    let mut w = World::new(2);
    w.claims(0);
    w.vanishes("p1");
    w.claims(1);
    w.make("p3");
    assert_eq!(w.claims(50), "render:4 p2+p3");
    assert_eq!(w.claims(180), "render:4 p2+p3");
    assert_eq!(w.claims(181), "render:2 p2");
}

#[test]
fn nothing_is_kept_for_an_owner_that_wants_fewer() {
    let mut w = World::new(3);
    w.claims(0);
    w.ends("p1");
    let kept = w.look(1);
    assert_eq!(kept.questions, [OwnerQuestion::Wants(deployment())]);
    w.wants(2, 0);
    w.frees("p1");
    assert_eq!(w.claims(2), "render:4 p2+p3");

    // One of two is replaced.
    let mut w = World::new(3);
    w.claims(0);
    w.vanishes("p1");
    w.vanishes("p2");
    w.look(1);
    w.wants(2, 0);
    assert_eq!(w.claims(2), "render:4 p3");
    assert_eq!(w.look(3).questions, []);
    assert_eq!(w.look(7).questions.len(), 1, "while a seat is kept");
    w.wants(0, 0);
    assert_eq!(w.claims(8), "render:2 p3", "it is deleted");
}

#[test]
fn what_an_owner_wanted_before_its_pod_went_says_nothing() {
    let mut w = World::new(2);
    w.claims(0);
    w.wants(1, 0);
    w.vanishes("p1");
    w.now = 5;
    assert_eq!(w.claims(5), "render:4 p2");
    w.wants(1, 0);
    assert_eq!(w.claims(6), "render:2 p2");
}

#[test]
fn a_pod_that_has_done_its_work_leaves_nothing_behind() {
    let mut w = World::new(2);
    let job = Root {
        kind: RootKind::Job,
        ..deployment()
    };
    w.replacing.set_root("set", Some(job));
    w.claims(0);
    // Its sidecar gives the seat back a moment before its phase is written.
    w.frees("p1");
    assert_eq!(w.claims(1), "render:4 p2");
    w.pod("p1").stage = PodStage::Succeeded;
    assert_eq!(w.claims(2), "render:2 p2");

    // A pod that lives on without a lease keeps none, either.
    w.frees("p2");
    assert_eq!(w.claims(3), "render:2 ");
    assert_eq!(w.claims(6), "");
}

#[test]
fn one_that_was_killed_keeps_its_seat_while_nobody_knows_that_it_is_gone() {
    let mut w = World::new(1);
    w.claims(0);
    w.vanishes("p1");
    w.ghosts.insert(key("p1"));
    assert_eq!(w.claims(1), "render:2 p1");
    w.make("p2");
    assert_eq!(w.claims(200), "render:2 p1+p2");
    w.ghosts.clear();
    assert_eq!(w.claims(201), "render:2 p2");
}

#[test]
fn a_successor_that_goes_as_well_is_followed_by_another() {
    let mut w = World::new(1);
    w.claims(0);
    w.vanishes("p1");
    w.claims(1);
    w.make("p2");
    assert_eq!(w.claims(2), "render:2 p2");
    w.vanishes("p2");
    w.make("p3");
    assert_eq!(w.claims(3), "render:2 p3");
}

#[test]
fn another_operator_goes_on_keeping_what_the_server_has() {
    let mut w = World::new(2);
    w.known = Some((6, true));
    w.make("p3");
    assert_eq!(w.claims(0), "render:6 p1+p2+p3");
    w.vanishes("p3");
    assert_eq!(w.claims(59), "render:6 p1+p2");
    assert_eq!(w.claims(60), "render:4 p1+p2");
}

#[test]
fn no_claim_is_ended_while_it_is_not_known_whose_a_pod_is() {
    let mut w = World::new(1);
    w.replacing = Replacements::default();
    let kept = w.look(0);
    assert!(kept.pending && kept.claims.is_empty());
    let [OwnerQuestion::Root(asked)] = kept.questions.as_slice() else {
        panic!("{kept:?}")
    };
    assert_eq!(
        (asked.kind, asked.uid.as_str()),
        (RootKind::ReplicaSet, "set")
    );
    assert_eq!(w.look(9).questions, [], "asked once");
    assert_eq!(w.look(10).questions.len(), 1);
    w.replacing.set_root("set", None);
    let kept = w.look(11);
    assert!(!kept.pending && kept.claims.is_empty(), "it is nobody's");
    assert_eq!(w.look(1000).questions, []);
}

#[test]
fn pods_that_ask_for_something_else_are_another_claim() {
    let mut w = World::new(2);
    w.pod("p2").items = parse("render").unwrap();
    let kept = w.look(0);
    assert_eq!(kept.claims.len(), 2);
    assert_ne!(kept.claims[0].owner.key(), kept.claims[1].owner.key());
    assert!(kept.claims.iter().all(|c| is_replacing(&c.owner.key())));
    assert!(!is_replacing(&key("p1")) && !is_replacing(&HolderKey("group:a/x:pods-1".into())));
}

#[test]
fn a_rollout_says_which_new_pods_come_for_which_old_ones_within_its_surge() {
    let mut w = World::new(4);
    w.claims(0);
    w.now = 10;
    for n in 1..=3 {
        w.make(&format!("new-{n}")).revision = Some("2".into());
    }
    w.make("same");
    let kept = w.look(10);
    assert_eq!(
        said(&kept),
        "render:8 p1+p2+p3+p4",
        "its surge is not known yet"
    );
    assert_eq!(kept.questions, [OwnerQuestion::Wants(deployment())]);
    w.wants(4, 2);
    let two = "render:8 new-1+new-2+p1+p2+p3+p4 p1>new-1 p2>new-2";
    assert_eq!(w.claims(11), two);
    assert_eq!(w.look(30).questions, []);
    assert_eq!(w.look(41).questions.len(), 1, "seldom");
    // One runs on loan: it has no seat of the owner's yet.
    w.holds("new-1");
    assert_eq!(w.claims(42), two);
    // What it replaces goes, and leaves its seat to it.
    w.ends("p1");
    let then = "render:8 new-1+new-2+new-3+p1+p2+p3+p4 p2>new-2 p3>new-3";
    w.wants(4, 2);
    assert_eq!(w.claims(43), then);
    w.vanishes("p1");
    let then = "render:8 new-1+new-2+new-3+p2+p3+p4 p2>new-2 p3>new-3";
    assert_eq!(w.claims(44), then);
}

#[test]
fn the_gate_of_a_successor_goes_once_its_seat_is_free() {
    let mut w = World::new(1);
    w.claims(0);
    w.ends("p1");
    w.look(1);
    let made = w.make("p2");
    (made.gated, made.gate) = (true, Gate::Ours);
    let kept = w.look(2);
    assert!(kept.open.is_empty() && kept.named.contains(&key("p2")));
    w.frees("p1");
    assert_eq!(w.look(3).open, [key("p2")]);
}
