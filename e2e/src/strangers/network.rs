//! What strangers reach over the network.

use super::memory::{operator_is_bounded, operators, server_is_bounded};
use crate::lab::{App, Lab, Server, eventually, so, within};
use crate::main_job::{begin, count_seats, holds, notices_nothing, renews};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

/// Connections to each port.
const SILENT: u64 = 2000;
/// Annotated pods that are made while it goes on.
const CREATED: usize = 4;

/// A pod without any right keeps 2,000 connections that say nothing to each port of operator and
/// license server, and sends the webhook bodies that hardly come. The claims and renewals of an
/// innocent pod go on, annotated pods are made, nothing restarts, memory stays bounded.
pub(super) async fn silent_connections_and_slow_bodies_harm_nobody(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "silent_connections_and_slow_bodies_harm_nobody").await?;
    let strangers = format!("{ns}-strangers");
    lab.namespace(&strangers).await?;
    let server = Server::new(&ns, 1 + u32::try_from(CREATED)?);
    server.ready(lab).await?;
    let innocent = holds(lab, &ns, "innocent", Some(&lab.nodes.1)).await?;
    let operators = operators(lab).await?;
    let before = restarts(lab, &server).await?;

    stranger(lab, &strangers, &server.pod(lab).await?, &operators).await?;
    let flooded = during(lab, &ns, &strangers, &server, &innocent).await;
    let after = restarts(lab, &server).await?;
    lab.drop_namespace(&strangers).await;
    flooded?;
    ensure!(
        before == after,
        "restarts before {before:?}, after {after:?}"
    );
    operator_is_bounded(lab).await?;
    server_is_bounded(lab, &server).await
}

async fn during(
    lab: &Lab,
    ns: &str,
    strangers: &str,
    server: &Server,
    innocent: &App,
) -> Result<()> {
    let opened = flooded(lab, strangers).await?;
    println!("  connections opened so far: {opened:?}");
    let uid = server.pod_uid(lab).await?;
    let mut apps = vec![innocent.clone()];
    for n in 1..=CREATED {
        let (name, begun) = (format!("made-{n}"), Instant::now());
        let app = holds(lab, ns, &name, None).await;
        let app = app.context("an annotated pod while strangers flood")?;
        println!(
            "  {name} is Held {:.1} s after it was made",
            begun.elapsed().as_secs_f64()
        );
        apps.push(app);
    }
    renews(innocent, 3).await?;
    notices_nothing(innocent)?;
    let held = [("Held", 1 + CREATED)];
    server.shows(lab, &held, 30).await?;
    for pod in operators(lab).await? {
        ensure!(is_ready(&pod), "{} is not Ready", pod.name_any());
    }
    let now = flooded(lab, strangers).await?;
    ensure!(
        now.iter().all(|(t, n)| n > opened.get(t).unwrap_or(&0)),
        "the strangers stopped meanwhile: {opened:?}, then {now:?}"
    );
    ensure!(
        server.pod_uid(lab).await? == uid,
        "the server's pod is another one"
    );
    let counted: Vec<(&App, u32)> = apps.iter().map(|a| (a, 1)).collect();
    count_seats(&counted, 1 + u32::try_from(CREATED)?).map(drop)
}

fn address(pod: &Pod) -> Result<String> {
    let ip = pod.status.as_ref().and_then(|s| s.pod_ip.clone());
    ip.with_context(|| format!("{} has no address", pod.name_any()))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

/// How often each container of operator and license server was started anew.
async fn restarts(lab: &Lab, server: &Server) -> Result<BTreeMap<String, i32>> {
    let mut pods = operators(lab).await?;
    pods.push(server.pod(lab).await?);
    let counts = pods.iter().flat_map(|p| {
        let all = p
            .status
            .iter()
            .flat_map(|s| s.container_statuses.iter().flatten());
        all.map(|c| (format!("{}/{}", p.name_any(), c.name), c.restart_count))
    });
    Ok(counts.collect())
}

/// Starts the stranger: one container keeps connections, one sends bodies that hardly come to each
/// port that takes any.
async fn stranger(lab: &Lab, ns: &str, server: &Pod, operators: &[Pod]) -> Result<()> {
    let server = address(server)?;
    let mut targets = vec![format!("{server}:8443"), format!("{server}:8081")];
    let mut bodies = vec![format!("-X PUT https://{server}:8443/v1/claims/x")];
    for pod in operators {
        let ip = address(pod)?;
        targets.extend([format!("{ip}:9443"), format!("{ip}:8081")]);
        bodies.push(format!("-X POST https://{ip}:9443/mutate"));
    }
    let mut slow = String::from("head -c 4000000 /dev/zero >/tmp/body; ");
    for to in bodies {
        let send = "curl -sk --limit-rate 1k -H Expect: --data-binary @/tmp/body";
        let _ = write!(
            slow,
            "for i in 1 2 3 4 5 6 7 8; do (while :; do {send} {to} >/dev/null; done) & done; "
        );
    }
    let targets: Vec<String> = targets.iter().map(|t| format!("\"{t}\"")).collect();
    let (image, targets) = (&lab.images.app, targets.join(", "));
    let yaml = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: stranger, namespace: {ns}}}\nspec:\n  automountServiceAccountToken: false\n  terminationGracePeriodSeconds: 0\n  \
         nodeSelector: {{kubernetes.io/hostname: {}}}\n  containers:\n  - name: flood\n    image: {image}\n    args: [flood, --connections, \"{SILENT}\", {targets}]\n  \
         - name: slow\n    image: {image}\n    command: [sh, -c, '{slow} wait']\n",
        lab.nodes.1
    );
    lab.apply(&yaml).await?.ok("starting a stranger")?;
    lab.awaits(ns, "pod/stranger").await
}

/// Waits until the stranger has opened as many connections to each port as it wants; how many so
/// far.
async fn flooded(lab: &Lab, ns: &str) -> Result<BTreeMap<String, u64>> {
    let logs = format!("-n {ns} logs stranger -c flood --tail=60");
    eventually("the stranger floods each port", within(60), async || {
        let text = lab.kubectl(&logs).await?.ok("the stranger's log")?;
        let lines = text.lines().filter_map(|l| serde_json::from_str(l).ok());
        let mut opened = BTreeMap::new();
        for line in lines.map(|l: serde_json::Value| l["flood"].clone()) {
            if let (Some(t), Some(n)) = (line["target"].as_str(), line["opened"].as_u64()) {
                opened.insert(t.to_owned(), n);
            }
        }
        let all = opened.len() >= 4 && opened.values().all(|n| *n >= SILENT);
        so(all, || format!("{opened:?}")).map(|r| r.map(|()| opened))
    })
    .await
}
