//! What is known of the world from the facts so far; the promises are checked against it. No promise is judged here.
//!
//! The server's part: its run, its books, its line. What holders are told is in `apps`.
//!
//! Where a time is somebody's measure of a duration it may be off by that clock's drift ([`slack`]), and by no more.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::apps::Apps;
use super::demand;
use super::line::{Key, Lines};
use crate::history::{
    Book, Broken, ClaimNo, HolderNo, Index, Items, LeaseNo, Licence, Ms, Msg, MsgNo, Reclaim,
    Reply, RunNo, SecretNo,
};

/// How far a duration that somebody's clock measured may be from true time: clocks run within 0.04 %, and show milliseconds.
pub(super) fn slack(duration: Ms) -> Ms {
    duration.saturating_mul(6) / 10_000 + 2
}

/// M: what the server waits beyond D.
pub(super) fn margin(lease_for: Ms) -> Ms {
    1000 + lease_for / 1000
}

/// A promise is broken.
pub(super) fn broken(promise: u8, t: Ms, what: String) -> Result<(), Broken> {
    Err(Broken { promise, t, what })
}

/// How a lease stands in the books of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stand {
    /// This run never knew it.
    #[default]
    Absent,
    /// In line.
    Line { contested: bool },
    /// It has its seats (`Held` or `Silent`).
    Seat,
    /// Refused.
    Refused,
    /// It was there.
    Ended(&'static str),
}

impl Stand {
    /// In line or seated.
    pub(super) fn live(self) -> bool {
        matches!(self, Self::Line { .. } | Self::Seat)
    }

    pub(super) fn in_line(self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

/// A lease, over all runs.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) holder: HolderNo,
    pub(super) claim: ClaimNo,
    pub(super) items: Items,
    pub(super) priority: i32,
    pub(super) secret: Option<SecretNo>,
    /// The run whose books `stand` speaks of.
    run: RunNo,
    stand: Stand,
    /// Draws as last booked.
    pub(super) draws: Vec<(Index, u32)>,
    /// The licence's epoch when it was last booked as seated.
    pub(super) epoch: u64,
    products: u64,
    /// The last run in which it was seated (0: never), and in which a seat of it ended.
    pub(super) seated_in: RunNo,
    pub(super) seat_ended_in: RunNo,
    pub(super) taken_in: RunNo,
    /// Its place among arrivals; later returns may make it unknown (`fuzzy`).
    arrival: Option<u64>,
    pub(super) fuzzy: bool,
    /// It was in line when the last run ended (or waits to come back since the run before).
    pub(super) in_line_at_crash: bool,
    /// Where it stands in line.
    pub(super) key: Option<Key>,
    class: u8,
    pub(super) pools: Vec<Index>,
    /// Since when it is contested without a break in this run.
    pub(super) contested_at: Ms,
    /// Until when its application may run on, as the server knows it by its last claim: received when.
    pub(super) runs_until: Ms,
    pub(super) claimed: Ms,
    /// The last receipt of a claim for it that was not answered with a problem.
    pub(super) alive: Ms,
    /// The last receipt of any claim for it, or the end of one whose answer was held open.
    pub(super) asked: Ms,
    /// Whether that claim is not answered yet.
    pub(super) open: bool,
    /// The last receipt of a request that was answered with this lease, and of any request that may have counted.
    pub(super) sure: Ms,
    pub(super) maybe: Ms,
    /// D and grace as told last.
    pub(super) told_for: Ms,
    pub(super) told_run: Ms,
    /// When it was last answered, and the D told with it: its newest token.
    pub(super) answered: Option<(Ms, Ms)>,
    pub(super) counter: u64,
    /// When the newest of its claims that were received was sent.
    pub(super) claim_sent: Ms,
    /// How many applications say `Held` for it, and with which draws they count.
    pub(super) running: u32,
    pub(super) running_draws: Vec<(Index, u32)>,
}

impl Lease {
    fn new(holder: HolderNo, claim: ClaimNo) -> Self {
        Self {
            holder,
            claim,
            items: Items::new(),
            priority: 0,
            secret: None,
            run: RunNo(0),
            stand: Stand::Absent,
            draws: Vec::new(),
            epoch: 0,
            products: 0,
            seated_in: RunNo(0),
            seat_ended_in: RunNo(0),
            taken_in: RunNo(0),
            arrival: None,
            fuzzy: false,
            in_line_at_crash: false,
            key: None,
            class: 1,
            pools: Vec::new(),
            contested_at: 0,
            runs_until: 0,
            claimed: 0,
            alive: 0,
            asked: 0,
            open: false,
            sure: 0,
            maybe: 0,
            told_for: 0,
            told_run: 0,
            answered: None,
            counter: 0,
            claim_sent: 0,
            running: 0,
            running_draws: Vec::new(),
        }
    }

