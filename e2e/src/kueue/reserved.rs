//! A Workload has its seats before it is admitted, and nobody else has them then.

use super::jobs::Job;
use super::queue::Queue;
use super::steps::{begin, server};
use super::workloads::Workloads;
use crate::lab::{App, Lab};
use crate::main_job::count_seats;
use crate::outage::shown;
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

/// What a reserved pod carries: which Workload's seats it takes.
const RESERVATION: &str = "mooring.dev/reservation";

/// Two Jobs with quota for both, and seats for one: that runs, and the other has no pod, gives its
/// quota back, and runs after it.
pub(super) async fn seats_are_reserved_before_a_job_runs(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "seats_are_reserved_before_a_job_runs").await?;
    let server = server(lab, &ns, "seats", 2).await?;
    let queue = Queue::new(&server, 4);
    queue.ready(lab).await?;
    let workloads = Workloads::follow(lab, &ns);
    let one = Job::start(lab, &ns, "one", 2, "render").await?;
    let reserved = workloads.is("one", "Ready", &[]).await?;
    let first = one.runs(lab).await?;
    for pod in one.made(lab).await? {
        carries(&pod, &reserved.name)?;
    }
    for app in &first {
        app.says("Held", 60).await?;
    }
    let two = Job::start(lab, &ns, "two", 2, "render").await?;
    let retry = workloads.was("two", "Retry").await?;
    ensure!(
        retry.message.contains("render") && retry.retry_secs.is_some(),
        "it does not say why it waits, or for how long: {retry:?}"
    );
    workloads.gives_back("two").await?;
    queue.reserves(lab, 2).await?;
    ensure!(
        two.made(lab).await?.is_empty(),
        "the second has pods before it has its seats"
    );
    one.ends(lab, &first).await?;
    let second = two.runs(lab).await?;
    for app in &second {
        app.says("Held", 60).await?;
    }
    two.ends(lab, &second).await?;
    let all: Vec<(&App, u32)> = first.iter().chain(&second).map(|a| (a, 1)).collect();
    count_seats(&all, 2).map(drop)
}

/// A pod stands in line behind a Workload, whose seats come free: between the check's `Ready` and
/// what the pods of its Job ask for, it gets none of them.
pub(super) async fn a_stranger_in_line_does_not_get_a_workloads_seats(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_stranger_in_line_does_not_get_a_workloads_seats").await?;
    let server = server(lab, &ns, "line", 2).await?;
    Queue::new(&server, 2).ready(lab).await?;
    let workloads = Workloads::follow(lab, &ns);
    let old = App::start(lab, &ns, "old", "render:2", None).await?;
    old.says("Held", 60).await?;
    let job = Job::start(lab, &ns, "job", 2, "render").await?;
    workloads.is("job", "Pending", &["render"]).await?;
    let stranger = App::start(lab, &ns, "stranger", "render", None).await?;
    shown(lab, &stranger, "Waiting", &[]).await?;
    workloads.turn("job").await?;
    old.delete(lab).await?;
    let apps = job.runs(lab).await?;
    workloads.is("job", "Ready", &[]).await?;
    for app in &apps {
        app.says("Held", 60).await?;
    }
    ensure!(
        !stranger.started(lab).await?,
        "the stranger has started, with a seat that was reserved"
    );
    shown(lab, &stranger, "Waiting", &[]).await?;
    job.ends(lab, &apps).await?;
    stranger.says("Held", 60).await?;
    let mut all = vec![(&old, 2), (&stranger, 1)];
    all.extend(apps.iter().map(|a| (a, 1)));
    count_seats(&all, 2).map(drop)
}

/// A pod names the reservation of its Workload.
fn carries(pod: &Pod, workload: &str) -> Result<()> {
    let named = pod.annotations().get(RESERVATION);
    ensure!(
        named.is_some_and(|n| n == workload),
        "pod {} carries {RESERVATION} {named:?}, not {workload}",
        pod.name_any()
    );
    Ok(())
}
