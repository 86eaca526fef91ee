//! Clocks: the wall clock may jump and nothing happens; the boot clock runs through a suspend, and
//! that counts.

use super::agent::Agent;
use super::count::{never_more_than, nobody_is_lost, states};
use super::process::tail;
use super::site::{Plan, Site, wall_of};
use super::wait::eventually;
use anyhow::{Context as _, Result, ensure};
use mooring_client::HoldState::{Grace, Held, Lost, Waiting};
use mooring_client::Sidecar;
use mooring_core::license::{LeaseToken, types};
use mooring_core::time::Timestamp;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often leases are renewed before a jump is said to have changed nothing.
const RENEWALS: usize = 3;

/// Sets the wall clock of the processes that read this file.
fn set(file: &Path, days: i32) -> Result<()> {
    // In one step: they read it at any moment.
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, format!("{days:+}d\n"))?;
    std::fs::rename(&fresh, file).with_context(|| file.display().to_string())
}

/// Waits until each of them was renewed a few times.
fn renewed(agents: &[&Agent], what: &str) -> Result<()> {
    let before: Vec<usize> = agents.iter().map(|a| a.told().len()).collect();
    eventually(&format!("{what}: the leases are renewed"), 40, || {
        let all = agents
            .iter()
            .zip(&before)
            .all(|(a, b)| a.state() == Some(Held) && a.told().len() >= b + RENEWALS);
        all.then_some(()).ok_or_else(|| {
            let logs = agents
                .iter()
                .map(|a| format!("{} {:?}\n{}", a.name, a.state(), tail(&a.log(), 6)));
            logs.collect::<Vec<_>>().join("\n")
        })
    })
}

/// By how many days this is off.
fn days_off(t: Timestamp) -> i64 {
    let off = t.as_second() - Timestamp::now().as_second();
    (off + 43_200).div_euclid(86_400)
}

/// By how many days the server's wall clock is off, as a lease token of this moment says.
fn server_days(a: &Agent) -> Result<i64> {
    let bundle = Sidecar::at(a.socket()).token(None, None, Some("0123456789abcdef"))?;
    let token: LeaseToken = bundle.lease.read_unverified(types::LEASE)?;
    Ok(days_off(token.issued_at))
}

/// By how many days a sidecar's wall clock is off, as its log says.
fn log_days(a: &Agent) -> Result<i64> {
    let log = std::fs::read_to_string(a.log())?;
    let last = log.lines().last().context("it wrote nothing")?;
    let line: serde_json::Value = serde_json::from_str(last)?;
    let stamp = line["timestamp"].as_str().context("no timestamp")?;
    Ok(days_off(stamp.parse()?))
}

/// The sidecars' clocks jump both ways, the server's ahead: nobody notices.
pub(super) fn jumps() -> Result<()> {
    let (mut site, servers, sidecars) = made(3, 2)?;
    site.start()?;
    let moved = site.agent(1)?.env(wall_of(&sidecars)).started()?;
    site.explain(moved.is(Held, 30))?;
    let still = site.agent(2)?.started()?;
    still.is(Held, 30)?;
    let waits = site.agent(3)?.env(wall_of(&sidecars)).started()?;
    waits.is(Waiting, 30)?;
    let mut all = [moved, still, waits];
    let result = jump(&mut site, &servers, &sidecars, &mut all);
    site.explain(result)?;
    nobody_is_lost(&all)?;
    let mut told = all.iter().flat_map(Agent::told);
    ensure!(
        told.all(|s| s.state != Grace),
        "nobody was ever out of contact for a lease"
    );
    never_more_than(2, &all)
}

/// A site whose certificates are good for days around now, and the files of its wall clocks: the
/// server's, and a sidecar's.
fn made(holders: usize, made_days_ago: u32) -> Result<(Site, PathBuf, PathBuf)> {
    let mut site = Site::new(Plan {
        seats: 2,
        holders,
        // Much shorter than the jumps: they would end it at once.
        grace_secs: 600,
        made_days_ago,
        ..Plan::default()
    })?;
    let (servers, sidecars) = (site.path("server-wall"), site.path("sidecar-wall"));
    set(&servers, 0)?;
    set(&sidecars, 0)?;
    site.env = wall_of(&servers);
    Ok((site, servers, sidecars))
}

fn leases(all: &[Agent; 3]) -> Vec<Option<String>> {
    all.iter().map(Agent::lease).collect()
}

