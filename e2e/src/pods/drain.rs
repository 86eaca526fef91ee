//! Pods whose owner replaces them, while strangers stand in line.

use super::fleet::{Fleet, uids};
use crate::lab::{App, Lab, Server, eventually, so, within};
use crate::main_job::{begin, count_seats};
use anyhow::{Result, ensure};

/// A node with ten annotated pods of a Deployment is drained, while five strangers wait in line:
/// every replacement gets its predecessor's seat, and no stranger any. The Deployment is scaled
/// down: those seats are the strangers'.
pub(super) async fn every_replacement_gets_its_predecessors_seat(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "every_replacement_gets_its_predecessors_seat").await?;
    let server = Server::new(&ns, 10);
    server.ready(lab).await?;
    let (there, here) = (&lab.nodes.1, &lab.nodes.0);
    // The license server stays: its node is not the one that is drained.
    let fleet = Fleet::new(&ns, "fleet", 10).on(there);
    fleet.apply(lab).await?;
    let old = fleet.all_hold(lab, 10).await?;
    let mut strangers = Vec::new();
    for n in 1..=5 {
        let name = format!("stranger-{n}");
        let stranger = App::start(lab, &ns, &name, "render", Some(here.as_str())).await?;
        strangers.push(stranger);
    }
    server
        .shows(lab, &[("Held", 10), ("Waiting", 5)], 60)
        .await?;

    let drained = drain(lab, there, &fleet, &old).await;
    let joined = lab.kubectl(format!("uncordon {there}")).await;
    let new = drained?;
    joined?.ok("uncordoning a node")?;
    let before = uids(&old);
    ensure!(
        new.iter().all(|(_, uid)| !before.contains(uid)),
        "one of the old pods is there: {new:?}"
    );
    for s in &strangers {
        ensure!(
            s.state().is_none(),
            "{} has a seat: {:?}",
            s.name,
            s.state()
        );
    }

    // Nothing is kept for pods that are wanted no more.
    fleet.scale(lab, 8).await?;
    eventually("two strangers have their seats", within(20), async || {
        let held = strangers
            .iter()
            .filter(|s| s.state().as_deref() == Some("Held"));
        let held = held.count();
        so(held == 2, || format!("{held} have"))
    })
    .await?;
    let all: Vec<&App> = old
        .iter()
        .chain(&new)
        .map(|(a, _)| a)
        .chain(&strangers)
        .collect();
    let all: Vec<(&App, u32)> = all.into_iter().map(|a| (a, 1)).collect();
    count_seats(&all, 10).map(drop)
}

/// Drains a node of the fleet's pods, and waits until ten others have their seats.
async fn drain(
    lab: &Lab,
    node: &str,
    fleet: &Fleet<'_>,
    old: &[(App, String)],
) -> Result<Vec<(App, String)>> {
    let drain = format!(
        "drain {node} --pod-selector=fleet={} --delete-emptydir-data --timeout=120s",
        fleet.name
    );
    lab.kubectl(&drain).await?.ok("draining a node")?;
    let before = uids(old);
    eventually(
        "ten replacements hold their seats",
        within(120),
        async || {
            let now = fleet.apps(lab).await?;
            let new: Vec<_> = now
                .into_iter()
                .filter(|(_, uid)| !before.contains(uid))
                .collect();
            let mut held = Vec::new();
            for (app, uid) in new {
                if app.started(lab).await? {
                    held.push((app, uid));
                }
            }
            let count = held.len();
            Ok(if count == 10 {
                Ok(held)
            } else {
                Err(format!("{count} do"))
            })
        },
    )
    .await
}
