//! `status`: how the licenses stand, for people and scripts.

use crate::args::StatusArgs;
use anyhow::Context as _;
use mooring_client::{ClaimStatus, Sidecar, Status};
use mooring_core::request;
use mooring_core::time::print_span;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) fn main(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let status = Sidecar::at(&args.socket).status()?;
    if args.json {
        let json = serde_json::to_string_pretty(&status);
        println!("{}", json.context("writing JSON")?);
    } else {
        println!("{}", explain(&status));
    }
    Ok(u8::from(!status.licensed).into())
}

/// A status in one line, for people.
fn explain(status: &Status) -> String {
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
