//! Pods that wait for their seats before they are scheduled, alone and in groups.

use super::curve::Curve;
use crate::lab::{App, Lab, Server, eventually, within};
use crate::main_job::{begin, count_seats};
use crate::outage::{event, shown};
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// For how long a seat may be free while somebody waits for one.
const IDLE: Duration = Duration::from_secs(2);

/// Six pods for two seats: no more than two are on a node at a time, none of the others takes one,
/// and all of them come to their end.
pub(super) async fn pods_that_have_no_seat_take_no_node(lab: &Lab) -> Result<()> {
    fill(lab, "pods_that_have_no_seat_take_no_node", 6, 2).await
}

/// The same on a larger scale.
pub(super) async fn fifty_pods_for_five_seats(lab: &Lab) -> Result<()> {
    fill(lab, "fifty_pods_for_five_seats", 50, 5).await
}

async fn fill(lab: &Lab, name: &str, pods: usize, seats: u32) -> Result<()> {
    let ns = begin(lab, name).await?;
    let server = Server::new(&ns, seats);
    server.ready(lab).await?;
    let mut apps = Vec::new();
    for n in 1..=pods {
        apps.push(start(lab, &ns, &format!("one-{n}"), "").await?);
    }
    let waits = eventually("one of them waits in line", within(60), async || {
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
    let there = seats as usize;
    let (mut before, mut curve) = (BTreeSet::new(), Curve::new(there));
    let names: Vec<String> = apps.iter().map(|a| a.name.clone()).collect();
    let list = List::of(lab, &ns);
    let ended = until_all_end(&list, &names, within(900), async |pods| {
        let on_nodes = on_nodes(pods, &apps);
        // What the API server shows of a pod's end is older than its seat's release.
        let more = on_nodes.len() > there && on_nodes == before;
        ensure!(
            !more,
            "there are {seats} seats, and on nodes are {on_nodes:?}"
        );
        curve.look(lab, &server, on_nodes.len()).await?;
        before = on_nodes;
        Ok(())
    });
    let ended = ended.await;
    println!(
        "{curve}  used while somebody waited: {} %; the longest that a seat was free meanwhile: {:.1} s",
        curve.used_while_waited(),
        curve.longest_idle().as_secs_f64()
    );
    ended?;
    ensure!(
        curve.longest_idle() <= IDLE,
        "a seat was free for {:?} while somebody waited",
        curve.longest_idle()
    );
    event(lab, waits, "LicenseReserved", &["is reserved"]).await?;
    let all: Vec<(&App, u32)> = apps.iter().map(|a| (a, 1)).collect();
    count_seats(&all, seats).map(drop)
}

/// Two groups of four on four seats: three of one ask for nothing; then one group is there as a
/// whole, and after it the other, and never a part of each.
pub(super) async fn groups_are_there_as_a_whole_or_not_at_all(lab: &Lab) -> Result<()> {
    two_groups(lab, "groups_are_there_as_a_whole_or_not_at_all", 1).await
}

/// The same again and again.
pub(super) async fn two_groups_ten_times(lab: &Lab) -> Result<()> {
    two_groups(lab, "two_groups_ten_times", 10).await
}

async fn two_groups(lab: &Lab, name: &str, times: u32) -> Result<()> {
    let ns = begin(lab, name).await?;
    let server = Server::new(&ns, 4);
    server.ready(lab).await?;
    for time in 1..=times {
        red_and_blue(lab, &ns, time).await?;
    }
    Ok(())
}

async fn red_and_blue(lab: &Lab, ns: &str, time: u32) -> Result<()> {
    let member = async |color: &str, n: u32| {
        let group = format!("{color}-{time}");
        let annotations =
            format!("    mooring.dev/group: \"{group}\"\n    mooring.dev/group-size: \"4\"\n");
        start(lab, ns, &format!("{group}-{n}"), &annotations).await
    };
    let mut apps = Vec::new();
    for n in 1..=3 {
        apps.push(member("red", n).await?);
    }
    let alone = format!("the other pods of its group red-{time}");
    event(lab, &apps[0], "LicenseWaiting", &[&alone]).await?;
    for app in &apps {
        ensure!(is_gated(&app.pod(lab).await?), "{} alone", app.name);
    }
    for n in 1..=4 {
        apps.push(member("blue", n).await?);
    }
    apps.push(member("red", 4).await?);
    let names: Vec<String> = apps.iter().map(|a| a.name.clone()).collect();
    until_all_end(&List::of(lab, ns), &names, within(300), async |pods| {
        let on_nodes = on_nodes(pods, &apps);
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

/// Which of the applications are on nodes.
fn on_nodes(pods: &BTreeMap<String, Pod>, apps: &[App]) -> BTreeSet<String> {
    let there = |app: &&App| pods.get(&app.name).is_some_and(|p| is_on_a_node(app, p));
    apps.iter().filter(there).map(|a| a.name.clone()).collect()
}

/// The pods of a namespace.
pub(crate) struct List(Api<Pod>);

impl List {
    pub(crate) fn of(lab: &Lab, ns: &str) -> Self {
        Self(Api::namespaced(lab.client.clone(), ns))
    }

    async fn pods(&self) -> Result<BTreeMap<String, Pod>> {
        let pods = self.0.list(&ListParams::default()).await?;
        Ok(pods.into_iter().map(|p| (p.name_any(), p)).collect())
    }
}

/// Waits until all of these have succeeded; meanwhile looks at all.
pub(crate) async fn until_all_end(
    list: &List,
    names: &[String],
    time: Duration,
    mut look: impl AsyncFnMut(&BTreeMap<String, Pod>) -> Result<()>,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        let pods = list.pods().await?;
        look(&pods).await?;
        let ended = |name: &&String| pods.get(*name).is_some_and(has_succeeded);
        let left: Vec<&String> = names.iter().filter(|n| !ended(n)).collect();
        if left.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < time, "not at their end: {left:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
