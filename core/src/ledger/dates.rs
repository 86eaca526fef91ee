//! Pools whose seats begin and end by the wall clock, as the license says (promise 16): what there
//! is, as a function of the date.
//!
//! A pool is open from its `notBefore` to its `expires`, within the license's own dates. One that
//! is not open has no seats. A lease whose seats come from such a pool moves to another of its
//! products' pools as soon as there is room, before anybody in the queue is granted something; all
//! of it, or nothing. Until then it is *stranded*: what it asks is heard and not signed
//! ([`Granted::in_force`]), as if the license had ended, and its application runs on under its
//! grace. When that has passed, the lease ends in the books, too.

use super::alternative::{Alternative, Taken, draws};
use super::capacity::{Asks, Capacity};
use super::count_by::ShareKey;
use super::entry::{Entry, State};
use super::fit::{Found, Want, fit};
use super::pool::{Drawn, Draws, ProductRule};
use super::problem::FULL_AGAIN_SECS;
use super::state::Ledger;
use super::types::{Granted, SeatDates};
use crate::mutant::{self, Mutant};
use crate::names::{LeaseId, ProductName};
use crate::request::Item;
use crate::time::{BootTime, Timestamp, is_within, margin};
use crate::wire::{Problem, ProblemType, SeatChange};
use std::collections::BTreeSet;

impl Capacity {
    /// Which pools are open now, and for how long that stays so.
    pub(super) fn look_at_dates(&mut self) {
        self.freed = true;
        let at = self.at;
        for p in &mut self.pools {
            p.open = p.is_open(at);
        }
        let dates = self.pools.iter().flat_map(|p| [p.not_before, p.expires]);
        let (past, to_come): (Vec<_>, Vec<_>) = dates.flatten().partition(|t| *t <= at);
        self.same = (past.into_iter().max(), to_come.into_iter().min());
        self.rights.settle(&self.pools);
    }

    /// The wall clock reads `at` now; tells whether other pools are open than before.
    fn set_date(&mut self, at: Timestamp) -> bool {
        self.at = at;
        let (from, to) = self.same;
        if is_within(from, to, at) {
            return false;
        }
        self.look_at_dates();
        true
    }

    /// The dates from which on there may be more in one of these pools: now, and later ones.
    pub(super) fn prospects(&self, pools: &[usize]) -> impl Iterator<Item = Timestamp> {
        let begins = pools.iter().filter_map(|p| self.pools.get(*p)?.not_before);
        let later: BTreeSet<Timestamp> = begins.filter(|t| *t > self.at).collect();
        std::iter::once(self.at).chain(later)
    }

    /// What each of these pools has at a date, were nothing out; a license may have thousands of
    /// others, of which nothing is said.
    pub(super) fn there_at(&self, at: Timestamp, pools: &[usize]) -> Vec<u32> {
        let mut there = vec![0; self.pools.len()];
        for i in pools {
            if let (Some(n), Some(p)) = (there.get_mut(*i), self.pools.get(*i)) {
                *n = p.sold_at(at);
            }
        }
        there
    }

    fn most_at(&self, product: &ProductName, at: Timestamp) -> u32 {
        self.most_out_of(product, |p| self.pools.get(p).map_or(0, |p| p.sold_at(at)))
    }

    /// The days to come from which on there is another number of a product's seats.
    pub(super) fn changes(&self, product: &ProductName) -> Vec<SeatChange> {
        let rule = self.rule(product).into_iter();
        let pools = rule.flat_map(ProductRule::pools);
        let pools = pools.filter_map(|p| self.pools.get(p));
        let dates = pools.flat_map(|p| [p.not_before, p.expires]).flatten();
        let later: BTreeSet<Timestamp> = dates.filter(|t| *t > self.at).collect();
        let mut last = self.most(product);
        let mut changes = Vec::new();
        for at in later {
            let seats = self.most_at(product, at);
            if std::mem::replace(&mut last, seats) != seats {
                let at = at.to_string();
                changes.push(SeatChange { at, seats });
            }
        }
        changes
    }

