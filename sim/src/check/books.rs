//! The server's books as they change, from what it says of them: leases, seats, the line. No
//! promise is judged here.

use foldhash::HashSet;
use std::cmp::Reverse;

use super::demand;
use super::in_force::InForce;
use super::lease::{ClaimOf, Lease, Stand};
use super::model::{Model, add, of, subtract};
use super::queue::Key;
use super::run::KnownRun;
use super::step::{Change, Message, Step};
use crate::history::{
    Book, Fact, Items, LeaseNo, License, Ms, Msg, MsgNo, Policy, Reclaim, Reply, RunNo, SecretNo,
};

/// What a claim's own message shows of a lease.
struct Shown {
    /// That it was once `Held`.
    proof: bool,
    secret: Option<SecretNo>,
    /// The lease's token.
    lease: bool,
    /// The lease's token may count still.
    unexpired: bool,
    /// How long its application may run on.
    runs_for: Ms,
    /// A ticket that gives back its place.
    restorable: bool,
    /// When that was given.
    ticket_given: Ms,
}

impl Model {
    pub(super) fn started(
        &mut self,
        no: RunNo,
        lease_for: Ms,
        longest_before: Ms,
        reclaim: Reclaim,
        license: License,
    ) {
        self.run = KnownRun {
            no,
            up: true,
            started: self.now,
            thawed: self.now,
            lease_for,
            longest_before,
            reclaim,
            settled: longest_before == 0,
            grace: (license.grace, license.grace),
            max_contested: license.max_contested,
            least_contested: license.max_contested,
            ..KnownRun::default()
        };
        self.adopt(license);
    }

    /// Who is revoked, and which groups are entitled.
    pub(super) fn may_hold(&mut self, fact: &Fact) {
        self.run.disturbed = self.now;
        match fact {
            Fact::Revoked(holder, true) => drop(self.run.revoked.insert(*holder)),
            Fact::Revoked(holder, false) => drop(self.run.revoked.remove(holder)),
            Fact::Entitled(group, true) => drop(self.run.unentitled.remove(group)),
            Fact::Entitled(group, false) => drop(self.run.unentitled.insert(*group)),
            _ => {}
        }
    }

    /// Another seat policy is in force, or none: everybody who waits is ranked anew.
    pub(super) fn ranks_anew(&mut self, policy: Option<&Policy>) {
        self.run.policy = policy.cloned().map(InForce::of);
        let keys: Vec<Key> = self.queues.all().to_vec();
        self.queues.clear();
        for mut key in keys {
            if let Some(lease) = self.leases.get_mut(&key.lease) {
                lease.priority = policy.map_or(0, |p| p.priority(lease.holder()));
                key.rank = -i64::from(lease.priority);
                lease.key = Some(key);
                (lease.in_line_since, lease.owned_once) = (None, false);
                (lease.owns_since, lease.gathered) = (None, false);
                self.queues.insert(key, &lease.pools, lease.fuzzy);
            }
        }
        self.queues.touch_all(self.license.pools.len());
    }

    pub(super) fn crashed(&mut self) {
        for pool in 0..self.granted_of.len() {
            let allowed = self.allowed(pool);
            if let Some(c) = self.carried.get_mut(pool) {
                *c = allowed;
            }
        }
        // Who was in line comes back with its ticket.
        let waiting: HashSet<LeaseNo> = self.queues.all().iter().map(|k| k.lease).collect();
        for (no, lease) in &mut self.leases {
            lease.in_line_at_crash = waiting.contains(no) && !lease.fuzzy;
            lease.key = None;
            lease.open = false;
        }
        self.live.clear();
        self.queues.clear();
        self.contested.clear();
        self.due.clear();
        self.run.up = false;
        self.open.clear();
        self.last_run = self.run.no;
        self.run.no = RunNo(self.run.no.0.saturating_add(1));
    }

