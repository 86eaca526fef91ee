//! A license server outside of the cluster beside one within: one pool to the pods.

use super::pool::{at, known, ready};
use super::site::{MACHINE, Workshop, knows_pods};
use crate::lab::{App, Lab, Server};
use crate::main_job::{begin, count_seats, holds, notices_nothing};
use anyhow::{Context as _, Result, ensure};

pub(super) async fn a_server_outside_and_one_within_are_one_pool(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_server_outside_and_one_within_are_one_pool").await?;
    let site = Workshop::prepare(lab, "pooled", 1).await?;
    site.lists_the_cluster(lab, 8).await?;
    let _running = site.start(lab).await?;
    knows_pods(lab, true).await?;
    let done = pooled(lab, &ns, &site).await;
    // Whatever has failed: the machine is on the network for whoever comes next.
    lab.node("join", MACHINE).await?;
    knows_pods(lab, false).await?;
    done
}

async fn pooled(lab: &Lab, ns: &str, site: &Workshop) -> Result<()> {
    site.apply(lab, ns).await?;
    let outside = Server::new(ns, 1);
    outside.condition(lab, "Ready", "True").await?;
    let within = ready(lab, ns, "within", &[("render", 1)]).await?;
    // A server is told of by its host's first part, here an address.
    let host = site.address.split('.').next().unwrap_or_default();
    known(lab, ns, &format!("{host} within")).await?;

    let one = holds(lab, ns, "one", Some(&lab.nodes.0)).await?;
    let two = holds(lab, ns, "two", Some(&lab.nodes.1)).await?;
    let next = App::start(lab, ns, "next", "render", Some(&lab.nodes.1)).await?;
    let want = [("Held", 2), ("Waiting", 2)];
    let rows = within.shows(lab, &want, 60).await?;
    for server in [&outside, &within] {
        let (held, waits) = (at(&rows, server, "Held"), at(&rows, server, "Waiting"));
        let each = (held.len(), waits.len());
        ensure!(each == (1, 1), "at {}: {each:?}: {rows:?}", server.name);
    }
    println!("  two hold, one of each server; the third waits in both lines");

    let there = at(&rows, &outside, "Held");
    let name = &there.first().context("nobody holds outside")?.pod;
    let (far, near) = if *name == one.name {
        (&one, &two)
    } else {
        (&two, &one)
    };
    lab.node("cut", MACHINE).await?;
    far.says("Grace", 60).await?;
    ensure!(!next.started(lab).await?, "the third runs without a seat");
    near.delete(lab).await?;
    next.says("Held", 60).await?;
    notices_nothing(near)?;
    println!("  cut off, the server outside takes its own seats alone: the line within goes on");
    lab.node("join", MACHINE).await?;
    far.says("Held", 60).await?;
    let rows = within.shows(lab, &[("Held", 2)], 60).await?;
    let of = |server: &Server, app: &App| {
        let held = at(&rows, server, "Held");
        held.iter().any(|r| r.pod == app.name)
    };
    ensure!(of(&outside, far) && of(&within, &next), "{rows:?}");
    let most = count_seats(&[(&one, 1), (&two, 1), (&next, 1)], 2)?;
    println!("  at most {} of 2 seats were held at once", most.seats);
    Ok(())
}