    /// The most seats of a product that could be out at once, now or later.
    pub(super) fn most_ever(&self, product: &ProductName) -> u32 {
        let pools = self.rule(product).map(ProductRule::pools);
        let pools = pools.unwrap_or_default();
        let dates = self.prospects(&pools);
        dates.map(|at| self.most_at(product, at)).max().unwrap_or(0)
    }

    /// When the last of a product's seats ended, if they all have.
    pub(super) fn ended(&self, product: &ProductName) -> Option<Timestamp> {
        self.rule(product)?.expires().filter(|t| *t <= self.at)
    }

    /// When more seats of a product begin.
    pub(super) fn next_begin(&self, product: &ProductName) -> Option<Timestamp> {
        let pools = self.rule(product)?.pools();
        self.prospects(&pools).nth(1)
    }

    pub(super) fn is_open(&self, pool: usize) -> bool {
        self.pools.get(pool).is_none_or(|p| p.open)
    }

    /// Whether all pools of an alternative are open.
    pub(super) fn is_there(&self, alt: &Alternative) -> bool {
        alt.iter().all(|(p, _)| self.is_open(*p))
    }

    /// Whether some of a lease's seats come from a pool that is not open.
    fn is_stranded(&self, drawn: &Drawn) -> bool {
        self.all_of(drawn).any(|(p, _)| !self.is_open(p))
    }

    /// The dates of the pools that a lease's seats come from.
    pub(super) fn dates(&self, drawn: &Drawn) -> SeatDates {
        let mut dates = SeatDates::default();
        for p in self.all_of(drawn).filter_map(|(i, _)| self.pools.get(i)) {
            dates.begin = dates.begin.max(p.not_before);
            if p.gone {
                dates.gone = Some(self.license_id(p));
            }
            let sooner = |t: &Timestamp| dates.end.as_ref().is_none_or(|(_, end)| t < end);
            if let Some(t) = p.expires.filter(sooner) {
                dates.end = Some((p.name.clone(), t));
            }
        }
        dates
    }

    /// Draws a lease's seats anew, out of pools that are open, if there is room for all of them;
    /// tells what it has then, and how many go over what was sold.
    fn redraw(&mut self, id: LeaseId, e: &Entry, drawn: &Drawn) -> Option<(Drawn, u32)> {
        let within = self.redraw_within_files(e, drawn);
        within.or_else(|| self.leave_for_others(id, e, drawn))
    }

    /// Seats that several claims count as one cannot move to another file: its claims leave them,
    /// one by one, for others there.
    fn leave_for_others(&mut self, id: LeaseId, e: &Entry, drawn: &Drawn) -> Option<(Drawn, u32)> {
        if drawn.shared.is_empty() {
            return None;
        }
        let mut free = self.each(&|p| self.free(p));
        let shares = drawn.shared.iter().filter_map(|k| self.shares.get(k));
        let left = shares.flat_map(|s| s.clone().leave(id));
        let left = left.flat_map(|(n, alt)| draws(n, &alt));
        for (i, n) in drawn.own.iter().copied().chain(left) {
            if let (Some(f), true) = (free.get_mut(i), self.is_open(i)) {
                *f = f.saturating_add(n);
            }
        }
        let free = |p: usize| free.get(p).copied().unwrap_or(0);
        let plan = self.plan_of(Asks::ToMove(id), e.items(), e.asks(), &free)?;
        let of = (id, self.rights.tenant(e.asks()));
        self.give_back(of, drawn);
        Some(self.book(of, plan))
    }

