//! `mooring-sim`: breaks the lease protocol, if it can.

use anyhow::bail;
use clap::{Parser, Subcommand};
use mooring_core::mutant::{self, Mutant};
use mooring_sim::coverage::PAIRS;
use mooring_sim::plan::Plan;
use mooring_sim::profile::PATIENCE;
use mooring_sim::runs::Worlds;
use mooring_sim::world::World;
use mooring_sim::{lines, profile, runs, shrink};
use std::time::Instant;

/// Lives through worlds of holders, servers and faults, and holds what happened against the
/// promises of the lease protocol.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Many seeds; fails if a promise is broken or, from 10,000 seeds on, if something never came
    /// up.
    Run {
        /// How many seeds.
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// Only their worlds of several servers.
        #[arg(long)]
        several: bool,
        #[command(flatten)]
        how: How,
    },
    /// One seed again, made smaller, with everything that happened.
    Replay {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Steps, as they were.
        #[arg(long, default_value_t = 1_000)]
        steps: u64,
        /// With this mistake switched on.
        #[arg(long, value_parser = mistake)]
        mistake: Option<Mutant>,
        /// As planned, not made smaller.
        #[arg(long)]
        whole: bool,
        /// The seed's world of several servers, which has no number of steps.
        #[arg(long, conflicts_with = "steps")]
        several: bool,
    },
    /// Switches mistakes on, one after the other: each must be found. Prints the table for
    /// docs/simulator.md.
    Mutants {
        /// Seeds for each, at most.
        #[arg(long, default_value_t = 8_000)]
        seeds: u64,
        /// Only this one.
        #[arg(long, value_parser = mistake)]
        only: Option<Mutant>,
        #[command(flatten)]
        how: How,
    },
    /// The load of Kueue's baseline: how much of the seats is used, strictly in line and with
    /// backfill; fails if that is less than nine of ten. Lines RESULT are for e2e/bench.
    Profile,
}

#[derive(clap::Args)]
struct How {
    /// Steps of each seed, at least.
    #[arg(long, default_value_t = 1_000)]
    steps: u64,
    /// Threads; all cores by default.
    #[arg(long, default_value_t = cores(), hide_default_value = true)]
    threads: usize,
}

fn mistake(s: &str) -> Result<Mutant, String> {
    let known = || Mutant::ALL.map(|m| format!("{m:?}")).join(", ");
    let found = Mutant::ALL.into_iter().find(|m| format!("{m:?}") == s);
    let expected = || {
        format!(
            "{s:?} is no mistake known here; expected one of {}",
            known()
        )
    };
    found.ok_or_else(expected)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Run {
            seeds,
            first,
            several,
            how,
        } => run(first..first + seeds, &how, several),
        Command::Replay {
            seed,
            steps,
            mistake,
            whole,
            several,
        } => {
            mutant::set(mistake);
            if several {
                replay_several(seed, whole)
            } else {
                replay(seed, steps, whole)
            }
        }
        Command::Mutants { seeds, only, how } => mutants(seeds, only, &how),
        Command::Profile => profile(),
    }
}

fn profile() -> anyhow::Result<()> {
    let (strict, fill) = (profile::run(None)?, profile::run(Some(PATIENCE))?);
    println!("strict    {strict}\nbackfill  {fill}");
    let held_to = format!("{:.1} % strictly in line", strict.used * 100.0);
    result("queue_used_pct", fill.used * 100.0, "%", &held_to);
    let won = fill.backfilled.seats_won.as_secs_f64() / 60.0;
    let delayed = fill.backfilled.delayed.as_secs_f64() / 60.0;
    let held_to = format!("{delayed:.1} min that claims which were passed waited for it");
    result("backfill_won_seat_min", won, "seat-min", &held_to);
    if fill.used < 0.9 || fill.used <= strict.used || strict.backfilled.grants > 0 {
        bail!("expected nine seats of ten in use with backfill, and more than without");
    }
    // Who asks for most is passed most, and for no longer than its patience.
    let longest = |p: &profile::Profile| p.waited.iter().map(|(_, _, most)| *most).max();
    if longest(&fill) > longest(&strict).map(|most| most + PATIENCE) {
        bail!("expected nobody to wait for longer than without, and its patience");
    }
    Ok(())
}

/// A line for `e2e/bench`; `against` is what the figure is held to, or made of.
fn result(name: &str, value: f64, unit: &str, against: &str) {
    let value = (value * 10.0).round() / 10.0;
    let line =
        serde_json::json!({ "name": name, "value": value, "unit": unit, "against": against });
    println!("RESULT {line}");
}

