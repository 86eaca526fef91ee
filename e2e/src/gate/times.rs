//! What the gate costs at a start: printed, not judged.

use crate::lab::{App, Lab, Server};
use crate::main_job::begin;
use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often each kind of pod is started, unless [`MORE`] says otherwise.
const TIMES: usize = 5;
/// The variable by which e2e/bench has them started more often, and asks for a figure.
const MORE: &str = "MOORING_STARTS";

/// Pods with seats to spare, beside the same with a native sidecar and an init container that does
/// nothing, and beside plain ones.
pub(super) async fn start_times_beside_a_plain_sidecar(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "start_times_beside_a_plain_sidecar").await?;
    Server::new(&ns, 1).ready(lab).await?;
    let pods = Api::<Pod>::namespaced(lab.client.clone(), &ns);
    let image = &lab.images.app;
    let idle = json!(["sh", "-c", "exec sleep 600"]);
    let sidecar = json!([
        {"name": "beside", "image": image, "command": idle, "restartPolicy": "Always"},
        {"name": "empty", "image": image, "command": ["sh", "-c", "true"]},
    ]);
    let kinds = [
        ("plain", json!({}), json!([])),
        ("native sidecar, empty init container", json!({}), sidecar),
        (
            "Mooring's sidecar and gate",
            json!({"mooring.dev/licenses": "render"}),
            json!([]),
        ),
    ];
    let more = std::env::var(MORE).ok();
    let rounds = more
        .as_ref()
        .map_or(Ok(TIMES), |n| n.parse())
        .context(MORE)?;
    let mut times = kinds.each_ref().map(|_| Vec::new());
    // In turns: what else the machine does falls on each kind alike.
    for _ in 0..rounds {
        for ((kind, annotations, init), times) in kinds.iter().zip(&mut times) {
            let pod = pod(lab, &ns, annotations, init)?;
            times.push(starts(&pods, &pod).await.context(*kind)?);
        }
    }
    let medians = times.map(|mut of_kind| {
        of_kind.sort();
        of_kind.get(of_kind.len() / 2).copied().unwrap_or_default()
    });
    for ((kind, ..), median) in kinds.iter().zip(medians) {
        let secs = median.as_secs_f64();
        println!("  {secs:.3} s (median of {rounds}): {kind}");
    }
    if more.is_some() {
        let [_, bare, ours] = medians.map(|m| m.as_secs_f64() * 1e3);
        let against = format!("{ours:.0} ms of {bare:.0} ms, medians of {rounds}");
        let figure = json!({
            "name": "pod_start_added_ms", "value": (ours - bare).round(), "unit": "ms", "against": against,
        });
        println!("RESULT {figure}");
    }
    Ok(())
}

fn pod(lab: &Lab, ns: &str, annotations: &Value, init: &Value) -> Result<Pod> {
    let yaml = App::yaml(lab, ns, "starts", "", Some(&lab.nodes.1), "", "");
    let mut pod: Value = serde_yaml::from_str(&yaml)?;
    pod["metadata"]["annotations"] = annotations.clone();
    pod["spec"]["initContainers"] = init.clone();
    pod["spec"]["containers"][0]["command"] = json!(["sh", "-c", "exec sleep 600"]);
    pod["spec"]["containers"][0]["args"] = json!([]);
    Ok(serde_json::from_value(pod)?)
}

/// From its making until its application runs.
async fn starts(pods: &Api<Pod>, pod: &Pod) -> Result<Duration> {
    let begun = Instant::now();
    let made = pods.create(&PostParams::default(), pod).await?;
    let version = made.metadata.resource_version.unwrap_or_default();
    let only = WatchParams::default().fields("metadata.name=starts");
    let mut watch = Box::pin(pods.watch(&only.timeout(120), &version).await?);
    let mut took = None;
    while let Some(event) = watch.try_next().await? {
        let seen = match event {
            WatchEvent::Modified(pod) => pod,
            WatchEvent::Deleted(_) => break,
            _ => continue,
        };
        let status = seen.status.unwrap_or_default();
        let mut all = status.container_statuses.iter().flatten();
        let runs = all.any(|c| c.state.as_ref().is_some_and(|s| s.running.is_some()));
        if runs && took.is_none() {
            took = Some(begun.elapsed());
            let quick = DeleteParams::default().grace_period(1);
            pods.delete("starts", &quick).await?;
        }
    }
    took.context("its application has not run in 120 s")
}
