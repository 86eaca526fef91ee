//! License servers and sidecars as plain processes on this machine, without a cluster: many of
//! them, killed, stopped, suspended, and on clocks that jump. Seats are counted on the holders'
//! side ([`crate::seats`]).
//!
//! At most three scenarios run at a time, of which two mostly wait. All that a scenario starts ends
//! with it, also when this process is killed.

mod agent;
mod alone;
mod away;
mod clocks;
mod count;
mod crowd;
mod instructions;
mod line;
mod process;
mod site;
mod skew;
mod wait;

pub use instructions::counted as instructions;

use anyhow::{Result, anyhow};
use std::time::Instant;

/// A scenario: its name, and what it does.
type Scenario = (&'static str, fn() -> Result<()>);

/// Each list runs one after another, beside the others. The first two wait most of their time.
const LANES: &[&[Scenario]] = &[
    &[("the_server_is_gone_for_three_minutes", away::three_minutes)],
    &[("the_servers_wall_clock_is_set_back", clocks::set_back)],
    &[
        (
            "two_hundred_sidecars_and_every_kind_of_end",
            crowd::two_hundred,
        ),
        (
            "a_server_that_does_not_settle_is_found_out",
            crowd::forgetful,
        ),
        ("a_waiting_claim_is_answered_at_once", line::at_once),
        ("no_server_in_reach", alone::no_server),
        ("the_wall_clock_jumps", clocks::jumps),
        ("a_suspend_counts", clocks::suspend),
        ("the_messages_are_kept", skew::messages),
        ("an_upgrade_and_a_step_back", skew::upgraded_and_back),
    ],
];

/// Runs those whose name contains one of `only` (all, if none is given). Returns whether all
/// passed.
pub fn run(only: &[String]) -> bool {
    let chosen = |all: &'static [Scenario]| -> Vec<&'static Scenario> {
        let wanted =
            |s: &&Scenario| only.is_empty() || only.iter().any(|o| s.0.contains(o.as_str()));
        all.iter().filter(wanted).collect()
    };
    let lanes: Vec<_> = LANES.iter().map(|l| chosen(l)).collect();
    let count: usize = lanes.iter().map(Vec::len).sum();
    let failed = std::thread::scope(|s| {
        let lanes: Vec<_> = lanes
            .into_iter()
            .map(|l| s.spawn(move || l.iter().filter(|s| !passes(s)).count()))
            .collect();
        let failed = lanes.into_iter().map(|l| l.join().unwrap_or(1));
        failed.sum::<usize>()
    });
    println!("{} passed, {failed} failed", count.saturating_sub(failed));
    failed == 0 && count > 0
}

fn passes(&(name, run): &Scenario) -> bool {
    println!("process {name} …");
    let start = Instant::now();
    // A panic of the test's own code is a failure like any other. Each scenario has a thread of its
    // own: what it started dies with that.
    let done = std::thread::spawn(run).join();
    let result = done.unwrap_or_else(|_| Err(anyhow!("panicked")));
    let secs = start.elapsed().as_secs_f64();
    match &result {
        Ok(()) => println!("process {name} … ok ({secs:.1} s)"),
        Err(e) => println!("process {name} … FAILED ({secs:.1} s)\n{e:#}\n"),
    }
    result.is_ok()
}
