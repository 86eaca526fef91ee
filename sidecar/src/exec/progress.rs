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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn status(claim: &serde_json::Value) -> Status {
        let mut whole =
            json!({"name": "pod", "licensed": false, "items": [{"product": "render", "seats": 2}]});
        whole
            .as_object_mut()
            .unwrap()
            .extend(claim.as_object().unwrap().clone());
        let status = json!({"state": whole["state"], "licensed": false, "bootMs": 1, "seq": 2, "server": "main:8443", "claims": [whole]});
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn people_read_what_they_wait_for() {
        let line = |claim| waiting(&status(&claim));
        let place = json!({"state": "Waiting", "place": 3, "reason": "full"});
        assert_eq!(
            line(place).unwrap(),
            "waiting for render:2, place 3: all seats are taken"
        );
        assert_eq!(line(json!({"state": "Seeking"})), None, "nothing yet");
        let message = json!({"state": "Seeking", "message": "no"});
        assert_eq!(line(message).unwrap(), "waiting for render:2: no");
        assert_eq!(line(json!({"state": "Held"})), None);
        assert_eq!(
            line(json!({"state": "Optimistic", "forMs": 60_000})).unwrap(),
            "main:8443 is not in reach; starting without a lease, for 1m at most"
        );
    }

    #[test]
    fn people_read_what_happens_to_their_licenses_once() {
        let line = |claim| running(&status(&claim)).unwrap();
        assert_eq!(
            line(json!({"state": "Lost", "message": "revoked"})),
            "render:2 is not licensed any more: revoked"
        );
        assert!(line(json!({"state": "Grace"})).starts_with("main:8443 is not in reach"));
        let mut p = Progress::default();
        p.begins(&status(&json!({"state": "Held", "licensed": true})));
        let at_first = p.said.clone();
        p.running(&status(
            &json!({"state": "Held", "licensed": true, "message": "one renewal failed"}),
        ));
        assert_eq!(p.said, at_first, "no news");
        p.running(&status(&json!({"state": "Lost"})));
        assert_ne!(p.said, at_first);
        let lost = p.said.clone();
        p.running(&status(&json!({"state": "Released"})));
        assert_eq!(p.said, lost, "nothing to say at the end");
    }
}