    /// How it stands in the books of `run`.
    pub(super) fn stand(&self, run: RunNo) -> Stand {
        if self.run == run {
            self.stand
        } else {
            Stand::Absent
        }
    }
}

/// A run of the server.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) no: RunNo,
    pub(super) up: bool,
    pub(super) started: Ms,
    /// D.
    pub(super) lease_for: Ms,
    pub(super) longest_before: Ms,
    pub(super) reclaim: Reclaim,
    pub(super) settled: bool,
    pub(super) frozen: bool,
    pub(super) thawed: Ms,
    pub(super) anchor_lost: bool,
    rosters: Vec<Vec<HolderNo>>,
    /// Each holder of a roster was in or gone.
    pub(super) roster_done: bool,
    /// Pools of which every seat was taken once in this run.
    full_once: Vec<bool>,
    /// Pools from which this run granted something new.
    granted: Vec<bool>,
    /// Holders that the books of this run knew, and that are gone.
    seen: HashSet<HolderNo>,
    pub(super) gone: HashSet<HolderNo>,
    pub(super) revoked: HashSet<HolderNo>,
    /// Seats taken by the books, by pool.
    pub(super) used: Vec<u64>,
    /// The longest and shortest grace, and the longest time for contested holders, of this run's licences.
    pub(super) grace: (Ms, Ms),
    pub(super) max_contested: Ms,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            no: RunNo(0),
            up: false,
            started: 0,
            lease_for: 0,
            longest_before: 0,
            reclaim: Reclaim::Any,
            settled: false,
            frozen: false,
            thawed: 0,
            anchor_lost: false,
            rosters: Vec::new(),
            roster_done: false,
            full_once: Vec::new(),
            granted: Vec::new(),
            seen: HashSet::new(),
            gone: HashSet::new(),
            revoked: HashSet::new(),
            used: Vec::new(),
            grace: (0, 0),
            max_contested: 0,
        }
    }
}

impl Run {
    /// Q; 0 if nobody can hold a lease of an earlier run.
    pub(super) fn settling(&self) -> Ms {
        if self.longest_before == 0 {
            0
        } else {
            self.longest_before + margin(self.longest_before)
        }
    }

    /// Whether the time `t` is before Q has passed by the slowest clock.
    pub(super) fn before_q(&self, t: Ms) -> bool {
        let q = self.settling();
        q > 0 && t + slack(q) < self.started + q
    }

    /// Whether all seats of this pool were taken at one moment of this run: then no lease of an earlier run can be
    /// left out there.
    pub(super) fn was_full(&self, pool: Index) -> bool {
        self.full_once.get(pool).copied().unwrap_or_default()
    }

    pub(super) fn all_full(&self) -> bool {
        self.full_once.iter().all(|f| *f)
    }

    pub(super) fn has_roster(&self) -> bool {
        !self.rosters.is_empty()
    }

    pub(super) fn post_roster(&mut self, roster: Vec<HolderNo>) {
        self.rosters.push(roster);
        self.look_at_rosters();
    }

    /// Looks whether each holder of some roster is in or gone.
    pub(super) fn look_at_rosters(&mut self) {
        self.roster_done = self.roster_done
            || self.rosters.iter().any(|roster| {
                roster
                    .iter()
                    .all(|h| self.seen.contains(h) || self.gone.contains(h))
            });
    }
}

