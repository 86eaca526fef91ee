//! The scenarios of devices: which node has the dongle, and how it comes into a pod.

mod anchors;
mod dead_node;
mod discovery;
mod plugin;

use crate::lab::{Helm, Lab, SYSFS};
use crate::suite::Scenario;
use anyhow::Result;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        discovery::a_dongle_moves_and_its_label_and_server_follow,
        discovery::nobody_else_can_say_where_a_dongle_is,
        anchors::a_usb_device_anchors_a_server_in_an_ordinary_pod,
        anchors::a_machine_anchors_its_server,
        anchors::a_dongles_pod_is_restricted,
        dead_node::a_dead_nodes_server_runs_where_its_dongle_is,
        plugin::a_dongle_comes_into_the_pod_as_a_device_resource,
    ]
}

/// Installs the chart with discovery, whose agents read folders of the nodes.
pub async fn prepare(lab: &Lab) -> Result<()> {
    let sysfs = format!("discovery.sysfsHostPath={SYSFS}");
    let installed = Helm::upgrade(lab, &["discovery.enabled=true", &sysfs]).await?;
    let what = "helm install with discovery.enabled=true";
    installed.ok(what).map(drop)
}