    /// Another license is in force.
    pub(super) fn adopt(&mut self, license: License) {
        let same = license.pools == self.license.pools
            && license.dates == self.license.dates
            && license.products == self.license.products;
        self.epoch += u64::from(!same);
        self.products += u64::from(license.products != self.license.products);
        let (long, short) = self.run.grace;
        self.run.grace = (long.max(license.grace), short.min(license.grace));
        self.run.max_contested = self.run.max_contested.max(license.max_contested);
        self.run.least_contested = self.run.least_contested.min(license.max_contested);
        self.license = license;
        let pools = self.license.pools.len();
        let (used, granted) = (&mut self.run.used, &mut self.granted_of);
        for list in [granted, &mut self.carried, &mut self.running, used] {
            list.resize(pools.max(list.len()), 0);
        }
        self.run.full_once.resize(pools, false);
        self.run.granted.resize(pools, false);
        self.note_full();
        let keys: Vec<Key> = self.queues.all().to_vec();
        self.queues.clear();
        for key in keys {
            if let Some(lease) = self.leases.get_mut(&key.lease) {
                lease.pools = demand::pools(&self.license, &lease.items);
                self.queues.insert(key, &lease.pools, lease.fuzzy);
            }
        }
        self.queues.touch_all(pools);
    }

    /// Notes the pools that leases taken in have filled.
    fn note_full(&mut self) {
        for pool in 0..self.license.pools.len() {
            let earlier = self.run.granted.get(pool) == Some(&false);
            if earlier
                && of(&self.run.used, pool) >= self.sold(pool)
                && let Some(full) = self.run.full_once.get_mut(pool)
            {
                *full = true;
            }
        }
    }

    /// A claim's state in the books changes.
    pub(super) fn booked(
        &mut self,
        message: Option<&Message>,
        no: LeaseNo,
        of: ClaimOf,
        (items, priority): (&Items, i32),
        book: &Book,
    ) -> Change {
        let shown = self.shown(no, message.filter(|m| m.of == of));
        let run = self.run.no;
        let (epoch, products, now) = (self.epoch, self.products, self.now);
        let moves = self.is_stranded(no);
        let lease = self.leases.entry(no).or_insert_with(|| Lease::new(of));
        let was = lease.stand(run);
        let is = match book {
            Book::Waiting => Stand::Line { contested: false },
            Book::Contested => Stand::Line { contested: true },
            Book::Held { .. } | Book::Silent { .. } => Stand::Seat,
            Book::Refused => Stand::Refused,
            Book::Ended(why) => Stand::Ended(why),
        };
        let mut change = Change {
            lease: no,
            holder: of.0,
            was,
            is,
            rank: None,
            taken_in: false,
            seated_before: lease.seated_in,
            ended_before: lease.seat_ended_in,
            other_products: lease.products != products,
            redrawn: false,
            moved: false,
        };
        (lease.run, lease.stand, lease.priority) = (run, is, priority);
        lease.secret = lease.secret.or(shown.secret);
        if !was.live() {
            lease.appears(now);
        }
        lease.items.clone_from(items);
        if shown.runs_for > 0 {
            lease.claimed = now;
            lease.runs_until = lease.runs_until.max(now + shown.runs_for);
        }
        // A late claim may have put it in line before its holder came with the token.
        change.taken_in = shown.lease
            && is == Stand::Seat
            && lease.seated_in != RunNo(0)
            && (!was.live() || was.in_line() && shown.unexpired);
        if is == Stand::Seat {
            lease.seated_in = run;
        } else if was == Stand::Seat {
            lease.seat_ended_in = run;
        }
        if change.seated() {
            (lease.epoch, lease.products) = (epoch, products);
            (lease.sure, lease.maybe) = (lease.sure.max(lease.alive), now);
            if change.taken_in {
                lease.taken_in = run;
            }
        }
        change.rank = self.places(no, was, is, &shown);
        change.redrawn = self.draws(no, was, book);
        let stays = was == Stand::Seat || change.taken_in;
        change.moved = change.redrawn && moves && stays && is == Stand::Seat;
        self.attends(of, no, is.live());
        if change.seated() {
            self.seated(no, change.taken_in);
        }
        change
    }

    /// What a message, if it is the claim's own, shows of the lease.
    fn shown(&self, no: LeaseNo, message: Option<&Message>) -> Shown {
        let (secret, lease, ticket) = match message.map(|m| &m.what) {
            Some(Msg::Claim {
                secret,
                held,
                ticket,
                ..
            }) => (Some(*secret), *held == Some(no), *ticket == Some(no)),
            _ => (None, false, false),
        };
        let sent = message.and_then(|m| self.apps.sent(m.msg));
        // An answer may be lost: a ticket of an earlier run says nothing of the last one's line.
        let newest = sent.is_some_and(|s| s.ticket_of == Some(self.last_run));
        Shown {
            proof: message.is_some_and(|m| self.proves_held(m)),
            secret,
            lease,
            unexpired: self.leases.get(&no).is_some_and(|l| !self.expired(l)),
            runs_for: sent.map_or(0, |s| s.runs_for),
            restorable: newest && ticket && self.now <= self.run.started + self.run.settling(),
            ticket_given: sent.map_or(0, |s| s.ticket_given),
        }
    }

