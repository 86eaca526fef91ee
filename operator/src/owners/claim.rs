//! An owner's claim as it is remembered: what is said of it and when, how it stands, what the
//! server gave for it. No I/O here.

use super::kept::is_replacing;
use super::places::is_place;
use super::plan::{KnownOwner, Stand};
use super::wish::OwnerWish;
use mooring_core::identity::HolderKey;
use mooring_core::names::{ClaimName, InstanceId};
use mooring_core::receipt::Sealed;
use mooring_core::time::BootTime;
use mooring_core::wire::{OwnerClaim, OwnerStands, ProblemType};
use std::time::Duration;

/// How often a claim is said again: the server keeps it for five minutes.
pub const RENEW: Duration = Duration::from_secs(100);
/// The same for one that was refused, and for what could not be said.
const REFUSED: Duration = Duration::from_secs(60);
pub(super) const FAILED: Duration = Duration::from_secs(10);
/// For how long an answer says how a claim stands.
const SAID: Duration = Duration::from_secs(200);
/// How often it is asked whether what counts its seats by something else may keep them by now.
const NOT_COUNTED: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) wish: OwnerWish,
    /// The server was told that it rests, and answered.
    pub(super) rested: bool,
    pub(super) ends: bool,
    pub(super) stand: Stand,
    /// When what it asks for now was said that was answered so.
    said: Option<BootTime>,
    heard: Option<InstanceId>,
    /// With the time at which the request was sent that it answered.
    pub(super) receipt: Option<(Sealed, BootTime)>,
    pub(super) ticket: Option<Sealed>,
    /// When it is to be said next.
    pub(super) next: BootTime,
    short_since: Option<BootTime>,
}

/// Whether its pods claim for themselves, and this is for those that come after them.
pub fn is_for_successors(key: &HolderKey) -> bool {
    is_replacing(key) || is_place(key)
}

impl Remembered {
    pub(super) fn new(wish: OwnerWish, stand: Stand, now: BootTime) -> Self {
        Self {
            rested: false,
            ends: false,
            stand,
            said: None,
            heard: None,
            receipt: None,
            ticket: None,
            next: now,
            short_since: wish.short.then_some(now),
            wish,
        }
    }

    /// What another operator wrote down.
    pub(super) fn restored(c: OwnerClaim, now: BootTime) -> Self {
        let sent = now - c.sent_ago.unwrap_or_default();
        let wish = OwnerWish {
            owner: c.owner,
            items: c.items,
            project: c.project,
            pods: c.pods,
            rests: c.rests,
            short: false,
            replaces: c.replaces,
        };
        Self {
            heard: c.heard,
            ticket: c.ticket,
            receipt: c.receipt.map(|r| (r, sent)),
            ..Self::new(wish, Stand::Asked, now)
        }
    }

    pub(super) fn change(&mut self, wish: OwnerWish, now: BootTime) {
        let news = !self.wish.says_as(&wish);
        // What does not count by pods keeps nothing for them: it is asked for now and then.
        let key = self.wish.owner.key();
        let idle = matches!(self.stand, Stand::Refused(_)) && is_for_successors(&key);
        if news && !idle {
            self.next = now;
        }
        self.said = self.said.filter(|_| self.wish.items == wish.items);
        self.short_since = self.short_since.or(Some(now)).filter(|_| wish.short);
        self.wish = wish;
    }

    /// It ends, which is to be said at once.
    pub(super) fn over(&mut self) {
        (self.ends, self.next) = (true, BootTime::from_millis(0));
    }

    /// How it stands, if that was heard lately of what it asks for now.
    pub(super) fn answered(&self, now: BootTime) -> Option<&Stand> {
        let said = self.said.filter(|t| now.since(*t) < SAID);
        said.map(|_| &self.stand)
    }

    pub(super) fn known(&self, now: BootTime) -> KnownOwner {
        KnownOwner {
            owner: self.wish.owner.clone(),
            items: self.wish.items.clone(),
            project: self.wish.project.clone(),
            stand: self.stand.clone(),
            short_for: self.short_since.map_or(Duration::ZERO, |t| now.since(t)),
        }
    }

    pub(super) fn says(&self, now: BootTime) -> OwnerClaim {
        let (wish, receipt) = (self.wish.clone(), self.receipt.as_ref());
        OwnerClaim {
            owner: wish.owner,
            claim: ClaimName::owner(),
            items: wish.items,
            project: wish.project,
            pods: wish.pods,
            rests: wish.rests,
            replaces: wish.replaces,
            ends: self.ends,
            heard: self.heard,
            receipt: receipt.map(|(r, _)| r.clone()),
            sent_ago: receipt.map(|(_, sent)| now.since(*sent)),
            ticket: self.ticket.clone(),
        }
    }

    /// Takes in an answer of this run of the server to what was sent then.
    pub(super) fn hear(
        &mut self,
        said: &OwnerClaim,
        stands: OwnerStands,
        (run, sent): (InstanceId, BootTime),
    ) {
        self.heard = Some(run);
        if said.items == self.wish.items {
            self.said = Some(sent);
        }
        // What changed meanwhile is still to be said.
        let same = said.items == self.wish.items
            && said.pods == self.wish.pods
            && said.rests == self.wish.rests
            && said.replaces == self.wish.replaces;
        let mut next = RENEW;
        match stands {
            OwnerStands::Reserved { receipt, .. } => {
                (self.receipt, self.ticket) = (Some((receipt, sent)), None);
                self.stand = Stand::Reserved;
            }
            OwnerStands::Waiting {
                ticket,
                place,
                message,
                ..
            } => {
                (self.receipt, self.ticket) = (None, Some(ticket));
                self.rested = said.rests;
                let why = message;
                self.stand = Stand::Waiting { place, why };
            }
            OwnerStands::Refused { problem } => {
                next = REFUSED;
                match problem.kind {
                    // Nothing is known of it for a while.
                    ProblemType::AnchorLost
                    | ProblemType::LicenseInvalid
                    | ProblemType::Overloaded => next = FAILED,
                    // One of its pods has gone in the same moment; what it has stays its own.
                    ProblemType::ClaimChanged if is_replacing(&said.owner.key()) => {
                        next = FAILED;
                    }
                    kind => {
                        if is_for_successors(&said.owner.key()) {
                            next = NOT_COUNTED;
                        }
                        // Whoever is let in again has what it had.
                        if kind != ProblemType::NotEntitled {
                            (self.receipt, self.ticket) = (None, None);
                        }
                        self.stand = Stand::Refused(problem.detail);
                    }
                }
            }
            OwnerStands::Ended => {}
        }
        self.next = if same { sent + next } else { sent };
    }
}
