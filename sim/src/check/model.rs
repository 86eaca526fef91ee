//! What is known of the world from the facts so far; the promises are checked against it. No
//! promise is judged here.
//!
//! How the books change is in `books`, the queue in `queue`, what holders are told in `apps`.
//!
//! Where a time is somebody's measure of a duration it may be off by that clock's drift
//! ([`slack`](super::measure::slack)), and by no more.

use foldhash::{HashMap, HashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::apps::Apps;
use super::demand;
use super::lease::CalledBack;
use super::measure::{Verdict, margin, signed, slack};
use super::queue::{Key, Queues};
use super::step::Open;
use crate::history::{Broken, ClaimNo, HolderNo, Index, LeaseNo, License, Ms, Msg, Reclaim, RunNo};

pub(super) use super::lease::{ClaimOf, Lease, Stand};
pub(super) use super::run::KnownRun;
pub(super) use super::step::{Cause, Change, Message, Passed, Step};

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) now: Ms,
    pub(super) run: KnownRun,
    /// The run before.
    pub(super) last_run: RunNo,
    pub(super) license: License,
    /// Grows with each license that sells other pools or products.
    pub(super) epoch: u64,
    /// The same for products alone.
    pub(super) products: u64,
    pub(super) leases: HashMap<LeaseNo, Lease>,
    pub(super) live: HashMap<HolderNo, Vec<(ClaimNo, LeaseNo)>>,
    pub(super) queues: Queues,
    pub(super) contested: HashSet<LeaseNo>,
    pub(super) arrivals: u64,
    /// By pool: what was there at the latest grant; what was allowed when the last run ended; what
    /// holders say they hold.
    pub(super) granted_of: Vec<u64>,
    pub(super) carried: Vec<u64>,
    pub(super) running: Vec<u64>,
    /// When a seated lease must have been freed at the latest, if nothing came since.
    pub(super) due: BinaryHeap<Reverse<(Ms, LeaseNo)>>,
    pub(super) apps: Apps,
    /// Requests whose answer is held open, oldest first.
    pub(super) open: Vec<Open>,
    /// Which pools were there at the last step.
    pub(super) were_open: Vec<bool>,
    /// The furthest that the server's wall clock ever ran ahead.
    pub(super) highest_wall: i64,
}

/// A number of a list by pool.
pub(super) fn of(list: &[u64], pool: Index) -> u64 {
    list.get(pool).copied().unwrap_or_default()
}

/// Adds what is drawn to numbers by pool.
pub(super) fn add(list: &mut [u64], draws: &[(Index, u32)]) {
    for &(pool, seats) in draws {
        if let Some(n) = list.get_mut(pool) {
            *n += u64::from(seats);
        }
    }
}

/// Takes it away again.
pub(super) fn subtract(list: &mut [u64], draws: &[(Index, u32)]) {
    for &(pool, seats) in draws {
        if let Some(n) = list.get_mut(pool) {
            *n = n.saturating_sub(u64::from(seats));
        }
    }
}

impl Model {
    pub(super) fn broken(&self, promise: u8, what: String) -> Verdict {
        let t = self.now;
        Err(Broken { promise, t, what })
    }

    /// How the lease stands in the books now.
    pub(super) fn stand(&self, lease: LeaseNo) -> Stand {
        let lease = self.leases.get(&lease);
        lease.map_or(Stand::Absent, |l| l.stand(self.run.no))
    }

