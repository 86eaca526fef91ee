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
use super::apps::{App, AppNo, KnownCopy};
use super::measure::Verdict;
use super::model::{ClaimOf, Model};
use crate::history::{CopyNo, HolderNo, MsgNo};

/// `cloned` is the answer to the newest request of a copy, or is heard so, or ends what an
/// application had.
pub(super) fn told(m: &Model, holder: HolderNo, what: &str, seen: &mut Seen) -> Verdict {
    seen.cloned += 1;
    if m.apps.copied.contains_key(&holder) {
        return Ok(());
    }
    let what = format!("{holder:?} {what} `cloned`, and was never copied: a retry is not a copy");
    m.broken(8, what)
}

/// Every copy heard `cloned`, though all live: none is left.
pub(super) fn none_left(m: &Model, (holder, claim): ClaimOf) -> Verdict {
    let copies = m.apps.copies_of(holder).len();
    let since = m.apps.copied.get(&holder).copied().unwrap_or_default();
    let mut apps = m.apps.of_claim((holder, claim));
    let all = apps.clone().count() == copies
        && apps.all(|(_, copy, app)| copy.speaks() && app.ended_by == Some("cloned"));
    if copies < 2 || !all || since < m.run.started || !m.run.up {
        return Ok(());
    }
    let what = format!(
        "all {copies} copies of {holder:?} {claim:?} were told `cloned`; one should be Held"
    );
    m.broken(8, what)
}

/// A copy hears an answer with the lease to a renewal.
pub(super) fn renewed(m: &mut Model, at: AppNo, msg: MsgNo, seen: &mut Seen) -> Verdict {
    let (now, run, (no, claim)) = (m.now, m.run.no, at);
    let (Some(sent), Some(app)) = (m.apps.sent(msg), m.apps.claims.get(&at)) else {
        return Ok(());
    };
    let holder = app.holder;
    let Some(&copied) = m.apps.copied.get(&holder) else {
        return Ok(());
    };
    if sent.at < copied || sent.at < m.run.started || sent.run() != Some(run) {
        return Ok(());
    }
    if let Some(app) = m.apps.claims.get_mut(&at) {
        let count = match app.renewed {
            (count, of) if of == run => count,
            _ => 0,
        };
        app.renewed = (count + 1, run);
    }
    let twice = |(_, copy, app): &(CopyNo, &KnownCopy, &App)| {
        app.renewed.1 == run && app.renewed.0 >= 2 && copy.speaks() && app.held(now)
    };
    let all: Vec<_> = m.apps.of_claim((holder, claim)).collect();
    let both: Vec<_> = all.iter().filter(|a| twice(a)).map(|a| a.0).collect();
    if let Some(other) = both.iter().find(|o| **o != no && both.contains(&no)) {
        let what = format!(
            "{no:?} and {other:?} of {holder:?} {claim:?} are both Held, and both had two renewals answered since one was \
             copied at {copied} ms"
        );
        return m.broken(8, what);
    }
    seen.renewals_of_copies += u64::from(all.len() > 1);
    Ok(())
}

#[cfg(test)]
mod tests;
