//! Licenses of Workloads, with a real Kueue: their seats are reserved before they are admitted, and
//! no quota idles behind a license. For the project's own cluster, which Kueue is put on.

mod check;
mod group;
mod jobs;
mod queue;
mod quota;
mod reserved;
mod steps;
mod workloads;

use crate::lab::{Helm, Lab, run};
use crate::suite::Scenario;
use anyhow::{Result, ensure};

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        check::an_admission_check_without_its_license_server_is_not_active,
        check::what_cannot_be_is_rejected_and_says_why,
        reserved::seats_are_reserved_before_a_job_runs,
        reserved::a_stranger_in_line_does_not_get_a_workloads_seats,
        quota::no_quota_idles_behind_a_license,
        group::a_pod_group_has_its_seats_before_it_is_admitted,
    ]
}

/// Puts Kueue on the cluster, and installs the chart with its AdmissionCheck controller.
pub async fn prepare(lab: &Lab) -> Result<()> {
    ensure!(lab.own, "Kueue is put on the project's own cluster only");
    let tool = lab.root.join("e2e/cluster/kueue");
    let there = run(&tool.to_string_lossy(), &[], None).await?;
    print!("{}", there.ok("putting Kueue on the cluster")?);
    let installed = Helm::upgrade(lab, &["kueue.enabled=true"]).await?;
    let what = "helm install with kueue.enabled=true";
    installed.ok(what).map(drop)
}
