//! The promises that are held against what the applications were told.

use super::agent::Agent;
use super::process::tail;
use crate::seats::{Most, Span, most, spans};
use anyhow::{Result, bail, ensure};
use mooring_client::{HoldState, boot};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// When each application counted itself as `Held`.
fn held(agents: &[Agent]) -> Vec<Span> {
    let of = |a: &Agent| {
        let mut lines: Vec<_> = a
            .told()
            .iter()
            .map(|s| json!({ "bootMs": s.boot_ms, "event": s }))
            .collect();
        lines.push(json!({ "bootMs": boot().as_millis(), "end": true }));
        spans(&a.name, 1, &lines)
    };
    agents.iter().flat_map(of).collect()
}

/// The most that were `Held` at one instant.
pub(super) fn most_held(agents: &[Agent]) -> Most {
    most(&held(agents))
}

/// Promise 1: at no instant are more `Held` than there are seats. Also that all of them once were,
/// so that something was counted.
pub(super) fn never_more_than(seats: u32, agents: &[Agent]) -> Result<()> {
    let Most {
        seats: most, at, ..
    } = most_held(agents);
    if most > seats {
        let mut words = format!(
            "promise 1 is broken: {most} seats were Held at {at} ms since boot, and there are {seats}:"
        );
        let held = held(agents);
        for s in held.iter().filter(|s| s.from <= at && at < s.to) {
            let _ = write!(words, " {} ({}..{})", s.who, s.from, s.to);
        }
        bail!("{words}");
    }
    ensure!(
        most == seats,
        "at most {most} of {seats} seats were Held: nothing was tried"
    );
    Ok(())
}

/// Promise 4: who was licensed once is licensed until it gives back.
pub(super) fn nobody_is_lost(agents: &[Agent]) -> Result<()> {
    for a in agents {
        let told = a.told();
        let mut since = told.iter().skip_while(|s| !s.licensed);
        if let Some(bad) = since.find(|s| s.state != HoldState::Released && !s.licensed) {
            let (name, state, at, said) = (&a.name, bad.state, bad.boot_ms, &bad.claims);
            let log = tail(&a.log(), 15);
            bail!("{name} was licensed, and then {state} at {at} ms since boot: {said:?}\n{log}");
        }
    }
    Ok(())
}

/// How many are in which state, for people.
pub(super) fn states(agents: &[Agent]) -> String {
    let mut count = BTreeMap::<String, u32>::new();
    for a in agents {
        let state = a.state().map_or("nothing told".into(), |s| s.to_string());
        *count.entry(state).or_default() += 1;
    }
    format!("{count:?}")
}
