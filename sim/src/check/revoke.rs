//! Promise 12: a revoked holder is `Lost` within D/3: its next contact tells it so, and it is not
//! `Held` again until the revocation is lifted.
//!
//! A holder makes contact each D/3; whether the network lets it through is not the promise's. So:
//! while a run of the server knows of the revocation, no request of that holder is answered with a
//! lease or a place, nothing of it is newly booked; and a copy that hears `revoked` is not licensed
//! from then on (that bound is kept in `licensed`). A new run must be told anew.

use super::Seen;
use super::measure::broken;
use super::model::{Change, Model, Step};
use crate::history::{Broken, Msg, Reply};

/// The books change.
pub(super) fn booked(m: &Model, change: &Change) -> Result<(), Broken> {
    let Some(lease) = m.leases.get(&change.lease) else {
        return Ok(());
    };
    if change.is.live() && change.was != change.is && m.run.revoked.contains(&lease.holder) {
        return broken(
            12,
            m.now,
            format!(
                "{:?} is revoked; its {:?} goes from {:?} to {:?}",
                lease.holder, change.lease, change.was, change.is
            ),
        );
    }
    Ok(())
}

/// At the end of a step.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Result<(), Broken> {
    let Some(message) = step.message() else {
        return Ok(());
    };
    if !m.run.revoked.contains(&message.holder) || matches!(message.what, Msg::Release { .. }) {
        return Ok(());
    }
    seen.contacts_of_revoked += 1;
    match step.reply() {
        Some(reply @ (Reply::Lease { .. } | Reply::Waiting { .. })) => broken(
            12,
            m.now,
            format!(
                "{:?} is revoked; it asks ({:?}) and is answered {reply:?}",
                message.holder, message.what
            ),
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::story::*;
    use crate::history::*;

    fn revoked() -> Story {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10);
        s.see(Fact::Revoked(HolderNo(1), true)).wait(10);
        s
    }

    #[test]
    fn the_next_contact_tells_it() {
        let mut s = revoked();
        let renewal = s.renewal(1, 1);
        let msg = s.sends(1, renewal);
        s.answer(msg, Reply::Problem("revoked")).says(1, Says::Lost);
        assert_eq!(s.verdict(), None);
        assert_eq!(
            (s.seen().contacts_of_revoked, s.seen().heard_revoked),
            (1, 1)
        );
        s.says_grace(1, 1, 1000);
        assert!(s.verdict().is_some(), "not licensed again");
        let mut s = revoked();
        s.renews(1, 1);
        assert_eq!(s.verdict(), Some(12));
        let mut s = revoked();
        let renewal = s.renewal(1, 1);
        let msg = s.sends(1, renewal);
        s.answer(msg, Reply::Problem("revoked"));
        assert_eq!(s.verdict(), Some(12), "it goes on");
    }

    #[test]
    fn nothing_new_until_it_is_lifted() {
        for lifted in [true, false] {
            let mut s = revoked();
            s.ended(1, 1, "revoked").dies(1).wait(10);
            if lifted {
                s.see(Fact::Revoked(HolderNo(1), false));
            }
            s.begin_as(1, 5, false);
            let msg = s.sends(1, s.claim(1, None, None));
            s.held(1, 2).answer(msg, got(2));
            assert_eq!(s.verdict(), if lifted { None } else { Some(12) });
        }
    }
}
