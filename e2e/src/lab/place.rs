//! A token is placed on one node alone, or taken away from it.

use super::anchor::{Anchor, ON_NODE};
use super::{Lab, eventually, run, within};
use anyhow::{Context as _, Result};

impl Anchor {
    /// Puts the store on a node, for the server's user alone, by a pod there.
    pub async fn place(&self, lab: &Lab, node: &str) -> Result<()> {
        let parent = self.store.parent().context("the store has a parent")?;
        let pack = format!("tar -C {} -cf - {} |", parent.display(), self.label);
        let unpack = "tar -C {folder} -xf - && chown -R 65532:65532 {folder}/{label}";
        self.on_node(
            lab,
            node,
            &pack,
            &format!("rm -rf {{folder}}/{{label}} && {unpack}"),
        )
        .await
    }

    /// Takes the store away from a node.
    pub async fn pull(&self, lab: &Lab, node: &str) -> Result<()> {
        self.on_node(lab, node, "", "rm -rf {folder}/{label}").await
    }

    /// Runs a script in a pod of a node that has the folder, on what `input`, a shell's words,
    /// pipes in.
    async fn on_node(&self, lab: &Lab, node: &str, input: &str, script: &str) -> Result<()> {
        let ns = "mooring-anchor";
        lab.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {ns}, labels: {{pod-security.kubernetes.io/enforce: privileged}}}}\n"
        ))
        .await?
        .ok("making a namespace")?;
        eventually("its service account", within(20), async || {
            let o = lab
                .kubectl(&["-n", ns, "get", "serviceaccount", "default"])
                .await?;
            Ok(o.success.then_some(()).ok_or(o.err))
        })
        .await?;
        let pod = format!("place-{}", self.label);
        lab.kubectl(&[
            "-n",
            ns,
            "delete",
            "pod",
            &pod,
            "--ignore-not-found",
            "--grace-period=1",
        ])
        .await?
        .ok("deleting a pod")?;
        lab.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, namespace: {ns}}}\nspec:\n  nodeName: {node}\n  restartPolicy: Never\n  \
             containers:\n  - name: place\n    image: {}\n    command: [sh, -c, 'sleep 600']\n    securityContext: {{runAsUser: 0}}\n    \
             volumeMounts: [{{name: anchor, mountPath: {ON_NODE}}}]\n  volumes:\n  - {{name: anchor, hostPath: {{path: {ON_NODE}, type: DirectoryOrCreate}}}}\n",
            lab.images.app
        ))
        .await?
        .ok("starting a pod that places the token")?;
        lab.kubectl(&[
            "-n",
            ns,
            "wait",
            "--for=condition=Ready",
            &format!("pod/{pod}"),
            "--timeout=60s",
        ])
        .await?
        .ok("waiting for it")?;
        let script = script
            .replace("{folder}", ON_NODE)
            .replace("{label}", &self.label);
        let script =
            format!("{input} kubectl -n {ns} exec -i {pod} -- sh -c '{script}' </dev/null");
        let script = if input.is_empty() {
            script
        } else {
            script.replace(" </dev/null", "")
        };
        run("bash", &["-o", "pipefail", "-c", &script], None)
            .await?
            .ok("at the token's store")?;
        lab.kubectl(&[
            "-n",
            ns,
            "delete",
            "pod",
            &pod,
            "--grace-period=1",
            "--wait=false",
        ])
        .await?
        .ok("deleting a pod")
        .map(drop)
    }
}
