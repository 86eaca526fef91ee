//! How asking for a seat ended.

use super::Driver;
use crate::clock::boot;
use crate::error::Error;
use crate::status::SidecarClaim;
use crate::watch::Why;
use mooring_core::wire::{HoldState, ProblemType};

impl Driver {
    /// Whether the first wait is over, and how it ended.
    pub(crate) fn outcome(&mut self, impatient: bool) -> Option<Result<(), Error>> {
        let now = boot();
        let state = self.watch.word(now).at(now);
        if state.is_licensed() && self.watch.is_settled() {
            return Some(Ok(()));
        }
        if self.watch.rejected().is_some() {
            return Some(Err(self.failure()));
        }
        let final_problem =
            matches!(&self.error, Some(Error::Problem(p)) if p.kind != ProblemType::Overloaded);
        let refused = self.watch.told_state() == Some(HoldState::Refused);
        let over = match state.why() {
            Some(Why::Waiting | Why::Lost | Why::Released | Why::NotAsked) => impatient,
            _ => false,
        };
        let never_spoken = self.watch.told_state().is_none();
        if refused || (final_problem && never_spoken) || over || now >= self.deadline {
            return Some(if state.is_licensed() {
                Ok(())
            } else {
                Err(self.failure())
            });
        }
        None
    }

    fn failure(&mut self) -> Error {
        let now = boot();
        let problem = self.spoken.as_ref().and_then(SidecarClaim::problem);
        let why = self.watch.word(now).at(now).why();
        let words = self.message();
        let words = words.unwrap_or_else(|| why.map(|w| w.to_string()).unwrap_or_default());
        let (error, told) = (self.error.take(), self.watch.told_state());
        match (error, told, problem) {
            (Some(e), told, _) if self.watch.rejected().is_some() || told.is_none() => e,
            (Some(e @ Error::Verify(_)), Some(state), _) if state.is_licensed() => e,
            (_, Some(HoldState::Refused), Some(p)) => Error::Problem(p),
            (_, Some(state), _) if state.is_licensed() => Error::Unproven {
                state,
                remaining: now.until(self.spoken.as_ref().map_or(now, |s| s.told(now).until)),
                why: words,
            },
            (_, told, _) => Error::NotLicensed {
                state: told.unwrap_or(HoldState::Seeking),
                why: words,
            },
        }
    }
}
