//! No server in reach: the optimistic start, the wait for a lease, the end of the grace.

use super::site::{Plan, Site};
use anyhow::{Result, ensure};
use mooring_client::HoldState::{Grace, Held, Lost, Optimistic, Seeking};
use mooring_client::{Status, boot};

/// The limit of those that are to be lost.
const GRACE_MS: u64 = 20_000;

fn lost_at_its_limit(told: &[Status], from: u64, to: u64) -> Result<u64> {
    let lost = told.iter().position(|s| s.state == Lost);
    let (before, after) = told.split_at(lost.unwrap_or_default());
    let (Some(last), Some(lost)) = (before.last(), after.first()) else {
        anyhow::bail!("it never was licensed: {told:?}");
    };
    let until = last.until_boot_ms.unwrap_or_default();
    ensure!(
        last.licensed && (from + GRACE_MS..=to + GRACE_MS).contains(&until),
        "its limit should be 20 s after {from}..{to}: {last:?}"
    );
    ensure!(
        lost.boot_ms >= until,
        "lost {} ms before its limit: {lost:?}",
        until - lost.boot_ms
    );
    Ok(lost.boot_ms - until)
}

pub(super) fn no_server() -> Result<()> {
    let mut site = Site::new(Plan {
        seats: 3,
        holders: 4,
        ..Plan::default()
    })?;
    let begun = boot().as_millis();
    let optimist = |n: usize| {
        let a = site.agent(n)?.with("MOORING_START", "optimistic");
        anyhow::Ok(a.with("MOORING_CONTACT_TIMEOUT", "2s"))
    };
    let starts = optimist(1)?.started()?;
    let short = optimist(2)?.arg("--grace", "20s").started()?;
    let waits = site.agent(3)?.with("MOORING_CONTACT_TIMEOUT", "2s");
    let waits = waits.started()?;
    let first = short.is(Optimistic, 15)?;
    starts.is(Optimistic, 15)?;

    short.is(Lost, 40)?;
    let late = lost_at_its_limit(&short.told(), begun, first.boot_ms)?;
    println!("  Optimistic: Lost {late} ms after the limit of 20 s");
    let told = waits.told();
    ensure!(
        told.iter().all(|s| s.state == Seeking && !s.licensed),
        "with start: licensed it waits: {told:?}"
    );
    ensure!(
        starts.state() == Some(Optimistic),
        "it has eight hours: {:?}",
        starts.last()
    );

    site.start()?;
    let there = boot();
    for a in [&starts, &waits, &short] {
        let held = site.explain(a.is(Held, 30))?;
        let after = held.boot_ms.saturating_sub(there.as_millis());
        println!("  {} Held {after} ms after the server could sign", a.name);
    }
    let told = starts.told();
    let mut since = told.iter().skip_while(|s| !s.licensed);
    ensure!(
        since.all(|s| s.licensed),
        "from its start on it is licensed"
    );

    // The same limit for one that was Held: 20 s from the request that was answered last, at most a
    // third of a lease ago.
    drop(waits);
    let short = site.agent(4)?.arg("--grace", "20s").started()?;
    short.is(Held, 30)?;
    let before = boot().as_millis();
    site.kill()?;
    let killed = boot().as_millis();
    short.is(Grace, 30)?;
    short.is(Lost, 40)?;
    let late = lost_at_its_limit(&short.told(), before.saturating_sub(10_000), killed)?;
    println!("  Grace: Lost {late} ms after the limit of 20 s");
    Ok(())
}
