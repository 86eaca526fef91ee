//! The cluster at hand.

mod anchor;
mod apps;
pub mod audit;
mod card;
mod command;
mod dump;
mod install;
mod node;
mod place;
mod server;
mod usb;
mod vendor;
mod wait;

pub use anchor::{Anchor, PIN, module};
pub use apps::{App, Line};
pub use card::{Card, CardIn};
pub use command::{Output, run, run_words, words};
pub use install::{Helm, NAMESPACE, NO_IMAGE, OPERATOR, also_allows};
pub use server::{Row, Server, pkcs11, soft, template};
pub use usb::{Ports, SYSFS};
pub use vendor::Vendor;
pub use wait::{eventually, so, within};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::ListParams;
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// For [`Lab::make_namespace`]: pods may do all on their node.
const PRIVILEGED: &str = ", labels: {pod-security.kubernetes.io/enforce: privileged}";

/// Images, as the cluster can have them.
#[derive(Clone, Debug)]
pub struct Images {
    pub operator: String,
    pub sidecar: String,
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
    pub client: Client,
    pub images: Images,
    /// The command-line tool `mooring`.
    pub cli: PathBuf,
    /// Where the test keeps keys and licenses.
    pub dir: Arc<tempfile::TempDir>,
    /// The node that holds the anchor, and another one.
    pub nodes: (String, String),
    /// The cluster is the project's own: its nodes can be cut off.
    pub own: bool,
    pub root: PathBuf,
    pub vendor: Arc<Vendor>,
    pub anchor: Arc<Anchor>,
}

impl Lab {
    /// Connects to the cluster that `KUBECONFIG` names, makes a vendor's key, and puts a token on
    /// the first node.
    pub async fn open() -> Result<Self> {
        let client = Client::try_default().await;
        let client = client.context("connecting to the cluster that KUBECONFIG names")?;
        let images = std::env::var("MOORING_IMAGES_ENV")
            .context("MOORING_IMAGES_ENV names the images; start through e2e/run")?;
        let images = images_in(&images)?;
        let cli = std::env::var("MOORING_CLI")
            .context("MOORING_CLI names the tool `mooring`; start through e2e/run")?;
        let cli = PathBuf::from(cli);
        let root = std::env::current_dir()?;
        let nodes = nodes(&client).await?;
        let own = std::env::var_os("MOORING_OWN_CLUSTER").is_some();
        let dir = Arc::new(tempfile::Builder::new().prefix("mooring-e2e-").tempdir()?);
        let vendor = Arc::new(Vendor::new(&cli, dir.path()).await?);
        let anchor = Arc::new(Anchor::make(&cli, dir.path(), "mooring-e2e").await?);
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

    /// The same cluster, with charts and images of the version before this one.
    pub fn before(&self) -> Result<Self> {
        let folder = std::env::var("MOORING_PREVIOUS").context(
            "MOORING_PREVIOUS names the folder of the version before; on the project's own cluster e2e/run sets it",
        )?;
        Ok(Self {
            images: images_in(&format!("{folder}/images/images.env"))?,
            root: folder.into(),
            ..self.clone()
        })
    }

    /// Runs kubectl with the words of a line.
    pub async fn kubectl(&self, line: impl AsRef<str>) -> Result<Output> {
        run("kubectl", &words(line.as_ref()), None).await
    }

    /// The same with a last argument that has blanks.
    pub async fn kubectl_with(&self, line: &str, last: &str) -> Result<Output> {
        let mut args = words(line);
        args.push(last);
        run("kubectl", &args, None).await
    }

    /// Applies YAML as a person would; the error is what a person sees.
    pub async fn apply(&self, yaml: &str) -> Result<Output> {
        run("kubectl", &["apply", "-f", "-"], Some(yaml)).await
    }

    /// The same as somebody else.
    pub async fn apply_as(&self, user: &str, yaml: &str) -> Result<Output> {
        let line = format!("apply --as={user} -f -");
        run("kubectl", &words(&line), Some(yaml)).await
    }

    /// A namespace that is empty but for its default service account.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        let flags = "--ignore-not-found --wait=true --timeout=120s";
        let deleted = self.kubectl(format!("delete namespace {name} {flags}"));
        deleted.await?.ok("deleting what an earlier run left")?;
        self.make_namespace(name, "").await
    }