    /// The same, where seats that several claims count as one stay with their file.
    fn redraw_within_files(&mut self, e: &Entry, drawn: &Drawn) -> Option<(Drawn, u32)> {
        // Of seats that several claims count as one, those that are not open move; the rest stays.
        let moving = drawn.shared.iter().filter_map(|k| self.moving(k));
        let moving: Vec<(ShareKey, Taken, Taken)> = moving.collect();
        let leaves = moving.iter().flat_map(|(.., leaves)| leaves);
        let leaves = leaves.flat_map(|(n, alt)| draws(*n, alt));
        let before: Draws = drawn.own.iter().copied().chain(leaves).collect();
        self.undraw(&before);
        // What it had by itself it has by itself, whatever a later license counts by.
        let by_itself = |i: &Item| drawn.shared.iter().all(|k| k.product != i.product);
        let singles: Vec<&Item> = e.items().iter().filter(|i| by_itself(i)).collect();
        let Some(found) = self.elsewhere(&singles, &moving) else {
            self.draw(&before);
            return None;
        };
        let mut found = found.into_iter();
        let (mut own, mut licenses) = (Draws::new(), drawn.licenses.clone());
        for (item, place) in e.items().iter().zip(&mut licenses) {
            if !by_itself(item) {
                continue;
            }
            let Some((license, taken)) = found.next() else {
                break;
            };
            *place = license;
            own.extend(taken.iter().flat_map(|(n, alt)| draws(*n, alt)));
        }
        if mutant::on(Mutant::MoveCountsTwice) {
            own.extend(&drawn.own);
        }
        let mut over = self.draw(&own);
        for ((key, mut stays, _), (_, moved)) in moving.into_iter().zip(found) {
            for (n, alt) in &moved {
                over = over.saturating_add(self.draw(&draws(*n, alt)));
            }
            stays.extend(moved);
            self.changes.note(&key);
            if let Some(share) = self.shares.get_mut(&key) {
                share.redraw(stays);
            }
        }
        let shared = drawn.shared.clone();
        let drawn = Drawn {
            licenses,
            own,
            shared,
        };
        Some((drawn, over))
    }

    /// Which file the seats of these items would come from now, and from where; and then those of
    /// shares that move.
    fn elsewhere(
        &self,
        items: &[&Item],
        moving: &[(ShareKey, Taken, Taken)],
    ) -> Option<Vec<(usize, Taken)>> {
        let (mut wants, mut files) = (Vec::<Want<'_>>::new(), Vec::new());
        for item in items {
            let offers = self.rule(&item.product)?.offers_for(item.version.as_ref());
            files.push(offers.map(|o| o.license).collect());
            wants.push(self.want(item)?);
        }
        for (key, _, leaves) in moving {
            let mut offers = self.rule(&key.product)?.offers.iter();
            let offer = offers.find(|o| o.license == key.license)?;
            let seats = leaves.iter().map(|(n, _)| n).sum();
            files.push(vec![key.license]);
            wants.push(vec![(&offer.from, seats)]);
        }
        let found = fit(&wants, &self.each(&|p| self.free(p)))?
            .into_iter()
            .zip(files);
        let named =
            |((place, taken), files): (Found, Vec<usize>)| Some((*files.get(place)?, taken));
        found.map(named).collect()
    }

    /// Of seats that several claims count as one, those that stay and those whose pools are not
    /// open, if there are such.
    fn moving(&self, key: &ShareKey) -> Option<(ShareKey, Taken, Taken)> {
        let is_open = |t: &(u32, Alternative)| self.is_there(&t.1);
        let taken = self.shares.get(key)?.taken().cloned();
        let (stays, leaves): (Taken, Taken) = taken.partition(is_open);
        (!leaves.is_empty()).then(|| (key.clone(), stays, leaves))
    }
}

impl Ledger {
    /// The wall clock reads `wall`: pools begin and end by it. Nothing is granted in this step:
    /// whoever asks says first whether anything may be. Tells whether something changed.
    pub fn set_date(&mut self, wall: Timestamp, now: BootTime) -> bool {
        let changed = self.capacity.set_date(wall);
        if changed {
            self.look_at_stranded(now);
            self.regroup(now);
        }
        changed
    }

    /// Grants what can be granted now.
    pub fn grants(&mut self, now: BootTime) {
        self.tick(now);
        self.grant_queue(now);
    }

    /// When other pools will be open, by the wall clock.
    pub fn next_date(&self) -> Option<Timestamp> {
        self.capacity.same.1
    }

    /// Looks anew which leases have seats of a pool that is not open.
    pub(super) fn look_at_stranded(&mut self, now: BootTime) {
        let held = |e: &Entry| matches!(e.state, State::Held { .. }).then_some(e.id);
        let ids: Vec<LeaseId> = self.entries.iter().filter_map(held).collect();
        for id in ids {
            self.strands(id, now);
        }
    }

