//! Promise 5: no claim is granted while a better-ranked one that shares a pool waits; and a waiting claim is granted in the step in
//! which it can be.
//!
//! Better-ranked: a contested claim that was once `Held` (it proves that with its token); then priority; then arrival. The design
//! leaves open how contested claims stand among themselves: as all others, by priority and arrival. A claim shares a pool
//! with a grant if any alternative of its products draws on a pool that the grant draws on.
//!
//! Arrival is the first time that the books had the claim in line. A ticket keeps it over a restart, if it is shown within Q. For a
//! claim that left the line and came back, or came back later, arrival says nothing here (`fuzzy`).
//!
//! Nobody waits behind the dead: a claim that was not asked for within D neither blocks nor is granted.

use super::Seen;
use super::model::{Change, Model, Step, broken};
use crate::history::{Broken, Index, LeaseNo, MsgNo, Reclaim, Reply};

/// A place in line: less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// 0: contested, once held. 1: all others.
    pub(super) class: u8,
    /// The priority, negated.
    pub(super) rank: i64,
    pub(super) arrival: u64,
    pub(super) lease: LeaseNo,
}

/// Who waits, best first: over all, and for each pool that a claim could draw on. Sorted lists: a step in and out moves some
/// kilobytes at worst, and a place is found by bisection.
#[derive(Debug, Default)]
pub(super) struct Lines {
    all: Vec<Key>,
    pools: Vec<Vec<Key>>,
    /// How many have an unknown arrival.
    fuzzy: usize,
    /// Pools whose head might be granted now.
    touched: Vec<Index>,
}

fn put(list: &mut Vec<Key>, key: Key) {
    if let Err(i) = list.binary_search(&key) {
        list.insert(i, key);
    }
}

fn out(list: &mut Vec<Key>, key: Key) {
    if let Ok(i) = list.binary_search(&key) {
        list.remove(i);
    }
}

impl Lines {
    pub(super) fn all(&self) -> &[Key] {
        &self.all
    }

    fn pool(&self, pool: Index) -> &[Key] {
        self.pools.get(pool).map_or(&[], |l| l.as_slice())
    }

    pub(super) fn insert(&mut self, key: Key, pools: &[Index], fuzzy: bool) {
        put(&mut self.all, key);
        for &pool in pools {
            if self.pools.len() <= pool {
                self.pools.resize_with(pool + 1, Vec::new);
            }
            if let Some(list) = self.pools.get_mut(pool) {
                put(list, key);
            }
            self.touch(pool);
        }
        self.fuzzy += usize::from(fuzzy);
    }

    pub(super) fn remove(&mut self, key: Key, pools: &[Index], fuzzy: bool) {
        out(&mut self.all, key);
        for &pool in pools {
            if let Some(list) = self.pools.get_mut(pool) {
                out(list, key);
            }
            self.touch(pool);
        }
        self.fuzzy = self.fuzzy.saturating_sub(usize::from(fuzzy));
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.pools.clear();
        self.fuzzy = 0;
        self.touched.clear();
    }

    pub(super) fn touch(&mut self, pool: Index) {
        if !self.touched.contains(&pool) {
            self.touched.push(pool);
        }
    }

    pub(super) fn touch_all(&mut self, pools: usize) {
        self.touched = (0..pools).collect();
    }

    /// Whether some arrival is unknown, so that somebody else might be before a claim.
    pub(super) fn unsure(&self) -> bool {
        self.fuzzy > 0 && self.all.len() > 1
    }

    /// The place that a key has in line, from 1, as far as arrivals are known.
    pub(super) fn place(&self, key: &Key) -> Option<usize> {
        if self.fuzzy > 0 {
            return None;
        }
        self.all.binary_search(key).ok().map(|i| i + 1)
    }
}

/// Whether `a` is better than `b` for sure.
pub(super) fn better(m: &Model, a: &Key, b: &Key) -> bool {
    let fuzzy = |k: &Key| m.leases.get(&k.lease).is_some_and(|l| l.fuzzy);
    a < b && ((a.class, a.rank) != (b.class, b.rank) || !(fuzzy(a) || fuzzy(b)))
}

/// A claim is answered that it waits: its place is not worse than those before it make it. Promise 6 if it was there before.
pub(super) fn answered(
    m: &Model,
    step: &Step,
    msg: MsgNo,
    reply: &Reply,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let Reply::Waiting { lease, place, .. } = reply else {
        return Ok(());
    };
    let Some(key) = m.leases.get(lease).and_then(|l| l.key) else {
        return broken(
            6,
            m.now,
            format!(
                "{lease:?} is told that it waits at place {place}; the books do not have it in line"
            ),
        );
    };
    let Some(most) = m.lines.place(&key) else {
        return Ok(());
    };
    seen.places += 1;
    if *place == 0 || *place as usize > most {
        let again = step
            .message()
            .is_some_and(|c| c.msg == msg && c.before.is_some());
        return broken(
            if again { 6 } else { 5 },
            m.now,
            format!(
                "{lease:?} is told place {place}; by rank (contested, priority, arrival) it is at {most} of {}",
                m.lines.all().len()
            ),
        );
    }
    Ok(())
}

