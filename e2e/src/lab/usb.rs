//! USB devices that are plugged into nodes: folders as sysfs has them, which the discovery agents
//! read instead of `/sys`.

use super::{Lab, PRIVILEGED};
use anyhow::Result;

/// Where they lie on each node: the chart's `discovery.sysfsHostPath`.
pub const SYSFS: &str = "/var/lib/anchor/sys";
const NAMESPACE: &str = "mooring-usb";

/// A node's USB ports.
#[derive(Debug)]
pub struct Ports {
    pod: String,
}

impl Ports {
    /// Those of a node, all empty, by a pod there.
    pub async fn open(lab: &Lab, node: &str) -> Result<Self> {
        lab.make_namespace(NAMESPACE, PRIVILEGED).await?;
        let pod = format!("ports-{node}");
        let spec = "terminationGracePeriodSeconds: 1";
        lab.pod_on_node((NAMESPACE, &pod), node, SYSFS, spec)
            .await?;
        let ports = Self { pod };
        let empty = format!("rm -rf {SYSFS}/*; mkdir -p {SYSFS}/bus/usb/devices");
        ports.run(lab, &empty).await?;
        Ok(ports)
    }

    /// Plugs a device in; it appears at once, as a whole.
    pub async fn plug(&self, lab: &Lab, port: &str, ids: (&str, &str), serial: &str) -> Result<()> {
        let at = format!("{SYSFS}/bus/usb/devices/{port}");
        let (vendor, product) = ids;
        let script = format!(
            "mkdir -p {SYSFS}/new && cd {SYSFS}/new && echo {vendor} >idVendor && echo {product} >idProduct && echo {serial} >serial && mv {SYSFS}/new {at}"
        );
        self.run(lab, &script).await
    }

    /// Pulls it out.
    pub async fn unplug(&self, lab: &Lab, port: &str) -> Result<()> {
        let at = format!("{SYSFS}/bus/usb/devices/{port}");
        let script = format!("mv {at} {SYSFS}/old && rm -r {SYSFS}/old");
        self.run(lab, &script).await
    }

    /// Runs a script there, below [`SYSFS`].
    pub async fn run(&self, lab: &Lab, script: &str) -> Result<()> {
        let exec = format!("-n {NAMESPACE} exec {} -- sh -c", self.pod);
        let done = lab.kubectl_with(&exec, script).await?;
        done.ok("at a node's USB ports").map(drop)
    }
}