    /// The leases that a claim has in the books, in line or seated.
    pub(super) fn live(&self, (holder, claim): ClaimOf) -> impl Iterator<Item = LeaseNo> + '_ {
        let its = self.live_of(holder);
        its.filter_map(move |(c, l)| (c == claim).then_some(l))
    }

    pub(super) fn live_of(&self, holder: HolderNo) -> impl Iterator<Item = (ClaimNo, LeaseNo)> {
        self.live.get(&holder).into_iter().flatten().copied()
    }

    /// What the server's wall clock reads, in milliseconds from the world's beginning.
    pub(super) fn wall(&self) -> i64 {
        i64::try_from(self.now).unwrap_or(i64::MAX) + self.run.wall
    }

    fn is_open_at(&self, pool: Index, at: i64) -> bool {
        let (begin, end) = self.license.dates.get(pool).copied().unwrap_or_default();
        begin.is_none_or(|t| t <= at) && end.is_none_or(|t| at < t)
    }

    /// Whether a pool has begun and has not ended.
    pub(super) fn is_open(&self, pool: Index) -> bool {
        self.is_open_at(pool, self.wall())
    }

    /// The dates to come at which seats begin.
    fn begins(&self) -> impl Iterator<Item = i64> + '_ {
        let (now, dates) = (self.wall(), self.license.dates.iter());
        dates.filter_map(|d| d.0).filter(move |t| *t > now)
    }

    /// Whether some of what a lease was booked with last is of a pool that is not there.
    pub(super) fn is_stranded(&self, no: LeaseNo) -> bool {
        let lease = self.leases.get(&no);
        let closed = |l: &Lease| l.draws.iter().any(|d| !self.is_open(d.0));
        !self.license.dates.is_empty() && lease.is_some_and(closed)
    }

    /// Seats and overdraft of a pool: none while it is not there.
    pub(super) fn cap(&self, pool: Index) -> u64 {
        if self.is_open(pool) {
            self.sold(pool)
        } else {
            0
        }
    }

    /// The same, whatever its dates.
    pub(super) fn sold(&self, pool: Index) -> u64 {
        let pool = self.license.pools.get(pool);
        pool.map_or(0, |(seats, over)| u64::from(*seats) + u64::from(*over))
    }

    /// Whether it fits into what the books have free.
    pub(super) fn fits(&self, items: &[(Index, u32)]) -> bool {
        self.fits_beside(&self.run.used, items)
    }

    /// Whether the books have free what a lease has drawn.
    pub(super) fn has_free(&self, draws: &[(Index, u32)]) -> bool {
        let drawn = |pool| -> u64 {
            let of_it = draws.iter().filter(|d| d.0 == pool);
            of_it.map(|d| u64::from(d.1)).sum()
        };
        let mut pools = draws.iter().map(|d| d.0);
        pools.all(|p| of(&self.run.used, p) + drawn(p) <= self.cap(p))
    }

    /// Whether it would fit if nobody else were there, now or when seats begin.
    pub(super) fn could_fit(&self, items: &[(Index, u32)]) -> bool {
        self.fits_beside(&[], items)
            || self.begins().any(|at| {
                let there = |pool| {
                    if self.is_open_at(pool, at) {
                        self.sold(pool)
                    } else {
                        0
                    }
                };
                let mut left: Vec<u64> = (0..self.license.pools.len()).map(there).collect();
                demand::fits(&self.license, items, &mut left)
            })
    }

    pub(super) fn fits_beside(&self, used: &[u64], items: &[(Index, u32)]) -> bool {
        let free = |pool| self.cap(pool).saturating_sub(of(used, pool));
        let mut left: Vec<u64> = (0..self.license.pools.len()).map(free).collect();
        demand::fits(&self.license, items, &mut left)
    }

    /// What holders may hold of a pool: what was there at the latest grant from it. While leases of
    /// an earlier run may be out there, what that run's end allowed, too: a license that shrank
    /// over a restart throws nobody out.
    pub(super) fn allowed(&self, pool: Index) -> u64 {
        let granted = of(&self.granted_of, pool);
        let q = self.run.settling();
        if q > 0 && self.now <= self.run.started + q + slack(q) {
            granted.max(of(&self.carried, pool))
        } else {
            granted
        }
    }

    /// Whether `a` is better than `b` for sure.
    pub(super) fn is_better(&self, a: &Key, b: &Key) -> bool {
        let fuzzy = |k: &Key| self.leases.get(&k.lease).is_some_and(|l| l.fuzzy);
        a < b && ((a.class, a.rank) != (b.class, b.rank) || !(fuzzy(a) || fuzzy(b)))
    }

    /// When a lease ends that is called back for an owner, whatever its holder asks: at the
    /// earliest, and at the latest.
    fn loan_ends(&self, lease: &Lease) -> Option<(Ms, Ms)> {
        let CalledBack {
            since,
            notice,
            loan: Some((told, by_policy)),
            unsure,
        } = lease.called_back?
        else {
            return None;
        };
        let d = self.run.lease_for;
        let m = margin(d.max(by_policy));
        let end = |notice: Ms| (since + notice).max(told + d) + m;
        let (least, mut most) = (end(notice.0), end(notice.1));
        if lease.taken_in == self.run.no {
            // Its holder may go by an earlier and longer lease.
            let before = self.run.longest_before;
            most = most.max(self.run.started + before + margin(before));
        }
        let any = self.run.reclaim == Reclaim::Any;
        let latest = if unsure {
            Ms::MAX / 2
        } else {
            most + slack(most - told)
        };
        any.then(|| (least.saturating_sub(slack(least - told)), latest))
    }

    /// The latest moment at which silence must have freed a seat.
    pub(super) fn latest_end(&self, lease: &Lease) -> Ms {
        let run = &self.run;
        let mut silence = run.lease_for.max(lease.told_for);
        if lease.taken_in == run.no {
            // Its holder may go by an earlier and longer lease.
            silence = silence.max(run.longest_before);
        }
        if run.reclaim == Reclaim::Confirmed && !self.is_taken_back(lease) {
            silence = silence.max(run.grace.0).max(lease.told_run);
        }
        let silence = silence + margin(silence);
        let silence = lease.maybe + silence + 1000 + slack(silence);
        let loan = self.loan_ends(lease).map_or(Ms::MAX, |l| l.1 + 1000);
        silence.min(loan).max(run.thawed)
    }

    /// The first moment at which silence may free a seat.
    pub(super) fn earliest_end(&self, lease: &Lease) -> Ms {
        let run = &self.run;
        let told = match lease.told_for {
            0 => run.lease_for,
            told => told,
        };
        let mut silence = told;
        if run.reclaim == Reclaim::Confirmed && !self.is_taken_back(lease) {
            silence = silence.max(run.grace.1.min(lease.told_run));
        }
        let silence = silence + margin(told);
        let silence = (lease.sure + silence).saturating_sub(slack(silence));
        self.loan_ends(lease).map_or(silence, |l| silence.min(l.0))
    }

    /// Whether an administrator took it back in this run.
    pub(super) fn is_taken_back(&self, lease: &Lease) -> bool {
        lease.taken_back == self.run.no && self.run.no != RunNo(0)
    }

    /// Whether a lease in line has surely been asked for within D.
    pub(super) fn surely_alive(&self, lease: &Lease) -> bool {
        let d = self.run.lease_for;
        self.now + slack(d) <= lease.alive + d
    }

    /// Whether nothing was heard of a lease in line for longer than D. A claim whose answer is held
    /// open asks for as long as it may be held.
    pub(super) fn surely_dead(&self, lease: &Lease) -> bool {
        let d = self.run.lease_for;
        let asks = if lease.open { d.max(30_000) } else { d };
        self.now > lease.asked + asks + slack(asks)
    }

    /// Whether each token of a lease that a holder may show has expired.
    pub(super) fn expired(&self, lease: &Lease) -> bool {
        self.expired_at(lease, self.now)
    }

    /// The same at some time.
    pub(super) fn expired_at(&self, lease: &Lease, t: Ms) -> bool {
        [lease.answered, lease.longest].into_iter().all(|token| {
            let (answered, d) = token.unwrap_or_default();
            let life = match self.run.reclaim {
                Reclaim::Any => d,
                Reclaim::Confirmed => d.max(self.run.grace.0),
            };
            let life = life + margin(d);
            t > answered + life + slack(life)
        })
    }

    /// The same by what a run can tell that has come from a machine with another wall clock: by its
    /// own, a minute ahead at most, and by what the holder says.
    fn over_elsewhere(&self, given: Ms, sent: Option<Ms>, limit: Ms) -> bool {
        let age = self.wall() - signed(given);
        let by_wall = if age < 0 {
            age <= -60_000
        } else {
            age >= signed(limit)
        };
        by_wall || sent.is_some_and(|t| self.now >= t + limit)
    }

    /// Whether this message proves that the claim was once `Held`: it shows the lease's token and
    /// secret.
    pub(super) fn proves_held(&self, message: &Message) -> bool {
        let Msg::Claim {
            secret,
            shows_secret: true,
            held: Some(held),
            held_given,
            held_sent,
            runs_after_held: true,
            ..
        } = &message.what
        else {
            return false;
        };
        // By an older one no application runs on.
        let over = held_given.is_some_and(|(given, grace)| {
            let limit = grace + margin(grace);
            if self.run.skewed && given < self.run.started {
                return self.over_elsewhere(given, *held_sent, limit);
            }
            self.now > given + limit + slack(grace)
        });
        let lease = self.leases.get(held).filter(|_| !over);
        lease.is_some_and(|l| l.secret == Some(*secret) && l.of == message.of)
    }
}
