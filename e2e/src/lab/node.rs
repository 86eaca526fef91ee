//! Nodes that are cut off, switched off, and dead to the cluster.

use super::{Lab, NAMESPACE, run};
use anyhow::{Context as _, Result};

/// What an administrator puts on a node that is surely off.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";

impl Lab {
    /// Cuts a node off the network, or joins it again; switches it off, or on.
    pub async fn node(&self, what: &str, node: &str) -> Result<()> {
        let (tool, doing) = if self.own {
            let tool = self.root.join("e2e/cluster/node");
            (tool.to_string_lossy().into_owned(), "cutting a node")
        } else {
            let hook = std::env::var("MOORING_NODE_CUT").context("on a cluster that is not the project's own, MOORING_NODE_CUT names a command that is called with `cut NODE` and `join NODE`")?;
            (hook, "the command in MOORING_NODE_CUT")
        };
        run(&tool, &[what, node], None).await?.ok(doing).map(drop)
    }

    /// Says to the cluster that a node is off for good.
    pub async fn out_of_service(&self, node: &str) -> Result<()> {
        let taint = format!("taint node {node} {OUT_OF_SERVICE}");
        self.kubectl(&taint).await?.ok(&taint).map(drop)
    }

    /// Switches a node on, and waits until all of the chart runs again.
    pub async fn boots(&self, node: &str) -> Result<()> {
        self.node("on", node).await?;
        // It has none if nobody came as far as that.
        let untaint = format!("taint node {node} {OUT_OF_SERVICE}-");
        let _ = self.kubectl(&untaint).await?;
        let ready = format!("wait node {node} --for=condition=Ready --timeout=60s");
        self.kubectl(&ready).await?.ok(&ready)?;
        for kind in ["deployment", "daemonset"] {
            let rolled = format!("-n {NAMESPACE} rollout status {kind} --timeout=90s");
            let rolled = self.kubectl(&rolled).await?;
            // Without discovery there is no DaemonSet, which kubectl says with success.
            rolled.ok("waiting for the chart")?;
        }
        Ok(())
    }
}
