//! What people read on stderr while they wait, and when something happens to their licenses. Each
//! thing is said once.

use mooring_client::{ClaimStatus, HoldState, Status};
use mooring_core::request;
use mooring_core::time::print_span;
use mooring_core::wire::WaitReason;
use std::fmt::Write as _;
use std::time::Duration;

pub(crate) fn say(text: &dyn std::fmt::Display) {
    use std::io::Write as _;
    // Nobody may be reading; that must not end the application.
    let _ = writeln!(std::io::stderr(), "mooring-sidecar: {text}");
}

/// What was said last, without what time alone changes in it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    said: Option<Key>,
}

type Key = (HoldState, Option<u32>, Option<String>);

impl Progress {
    /// While the application waits.
    pub(crate) fn waiting(&mut self, status: &Status) {
        self.once(status, waiting(status));
    }

    /// It may start. That it holds its licenses is news only where it had to wait.
    pub(crate) fn begins(&mut self, status: &Status) {
        let news = self.said.is_some() && status.state == HoldState::Held;
        self.once(status, running(status).filter(|_| news));
        self.said = key(status);
    }

    /// While the application runs.
    pub(crate) fn running(&mut self, status: &Status) {
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

fn key(status: &Status) -> Option<Key> {
    let claim = status.claims.first()?;
    // What went wrong with a renewal is no news while the license lasts.
    let news = !claim.licensed || claim.called_back.is_some();
    let message = claim.message.clone().filter(|_| news);
    Some((claim.state, claim.place, message))
}

/// How long it may go on; long times in minutes.
fn left(claim: &ClaimStatus) -> String {
    let ms = claim.for_ms.unwrap_or(0);
    let unit = if ms > 600_000 { 60_000 } else { 1000 };
    print_span(Duration::from_millis(ms.div_ceil(unit) * unit))
}

/// What keeps the server from giving a lease, in its own words where it has said them.
fn trouble(claim: &ClaimStatus, server: &str) -> String {
    match &claim.message {
        Some(why) => format!("{server}: {why}"),
        None => format!("{server} is not in reach"),
    }
}

fn waiting(status: &Status) -> Option<String> {
    let claim = status.claims.first()?;
    let (items, server, time) = (request::print(&claim.items), &status.server, left(claim));
    let mut line = format!("waiting for {items}");
    match claim.state {
        HoldState::Optimistic => {
            line = format!(
                "{}; starting without a lease, for {time} at most",
                trouble(claim, server)
            );
        }
        s if s.is_licensed() => return None,
        HoldState::Seeking => {
            let _ = write!(line, ": {}", claim.message.as_ref()?);
        }
        _ => {
            if let Some(place) = claim.place {
                let _ = write!(line, ", place {place}");
            }
            let known = claim.reason.map(WaitReason::explain);
            if let Some(why) = claim.message.as_deref().or(known) {
                let _ = write!(line, ": {why}");
            }
        }
    }
    Some(line)
}

fn running(status: &Status) -> Option<String> {
    let claim = status.claims.first()?;
    let (items, server, time) = (request::print(&claim.items), &status.server, left(claim));
    Some(match claim.state {
        HoldState::Held if claim.called_back.is_some() => {
            let why = claim.message.as_deref().unwrap_or_default();
            format!("{items} ends in {time} unless that is mended: {why}")
        }
        HoldState::Held => format!("{items} is held"),
        HoldState::Grace => {
            let why = trouble(claim, server);
            format!("{why}; {items} goes on under the grace, for {time} at most")
        }
        // Started without a lease, and told since that there is no seat for it.
        HoldState::Contested if claim.message.is_some() => {
            let why = claim.message.as_deref().unwrap_or_default();
            format!("there is no seat for {items}; it goes on for {time} at most: {why}")
        }
        HoldState::Contested => {
            format!(
                "the seats of {items} were given to others meanwhile; it goes on for {time} at most"
            )
        }
        HoldState::Lost | HoldState::Waiting | HoldState::Refused => {
            let why = claim.message.as_ref().map(|m| format!(": {m}"));
            format!("{items} is not licensed any more") + &why.unwrap_or_default()
        }
        _ => return None,
    })
}

pub(crate) fn refusal(status: &Status) -> String {
    let claim = status.claims.first();
    let items = claim.map(|c| request::print(&c.items)).unwrap_or_default();
    let problem = claim.and_then(|c| c.problem.as_ref().map(ToString::to_string));
    let why = problem
        .or_else(|| claim?.message.clone())
        .unwrap_or_default();
    format!("{} refuses {items}: {why}", status.server)
}

#[cfg(test)]
mod tests;