/// What started a step of the server.
#[derive(Debug, Default)]
pub(super) enum Cause {
    /// Time alone, or something without a rule of its own.
    #[default]
    Nothing,
    /// A message.
    Message(Message),
    /// The operator's word that these are gone.
    Gone(Vec<HolderNo>),
}

/// A message that the server took in, and what was known of it at that moment.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) msg: MsgNo,
    pub(super) holder: HolderNo,
    pub(super) claim: ClaimNo,
    pub(super) what: Msg,
    /// The claim's lease in the books before.
    pub(super) before: Option<(LeaseNo, Stand)>,
    /// A renewal with a counter that was passed already: a late one.
    pub(super) stale: bool,
    /// It was received before.
    pub(super) again: bool,
}

/// A change of the books.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) lease: LeaseNo,
    pub(super) was: Stand,
    pub(super) is: Stand,
    /// Its rank when it was granted.
    pub(super) rank: Option<Key>,
    /// It came with a lease of an earlier run.
    pub(super) taken_in: bool,
    /// The last run before this change in which it had been seated, and in which a seat of it had ended.
    pub(super) seated_before: RunNo,
    pub(super) ended_before: RunNo,
    /// The licence sells other products than when it was seated last.
    pub(super) other_products: bool,
    /// It draws something else than before.
    pub(super) redrawn: bool,
}

impl Change {
    /// A new grant: seated now, and neither before nor in an earlier run.
    pub(super) fn grant(&self) -> bool {
        self.is == Stand::Seat && self.was != Stand::Seat && !self.taken_in
    }
}

/// A step of the server: what it was about, what it changed, what it answered.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) open: bool,
    pub(super) cause: Cause,
    pub(super) changes: Vec<Change>,
    pub(super) answers: Vec<(MsgNo, Reply)>,
    pub(super) settled: bool,
    /// A place that was told and is wrong.
    pub(super) misplaced: Option<Broken>,
}

impl Step {
    pub(super) fn message(&self) -> Option<&Message> {
        match &self.cause {
            Cause::Message(m) => Some(m),
            _ => None,
        }
    }

    /// The answer to this step's message, if it was given at once.
    pub(super) fn reply(&self) -> Option<&Reply> {
        let message = self.message()?;
        self.answers
            .iter()
            .rev()
            .find(|(m, _)| *m == message.msg)
            .map(|(_, r)| r)
    }
}

/// Everything that is known.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) now: Ms,
    pub(super) run: Run,
    pub(super) licence: Licence,
    /// Grows with each licence that sells other pools or products.
    pub(super) epoch: u64,
    /// The same for products alone.
    products: u64,
    pub(super) leases: HashMap<LeaseNo, Lease>,
    live: HashMap<HolderNo, Vec<(ClaimNo, LeaseNo)>>,
    pub(super) lines: Lines,
    pub(super) contested: HashSet<LeaseNo>,
    arrivals: u64,
    /// By pool: what was there at the latest grant; what was allowed when the last run ended; what holders say they hold.
    pub(super) granted_of: Vec<u64>,
    pub(super) carried: Vec<u64>,
    pub(super) running: Vec<u64>,
    /// When a seated lease must have been freed at the latest, if nothing came since.
    pub(super) due: BinaryHeap<Reverse<(Ms, LeaseNo)>>,
    pub(super) apps: Apps,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            now: 0,
            run: Run::default(),
            licence: Licence {
                pools: Vec::new(),
                products: Vec::new(),
                grace: 0,
                max_contested: 0,
            },
            epoch: 0,
            products: 0,
            leases: HashMap::new(),
            live: HashMap::new(),
            lines: Lines::default(),
            contested: HashSet::new(),
            arrivals: 0,
            granted_of: Vec::new(),
            carried: Vec::new(),
            running: Vec::new(),
            due: BinaryHeap::new(),
            apps: Apps::default(),
        }
    }
}

/// A number of a list by pool.
pub(super) fn of(list: &[u64], pool: Index) -> u64 {
    list.get(pool).copied().unwrap_or_default()
}

