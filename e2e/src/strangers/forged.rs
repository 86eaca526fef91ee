//! Somebody with ordinary rights in one namespace, who imitates what the operator goes by: pods
//! that look injected, labels of license servers' objects, LicenseLeases.

use super::memory::{operator_is_bounded, operators};
use crate::lab::{App, Helm, Lab, NAMESPACE, Server, eventually, run, so, within};
use crate::main_job::{begin, renews};
use anyhow::{Context as _, Result, ensure};
use kube::ResourceExt as _;
use std::fmt::Write as _;

/// How many of each.
const PODS: usize = 60;
const LABELS: usize = 300;
/// Of each pod, in its sidecar's environment: what a pod may have.
const ENVIRONMENT: usize = 700_000;

/// Pods with the label, whose container `mooring` names the server, without the webhook.
fn pods(ns: &str, server: &str) -> String {
    let large = "x".repeat(ENVIRONMENT);
    let mut all = String::new();
    for n in 0..PODS {
        let _ = write!(
            all,
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: forged-{n}, namespace: {ns}, labels: {{mooring.dev/injected: x}}}}\nspec:\n  \
             nodeSelector: {{no: where}}\n  initContainers: [{{name: mooring, image: x, restartPolicy: Always, env: [\
             {{name: MOORING_SERVER, value: \"https://main.{server}.svc:8443\"}}, {{name: A, value: \"{large}\"}}]}}]\n  \
             containers: [{{name: a, image: x}}]\n---\n"
        );
    }
    all
}

/// A forged pod that runs, on the roster of the server that it names.
fn running(lab: &Lab, ns: &str, server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: runs, namespace: {ns}, labels: {{mooring.dev/injected: x}}}}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  initContainers:\n  - name: mooring\n    image: {image}\n    restartPolicy: Always\n    command: [sh, -c, 'while :; do sleep 600; done']\n    \
         env: [{{name: MOORING_SERVER, value: \"https://main.{server}.svc:8443\"}}]\n  \
         containers: [{{name: a, image: {image}, command: [sh, -c, 'while :; do sleep 600; done']}}]\n",
        image = lab.images.app
    )
}

/// The operator's memory is bounded, nothing is said of the forged pods, and others go on: also
/// over a restart of the server, which waits for forged holders no longer than for a lease.
pub(super) async fn forged_pods_labels_and_leases(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "forged_pods_labels_and_leases").await?;
    let theirs = format!("{ns}-forger");
    lab.namespace(&theirs).await?;
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;
    let innocent = App::start(lab, &ns, "innocent", "render", Some(&lab.nodes.1)).await?;
    innocent.says("Held", 60).await?;

    // Refused at once; and of no effect where nothing refuses them.
    let refused = lab.apply(&running(lab, &theirs, &ns)).await?;
    let refused = refused.failed("a forged pod")?;
    ensure!(
        refused.contains("copies-refused"),
        "not by the policy: {refused}"
    );
    let binding = "delete validatingadmissionpolicybinding copies-refused.mooring.dev";
    lab.kubectl(binding).await?.ok("taking the policy away")?;
    eventually("forged pods are taken", within(60), async || {
        let o = lab.apply(&running(lab, &theirs, &ns)).await?;
        so(o.success, || o.err)
    })
    .await?;
    let forged = run("kubectl", &["create", "-f", "-"], Some(&pods(&theirs, &ns))).await?;
    forged.ok("making forged pods")?;
    lab.awaits(&theirs, "pod/runs").await?;
    let map = "create configmap x";
    lab.kubectl(format!("-n {theirs} {map}"))
        .await?
        .ok("making a ConfigMap")?;
    let ours =
        "app.kubernetes.io/managed-by=mooring-operator app.kubernetes.io/name=mooring-server";
    for n in 0..LABELS {
        let label =
            format!("-n {theirs} label --overwrite configmap x {ours} mooring.dev/server=r{n}");
        lab.kubectl(label).await?.ok("labelling it")?;
    }
    let lease = format!(
        "apiVersion: mooring.dev/v1alpha1\nkind: LicenseLease\nmetadata: {{name: forged, namespace: {theirs}}}\nspec:\n  \
         server: {{namespace: {ns}, name: main}}\n  holder: {{kind: Pod, name: runs, uid: not-its-uid}}\n\
         status: {{products: render, state: Held, since: \"2026-01-01T00:00:00Z\"}}\n"
    );
    lab.apply(&lease).await?.ok("forging a LicenseLease")?;

    renews(&innocent, 2).await?;
    let second = App::start(lab, &ns, "second", "render", Some(&lab.nodes.0)).await?;
    second.says("Held", 60).await?;
    server.shows(lab, &[("Held", 2)], 60).await?;

    // The leader lists all anew.
    for pod in operators(lab).await? {
        let name = pod.name_any();
        let deleted = lab.kubectl(format!("-n {NAMESPACE} delete pod {name} --wait=true"));
        deleted.await?.ok("restarting the operator")?;
    }
    lab.kubectl(format!(
        "-n {NAMESPACE} rollout status deployment mooring-operator --timeout=120s"
    ))
    .await?
    .ok("the operator is back")?;
    server.delete_pod(lab, "--grace-period=1").await?;
    second.delete(lab).await?;
    let third = App::start(lab, &ns, "third", "render", Some(&lab.nodes.0)).await?;
    third
        .says("Held", 120)
        .await
        .context("a forged holder holds up the server's start")?;
    renews(&innocent, 2).await?;

    let of = format!("-n {theirs} get licenseleases -o name");
    let mirrors = lab.kubectl(of).await?.ok("reading mirrors")?;
    ensure!(
        !mirrors.contains("runs") && !mirrors.contains("forged-"),
        "a forged pod was mirrored: {mirrors}"
    );
    let events = lab.events(&theirs, "type=Warning").await?;
    ensure!(
        !events.contains("License"),
        "the operator spoke of a forged pod: {events}"
    );
    operator_is_bounded(lab).await?;
    for pod in operators(lab).await? {
        let statuses = pod
            .status
            .and_then(|s| s.container_statuses)
            .unwrap_or_default();
        let restarts: i32 = statuses.iter().map(|s| s.restart_count).sum();
        ensure!(restarts == 0, "the operator was restarted {restarts} times");
    }
    lab.drop_namespace(&theirs).await;
    let upgraded = Helm::upgrade(lab, &[]).await?;
    upgraded.ok("putting the policy back").map(drop)
}
