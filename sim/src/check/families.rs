//! Promise 18: owners hold for their pods; with what `handovers` knows of promise 19. A judge of
//! its own, of the worlds that have owners: those beside this one know of no claims that count
//! together.
//!
//! What is in use of each pool is, after each step, what the books say that has seats: each claim
//! by itself; an owner and its pods as many as the larger of the two needs. So an owner is granted
//! all or nothing, a pod that goes leaves its share while its owner has it, and nothing is counted
//! twice after a restart. Whose a pod is says the operator that named it last in this run, or else
//! the receipt that it shows. That may be older than that it was named: then it is not judged until
//! it is named again.
//!
//! Who is alone in line with owners that rest, and fits, is granted in that step. Nobody's pod ends
//! for silence sooner than D after it was heard, whatever becomes of its owner, and no owner sooner
//! than five minutes after the operator spoke of it. Of promise 1: those that say `Held` have at
//! most what there ever was; where there were two of a holder that is not asked.

use super::Seen;
use super::demand;
use super::handovers::Handovers;
use super::measure::{Verdict, slack};
use crate::history::{
    At, Book, Broken, ClaimNo, CopyNo, Fact, HolderNo, Index, Items, LeaseNo, License, Ms, Msg,
    MsgNo, OwnerNo, Reply, Says, Stands,
};
use foldhash::{HashMap, HashSet};

/// For how long an owner's seats are kept without a word of the operator.
const SILENCE: Ms = 300_000;

/// The judge.
#[derive(Debug, Default)]
pub struct Families {
    now: Ms,
    seen: Seen,
    handovers: Handovers,
    license: License,
    lease_for: Ms,
    /// The most seats that each pool ever had.
    most: Vec<u64>,
    up: bool,
    settled: bool,
    frozen: bool,
    anchor_lost: bool,
    delegated: Option<(i64, i64)>,
    thawed: Ms,
    /// By the operator's word in this run.
    named: HashMap<HolderNo, OwnerNo>,
    owners: HashMap<OwnerNo, Owner>,
    claims: HashMap<LeaseNo, Claim>,
    apps: HashMap<(CopyNo, ClaimNo), App>,
    copies: HashMap<CopyNo, HolderNo>,
    asleep: HashSet<CopyNo>,
    /// Holders of which there were two do not keep to the protocol.
    copied: HashSet<HolderNo>,
    /// When each message was received first.
    received: HashMap<MsgNo, Ms>,
    /// Who asks in this step, and the lease whose receipt it shows.
    asks: Option<(HolderNo, Option<LeaseNo>)>,
    /// What was in use after the step before.
    used: Vec<u64>,
}

#[derive(Debug, Default)]
struct Owner {
    /// What it has, or waits for, by the books.
    has: Option<(LeaseNo, Items)>,
    waits: bool,
    rests: bool,
    spoken: Ms,
}

#[derive(Debug)]
struct Claim {
    holder: HolderNo,
    name: ClaimNo,
    items: Items,
    /// It is in the books of this run.
    here: bool,
    has: bool,
    waits: bool,
    family: Option<OwnerNo>,
    /// It was adopted when it had its seats: an older receipt does not say so.
    late: bool,
    unsure: bool,
    heard: Ms,
    /// The last that it was answered was no problem.
    well: bool,
}

#[derive(Debug, Default)]
struct App {
    items: Items,
    lease: Option<LeaseNo>,
    held_until: Option<Ms>,
}

