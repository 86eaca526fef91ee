//! Tests of promise 19: right histories, and each way of breaking them.

use super::*;
use crate::check::story::{D, lease, license};
use crate::history::{ClaimNo, Reclaim, RunNo};

/// maxHandover.
const H: Ms = 60_000;
const OLD: u32 = 1;
const NEW: u32 = 2;

struct Told {
    t: Ms,
    msg: u64,
    judge: Handovers,
    seen: Seen,
    broken: Option<String>,
}

impl Told {
    /// A pod has its seat; another is named as its successor, and has a lease beyond the seats.
    fn new() -> Self {
        let mut s = Self::named();
        s.beyond(NEW);
        s
    }

    fn named() -> Self {
        let mut s = Self {
            t: 1_000,
            msg: 0,
            judge: Handovers::default(),
            seen: Seen::default(),
            broken: None,
        };
        s.starts(1);
        s.held(OLD);
        s.names(&[(OLD, NEW)]);
        s
    }

    fn starts(&mut self, run: u32) {
        let mut license = license(1);
        license.max_handover = H;
        self.see(Fact::Started {
            run: RunNo(run),
            lease_for: D,
            longest_before: D,
            reclaim: Reclaim::Any,
            license,
            moved: false,
            skewed: false,
        });
    }

    fn see(&mut self, fact: Fact) {
        let at = At { t: self.t, fact };
        let verdict = self.judge.see(&at, &mut self.seen);
        self.broken = self.broken.take().or(verdict.err().map(|b| b.what));
    }

    fn names(&mut self, pairs: &[(u32, u32)]) {
        let pair = |(old, new): &(u32, u32)| (HolderNo(*old), HolderNo(*new));
        self.see(Fact::Owned {
            owner: OwnerNo(0),
            items: vec![(0, 1)],
            pods: vec![],
            replaces: pairs.iter().map(pair).collect(),
            rests: false,
            ends: false,
        });
    }

    fn book(&mut self, n: u32, book: Book) {
        self.see(Fact::Booked {
            seq: 0,
            lease: lease(n),
            holder: HolderNo(n),
            claim: ClaimNo(0),
            items: vec![(0, 1)],
            priority: 0,
            book,
        });
    }

    fn held(&mut self, n: u32) {
        self.book(n, Book::Held { draws: vec![] });
        self.see(Fact::Used(vec![]));
    }

    fn is_beyond(&mut self, n: u32, is: bool) {
        let lease = lease(n);
        self.see(Fact::Beyond { lease, is });
    }

    fn beyond(&mut self, n: u32) {
        self.is_beyond(n, true);
        self.held(n);
    }

    fn ends(&mut self, n: u32, why: &'static str) {
        self.book(n, Book::Ended(why));
        self.see(Fact::Used(vec![]));
    }

    /// The old pod gives its lease back, and the new one has the seat in that step.
    fn hands_over(&mut self) {
        self.is_beyond(NEW, false);
        self.book(NEW, Book::Held { draws: vec![] });
        self.ends(OLD, "released");
    }

    fn answers(&mut self, n: u32, called_back: bool) {
        self.msg += 1;
        let msg = MsgNo(self.msg);
        let reply = Reply::Lease {
            lease: lease(n),
            lease_for: D,
            run_for: H,
            called_back,
            bind: None,
        };
        let heard = reply.clone();
        self.see(Fact::Answered { msg, reply });
        self.see(Fact::Heard {
            copy: CopyNo(n),
            claim: ClaimNo(0),
            msg,
            reply: heard,
        });
    }

    /// The new pod's application is told until when it may go on.
    fn goes_on(&mut self, limit: Ms) {
        self.see(Fact::Tells {
            copy: CopyNo(NEW),
            claim: ClaimNo(0),
            says: Says::Held,
            lease: Some(lease(NEW)),
            limit: Some(limit),
            held_until: Some(self.t + D),
        });
    }

