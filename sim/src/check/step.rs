//! A step of the server: what it was about, what it changed in the books, what it answered.

use std::fmt;

use super::lease::{ClaimOf, Stand};
use super::queue::Key;
use crate::history::{Broken, HolderNo, LeaseNo, Ms, Msg, MsgNo, Reply, RunNo};

/// What started a step of the server.
#[derive(Debug, Default)]
pub(super) enum Cause {
    /// Time alone, or something without a rule of its own.
    #[default]
    Nothing,
    /// A message.
    Message(Message),
    /// The operator's word that these are gone.
    Gone(Vec<HolderNo>),
    /// An administrator's word that takes this lease back.
    TakenBack(LeaseNo),
}

/// A message that the server took in, and what was known of it at that moment.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) msg: MsgNo,
    pub(super) of: ClaimOf,
    pub(super) what: Msg,
    /// The claim's lease in the books before.
    pub(super) before: Option<(LeaseNo, Stand)>,
    /// A renewal with a counter that was passed already: a late one.
    pub(super) stale: bool,
    /// It was received before.
    pub(super) again: bool,
}

/// A request whose answer is held open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) msg: MsgNo,
    pub(super) of: ClaimOf,
    pub(super) received: Ms,
}

/// A change of the books.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) lease: LeaseNo,
    pub(super) holder: HolderNo,
    pub(super) was: Stand,
    pub(super) is: Stand,
    /// Its rank when it was granted.
    pub(super) rank: Option<Key>,
    /// It came with a lease of an earlier run.
    pub(super) taken_in: bool,
    /// The last run before this change in which it had been seated, and in which a seat of it had
    /// ended.
    pub(super) seated_before: RunNo,
    pub(super) ended_before: RunNo,
    /// The license sells other products than when it was seated last.
    pub(super) other_products: bool,
    /// It draws something else than before.
    pub(super) redrawn: bool,
    /// The same, since a pool that it drew on is not there any more.
    pub(super) moved: bool,
}

impl Change {
    /// It has its seats now, and had not before.
    pub(super) fn seated(&self) -> bool {
        self.is == Stand::Seat && self.was != Stand::Seat
    }

    /// A new grant: seated now, and neither before nor in an earlier run.
    pub(super) fn grant(&self) -> bool {
        self.seated() && !self.taken_in
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}", self.lease, self.holder)
    }
}

/// A claim that was passed over by a grant.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) no: LeaseNo,
    /// Why that is wrong, if it is.
    pub(super) wrong: Option<String>,
    /// Its patience has begun for sure.
    pub(super) surely: bool,
    /// After how many changes of the step.
    pub(super) after: usize,
}

/// A step of the server: what it was about, what it changed, what it answered.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) open: bool,
    pub(super) cause: Cause,
    pub(super) changes: Vec<Change>,
    pub(super) answers: Vec<(MsgNo, Reply)>,
    /// Answers to requests that had been held open.
    pub(super) closed: Vec<(ClaimOf, Reply)>,
    pub(super) settled: bool,
    /// Who was passed over by grants.
    pub(super) passed: Vec<Passed>,
    /// A place that was told and is wrong.
    pub(super) misplaced: Option<Broken>,
}

impl Step {
    pub(super) fn grants(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|c| c.grant())
    }

    pub(super) fn message(&self) -> Option<&Message> {
        match &self.cause {
            Cause::Message(m) => Some(m),
            _ => None,
        }
    }

    /// The answer to this step's message, if it was given at once.
    pub(super) fn reply(&self) -> Option<&Reply> {
        let message = self.message()?;
        let mut newest = self.answers.iter().rev();
        let found = newest.find(|(m, _)| *m == message.msg);
        found.map(|(_, r)| r)
    }
}
