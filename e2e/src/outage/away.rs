//! Servers that are gone: drained from their node, or deleted.

use super::steps::{agree, all_well, event, first_problem, lease, leases_say, shown, socket};
use crate::lab::{App, Lab, Server, eventually, so, within};
use crate::main_job::{begin, holds};
use anyhow::{Result, ensure};

/// The dongle's node is drained: who held goes on under the grace and is shown so, with as of when
/// and until when; who is deleted is not shown; who starts without a lease is.
pub(super) async fn a_drained_node(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_drained_node").await?;
    let server = Server::new(&ns, 3);
    server.ready(lab).await?;
    let far = Some(lab.nodes.1.as_str());
    let stays = holds(lab, &ns, "stays", far).await?;
    let goes = holds(lab, &ns, "goes", far).await?;
    let near = &lab.nodes.0;
    lab.kubectl(format!("cordon {near}"))
        .await?
        .ok("cordoning")?;
    let done = drained(lab, &ns, &server, &stays, &goes).await;
    lab.kubectl(format!("uncordon {near}"))
        .await?
        .ok("uncordoning")?;
    let late = done?;
    for app in [&stays, &late] {
        app.says("Held", 90).await?;
        shown(lab, app, "Held", &[]).await?;
    }
    all_well(lab, &ns).await
}

async fn drained(lab: &Lab, ns: &str, server: &Server, stays: &App, goes: &App) -> Result<App> {
    server.delete_pod(lab, "--grace-period=1").await?;
    goes.delete(lab).await?;
    let cordoned = format!("kubectl uncordon {}", lab.nodes.0);
    first_problem(lab, server, &["NodeCordoned", &cordoned]).await?;
    let late = App::start(lab, ns, "late", "render", Some(&lab.nodes.1)).await?;
    let grace = ["is not Ready since", &cordoned, "until about", "As of"];
    let held = shown(lab, stays, "Grace", &grace).await?;
    ensure!(held.as_of.is_some() && held.until.is_some(), "{held:?}");
    agree(lab, stays, &held).await?;
    event(lab, stays, "LicenseGrace", &[&cordoned]).await?;
    socket(lab, stays, &["Grace, licensed for", ": for "]).await?;
    let gone = "the LicenseLease of a deleted pod is gone";
    eventually(gone, within(30), async || {
        let left = lease(lab, ns, "goes").await?;
        Ok(left.map_or(Ok(()), |l| Err(format!("{l:?}"))))
    })
    .await?;
    late.says("Optimistic", 60).await?;
    let words = ["started without a lease", &cordoned, "until about"];
    let started = shown(lab, &late, "Optimistic", &words).await?;
    agree(lab, &late, &started).await?;
    event(lab, &late, "LicenseOptimistic", &words).await?;
    leases_say(lab, ns, &["Grace", "Optimistic", &cordoned]).await?;
    Ok(late)
}

/// A LicenseServer is deleted while pods hold leases of it.
pub(super) async fn a_deleted_license_server_with_holders(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_deleted_license_server_with_holders").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let app = holds(lab, &ns, "app", Some(&lab.nodes.1)).await?;
    eventually("its seat is counted", within(30), async || {
        let used = server.get(lab).await?.status.and_then(|s| s.used);
        so(used == Some(1), || format!("{used:?}"))
    })
    .await?;
    let delete = format!("-n {ns} delete licenseserver main");
    let deleted = lab.kubectl(&delete).await?;
    let warned = "of its seats are in use";
    ensure!(deleted.err.contains(warned), "{}", deleted.err);
    deleted.ok("deleting a LicenseServer")?;
    let words = ["LicenseServer", "was deleted", "until about"];
    shown(lab, &app, "Grace", &words).await?;
    event(lab, &app, "LicenseGrace", &words).await?;
    leases_say(lab, &ns, &["was deleted", "Grace"]).await?;
    app.delete(lab).await?;
    let gone = "the LicenseLease goes with its pod";
    eventually(gone, within(60), async || {
        let left = lease(lab, &ns, "app").await?;
        Ok(left.map_or(Ok(()), |l| Err(format!("{l:?}"))))
    })
    .await
}