    fn right(&self) {
        assert_eq!(self.broken, None);
    }

    fn wrong(&self, what: &str) {
        let broken = self.broken.clone().unwrap_or_default();
        assert!(broken.contains(what), "{broken:?}");
    }
}

#[test]
fn a_seat_is_handed_over_in_the_step_in_which_it_is_free() {
    let mut s = Told::new();
    s.answers(NEW, true);
    s.t += H / 2;
    s.hands_over();
    s.answers(NEW, false);
    s.right();
    assert_eq!(
        (s.seen.handovers_begun, s.seen.handovers_taken_over),
        (1, 1)
    );
    let mut s = Told::new();
    s.ends(OLD, "released");
    s.wrong("has none");
}

#[test]
fn it_ends_with_its_time_in_the_books_and_at_its_holder() {
    let mut s = Told::new();
    s.t += H + margin(H);
    s.ends(NEW, "expired");
    s.right();
    assert_eq!(s.seen.handovers_over, 1);
    let mut s = Told::new();
    s.t += H + margin(H) + 2_000;
    s.see(Fact::Used(vec![]));
    s.wrong("was to be free");
    let mut s = Told::new();
    s.answers(NEW, false);
    s.wrong("is answered");
    let mut s = Told::new();
    s.goes_on(s.t + H + 1_000);
    s.wrong("goes by");
}

#[test]
fn one_that_was_over_and_had_a_seat_in_its_turn_is_a_lease_as_any() {
    for in_line in [true, false] {
        let mut s = Told::new();
        s.t += H + margin(H);
        s.ends(NEW, "expired");
        // Its holder did not hear that; the next run has it by its place in line.
        s.see(Fact::Crashed);
        s.starts(2);
        if in_line {
            s.book(NEW, Book::Waiting);
        }
        s.ends(OLD, "released");
        s.held(NEW);
        s.goes_on(s.t + H * 3);
        assert_eq!(s.broken.is_none(), in_line, "{:?}", s.broken);
    }
}

#[test]
fn only_who_is_named_has_one_and_each_seat_once_in_ten_times_as_long() {
    let mut s = Told::named();
    s.beyond(3);
    s.wrong("replaces nobody");
    let mut s = Told::new();
    s.names(&[(OLD, NEW), (OLD, 3)]);
    s.beyond(3);
    s.wrong("two others'");
    for (later, right) in [(H * 10, true), (H * 10 - 2_000, false)] {
        let mut s = Told::new();
        let begun = s.t;
        s.hands_over();
        s.t = begun + later;
        s.names(&[(NEW, 3)]);
        s.beyond(3);
        assert_eq!(s.broken.is_none(), right, "{:?}", s.broken);
    }
}

#[test]
fn who_is_to_be_replaced_is_told_nothing() {
    let mut s = Told::new();
    s.answers(OLD, false);
    s.right();
    s.answers(OLD, true);
    s.wrong("is called back");
}

#[test]
fn a_run_knows_it_that_takes_it_in() {
    let mut s = Told::new();
    s.answers(NEW, true);
    s.see(Fact::Crashed);
    s.starts(2);
    s.beyond(NEW);
    s.held(OLD);
    s.hands_over();
    s.right();
    assert_eq!(s.seen.handovers_back, 1);
    let mut s = Told::new();
    s.see(Fact::Crashed);
    s.starts(2);
    s.held(NEW);
    s.wrong("as if it had some");
}

#[test]
fn what_nobody_was_told_before_the_run_ended_is_forgotten() {
    for told in [false, true] {
        let mut s = Told::new();
        s.ends(NEW, "released");
        if told {
            s.answers(OLD, false);
        }
        s.see(Fact::Crashed);
        s.starts(2);
        s.held(OLD);
        s.names(&[(OLD, 3)]);
        s.beyond(3);
        assert_eq!(s.broken.is_none(), !told, "{:?}", s.broken);
    }
}
