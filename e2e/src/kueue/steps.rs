//! What these scenarios begin with.

use crate::lab::{Lab, Server};
use crate::{main_job, suite};
use anyhow::Result;

/// The namespace of a scenario, made anew.
pub(super) async fn begin(lab: &Lab, name: &str) -> Result<String> {
    // Kueue keeps the pods of a group that has not come to its end, and a namespace that is deleted
    // waits for its pods before it deletes anything else.
    let ns = suite::namespace(name);
    let workloads = format!("-n {ns} delete workloads --all");
    // These are in no namespace, and say what was so then.
    let queues = format!("delete clusterqueues,admissionchecks {ns} --ignore-not-found");
    for line in [workloads, queues] {
        let earlier = lab.kubectl(format!("{line} --timeout=60s")).await?;
        earlier.ok("deleting what an earlier run left")?;
    }
    main_job::begin(lab, name).await
}

/// A LicenseServer whose name no other in the cluster has.
pub(super) async fn server(lab: &Lab, ns: &str, name: &str, seats: u32) -> Result<Server> {
    let mut server = Server::new(ns, seats);
    server.name = name.into();
    server.ready(lab).await?;
    Ok(server)
}
