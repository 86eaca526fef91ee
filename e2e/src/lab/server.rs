//! A LicenseServer with what it needs: license, vendor's key, PIN.

use super::anchor::ON_NODE;
use super::{Anchor, Lab, PIN, eventually, within};
use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use mooring_api as api;
use mooring_api::{LicenseLease, LicenseServer, LicenseServerSpec, Span};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A LicenseServer in a namespace.
#[derive(Clone, Debug)]
pub struct Server {
    pub namespace: String,
    /// Its name, which its Secrets' names begin with.
    pub name: String,
    /// D.
    pub duration: Duration,
    pub grace: Duration,
    /// Whose pods may use it, if not its own namespace's.
    pub allowed: api::AllowedNamespaces,
    /// The server's image; the chart's default if none.
    pub image: Option<String>,
    /// It is placed by a label of the first node, which [`Server::arrive`] and [`Server::leave`]
    /// set and take away, and not by the node's name.
    pub movable: bool,
    /// It is placed by this device, and not by a label.
    pub device: Option<api::Device>,
    /// The resource of the node that its container gets.
    pub device_resource: Option<String>,
    /// The node of a standby elsewhere: another token, of the same module and label.
    pub standby_on: Option<String>,
    pub products: Vec<(String, u32)>,
    /// Its anchor and its template, where it is not SoftHSM.
    pub anchored: Option<(api::Anchor, api::Template)>,
}

