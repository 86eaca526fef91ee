//! What time alone changes, and what the application is told.

use super::Claimant;
use crate::time::{BootTime, whole_millis};
use crate::wire::{ClaimKind, ClaimStatus, HoldState, Stance, WaitReason};

impl Claimant {
    /// Applies what has become of the claim by `now` without any message.
    pub(super) fn advance(&mut self, now: BootTime) {
        self.starts_by_a_timer(now);
        let (state, _) = self.state_at(now);
        if state == self.s.state {
            return;
        }
        self.dirty = true;
        match state {
            HoldState::Lost => self.lose(now),
            _ => self.s.state = state,
        }
    }

    /// The state at `now`, and the limit that goes with it.
    fn state_at(&self, now: BootTime) -> (HoldState, BootTime) {
        use HoldState as S;
        let s = &self.s;
        match s.state {
            S::Held | S::Grace | S::Contested | S::Optimistic if now >= s.limit => {
                (S::Lost, s.limit)
            }
            S::Held if now >= s.held_until => (S::Grace, s.limit),
            other => (other, s.limit),
        }
    }

    /// Being licensed has ended: what follows is a claim like any other.
    pub(super) fn lose(&mut self, now: BootTime) {
        let s = &mut self.s;
        s.state = HoldState::Lost;
        s.limit = s.limit.min(now);
        s.was_held = false;
        // Its papers stay: the answer to a renewal may be under way that builds on them.
        s.ticket = None;
        s.pending = None;
        s.called_back = None;
        self.repeat = false;
        self.dirty = true;
    }

    /// Of the lines of several servers the claim is this one's, or not any more.
    pub(super) fn is_chosen(&mut self, is_it: bool, now: BootTime) {
        (self.s.chosen, self.s.chosen_at) = (is_it, now);
        self.dirty = true;
    }

    /// It has a place in line that could become seats: its server answers, and grants.
    pub(super) fn stands_in_line(&self) -> bool {
        use WaitReason as R;
        let grants = |r| !matches!(r, R::Settling | R::AnchorLost | R::LicenseInvalid);
        let served = !self.unheard && self.unserved_since.is_none();
        self.s.state == HoldState::Waiting && served && self.reason.is_some_and(grants)
    }

    /// Nobody stands before it in that line.
    pub(super) fn has_its_turn(&self) -> bool {
        self.place == Some(1)
    }

    /// All parts of its claim are there, or are not any more.
    pub(super) fn is_whole(&mut self, whole: bool) {
        self.dirty |= self.s.whole != whole;
        self.s.whole = whole;
    }

    /// What it has as a part goes back, and it rests at its place in line.
    pub(super) fn back_in_line(&mut self, now: BootTime) {
        self.s.state = HoldState::Seeking;
        (self.s.was_held, self.s.chosen) = (false, false);
        (self.s.papers, self.s.pending) = (None, None);
        self.stance = Stance::Rests;
        (self.outstanding, self.next_at) = (None, now);
        (self.repeat, self.dirty) = (false, true);
    }

    /// Whether nothing was heard of its last attempt.
    pub(super) fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// When the status changes by time alone; [`BootTime::NEVER`] if it does not.
    pub fn changes_at(&self, now: BootTime) -> BootTime {
        use HoldState as S;
        match self.state_at(now).0 {
            S::Held => self.s.held_until.min(self.s.limit),
            S::Grace | S::Contested | S::Optimistic => self.s.limit,
            _ => BootTime::NEVER,
        }
    }

    /// What the application is told at `now`.
    pub fn status(&self, now: BootTime) -> ClaimStatus {
        let (state, limit) = self.state_at(now);
        let licensed = state.is_licensed();
        let in_line = matches!(state, HoldState::Waiting | HoldState::Contested);
        ClaimStatus {
            name: self.s.name.clone(),
            kind: ClaimKind::Pod,
            state,
            licensed,
            items: self.s.items.clone(),
            server: None,
            until_boot_ms: licensed.then(|| limit.as_millis()),
            for_ms: licensed.then(|| whole_millis(now.until(limit))),
            held_until_boot_ms: (state == HoldState::Held).then(|| self.s.held_until.as_millis()),
            lease: self.s.lease,
            place: self.place.filter(|_| in_line),
            reason: self.reason.filter(|_| in_line),
            message: self.message.clone(),
            since_boot_ms: self.unserved_since.map(BootTime::as_millis),
            called_back: self.s.called_back.as_deref().filter(|_| licensed).cloned(),
            // Both are the edge's to say: it knows where the claim comes from, and keeps the
            // answers.
            problem: None,
        }
    }
}
