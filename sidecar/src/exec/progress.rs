//! What people read on stderr while they wait, and when something happens to their licenses. Each
//! thing is said once.

use mooring_client::{ClaimStatus, HoldState, Status};
use mooring_core::request;
use mooring_core::time::print_span;
use std::fmt::Write as _;
use std::time::Duration;

/// A line for people.
pub(super) fn say(text: &dyn std::fmt::Display) {
    use std::io::Write as _;
    // Nobody may be reading; that must not end the application.
    let _ = writeln!(std::io::stderr(), "mooring-sidecar: {text}");
}

/// What was said last, without what time alone changes in it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    said: Option<(HoldState, Option<u32>, Option<String>)>,
}

impl Progress {
    /// While the application waits.
    pub(super) fn waiting(&mut self, status: &Status) {
        self.once(status, waiting(status));
    }

    /// It may start. That it holds its licenses is news only where it had to wait.
    pub(super) fn begins(&mut self, status: &Status) {
        let waited = self.said.is_some();
        self.once(
            status,
            running(status).filter(|_| waited && status.state == HoldState::Held),
        );
        self.said = key(status);
    }

    /// While the application runs.
    pub(super) fn running(&mut self, status: &Status) {
        self.once(status, running(status));
    }

    fn once(&mut self, status: &Status, line: Option<String>) {
        let key = key(status);
        if let Some(line) = line
            && self.said != key
        {
            say(&line);
            self.said = key;
        }
    }
}

fn key(status: &Status) -> Option<(HoldState, Option<u32>, Option<String>)> {
    let claim = of(status)?;
    // What went wrong with a renewal is no news while the license lasts.
    let message = claim.message.clone().filter(|_| !claim.licensed);
    Some((claim.state, claim.place, message))
}

fn of(status: &Status) -> Option<&ClaimStatus> {
    status.claims.first()
}

/// How long it may go on; long times in minutes.
fn left(claim: &ClaimStatus) -> String {
    let ms = claim.for_ms.unwrap_or(0);
    let unit = if ms > 600_000 { 60_000 } else { 1000 };
    print_span(Duration::from_millis(ms.div_ceil(unit) * unit))
}

fn waiting(status: &Status) -> Option<String> {
    let claim = of(status)?;
    let items = request::print(&claim.items);
    match claim.state {
        HoldState::Optimistic => {
            let time = left(claim);
            Some(format!(
                "{} is not in reach; starting without a lease, for {time} at most",
                status.server
            ))
        }
        s if s.is_licensed() => None,
        HoldState::Seeking => {
            let why = claim.message.as_ref()?;
            Some(format!("waiting for {items}: {why}"))
        }
        _ => {
            let mut line = format!("waiting for {items}");
            if let Some(place) = claim.place {
                let _ = write!(line, ", place {place}");
            }
            if let Some(reason) = claim.reason {
                let _ = write!(line, ": {}", reason.explain());
            } else if let Some(message) = &claim.message {
                let _ = write!(line, ": {message}");
            }
            Some(line)
        }
    }
}

fn running(status: &Status) -> Option<String> {
    let claim = of(status)?;
    let items = request::print(&claim.items);
    match claim.state {
        HoldState::Held => Some(format!("{items} is held")),
        HoldState::Grace => Some(format!(
            "{} is not in reach; {items} goes on under the grace until it is",
            status.server
        )),
        HoldState::Contested => Some(format!(
            "the seats of {items} were given to others meanwhile; it goes on for {} at most",
            left(claim)
        )),
        HoldState::Lost | HoldState::Waiting | HoldState::Refused => {
            let mut line = format!("{items} is not licensed any more");
            if let Some(message) = &claim.message {
                let _ = write!(line, ": {message}");
            }
            Some(line)
        }
        _ => None,
    }
}

/// Why the license server says no.
pub(super) fn refusal(status: &Status) -> String {
    let claim = of(status);
    let items = claim.map(|c| request::print(&c.items)).unwrap_or_default();
    let why = claim.and_then(|c| {
        c.problem
            .as_ref()
            .map(ToString::to_string)
            .or_else(|| c.message.clone())
    });
    format!(
        "{} refuses {items}: {}",
        status.server,
        why.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests;