    /// Notes whether a granted lease has seats of a pool that is not open.
    pub(super) fn strands(&mut self, id: LeaseId, now: BootTime) {
        let grace = self.settings.grace.max(self.settings.lease_for);
        let Some(at) = self.entries.find(&id) else {
            return;
        };
        let Some(e) = self.entries.at_mut(at) else {
            return;
        };
        let State::Held { drawn, .. } = &e.state else {
            return;
        };
        let is_stranded = self.capacity.is_stranded(drawn);
        if is_stranded == e.stranded().is_some() {
            return;
        }
        // Its last request before counted, and no later one does. Its holder may still go by a
        // longer lease of an earlier run.
        let until = (e.last + grace + margin(grace)).max(e.not_before());
        e.rare().stranded = is_stranded.then_some(until);
        if is_stranded {
            self.capacity.freed = true;
            self.stranded.insert(id);
        } else {
            self.stranded.remove(&id);
        }
        self.book_deadline(at);
        self.tell(id, now);
    }

    /// Moves leases whose pools are not open to others of their products that have room. In no
    /// order that anybody could make use of.
    pub(super) fn move_stranded(&mut self, now: BootTime) {
        // Each claim comes by here, and many may be stranded for long.
        if !std::mem::take(&mut self.capacity.freed) {
            return;
        }
        let ids: Vec<LeaseId> = self.stranded.iter().copied().collect();
        let mut moved = false;
        for id in ids {
            let stays =
                |e: &Entry| e.taken_back || e.handover().is_some() || self.bars(e.who.key());
            let Some(e) = self.entries.get(&id).filter(|e| !stays(e)) else {
                continue;
            };
            let State::Held { drawn, silent, .. } = &e.state else {
                continue;
            };
            let silent = *silent;
            if self.capacity.is_stranded(drawn) {
                let drawn = drawn.clone();
                let Some((drawn, overdraft)) = self.capacity.redraw(id, e, &drawn) else {
                    continue;
                };
                moved = true;
                let drawn = drawn.one(&mut self.drawn);
                if let Some(e) = self.entries.get_mut(&id) {
                    e.state = State::Held {
                        drawn,
                        overdraft,
                        silent,
                    };
                }
            }
            // Another claim's move may have moved the seats that it counts as one with it.
            self.strands(id, now);
        }
        if moved {
            self.count_tenants();
        }
    }

    /// What a lease is told whose seats come from a pool that is not open.
    pub(super) fn why_stranded(&self, e: &Entry) -> Option<Problem> {
        let State::Held { drawn, .. } = &e.state else {
            return None;
        };
        e.stranded()?;
        self.capacity.dates(drawn).in_force(self.capacity.at).err()
    }
}

impl SeatDates {
    /// Whether the seats are there at `at`; if not, why.
    pub fn in_force(&self, at: Timestamp) -> Result<(), Problem> {
        let ended = self.end.as_ref().filter(|(_, t)| *t <= at);
        let detail = match (ended, self.begin.filter(|t| at < *t)) {
            _ if mutant::on(Mutant::LeaseOutlivesPool) => return Ok(()),
            _ if let Some(license) = &self.gone => format!(
                "its seats are of license {license}, which is not in force here any more, and no other has room; put its file back, or ask the vendor for a new license"
            ),
            (Some((pool, t)), _) => format!(
                "its seats are of pool {pool}, which ended {t}, and no other pool of its products has room; ask the vendor for a new license"
            ),
            (None, Some(t)) => format!("its seats begin {t}, and now it is {at}; set the clock"),
            (None, None) => return Ok(()),
        };
        let problem = Problem::new(ProblemType::LicenseInvalid, detail);
        Err(problem.retry_after(FULL_AGAIN_SECS))
    }
}

impl Granted {
    /// Whether it may be signed at `at`: its seats are there.
    pub fn in_force(&self, at: Timestamp) -> Result<(), Problem> {
        self.dates.in_force(at)
    }
}
