//! What an AdmissionCheck cannot do is said where people look for it.

use super::jobs::Job;
use super::queue::Queue;
use super::steps::{begin, server};
use super::workloads::Workloads;
use crate::lab::{Lab, Server};
use anyhow::{Result, ensure};

/// An AdmissionCheck names a LicenseServer that is not there yet: Kueue admits nothing by it, and
/// it says what is missing. With the LicenseServer it is active.
pub(super) async fn an_admission_check_without_its_license_server_is_not_active(
    lab: &Lab,
) -> Result<()> {
    let name = "an_admission_check_without_its_license_server_is_not_active";
    let ns = begin(lab, name).await?;
    let mut server = Server::new(&ns, 1);
    server.name = "late".into();
    let queue = Queue::new(&server, 2);
    queue.apply(lab).await?;
    queue
        .check(lab, "False", &["ServerNotFound", "late"])
        .await?;
    queue.active(lab, "False").await?;
    server.apply(lab).await?;
    queue.check(lab, "True", &[]).await?;
    queue.active(lab, "True").await
}

/// A Job whose annotation is none: its Workload is rejected with what is wrong, and it has no pods.
pub(super) async fn what_cannot_be_is_rejected_and_says_why(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "what_cannot_be_is_rejected_and_says_why").await?;
    let server = server(lab, &ns, "reject", 2).await?;
    let queue = Queue::new(&server, 2);
    queue.ready(lab).await?;
    let workloads = Workloads::follow(lab, &ns);
    let job = Job::start(lab, &ns, "odd", 2, "render:many").await?;
    let rejected = workloads.was("odd", "Rejected").await?;
    ensure!(
        rejected
            .message
            .contains("mooring.dev/licenses: character 8"),
        "it does not say what is wrong: {rejected:?}"
    );
    workloads.gives_back("odd").await?;
    ensure!(job.made(lab).await?.is_empty(), "it has pods all the same");
    let about = format!("regarding.name={},regarding.kind=Workload", rejected.name);
    let events = lab.events(&ns, &about).await?;
    ensure!(
        events.contains(&rejected.message),
        "Kueue's Event does not say why:\n{events}"
    );
    Ok(())
}