impl Families {
    /// How often what was put to the test.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    fn broken<T>(&self, promise: u8, what: String) -> Result<T, Broken> {
        let t = self.now;
        Err(Broken { promise, t, what })
    }

    /// Takes the next fact.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn see(&mut self, at: &At) -> Verdict {
        self.now = at.t;
        self.handovers.see(at, &mut self.seen)?;
        match &at.fact {
            Fact::Owned { .. } | Fact::OwnerStands { .. } | Fact::OwnerBooked { .. } => {
                self.of_owners(&at.fact)
            }
            Fact::Booked {
                lease,
                holder,
                claim,
                items,
                book,
                ..
            } => self.booked(*lease, (*holder, *claim), items, book),
            Fact::Used(used) => self.step_end(used),
            Fact::Tells { .. } | Fact::Begun { .. } => self.of_apps(&at.fact),
            Fact::Died(copy) => {
                self.apps.retain(|(c, _), _| c != copy);
                Ok(())
            }
            Fact::Suspended(copy) => {
                self.asleep.insert(*copy);
                Ok(())
            }
            Fact::Resumed(copy) => {
                self.asleep.remove(copy);
                Ok(())
            }
            Fact::Copied { from, to } => {
                if let Some(holder) = self.copies.get(from).copied() {
                    self.copies.insert(*to, holder);
                    self.copied.insert(holder);
                }
                Ok(())
            }
            other => {
                self.of_the_server(other);
                Ok(())
            }
        }
    }

    fn of_the_server(&mut self, fact: &Fact) {
        match fact {
            Fact::Started {
                lease_for,
                longest_before,
                license,
                ..
            } => {
                (self.lease_for, self.settled) = (*lease_for, *longest_before == 0);
                (self.up, self.frozen, self.anchor_lost) = (true, false, false);
                (self.delegated, self.thawed) = (None, self.now);
                self.adopt(license);
            }
            Fact::Reloaded(license) => self.adopt(license),
            Fact::Crashed => {
                self.up = false;
                self.used.clear();
                self.named.clear();
                self.owners.clear();
                for c in self.claims.values_mut() {
                    (c.here, c.has, c.waits) = (false, false, false);
                }
            }
            Fact::Frozen => self.frozen = true,
            Fact::Thawed => (self.frozen, self.thawed) = (false, self.now),
            Fact::Settled => self.settled = true,
            Fact::AnchorLost(lost) => self.anchor_lost = *lost,
            Fact::Delegated { from, to } => self.delegated = Some((*from, *to)),
            Fact::Received {
                msg, holder, what, ..
            } => {
                let shows = match what {
                    Msg::Claim {
                        held,
                        shows_secret: true,
                        ..
                    } => *held,
                    _ => None,
                };
                self.asks = Some((*holder, shows));
                self.received.entry(*msg).or_insert(self.now);
            }
            Fact::Answered { msg, reply } => {
                let received = self.received.get(msg).copied();
                if let Reply::Waiting { lease, .. } | Reply::Lease { lease, .. } = reply
                    && let Some(c) = self.claims.get_mut(lease)
                {
                    c.well = true;
                    c.heard = c.heard.max(received.unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    fn adopt(&mut self, license: &License) {
        self.license = license.clone();
        self.most.resize(license.pools.len(), 0);
        for (most, (seats, over)) in self.most.iter_mut().zip(&license.pools) {
            *most = (*most).max(u64::from(*seats) + u64::from(*over));
        }
    }

    fn of_owners(&mut self, fact: &Fact) -> Verdict {
        match fact {
            Fact::Owned {
                owner,
                pods,
                rests,
                ends,
                ..
            } => {
                self.named.retain(|_, o| o != owner);
                let o = self.owners.entry(*owner).or_default();
                (o.spoken, o.rests) = (self.now, *rests);
                for pod in pods.iter().filter(|_| !ends) {
                    self.named.insert(*pod, *owner);
                    let its = |c: &&mut Claim| c.here && c.holder == *pod && c.name == ClaimNo(0);
                    for c in self.claims.values_mut().filter(its) {
                        c.late |= c.has && c.family != Some(*owner);
                        (c.family, c.unsure) = (Some(*owner), false);
                    }
                }
            }
            Fact::OwnerStands {
                owner,
                lease,
                stands: Stands::Reserved,
            } => {
                let o = self.owners.get(owner);
                let has = o.and_then(|o| o.has.as_ref()).filter(|_| {
                    let waits = o.is_some_and(|o| o.waits);
                    !waits
                });
                if has.map(|(l, _)| *l) != *lease {
                    let what =
                        format!("{owner:?} is told that it has its seats; the books have {o:?}");
                    return self.broken(18, what);
                }
                self.seen.owners_reserved += 1;
            }
            Fact::OwnerBooked {
                owner,
                lease,
                items,
                book,
            } => return self.owner_booked(*owner, *lease, items, book),
            _ => {}
        }
        Ok(())
    }

    fn owner_booked(
        &mut self,
        owner: OwnerNo,
        lease: LeaseNo,
        items: &Items,
        book: &Book,
    ) -> Verdict {
        let (now, lease_for) = (self.now, self.lease_for);
        let o = self.owners.entry(owner).or_default();
        match book {
            Book::Held { .. } | Book::Silent { .. } => {
                (o.has, o.waits) = (Some((lease, items.clone())), false);
            }
            Book::Waiting | Book::Contested => {
                (o.has, o.waits) = (Some((lease, items.clone())), true);
            }
            Book::Ended("expired") if !o.waits => {
                self.seen.owners_expired += 1;
                let least = o.spoken + SILENCE.max(lease_for);
                o.has = None;
                if now + slack(SILENCE) < least {
                    let what = format!("{owner:?} has lost its seats before {least} ms");
                    return self.broken(18, what);
                }
            }
            Book::Refused | Book::Ended(_) => (o.has, o.waits) = (None, false),
        }
        Ok(())
    }

    fn booked(
        &mut self,
        no: LeaseNo,
        (holder, claim): (HolderNo, ClaimNo),
        items: &Items,
        book: &Book,
    ) -> Verdict {
        let (now, d) = (self.now, self.lease_for);
        let named = self.named.get(&holder).copied();
        let named = named.filter(|_| claim == ClaimNo(0));
        let asks = self
            .asks
            .filter(|(h, _)| *h == holder && claim == ClaimNo(0));
        let shows = asks.and_then(|(_, shows)| self.claims.get(&shows?));
        let shows = shows.and_then(|c| Some((c.family?, c.late)));
        let c = self.claims.entry(no).or_insert_with(|| Claim {
            holder,
            name: claim,
            items: items.clone(),
            here: false,
            has: false,
            waits: false,
            family: None,
            late: false,
            unsure: false,
            heard: now,
            well: false,
        });
        c.items.clone_from(items);
        let had = c.has;
        c.has = matches!(book, Book::Held { .. } | Book::Silent { .. });
        c.waits = matches!(book, Book::Waiting | Book::Contested);
        if !c.here {
            (c.here, c.heard) = (c.has || c.waits, now);
            let shown = named.is_none() && shows.is_some();
            self.seen.shares_shown += u64::from(shown);
            c.unsure = named.is_none() && (c.late || shows.is_some_and(|(_, late)| late));
            c.family = named.or(shows.map(|(family, _)| family));
        }
        if let Book::Ended(why) = book {
            (c.here, c.well) = (false, false);
            let kept = c
                .family
                .and_then(|o| self.owners.get(&o))
                .is_some_and(|o| o.has.is_some() && !o.waits);
            self.seen.shares_left += u64::from(had && kept);
            let (heard, of) = (c.heard, c.family);
            let by_time = self.handovers.was_beyond(no);
            if *why == "expired"
                && had
                && of.is_some()
                && !by_time
                && now + slack(d) + 2 < heard + d
            {
                let what = format!(
                    "{no:?} of {holder:?}, a pod of {of:?}, has lost its seat for silence; it was heard at {heard} ms"
                );
                return self.broken(18, what);
            }
        }
        Ok(())
    }

    /// What the books say that has seats, by pool; nothing if it is not sure whose somebody is.
    fn expected(&self) -> Option<Vec<u64>> {
        let mut pools = vec![0; self.license.pools.len()];
        let mut draw = |items: &Items| {
            for (p, n) in demand::only_way(&self.license, items).unwrap_or_default() {
                if let Some(used) = pools.get_mut(p) {
                    *used += u64::from(n);
                }
            }
        };
        let mut families: HashMap<OwnerNo, HashMap<Index, (u32, u32)>> = HashMap::default();
        for (no, o) in self.owners.iter().filter(|(_, o)| !o.waits) {
            for (product, n) in o.has.iter().flat_map(|h| &h.1) {
                let of = families.entry(*no).or_default().entry(*product);
                of.or_default().0 += n;
            }
        }
        let has = |no: &LeaseNo, c: &Claim| c.here && c.has && !self.handovers.is_beyond(*no);
        for (_, c) in self.claims.iter().filter(|(no, c)| has(no, c)) {
            if c.unsure {
                return None;
            }
            let Some(family) = c.family else {
                draw(&c.items);
                continue;
            };
            for (product, n) in &c.items {
                let of = families.entry(family).or_default().entry(*product);
                of.or_default().1 += n;
            }
        }
        for of in families.values() {
            for (product, (owner, pods)) in of {
                draw(&vec![(*product, *owner.max(pods))]);
            }
        }
        Some(pools)
    }

    fn cap(&self, pool: Index) -> u64 {
        let pool = self.license.pools.get(pool);
        pool.map_or(0, |(seats, over)| u64::from(*seats) + u64::from(*over))
    }

    fn step_end(&mut self, used: &[u64]) -> Verdict {
        let before = std::mem::replace(&mut self.used, used.to_vec());
        self.asks = None;
        if used.len() != self.license.pools.len() {
            return Ok(());
        }
        let Some(expected) = self.expected() else {
            return Ok(());
        };
        let counts = self.owners.values().any(|o| o.has.is_some());
        self.seen.families_counted += u64::from(counts);
        if expected != used {
            let what = format!(
                "the books have {used:?} seats in use; owners and pods have {expected:?}: {:?}, {:?}",
                self.owners,
                self.claims.iter().filter(|c| c.1.has).collect::<Vec<_>>()
            );
            return self.broken(18, what);
        }
        let mut pools = (0..).zip(used.iter().zip(&before));
        let over =
            |(p, (now, before)): &(Index, (&u64, &u64))| now > before && **now > self.cap(*p);
        if let Some((p, _)) = pools.find(over).filter(|_| self.settled) {
            let sold = &self.license.pools;
            let what = format!("pool {p} is granted from, and {used:?} of {sold:?} are out");
            return self.broken(18, what);
        }
        self.look_at_line(used)
    }

    /// Who is alone in line with owners that rest has its seats, if they are there.
    fn look_at_line(&mut self, used: &[u64]) -> Verdict {
        let wall = i64::try_from(self.now).unwrap_or(0);
        let signs = self
            .delegated
            .is_some_and(|(from, to)| from <= wall && wall + 1_000 < to);
        if !self.up || !self.settled || self.frozen || self.anchor_lost || !signs {
            return Ok(());
        }
        let mut line = self.claims.iter().filter(|(_, c)| c.here && c.waits);
        let (Some((no, c)), None) = (line.next(), line.next()) else {
            return Ok(());
        };
        let resting = |o: &Owner| !o.waits || o.rests;
        let rest = self.owners.values().filter(|o| o.waits && o.has.is_some());
        let alive = c.well && self.now + slack(self.lease_for) < c.heard + self.lease_for / 2;
        if !self.owners.values().all(resting) || !alive || rest.count() == 0 || c.family.is_some() {
            return Ok(());
        }
        let mut draws = demand::only_way(&self.license, &c.items)
            .unwrap_or_default()
            .into_iter();
        let fits =
            draws.all(|(p, n)| used.get(p).copied().unwrap_or(0) + u64::from(n) <= self.cap(p));
        let what = format!(
            "{no:?} of {:?} fits, and waits with nobody but owners that rest",
            c.holder
        );
        self.seen.beside_resting += 1;
        if fits { self.broken(18, what) } else { Ok(()) }
    }

    fn of_apps(&mut self, fact: &Fact) -> Verdict {
        match fact {
            Fact::Begun {
                copy,
                holder,
                claim,
                items,
                ..
            } => {
                self.copies.insert(*copy, *holder);
                let app = App {
                    items: items.clone(),
                    lease: None,
                    held_until: None,
                };
                self.apps.insert((*copy, *claim), app);
                Ok(())
            }
            Fact::Tells {
                copy,
                claim,
                says,
                lease,
                held_until,
                ..
            } => {
                if let Some(app) = self.apps.get_mut(&(*copy, *claim)) {
                    app.lease = *lease;
                    app.held_until = held_until.filter(|_| *says == Says::Held);
                }
                self.count_held()
            }
            _ => Ok(()),
        }
    }

    /// Nobody says `Held` beyond what there ever was.
    fn count_held(&mut self) -> Verdict {
        let mut each: HashMap<(HolderNo, ClaimNo), &Items> = HashMap::default();
        for ((copy, claim), app) in &self.apps {
            let beyond = app.lease.is_some_and(|l| self.handovers.runs_beyond(l));
            let holds = app.held_until.is_some_and(|t| t > self.now) && !beyond;
            if let Some(holder) = self.copies.get(copy).filter(|_| holds)
                && !self.asleep.contains(copy)
                && !self.copied.contains(holder)
            {
                each.insert((*holder, *claim), &app.items);
            }
        }
        let mut held = vec![0; self.most.len()];
        for items in each.values() {
            for (p, n) in demand::only_way(&self.license, items).unwrap_or_default() {
                if let Some(held) = held.get_mut(p) {
                    *held += u64::from(n);
                }
            }
        }
        if held.iter().zip(&self.most).any(|(held, most)| held > most) {
            let what = format!(
                "holders have {held:?} seats; there never were more than {:?}",
                self.most
            );
            return self.broken(1, what);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