/// At the end of a step: nobody was passed over, and nobody waits for free seats.
pub(super) fn step_end(m: &mut Model, step: &Step, seen: &mut Seen) -> Result<(), Broken> {
    for change in &step.changes {
        if change.grant() {
            granted(m, step, change, seen)?;
        }
    }
    if !m.run.up || m.run.frozen || m.run.anchor_lost || !m.run.settled {
        return Ok(());
    }
    let roster_missing = m.run.reclaim == Reclaim::Confirmed && !m.run.roster_done;
    if roster_missing && m.run.longest_before > 0 {
        return Ok(());
    }
    let touched = std::mem::take(&mut m.lines.touched);
    for &pool in &touched {
        can_be_granted(m, pool, seen)?;
    }
    Ok(())
}

fn granted(m: &Model, step: &Step, change: &Change, seen: &mut Seen) -> Result<(), Broken> {
    let (Some(lease), Some(key)) = (m.leases.get(&change.lease), change.rank) else {
        return Ok(());
    };
    let asks = step
        .message()
        .is_some_and(|c| c.holder == lease.holder && c.claim == lease.claim);
    if change.was.in_line() {
        seen.granted_from_line += 1;
        if !asks && m.surely_dead(lease) {
            return broken(
                5,
                m.now,
                format!(
                    "{:?} of {:?} is granted though nobody asked for it since {} ms (D is {})",
                    change.lease, lease.holder, lease.asked, m.run.lease_for
                ),
            );
        }
    }
    for &(pool, _) in &lease.draws {
        let line = m.lines.pool(pool);
        seen.granted_before_others += u64::from(line.last().is_some_and(|last| *last > key));
        for waits in line.iter().take_while(|k| **k < key) {
            let Some(w) = m.leases.get(&waits.lease) else {
                continue;
            };
            if waits.lease == change.lease
                || !better(m, waits, &key)
                || !m.surely_alive(w)
                || m.run.revoked.contains(&w.holder)
                || !m.could_fit(&w.items)
            {
                continue;
            }
            return broken(
                5,
                m.now,
                format!(
                    "{:?} of {:?} (priority {}, {:?}) is granted seats of pool {pool} while {:?} of {:?} (priority {}, \
                     {:?}, asked for at {} ms) waits, is better-ranked and shares the pool",
                    change.lease,
                    lease.holder,
                    lease.priority,
                    key,
                    waits.lease,
                    w.holder,
                    w.priority,
                    waits,
                    w.alive
                ),
            );
        }
    }
    Ok(())
}

/// The first in line for a pool that is not surely dead; `None` if it is not sure who that is.
fn head(m: &Model, pool: Index) -> Option<Key> {
    let line = m.lines.pool(pool);
    for (i, key) in line.iter().enumerate() {
        let lease = m.leases.get(&key.lease)?;
        if m.surely_dead(lease) || m.run.revoked.contains(&lease.holder) {
            continue;
        }
        // Somebody whose arrival is unknown may be before it.
        let unsure = m.lines.fuzzy > 0
            && line
                .iter()
                .skip(i + 1)
                .take_while(|k| (k.class, k.rank) == (key.class, key.rank))
                .any(|k| !better(m, key, k));
        if unsure {
            return None;
        }
        return (m.surely_alive(lease) && m.could_fit(&lease.items)).then_some(*key);
    }
    None
}

