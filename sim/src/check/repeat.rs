//! Promise 6: any message repeated, reordered, up to an hour late: at most one lease per holder and
//! claim name, the place unchanged, newer leases untouched.
//!
//! Here: one lease per claim in the books, and answers that name it. That a release touches no
//! other lease is seen in `freeing`, places in `line`.

use super::Seen;
use super::measure::Verdict;
use super::model::{Message, Model, Stand, Step};
use crate::history::{Msg, Reply};

/// At the end of a step.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Verdict {
    for change in &step.changes {
        let (true, Some(lease)) = (change.is.live(), m.leases.get(&change.lease)) else {
            continue;
        };
        let stand = m.stand(change.lease);
        let mut others = m.live(lease.of).filter(|l| *l != change.lease);
        if let Some(other) = others.next().filter(|_| stand.live()) {
            let what = format!(
                "{:?} {:?} has two leases in the books: {:?} ({stand:?}) and {other:?} ({:?})",
                lease.of.0,
                lease.of.1,
                change.lease,
                m.stand(other)
            );
            return m.broken(6, what);
        }
    }
    let Some(message) = step.message() else {
        return Ok(());
    };
    if let Msg::Release { lease, .. } = &message.what {
        seen.late_releases += u64::from(message.before.is_some_and(|(l, _)| l != *lease));
    }
    same_lease(m, step, message, seen)
}

/// A claim that is in the books is asked for again: it stays that lease, and the answer says so.
fn same_lease(m: &Model, step: &Step, message: &Message, seen: &mut Seen) -> Verdict {
    let Some((no, stand)) = message.before else {
        return Ok(());
    };
    let Some(lease) = m.leases.get(&no) else {
        return Ok(());
    };
    let (named, what) = match &message.what {
        Msg::Claim { secret, .. } if lease.secret == Some(*secret) => (no, "asked for again"),
        Msg::Renew { lease, .. } => (*lease, "renewed"),
        _ => return Ok(()),
    };
    seen.repeated += u64::from(what == "asked for again");
    seen.repeated_by_network += u64::from(message.again);
    let (holder, reply) = (message.of.0, step.reply());
    let other = match reply {
        Some(Reply::Lease { lease, .. } | Reply::Waiting { lease, .. }) => Some(*lease),
        _ => None,
    };
    // What was due anyway may have ended in the same step.
    if let Some(other) = other.filter(|o| *o != named && m.stand(named).live()) {
        let what = format!("{named:?} of {holder:?} is {what}; the answer speaks of {other:?}");
        return m.broken(6, what);
    }
    let seated = stand == Stand::Seat && m.stand(no) == Stand::Seat && named == no;
    if seated && matches!(reply, Some(Reply::Waiting { .. })) {
        let what =
            format!("{no:?} of {holder:?} has its seat and is {what}; the answer is that it waits");
        return m.broken(6, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::story::*;
    use crate::history::*;

    #[test]
    fn a_repeated_claim_is_the_same_lease() {
        let mut s = Story::new(2);
        s.granted(1, 1).wait(10);
        let msg = s.sends(1, s.claim(1, None, None));
        s.answer(msg, got(1));
        s.receive(msg).see(Fact::Answered { msg, reply: got(1) });
        assert_eq!(s.verdict(), None);
        assert_eq!((s.seen().repeated, s.seen().repeated_by_network), (2, 1));

        let mut s = Story::new(2);
        s.granted(1, 1).wait(10);
        let msg = s.sends(1, s.claim(1, None, None));
        s.held(1, 2).answer(msg, got(2));
        assert_eq!(s.verdict(), Some(6), "a second seat");

        let mut s = Story::new(2);
        s.granted(1, 1).granted(2, 2).waits(3, 3, 1).wait(10);
        let msg = s.sends(1, s.claim(1, None, None));
        s.answer(msg, waiting(3, 1));
        assert!(s.verdict().is_some(), "another's lease");

        let mut s = Story::new(2);
        s.granted(1, 1).granted(2, 2).waits(3, 3, 1).wait(10);
        s.sends(3, s.claim(3, None, None));
        s.ended(3, 3, "anew").book(3, 4, Book::Waiting);
        assert_eq!(s.verdict(), Some(6), "a new place");
    }
}
