//! The cluster at hand.

mod anchor;
mod apps;
mod card;
mod command;
mod dump;
mod install;
mod place;
mod server;
mod usb;
mod vendor;
mod wait;

pub use anchor::{Anchor, PIN};
pub use apps::{App, Line};
pub use card::{Card, CardIn};
pub use command::{Output, run};
pub use install::Helm;
pub use server::{Server, lease_row, pkcs11, state, variable};
pub use usb::{Ports, SYSFS};
pub use vendor::Vendor;
pub use wait::{eventually, within};

use anyhow::{Context as _, Result, bail};
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Images, as the cluster can have them.
#[derive(Clone, Debug)]
pub struct Images {
    /// `mooring-operator`.
    pub operator: String,
    /// `mooring-sidecar`.
    pub sidecar: String,
    /// `mooring-server`.
    pub server: String,
    /// The test application.
    pub app: String,
    /// pcscd with a reader for virtual cards.
    pub pcscd_test: Option<String>,
    /// A device plugin that offers a device file of its node.
    pub device_plugin: Option<String>,
    /// The server without settling, for the scenario that must fail with it.
    pub mutant: Option<String>,
}

/// A cluster with two nodes, and what is needed to work on it.
#[derive(Clone)]
pub struct Lab {
    /// The API server.
    pub client: Client,
    /// What runs on it.
    pub images: Images,
    /// The command-line tool `mooring`.
    pub cli: PathBuf,
    /// Where the test keeps keys and licenses.
    pub dir: Arc<tempfile::TempDir>,
    /// The node that holds the anchor, and another one.
    pub nodes: (String, String),
    /// The cluster is the project's own: its nodes can be cut off.
    pub own: bool,
    /// The checkout.
    pub root: PathBuf,
    /// The software vendor.
    pub vendor: Arc<Vendor>,
    /// The token on the first node.
    pub anchor: Arc<Anchor>,
}

impl Lab {
    /// Connects to the cluster that `KUBECONFIG` names, makes a vendor's key, and puts a token on
    /// the first node.
    pub async fn open() -> Result<Self> {
        let client = Client::try_default()
            .await
            .context("connecting to the cluster that KUBECONFIG names")?;
        let images = images()?;
        let cli = PathBuf::from(
            std::env::var("MOORING_CLI")
                .context("MOORING_CLI names the tool `mooring`; start through e2e/run")?,
        );
        let root = std::env::current_dir()?;
        let nodes = nodes(&client).await?;
        let own = std::env::var_os("MOORING_OWN_CLUSTER").is_some();
        let dir = Arc::new(tempfile::Builder::new().prefix("mooring-e2e-").tempdir()?);
        let vendor = Arc::new(Vendor::new(&cli, dir.path()).await?);
        let anchor = Arc::new(Anchor::make(&cli, dir.path()).await?);
        let lab = Self {
            client,
            images,
            cli,
            dir,
            nodes,
            own,
            root,
            vendor,
            anchor,
        };
        lab.anchor.place(&lab, &lab.nodes.0).await?;
        Ok(lab)
    }

    /// Runs kubectl.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        run("kubectl", args, None).await
    }

    /// Applies YAML as a person would; the error is what a person sees.
    pub async fn apply(&self, yaml: &str) -> Result<Output> {
        run("kubectl", &["apply", "-f", "-"], Some(yaml)).await
    }

    /// A namespace that is empty but for its default service account.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        let args = [
            "delete",
            "namespace",
            name,
            "--ignore-not-found",
            "--wait=true",
            "--timeout=120s",
        ];
        self.kubectl(&args)
            .await?
            .ok("deleting what an earlier run left")?;
        self.apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"
        ))
        .await?
        .ok("making a namespace")?;
        eventually(
            &format!("namespace {name} has its default service account"),
            within(20),
            async || {
                let o = self
                    .kubectl(&["-n", name, "get", "serviceaccount", "default"])
                    .await?;
                Ok(o.success.then_some(()).ok_or(o.err))
            },
        )
        .await
    }

    /// Takes a namespace away without waiting for it.
    pub async fn drop_namespace(&self, name: &str) {
        let _ = self
            .kubectl(&[
                "delete",
                "namespace",
                name,
                "--ignore-not-found",
                "--wait=false",
            ])
            .await;
    }

    /// Cuts a node off the network, or joins it again.
    pub async fn node(&self, what: &str, node: &str) -> Result<()> {
        if !self.own {
            let hook = std::env::var("MOORING_NODE_CUT").context("on a cluster that is not the project's own, MOORING_NODE_CUT names a command that is called with `cut NODE` and `join NODE`")?;
            return run(&hook, &[what, node], None)
                .await?
                .ok("the command in MOORING_NODE_CUT")
                .map(drop);
        }
        let tool = self.root.join("e2e/cluster/node");
        run(&tool.to_string_lossy(), &[what, node], None)
            .await?
            .ok("cutting a node")
            .map(drop)
    }
}

fn images() -> Result<Images> {
    let path = std::env::var("MOORING_IMAGES_ENV")
        .context("MOORING_IMAGES_ENV names the images; start through e2e/run")?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let all: BTreeMap<&str, &str> = text.lines().filter_map(|l| l.split_once('=')).collect();
    let get = |k: &str| {
        all.get(k)
            .map(|v| (*v).to_owned())
            .with_context(|| format!("{path} has no {k}"))
    };
    Ok(Images {
        operator: get("MOORING_OPERATOR_IMAGE")?,
        sidecar: get("MOORING_SIDECAR_IMAGE")?,
        server: get("MOORING_SERVER_IMAGE")?,
        app: get("MOORING_E2E_APP_IMAGE")?,
        pcscd_test: get("MOORING_PCSCD_TEST_IMAGE").ok(),
        device_plugin: get("MOORING_DEVICE_PLUGIN_IMAGE").ok(),
        mutant: get("MOORING_SERVER_MUTANT_IMAGE").ok(),
    })
}

async fn nodes(client: &Client) -> Result<(String, String)> {
    let all = Api::<k8s_openapi::api::core::v1::Node>::all(client.clone())
        .list(&kube::api::ListParams::default())
        .await?;
    let ready = |n: &k8s_openapi::api::core::v1::Node| {
        let conditions = n.status.as_ref().and_then(|s| s.conditions.as_ref());
        conditions.is_some_and(|c| c.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
    };
    let mut names: Vec<String> = all
        .items
        .iter()
        .filter(|n| ready(n))
        .filter_map(|n| n.metadata.name.clone())
        .collect();
    names.sort();
    match names.as_slice() {
        [a, b, ..] => Ok((a.clone(), b.clone())),
        few => bail!(
            "two Ready nodes are needed, and the cluster has {}: {few:?}",
            few.len()
        ),
    }
}
