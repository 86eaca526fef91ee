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
mod line;
mod process;
mod site;
mod wait;

use anyhow::{Result, anyhow};
use std::time::Instant;

/// A scenario: its name, and what it does.
struct Scenario {
    name: &'static str,
    run: fn() -> Result<()>,
}

/// Each list runs one after another, beside the others. The first two wait most of their time.
const LANES: &[&[Scenario]] = &[
    &[Scenario {
        name: "the_server_is_gone_for_three_minutes",
        run: away::three_minutes,
    }],
    &[Scenario {
        name: "the_servers_wall_clock_is_set_back",
        run: clocks::set_back,
    }],
    BUSY,
];

const BUSY: &[Scenario] = &[
    Scenario {
        name: "two_hundred_sidecars_and_every_kind_of_end",
        run: crowd::two_hundred,
    },
    Scenario {
        name: "a_server_that_does_not_settle_is_found_out",
        run: crowd::forgetful,
    },
    Scenario {
        name: "a_waiting_claim_is_answered_at_once",
        run: line::at_once,
    },
    Scenario {
        name: "no_server_in_reach",
        run: alone::no_server,
    },
    Scenario {
        name: "the_wall_clock_jumps",
        run: clocks::jumps,
    },
    Scenario {
        name: "a_suspend_counts",
        run: clocks::suspend,
    },
];

/// Runs those whose name contains one of `only` (all, if none is given). Returns whether all
/// passed.
pub fn run(only: &[String]) -> bool {
    let chosen = |all: &'static [Scenario]| -> Vec<&'static Scenario> {
        let wanted =
            |s: &&Scenario| only.is_empty() || only.iter().any(|o| s.name.contains(o.as_str()));
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

fn passes(s: &Scenario) -> bool {
    println!("process {} …", s.name);
    let start = Instant::now();
    // A panic of the test's own code is a failure like any other. Each scenario has a thread of its
    // own: what it started dies with that.
    let result = std::thread::spawn(s.run)
        .join()
        .unwrap_or_else(|_| Err(anyhow!("panicked")));
    let secs = start.elapsed().as_secs_f64();
    match &result {
        Ok(()) => println!("process {} … ok ({secs:.1} s)", s.name),
        Err(e) => println!("process {} … FAILED ({secs:.1} s)\n{e:#}\n", s.name),
    }
    result.is_ok()
}
