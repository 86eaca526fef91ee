//! The node that has the dongle dies, and the dongle is plugged in elsewhere. For the project's own
//! cluster, whose nodes can be switched off.

use super::anchors::by_its_machine;
use super::discovery::runs_on;
use crate::lab::{App, Lab, Ports, Server, eventually, so, within};
use crate::main_job::{begin, count_seats, held_until, notices_nothing, renewed_since};
use anyhow::{Context as _, Result, ensure};
use mooring_api::Device;
use mooring_core::license::MAX_DELEGATION;
use mooring_core::time::{Timestamp, margin};
use std::time::Duration;

const IDS: (&str, &str) = ("1050", "0407");
const SERIAL: &str = "e2e-0002";
/// There are two LicenseServers in the namespace.
const SERVER: &str = "    mooring.dev/server: main\n";
const CONTROLLERS: &str = "controller-manager";

/// The server's pod stays on the dead node, and it is said until when what it signed may count. The
/// node's taint frees it at once: the server runs where its dongle is, who holds a seat notices
/// nothing, and the seat of the dead node's pod is the next one's. A server which the dead machine
/// itself anchors is left alone.
pub(super) async fn a_dead_nodes_server_runs_where_its_dongle_is(lab: &Lab) -> Result<()> {
    ensure!(
        lab.own,
        "a node is switched off: on the project's own cluster only"
    );
    let ns = begin(lab, "a_dead_nodes_server_runs_where_its_dongle_is").await?;
    let (a, b) = (&lab.nodes.0, &lab.nodes.1);
    let (at_a, at_b) = (Ports::open(lab, a).await?, Ports::open(lab, b).await?);
    // The token that signs goes with the device.
    lab.anchor.place(lab, b).await?;
    at_a.plug(lab, "1-1", IDS, SERIAL).await?;
    let mut server = Server::new(&ns, 2);
    // Longer than the server is away: who lives keeps its seat, who is dead loses it by a proof.
    server.duration = Duration::from_secs(180);
    server.device = Some(Device {
        vendor_id: IDS.0.into(),
        product_id: IDS.1.into(),
        serial: Some(SERIAL.into()),
    });
    server.apply(lab).await?;
    let machine = by_its_machine(lab, &ns, &at_a).await?;
    for server in [&server, &machine] {
        server.condition(lab, "Ready", "True").await?;
    }
    let lives = App::start_with(lab, &ns, "lives", "render", Some(b), SERVER).await?;
    let dies = App::start_with(lab, &ns, "dies", "render", Some(a), SERVER).await?;
    for app in [&lives, &dies] {
        app.says("Held", 60).await?;
    }
    let waits = App::start_with(lab, &ns, "waits", "render", Some(b), SERVER).await?;
    server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;

    lab.node("off", a).await?;
    let before = held_until(&lives);
    let done = async {
        stays(lab, &server, &at_b).await?;
        is_freed(lab, &server, &machine).await?;
        runs_on(lab, &server, b).await?;
        server.condition(lab, "Ready", "True").await?;
        renewed_since(&lives, before).await?;
        notices_nothing(&lives)?;
        waits.says("Held", 60).await?;
        count_seats(&[(&lives, 1), (&dies, 1), (&waits, 1)], 2)
    };
    let done = done.await;
    let back = back_on(lab, a).await;
    done?;
    back
}

