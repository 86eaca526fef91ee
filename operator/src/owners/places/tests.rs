#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::super::plan::Stand;
use super::*;
use crate::owners::sample;
use mooring_core::request::parse;

struct World {
    places: Places,
    pods: Vec<OwnPod>,
    served: HashSet<HolderKey>,
    now: u64,
}

fn at(secs: u64) -> BootTime {
    BootTime::from_millis(secs * 1000)
}

fn pod(name: &str, place: Option<&str>) -> OwnPod {
    OwnPod {
        place: place.map(str::to_owned),
        ..sample::pod(name, "render")
    }
}

impl World {
    fn new() -> Self {
        Self {
            places: Places::default(),
            pods: Vec::new(),
            served: HashSet::new(),
            now: 0,
        }
    }

    fn make(&mut self, name: &str) {
        self.pods.push(pod(name, Some("etl")));
    }

    fn goes(&mut self, name: &str) {
        self.pods.retain(|p| p.name != name);
    }

    /// All pods that live stand in line.
    fn look(&mut self, now: u64) -> Vec<String> {
        self.now = now;
        let waiting = self.pods.iter().filter(|p| !p.leased);
        let waiting: HashSet<HolderKey> = waiting.map(|p| p.key.clone()).collect();
        self.look_with(now, &waiting, &[])
    }

    fn look_with(
        &mut self,
        now: u64,
        waiting: &HashSet<HolderKey>,
        listed: &[KnownOwner],
    ) -> Vec<String> {
        let served = self.served.clone();
        let seen = Sight {
            pods: &self.pods,
            held: &HashSet::new(),
            waiting,
            first: &|_| at(0),
            taken: &|_| false,
            known: &|k| Some((1, served.contains(k))),
            now: at(now),
        };
        let mut kept = Kept::default();
        self.places.look(&seen, listed.iter(), &|_| None, &mut kept);
        let claim = |c: &OwnerWish| {
            let Holder::Owner { owner, uid, .. } = &c.owner else {
                panic!("{c:?}")
            };
            let pods: Vec<&str> = c
                .pods
                .iter()
                .map(|k| k.0.trim_start_matches("uid-"))
                .collect();
            let rests = if c.rests { "rests" } else { "" };
            let number = uid.strip_prefix("place:apps/etl/").unwrap();
            format!("{owner} {number} {}{rests}", pods.join("+"))
        };
        kept.claims.iter().map(claim).collect()
    }
}

const NONE: [&str; 0] = [];

#[test]
fn the_next_pod_of_a_place_takes_the_best_that_is_left() {
    let mut w = World::new();
    w.make("a");
    assert_eq!(w.look(0), ["Place/etl 1 rests"], "it stands in line itself");
    w.make("b");
    let both = ["Place/etl 1 rests", "Place/etl 2 rests"];
    assert_eq!(w.look(1), both, "two that live have two");
    w.goes("a");
    w.goes("b");
    assert_eq!(w.look(2), both);
    w.make("c");
    assert_eq!(w.look(3), ["Place/etl 1 c", "Place/etl 2 rests"]);
    w.make("d");
    assert_eq!(w.look(4), ["Place/etl 1 c", "Place/etl 2 d"]);
    w.make("e");
    assert_eq!(w.look(5)[2], "Place/etl 3 rests");
    // Who has a seat needs no place.
    w.pods[0].leased = true;
    assert_eq!(w.look(6), ["Place/etl 2 d", "Place/etl 3 rests"]);
}

#[test]
fn who_has_a_seat_at_another_license_server_needs_no_place_here() {
    let mut w = World::new();
    w.make("a");
    w.look(0);
    w.pods[0].elsewhere = true;
    assert_eq!(w.look(1), NONE);
    w.goes("a");
    assert_eq!(w.look(2), NONE, "and leaves none");
}

#[test]
fn a_place_lapses_in_three_minutes_without_a_pod() {
    let mut w = World::new();
    w.make("a");
    w.look(0);
    w.goes("a");
    w.look(10);
    assert_eq!(w.look(189).len(), 1);
    assert_eq!(w.look(190), NONE);

    w.make("b");
    w.look(200);
    w.pods[0].stage = PodStage::Succeeded;
    assert_eq!(w.look(201), NONE, "it has done its work");
}

#[test]
fn only_a_pod_that_asks_for_the_same_takes_a_place() {
    let mut w = World::new();
    w.make("a");
    w.look(0);
    w.goes("a");
    w.make("b");
    w.pods[0].items = parse("render:2").unwrap();
    assert_eq!(w.look(1), ["Place/etl 1 rests", "Place/etl 2 rests"]);
}

#[test]
fn who_has_no_place_in_line_yet_gets_none_to_keep() {
    let mut w = World::new();
    w.make("a");
    assert_eq!(w.look_with(0, &HashSet::new(), &[]), NONE);
}

#[test]
fn a_seat_that_a_place_got_waits_two_minutes_for_its_pod() {
    let mut w = World::new();
    w.make("a");
    w.look(0);
    w.goes("a");
    w.make("b");
    w.look(1);
    w.served.insert(HolderKey("place:apps/etl/1".into()));
    assert_eq!(w.look(10), ["Place/etl 1 b"]);
    assert_eq!(w.look(129), ["Place/etl 1 b"]);
    assert_eq!(
        w.look(130),
        ["Place/etl 2 rests"],
        "it stands in line itself"
    );
}

#[test]
fn another_operator_goes_on_with_the_places_that_the_server_has() {
    let of = |n: u64| {
        let p = pod("x", None);
        KnownOwner {
            owner: p.owner("Place/etl".into(), format!("place:apps/etl/{n}")),
            items: p.items,
            project: None,
            stand: Stand::Reserved,
            short_for: Duration::ZERO,
        }
    };
    let mut w = World::new();
    w.make("a");
    let waiting = HashSet::from([HolderKey("uid-a".into())]);
    let said = w.look_with(0, &waiting, &[of(12), of(7)]);
    assert_eq!(said, ["Place/etl 7 a", "Place/etl 12 rests"]);
    w.make("b");
    w.make("c");
    assert_eq!(
        w.look(1)[2],
        "Place/etl 13 rests",
        "no number is given twice"
    );
}
