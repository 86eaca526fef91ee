//! One claim in the books.

use super::at::At;
use super::booked::Spot;
use super::handover::Handover;
use super::pool::Drawn;
use super::queue::{Queued, Rank};
use super::refusal::Refusal;
use super::types::{CalledBack, Claim};
use super::who::{Asker, AskerRef, KeptHolder};
use super::wish::Wish;
use crate::mutant::{self, Mutant};
use crate::names::{LeaseId, RequestId};
use crate::request::Item;
use crate::secret::SecretHash;
use crate::time::BootTime;
use crate::wire::{ProblemType, WaitReason};
use std::sync::Arc;

/// There may be a million: what few have is boxed, and what many have alike is shared.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: LeaseId,
    pub(super) who: KeptHolder,
    pub(super) wish: Arc<Wish>,
    /// The holder's claim before this one.
    pub(super) before: Option<At>,
    pub(super) secret_hash: SecretHash,
    /// Whose seat it is; fixed with the claim.
    pub(super) bind: Option<Box<SecretHash>>,
    /// When the next question of its application comes too soon ([`Ledger::question`]).
    ///
    /// [`Ledger::question`]: super::Ledger::question
    pub(super) questions: BootTime,
    pub(super) state: State,
    /// Since when it is in this state.
    pub(super) since: BootTime,
    /// When the last request of its holder was received.
    pub(super) last: BootTime,
    /// What it is due at, as booked among the deadlines.
    pub(super) due: BootTime,
    pub(super) spot: Spot,
    /// An administrator took it back: nothing of it counts any more.
    pub(super) taken_back: bool,
    /// The highest counter of a request, and the request that carried it.
    pub(super) counter: u64,
    pub(super) request: Option<RequestId>,
    /// While it waits: what others were told of that last.
    pub(super) told: Option<Box<Wait>>,
    rare: Option<Box<Rare>>,
}

/// What few claims have.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    /// Its seats are not free before: a longer lease of an earlier run may still be in force.
    pub(super) not_before: BootTime,
    /// It ends at a limit although it is renewed.
    pub(super) called_back: Option<CalledBack>,
    /// Its seats are lent, and wanted back: when they are free, whatever is heard.
    pub(super) loan_ends: Option<BootTime>,
    /// Its seats come from a pool that has ended (or has not begun): when the grace has passed of
    /// the last request that counted.
    pub(super) stranded: Option<BootTime>,
    /// Which owner's seats it has a share of; an owner's are its own.
    pub(super) family: Option<Box<str>>,
    /// It has no seats of its own yet: those of the pod that it replaces will be.
    pub(super) handover: Option<Handover>,
    /// When its seats were handed over last, or were to be.
    pub(super) handed: Option<BootTime>,
    /// Others of its holder's seats are to come from other servers: where it stood in line here,
    /// or stands.
    pub(super) part: Option<Rank>,
}

impl Entry {
    pub(super) fn new(
        (id, state): (LeaseId, State),
        c: &Claim,
        kept: (KeptHolder, Arc<Wish>),
    ) -> Self {
        let (who, wish) = kept;
        let rare = c.family.as_ref().map(|family| Rare {
            family: Some(family.clone()),
            ..Rare::default()
        });
        Self {
            id,
            who,
            wish,
            before: None,
            secret_hash: c.secret_hash,
            bind: c.bind.map(Box::new),
            questions: BootTime::default(),
            state,
            since: BootTime::default(),
            last: BootTime::default(),
            due: BootTime::NEVER,
            spot: Spot::default(),
            taken_back: false,
            counter: c.highest(),
            request: c.counter.map(|_| c.request_id),
            told: None,
            rare: rare.map(Box::new),
        }
    }

    /// Whom its seats are for.
    pub(super) fn asks(&self) -> Asker<'_> {
        let project = self.wish.project.as_ref();
        let project = project.filter(|_| !mutant::on(Mutant::ProjectForgotten));
        Asker::of(AskerRef::Kept(&self.who), self.family()).using(project)
    }

    /// Which owner's seats it has a share of, if it has.
    pub(super) fn family(&self) -> Option<&str> {
        self.rare.as_ref()?.family.as_deref()
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.wish.items
    }

    pub(super) fn bind(&self) -> Option<SecretHash> {
        self.bind.as_deref().copied()
    }

    pub(super) fn not_before(&self) -> BootTime {
        let rare = self.rare.as_ref();
        rare.map_or(BootTime::default(), |r| r.not_before)
    }

    pub(super) fn called_back(&self) -> Option<&CalledBack> {
        self.rare.as_ref()?.called_back.as_ref()
    }

    /// An owner has called for its seats.
    pub(super) fn is_loan(&self) -> bool {
        let why = self.called_back().map(|c| c.why.kind);
        why == Some(ProblemType::CalledBack)
    }

    pub(super) fn loan_ends(&self) -> BootTime {
        let rare = self.rare.as_ref();
        let ends = rare.and_then(|r| r.loan_ends);
        ends.unwrap_or(BootTime::NEVER)
    }

    pub(super) fn stranded(&self) -> Option<BootTime> {
        self.rare.as_ref()?.stranded
    }

    /// As a part of what its holder asks several servers for: its place in line.
    pub(super) fn part(&self) -> Option<Rank> {
        self.rare.as_ref()?.part
    }

    pub(super) fn rare_of(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Nothing speaks against it any more.
    pub(super) fn goes_on(&mut self) {
        if let Some(rare) = &mut self.rare {
            (rare.called_back, rare.loan_ends) = (None, None);
        }
    }
}

/// A place in the queue, and why its claim still waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// From 1.
    pub(super) place: u32,
    pub(super) reason: WaitReason,
    pub(super) message: String,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Queued(Box<Queued>),
    /// Granted; `silent` once renewals were missed.
    Held {
        drawn: Arc<Drawn>,
        overdraft: u32,
        silent: bool,
    },
    /// Refused; kept for a while so that people see it.
    Refused(Box<Refusal>),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million of them are the server's memory: what is added here is added a million times.
    #[test]
    fn an_entry_has_256_bytes() {
        assert_eq!(size_of::<Option<Entry>>(), 256);
        assert_eq!(size_of::<Queued>(), 88);
    }
}
