//! Promise 3: what a restart keeps. Nothing new is granted before Q; each lease is taken in at most once, unexpired, with its secret,
//! within the seats; a holder that arrives within its lease stays `Held`, with the same id; places in line come back with tickets.
//!
//! Q may end early: once every seat of a pool was taken at one moment (then no earlier lease from that pool is out there), or once
//! each holder on a roster was in the books or gone. Under `Confirmed` seats of an earlier run may also be held by pods that
//! are silent: nothing new is granted before such an early end, or the grace. How long a token lives: D + M from its answer;
//! under `Confirmed`, where its seat waits for it, the grace.

use super::Seen;
use super::model::{Change, Message, Model, Stand, Step, broken, margin, slack};
use crate::history::{Broken, Msg, Reclaim, Reply, RunNo};

/// A lease is booked.
pub(super) fn booked(
    m: &Model,
    step: &Step,
    change: &Change,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let Some(lease) = m.leases.get(&change.lease) else {
        return Ok(());
    };
    if change.is != Stand::Seat || change.was == Stand::Seat {
        return Ok(());
    }
    if change.ended_before == m.run.no {
        return broken(
            3,
            m.now,
            format!(
                "{:?} of {:?} has a seat again, after it had ended in this run",
                change.lease, lease.holder
            ),
        );
    }
    // A lease of an earlier run comes back by its token only; out of the line it is granted anew.
    if change.seated_before == RunNo(0) || change.was.in_line() {
        return Ok(());
    }
    let claim = step
        .message()
        .filter(|c| change.taken_in && (c.holder, c.claim) == (lease.holder, lease.claim));
    let Some(Msg::Claim {
        secret,
        shows_secret,
        ..
    }) = claim.map(|c| &c.what)
    else {
        return broken(
            3,
            m.now,
            format!(
                "{:?} of {:?}, a lease of {:?}, has a seat again though nobody showed its token",
                change.lease, lease.holder, change.seated_before
            ),
        );
    };
    if !shows_secret || lease.secret != Some(*secret) {
        return broken(
            11,
            m.now,
            format!(
                "{:?} of {:?} is taken in without its secret (shown: {shows_secret}, {secret:?}; it is {:?})",
                change.lease, lease.holder, lease.secret
            ),
        );
    }
    let (answered, d) = lease.answered.unwrap_or_default();
    let mut life = d;
    if m.run.reclaim == Reclaim::Confirmed {
        life = life.max(m.run.grace.0);
    }
    let life = life + margin(d);
    if m.now > answered + life + slack(life) {
        return broken(
            3,
            m.now,
            format!(
                "{:?} of {:?} is taken in with an expired token: it was answered last at {answered} ms, for {d} ms",
                change.lease, lease.holder
            ),
        );
    }
    seen.taken_in += 1;
    Ok(())
}

/// At the end of a step.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Result<(), Broken> {
    for change in &step.changes {
        if change.grant() {
            not_before_q(m, change)?;
        }
    }
    if step.settled && m.run.before_q(m.now) && !m.run.roster_done && !m.run.all_full() {
        return broken(
            3,
            m.now,
            format!(
                "{:?} ends settling {} ms after its start; Q is {} ms, not every seat was taken, no roster was complete",
                m.run.no,
                m.now - m.run.started,
                m.run.settling()
            ),
        );
    }
    let q = m.run.settling();
    let late = (m.run.started + q + 1000 + slack(q)).max(m.run.thawed);
    if m.run.up && !m.run.settled && m.run.reclaim == Reclaim::Any && m.now > late {
        return broken(
            3,
            m.now,
            format!(
                "{:?} still settles {} ms after its start; Q is {q} ms",
                m.run.no,
                m.now - m.run.started
            ),
        );
    }
    if let Some(message) = step.message() {
        stays_held(m, step, message, seen)?;
        keeps_its_place(m, step, message, seen)?;
        if m.run.before_q(m.now)
            && let Some(Reply::Waiting {
                lease,
                settling: true,
                ..
            }) = step.reply()
        {
            seen.held_back_settling +=
                u64::from(m.leases.get(lease).is_some_and(|l| m.fits(&l.items)));
        }
    }
    Ok(())
}