impl Server {
    /// One with these seats of `render`, and short leases, so that silence is soon over.
    pub fn new(namespace: &str, seats: u32) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: "main".into(),
            duration: Duration::from_secs(10),
            grace: Duration::from_secs(600),
            allowed: api::AllowedNamespaces::default(),
            image: None,
            movable: false,
            device: None,
            device_resource: None,
            standby_on: None,
            products: vec![("render".into(), seats)],
            anchored: None,
        }
    }

    /// Makes the Secrets and the LicenseServer.
    pub async fn apply(&self, lab: &Lab) -> Result<()> {
        let license = self.license(lab, &lab.anchor.description).await?;
        self.apply_with(lab, &license, PIN).await
    }

    /// A license for its products, bound to an anchor that is described in a file.
    pub async fn license(&self, lab: &Lab, anchor: &Path) -> Result<String> {
        let name = format!("{}-{}", self.namespace, self.name);
        let issued = lab.vendor.license(&name, &self.products, anchor, "");
        issued.await
    }

    /// The same with a standby anchor, which another file describes.
    pub async fn license_with_standby(
        &self,
        lab: &Lab,
        first: &Path,
        standby: &Path,
    ) -> Result<String> {
        let first = std::fs::read_to_string(first)?;
        let first = format!("anchors:\n- {}\n", first.trim_end().replace('\n', "\n  "));
        let described = std::fs::read_to_string(standby)?;
        let standby = standby.with_extension("standby.yaml");
        std::fs::write(&standby, format!("{described}standby: {{days: 14}}\n"))?;
        let name = format!("{}-{}", self.namespace, self.name);
        let issued = lab.vendor.license(&name, &self.products, &standby, &first);
        issued.await
    }

    /// The same with a license and a PIN of one's own.
    pub async fn apply_with(&self, lab: &Lab, license: &str, pin: &str) -> Result<()> {
        let (ns, name) = (&self.namespace, &self.name);
        let indented = format!("    {}\n", license.trim_end().replace('\n', "\n    "));
        let secrets = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-license, namespace: {ns}}}\nstringData:\n  license.mooring: |\n{indented}---\n\
             apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-pin, namespace: {ns}}}\nstringData: {{pin: \"{pin}\"}}\n---\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}-keys, namespace: {ns}}}\ndata: {{vendor: \"{}\"}}\n",
            lab.vendor.public
        );
        lab.apply(&secrets).await?.ok("making the Secrets")?;
        let made = lab.apply(&self.yaml(lab)?).await?;
        made.ok("making the LicenseServer").map(drop)
    }

    /// The object as people write it: without what is so anyway.
    pub fn yaml(&self, lab: &Lab) -> Result<String> {
        let mut object = serde_json::to_value(self.object(lab))?;
        let spec = object["spec"].as_object_mut().context("no spec")?;
        let service = serde_json::to_value(api::ServiceSettings::default())?;
        let allowed = serde_json::to_value(api::AllowedNamespaces::default())?;
        for (field, default) in [("service", service), ("allowedNamespaces", allowed)] {
            if spec.get(field) == Some(&default) {
                spec.remove(field);
            }
        }
        Ok(serde_yaml::to_string(&object)?)
    }

    fn object(&self, lab: &Lab) -> LicenseServer {
        let name = &self.name;
        let anchored = self.anchored.clone();
        let (mut anchored, mut template) = anchored.unwrap_or_else(|| soft(&lab.anchor));
        if let Some(pkcs11) = &mut anchored.pkcs11 {
            pkcs11.device_resource.clone_from(&self.device_resource);
            pkcs11.pin_secret.name = format!("{name}-pin");
        }
        template.image.clone_from(&self.image);
        let label = if self.movable {
            (PLACE.to_owned(), self.namespace.clone())
        } else {
            hostname(&lab.nodes.0)
        };
        let labels = BTreeMap::from([label]);
        let spec = LicenseServerSpec {
            external: None,
            licenses: vec![api::LicenseRef::new(format!("{name}-license"))],
            vendor_keys: Some(api::VendorKeys {
                config_map_name: Some(format!("{name}-keys")),
                secret_name: None,
            }),
            audit: api::AuditSettings::default(),
            revocations: None,
            voucher: None,
            standby: self.standby_on.as_ref().map(|node| api::Standby {
                anchor: anchored.clone(),
                placement: Some(placed_on(hostname(node))),
            }),
            anchor: anchored,
            placement: api::Placement {
                node_selector: self.device.as_ref().map_or(labels, |_| BTreeMap::new()),
                device: self.device.clone(),
                tolerations: Vec::new(),
            },
            lease: api::LeaseSettings {
                duration: Span(self.duration),
                grace: Span(self.grace),
                ..api::LeaseSettings::default()
            },
            allowed_namespaces: self.allowed.clone(),
            policy: None,
            clients: None,
            admins: Vec::new(),
            tls: api::TlsSettings::default(),
            service: api::ServiceSettings::default(),
            template,
        };
        let mut server = LicenseServer::new(name, spec);
        server.metadata.namespace = Some(self.namespace.clone());
        server
    }

    /// Applies it and waits until it is Ready.
    pub async fn ready(&self, lab: &Lab) -> Result<()> {
        self.apply(lab).await?;
        self.condition(lab, "Ready", "True").await.map(drop)
    }

    pub async fn get(&self, lab: &Lab) -> Result<LicenseServer> {
        let servers = Api::<LicenseServer>::namespaced(lab.client.clone(), &self.namespace);
        Ok(servers.get(&self.name).await?)
    }

    pub async fn conditions(&self, lab: &Lab) -> Result<Vec<Condition>> {
        Ok(self.get(lab).await?.status.unwrap_or_default().conditions)
    }

    /// Waits for a condition; returns it.
    pub async fn condition(&self, lab: &Lab, kind: &str, status: &str) -> Result<Condition> {
        let what = format!(
            "LicenseServer {}/{} has {kind}={status}",
            self.namespace, self.name
        );
        eventually(&what, within(120), async || {
            let conditions = self.conditions(lab).await?;
            let mut all = conditions.iter();
            let found = all.find(|c| c.type_ == kind && c.status == status);
            Ok(found.cloned().ok_or_else(|| format!("{conditions:?}")))
        })
        .await
    }

    /// Its Events, oldest first, as `reason: message`.
    pub async fn events(&self, lab: &Lab) -> Result<String> {
        let about = format!("regarding.name={},regarding.kind=LicenseServer", self.name);
        lab.events(&self.namespace, &about).await
    }

    /// Its metrics, read through the API server.
    pub async fn metrics(&self, lab: &Lab) -> Result<String> {
        let pod = format!("namespaces/{}/pods/{}", self.namespace, self.pod_name());
        let raw = format!("get --raw /api/v1/{pod}:8081/proxy/metrics");
        lab.kubectl(&raw).await?.ok("reading metrics")
    }

    /// The sum of a metric's lines that begin so and have this text.
    pub async fn metric(&self, lab: &Lab, begin: &str, text: &str) -> Result<f64> {
        let all = self.metrics(lab).await?;
        let ours = all
            .lines()
            .filter(|l| l.starts_with(begin) && l.contains(text));
        let values = ours.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// How many of its seats are taken, by its status.
    pub async fn used(&self, lab: &Lab) -> Result<Option<u32>> {
        Ok(self.get(lab).await?.status.and_then(|s| s.used))
    }

    /// The LicenseLeases of its namespace, sorted by name.
    pub async fn leases(&self, lab: &Lab) -> Result<Vec<Row>> {
        let leases = Api::<LicenseLease>::namespaced(lab.client.clone(), &self.namespace);
        let mut all = leases.list(&ListParams::default()).await?.items;
        all.sort_by_key(ResourceExt::name_any);
        Ok(all.iter().map(Row::of).collect())
    }

    /// Waits until this many leases are in these states, as `(state, how many)`.
    pub async fn shows(&self, lab: &Lab, want: &[(&str, usize)], time: u64) -> Result<Vec<Row>> {
        let ns = &self.namespace;
        let what = format!("`kubectl -n {ns} get licenseleases` shows {want:?}");
        let total: usize = want.iter().map(|(_, n)| n).sum();
        eventually(&what, within(time), async || {
            let rows = self.leases(lab).await?;
            let count = |s: &str| rows.iter().filter(|r| r.state == s).count();
            let all = want.iter().all(|(s, n)| count(s) == *n) && rows.len() == total;
            Ok(if all {
                Ok(rows)
            } else {
                Err(format!("{rows:?}"))
            })
        })
        .await
    }

    pub fn pod_name(&self) -> String {
        format!("{}-0", self.name)
    }

    /// The server's pod.
    pub async fn pod(&self, lab: &Lab) -> Result<Pod> {
        let pods = Api::<Pod>::namespaced(lab.client.clone(), &self.namespace);
        let name = self.pod_name();
        let pod = pods.get(&name).await;
        pod.with_context(|| format!("the server's pod {name}"))
    }

    pub async fn pod_uid(&self, lab: &Lab) -> Result<String> {
        Ok(self.pod(lab).await?.metadata.uid.unwrap_or_default())
    }

    pub async fn node(&self, lab: &Lab) -> Result<String> {
        let node = self.pod(lab).await?.spec.and_then(|s| s.node_name);
        Ok(node.unwrap_or_default())
    }
}

