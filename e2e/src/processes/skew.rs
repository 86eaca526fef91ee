//! This version and the one before it (`e2e/previous`): each one's sidecars at the other's license
//! server, in line and holding, while both are upgraded and put back again.

use super::agent::Agent;
use super::count::{never_more_than, nobody_is_lost};
use super::crowd::{each, in_line, leases, stand, the_same, which};
use super::process::program;
use super::site::{Plan, Site};
use crate::kept;
use anyhow::{Context as _, Result, ensure};
use mooring_client::HoldState::{Held, Waiting};
use mooring_core::wire::version::WIRE;
use std::path::PathBuf;

const SEATS: usize = 4;
const SIDECARS: usize = 10;

/// The folder of the version before.
fn previous() -> Result<PathBuf> {
    let folder = std::env::var_os("MOORING_PREVIOUS");
    folder.map(PathBuf::from).context(
        "MOORING_PREVIOUS names the folder of the version before; start through e2e/processes",
    )
}

/// A program of both: as this version has it, and as the one before had it.
fn both(name: &str) -> Result<[String; 2]> {
    let before = previous()?.join("bin").join(name);
    ensure!(before.exists(), "there is no {}", before.display());
    Ok([program(name)?, before.display().to_string()])
}

/// A server of the version before is upgraded and put back, then its sidecars are, those of each
/// version at a server of each: nobody loses a seat, a lease or a place, and there are never more
/// than there are.
pub(super) fn upgraded_and_back() -> Result<()> {
    let (servers, sidecars) = (both("mooring-server")?, both("mooring-sidecar")?);
    let mut site = Site::new(Plan {
        seats: u32::try_from(SEATS)?,
        holders: SIDECARS,
        ..Plan::default()
    })?;
    let [_, before] = &servers;
    site.program.clone_from(before);
    site.start()?;
    let start = |n: usize| {
        let mut agent = site.agent(n)?;
        let [now, before] = &sidecars;
        let program = if n.is_multiple_of(2) { now } else { before };
        agent.program.clone_from(program);
        agent.started()
    };
    let mut crowd = (1..=SIDECARS).map(start).collect::<Result<Vec<_>>>()?;
    let lived = lives(&mut site, &mut crowd, &servers, &sidecars);
    let result = lived.and_then(|()| nobody_is_lost(&crowd));
    let count = never_more_than(u32::try_from(SEATS)?, &crowd);
    site.explain(match (count, result) {
        (Err(over), Err(e)) => Err(e.context(format!("{over:#}"))),
        (count, result) => count.and(result),
    })
}

fn lives(
    site: &mut Site,
    crowd: &mut [Agent],
    [server, server_before]: &[String; 2],
    [sidecar, sidecar_before]: &[String; 2],
) -> Result<()> {
    let full = [(Held, SEATS), (Waiting, SIDECARS - SEATS)];
    stand(crowd, &full, 60).context("at a server of the version before")?;
    let (first, line) = (leases(crowd), site.line()?);
    ensure!(line.len() == SIDECARS - SEATS, "the line: {line:?}");
    let are_as_before = |site: &Site, crowd: &[Agent], what: &str| {
        in_line(site, &line, what)?;
        stand(crowd, &full, 40).context(what.to_owned())?;
        the_same(what, &first, crowd)
    };
    for (what, program) in [
        ("the server is upgraded", server),
        ("the server is put back", server_before),
        ("the server is upgraded again", server),
    ] {
        println!("  {what}");
        site.kill()?;
        site.program.clone_from(program);
        site.start()?;
        are_as_before(site, crowd, what)?;
    }
    for version in ["1", &*WIRE.to_string()] {
        let label = format!("version=\"{version}\"");
        let heard = site.metric("mooring_wire_requests_total", &label)?;
        ensure!(heard > 0.0, "the server counts no request of {label}");
    }

    let all: Vec<usize> = (0..SIDECARS).collect();
    for what in ["each sidecar has the other version", "each is put back"] {
        println!("  {what}");
        each(crowd, &all, Agent::kill)?;
        for agent in crowd.iter_mut() {
            let is_new = agent.program == *sidecar;
            let other = if is_new { sidecar_before } else { sidecar };
            agent.program.clone_from(other);
        }
        each(crowd, &all, Agent::start)?;
        each(crowd, &all, |a| a.speaks())?;
        are_as_before(site, crowd, what)?;
    }

    println!("  the seats change hands");
    let ending = which(crowd, Held, SEATS);
    each(crowd, &ending, Agent::end)?;
    let waits = SIDECARS - 2 * SEATS;
    stand(crowd, &[(Held, SEATS), (Waiting, waits)], 20)?;
    let rest = line.get(SEATS..).unwrap_or_default();
    in_line(site, rest, "the seats changed hands")
}

/// What the APIs say of their messages is what they said in the version before, and more.
pub(super) fn messages() -> Result<()> {
    let here = std::env::current_dir()?.join("docs/openapi");
    let before = previous()?.join("openapi");
    for api in ["server.json", "socket.json"] {
        let read = |folder: &PathBuf| -> Result<serde_json::Value> {
            let file = folder.join(api);
            let text =
                std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            Ok(serde_json::from_str(&text)?)
        };
        let broken = kept::broken(&read(&before)?, &read(&here)?);
        ensure!(
            broken.is_empty(),
            "docs/openapi/{api} is not what sidecars and license servers of the version before go by:\n  {}",
            broken.join("\n  ")
        );
    }
    Ok(())
}
