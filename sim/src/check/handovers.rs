//! Promise 19: a rollout hands over. Part of the judge of worlds with owners.
//!
//! A lease is granted beyond the seats only where the license allows it, to a pod that the operator
//! has named as the successor of one that has its seat, each of those having one successor; and a
//! seat, whoever has it, no more than once in ten times `maxHandover`. What its holder is told ends
//! with `maxHandover` after the grant, and so it does in the books, if it is nobody's seat by then.
//! In the step in which the pod that it replaces loses its seat it is an ordinary lease; not
//! before, and that pod is never called back for it. A run that takes such a lease in has it as
//! such, for what is left of it.
//!
//! A run that ended may have been the only one that knew of a handover: where it had not told the
//! pod whose seat it is since, and the successor does not come again, it is forgotten. A seat that
//! a pod has lost, and has again from the line, is another. Where there were two of a holder
//! nothing is asked.

use super::Seen;
use super::measure::{Verdict, margin, slack};
use crate::history::{
    At, Book, Broken, CopyNo, Fact, GroupNo, HolderNo, LeaseNo, Ms, MsgNo, OwnerNo, Reply, Says,
};
use foldhash::{HashMap, HashSet};

/// For how many times its length a seat is not handed over again.
const AGAIN: Ms = 10;

/// For how long an answer is waited for at most, about.
const LONGEST_WAIT: Ms = 120_000;

/// What is known of handovers.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    now: Ms,
    most: Ms,
    /// Which pods replace which, by the operator's word in this run.
    named: HashMap<OwnerNo, Vec<(HolderNo, HolderNo)>>,
    /// Who has a lease of its pod's own in the books.
    seated: HashMap<HolderNo, LeaseNo>,
    /// Which leases the books say are beyond the seats.
    said: HashSet<LeaseNo>,
    /// Which stand in line in this run.
    waits: HashSet<LeaseNo>,
    /// All that ever were.
    all: HashMap<LeaseNo, Handover>,
    /// When whose seat was handed over last, or was to be.
    handed: HashMap<HolderNo, Handed>,
    unentitled: HashSet<GroupNo>,
    copies: HashMap<CopyNo, HolderNo>,
    copied: HashSet<HolderNo>,
    /// Answers that say of a handover, and of whose seat.
    tell: HashMap<MsgNo, HolderNo>,
    /// Whose lease ended in this step.
    ended: Vec<HolderNo>,
}

#[derive(Clone, Copy, Debug)]
struct Handover {
    from: HolderNo,
    since: Ms,
    most: Ms,
    stands: Stands,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Beyond,
    /// A run ended in which it was.
    Away,
    /// It became an ordinary lease, in this run or one before.
    Seat,
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Handed {
    at: Ms,
    most: Ms,
    /// Whoever has the seat was told something since.
    known: bool,
}

impl Handover {
    fn until(&self) -> Ms {
        self.since + self.most
    }
}

impl Handovers {
    fn broken<T>(&self, what: String) -> Result<T, Broken> {
        let t = self.now;
        let promise = 19;
        Err(Broken { promise, t, what })
    }

    /// Whether the books have a lease beyond the seats.
    pub(super) fn is_beyond(&self, lease: LeaseNo) -> bool {
        self.said.contains(&lease)
    }

    /// Whether it ever was.
    pub(super) fn was_beyond(&self, lease: LeaseNo) -> bool {
        self.all.contains_key(&lease)
    }

    /// Whether an application that goes by a lease is beyond the seats.
    pub(super) fn runs_beyond(&self, lease: LeaseNo) -> bool {
        let h = self.all.get(&lease);
        h.is_some_and(|h| h.stands != Stands::Seat)
    }

    /// Takes the next fact.
    pub(super) fn see(&mut self, at: &At, seen: &mut Seen) -> Verdict {
        self.now = at.t;
        match &at.fact {
            Fact::Beyond { lease, is: true } => drop(self.said.insert(*lease)),
            Fact::Beyond { lease, is: false } => drop(self.said.remove(lease)),
            Fact::Booked {
                lease,
                holder,
                book,
                ..
            } => return self.booked(*lease, *holder, book, seen),
            Fact::Answered { msg, reply } => return self.answered(*msg, reply),
            Fact::Heard { msg, .. } => {
                let of = self.tell.remove(msg);
                if let Some(handed) = of.and_then(|h| self.handed.get_mut(&h)) {
                    handed.known = true;
                }
            }
            Fact::Tells {
                copy,
                lease: Some(lease),
                says: Says::Held | Says::Grace,
                limit,
                held_until,
                ..
            } => return self.told(*copy, *lease, (*limit).max(*held_until)),
            // What it has lost and has again from the line is another seat.
            Fact::Tells {
                copy,
                says: Says::Lost,
                ..
            } => {
                if let Some(holder) = self.copies.get(copy) {
                    self.handed.remove(holder);
                }
            }
            Fact::Used(_) => return self.step_end(),
            other => self.of_the_world(other),
        }
        Ok(())
    }

