//! Many sidecars and one server; each kind of process is killed, and some are stopped for longer
//! than a lease.

use super::agent::Agent;
use super::count::{most_held, never_more_than, nobody_is_lost, states};
use super::site::{Plan, Site};
use super::wait::eventually;
use anyhow::{Context as _, Result, ensure};
use mooring_client::HoldState::{self, Contested, Held, Waiting};
use rustix::process::Signal;

const SEATS: usize = 150;
const SIDECARS: usize = 200;

/// Waits until this many are in each state.
pub(super) fn stand(crowd: &[Agent], want: &[(HoldState, usize)], secs: u64) -> Result<()> {
    eventually(&format!("{want:?}"), secs, || {
        let all = want.iter().all(|(state, n)| {
            let are = crowd.iter().filter(|a| a.state() == Some(*state));
            are.count() == *n
        });
        all.then_some(()).ok_or_else(|| states(crowd))
    })
}

pub(super) fn leases(crowd: &[Agent]) -> Vec<(String, Option<String>)> {
    let of = |a: &Agent| (a.name.clone(), a.lease());
    crowd.iter().map(of).collect()
}

pub(super) fn the_same(
    what: &str,
    before: &[(String, Option<String>)],
    crowd: &[Agent],
) -> Result<()> {
    let after = leases(crowd);
    let mut changed = before.iter().zip(&after).filter(|(b, a)| b != a);
    let first = changed.next();
    ensure!(
        first.is_none(),
        "{what}: {first:?} and {} others changed their lease",
        changed.count()
    );
    Ok(())
}

/// Waits until those who wait are all in the books again, in this order.
pub(super) fn in_line(site: &Site, want: &[String], after: &str) -> Result<()> {
    let what = format!("after {after}, the line is as before");
    site.explain(eventually(&what, 40, || {
        let line = site.line().map_err(|e| format!("{e:#}"))?;
        if line == want {
            return Ok(());
        }
        Err(format!("{line:?} instead of {want:?}"))
    }))
}

pub(super) fn which(crowd: &[Agent], state: HoldState, n: usize) -> Vec<usize> {
    let are = (0..crowd.len()).filter(|i| crowd.get(*i).and_then(Agent::state) == Some(state));
    are.take(n).collect()
}

pub(super) fn each(
    crowd: &mut [Agent],
    which: &[usize],
    mut f: impl FnMut(&mut Agent) -> Result<()>,
) -> Result<()> {
    for i in which {
        let a = crowd.get_mut(*i).context("no such sidecar")?;
        f(a).with_context(|| a.name.clone())?;
    }
    Ok(())
}

pub(super) fn two_hundred() -> Result<()> {
    let mut site = Site::new(Plan {
        seats: u32::try_from(SEATS)?,
        holders: SIDECARS,
        ..Plan::default()
    })?;
    site.start()?;
    let mut crowd = (1..=SIDECARS)
        .map(|n| site.agent(n)?.started())
        .collect::<Result<Vec<_>>>()?;
    let result = lives(&mut site, &mut crowd).and_then(|()| nobody_is_lost(&crowd));
    // Whatever else went wrong, that too many held is said, and first.
    let count = never_more_than(u32::try_from(SEATS)?, &crowd);
    site.explain(match (count, result) {
        (Err(over), Err(e)) => Err(e.context(format!("{over:#}"))),
        (count, result) => count.and(result),
    })
}

fn lives(site: &mut Site, crowd: &mut [Agent]) -> Result<()> {
    let full = [(Held, SEATS), (Waiting, SIDECARS - SEATS)];
    stand(crowd, &full, 60).context("at first")?;
    let (first, line) = (leases(crowd), site.line()?);
    ensure!(line.len() == SIDECARS - SEATS, "the line: {line:?}");

    println!("  kill -9 of 20 sidecars");
    let some = [which(crowd, Held, 15), which(crowd, Waiting, 5)].concat();
    each(crowd, &some, Agent::kill)?;
    each(crowd, &some, Agent::start)?;
    each(crowd, &some, |a| a.speaks())?;
    stand(crowd, &full, 30).context("after kill -9 of 20 sidecars")?;
    the_same("after kill -9 of 20 sidecars", &first, crowd)?;
    in_line(site, &line, "kill -9 of 20 sidecars")?;

    println!("  kill -9 of the server");
    site.kill()?;
    site.start()?;
    in_line(site, &line, "kill -9 of the server")?;
    stand(crowd, &full, 40).context("after kill -9 of the server")?;
    the_same("after kill -9 of the server", &first, crowd)?;

    println!("  SIGSTOP of 10 sidecars for longer than a lease");
    let stopped = which(crowd, Held, 10);
    each(crowd, &stopped, |a| a.signal(Signal::STOP))?;
    let heirs = line.get(..10).unwrap_or_default();
    let what = "the first ten in line have the seats of the ten that are stopped";
    eventually(what, 40, || {
        let held = crowd.iter().filter(|a| a.state() == Some(Held));
        let names = held.map(|a| a.name.clone());
        let mut now: Vec<_> = names.filter(|name| line.contains(name)).collect();
        let mut want = heirs.to_vec();
        now.sort();
        want.sort();
        let missing = || format!("{now:?} instead of {want:?}");
        (now == want).then_some(()).ok_or_else(missing)
    })?;
    each(crowd, &stopped, |a| a.signal(Signal::CONT))?;
    each(crowd, &stopped, |a| a.is(Contested, 30).map(drop))?;
    stand(crowd, &[(Held, SEATS), (Contested, 10), (Waiting, 40)], 10)?;

    println!("  SIGTERM of 10 holders");
    let mut ending = which(crowd, Held, SEATS);
    ending.reverse();
    ending.truncate(10);
    each(crowd, &ending, Agent::end)?;
    // Who was Held once goes before all who wait.
    each(crowd, &stopped, |a| a.is(Held, 10).map(drop))?;
    stand(crowd, &[(Held, SEATS), (Contested, 0), (Waiting, 40)], 10)?;
    in_line(site, line.get(10..).unwrap_or_default(), "all that")
}

/// That the count can fail: a server that is made to believe that no lease was ever granted does
/// not settle, gives seats away that others still hold, and is found out.
pub(super) fn forgetful() -> Result<()> {
    let mut site = Site::new(Plan {
        seats: 3,
        holders: 6,
        lease_secs: 60,
        ..Plan::default()
    })?;
    site.start()?;
    let crowd = (1..=6)
        .map(|n| site.agent(n)?.started())
        .collect::<Result<Vec<_>>>()?;
    stand(&crowd, &[(Held, 3), (Waiting, 3)], 30)?;
    ensure!(most_held(&crowd).seats == 3, "three are Held");
    // Silent, and so sure of their seats for a minute, while the server forgets.
    for a in crowd.iter().filter(|a| a.state() == Some(Held)) {
        a.signal(Signal::STOP)?;
    }
    site.kill()?;
    std::fs::remove_dir_all(site.path("state"))?;
    let config = site.path("server/config.yaml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, format!("{text}\nearlierLongestLeaseSecs: 0\n"))?;
    std::fs::create_dir(site.path("state"))?;
    site.start()?;
    let found = stand(&crowd, &[(Held, 6)], 40).and_then(|()| {
        let most = most_held(&crowd).seats;
        ensure!(most == 6, "six hold three seats, and {most} were counted");
        ensure!(never_more_than(3, &crowd).is_err(), "and this is no error");
        Ok(())
    });
    site.explain(found)
}
