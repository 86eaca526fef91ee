//! Promise 8: of two live copies of a holder exactly one is `Held` within two renewals of both;
//! without a copy nobody is told `cloned`.
//!
//! Two renewals: each copy heard two answers with the lease to renewals that it sent since the last
//! of them began to be `Held` for that lease, of the run of the server that goes on. Then not both
//! are `Held`. And not every copy is told `cloned` while all live.
//!
//! A late or repeated message whose answer nobody awaits may be answered `cloned`: nobody is told
//! that. It must end nothing.

use super::Seen;
use super::measure::broken;
use super::model::Model;
use crate::history::{Broken, ClaimNo, CopyNo, HolderNo, MsgNo, RunNo};

/// `cloned` is the answer to the newest request of a copy, or is heard so, or ends what an
/// application had.
pub(super) fn told(m: &Model, holder: HolderNo, what: &str, seen: &mut Seen) -> Result<(), Broken> {
    seen.cloned += 1;
    if m.apps.copied.contains_key(&holder) {
        return Ok(());
    }
    broken(
        8,
        m.now,
        format!("{holder:?} {what} `cloned`, and was never copied: a retry is not a copy"),
    )
}

/// Every copy heard `cloned`, though all live: none is left.
pub(super) fn none_left(m: &Model, holder: HolderNo, claim: ClaimNo) -> Result<(), Broken> {
    let copies = m.apps.copies_of(holder);
    let since = m.apps.copied.get(&holder).copied().unwrap_or_default();
    let all = m.apps.of_claim(holder, claim).count() == copies.len()
        && m.apps
            .of_claim(holder, claim)
            .all(|(_, copy, app)| copy.speaks() && app.ended_by == Some("cloned"));
    if copies.len() < 2 || !all || since < m.run.started || !m.run.up {
        return Ok(());
    }
    broken(
        8,
        m.now,
        format!(
            "all {} copies of {holder:?} {claim:?} were told `cloned`; one should be Held",
            copies.len()
        ),
    )
}

/// A copy hears an answer with the lease to a renewal.
pub(super) fn renewed(
    m: &mut Model,
    no: CopyNo,
    claim: ClaimNo,
    msg: MsgNo,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let now = m.now;
    let run = m.run.no;
    let Some(sent) = m.apps.sent(msg) else {
        return Ok(());
    };
    let (at, by) = (sent.at, sent.run());
    let Some(app) = m.apps.claims.get(&(no, claim)) else {
        return Ok(());
    };
    let holder = app.holder;
    let Some(&copied) = m.apps.copied.get(&holder) else {
        return Ok(());
    };
    if at < copied || at < m.run.started || by != Some(run) {
        return Ok(());
    }
    if let Some(app) = m.apps.claims.get_mut(&(no, claim)) {
        let count = if app.renewed.1 == run {
            app.renewed.0
        } else {
            0
        };
        app.renewed = (count + 1, run);
    }
    let both = |m: &Model, no: CopyNo, run: RunNo| {
        m.apps
            .claims
            .get(&(no, claim))
            .zip(m.apps.copies.get(&no))
            .is_some_and(|(a, c)| {
                a.renewed.1 == run && a.renewed.0 >= 2 && c.speaks() && a.held(now)
            })
    };
    let mut live = 0;
    for (other, ..) in m.apps.of_claim(holder, claim) {
        live += 1;
        if other != no && both(m, other, run) && both(m, no, run) {
            return broken(
                8,
                now,
                format!(
                    "{no:?} and {other:?} of {holder:?} {claim:?} are both Held, and both had two renewals answered since one was \
                     copied at {copied} ms"
                ),
            );
        }
    }
    seen.renewals_of_copies += u64::from(live > 1);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::story::*;
    use crate::history::*;

    #[test]
    fn cloned_needs_a_copy() {
        for copied in [true, false] {
            let mut s = Story::new(1);
            s.granted(1, 1).wait(10);
            if copied {
                s.copied(1, 2).says_held(2, 1, 1000).wait(10);
                s.renews(1, 1);
            }
            let copy = if copied { 2 } else { 1 };
            let renewal = s.renewal(copy, 1);
            let msg = s.sends(copy, renewal);
            s.answer(msg, Reply::Problem("cloned"))
                .says(copy, Says::Lost);
            assert_eq!(s.verdict(), if copied { None } else { Some(8) });
        }
    }

    #[test]
    fn of_two_copies_one_is_held() {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10).copied(1, 2).says_held(2, 1, 1000);
        s.wait(1000).renews(1, 1).wait(100).renews(2, 1);
        assert_eq!(s.verdict(), None, "one renewal each is not two");
        s.wait(1000).renews(1, 1).wait(100).renews(2, 1);
        assert_eq!(s.verdict(), Some(8));
    }

    #[test]
    fn of_two_copies_not_both_are_lost() {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10).copied(1, 2).says_held(2, 1, 1000);
        s.wait(1000);
        for copy in [1, 2] {
            let renewal = s.renewal(copy, 1);
            let msg = s.sends(copy, renewal);
            s.answer(msg, Reply::Problem("cloned"))
                .says(copy, Says::Lost);
        }
        assert_eq!(s.verdict(), Some(8));
    }
}
