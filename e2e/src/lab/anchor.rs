//! A token: SoftHSM's store, made here, and placed on one node alone.

use super::{Lab, eventually, run, within};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// The token's PIN.
pub const PIN: &str = "648219";
/// Where the store lies on its node.
const ON_NODE: &str = "/var/lib/anchor";

/// A token.
#[derive(Debug)]
pub struct Anchor {
    /// Its label.
    pub label: String,
    /// What `mooring license anchor` said of it.
    pub description: PathBuf,
    store: PathBuf,
}

impl Anchor {
    /// Makes a token with a key that cannot leave it.
    pub async fn make(cli: &Path, dir: &Path) -> Result<Self> {
        Self::named(cli, dir, "mooring-e2e").await
    }

    /// The same, with another label.
    pub async fn named(cli: &Path, dir: &Path, label: &str) -> Result<Self> {
        let store = dir.join(label);
        std::fs::create_dir_all(store.join("tokens"))?;
        let conf = dir.join(format!("{label}.conf"));
        let write = |path: &Path, tokens: &str| {
            std::fs::write(
                path,
                format!(
                    "directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
                ),
            )
        };
        write(&conf, &store.join("tokens").to_string_lossy())?;
        write(
            &store.join("softhsm2.conf"),
            &format!("{ON_NODE}/{label}/tokens"),
        )?;
        let pin = dir.join(format!("{label}.pin"));
        std::fs::write(&pin, PIN)?;
        let env = format!("SOFTHSM2_CONF={}", conf.display());
        let init = [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            label,
            "--pin",
            PIN,
            "--so-pin",
            "12345678",
        ];
        run("env", &[&[env.as_str()], init.as_slice()].concat(), None)
            .await?
            .ok("making a token (is softhsm2 installed?)")?;
        let description = dir.join(format!("{label}.anchor.yaml"));
        let (cli, pin) = (cli.to_string_lossy(), pin.to_string_lossy());
        let args = [
            env.as_str(),
            &cli,
            "license",
            "anchor",
            "pkcs11",
            "--module",
            &module()?,
            "--token-label",
            label,
            "--pin-file",
            &pin,
            "--generate",
        ];
        let out = run("env", &args, None)
            .await?
            .ok("making the anchor's key")?;
        std::fs::write(&description, out)?;
        Ok(Self {
            label: label.to_owned(),
            description,
            store,
        })
    }

    /// The configuration of SoftHSM, on the node and in the server's pod.
    pub fn softhsm_conf(&self) -> String {
        format!("{ON_NODE}/{}/softhsm2.conf", self.label)
    }

    /// Where the store lies on its node.
    pub fn folder(&self) -> &'static str {
        ON_NODE
    }

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

    /// Runs a script in a pod of a node that has the folder, on what `input`, a shell's words, pipes in.
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

/// SoftHSM's module on this machine, where it makes the token.
fn module() -> Result<String> {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    let found = places.iter().find(|p| Path::new(p).exists());
    found
        .map(|p| (*p).to_owned())
        .context("SoftHSM's module is not on this machine; install softhsm2")
}