impl Model {
    /// How the lease stands in the books now.
    pub(super) fn stand(&self, lease: LeaseNo) -> Stand {
        self.leases
            .get(&lease)
            .map_or(Stand::Absent, |l| l.stand(self.run.no))
    }

    /// The leases that a claim has in the books, in line or seated.
    pub(super) fn live(
        &self,
        holder: HolderNo,
        claim: ClaimNo,
    ) -> impl Iterator<Item = LeaseNo> + '_ {
        self.live_of(holder)
            .filter(move |(c, _)| *c == claim)
            .map(|(_, l)| l)
    }

    pub(super) fn live_of(
        &self,
        holder: HolderNo,
    ) -> impl Iterator<Item = (ClaimNo, LeaseNo)> + '_ {
        self.live.get(&holder).into_iter().flatten().copied()
    }

    /// Seats and overdraft of a pool.
    pub(super) fn cap(&self, pool: Index) -> u64 {
        self.licence
            .pools
            .get(pool)
            .map_or(0, |(seats, over)| u64::from(*seats) + u64::from(*over))
    }

    /// Whether it fits into what the books have free.
    pub(super) fn fits(&self, items: &[(Index, u32)]) -> bool {
        let mut left: Vec<u64> = (0..self.licence.pools.len())
            .map(|p| self.cap(p).saturating_sub(of(&self.run.used, p)))
            .collect();
        demand::fits(&self.licence, items, &mut left)
    }

    /// Whether it would fit if nobody else were there.
    pub(super) fn could_fit(&self, items: &[(Index, u32)]) -> bool {
        let mut left: Vec<u64> = (0..self.licence.pools.len()).map(|p| self.cap(p)).collect();
        demand::fits(&self.licence, items, &mut left)
    }

    /// What holders may hold of a pool: what was there at the latest grant from it. While leases of an earlier run may be
    /// out there, what that run's end allowed, too: a licence that shrank over a restart throws nobody out.
    pub(super) fn allowed(&self, pool: Index) -> u64 {
        let granted = of(&self.granted_of, pool);
        let q = self.run.settling();
        if q > 0 && self.now <= self.run.started + q + slack(q) {
            granted.max(of(&self.carried, pool))
        } else {
            granted
        }
    }

    pub(super) fn started(
        &mut self,
        no: RunNo,
        lease_for: Ms,
        longest_before: Ms,
        reclaim: Reclaim,
        licence: Licence,
    ) {
        self.run = Run {
            no,
            up: true,
            started: self.now,
            thawed: self.now,
            // The anchor outlives the server.
            anchor_lost: self.run.anchor_lost,
            lease_for,
            longest_before,
            reclaim,
            settled: longest_before == 0,
            grace: (licence.grace, licence.grace),
            max_contested: licence.max_contested,
            ..Run::default()
        };
        self.adopt(licence);
    }

    pub(super) fn crashed(&mut self) {
        for pool in 0..self.granted_of.len() {
            let allowed = self.allowed(pool);
            if let Some(c) = self.carried.get_mut(pool) {
                *c = allowed;
            }
        }
        // Who was in line comes back with its ticket. Who had not come back yet keeps that right if this run was short.
        let short = self.run.before_q(self.now);
        let waiting: HashSet<LeaseNo> = self.lines.all().iter().map(|k| k.lease).collect();
        for (no, lease) in &mut self.leases {
            let known = lease.run == self.run.no;
            lease.in_line_at_crash =
                waiting.contains(no) && !lease.fuzzy || short && !known && lease.in_line_at_crash;
            lease.key = None;
            lease.open = false;
        }
        self.live.clear();
        self.lines.clear();
        self.contested.clear();
        self.due.clear();
        self.run.up = false;
        self.run.no = RunNo(self.run.no.0.saturating_add(1));
    }

    /// Another licence is in force.
    pub(super) fn adopt(&mut self, licence: Licence) {
        let same = licence.pools == self.licence.pools && licence.products == self.licence.products;
        self.epoch += u64::from(!same);
        self.products += u64::from(licence.products != self.licence.products);
        let (long, short) = self.run.grace;
        self.run.grace = (long.max(licence.grace), short.min(licence.grace));
        self.run.max_contested = self.run.max_contested.max(licence.max_contested);
        self.licence = licence;
        let pools = self.licence.pools.len();
        for list in [
            &mut self.granted_of,
            &mut self.carried,
            &mut self.running,
            &mut self.run.used,
        ] {
            if list.len() < pools {
                list.resize(pools, 0);
            }
        }
        self.run.full_once.resize(pools, false);
        self.run.granted.resize(pools, false);
        self.note_full();
        let keys: Vec<Key> = self.lines.all().to_vec();
        self.lines.clear();
        for key in keys {
            if let Some(lease) = self.leases.get_mut(&key.lease) {
                lease.pools = demand::pools(&self.licence, &lease.items);
                self.lines.insert(key, &lease.pools, lease.fuzzy);
            }
        }
        self.lines.touch_all(pools);
    }

    /// Notes the pools that leases taken in have filled.
    fn note_full(&mut self) {
        for pool in 0..self.licence.pools.len() {
            let earlier = self.run.granted.get(pool) == Some(&false);
            if earlier
                && of(&self.run.used, pool) >= self.cap(pool)
                && let Some(full) = self.run.full_once.get_mut(pool)
            {
                *full = true;
            }
        }
    }

    /// The latest moment at which silence must have freed a seat.
    pub(super) fn latest_end(&self, lease: &Lease) -> Ms {
        let run = &self.run;
        let mut silence = run.lease_for.max(lease.told_for);
        if lease.taken_in == run.no {
            // Its holder may go by an earlier and longer lease.
            silence = silence.max(run.longest_before);
        }
        if run.reclaim == Reclaim::Confirmed {
            silence = silence.max(run.grace.0).max(lease.told_run);
        }
        let silence = silence + margin(silence);
        (lease.maybe + silence + 1000 + slack(silence)).max(run.thawed)
    }

    /// The first moment at which silence may free a seat.
    pub(super) fn earliest_end(&self, lease: &Lease) -> Ms {
        let run = &self.run;
        let told = if lease.told_for == 0 {
            run.lease_for
        } else {
            lease.told_for
        };
        let mut silence = told;
        if run.reclaim == Reclaim::Confirmed {
            silence = silence.max(run.grace.1.min(lease.told_run));
        }
        let silence = silence + margin(told);
        (lease.sure + silence).saturating_sub(slack(silence))
    }

    /// Whether a lease in line has surely been asked for within D.
    pub(super) fn surely_alive(&self, lease: &Lease) -> bool {
        let d = self.run.lease_for;
        self.now + slack(d) <= lease.alive + d
    }

    /// Whether nothing was heard of a lease in line for longer than D. A claim whose answer is held open asks for as long as it
    /// may be held.
    pub(super) fn surely_dead(&self, lease: &Lease) -> bool {
        let d = self.run.lease_for;
        let asks = if lease.open { d.max(30_000) } else { d };
        self.now > lease.asked + asks + slack(asks)
    }

    /// Whether this message proves that the claim was once `Held`: it shows the lease's token and secret.
    pub(super) fn proves_held(&self, message: &Message) -> bool {
        let Msg::Claim {
            secret,
            shows_secret: true,
            held: Some(held),
            runs_after_held: true,
            ..
        } = &message.what
        else {
            return false;
        };
        self.leases.get(held).is_some_and(|l| {
            l.secret == Some(*secret) && l.holder == message.holder && l.claim == message.claim
        })
    }

    /// A claim's state in the books changes.
    pub(super) fn booked(
        &mut self,
        cause: &Cause,
        no: LeaseNo,
        (holder, claim): (HolderNo, ClaimNo),
        items: &Items,
        priority: i32,
        book: &Book,
    ) -> Change {
        let run = self.run.no;
        let message = match cause {
            Cause::Message(m) if m.holder == holder && m.claim == claim => Some(m),
            _ => None,
        };
        let proof = message.is_some_and(|m| self.proves_held(m));
        let (secret, shown, ticket) = match message.map(|m| &m.what) {
            Some(Msg::Claim {
                secret,
                held,
                ticket,
                ..
            }) => (Some(*secret), *held == Some(no), *ticket == Some(no)),
            _ => (None, false, false),
        };
        let restorable = ticket && self.now <= self.run.started + self.run.settling();
        let lease = self
            .leases
            .entry(no)
            .or_insert_with(|| Lease::new(holder, claim));
        let was = lease.stand(run);
        let is = match book {
            Book::Waiting => Stand::Line { contested: false },
            Book::Contested => Stand::Line { contested: true },
            Book::Held { .. } | Book::Silent { .. } => Stand::Seat,
            Book::Refused => Stand::Refused,
            Book::Ended(why) => Stand::Ended(why),
        };
        let old_draws = std::mem::take(&mut lease.draws);
        let (seated_before, ended_before) = (lease.seated_in, lease.seat_ended_in);
        let other_products = lease.products != self.products;
        let old_key = lease.key.take();
        lease.run = run;
        lease.stand = is;
        lease.secret = lease.secret.or(secret);
        lease.priority = priority;
        if !was.live() {
            lease.told_for = 0;
            lease.told_run = 0;
            lease.counter = 0;
            lease.open = false;
            lease.alive = self.now;
            lease.asked = self.now;
            lease.sure = self.now;
            lease.maybe = self.now;
        }
        lease.items.clone_from(items);
        let taken_in = shown && is == Stand::Seat && !was.live() && lease.seated_in != RunNo(0);

        // Its place in line.
        let rank_class = match (is, old_key) {
            (Stand::Line { contested: true }, _) if proof => 0,
            (Stand::Line { contested: true }, Some(key)) => key.class,
            // A ticket gives back the rank that it was written for.
            (Stand::Line { contested: true }, None) if restorable && lease.in_line_at_crash => {
                lease.class
            }
            (Stand::Line { .. }, _) => 1,
            (_, Some(key)) => key.class,
            _ => u8::from(!proof),
        };
        if is.in_line() && !was.in_line() {
            let restored = lease.in_line_at_crash && was == Stand::Absent && restorable;
            if !restored || lease.arrival.is_none() {
                lease.fuzzy = lease.arrival.is_some();
                self.arrivals += 1;
                lease.arrival = Some(self.arrivals);
            }
            lease.in_line_at_crash = false;
        }
        let rank = Key {
            class: rank_class,
            rank: -i64::from(priority),
            arrival: if is.in_line() || was.in_line() {
                lease.arrival.unwrap_or(u64::MAX)
            } else {
                u64::MAX
            },
            lease: no,
        };
        lease.class = rank_class;
        if let Some(key) = old_key {
            self.lines.remove(key, &lease.pools, lease.fuzzy);
        }
        if is.in_line() {
            if !was.in_line() || lease.pools.is_empty() {
                lease.pools = demand::pools(&self.licence, &lease.items);
            }
            lease.key = Some(rank);
            self.lines.insert(rank, &lease.pools, lease.fuzzy);
        }
        if is == (Stand::Line { contested: true }) {
            if was != is {
                lease.contested_at = self.now;
            }
            self.contested.insert(no);
        } else {
            self.contested.remove(&no);
        }

        // Its seats.
        if was == Stand::Seat {
            for &(pool, seats) in &old_draws {
                if let Some(used) = self.run.used.get_mut(pool) {
                    *used = used.saturating_sub(u64::from(seats));
                }
                self.lines.touch(pool);
            }
        }
        let mut redrawn = false;
        if let Book::Held { draws } | Book::Silent { draws } = book {
            // The watch may tell of a silence whose lease ends in the same step without what it draws.
            lease.draws = if matches!(book, Book::Silent { .. }) && draws.is_empty() {
                old_draws.clone()
            } else {
                demand::tidy(draws)
            };
            redrawn = lease.draws != old_draws;
            for &(pool, seats) in &lease.draws {
                if let Some(used) = self.run.used.get_mut(pool) {
                    *used += u64::from(seats);
                }
            }
        } else {
            lease.draws = old_draws;
        }
        if is == Stand::Seat {
            lease.seated_in = run;
            if was != Stand::Seat {
                lease.epoch = self.epoch;
                lease.products = self.products;
                lease.sure = lease.sure.max(lease.alive);
                lease.maybe = self.now;
                if taken_in {
                    lease.taken_in = run;
                }
            }
        } else if was == Stand::Seat {
            lease.seat_ended_in = run;
        }
        if is == Stand::Seat && was != Stand::Seat {
            let at = self.leases.get(&no).map_or(0, |l| self.latest_end(l));
            self.due.push(Reverse((at, no)));
        }

        // Who is there.
        let mine = self.live.entry(holder).or_default();
        if is.live() {
            if !mine.contains(&(claim, no)) {
                mine.push((claim, no));
            }
        } else {
            mine.retain(|m| *m != (claim, no));
        }
        self.run.seen.insert(holder);
        if is == Stand::Seat && was != Stand::Seat {
            let draws = self.leases.get(&no).map_or(&[][..], |l| &l.draws);
            for &(pool, _) in draws.iter().filter(|_| !taken_in) {
                if let Some(granted) = self.run.granted.get_mut(pool) {
                    *granted = true;
                }
            }
            self.note_full();
        }
        Change {
            lease: no,
            was,
            is,
            rank: Some(rank),
            taken_in,
            seated_before,
            ended_before,
            other_products,
            redrawn,
        }
    }

    /// The server takes a message in.
    pub(super) fn received(
        &mut self,
        msg: MsgNo,
        holder: HolderNo,
        claim: ClaimNo,
        what: &Msg,
    ) -> Message {
        let before = self.live(holder, claim).next();
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
            holder,
            claim,
            what: what.clone(),
            before: before.map(|l| (l, self.stand(l))),
            stale,
            again,
        }
    }

    /// The server answers.
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
            } => {
                if let Some(l) = self.leases.get_mut(lease) {
                    if !stale {
                        l.sure = l.sure.max(receipt);
                    }
                    l.maybe = l.maybe.max(self.now);
                    l.told_for = *lease_for;
                    l.told_run = *run_for;
                    l.answered = Some((self.now, *lease_for));
                }
            }
            Reply::Waiting { lease, .. } => {
                if let Some(l) = self.leases.get_mut(lease) {
                    // Its connection was there until now.
                    l.asked = self.now;
                }
                let most = self.licence.max_contested;
                self.apps.told_contested(msg, most);
            }
            // It may have been lost while no server was there to see it.
            Reply::Problem("anchor-lost") => self.run.anchor_lost = true,
            Reply::Released | Reply::Problem(_) => {}
        }
    }

    /// At the end of a step: what its message counts for.
    pub(super) fn note_receipt(&mut self, step: &Step) {
        let Some(message) = step.message() else {
            return;
        };
        let problem = matches!(step.reply(), Some(Reply::Problem(_)));
        match &message.what {
            Msg::Claim { secret, items, .. } => {
                let sent = self.apps.sent_at(message.msg);
                let runs_for = self.apps.sent(message.msg).map_or(0, |s| s.runs_for);
                let live: Vec<LeaseNo> = self.live(message.holder, message.claim).collect();
                for no in live {
                    let Some(l) = self.leases.get_mut(&no) else {
                        continue;
                    };
                    if l.secret == Some(*secret) && l.items == *items {
                        l.maybe = self.now;
                        l.asked = self.now;
                        l.claimed = self.now;
                        let runs_until = self.now + runs_for;
                        l.runs_until = if sent >= l.claim_sent {
                            runs_until
                        } else {
                            runs_until.max(l.runs_until)
                        };
                        if !problem {
                            l.alive = self.now;
                            l.open = step.reply().is_none();
                            l.claim_sent = l.claim_sent.max(sent);
                            for &pool in &l.pools {
                                self.lines.touch(pool);
                            }
                        }
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

    pub(super) fn gone(&mut self, holders: &[HolderNo]) {
        self.run.gone.extend(holders.iter().copied());
    }
}
