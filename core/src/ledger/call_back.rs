//! Leases that are called back: renewed up to a limit that each answer and each token tells, and
//! not beyond it, unless what speaks against them goes away before (promise 4).
//!
//! Whoever judges a lease says so at each request of its holder. The first such word sets the
//! limit; later ones move it nowhere. A holder is never `Lost` at once by a slip of who judges.
//! Past the limit nothing that it asks counts as a sign of life: its seats are free at the last one
//! that did + D + M, as a revoked holder's, and never by an answer, which may be lost. Those of a
//! loan that its owner wants back are free when neither that nor the notice is in force at any
//! holder, though it asks on.

use super::refusal::Refusal;
use super::state::Ledger;
use super::types::{CallBack, CalledBack};
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::policy::Reclaim;
use crate::time::{BootTime, margin};
use crate::wire::EndReason;

impl Ledger {
    /// What is said now of a granted lease whose holder asks: `Err` if its notice, or its handover,
    /// has run out.
    pub(super) fn judge(
        &mut self,
        id: LeaseId,
        against: Option<&CallBack>,
        now: BootTime,
    ) -> Result<(), Refusal> {
        self.judge_notice(id, against, now)?;
        self.judge_handover(id, now)
    }

    fn judge_notice(
        &mut self,
        id: LeaseId,
        against: Option<&CallBack>,
        now: BootTime,
    ) -> Result<(), Refusal> {
        let wanted = self.wanted_back(id).filter(|_| against.is_none());
        let (is_loan, against) = (wanted.is_some(), against.or(wanted.as_ref()));
        let d = self.settings.lease_for;
        let Some(at) = self.entries.find(&id) else {
            return Ok(());
        };
        let Some(e) = self.entries.at_mut(at) else {
            return Ok(());
        };
        let was = e.called_back().map(|c| &c.why);
        let news = was != against.map(|c| &c.why);
        let Some(CallBack { why, notice, told }) = against else {
            e.goes_on();
            if news {
                self.tell(id, now);
            }
            return Ok(());
        };
        // Nor of one whose seats are not there: that is what its holder is told.
        if e.called_back().is_none() && (!*told || e.stranded().is_some()) {
            return Ok(());
        }
        let first = e.called_back().map(|c| c.until);
        let first = first.filter(|_| !mutant::on(Mutant::NoticeBeginsAnew));
        let until = first.unwrap_or(now + *notice);
        let why = why.clone();
        let not_before = e.not_before();
        let rare = e.rare();
        rare.called_back = Some(CalledBack {
            why: why.clone(),
            until,
        });
        let ends_by_time = self.settings.reclaim == Reclaim::Any;
        if is_loan && ends_by_time && !mutant::on(Mutant::LoanNeverEnds) {
            // What it was told before this may be all that it heard: that is D at most.
            let ends = if mutant::on(Mutant::LoanFreedWithoutMargin) {
                until
            } else {
                until.max(now + d) + margin(d.max(*notice))
            };
            // Nor before the longer lease is over that an earlier run has told.
            let ends = ends.max(not_before);
            rare.loan_ends.get_or_insert(ends);
        } else {
            rare.loan_ends = None;
        }
        self.book_deadline(at);
        if news {
            self.tell(id, now);
        }
        if mutant::on(Mutant::FreedByCallingBack) {
            self.end(id, EndReason::Expired, now);
        }
        let for_ever = is_loan && mutant::on(Mutant::LoanNeverEnds);
        if now < until || for_ever {
            return Ok(());
        }
        Err(Refusal::ByEdge(Box::new(why)))
    }
}
