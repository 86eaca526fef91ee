//! The scenarios of the corpus: pods as people write them, on clusters as platforms run them, by
//! dry runs. With Mooring each is admitted exactly when it is without, or refused with words that
//! say why; and nothing of the pod's own is changed.

mod admission;
mod debug;
mod late;
mod platforms;
mod shapes;
mod workloads;

use crate::lab::{Helm, Lab, Server};
use crate::suite::Scenario;
use admission::LICENSING;
use anyhow::Result;
use mooring_api as api;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        platforms::each_shape_on_a_plain_cluster,
        platforms::each_shape_with_limits_and_quotas,
        platforms::what_a_limit_range_or_a_quota_refuses_has_a_way_out,
        platforms::each_shape_with_images_out_of_a_mirror,
        platforms::each_shape_with_users_that_the_platform_assigns,
        platforms::each_shape_where_images_are_always_pulled,
        late::an_annotation_put_on_later_counts_where_allowed,
        workloads::workloads_are_warned_of_what_their_pods_meet,
        debug::a_copy_of_a_pod_and_a_container_that_joins_it_are_refused,
    ]
}

/// Installs the chart, and the LicenseServer.
pub async fn prepare(lab: &Lab) -> Result<()> {
    Helm::upgrade(lab, &[]).await?.ok("helm install")?;
    lab.make_namespace(LICENSING, "").await?;
    let mut server = Server::new(LICENSING, 2);
    server.allowed.from = api::NamespacesFrom::All;
    server.apply(lab).await
}

/// Takes the LicenseServer away: others' pods would stand in its line.
pub async fn clear(lab: &Lab) -> Result<()> {
    let line = format!("-n {LICENSING} delete licenseserver main --timeout=60s");
    let deleted = lab.kubectl(&line).await?;
    deleted.ok("deleting the LicenseServer").map(drop)
}
