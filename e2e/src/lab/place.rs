//! A token is placed on one node alone, or taken away from it.

use super::anchor::{Anchor, ON_NODE};
use super::{Lab, PRIVILEGED, run};
use anyhow::{Context as _, Result};

impl Anchor {
    /// Puts the store on a node, for the server's user alone, by a pod there.
    pub async fn place(&self, lab: &Lab, node: &str) -> Result<()> {
        let parent = self.store.parent().context("the store has a parent")?;
        let pack = format!("tar -C {} -cf - {} |", parent.display(), self.label);
        let unpack = "tar -C {folder} -xf - && chown -R 65532:65532 {folder}/{label}";
        let script = format!("rm -rf {{folder}}/{{label}} && {unpack}");
        self.on_node(lab, node, &pack, &script).await
    }

    /// Takes the store away from a node.
    pub async fn pull(&self, lab: &Lab, node: &str) -> Result<()> {
        self.on_node(lab, node, "", "rm -rf {folder}/{label}").await
    }

    /// Runs a script in a pod of a node that has the folder, on what `input`, a shell's words,
    /// pipes in.
    async fn on_node(&self, lab: &Lab, node: &str, input: &str, script: &str) -> Result<()> {
        let ns = "mooring-anchor";
        lab.make_namespace(ns, PRIVILEGED).await?;
        let pod = format!("place-{}", self.label);
        let delete = format!("-n {ns} delete pod {pod} --grace-period=1");
        let earlier = lab.kubectl(format!("{delete} --ignore-not-found"));
        earlier.await?.ok("deleting a pod")?;
        lab.pod_on_node((ns, &pod), node, ON_NODE, "restartPolicy: Never")
            .await?;
        let script = script
            .replace("{folder}", ON_NODE)
            .replace("{label}", &self.label);
        let none = if input.is_empty() { "</dev/null" } else { "" };
        let script = format!("{input} kubectl -n {ns} exec -i {pod} -- sh -c '{script}' {none}");
        run("bash", &["-o", "pipefail", "-c", &script], None)
            .await?
            .ok("at the token's store")?;
        let deleted = lab.kubectl(format!("{delete} --wait=false")).await?;
        deleted.ok("deleting a pod").map(drop)
    }
}
