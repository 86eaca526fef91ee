//! What waits for a license holds no quota.

use super::jobs::Job;
use super::queue::Queue;
use super::steps::{begin, server};
use super::workloads::Workloads;
use crate::lab::{App, Lab};
use crate::main_job::count_seats;
use crate::outage::shown;
use anyhow::{Result, ensure};

/// A Job waits long for its seats, and another that needs no license but all of the quota runs
/// meanwhile. The first has kept its place then: it is served before a pod that came after it.
pub(super) async fn no_quota_idles_behind_a_license(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "no_quota_idles_behind_a_license").await?;
    let server = server(lab, &ns, "quota", 2).await?;
    let queue = Queue::new(&server, 4);
    queue.ready(lab).await?;
    let workloads = Workloads::follow(lab, &ns);
    let old = App::start(lab, &ns, "old", "render:2", None).await?;
    old.says("Held", 60).await?;
    let first = Job::start(lab, &ns, "first", 2, "render").await?;
    workloads.is("first", "Pending", &["render"]).await?;
    queue.reserves(lab, 2).await?;
    let later = App::start(lab, &ns, "later", "render", None).await?;
    shown(lab, &later, "Waiting", &[]).await?;
    let wide = Job::start(lab, &ns, "wide", 4, "").await?;
    workloads.was("first", "Retry").await?;
    workloads.gives_back("first").await?;
    let plain = wide.runs(lab).await?;
    queue.reserves(lab, 4).await?;
    wide.ends(lab, &plain).await?;
    // It comes back when its delay is over.
    workloads.turn("first").await?;
    old.delete(lab).await?;
    let apps = first.runs(lab).await?;
    for app in &apps {
        app.says("Held", 60).await?;
    }
    ensure!(
        !later.started(lab).await?,
        "who came later was served first"
    );
    first.ends(lab, &apps).await?;
    later.says("Held", 60).await?;
    let mut all = vec![(&old, 2), (&later, 1)];
    all.extend(apps.iter().map(|a| (a, 1)));
    count_seats(&all, 2).map(drop)
}