    /// Its place in the queue, if it has or had one.
    fn places(&mut self, no: LeaseNo, was: Stand, is: Stand, shown: &Shown) -> Option<Key> {
        let lease = self.leases.get_mut(&no)?;
        let old = lease.key.take();
        let class = match (is, old) {
            (Stand::Line { contested: true }, _) if shown.proof => 0,
            (Stand::Line { contested: true }, Some(key)) => key.class,
            // A ticket gives back the rank that it was written for.
            (Stand::Line { contested: true }, None)
                if shown.restorable && lease.in_line_at_crash =>
            {
                lease.class
            }
            (Stand::Line { .. }, _) => 1,
            (_, Some(key)) => key.class,
            _ => u8::from(!shown.proof),
        };
        if is.in_line() && !was.in_line() {
            let restored = lease.in_line_at_crash && was == Stand::Absent && shown.restorable;
            if !restored || lease.arrival.is_none() {
                lease.fuzzy = lease.arrival.is_some();
                self.arrivals += 1;
                lease.arrival = Some(self.arrivals);
            }
            // Its ticket says for how long it had been passed.
            let passed = lease.passed.0.filter(|_| restored);
            let passed_for = passed.and_then(|t| shown.ticket_given.checked_sub(t));
            lease.passed.0 = passed_for.and_then(|ms| self.now.checked_sub(ms));
            // Whether it still stands before others depends on a clock that is wrong.
            lease.fuzzy |= restored && self.run.skewed;
            lease.in_line_at_crash = false;
        }
        if is == Stand::Seat {
            lease.passed = (None, None);
        }
        let arrival = lease.arrival.filter(|_| is.in_line() || was.in_line());
        let rank = Key {
            class,
            rank: -i64::from(lease.priority),
            arrival: arrival.unwrap_or(u64::MAX),
            lease: no,
        };
        lease.class = class;
        if let Some(key) = old {
            self.queues.remove(key, &lease.pools, lease.fuzzy);
        }
        if is.in_line() {
            if !was.in_line() || lease.pools.is_empty() {
                lease.pools = demand::pools(&self.license, &lease.items);
            }
            lease.key = Some(rank);
            self.queues.insert(rank, &lease.pools, lease.fuzzy);
        }
        if is == (Stand::Line { contested: true }) {
            if was != is {
                lease.contested_at = self.now;
            }
            self.contested.insert(no);
        } else {
            self.contested.remove(&no);
        }
        Some(rank)
    }

    /// What it draws; whether that is other than before.
    fn draws(&mut self, no: LeaseNo, was: Stand, book: &Book) -> bool {
        let Some(lease) = self.leases.get_mut(&no) else {
            return false;
        };
        if was == Stand::Seat {
            subtract(&mut self.run.used, &lease.draws);
            self.queues.touch(lease.draws.iter().map(|d| d.0));
        }
        let (Book::Held { draws } | Book::Silent { draws }) = book else {
            return false;
        };
        // The watch may tell of a silence whose lease ends in the same step without what it draws.
        let kept = matches!(book, Book::Silent { .. }) && draws.is_empty();
        let new = if kept {
            lease.draws.clone()
        } else {
            demand::tidy(draws)
        };
        add(&mut self.run.used, &new);
        let redrawn = new != lease.draws;
        lease.draws = new;
        redrawn
    }

    fn attends(&mut self, (holder, claim): ClaimOf, no: LeaseNo, live: bool) {
        let mine = self.live.entry(holder).or_default();
        if !live {
            mine.retain(|m| *m != (claim, no));
        } else if !mine.contains(&(claim, no)) {
            mine.push((claim, no));
        }
        self.run.seen.insert(holder);
    }

