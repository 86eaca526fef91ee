//! Tests of promise 20: right histories, and each way of breaking them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::check::story::{C, D, M, lease};
use crate::history::Says;

const A: PodNo = PodNo(0);
const B: PodNo = PodNo(1);

/// Servers of two seats each, and pods that claim at all of them.
struct Told {
    t: Ms,
    judge: Lines,
    msgs: u64,
    broken: Option<u8>,
}

impl Told {
    fn new(servers: usize) -> Self {
        let mut s = Self {
            t: 1_000,
            judge: Lines::default(),
            msgs: 0,
            broken: None,
        };
        for server in 0..servers {
            s.see(SiteFact::Starts {
                server,
                lease_for: D,
                settles: 0,
                grace: 100_000,
                max_contested: C,
            });
            s.see(SiteFact::Licensed { server, seats: 2 });
        }
        s
    }

    fn see(&mut self, fact: SiteFact) -> &mut Self {
        let at = SiteAt { t: self.t, fact };
        let verdict = self.judge.see(&at);
        self.broken = self.broken.or(verdict.err().map(|b| b.promise));
        self
    }

    fn at(&mut self, t: Ms) -> &mut Self {
        self.t = t;
        self
    }

    fn comes(&mut self, pod: PodNo, seats: u32) -> &mut Self {
        let servers = self.judge.servers.keys().copied().collect();
        self.comes_for(pod, &[servers], seats)
    }

    fn comes_for(&mut self, pod: PodNo, parts: &[Vec<ServerNo>], seats: u32) -> &mut Self {
        self.see(SiteFact::Comes {
            pod,
            parts: parts.to_vec(),
            seats,
            start_optimistic: true,
        })
    }

    fn sends(&mut self, pod: PodNo, server: ServerNo, what: Sends) -> &mut Self {
        self.msgs += 1;
        let msg = SentNo(self.msgs);
        self.see(SiteFact::Sent {
            pod,
            server,
            msg,
            what,
        });
        self.see(SiteFact::Received {
            pod,
            server,
            msg,
            what,
        })
    }

    fn claims(&mut self, pod: PodNo, server: ServerNo, gathers: bool) -> &mut Self {
        let stands = if gathers {
            LineStance::Gathers
        } else {
            LineStance::Yields
        };
        self.stands(pod, server, stands)
    }

    fn stands(&mut self, pod: PodNo, server: ServerNo, stands: LineStance) -> &mut Self {
        let shows = false;
        self.sends(pod, server, Sends::Claim { stands, shows })
    }

    fn books(&mut self, pod: PodNo, server: ServerNo, book: InBooks) -> &mut Self {
        self.see(SiteFact::Booked {
            server,
            pod,
            lease: lease(pod.0),
            book,
        })
    }

    /// It has its place, and then its seats.
    fn grants(&mut self, pod: PodNo, server: ServerNo) -> &mut Self {
        self.books(pod, server, InBooks::Line { runs: false });
        self.books(pod, server, InBooks::Seats);
        self.see(SiteFact::Stepped(server))
    }

    fn tells(&mut self, pod: PodNo, says: Says, server: ServerNo, limit: Ms) -> &mut Self {
        let licensed = limit > 0;
        let told = super::AppTold {
            says,
            server,
            chosen: licensed && says != Says::Optimistic,
            lease: Some(lease(pod.0)),
            limit: licensed.then_some(limit),
            held_until: (says == Says::Held).then_some(self.t + D),
        };
        self.see(SiteFact::Tells { pod, told })
    }

    /// One that came and holds at a server, and waits at all others.
    fn holds(&mut self, pod: PodNo, seats: u32, server: ServerNo) -> &mut Self {
        self.comes(pod, seats);
        for s in 0..self.judge.servers.len() {
            self.claims(pod, s, s == 0);
        }
        let (says, limit) = (Answered::Lease, self.t + 100_000);
        self.grants(pod, server);
        self.see(SiteFact::Heard { pod, server, says });
        self.tells(pod, Says::Held, server, limit)
    }
}