/// Worlds of both kinds, of several servers for the first fifth of the seeds; only those of several
/// servers, if they alone are asked for.
fn run(
    seeds: std::ops::Range<u64>,
    &How { steps, threads }: &How,
    several: bool,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let standard = seeds.end - seeds.start >= 10_000 && !several;
    let progress = |n: u64, steps: u64| {
        if n.is_multiple_of(1000) {
            let rate = steps as f64 / begun.elapsed().as_secs_f64();
            println!("{n} worlds, {steps} steps, {rate:.0} steps a second");
        }
    };
    let live = |worlds, seeds| runs::live(worlds, seeds, threads, None, 5, &progress);
    let mut s = runs::Summary::default();
    let fifth = seeds.start..seeds.start + (seeds.end - seeds.start).div_ceil(5);
    let each = if several {
        vec![(Worlds::OfSeveral, seeds.clone())]
    } else {
        vec![
            (Worlds::OfOneServer(steps), seeds.clone()),
            (Worlds::OfSeveral, fifth),
        ]
    };
    for (worlds, seeds) in each {
        let of = live(worlds, seeds);
        for (seed, b) in &of.broken {
            println!("seed {seed}: {b}");
            match worlds {
                Worlds::OfOneServer(_) => println!("  see it: make sim SEED={seed} STEPS={steps}"),
                Worlds::OfSeveral => println!("  see it: make sim SEED={seed} SEVERAL=1"),
            }
        }
        s.add(of);
    }
    let secs = begun.elapsed().as_secs_f64();
    print!("{}", s.coverage.print());
    let (rate, years) = (s.steps as f64 / secs, s.time as f64 / 31_557_600_000.0);
    println!("{rate:.0} steps a second; {years:.1} simulated years in {secs:.0} s");
    let missing = if standard && s.broken.is_empty() {
        s.coverage.missing(PAIRS)
    } else {
        Vec::new()
    };
    for m in &missing {
        println!("never came up: {m}");
    }
    let broken = s.broken.len();
    println!(
        "seeds {}, worlds {}, steps {}, promises broken {broken}",
        seeds.end - seeds.start,
        s.worlds,
        s.steps
    );
    if broken > 0 {
        bail!("promises were broken");
    }
    if !missing.is_empty() {
        bail!("not everything came up");
    }
    Ok(())
}

fn replay(seed: u64, steps: u64, whole: bool) -> anyhow::Result<()> {
    let mut plan = Plan::of(seed, steps);
    if let Some(b) = World::live(&plan, false).broken.filter(|_| !whole) {
        plan = shrink::shrink(&plan, b).0;
    }
    let o = World::live(&plan, true);
    println!("licenses {:?}", plan.licenses);
    println!("D {} ms, {:?}", plan.lease_for, plan.reclaim);
    for (n, p) in plan.policies.iter().enumerate() {
        println!("policy {n} {p:?}");
    }
    println!("policy at the beginning: {:?}", plan.policy);
    for p in &plan.pods {
        println!("pod {p:?}");
    }
    for (t, f) in &plan.faults {
        println!("fault {t:>9} {f:?}");
    }
    for at in &o.trace {
        println!("{:>10} {:?}", at.t, at.fact);
    }
    if let Some(b) = o.broken {
        bail!("{b}")
    }
    println!("seed {seed}: {} steps, no promise broken", o.steps);
    Ok(())
}

fn replay_several(seed: u64, whole: bool) -> anyhow::Result<()> {
    let mut plan = lines::SitePlan::of(seed);
    if let Some(b) = lines::live(&plan, false).broken.filter(|_| !whole) {
        plan = shrink::shrink(&plan, b).0;
    }
    let o = lines::live(&plan, true);
    println!(
        "grace {} ms, contested for {} ms at most",
        plan.grace, plan.max_contested
    );
    for (n, s) in plan.servers.iter().enumerate() {
        println!("server {n} {s:?}");
    }
    for p in &plan.pods {
        println!("pod {p:?}");
    }
    for (t, f) in &plan.faults {
        println!("fault {t:>9} {f:?}");
    }
    println!("quiet from {} ms on", plan.quiet_at);
    for at in &o.trace {
        println!("{:>10} {:?}", at.t, at.fact);
    }
    if let Some(b) = o.broken {
        bail!("{b}")
    }
    println!("seed {seed}: {} steps, no promise broken", o.steps);
    Ok(())
}

fn mutants(seeds: u64, only: Option<Mutant>, how: &How) -> anyhow::Result<()> {
    println!("| mistake | seed | promise | how |\n|---|---|---|---|");
    let mut lost = Vec::new();
    let chosen = |m: &Mutant| only.is_none_or(|o| o == *m);
    for m in Mutant::ALL.into_iter().filter(chosen) {
        let worlds = Worlds::that_show(m, how.steps);
        let live = |seeds, threads, mistake| {
            runs::live(worlds, seeds, threads, mistake, 1, &|_, _| {}).broken
        };
        // A seed counts if the unchanged code passes it.
        let broken = live(0..seeds, how.threads, Some(m));
        let sound = |seed: u64| live(seed..seed + 1, 1, None).is_empty();
        if let Some((seed, b)) = broken.first().filter(|(seed, _)| sound(*seed)) {
            println!("| {m:?} | {seed} | {} | {} |", b.promise, b.what);
        } else {
            println!("| {m:?} | none in {seeds} | | |");
            lost.push(m);
        }
    }
    if !lost.is_empty() {
        bail!("not found: {lost:?}");
    }
    Ok(())
}