    /// It has its seats from now on.
    fn seated(&mut self, no: LeaseNo, taken_in: bool) {
        let at = self.leases.get(&no).map_or(0, |l| self.latest_end(l));
        self.due.push(Reverse((at, no)));
        let draws = self.leases.get(&no).map_or(&[][..], |l| &l.draws);
        for &(pool, _) in draws.iter().filter(|_| !taken_in) {
            if let Some(granted) = self.run.granted.get_mut(pool) {
                *granted = true;
            }
        }
        self.note_full();
    }

    /// The server takes a message in.
    pub(super) fn received(&mut self, msg: MsgNo, of: ClaimOf, what: &Msg) -> Message {
        let before = self.live(of).next();
        let mut stale = false;
        if let Msg::Renew {
            lease,
            secret,
            counter,
            ..
        } = what
            && let Some(l) = self.leases.get_mut(lease)
            && l.secret == Some(*secret)
        {
            stale = *counter < l.counter;
            l.counter = l.counter.max(*counter);
        }
        let again = self.apps.received(msg, self.run.no, self.now);
        Message {
            msg,
            of,
            what: what.clone(),
            before: before.map(|l| (l, self.stand(l))),
            stale,
            again,
        }
    }

    pub(super) fn answered(&mut self, step: &Step, msg: MsgNo, reply: &Reply) {
        let (receipt, stale) = match step.message() {
            Some(m) if m.msg == msg => (self.now, m.stale),
            _ => (self.apps.receipt(msg, self.run.no), false),
        };
        match reply {
            Reply::Lease {
                lease,
                lease_for,
                run_for,
                ..
            } => {
                if let Some(l) = self.leases.get_mut(lease) {
                    if !stale {
                        l.sure = l.sure.max(receipt);
                    }
                    l.maybe = l.maybe.max(self.now);
                    (l.told_for, l.told_run) = (*lease_for, *run_for);
                    l.answered = Some((self.now, *lease_for));
                    if l.longest.is_none_or(|(t, d)| t + d < self.now + lease_for) {
                        l.longest = l.answered;
                    }
                }
            }
            Reply::Waiting { lease, .. } => {
                if let Some(l) = self.leases.get_mut(lease) {
                    // Its connection was there until now.
                    l.asked = self.now;
                }
                let most = self.license.max_contested;
                self.apps.told_waiting(self.now, msg, most);
            }
            Reply::Released | Reply::Problem(_) => {}
        }
    }

    /// An administrator takes a lease back: if it has its seat, nothing of it counts any more.
    pub(super) fn taken_back(&mut self, no: LeaseNo) {
        let run = self.run.no;
        if self.stand(no) == Stand::Seat
            && let Some(l) = self.leases.get_mut(&no)
        {
            l.taken_back = run;
        }
    }

    /// At the end of a step: what its message counts for.
    pub(super) fn note_receipt(&mut self, step: &Step) {
        let Some(message) = step.message() else {
            return;
        };
        let problem = match step.reply() {
            // Nobody looked at what it said, or nothing that it asks counts as a sign of life.
            Some(Reply::Problem(
                "overloaded" | "unauthenticated" | "revoked" | "not-entitled" | "given-back"
                | "called-back",
            )) => return,
            reply => matches!(reply, Some(Reply::Problem(_))),
        };
        match &message.what {
            Msg::Claim { secret, items, .. } => {
                let sent = self.apps.sent_at(message.msg);
                let runs_for = self.apps.sent(message.msg).map_or(0, |s| s.runs_for);
                let now = self.now;
                let live: Vec<LeaseNo> = self.live(message.of).collect();
                for no in live {
                    let lease = self.leases.get_mut(&no);
                    let same = |l: &&mut Lease| l.secret == Some(*secret) && l.items == *items;
                    let Some(l) = lease.filter(same) else {
                        continue;
                    };
                    (l.maybe, l.asked, l.claimed) = (now, now, now);
                    if sent >= l.claim_sent && !problem {
                        l.runs_until = 0;
                    }
                    l.runs_until = l.runs_until.max(now + runs_for);
                    l.claim_sent = l.claim_sent.max(sent);
                    if !problem {
                        l.alive = now;
                        l.open = step.reply().is_none();
                        self.queues.touch(l.pools.iter().copied());
                    }
                }
            }
            Msg::Renew { lease, secret, .. } => {
                if let Some(l) = self.leases.get_mut(lease)
                    && l.secret == Some(*secret)
                {
                    l.maybe = self.now;
                }
            }
            Msg::Release { .. } => {}
        }
    }
}