fn can_be_granted(m: &Model, pool: Index, seen: &mut Seen) -> Result<(), Broken> {
    let Some(key) = head(m, pool) else {
        return Ok(());
    };
    let Some(lease) = m.leases.get(&key.lease) else {
        return Ok(());
    };
    if !lease.pools.iter().all(|p| head(m, *p) == Some(key)) {
        return Ok(());
    }
    if !m.fits(&lease.items) {
        seen.head_waits_for_seats += 1;
        return Ok(());
    }
    broken(
        5,
        m.now,
        format!(
            "{:?} of {:?} for {:?} is first in line and fits into what is free (used {:?} of {:?}), and is not granted",
            key.lease, lease.holder, lease.items, m.run.used, m.licence.pools
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

    use super::super::story::*;
    use crate::history::*;

    /// 1 holds the only seat; 2 and 3 wait.
    fn line(first: i32, second: i32) -> Story {
        let mut s = Story::new(1);
        s.priority.insert(2, first);
        s.priority.insert(3, second);
        s.granted(1, 1).waits(2, 2, 1).wait(1);
        let place = if second > first { 1 } else { 2 };
        s.waits(3, 3, place).wait(100);
        s
    }

    #[test]
    fn arrival_and_priority_decide() {
        for (first, second, granted, promise) in [
            (0, 0, 2, None),
            (0, 0, 3, Some(5)),
            (0, 5, 3, None),
            (0, 5, 2, Some(5)),
        ] {
            let mut s = line(first, second);
            s.gives_back(1, 1).held(granted, granted);
            assert_eq!(s.verdict(), promise, "{first} {second}: {granted}");
        }
    }

    #[test]
    fn a_free_seat_is_granted_in_the_step_that_frees_it() {
        let mut s = line(0, 0);
        s.gives_back(1, 1);
        assert_eq!(s.verdict(), Some(5));
        let mut s = line(0, 0);
        s.see(Fact::Reloaded(licence(2)));
        assert_eq!(s.verdict(), Some(5));
        let mut s = line(0, 0);
        s.see(Fact::Reloaded(licence(2))).held(2, 2);
        assert_eq!(s.verdict(), None);
    }

    #[test]
    fn nothing_is_granted_while_the_anchor_is_lost_and_all_when_it_is_back() {
        let mut s = line(0, 0);
        s.see(Fact::AnchorLost(true)).wait(10).gives_back(1, 1);
        assert_eq!(s.verdict(), None);
        s.see(Fact::AnchorLost(false));
        assert_eq!(s.verdict(), Some(5));
    }

    #[test]
    fn free_seats_gather_for_the_head() {
        let waits = || {
            let mut s = Story::new(2);
            s.granted(1, 1).granted(2, 2);
            s.items.insert(3, vec![(0, 2)]);
            s.waits(3, 3, 1).wait(10).gives_back(1, 1).wait(10);
            s
        };
        let mut s = waits();
        assert_eq!(s.verdict(), None);
        s.granted(4, 4);
        assert_eq!(s.verdict(), Some(5), "a small one overtakes");
        let mut s = waits();
        s.waits(4, 4, 2).gives_back(2, 2).held(3, 3);
        assert_eq!(s.verdict(), None);
        assert!(s.seen().head_waits_for_seats > 0 && s.seen().granted_before_others > 0);
    }

    #[test]
    fn another_pool_is_another_line() {
        let mut s = Story::new(1);
        s.granted(1, 1).waits(2, 2, 1).wait(10);
        s.items.insert(3, vec![(2, 1)]);
        s.begin(3);
        s.sends(3, s.claim(3, None, None));
        s.book(
            3,
            3,
            Book::Held {
                draws: vec![(1, 1)],
            },
        );
        assert_eq!(s.verdict(), None);
    }

    #[test]
    fn the_dead_are_not_granted_and_hold_nobody_up() {
        let mut s = line(0, 0);
        s.wait(D - 1000).asks_again(3, 3, 2).renews(1, 1);
        s.wait(D - 1000).asks_again(3, 3, 2).wait(100);
        s.gives_back(1, 1).held(2, 2);
        assert_eq!(s.verdict(), Some(5), "dead");
        let mut s = line(0, 0);
        s.wait(D - 1000).asks_again(3, 3, 2).renews(1, 1);
        s.wait(D - 1000).asks_again(3, 3, 2).wait(100);
        s.gives_back(1, 1).held(3, 3);
        assert_eq!(s.verdict(), None);
        let mut s = line(0, 0);
        s.wait(D - 1000).asks_again(3, 3, 2).renews(1, 1);
        s.wait(D - 1000).asks_again(3, 3, 2).wait(100);
        s.gives_back(1, 1);
        assert_eq!(s.verdict(), Some(5), "the living wait behind the dead");
    }

    #[test]
    fn places_are_ranks() {
        let mut s = line(0, 0);
        s.asks_again(2, 2, 1).asks_again(3, 3, 2);
        assert_eq!(s.verdict(), None);
        s.asks_again(2, 2, 2);
        assert_eq!(s.verdict(), Some(6), "a repeated claim loses its place");
        let mut s = line(0, 0);
        s.asks_again(3, 3, 0);
        assert_eq!(s.verdict(), Some(6));
        let mut s = line(0, 5);
        s.asks_again(2, 2, 2).asks_again(3, 3, 1);
        assert_eq!(s.verdict(), None);
    }

    #[test]
    fn contested_goes_first_and_optimistic_does_not() {
        for (held, promise) in [(true, None), (false, Some(5))] {
            let mut s = Story::new(1);
            s.priority.insert(3, 9);
            if held {
                s.granted(1, 1).wait(D).says_grace(1, 1, 1000);
                s.wait(M).ended(1, 1, "expired");
            } else {
                s.begin_as(1, 1, true);
            }
            s.granted(2, 2).waits(3, 3, 1).wait(10);
            let mut what = s.running(1, 1);
            if let Msg::Claim {
                held: token,
                shows_secret,
                runs_after_held,
                runs_optimistic,
                ..
            } = &mut what
                && !held
            {
                *token = None;
                *shows_secret = false;
                *runs_after_held = false;
                *runs_optimistic = true;
            }
            let msg = s.sends(1, what);
            s.book(1, 4, Book::Contested);
            s.see(Fact::Answered {
                msg,
                reply: waiting(4, 1),
            });
            s.wait(10).gives_back(2, 2).held(1, 4);
            assert_eq!(s.verdict(), promise);
        }
    }
}