    fn of_the_world(&mut self, fact: &Fact) {
        match fact {
            Fact::Started { license, .. } => {
                self.most = license.max_handover;
                self.unentitled.clear();
            }
            Fact::Reloaded(license) => self.most = license.max_handover,
            Fact::Entitled(group, true) => drop(self.unentitled.remove(group)),
            Fact::Entitled(group, false) => drop(self.unentitled.insert(*group)),
            Fact::Owned {
                owner,
                replaces,
                ends,
                ..
            } => {
                let named = if *ends { Vec::new() } else { replaces.clone() };
                self.named.insert(*owner, named);
            }
            Fact::Crashed => {
                self.named.clear();
                self.seated.clear();
                self.said.clear();
                self.waits.clear();
                self.ended.clear();
                for h in self.all.values_mut().filter(|h| h.stands == Stands::Beyond) {
                    h.stands = Stands::Away;
                }
                self.handed.retain(|_, h| h.known);
            }
            Fact::Begun { copy, holder, .. } => drop(self.copies.insert(*copy, *holder)),
            Fact::Copied { from, to } => {
                if let Some(holder) = self.copies.get(from).copied() {
                    self.copies.insert(*to, holder);
                    self.copied.insert(holder);
                }
            }
            _ => {}
        }
    }

    /// The books have a claim otherwise than before.
    fn booked(
        &mut self,
        lease: LeaseNo,
        holder: HolderNo,
        book: &Book,
        seen: &mut Seen,
    ) -> Verdict {
        let waited = self.waits.remove(&lease);
        if !matches!(book, Book::Held { .. } | Book::Silent { .. }) {
            if *book == Book::Waiting {
                self.waits.insert(lease);
            }
            if self.seated.get(&holder) == Some(&lease) {
                self.seated.remove(&holder);
                self.ended.push(holder);
            }
            self.said.remove(&lease);
            if let Some(h) = self.all.get_mut(&lease) {
                seen.handovers_over +=
                    u64::from(h.stands == Stands::Beyond && *book == Book::Ended("expired"));
                // Whose seat it was goes by it as by any other to its end.
                if h.stands != Stands::Seat {
                    h.stands = Stands::Over;
                }
            }
            return Ok(());
        }
        let comes = self.seated.insert(holder, lease) != Some(lease);
        let known = self.all.get(&lease).copied();
        match (self.is_beyond(lease), known) {
            (true, None) => self.begins(lease, holder, seen),
            (true, Some(h)) if h.stands == Stands::Over => self.begins(lease, holder, seen),
            (true, Some(h)) if h.stands == Stands::Beyond => Ok(()),
            (true, Some(h)) if comes => {
                seen.handovers_back += 1;
                self.hands(h.from, &h, true);
                self.stands(lease, Stands::Beyond);
                Ok(())
            }
            (true, Some(_)) => {
                self.broken(format!("{lease:?} had its seats, and is beyond them again"))
            }
            (false, Some(h)) if h.stands == Stands::Beyond => {
                seen.handovers_taken_over += 1;
                self.hands(holder, &h, true);
                self.stands(lease, Stands::Seat);
                Ok(())
            }
            (false, Some(h)) if h.stands == Stands::Away && !self.is_copied(&[h.from, holder]) => {
                self.broken(format!(
                    "{lease:?} was beyond the seats, and is taken in as if it had some"
                ))
            }
            // It was over, and its holder came to the line with it: this is a seat of its own.
            (false, Some(_)) if waited => {
                self.stands(lease, Stands::Seat);
                Ok(())
            }
            (false, _) => Ok(()),
        }
    }

    fn stands(&mut self, lease: LeaseNo, stands: Stands) {
        if let Some(h) = self.all.get_mut(&lease) {
            h.stands = stands;
        }
    }

    fn hands(&mut self, whose: HolderNo, h: &Handover, known: bool) {
        let handed = Handed {
            at: h.since,
            most: h.most,
            known,
        };
        self.handed.insert(whose, handed);
    }