#[test]
fn of_one_server_holders_have_no_more_than_it_had() {
    let mut s = Told::new(2);
    assert_eq!(s.holds(A, 1, 0).holds(B, 1, 0).broken, None);
    let mut s = Told::new(2);
    assert_eq!(s.holds(A, 2, 0).holds(B, 1, 1).broken, None);
    let mut s = Told::new(2);
    assert_eq!(s.holds(A, 2, 0).holds(B, 1, 0).broken, Some(1));
}

#[test]
fn an_application_stays_with_the_server_that_it_was_told_of() {
    let told = |says, then, server| {
        let mut s = Told::new(2);
        s.holds(A, 1, 0).at(2_000);
        s.see(SiteFact::Trouble {
            of: Of::Server(0),
            until: 2_000,
        });
        if says != Says::Held {
            s.tells(A, says, 0, 50_000);
        }
        s.see(SiteFact::Down(A)).see(SiteFact::Up(A));
        if server == 1 {
            s.grants(A, 1);
        }
        s.tells(A, then, server, 50_000).broken
    };
    assert_eq!(told(Says::Contested, Says::Held, 1), None);
    assert_eq!(told(Says::Contested, Says::Contested, 1), Some(20));
    assert_eq!(told(Says::Held, Says::Held, 0), None);
    assert_eq!(told(Says::Held, Says::Held, 1), Some(20));
    assert_eq!(told(Says::Held, Says::Grace, 1), Some(20));
}

#[test]
fn what_one_was_told_lasts_and_only_its_servers_word_ends_it() {
    let lost = |by: Option<ServerNo>| {
        let mut s = Told::new(2);
        s.holds(A, 1, 0).at(2_000);
        s.see(SiteFact::Trouble {
            of: Of::Net,
            until: 2_000,
        });
        if let Some(server) = by {
            let says = Answered::Refusal;
            s.see(SiteFact::Heard {
                pod: A,
                server,
                says,
            });
        }
        s.tells(A, Says::Lost, 0, 0).broken
    };
    assert_eq!(lost(Some(0)), None);
    assert_eq!(lost(Some(1)), Some(20));
    assert_eq!(lost(None), Some(20));
}

#[test]
fn who_holds_asks_for_nothing_elsewhere() {
    let mut s = Told::new(2);
    s.holds(A, 1, 0).at(2_000);
    assert_eq!(s.sends(A, 1, Sends::Release).broken, None);
    assert_eq!(s.claims(A, 1, false).broken, Some(20));
}

#[test]
fn what_is_booked_elsewhere_is_free_a_lease_after_it_was_heard() {
    let kept = |until| {
        let mut s = Told::new(2);
        s.holds(A, 1, 0).books(A, 1, InBooks::Seats);
        s.at(until).see(SiteFact::Stepped(1)).broken
    };
    assert_eq!(kept(1_000 + D + M), None);
    assert_eq!(kept(1_000 + D + M + 1_100), Some(20));
}

#[test]
fn nobody_starts_without_a_server_before_all_are_silent() {
    let starts = |silent: &[ServerNo], at, answered| {
        let mut s = Told::new(2);
        s.comes(A, 1).claims(A, 0, true).claims(A, 1, false);
        s.at(at);
        if answered {
            let says = Answered::Other;
            let (pod, server) = (A, 1);
            s.see(SiteFact::Heard { pod, server, says });
        }
        for server in silent.iter().copied() {
            s.see(SiteFact::Silence { pod: A, server });
        }
        s.tells(A, Says::Optimistic, 0, 90_000).broken
    };
    assert_eq!(starts(&[0, 1], 16_000, false), None);
    assert_eq!(starts(&[0, 1], 15_000, false), Some(20));
    assert_eq!(starts(&[0], 16_000, false), Some(20));
    assert_eq!(starts(&[0, 1], 16_000, true), Some(20));
}

