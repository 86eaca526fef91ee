//! USB devices that are plugged into nodes: folders as sysfs has them, which the discovery agents
//! read instead of `/sys`.

use super::{Lab, eventually, within};
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
        lab.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}, labels: {{pod-security.kubernetes.io/enforce: privileged}}}}\n"
        ))
        .await?
        .ok("making a namespace")?;
        eventually("its service account", within(20), async || {
            let o = lab
                .kubectl(&["-n", NAMESPACE, "get", "serviceaccount", "default"])
                .await?;
            Ok(o.success.then_some(()).ok_or(o.err))
        })
        .await?;
        let pod = format!("ports-{node}");
        lab.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, namespace: {NAMESPACE}}}\nspec:\n  nodeName: {node}\n  terminationGracePeriodSeconds: 1\n  \
             containers:\n  - name: ports\n    image: {}\n    command: [sh, -c, 'while :; do sleep 600; done']\n    securityContext: {{runAsUser: 0}}\n    \
             volumeMounts: [{{name: sys, mountPath: {SYSFS}}}]\n  volumes:\n  - {{name: sys, hostPath: {{path: {SYSFS}, type: DirectoryOrCreate}}}}\n",
            lab.images.app
        ))
        .await?
        .ok("starting a pod that plugs devices in")?;
        lab.kubectl(&[
            "-n",
            NAMESPACE,
            "wait",
            "--for=condition=Ready",
            &format!("pod/{pod}"),
            "--timeout=60s",
        ])
        .await?
        .ok("waiting for it")?;
        let ports = Self { pod };
        ports
            .run(
                lab,
                &format!("rm -rf {SYSFS}/*; mkdir -p {SYSFS}/bus/usb/devices"),
            )
            .await?;
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
        self.run(lab, &format!("mv {at} {SYSFS}/old && rm -r {SYSFS}/old"))
            .await
    }

    /// Runs a script there, below [`SYSFS`].
    pub async fn run(&self, lab: &Lab, script: &str) -> Result<()> {
        lab.kubectl(&["-n", NAMESPACE, "exec", &self.pod, "--", "sh", "-c", script])
            .await?
            .ok("at a node's USB ports")
            .map(drop)
    }
}
