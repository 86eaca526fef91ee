//! The license server's pod dies at random moments.

use super::steps::{begin, count_seats, notices_nothing, renews};
use crate::lab::{App, Lab, Server, eventually, is_ready, so, within};
use anyhow::{Context as _, Result, bail, ensure};
use std::time::Duration;

/// How often the server's pod is deleted.
const TIMES: u32 = 20;

/// Twenty times at random moments, with one pod waiting: the server comes back on its node, no
/// application notices, lease ids and the waiter's place are as before.
pub(super) async fn the_server_restarts_and_nobody_notices(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "the_server_restarts_and_nobody_notices").await?;
    let mut server = Server::new(&ns, 2);
    server.duration = Duration::from_secs(20);
    server.ready(lab).await?;
    let apps = start(lab, &ns, &server).await?;
    let before = server.leases(lab).await?;

    for i in 1..=TIMES {
        let killed = kill(lab, &server).await;
        killed.with_context(|| format!("restart {i} of {TIMES}"))?;
    }
    settled(lab, &server).await?;
    let after = server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    ensure!(before == after, "before: {before:?}\nafter:  {after:?}");
    let node = server.node(lab).await?;
    ensure!(node == lab.nodes.0, "the server came back on {node}");
    for a in &apps[..2] {
        renews(a, 1).await?;
        notices_nothing(a)?;
    }
    ensure!(
        !apps[2].started(lab).await?,
        "the waiting pod's application started"
    );
    let counted: Vec<(&App, u32)> = apps.iter().map(|a| (a, 1)).collect();
    count_seats(&counted, 2)?;
    // And the seats still float.
    apps[0].delete(lab).await?;
    apps[2].says("Held", 20).await
}

/// The same with a server that does not settle: the count on the holders' side must find it out.
pub(super) async fn without_settling_the_restart_scenario_fails(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "without_settling_the_restart_scenario_fails").await?;
    let mut server = Server::new(&ns, 2);
    server.duration = Duration::from_secs(20);
    let image = lab.images.mutant.clone();
    let image = image.context("there is no image of the mutant; e2e/cluster/images makes it")?;
    server.image = Some(image);
    server.ready(lab).await?;
    let apps = start(lab, &ns, &server).await?;
    let counted: Vec<(&App, u32)> = apps.iter().map(|a| (a, 1)).collect();
    for _ in 0..TIMES {
        kill(lab, &server).await?;
        settled(lab, &server).await?;
        if let Err(found) = count_seats(&counted, 2) {
            println!("  found, as it must be: {found}");
            return Ok(());
        }
    }
    bail!(
        "a server without settling was restarted {TIMES} times, and the count found nothing: it could not find anything"
    )
}

/// Two that hold and one that waits.
async fn start(lab: &Lab, ns: &str, server: &Server) -> Result<Vec<App>> {
    let mut apps = Vec::new();
    for (name, node) in [("one", &lab.nodes.0), ("two", &lab.nodes.1)] {
        apps.push(App::start(lab, ns, name, "render", Some(node)).await?);
    }
    for a in &apps {
        a.says("Held", 60).await?;
    }
    apps.push(App::start(lab, ns, "waits", "render", Some(&lab.nodes.1)).await?);
    server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    Ok(apps)
}

/// Deletes the server's pod at a random moment, and waits until another is Ready.
async fn kill(lab: &Lab, server: &Server) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(2000 + random_millis(4000))).await;
    let uid = server.pod_uid(lab).await?;
    server.delete_pod(lab, "--wait=false").await?;
    eventually("another server's pod is Ready", within(60), async || {
        let pod = server.pod(lab).await?;
        let (ready, other) = (is_ready(&pod), pod.metadata.uid.as_ref() != Some(&uid));
        so(ready && other, || {
            format!("another: {other}, Ready: {ready}")
        })
    })
    .await
}

/// Waits until the operator has spoken with the present run, and it grants again.
async fn settled(lab: &Lab, server: &Server) -> Result<()> {
    eventually("the server grants again", within(90), async || {
        let metrics = server.metrics(lab).await?;
        let on = metrics.lines().find(|l| l.starts_with("mooring_settling"));
        so(on.is_some_and(|l| l.ends_with(" 0")), || format!("{on:?}"))
    })
    .await
}

fn random_millis(below: u64) -> u64 {
    use ring::rand::SecureRandom as _;
    let mut b = [0; 8];
    let _ = ring::rand::SystemRandom::new().fill(&mut b);
    u64::from_le_bytes(b) % below
}