    /// Makes a namespace, if it is not there, and waits for its default service account. `more` are
    /// further fields of its metadata.
    pub async fn make_namespace(&self, name: &str, more: &str) -> Result<()> {
        let metadata = format!("{{name: {name}{more}}}");
        let yaml = format!("{{apiVersion: v1, kind: Namespace, metadata: {metadata}}}");
        self.apply(&yaml).await?.ok("making a namespace")?;
        let what = format!("namespace {name} has its default service account");
        let get = format!("-n {name} get serviceaccount default");
        eventually(&what, within(20), async || {
            let o = self.kubectl(&get).await?;
            so(o.success, || o.err)
        })
        .await
    }

    /// Starts a pod on a node, as root and with a folder of it, in a [`PRIVILEGED`] namespace, and
    /// waits until it is Ready; `spec` is a further line of its spec.
    async fn pod_on_node(
        &self,
        (ns, pod): (&str, &str),
        node: &str,
        path: &str,
        spec: &str,
    ) -> Result<()> {
        self.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, namespace: {ns}}}\nspec:\n  nodeName: {node}\n  {spec}\n  \
             containers:\n  - name: c\n    image: {}\n    command: [sh, -c, 'while :; do sleep 600; done']\n    securityContext: {{runAsUser: 0}}\n    \
             volumeMounts: [{{name: folder, mountPath: {path}}}]\n  volumes:\n  - {{name: folder, hostPath: {{path: {path}, type: DirectoryOrCreate}}}}\n",
            self.images.app
        ))
        .await?
        .ok("starting a pod on a node")?;
        self.awaits(ns, &format!("pod/{pod}")).await
    }

    /// Events about an object, oldest first, as `reason: message`.
    pub async fn events(&self, ns: &str, about: &str) -> Result<String> {
        let line = format!("-n {ns} get events.v1.events.k8s.io --field-selector {about} -o");
        let path = "jsonpath={range .items[*]}{.reason}: {.note}{'\\n'}{end}";
        self.kubectl_with(&line, path).await?.ok("reading Events")
    }

    /// Waits for a minute until a pod is Ready.
    pub async fn awaits(&self, ns: &str, pod: &str) -> Result<()> {
        let flags = "--for=condition=Ready --timeout=60s";
        let ready = self.kubectl(format!("-n {ns} wait {flags} {pod}")).await?;
        ready.ok("waiting for a pod").map(drop)
    }

    /// Takes a namespace away without waiting for it.
    pub async fn drop_namespace(&self, name: &str) {
        let flags = "--ignore-not-found --wait=false";
        let _ = self
            .kubectl(format!("delete namespace {name} {flags}"))
            .await;
    }

    /// Does to a program of the cluster what `e2e/cluster/program` can: kill, start, pause, resume.
    pub async fn program(&self, what: &str, name: &str) -> Result<()> {
        ensure!(
            self.own,
            "the programs of a cluster that is not the project's own are left alone"
        );
        let tool = self.root.join("e2e/cluster/program");
        let done = run(&tool.to_string_lossy(), &[what, name], None).await?;
        done.ok("at a program of the cluster").map(drop)
    }

    /// Starts a program of the cluster again, with further flags for this once.
    pub async fn start_program(&self, name: &str, flags: &[&str]) -> Result<()> {
        ensure!(
            self.own,
            "the programs of a cluster that is not the project's own are left alone"
        );
        let tool = self.root.join("e2e/cluster/program");
        let args = [&["start", name], flags].concat();
        let done = run(&tool.to_string_lossy(), &args, None).await?;
        done.ok("at a program of the cluster").map(drop)
    }
}

/// Whether a pod is Ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.is_some_and(|c| c.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

fn images_in(path: &str) -> Result<Images> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let all: BTreeMap<&str, &str> = text.lines().filter_map(|l| l.split_once('=')).collect();
    let get = |k: &str| {
        let image = all.get(k).map(ToString::to_string);
        image.with_context(|| format!("{path} has no {k}"))
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
    let nodes = Api::<Node>::all(client.clone());
    let all = nodes.list(&ListParams::default()).await?;
    let ready = |n: &&Node| {
        let conditions = n.status.as_ref().and_then(|s| s.conditions.as_ref());
        conditions.is_some_and(|c| c.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
    };
    let names = all.items.iter().filter(ready);
    let mut names: Vec<String> = names.filter_map(|n| n.metadata.name.clone()).collect();
    names.sort();
    match names.as_slice() {
        [a, b, ..] => Ok((a.clone(), b.clone())),
        few => bail!(
            "two Ready nodes are needed, and the cluster has {}: {few:?}",
            few.len()
        ),
    }
}
