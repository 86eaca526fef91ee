//! The license server is gone for minutes; who holds goes on under the grace.

use super::agent::Agent;
use super::count::{never_more_than, nobody_is_lost, states};
use super::site::{Plan, Site};
use super::wait::eventually;
use anyhow::{Context as _, Result, ensure};
use mooring_client::HoldState::{Grace, Held, Waiting};
use mooring_client::boot;
use std::time::Duration;

const SEATS: usize = 12;
const SIDECARS: usize = 16;

pub(super) fn three_minutes() -> Result<()> {
    let mut site = Site::new(Plan {
        seats: u32::try_from(SEATS)?,
        holders: SIDECARS,
        ..Plan::default()
    })?;
    site.start()?;
    let mut crowd = Vec::new();
    for n in 1..=SIDECARS {
        let a = site.agent(n)?.started()?;
        // One after another, so that it is known who waits.
        a.is(if n <= SEATS { Held } else { Waiting }, 30)?;
        crowd.push(a);
    }
    let (holders, waiters) = crowd.split_at(SEATS);
    let before: Vec<_> = holders.iter().map(Agent::lease).collect();

    site.kill()?;
    let gone = boot();
    eventually("all holders are in Grace", 30, || {
        let all = holders.iter().all(|a| a.state() == Some(Grace));
        all.then_some(()).ok_or_else(|| states(holders))
    })?;
    // The time is what is tried: nothing may happen in it.
    eventually("three minutes", 200, || {
        let past = gone.until(boot());
        let over = past >= Duration::from_secs(180);
        over.then_some(()).ok_or_else(|| format!("{past:?}"))
    })?;
    for (list, state) in [(holders, Grace), (waiters, Waiting)] {
        ensure!(
            list.iter().all(|a| a.state() == Some(state)),
            "without a server for three minutes all should be {state}: {}",
            states(list)
        );
    }

    site.start()?;
    let back = boot();
    let done = eventually("all holders are Held again", 40, || {
        let all = holders.iter().all(|a| a.state() == Some(Held));
        all.then_some(()).ok_or_else(|| states(holders))
    });
    site.explain(done)?;
    let took = back.until(boot()).as_secs_f64();
    println!("  all {SEATS} were Held again {took:.1} s after the server's start");
    let after: Vec<_> = holders.iter().map(Agent::lease).collect();
    let kept = before.iter().zip(&after).filter(|(b, a)| b == a).count();
    println!("  {kept} of {SEATS} have the lease they had");
    nobody_is_lost(&crowd)?;
    ensure!(
        waiters.iter().all(|a| a.state() == Some(Waiting)),
        "who waited waits behind them: {}",
        states(waiters)
    );
    never_more_than(u32::try_from(SEATS)?, &crowd).context("after three minutes without a server")
}
