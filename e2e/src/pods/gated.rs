//! Pods that wait for their seats before they are scheduled, alone and in groups.

use crate::lab::{App, Lab, Server, eventually, within};
use crate::main_job::{begin, count_seats};
use crate::outage::{event, shown};
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeSet;
use std::time::Duration;

/// Six pods for two seats: no more than two are on a node at a time, none of the others takes one,
/// and all of them come to their end.
pub(super) async fn pods_that_have_no_seat_take_no_node(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "pods_that_have_no_seat_take_no_node").await?;
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;
    let mut apps = Vec::new();
    for n in 1..=6 {
        apps.push(start(lab, &ns, &format!("one-{n}"), "").await?);
    }
    let waits = eventually("one of six waits in line", within(60), async || {
        for app in &apps {
            if is_gated(&app.pod(lab).await?) {
                return Ok(Ok(app));
            }
        }
        Ok(Err("all were scheduled".into()))
    })
    .await?;
    shown(lab, waits, "Waiting", &[]).await?;
    event(lab, waits, "LicenseWaiting", &["waits in line"]).await?;
    let mut before = BTreeSet::new();
    until_all_end(lab, &apps, |on_nodes| {
        // What the API server shows of a pod's end is older than its seat's release.
        let more = on_nodes.len() > 2 && *on_nodes == before;
        before.clone_from(on_nodes);
        ensure!(!more, "there are two seats, and on nodes are {on_nodes:?}");
        Ok(())
    })
    .await?;
    event(lab, waits, "LicenseReserved", &["is reserved"]).await?;
    let all: Vec<(&App, u32)> = apps.iter().map(|a| (a, 1)).collect();
    count_seats(&all, 2).map(drop)
}

/// Two groups of four on four seats: three of one ask for nothing; then one group is there as a
/// whole, and after it the other, and never a part of each.
pub(super) async fn groups_are_there_as_a_whole_or_not_at_all(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "groups_are_there_as_a_whole_or_not_at_all").await?;
    let server = Server::new(&ns, 4);
    server.ready(lab).await?;
    let member = async |group: &str, n: u32| {
        let annotations =
            format!("    mooring.dev/group: \"{group}\"\n    mooring.dev/group-size: \"4\"\n");
        start(lab, &ns, &format!("{group}-{n}"), &annotations).await
    };
    let mut apps = Vec::new();
    for n in 1..=3 {
        apps.push(member("red", n).await?);
    }
    event(
        lab,
        &apps[0],
        "LicenseWaiting",
        &["the other pods of its group red"],
    )
    .await?;
    for app in &apps {
        ensure!(is_gated(&app.pod(lab).await?), "{} alone", app.name);
    }
    for n in 1..=4 {
        apps.push(member("blue", n).await?);
    }
    apps.push(member("red", 4).await?);
    until_all_end(lab, &apps, |on_nodes| {
        let of = |group: &str| on_nodes.iter().any(|name| name.starts_with(group));
        ensure!(
            !(of("red") && of("blue")),
            "parts of both groups are on nodes: {on_nodes:?}"
        );
        Ok(())
    })
    .await?;
    event(lab, &apps[0], "LicenseReserved", &["group red"]).await?;
    let all: Vec<(&App, u32)> = apps.iter().map(|a| (a, 1)).collect();
    count_seats(&all, 4).map(drop)
}

/// Starts a pod that waits before it is scheduled, and runs for some seconds then.
async fn start(lab: &Lab, ns: &str, name: &str, annotations: &str) -> Result<App> {
    let annotations = format!("    mooring.dev/wait: scheduling\n{annotations}");
    let spec = "  restartPolicy: Never\n";
    let yaml = App::yaml(lab, ns, name, "render", None, &annotations, spec);
    let yaml = yaml.replace("args: [run]", "args: [run, --for=8s]");
    lab.apply(&yaml).await?.ok("starting a pod that waits")?;
    Ok(App::follow(lab, ns, name))
}

fn is_gated(pod: &Pod) -> bool {
    let gates = pod.spec.iter().flat_map(|s| &s.scheduling_gates).flatten();
    gates.into_iter().any(|g| g.name == "mooring.dev/license")
}

/// Whether it is on a node, and its application has not come to its end, by its own last line or by
/// its status.
fn is_on_a_node(app: &App, pod: &Pod) -> bool {
    let bound = pod.spec.as_ref().is_some_and(|s| s.node_name.is_some());
    let status = pod.status.as_ref();
    let containers = status.and_then(|s| s.container_statuses.as_ref());
    let ended = containers.into_iter().flatten().any(|c| {
        let state = c.state.as_ref();
        c.name == "app" && state.is_some_and(|s| s.terminated.is_some())
    });
    let over = has_succeeded(pod) || ended || app.lines().iter().any(|l| l["end"] == true);
    bound && !over
}

fn has_succeeded(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    phase == Some("Succeeded")
}

/// Waits until all have succeeded; meanwhile looks at those that are on nodes.
async fn until_all_end(
    lab: &Lab,
    apps: &[App],
    mut look: impl FnMut(&BTreeSet<String>) -> Result<()>,
) -> Result<()> {
    let begun = std::time::Instant::now();
    loop {
        let (mut on_nodes, mut left) = (BTreeSet::new(), Vec::new());
        for app in apps {
            let pod = app.pod(lab).await?;
            if is_on_a_node(app, &pod) {
                on_nodes.insert(app.name.clone());
            }
            if !has_succeeded(&pod) {
                left.push(app.name.as_str());
            }
        }
        look(&on_nodes)?;
        if left.is_empty() {
            return Ok(());
        }
        let time = begun.elapsed();
        ensure!(
            time < Duration::from_secs(300),
            "not at their end: {left:?}"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