/// The label by which a node is named.
fn hostname(node: &str) -> (String, String) {
    ("kubernetes.io/hostname".to_owned(), node.to_owned())
}

/// At the node that carries a label.
fn placed_on(label: (String, String)) -> api::Placement {
    api::Placement {
        node_selector: BTreeMap::from([label]),
        device: None,
        tolerations: Vec::new(),
    }
}

/// SoftHSM's module, and the store on the node.
pub fn soft(anchor: &Anchor) -> (api::Anchor, api::Template) {
    let token = pkcs11("/usr/lib/softhsm/libsofthsm2.so", &anchor.label);
    let variable = ("SOFTHSM2_CONF", anchor.softhsm_conf());
    (token.into(), template(variable, ON_NODE, false))
}

/// A token behind a module; [`Server`] says which PIN.
pub fn pkcs11(module: &str, label: &str) -> api::Pkcs11 {
    api::Pkcs11 {
        module: module.into(),
        token_label: label.into(),
        pin_secret: api::PinRef {
            name: String::new(),
            key: "pin".into(),
        },
        device_resource: None,
        pcscd: None,
    }
}

/// A server with this variable, and this folder of its node.
pub fn template((name, value): (&str, String), folder: &str, read_only: bool) -> api::Template {
    api::Template {
        env: vec![api::EnvVar {
            name: name.into(),
            value,
        }],
        host_paths: vec![api::HostPath {
            path: folder.into(),
            mount_path: folder.into(),
            read_only,
            type_: api::HostPathType::Directory,
        }],
        ..api::Template::default()
    }
}

/// The label of a node that has a movable server.
const PLACE: &str = "mooring.dev/e2e-place";

/// Servers that come and go.
impl Server {
    /// Gives a movable server its place; it starts when it can.
    pub async fn arrive(&self, lab: &Lab) -> Result<()> {
        self.arrive_on(lab, &lab.nodes.0).await
    }

    /// The same on another node.
    pub async fn arrive_on(&self, lab: &Lab, node: &str) -> Result<()> {
        label(lab, node, &format!("{PLACE}={}", self.namespace)).await
    }

    /// Takes a movable server away, if it is there, and keeps it away: no node has the label that
    /// it needs.
    pub async fn leave(&self, lab: &Lab) -> Result<()> {
        self.forget(lab).await?;
        self.delete_pod(lab, "--ignore-not-found --grace-period=1")
            .await
    }

    pub async fn delete_pod(&self, lab: &Lab, flags: &str) -> Result<()> {
        let (ns, pod) = (&self.namespace, self.pod_name());
        let deleted = lab.kubectl(format!("-n {ns} delete pod {pod} {flags}"));
        deleted.await?.ok("deleting the server's pod").map(drop)
    }

    /// Takes the label away, and leaves the server where it is.
    pub async fn forget(&self, lab: &Lab) -> Result<()> {
        self.forget_on(lab, &lab.nodes.0).await
    }

    /// The same on another node.
    pub async fn forget_on(&self, lab: &Lab, node: &str) -> Result<()> {
        label(lab, node, &format!("{PLACE}-")).await
    }
}

async fn label(lab: &Lab, node: &str, label: &str) -> Result<()> {
    let labelled = lab.kubectl(format!("label node {node} {label} --overwrite"));
    labelled.await?.ok("labelling a node").map(drop)
}

/// A LicenseLease in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub pod: String,
    pub state: String,
    /// The license server's name.
    pub server: String,
    pub place: Option<u32>,
    pub lease: String,
}

impl Row {
    fn of(lease: &LicenseLease) -> Self {
        let status = lease.status.as_ref();
        let claim = status.and_then(|s| s.claims.first());
        Self {
            pod: lease.spec.holder.name.clone(),
            state: status.map_or("none".into(), |s| s.state.to_string()),
            server: lease.spec.server.name.clone(),
            place: claim.and_then(|c| c.place),
            lease: claim.map(|c| c.lease.clone()).unwrap_or_default(),
        }
    }
}
