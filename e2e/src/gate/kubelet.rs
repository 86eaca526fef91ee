//! A kubelet that is killed and started again, with pods that wait for a seat and one that has lost
//! its license.

use crate::lab::{App, Lab, Server, eventually, is_ready, so, within};
use crate::main_job::{begin, holds, states};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// How often the kubelet is killed, and how many pods wait for it.
const TIMES: usize = 10;

/// Ten times, with one pod less in line each time: none starts before its seat comes, and each does
/// then. A pod that has lost its license runs on, Ready, and comes back after a crash.
pub(super) async fn a_kubelets_restarts_open_no_gate_and_shut_none(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_kubelets_restarts_open_no_gate_and_shut_none").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let (here, elsewhere) = (&lab.nodes.1, &lab.nodes.0);
    ensure!(
        server.node(lab).await? == *elsewhere,
        "the server must be on the node whose kubelet runs on"
    );
    let lost = Lost::prepare(lab, &ns).await?;
    let first = holds(lab, &ns, "first", Some(elsewhere)).await?;
    let mut waiting = Vec::new();
    for n in 1..=TIMES {
        let name = format!("waits-{n}");
        waiting.push(App::start(lab, &ns, &name, "render", Some(here)).await?);
    }
    server
        .shows(lab, &[("Held", 1), ("Waiting", TIMES)], 120)
        .await?;
    let ready_since = lost.is_lost(lab).await?;

    let mut holder = first;
    let mut all = vec![holder.clone()];
    for n in 1..=TIMES {
        let round = async {
            restart(lab, &ns, here, n).await?;
            none_started(lab, &waiting).await?;
            let since = lost.ready_since(lab).await.context("the lost one")?;
            ensure!(since == ready_since, "it was not Ready before {since:?}");
            holder.delete(lab).await?;
            next(lab, &mut waiting).await
        };
        let next = round.await;
        holder = next.with_context(|| format!("restart {n} of {TIMES}"))?;
        all.push(holder.clone());
    }
    // An application that ran without a seat, at whatever moment, was told so first.
    for app in &all {
        let told = states(app);
        let begun = told.first().map(String::as_str);
        ensure!(begun == Some("Held"), "{}: {told:?}", app.name);
    }
    lost.comes_back(lab).await
}

/// Kills the kubelet of a node and starts it, and waits until it has started a new pod and looked
/// at each of its old ones.
async fn restart(lab: &Lab, ns: &str, node: &str, n: usize) -> Result<()> {
    let kubelet = format!("kubelet-{node}");
    lab.program("kill", &kubelet).await?;
    let name = format!("mark-{n}");
    let mark = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {ns}}}, spec: {{nodeName: {node}, terminationGracePeriodSeconds: 1, \
         containers: [{{name: c, image: {}, command: [sleep, '600']}}]}}}}",
        lab.images.app
    );
    lab.apply(&mark).await?.ok("making a pod")?;
    lab.program("start", &kubelet).await?;
    lab.awaits(ns, &format!("pod/{name}")).await?;
    let delete = format!("-n {ns} delete pod {name}");
    lab.kubectl(&delete).await?.ok("deleting a pod").map(drop)
}

async fn none_started(lab: &Lab, waiting: &[App]) -> Result<()> {
    for app in waiting {
        let started = app.started(lab).await?;
        ensure!(!started, "{} runs without a seat", app.name);
    }
    Ok(())
}

/// Waits until one of those in line has started, and takes it out.
async fn next(lab: &Lab, waiting: &mut Vec<App>) -> Result<App> {
    let what = "the next in line has started";
    let at = eventually(what, within(60), async || {
        for (i, app) in waiting.iter().enumerate() {
            if app.started(lab).await? {
                return Ok(Ok(i));
            }
        }
        Ok(Err("none has".into()))
    })
    .await?;
    let app = waiting.remove(at);
    app.says("Held", 20).await?;
    Ok(app)
}

/// A pod whose license is lost: its server is gone for longer than the grace.
struct Lost {
    app: App,
    server: Server,
}

impl Lost {
    /// In a namespace of its own, so that the line of the others is theirs alone.
    async fn prepare(lab: &Lab, ns: &str) -> Result<Self> {
        let ns = format!("{ns}-lost");
        lab.namespace(&ns).await?;
        let server = Server {
            movable: true,
            grace: Duration::from_secs(15),
            ..Server::new(&ns, 1)
        };
        server.arrive(lab).await?;
        server.ready(lab).await?;
        let app = holds(lab, &ns, "lost", Some(&lab.nodes.1)).await?;
        server.leave(lab).await?;
        Ok(Self { app, server })
    }

    /// Waits for it; since when the pod is Ready.
    async fn is_lost(&self, lab: &Lab) -> Result<Option<Time>> {
        self.app.says("Lost", 90).await?;
        self.ready_since(lab).await
    }

    async fn ready_since(&self, lab: &Lab) -> Result<Option<Time>> {
        let pod = self.app.pod(lab).await?;
        ensure!(is_ready(&pod), "it is not Ready: {:?}", pod.status);
        let conditions = pod.status.and_then(|s| s.conditions);
        let mut ready = conditions.into_iter().flatten();
        let ready = ready.find(|c| c.type_ == "Ready");
        Ok(ready.and_then(|c| c.last_transition_time))
    }

    /// Its application crashes: the kubelet starts it again, since the gate was passed.
    async fn comes_back(&self, lab: &Lab) -> Result<()> {
        let crash = self.app.shell(lab, "kill 1").await?;
        crash.ok("ending the application")?;
        let what = "the application that lost its license runs again";
        eventually(what, within(60), async || {
            let status = self.app.pod(lab).await?.status.unwrap_or_default();
            let all = status.container_statuses.unwrap_or_default();
            let app = all.into_iter().find(|c| c.name == "app");
            let app = app.context("no container app")?;
            let runs = app.state.is_some_and(|s| s.running.is_some());
            so(app.restart_count == 1 && runs, || {
                format!("restarts: {}, runs: {runs}", app.restart_count)
            })
        })
        .await?;
        lab.drop_namespace(&self.server.namespace).await;
        Ok(())
    }
}