#[test]
fn what_was_silence_before_a_crash_starts_one_after_it_and_what_was_an_answer_none() {
    let starts = |says: Option<Answered>| {
        let mut s = Told::new(2);
        s.comes(A, 1).claims(A, 0, true).claims(A, 1, false);
        s.at(16_000);
        if let Some(says) = says {
            let (pod, server) = (A, 0);
            s.see(SiteFact::Heard { pod, server, says });
        }
        for server in [0, 1] {
            s.see(SiteFact::Silence { pod: A, server });
        }
        s.see(SiteFact::Down(A)).at(17_000).see(SiteFact::Up(A));
        s.tells(A, Says::Optimistic, 0, 90_000).broken
    };
    assert_eq!(starts(None), None);
    assert_eq!(starts(Some(Answered::Other)), Some(20));
}

#[test]
fn nobody_is_refused_whom_one_has_not_refused() {
    let refused = |by: &[ServerNo]| {
        let mut s = Told::new(2);
        s.comes(A, 3).claims(A, 0, true).claims(A, 1, false);
        for server in by.iter().copied() {
            let says = Answered::Refusal;
            s.see(SiteFact::Heard {
                pod: A,
                server,
                says,
            });
        }
        s.tells(A, Says::Refused, 0, 0).broken
    };
    assert_eq!(refused(&[0, 1]), None);
    assert_eq!(refused(&[1]), Some(20));
}

#[test]
fn nobody_waits_for_a_free_seat_behind_one_that_yields() {
    let waits = |gathers, comes_first: PodNo| {
        let mut s = Told::new(1);
        s.holds(PodNo(2), 1, 0).comes(A, 2).comes(B, 1);
        let then = if comes_first == A { B } else { A };
        for pod in [comes_first, then] {
            s.claims(pod, 0, gathers || pod == B);
            s.books(pod, 0, InBooks::Line { runs: false });
        }
        s.see(SiteFact::Stepped(0)).broken
    };
    assert_eq!(waits(true, A), None, "they gather for the first");
    assert_eq!(waits(false, A), Some(20));
    assert_eq!(waits(true, B), Some(20), "the one that waits came first");
}

#[test]
fn who_was_held_goes_into_its_grace_by_its_own_servers_fault_alone() {
    let grace = |of: Of| {
        let mut s = Told::new(2);
        s.holds(A, 1, 0).at(5_000);
        let until = 6_000;
        s.see(SiteFact::Trouble { of, until });
        s.at(12_000).tells(A, Says::Grace, 0, 101_000).broken
    };
    assert_eq!(grace(Of::Server(0)), None);
    assert_eq!(grace(Of::Pod(A)), None);
    assert_eq!(grace(Of::Pod(B)), Some(20));
    assert_eq!(grace(Of::Server(1)), Some(20));
    let mut s = Told::new(2);
    s.holds(A, 1, 0).at(5_000).see(SiteFact::Stops(1));
    assert_eq!(
        s.at(12_000).tells(A, Says::Grace, 0, 101_000).broken,
        Some(20)
    );
}

#[test]
fn in_the_end_all_stand_in_all_lines_and_seats_gather_for_each_in_one() {
    let ends = |gathers: [Option<bool>; 2]| {
        let mut s = Told::new(2);
        s.holds(PodNo(2), 2, 0).holds(PodNo(3), 2, 1).comes(A, 1);
        for (server, gathers) in gathers.into_iter().enumerate() {
            if let Some(gathers) = gathers {
                s.claims(A, server, gathers);
                s.books(A, server, InBooks::Line { runs: false });
            }
        }
        s.tells(A, Says::Waiting, 0, 0).see(SiteFact::End).broken
    };
    assert_eq!(ends([Some(true), Some(false)]), None);
    assert_eq!(ends([Some(true), Some(true)]), Some(20));
    assert_eq!(ends([Some(false), Some(false)]), Some(20));
    assert_eq!(ends([Some(true), None]), Some(20));
}