fn not_before_q(m: &Model, change: &Change) -> Result<(), Broken> {
    let Some(lease) = m.leases.get(&change.lease) else {
        return Ok(());
    };
    let run = &m.run;
    if run.longest_before == 0
        || run.roster_done
        || run.all_full()
        || lease.draws.iter().all(|(pool, _)| run.was_full(*pool))
    {
        return Ok(());
    }
    if run.before_q(m.now) {
        return broken(
            3,
            m.now,
            format!(
                "{:?} of {:?} is granted {} ms after the start of {:?}; before Q ({} ms, from the longest earlier lease of {} ms) holders \
                 of earlier leases may still come",
                change.lease,
                lease.holder,
                m.now - run.started,
                run.no,
                run.settling(),
                run.longest_before
            ),
        );
    }
    let silence = run.grace.1.max(run.longest_before);
    let until = run.started + silence + margin(run.longest_before);
    if run.reclaim == Reclaim::Confirmed && m.now + slack(silence) < until {
        return broken(
            3,
            m.now,
            format!(
                "{:?} of {:?} is granted {} ms after the start of {:?}, under Confirmed: {}",
                change.lease,
                lease.holder,
                m.now - run.started,
                run.no,
                if run.has_roster() {
                    "holders on the roster are neither in nor gone"
                } else {
                    "no roster came"
                }
            ),
        );
    }
    Ok(())
}

/// A holder that arrives within its lease, at a server that settles, stays `Held`.
fn stays_held(m: &Model, step: &Step, message: &Message, seen: &mut Seen) -> Result<(), Broken> {
    let Msg::Claim {
        items,
        secret,
        shows_secret: true,
        held: Some(no),
        ..
    } = &message.what
    else {
        return Ok(());
    };
    let Some(lease) = m.leases.get(no) else {
        return Ok(());
    };
    let taken_in = lease.taken_in == m.run.no;
    let within = m
        .apps
        .of_claim(message.holder, message.claim)
        .any(|(_, copy, app)| {
            copy.runs() && app.lease == Some(*no) && app.held(m.now) && app.secret == *secret
        });
    seen.stayed_held += u64::from(within && taken_in);
    seen.came_too_late += u64::from(!within && !taken_in);
    let due = within
        && m.run.before_q(m.now)
        && message.before.is_none()
        && lease.seated_in != m.run.no
        && lease.seat_ended_in != lease.seated_in
        && lease.secret == Some(*secret)
        && lease.items == *items
        && lease.epoch == m.epoch
        && (lease.holder, lease.claim) == (message.holder, message.claim)
        && !m.run.anchor_lost
        && !m.run.revoked.contains(&message.holder)
        && !m.run.gone.contains(&message.holder)
        && !m.apps.copied.contains_key(&message.holder)
        && m.fits(items);
    let stays = matches!(step.reply(), Some(Reply::Lease { lease, .. }) if lease == no);
    if due && !stays {
        return broken(
            3,
            m.now,
            format!(
                "{:?} arrives at {:?} within its lease {no:?} (answered at, for: {:?} ms), with token and secret, and there is \
                 room; it is answered {:?}",
                message.holder,
                m.run.no,
                lease.answered,
                step.reply()
            ),
        );
    }
    Ok(())
}

