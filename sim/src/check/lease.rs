//! A lease, over all runs of the server, and how it stands in the books of one.

use super::queue::Key;
use crate::history::{ClaimNo, HolderNo, Index, Items, Ms, RunNo, SecretNo};

/// How a lease stands in the books of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stand {
    /// This run never knew it.
    #[default]
    Absent,
    /// In line.
    Line { contested: bool },
    /// It has its seats (`Held` or `Silent`).
    Seat,
    /// Refused.
    Refused,
    /// It was there.
    Ended(&'static str),
}

impl Stand {
    /// In line or seated.
    pub(super) fn live(self) -> bool {
        matches!(self, Self::Line { .. } | Self::Seat)
    }

    pub(super) fn in_line(self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

/// A lease that is called back.
#[derive(Clone, Copy, Debug)]
pub(super) struct CalledBack {
    /// When its holder was told first.
    pub(super) since: Ms,
    /// Its notice, at least and at most.
    pub(super) notice: (Ms, Ms),
    /// When its holder was told first that an owner wants it, if that is what speaks against it
    /// now; and the notice of the policy.
    pub(super) loan: Option<(Ms, Ms)>,
    /// Its holder has asked since, and no answer could be signed: the books may have lifted it.
    pub(super) unsure: bool,
}

/// A claim: whose, and which of its holder's.
pub(super) type ClaimOf = (HolderNo, ClaimNo);

/// A lease, over all runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Lease {
    pub(super) of: ClaimOf,
    pub(super) items: Items,
    pub(super) priority: i32,
    pub(super) secret: Option<SecretNo>,
    /// The run whose books `stand` speaks of.
    pub(super) run: RunNo,
    pub(super) stand: Stand,
    /// Draws as last booked.
    pub(super) draws: Vec<(Index, u32)>,
    /// The license's epoch when it was last booked as seated.
    pub(super) epoch: u64,
    pub(super) products: u64,
    /// The last run in which it was seated (0: never), and in which a seat of it ended.
    pub(super) seated_in: RunNo,
    pub(super) seat_ended_in: RunNo,
    pub(super) taken_in: RunNo,
    /// Its place among arrivals; later returns may make it unknown (`fuzzy`).
    pub(super) arrival: Option<u64>,
    pub(super) fuzzy: bool,
    /// It was in line when the last run ended.
    pub(super) in_line_at_crash: bool,
    /// Where it stands in line.
    pub(super) key: Option<Key>,
    pub(super) class: u8,
    pub(super) pools: Vec<Index>,
    /// Since when it is contested without a break in this run.
    pub(super) contested_at: Ms,
    /// Until when its application may run on, as the server knows it by its last claim: received
    /// when.
    pub(super) runs_until: Ms,
    pub(super) claimed: Ms,
    /// The last receipt of a claim for it that was not answered with a problem.
    pub(super) alive: Ms,
    /// The last receipt of any claim for it, or the end of one whose answer was held open.
    pub(super) asked: Ms,
    /// Whether that claim is not answered yet.
    pub(super) open: bool,
    /// The last receipt of a request that was answered with this lease, and of any request that may
    /// have counted.
    pub(super) sure: Ms,
    pub(super) maybe: Ms,
    /// D and grace as told last.
    pub(super) told_for: Ms,
    pub(super) told_run: Ms,
    /// When it was last answered, and the D told with it: its newest token.
    pub(super) answered: Option<(Ms, Ms)>,
    /// The same for the token that lives longest: an answer may be lost, and the one before it
    /// shown.
    pub(super) longest: Option<(Ms, Ms)>,
    pub(super) counter: u64,
    /// That it is called back, if this run says so.
    pub(super) called_back: Option<CalledBack>,
    /// Since when it is in line under a policy; that it was then within what its group owns, once;
    /// and since when it was that and first in line.
    pub(super) in_line_since: Option<Ms>,
    pub(super) owned_once: bool,
    pub(super) owns_since: Option<Ms>,
    /// Free seats may have gathered for it.
    pub(super) gathered: bool,
    /// Since when it is passed by others that fit, as must have been seen and as may have been.
    pub(super) passed: (Option<Ms>, Option<Ms>),
    /// The run in which an administrator took it back.
    pub(super) taken_back: RunNo,
    /// When the newest of its claims that were received was sent.
    pub(super) claim_sent: Ms,
    /// How many applications say `Held` for it, and with which draws they count.
    pub(super) running: u32,
    pub(super) running_draws: Vec<(Index, u32)>,
}

impl Lease {
    /// It comes into the books, anew or again.
    pub(super) fn appears(&mut self, now: Ms) {
        (self.told_for, self.told_run, self.counter, self.open) = (0, 0, 0, false);
        self.called_back = None;
        (self.in_line_since, self.owns_since) = (None, None);
        (self.owned_once, self.gathered) = (false, false);
        (self.alive, self.asked, self.sure, self.maybe) = (now, now, now, now);
    }

    pub(super) fn new(of: ClaimOf) -> Self {
        Self {
            of,
            class: 1,
            ..Self::default()
        }
    }

    pub(super) fn holder(&self) -> HolderNo {
        self.of.0
    }

    /// How it stands in the books of `run`.
    pub(super) fn stand(&self, run: RunNo) -> Stand {
        if self.run == run {
            self.stand
        } else {
            Stand::Absent
        }
    }
}