fn jump(site: &mut Site, servers: &Path, sidecars: &Path, all: &mut [Agent; 3]) -> Result<()> {
    let before = leases(all);
    let nothing_changes = |all: &[Agent; 3], what: &str| {
        let [moved, still, waits] = all;
        renewed(&[moved, still], what)?;
        let now = leases(all);
        ensure!(now == before, "{what}: {now:?}, before {before:?}");
        ensure!(waits.state() == Some(Waiting), "{what}: {:?}", waits.last());
        Ok(())
    };
    for days in [2, -2] {
        let what = format!("the sidecars' wall clock off by {days} days");
        set(sidecars, days)?;
        nothing_changes(all, &what)?;
        // A crash under the other clock, too.
        let [moved, ..] = &mut *all;
        moved.kill()?;
        moved.start()?;
        moved.speaks()?;
        nothing_changes(all, &format!("{what}, started anew"))?;
        let [moved, ..] = &*all;
        let off = log_days(moved)?;
        ensure!(off == i64::from(days), "{what}: its log is off by {off}");
    }
    set(sidecars, 0)?;
    for (days, restart) in [(2, false), (4, true)] {
        let what = format!("the server's wall clock ahead by {days} days, restarted: {restart}");
        if restart {
            site.kill()?;
        }
        set(servers, days)?;
        if restart {
            site.start()?;
        }
        nothing_changes(all, &what)?;
        let [_, still, _] = &*all;
        let off = server_days(still)?;
        ensure!(
            off == i64::from(days),
            "{what}: its tokens are off by {off}"
        );
    }
    Ok(())
}

/// The server's clock is set back: by design it signs nothing then, and says so. That is like a
/// server out of reach: nobody's limit moves, and all is as before once the clock is right.
pub(super) fn set_back() -> Result<()> {
    let (mut site, servers, _) = made(2, 3)?;
    site.start()?;
    let mut all = Vec::new();
    for n in 1..=2 {
        let a = site.agent(n)?.started()?;
        site.explain(a.is(Held, 30))?;
        all.push(a);
    }
    for restart in [false, true] {
        if restart {
            site.kill()?;
        }
        set(&servers, -2)?;
        if restart {
            site.start()?;
        }
        for a in &all {
            let now = site.explain(a.is(Grace, 30))?;
            let told = a.told();
            let held = told.iter().rev().find(|s| s.state == Held);
            ensure!(
                held.and_then(|s| s.until_boot_ms) == now.until_boot_ms,
                "{}: its limit moved: {held:?}, then {now:?}",
                a.name
            );
        }
        let said = std::fs::read_to_string(site.path("server.log"))?;
        ensure!(
            said.contains("set the clock"),
            "the server says what is wrong"
        );
        set(&servers, 0)?;
        for a in &all {
            site.explain(a.is(Held, 60))?;
        }
    }
    nobody_is_lost(&all)?;
    never_more_than(2, &all)
}

/// One hour, in which the machine was suspended: the boot clock counts it, the monotonic clock
/// would not. A time namespace's clock is set when it is made, so the sidecar is killed before and
/// started within.
pub(super) fn suspend() -> Result<()> {
    let mut site = Site::new(Plan {
        seats: 2,
        holders: 2,
        ..Plan::default()
    })?;
    site.start()?;
    let short = site.agent(1)?.arg("--grace", "30m").started()?;
    let long = site.agent(2)?.arg("--grace", "8h").started()?;
    let mut both = [short, long];
    for a in &both {
        site.explain(a.is(Held, 30))?;
    }
    site.kill()?;
    for a in &both {
        a.is(Grace, 30)?;
    }
    // Killed and started where no time has passed: both go on.
    for hour in ["0", "3600"] {
        for a in &mut both {
            a.kill()?;
            let under = [
                "unshare",
                "--fork",
                "--kill-child",
                "--time",
                "--boottime",
                hour,
            ];
            a.under = under.map(Into::into).to_vec();
            a.start()?;
            a.speaks()?;
        }
        let short = if hour == "0" { Grace } else { Lost };
        let now = [&both[0], &both[1]].map(Agent::state);
        ensure!(
            now == [Some(short), Some(Grace)],
            "after {hour} s of suspend, with 30 min of grace and with 8 h: {}",
            states(&both)
        );
    }
    let shift = |a: &Agent| {
        let told = a.told();
        let stamps: Vec<u64> = told.iter().map(|s| s.boot_ms).collect();
        let jump = stamps.windows(2).map(|w| w[1].saturating_sub(w[0])).max();
        Duration::from_millis(jump.unwrap_or_default())
    };
    ensure!(
        both.iter().all(|a| shift(a) >= Duration::from_secs(3600)),
        "their boot clocks were moved"
    );
    Ok(())
}
