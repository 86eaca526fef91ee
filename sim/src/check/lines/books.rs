//! What each server has booked: no more than it has, counted at the holders; nothing for long for
//! who has its seats elsewhere; and nobody waits for a free seat but behind one for which seats
//! gather there.

use super::{
    Entry, Heard, InBooks, LineStance, Lines, Ms, Pod, PodNo, Sends, SentNo, Server, ServerNo,
    Verdict,
};
use crate::history::Says;

impl Lines {
    pub(super) fn received(&mut self, (pod, server): (PodNo, ServerNo), msg: SentNo, what: Sends) {
        let now = self.now;
        let Some(s) = self.servers.get_mut(&server) else {
            return;
        };
        // What gives back is judged by what is booked then.
        if what == Sends::Release {
            return;
        }
        s.arrivals += 1;
        let arrival = s.arrivals;
        let e = s.books.entry(pod).or_insert(Entry::new(now));
        s.taken = Some((pod, msg, e.heard));
        // A late duplicate changes nothing of what is booked.
        if msg < e.heard.msg && e.book != InBooks::Gone {
            return;
        }
        let heard = &mut e.heard;
        (heard.msg, heard.received) = (heard.msg.max(msg), now);
        if let Sends::Claim { stands, shows } = what {
            heard.stands = stands;
            if e.book == InBooks::Gone {
                heard.arrival = (!shows).then_some(arrival);
            }
        }
    }

    /// What is answered with a problem in its step is not heard.
    pub(super) fn refuses(&mut self, server: ServerNo, pod: PodNo, msg: SentNo) {
        let Some(s) = self.servers.get_mut(&server) else {
            return;
        };
        let taken = s.taken.filter(|(p, m, _)| (*p, *m) == (pod, msg));
        if let Some((.., before)) = taken
            && let Some(e) = s.books.get_mut(&pod)
        {
            e.heard = before;
        }
    }

    pub(super) fn booked(&mut self, server: ServerNo, pod: PodNo, book: InBooks) {
        let now = self.now;
        let elsewhere = self.pods.get(&pod).and_then(Pod::holds_at);
        let elsewhere = elsewhere.is_some_and(|at| at != server);
        let Some(s) = self.servers.get_mut(&server) else {
            return;
        };
        s.changed = now;
        let e = s.books.entry(pod).or_insert(Entry::new(now));
        let before = std::mem::replace(&mut e.book, book);
        // What comes back after a restart never was in line.
        if book == InBooks::Seats && matches!(before, InBooks::Line { .. }) {
            s.at_grant = s.seats;
        }
        let two = elsewhere && book == InBooks::Seats && before != book;
        self.seen.lines_booked_twice += u64::from(two);
        let given_back = elsewhere && before == InBooks::Seats && book == InBooks::Gone;
        self.seen.lines_given_back += u64::from(given_back);
    }

    /// A step of a server is over.
    pub(super) fn stepped(&mut self, server: ServerNo) -> Verdict {
        self.seats_at_holders(server)?;
        self.nothing_is_kept(server)?;
        self.nobody_waits_for_a_free_seat(server)
    }

    /// Promise 1, at one server: those that say `Held` by it have no more than it had when it
    /// granted last.
    pub(super) fn seats_at_holders(&mut self, server: ServerNo) -> Verdict {
        let now = self.now;
        let Some(s) = self.servers.get(&server) else {
            return Ok(());
        };
        let holds = self.pods.values().filter(|p| {
            p.told.is_some_and(|t| {
                let until = t.held_until.is_some_and(|until| now < until);
                p.goes_by(server) && t.says == Says::Held && until
            })
        });
        let held: u32 = holds.map(|p| p.seats).sum();
        if held <= s.at_grant {
            return Ok(());
        }
        let what = format!(
            "holders have {held} seats of server {server}, which had {} at its latest grant",
            s.at_grant
        );
        self.broken(1, what)
    }

    /// What is booked for who has its seats elsewhere is given back, or free in time.
    pub(super) fn nothing_is_kept(&mut self, server: ServerNo) -> Verdict {
        let Some(s) = self.servers.get(&server) else {
            return Ok(());
        };
        let mut kept = s.books.iter().filter_map(|(no, e)| {
            let pod = self.pods.get(no)?;
            let at = pod.holds_at().filter(|at| *at != server)?;
            let since = e.heard.received.max(pod.since);
            (e.book == InBooks::Seats && self.now > s.frees(since)).then_some((no, at, since))
        });
        match kept.next() {
            None => Ok(()),
            Some((no, at, since)) => {
                let what = format!(
                    "{no:?} has its seats at server {at} since {} ms, and server {server} keeps some for it; it heard of it last at {since} ms",
                    self.pods.get(no).map_or(0, |p| p.since)
                );
                self.broken(20, what)
            }
        }
    }

    /// Nobody waits for what is free, unless one stands before it for which it gathers.
    pub(super) fn nobody_waits_for_a_free_seat(&mut self, server: ServerNo) -> Verdict {
        let Some(s) = self.servers.get(&server).filter(|s| s.up && s.settled) else {
            return Ok(());
        };
        let free = self.free(s);
        let line = s.books.iter().filter_map(|(no, e)| {
            let InBooks::Line { runs } = e.book else {
                return None;
            };
            // Who rests asks for nothing yet.
            let asks = e.heard.stands != LineStance::Rests;
            asks.then_some((no, e, runs, *self.wants.get(no)?))
        });
        let line: Vec<_> = line.collect();
        let passed =
            |(_, e, _, n): &&(_, &Entry, _, u32)| !e.heard.gathers() && free > 0 && *n > free;
        let passed = line.iter().filter(passed).count() as u64;
        let may_stand_before = |e: &Entry, runs: bool, other: &Entry, other_runs: bool| {
            let sure = e
                .heard
                .arrival
                .zip(other.heard.arrival)
                .filter(|_| !runs && !other_runs);
            sure.is_none_or(|(mine, others)| others < mine)
        };
        let waits = line.iter().find(|(no, e, runs, n)| {
            let kept_for = |(other, o, o_runs, m): &&(&PodNo, &Entry, bool, u32)| {
                other != no
                    && o.heard.gathers()
                    && *m > free
                    && may_stand_before(e, *runs, o, *o_runs)
            };
            *n <= free && !line.iter().any(|l| kept_for(&l))
        });
        let Some((no, .., n)) = waits else {
            self.seen.lines_passed += passed;
            return Ok(());
        };
        let what = format!(
            "{no:?} waits at server {server} for {n} seats, {free} are free, and none gather for who stands before it: {line:?}"
        );
        self.broken(20, what)
    }

    /// How many seats of a server are booked for nobody.
    pub(super) fn free(&self, s: &Server) -> u32 {
        let all = s.books.iter().filter(|(_, e)| e.book == InBooks::Seats);
        let booked = all.map(|(no, _)| self.wants.get(no).copied().unwrap_or(0));
        s.seats.saturating_sub(booked.sum())
    }
}

impl Heard {
    /// Free seats gather for it.
    pub(super) fn gathers(&self) -> bool {
        self.stands == LineStance::Gathers
    }
}

impl Entry {
    /// Of a claim that is in no line yet.
    fn new(now: Ms) -> Self {
        Self {
            book: InBooks::Gone,
            heard: Heard {
                stands: LineStance::Rests,
                msg: SentNo::default(),
                received: now,
                arrival: None,
            },
        }
    }
}