    fn is_copied(&self, holders: &[HolderNo]) -> bool {
        holders.iter().any(|h| self.copied.contains(h))
    }

    /// A lease is granted beyond the seats.
    fn begins(&mut self, lease: LeaseNo, by: HolderNo, seen: &mut Seen) -> Verdict {
        let mut named = self.named.values().flatten();
        let Some((from, _)) = named.find(|(_, new)| *new == by).copied() else {
            let what = format!("{by:?} replaces nobody, and has {lease:?} beyond the seats");
            return self.broken(what);
        };
        let seat = self.seated.get(&from).filter(|l| !self.is_beyond(**l));
        if self.most == 0 || seat.is_none() {
            let what = format!(
                "{by:?} has {lease:?} beyond the seats, for {} ms; {from:?} has {seat:?}",
                self.most
            );
            return self.broken(what);
        }
        let mut others = self.all.values();
        if others.any(|h| h.stands == Stands::Beyond && h.from == from) {
            return self.broken(format!("the seat of {from:?} is to be two others'"));
        }
        let last = self.handed.get(&from).copied();
        let free = last.map_or(0, |h| h.at + h.most.min(self.most) * AGAIN);
        if self.now + slack(self.most * AGAIN) < free && !self.is_copied(&[from]) {
            let what = format!(
                "the seat of {from:?} is handed over, and was at {last:?}: not again before {free} ms"
            );
            return self.broken(what);
        }
        seen.handovers_begun += 1;
        let h = Handover {
            from,
            since: self.now,
            most: self.most,
            stands: Stands::Beyond,
        };
        self.hands(from, &h, false);
        self.all.insert(lease, h);
        Ok(())
    }

    fn answered(&mut self, msg: MsgNo, reply: &Reply) -> Verdict {
        let Reply::Lease {
            lease, called_back, ..
        } = reply
        else {
            return Ok(());
        };
        let mut seated = self.seated.iter();
        let Some(holder) = seated.find(|(_, l)| *l == lease).map(|(h, _)| *h) else {
            return Ok(());
        };
        let h = self.all.get(lease).filter(|_| self.is_beyond(*lease));
        // What its successor was told the next run hears of that alone, if it comes.
        if h.is_none() && self.handed.contains_key(&holder) {
            self.tell.insert(msg, holder);
        }
        if self.is_copied(&[holder]) {
            return Ok(());
        }
        match h {
            Some(h) if !called_back || self.now > h.until() + slack(h.most) => self.broken(format!(
                "{lease:?} of {holder:?} is beyond the seats until {} ms, and is answered {reply:?}",
                h.until()
            )),
            None if *called_back && !self.unentitled.contains(&holder.group()) => {
                self.broken(format!(
                    "{lease:?} of {holder:?} has its seats, and is called back: {reply:?}"
                ))
            }
            _ => Ok(()),
        }
    }

    /// An application is told until when it is licensed.
    fn told(&self, copy: CopyNo, lease: LeaseNo, limit: Option<Ms>) -> Verdict {
        let holder = self.copies.get(&copy).copied().unwrap_or_default();
        let h = self.all.get(&lease);
        let Some(h) = h.filter(|h| h.stands != Stands::Seat) else {
            return Ok(());
        };
        // An answer that was waited for counts from when it was asked for, by a clock that drifts.
        let most = h.until() + slack(h.most * 2 + LONGEST_WAIT);
        if limit.is_some_and(|t| t > most) && !self.is_copied(&[holder, h.from]) {
            return self.broken(format!(
                "{holder:?} goes by {lease:?} until {limit:?} ms, which is beyond the seats until {} ms",
                h.until()
            ));
        }
        Ok(())
    }

    fn step_end(&mut self) -> Verdict {
        for from in std::mem::take(&mut self.ended) {
            let mut all = self.all.iter();
            let left = all.find(|(_, h)| h.stands == Stands::Beyond && h.from == from);
            if let Some((lease, _)) = left.filter(|_| !self.is_copied(&[from])) {
                return self.broken(format!(
                    "{from:?} has its seat no more, and {lease:?}, which is to have it, has none"
                ));
            }
        }
        for (lease, h) in self.all.iter().filter(|(_, h)| h.stands == Stands::Beyond) {
            let last = h.until() + margin(h.most);
            if self.now > last + slack(h.most) + 1_000 {
                return self.broken(format!(
                    "{lease:?} is beyond the seats, and was to be free at {last} ms"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
