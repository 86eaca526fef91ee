//! `status`: how the licenses stand, for people and scripts.

use crate::args::StatusArgs;
use anyhow::Context as _;
use mooring_client::{BootTime, ClaimStatus, Sidecar, Status};
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
    let line = |c| explain_claim(c, BootTime::from_millis(status.boot_ms));
    let claims = status.claims.iter().map(line).collect::<Vec<_>>();
    if claims.is_empty() {
        return format!("no claims; licenses come from {}", status.server);
    }
    format!("{} at {}", claims.join("; "), status.server)
}

/// A claim in one line, for people.
pub(crate) fn explain_claim(c: &ClaimStatus, now: BootTime) -> String {
    let mut line = format!("{} {}", request::print(&c.items), c.state);
    if let Some(place) = c.place {
        let _ = write!(line, ", place {place} in line");
    }
    if let Some(ms) = c.for_ms {
        let time = print_span(Duration::from_millis(ms));
        let _ = write!(line, ", licensed for {time}");
    }
    let known = c.reason.map(|r| r.explain().to_owned());
    let Some(why) = c.message.clone().or(known) else {
        return line;
    };
    match c.since_boot_ms {
        Some(ms) => {
            let time = print_span(now.since(BootTime::from_millis(ms)));
            let _ = write!(line, ": for {time}: {why}");
        }
        None => {
            let _ = write!(line, ": {why}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn explained(claim: serde_json::Value) -> String {
        let mut claim = claim;
        claim["name"] = "pod".into();
        claim["items"] = serde_json::json!([{"product": "render", "seats": 2}]);
        let status = serde_json::json!({
            "state": claim["state"], "licensed": claim["licensed"], "bootMs": 100_000, "seq": 2,
            "server": "main:8443", "claims": [claim]
        });
        explain(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_waiting_pod_is_explained_in_one_line() {
        let waits = serde_json::json!({"state": "Waiting", "licensed": false, "place": 3,
            "reason": "full", "message": "2 seats of render are wanted, and 1 is free"});
        assert_eq!(
            explained(waits),
            "render:2 Waiting, place 3 in line: 2 seats of render are wanted, and 1 is free at main:8443"
        );
    }

    #[test]
    fn an_outage_is_told_with_its_reason_since_when_and_how_long_the_application_may_go_on() {
        let grace = serde_json::json!({"state": "Grace", "licensed": true, "forMs": 3_600_000,
            "sinceBootMs": 60_000, "message": "anchor-lost: PinRejected: wrong PIN"});
        assert_eq!(
            explained(grace),
            "render:2 Grace, licensed for 1h: for 40s: anchor-lost: PinRejected: wrong PIN at main:8443"
        );
    }
}
