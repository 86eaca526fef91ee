//! Plain pods that Kueue takes for one Workload.

use super::queue::{QUEUE, Queue};
use super::steps::{begin, server};
use super::workloads::Workloads;
use crate::lab::{App, Lab};
use crate::main_job::count_seats;
use anyhow::{Result, ensure};

/// A pod group of two, under the check: its seats are claimed together, once both pods are there,
/// and both run with them.
pub(super) async fn a_pod_group_has_its_seats_before_it_is_admitted(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_pod_group_has_its_seats_before_it_is_admitted").await?;
    let server = server(lab, &ns, "group", 2).await?;
    Queue::new(&server, 2).ready(lab).await?;
    let workloads = Workloads::follow(lab, &ns);
    let old = App::start(lab, &ns, "old", "render", None).await?;
    old.says("Held", 60).await?;
    let members = [
        member(lab, &ns, "one").await?,
        member(lab, &ns, "two").await?,
    ];
    // One seat is free, and neither has it.
    workloads.is("gang", "Pending", &["render"]).await?;
    for app in &members {
        let pod = app.pod(lab).await?;
        let bound = pod.spec.as_ref().is_some_and(|s| s.node_name.is_some());
        ensure!(!bound, "{} is on a node without its seat", app.name);
    }
    workloads.turn("gang").await?;
    old.delete(lab).await?;
    workloads.is("gang", "Ready", &[]).await?;
    for app in &members {
        app.says("Held", 60).await?;
    }
    // Kueue lets go of the pods of a group once all have come to their end.
    for app in &members {
        app.shell(lab, "kill 1").await?;
    }
    let ended = "--for=jsonpath={.status.phase}=Succeeded --timeout=60s pod/one pod/two";
    let ended = lab.kubectl(format!("-n {ns} wait {ended}")).await?;
    ended.ok("waiting for a pod group's end")?;
    count_seats(&[(&old, 1), (&members[0], 1), (&members[1], 1)], 2).map(drop)
}

async fn member(lab: &Lab, ns: &str, name: &str) -> Result<App> {
    let annotations = "    kueue.x-k8s.io/pod-group-total-count: \"2\"\n";
    let labels = format!(
        "labels: {{app: e2e, kueue.x-k8s.io/queue-name: {QUEUE}, kueue.x-k8s.io/pod-group-name: gang}}"
    );
    let yaml = App::yaml(
        lab,
        ns,
        name,
        "render",
        None,
        annotations,
        "  restartPolicy: Never\n",
    );
    let yaml = yaml.replace("labels: {app: e2e}", &labels);
    lab.apply(&yaml).await?.ok("starting a pod of a group")?;
    Ok(App::follow(lab, ns, name))
}
