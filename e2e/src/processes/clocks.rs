//! Clocks: the wall clock may jump and nothing happens; the boot clock runs through a suspend, and that counts.

use super::agent::Agent;
use super::count::{never_more_than, nobody_is_lost, states};
use super::eventually;
use super::process::tail;
use super::site::{Plan, Site, wall_of};
use anyhow::{Context as _, Result, ensure};
use mooring_client::HoldState::{Grace, Held, Lost, Waiting};
use mooring_client::Sidecar;
use mooring_core::license::LeaseToken;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Everything that depends on a third of a lease has come twice when the leases were renewed this often.
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
        let all = agents.iter().zip(&before).all(|(a, b)| {
            a.state() == Some(Held) && a.told().len() >= b + RENEWALS
        });
        all.then_some(()).ok_or_else(|| {
            let logs = agents.iter().map(|a| format!("{} {:?}\n{}", a.name, a.state(), tail(&a.log(), 6)));
            logs.collect::<Vec<_>>().join("\n")
        })
    })
}

/// By how many days the server's wall clock is off, as its lease tokens say.
fn server_days(a: &Agent) -> Result<i64> {
    let bundle = Sidecar::at(a.socket()).token(None, None)?;
    let token = bundle
        .lease
        .read_unverified::<LeaseToken>(mooring_core::license::types::LEASE)?;
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs())?;
    Ok(((token.issued_at.as_second() - now) + 43_200).div_euclid(86_400))
}

pub(super) fn jumps() -> Result<()> {
    let mut site = Site::new(Plan {
        seats: 2,
        holders: 3,
        // As short as it can be: two days of it would be the end at once.
        grace_secs: 30,
        made_days_ago: 3,
        ..Plan::default()
    })?;
    let (servers, sidecars) = (site.path("server-wall"), site.path("sidecar-wall"));
    set(&servers, 0)?;
    set(&sidecars, 0)?;
    site.env = wall_of(&servers);
    site.start()?;
    let moved = site.agent(1)?.env(wall_of(&sidecars)).started()?;
    site.explain(moved.is(Held, 30))?;
    let still = site.agent(2)?.started()?;
    still.is(Held, 30)?;
    let waits = site.agent(3)?.env(wall_of(&sidecars)).started()?;
    waits.is(Waiting, 30)?;
    let leases = (moved.lease(), still.lease(), waits.lease());
    let result = jump(&mut site, &servers, &sidecars, [&moved, &still, &waits], &leases);
    site.explain(result)?;
    let all = [moved, still, waits];
    nobody_is_lost(&all)?;
    let graces = all.iter().flat_map(Agent::told).filter(|s| s.state == Grace);
    ensure!(graces.count() == 0, "nobody was ever out of contact for a lease");
    never_more_than(2, &all)
}

type Leases = (Option<String>, Option<String>, Option<String>);

fn jump(
    site: &mut Site,
    servers: &Path,
    sidecars: &Path,
    [moved, still, waits]: [&Agent; 3],
    leases: &Leases,
) -> Result<()> {
    let holders = [moved, still];
    let as_before = |what: &str| {
        let now = (moved.lease(), still.lease(), waits.lease());
        ensure!(now == *leases, "{what}: leases {now:?}, before {leases:?}");
        ensure!(waits.state() == Some(Waiting), "{what}: {:?}", waits.last());
        Ok(())
    };
    for days in [2, -2] {
        let what = format!("the sidecars' wall clock off by {days} days");
        set(sidecars, days)?;
        renewed(&holders, &what)?;
        as_before(&what)?;
    }
    set(sidecars, 0)?;
    for days in [2, -2] {
        let what = format!("the server's wall clock off by {days} days");
        set(servers, days)?;
        renewed(&holders, &what)?;
        as_before(&what)?;
        let off = server_days(still)?;
        ensure!(off == i64::from(days), "{what}: its tokens are off by {off}");
    }
    // Two days back, then four days forward while it is not there, then back again.
    for days in [2, -2] {
        let what = format!("the server restarted with its wall clock off by {days} days");
        site.kill()?;
        set(servers, days)?;
        site.start()?;
        renewed(&holders, &what)?;
        as_before(&what)?;
    }
    Ok(())
}

/// One hour, in which the machine was suspended: the boot clock counts it, the monotonic clock would not. A time namespace's clock is
/// set when it is made, so the sidecar is killed before and started within.
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
            a.under = ["unshare", "--fork", "--kill-child", "--time", "--boottime", hour]
                .map(Into::into)
                .to_vec();
            a.start()?;
            a.speaks()?;
        }
        let short = if hour == "0" { Grace } else { Lost };
        let (one, other) = (both.first().and_then(Agent::state), both.last().and_then(Agent::state));
        ensure!(
            one == Some(short) && other == Some(Grace),
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
