//! The name of what a holder was told its lease stands under. Whoever still has that need not be
//! told again, and the server remembers nothing of what it told whom.

use super::authority::LeaseTerms;
use crate::ledger::Granted;
use crate::names::{InstanceId, TermsId};
use crate::policy::OptimisticStart;
use crate::secret::sha256;
use std::time::Duration;

/// All that a lease's answer and its token say, but for what each renewal counts on: its counter
/// and its date. What is fixed with the claim is not in it.
pub(super) fn terms_id(instance: InstanceId, g: &Granted, terms: &LeaseTerms) -> TermsId {
    let mut of = Vec::with_capacity(256);
    of.extend(instance.to_bytes());
    let mut number = |n: u64| of.extend(n.to_le_bytes());
    let secs = |d: Duration| d.as_secs();
    number(secs(terms.lease_for));
    number(secs(terms.run_for));
    number(secs(terms.max_contested));
    number(match terms.optimistic_start {
        OptimisticStart::Allow => 0,
        OptimisticStart::Voucher => 1,
        OptimisticStart::Deny => 2,
    });
    number(u64::from(g.overdraft));
    number(u64::from(g.called_back.is_some()));
    let mut text = |t: &str| {
        of.extend((t.len() as u64).to_le_bytes());
        of.extend(t.as_bytes());
    };
    for part in &g.parts {
        text(&part.license.0);
        for d in &part.draws {
            text(d.pool.as_str());
            text(&d.seats.to_string());
        }
    }
    let hash = sha256(&of);
    TermsId::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}