/// A claim that was in line at the crash and shows its ticket is the same one again.
fn keeps_its_place(
    m: &Model,
    step: &Step,
    message: &Message,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let Msg::Claim {
        items,
        secret,
        shows_secret: true,
        held: None,
        ticket: Some(no),
        ..
    } = &message.what
    else {
        return Ok(());
    };
    let Some(lease) = m.leases.get(no) else {
        return Ok(());
    };
    let stand = m.stand(*no);
    seen.came_with_ticket += u64::from(message.before.is_none() && stand.live());
    if stand != Stand::Absent
        || message.before.is_some()
        || !lease.in_line_at_crash
        || !m.run.before_q(m.now)
        || lease.secret != Some(*secret)
        || lease.items != *items
        || (lease.holder, lease.claim) != (message.holder, message.claim)
    {
        return Ok(());
    }
    if let Some(other) = m.live(message.holder, message.claim).next() {
        return broken(
            3,
            m.now,
            format!(
                "{:?} was in line as {no:?} before the restart, and shows that ticket with its secret; now it is {other:?} (answer {:?})",
                message.holder,
                step.reply()
            ),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

    use super::super::story::*;
    use crate::history::*;

    fn back(s: &mut Story, copy: u32, no: u32) {
        let msg = s.sends(copy, s.running(copy, no));
        s.held(copy, no).answer(msg, got(no)).held_now(copy, no);
    }

    #[test]
    fn a_holder_within_its_lease_stays_held() {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(100).restart(2, 1);
        s.wait(100);
        back(&mut s, 1, 1);
        assert_eq!(s.verdict(), None);
        assert_eq!((s.seen().taken_in, s.seen().stayed_held), (1, 1));

        let mut s = Story::new(1);
        s.granted(1, 1).wait(100).restart(2, 1);
        let msg = s.sends(1, s.running(1, 1));
        s.book(1, 2, Book::Contested);
        s.answer(msg, settling(2, 1));
        assert_eq!(s.verdict(), Some(3));
    }

    #[test]
    fn nothing_new_before_q_of_the_longest_earlier_lease() {
        for (after, promise) in [
            (0, Some(3)),
            (D + M, Some(3)),
            (6 * D + 1060 - 100, Some(3)),
            (6 * D + 1060, None),
        ] {
            let mut s = Story::new(2);
            s.see(Fact::Crashed);
            s.start(2, 6 * D, Reclaim::Any, licence(2));
            s.wait(after);
            if promise.is_none() {
                s.see(Fact::Settled);
            }
            s.granted(3, 3);
            assert_eq!(s.verdict(), promise, "after {after} ms");
        }
    }

    #[test]
    fn settling_ends_early_when_every_seat_is_taken() {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(100).see(Fact::Crashed);
        let mut one_pool = licence(1);
        one_pool.pools = vec![(1, 0), (0, 0)];
        s.start(2, D, Reclaim::Any, one_pool);
        s.wait(100);
        back(&mut s, 1, 1);
        s.see(Fact::Settled);
        s.wait(100).gives_back(1, 1).wait(10).granted(2, 2);
        assert_eq!(s.verdict(), None);

        // Half of the seats are not all.
        let mut s = Story::new(2);
        s.granted(1, 1).wait(100).restart(2, 2);
        back(&mut s, 1, 1);
        s.see(Fact::Settled);
        assert_eq!(s.verdict(), Some(3));
    }

    #[test]
    fn what_is_granted_anew_fills_no_pool_with_earlier_leases() {
        let mut s = Story::new(1);
        s.restart(2, 1);
        s.wait(10).granted(1, 1);
        assert_eq!(s.verdict(), Some(3));
    }

    #[test]
    fn settling_ends_early_when_the_roster_is_in_or_gone() {
        for complete in [true, false] {
            let mut s = Story::new(3);
            s.granted(1, 1).granted(2, 2).wait(100).restart(2, 3);
            s.see(Fact::Roster(vec![HolderNo(1), HolderNo(2)]));
            back(&mut s, 1, 1);
            if complete {
                s.dies(2).see(Fact::Gone(vec![HolderNo(2)]));
                s.see(Fact::Settled);
            }
            s.wait(10).granted(3, 3);
            assert_eq!(s.verdict(), if complete { None } else { Some(3) });
        }
    }

    #[test]
    fn settling_ends() {
        let mut s = Story::new(1);
        s.restart(2, 1);
        s.wait(D + M + 1100).begin(1);
        s.sends(1, s.claim(1, None, None));
        assert_eq!(s.verdict(), Some(3));
    }

    #[test]
    fn confirmed_waits_for_the_roster_longer_than_q() {
        for (roster, promise) in [(true, None), (false, Some(3))] {
            let mut s = Story::new(1);
            s.see(Fact::Crashed);
            s.start(2, D, Reclaim::Confirmed, licence(1));
            s.wait(D + M + 10).see(Fact::Settled);
            if roster {
                s.see(Fact::Roster(vec![]));
            }
            s.granted(1, 1);
            assert_eq!(s.verdict(), promise);
        }
    }

    #[test]
    fn an_expired_token_is_not_taken_in() {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(D - 100).see(Fact::Crashed);
        s.start(2, 6 * D, Reclaim::Any, licence(1));
        s.wait(100).says_grace(1, 1, 1000);
        s.wait(M + 100);
        let msg = s.sends(1, s.running(1, 1));
        s.held(1, 1).answer(msg, got(1));
        assert_eq!(s.verdict(), Some(3));
    }

    #[test]
    fn a_lease_is_taken_in_once_and_with_its_secret() {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(100).restart(2, 1);
        back(&mut s, 1, 1);
        s.wait(10).gives_back(1, 1);
        assert_eq!(s.verdict(), None);
        s.receive(MsgNo(1)).held(1, 1);
        assert_eq!(s.verdict(), Some(3));

        let mut s = Story::new(1);
        s.granted(1, 1).wait(100).restart(2, 1);
        let Msg::Claim {
            items,
            secret,
            held,
            ticket,
            ..
        } = s.running(1, 1)
        else {
            panic!()
        };
        let bare = Msg::Claim {
            items,
            secret,
            shows_secret: false,
            held,
            ticket,
            runs_after_held: true,
            runs_optimistic: false,
        };
        s.sends(1, bare);
        s.held(1, 1);
        assert_eq!(s.verdict(), Some(11));

        let mut s = Story::new(1);
        s.granted(1, 1).wait(100).restart(2, 1);
        s.held(1, 1);
        assert_eq!(s.verdict(), Some(3), "nobody asked");
    }

    #[test]
    fn leases_are_taken_in_within_the_seats() {
        let mut s = Story::new(2);
        s.granted(1, 1).granted(2, 2).wait(100).restart(2, 1);
        back(&mut s, 1, 1);
        back(&mut s, 2, 2);
        assert_eq!(s.verdict(), Some(3));
    }

    #[test]
    fn a_ticket_keeps_the_place() {
        let line = |s: &mut Story| {
            s.granted(1, 1).waits(2, 2, 1).wait(1).waits(3, 3, 2);
            s.wait(100).restart(2, 1);
            s.wait(10);
            let msg = s.sends(3, s.claim(3, None, Some(3)));
            s.book(3, 3, Book::Waiting).answer(msg, settling(3, 1));
            s.wait(10);
            s.sends(2, s.claim(2, None, Some(2)))
        };
        let mut s = Story::new(1);
        let msg = line(&mut s);
        s.book(2, 2, Book::Waiting).answer(msg, settling(2, 1));
        assert_eq!(s.verdict(), None);
        assert_eq!(s.seen().came_with_ticket, 2);

        let mut s = Story::new(1);
        let msg = line(&mut s);
        s.book(2, 2, Book::Waiting).answer(msg, settling(2, 2));
        assert_eq!(s.verdict(), Some(5), "behind the one that came after it");

        let mut s = Story::new(1);
        let msg = line(&mut s);
        s.book(2, 4, Book::Waiting).answer(msg, settling(4, 2));
        assert_eq!(s.verdict(), Some(3), "another lease");
    }
}