/// The dongle is plugged in elsewhere: the server's pod is to move, does not end, and stays. Until
/// when is counted from then.
async fn stays(lab: &Lab, server: &Server, elsewhere: &Ports) -> Result<()> {
    let uid = server.pod_uid(lab).await?;
    let plugged = whole(Timestamp::now())?;
    elsewhere.plug(lab, "2-1", IDS, SERIAL).await?;
    let stuck = eventually("status.stuck says since when", within(120), async || {
        let status = server.get(lab).await?.status.unwrap_or_default();
        Ok(status.stuck.ok_or(format!("{:?}", status.conditions)))
    })
    .await?;
    let since = stuck.since.0;
    let pod = server.pod(lab).await?.metadata;
    let ends = pod.deletion_timestamp.as_ref().map(|t| t.0);
    let ends = ends.with_context(|| format!("nobody deleted the dead node's pod: {pod:?}"))?;
    ensure!(
        pod.uid.as_ref() == Some(&uid) && stuck.uid == uid,
        "pod {uid} of the dead node is {:?} now, and {} is awaited",
        pod.uid,
        stuck.uid
    );
    ensure!(
        plugged <= since && since <= ends.max(Timestamp::now()),
        "its dongle came at {plugged}, the pod should have ended at {ends}, and it is counted from {since}"
    );
    let until = whole(since + (MAX_DELEGATION + margin(MAX_DELEGATION)))?;
    let words = format!("may count until {until}: the pod is deleted by force then");
    let ready = server.condition(lab, "Ready", "False").await?;
    ensure!(
        ready.reason == "NodeNotReady" && ready.message.contains(&words),
        "no word of {words:?}: {ready:?}"
    );
    says(lab, server, "ServerStuck", &words).await
}

/// Without parts of a second, as it is shown.
fn whole(at: Timestamp) -> Result<Timestamp> {
    Ok(Timestamp::from_second(at.as_second())?)
}

/// The node's taint: the server's pod is deleted by force, that of the server which the machine
/// anchors is not. Kubernetes' own garbage collector, which goes by the taint too, is stopped
/// meanwhile.
async fn is_freed(lab: &Lab, server: &Server, machine: &Server) -> Result<()> {
    let uid = machine.pod_uid(lab).await?;
    machine.delete_pod(lab, "--wait=false").await?;
    lab.program("pause", CONTROLLERS).await?;
    let done = async {
        lab.out_of_service(&lab.nodes.0).await?;
        says(lab, server, "ServerForced", "out of service").await?;
        let (ns, pod) = (&server.namespace, server.pod_name());
        let get = format!("-n {ns} get pod {pod} --ignore-not-found -o name");
        eventually("the server's pod is gone", within(20), async || {
            let there = lab.kubectl(&get).await?.ok("looking for it")?;
            so(there.is_empty(), || there)
        })
        .await?;
        is_looked_at(lab, machine).await?;
        let now = machine.pod_uid(lab).await;
        let now = now.context("the server of the dead machine was not left alone")?;
        let events = machine.events(lab).await?;
        ensure!(
            now == uid && !events.contains("Forced") && !events.contains("Stuck"),
            "the server of the dead machine was not left alone: pod {uid} is {now} now.\n{events}"
        );
        Ok(())
    };
    let done = done.await;
    lab.program("resume", CONTROLLERS).await?;
    done
}

/// Waits until the operator has looked at a LicenseServer as it is from now on.
async fn is_looked_at(lab: &Lab, server: &Server) -> Result<()> {
    let (ns, name) = (&server.namespace, &server.name);
    let patch = r#"{"spec":{"allowedNamespaces":{"from":"All"}}}"#;
    let line = format!("-n {ns} patch licenseserver {name} --type=merge -p");
    let patched = lab.kubectl_with(&line, patch).await?;
    patched.ok("changing a LicenseServer")?;
    eventually("the operator has seen its spec", within(30), async || {
        let now = server.get(lab).await?;
        let generation = now.metadata.generation;
        let seen = now.status.and_then(|s| s.observed_generation);
        so(seen == generation, || format!("{seen:?}, {generation:?}"))
    })
    .await
}

/// Waits until an Event on a LicenseServer has this reason and these words.
async fn says(lab: &Lab, server: &Server, reason: &str, words: &str) -> Result<()> {
    let what = format!("an Event {reason} on {} says {words:?}", server.name);
    let begin = format!("{reason}: ");
    eventually(&what, within(30), async || {
        let all = server.events(lab).await?;
        let is = |l: &str| l.starts_with(&begin) && l.contains(words);
        so(all.lines().any(is), || all.clone())
    })
    .await
}

/// Boots the node, with its ports empty: the dongle was pulled out there while it was off.
async fn back_on(lab: &Lab, node: &str) -> Result<()> {
    lab.boots(node).await?;
    let emptied = Ports::open(lab, node).await;
    emptied.map(drop).context("the node's USB ports")
}
