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
mod tests;
