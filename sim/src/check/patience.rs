//! Promise 5 where the policy has `backfill`: for how long claims are passed that do not fit. No
//! promise is judged here.
//!
//! A claim's patience begins when it is passed first: at the latest when a claim was granted past
//! it that for sure ranked lower and shared a pool that both draw on, and at the earliest when one
//! was granted that may have. It ends with its place in line. Over a restart that comes back with
//! its ticket, which says for how long it had been passed when the ticket was given.

use super::measure::slack;
use super::model::{Model, Passed};
use super::owners::Waits;
use crate::history::{Index, LeaseNo, Ms};

fn patience(m: &Model, pool: Index) -> Option<Ms> {
    m.run.policy.as_ref()?.patience(pool)
}

fn since(m: &Model, no: LeaseNo) -> (Option<Ms>, Option<Ms>) {
    m.leases.get(&no).map(|l| l.passed).unwrap_or_default()
}

/// Whether a claim must not be passed in a pool: the policy has none passed there, or its patience
/// is over for sure.
pub(super) fn is_over(m: &Model, no: LeaseNo, pool: Index) -> bool {
    patience(m, pool).is_none_or(|p| {
        let over = |t: Ms| m.now > t + p + slack(p) + 2;
        since(m, no).0.is_some_and(over)
    })
}

/// Whether a claim that does not fit is passed in a pool, for sure.
pub(super) fn yields(m: &Model, no: LeaseNo, pool: Index) -> bool {
    patience(m, pool).is_some_and(|p| {
        let patient = |t: Ms| m.now + slack(p) + 2 < t + p;
        since(m, no).1.is_none_or(patient)
    })
}

/// Whether it was passed where it is passed no more.
pub(super) fn has_run_out(m: &Model, w: &Waits) -> bool {
    let over = |p: &Index| patience(m, *p).is_some() && is_over(m, w.no, *p);
    w.pools.iter().any(over)
}

/// How that stands, for people.
pub(super) fn told(m: &Model, no: LeaseNo, pool: Index) -> String {
    let patience = patience(m, pool);
    let told = patience.zip(since(m, no).0);
    told.map_or_else(String::new, |(p, t)| {
        format!(", and has been passed since {t} ms where its patience is {p} ms")
    })
}

/// These may be passed from now on.
pub(super) fn may_be_passed(m: &mut Model, all: &[Passed]) {
    let now = m.now;
    let policy = m.run.policy.as_ref();
    if policy.is_none_or(|p| p.policy.backfill.is_empty()) {
        return;
    }
    for p in all {
        if let Some(lease) = m.leases.get_mut(&p.no) {
            lease.passed.1.get_or_insert(now);
        }
    }
}

/// This one is, for sure.
pub(super) fn begins(m: &mut Model, no: LeaseNo) {
    let now = m.now;
    if let Some(lease) = m.leases.get_mut(&no) {
        lease.passed.0.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests;
