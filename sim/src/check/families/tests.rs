//! Tests of promise 18: right histories, and each way of breaking them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::check::story::{D, lease, license};
use crate::history::{Reclaim, RunNo, SecretNo};

const OWNER: OwnerNo = OwnerNo(0);

struct Told {
    t: Ms,
    judge: Families,
    broken: Option<u8>,
}

impl Told {
    fn new(seats: u32) -> Self {
        let mut s = Self {
            t: 1_000,
            judge: Families::default(),
            broken: None,
        };
        s.starts(1, seats, 0);
        s
    }

    fn starts(&mut self, run: u32, seats: u32, longest_before: Ms) {
        self.see(Fact::Started {
            run: RunNo(run),
            lease_for: D,
            longest_before,
            reclaim: Reclaim::Any,
            license: license(seats),
            moved: false,
            skewed: false,
        });
        let to = i64::MAX;
        self.see(Fact::Delegated { from: 0, to });
    }

    fn see(&mut self, fact: Fact) {
        let at = At { t: self.t, fact };
        let verdict = self.judge.see(&at);
        self.broken = self.broken.or(verdict.err().map(|b| b.promise));
    }

    /// The operator speaks of the owner.
    fn says(&mut self, seats: u32, pods: &[u32], rests: bool) {
        self.see(Fact::Owned {
            owner: OWNER,
            items: vec![(0, seats)],
            pods: pods.iter().map(|n| HolderNo(*n)).collect(),
            replaces: vec![],
            rests,
            ends: false,
        });
    }

    fn owner(&mut self, seats: u32, book: Book) {
        self.see(Fact::OwnerBooked {
            owner: OWNER,
            lease: lease(100),
            items: vec![(0, seats)],
            book,
        });
    }

    fn pod(&mut self, n: u32, book: Book) {
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

    /// A pod claims with the receipt of its lease.
    fn comes_back(&mut self, n: u32) {
        self.see(Fact::Received {
            msg: MsgNo(n.into()),
            holder: HolderNo(n),
            claim: ClaimNo(0),
            what: Msg::Claim {
                items: vec![(0, 1)],
                secret: SecretNo(n),
                bind: None,
                shows_secret: true,
                held: Some(lease(n)),
                held_given: None,
                held_sent: None,
                ticket: None,
                runs_after_held: true,
                runs_optimistic: false,
            },
        });
    }

    /// A step is over, after which so much of the first pool is in use.
    fn uses(&mut self, seats: u64) -> Option<u8> {
        self.see(Fact::Used(vec![seats, 0]));
        self.broken
    }
}

fn held() -> Book {
    Book::Held { draws: vec![] }
}

#[test]
fn an_owner_and_its_pods_have_what_either_needs() {
    let reserved = || {
        let mut s = Told::new(3);
        s.says(2, &[1, 2, 3], false);
        s.owner(2, held());
        s
    };
    assert_eq!(reserved().uses(1), Some(18), "a part");
    let mut s = reserved();
    assert_eq!(s.uses(2), None);
    s.pod(1, held());
    s.pod(2, held());
    assert_eq!(s.uses(2), None, "they are shares");
    s.pod(3, held());
    assert_eq!(s.uses(3), None, "more than it asked for");
    s.pod(3, Book::Ended("released"));
    s.pod(2, Book::Ended("released"));
    assert_eq!(s.uses(2), None, "its owner keeps it");
    s.pod(1, Book::Ended("released"));
    assert_eq!(s.uses(1), Some(18));
}

#[test]
fn after_a_restart_a_pods_receipt_says_whose_it_is() {
    for (used, promise) in [(2, None), (3, Some(18))] {
        let mut s = Told::new(3);
        s.says(2, &[1], false);
        s.owner(2, held());
        s.pod(1, held());
        s.see(Fact::Crashed);
        s.starts(2, 3, D);
        s.comes_back(1);
        s.pod(1, held());
        assert_eq!(s.uses(1), None);
        s.says(2, &[2], false);
        s.owner(2, held());
        assert_eq!(s.uses(used), promise);
    }
}

#[test]
fn the_operators_silence_takes_what_is_reserved_and_no_pods_seat() {
    let reserved = || {
        let mut s = Told::new(3);
        s.says(2, &[1], false);
        s.owner(2, held());
        s.pod(1, held());
        s
    };
    let mut s = reserved();
    s.t += 299_000;
    s.owner(2, Book::Ended("expired"));
    assert_eq!(s.broken, Some(18), "too soon");
    let mut s = reserved();
    s.t += 302_000;
    s.pod(1, held());
    s.owner(2, Book::Ended("expired"));
    assert_eq!(s.uses(1), None);
    let mut s = reserved();
    s.t += D / 2;
    s.pod(1, Book::Ended("expired"));
    assert_eq!(s.broken, Some(18), "it was heard");
}

#[test]
fn owners_that_rest_are_in_nobodys_way() {
    for (rests, promise) in [(true, Some(18)), (false, None)] {
        let mut s = Told::new(2);
        s.pod(1, held());
        s.says(2, &[], rests);
        s.owner(2, Book::Waiting);
        s.pod(2, Book::Waiting);
        s.see(Fact::Answered {
            msg: MsgNo(1),
            reply: crate::check::story::waiting(2, 2),
        });
        assert_eq!(s.uses(1), promise);
    }
}
