//! `probe`: waits until the pod is licensed. It never waits longer than it was told: the kubelet
//! takes a probe that times out for a failed sidecar.

use crate::args::ProbeArgs;
use mooring_client::{BootTime, ClaimStatus, Error, Sidecar, Status, boot};
use mooring_core::request;
use mooring_core::time::print_span;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// The pause before looking for the socket again.
const AGAIN: Duration = Duration::from_millis(50);

/// Exit 0: licensed. 1: not within the time, and why.
pub(crate) fn main(args: &ProbeArgs) -> ExitCode {
    let deadline = boot() + args.timeout;
    let sidecar = Sidecar::at(&args.socket);
    let mut last = Last::default();
    while boot() < deadline {
        match follow(&sidecar, deadline, &mut last) {
            Ok(true) => return ExitCode::SUCCESS,
            Ok(false) => {}
            Err(e) => last.error = Some(e.to_string()),
        }
        std::thread::sleep(AGAIN.min(boot().until(deadline)));
    }
    eprintln!("not licensed after {:?}: {}", args.timeout, last.explain());
    ExitCode::FAILURE
}

#[derive(Default)]
struct Last {
    status: Option<Status>,
    error: Option<String>,
}

fn follow(sidecar: &Sidecar, deadline: BootTime, last: &mut Last) -> Result<bool, Error> {
    let mut events = sidecar.events()?;
    last.error = None;
    while let Some(status) = events.next_before(deadline)? {
        if status.licensed {
            return Ok(true);
        }
        last.status = Some(status);
    }
    Ok(false)
}

impl Last {
    fn explain(&self) -> String {
        match (self.status.as_ref().map(explain), &self.error) {
            (None, None) => "the sidecar has not answered".into(),
            (None, Some(e)) => e.clone(),
            (Some(s), None) => s,
            (Some(s), Some(e)) => format!("{s} (then: {e})"),
        }
    }
}

/// A status in one line, for people.
pub(crate) fn explain(status: &Status) -> String {
    let claims = status.claims.iter().map(explain_claim).collect::<Vec<_>>();
    if claims.is_empty() {
        return format!("no claims; licenses come from {}", status.server);
    }
    format!("{} at {}", claims.join("; "), status.server)
}

/// A claim in one line, for people.
pub(crate) fn explain_claim(c: &ClaimStatus) -> String {
    let mut line = format!("{} {}", request::print(&c.items), c.state);
    if let Some(place) = c.place {
        let _ = write!(line, ", place {place} in line");
    }
    if let Some(reason) = c.reason {
        let _ = write!(line, ": {}", reason.explain());
    }
    if let Some(ms) = c.for_ms {
        let time = print_span(Duration::from_millis(ms));
        let _ = write!(line, ", licensed for {time}");
    }
    if let Some(message) = &c.message {
        let _ = write!(line, " ({message})");
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_waiting_pod_is_explained_in_one_line() {
        let status = serde_json::from_value(serde_json::json!({
            "state": "Waiting", "licensed": false, "bootMs": 1, "seq": 2, "server": "main:8443",
            "claims": [{"name": "pod", "state": "Waiting", "licensed": false, "place": 3, "reason": "full",
                "items": [{"product": "render", "seats": 2}]}]
        }));
        assert_eq!(
            explain(&status.unwrap()),
            "render:2 Waiting, place 3 in line: all seats are taken at main:8443"
        );
    }
}
