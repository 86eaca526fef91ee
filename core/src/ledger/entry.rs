//! One claim in the books.

use super::pool::Drawn;
use super::queue::{GroupAt, Rank};
use super::refusal::Refusal;
use super::types::CalledBack;
use crate::identity::Holder;
use crate::names::{ClaimName, RequestId};
use crate::request::Item;
use crate::secret::SecretHash;
use crate::time::BootTime;
use crate::wire::{LeaseView, WaitReason};

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) holder: Holder,
    pub(super) name: ClaimName,
    pub(super) items: Vec<Item>,
    pub(super) claims: Option<u16>,
    pub(super) secret_hash: SecretHash,
    /// Whose seat it is; fixed with the claim.
    pub(super) bind: Option<SecretHash>,
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
    /// Its seats are not free before: a longer lease of an earlier run may still be in force.
    pub(super) not_before: BootTime,
    /// It ends at a limit although it is renewed.
    pub(super) called_back: Option<Box<CalledBack>>,
    /// Its seats come from a pool that has ended (or has not begun): when the grace has passed of
    /// the last request that counted.
    pub(super) stranded: Option<BootTime>,
    /// An administrator took it back: nothing of it counts any more.
    pub(super) taken_back: bool,
    /// The highest counter of a request, and the request that carried it.
    pub(super) counter: u64,
    pub(super) request: Option<RequestId>,
    /// While it waits: what others were told of that last.
    pub(super) told: Option<Wait>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) rank: Rank,
    /// Among which claims of the queue it is.
    pub(super) group: GroupAt,
    /// While its application runs on: until when it may.
    pub(super) runs_until: Option<BootTime>,
}

/// A place in the queue, and why its claim still waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// From 1.
    pub(super) place: u32,
    pub(super) reason: WaitReason,
    pub(super) message: String,
}

impl Wait {
    /// What a view says of it.
    pub(super) fn told(view: &LeaseView) -> Option<Self> {
        Some(Self {
            place: view.place?,
            reason: view.reason?,
            message: view.message.clone()?,
        })
    }
}

#[derive(Debug)]
pub(super) enum State {
    Queued(Queued),
    /// Granted; `silent` once renewals were missed.
    Held {
        drawn: Drawn,
        overdraft: u32,
        silent: bool,
    },
    /// Refused; kept for a while so that people see it.
    Refused(Box<Refusal>),
}
