//! A LicenseServer with what it needs: license, vendor's key, PIN.

use super::{Anchor, Lab, PIN, eventually, within};
use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use mooring_api as api;
use mooring_api::{LicenseLease, LicenseServer, LicenseServerSpec, Span};
use std::collections::BTreeMap;
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
    /// Products and seats.
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
            products: vec![("render".into(), seats)],
            anchored: None,
        }
    }

    /// Makes the Secrets and the LicenseServer.
    pub async fn apply(&self, lab: &Lab) -> Result<()> {
        let products: Vec<(&str, u32)> = self
            .products
            .iter()
            .map(|(p, n)| (p.as_str(), *n))
            .collect();
        let license = lab
            .vendor
            .license(
                &format!("{}-{}", self.namespace, self.name),
                &products,
                &lab.anchor,
                "",
            )
            .await?;
        self.apply_with(lab, &license, PIN, &lab.anchor).await
    }

    /// The same with a license, a PIN and a token of one's own.
    pub async fn apply_with(
        &self,
        lab: &Lab,
        license: &str,
        pin: &str,
        anchor: &Anchor,
    ) -> Result<()> {
        let (ns, name) = (&self.namespace, &self.name);
        let indented = format!("    {}\n", license.trim_end().replace('\n', "\n    "));
        let secrets = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-license, namespace: {ns}}}\nstringData:\n  license.mooring: |\n{indented}---\n\
             apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-pin, namespace: {ns}}}\nstringData: {{pin: \"{pin}\"}}\n---\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}-keys, namespace: {ns}}}\ndata: {{vendor: \"{}\"}}\n",
            lab.vendor.public
        );
        lab.apply(&secrets).await?.ok("making the Secrets")?;
        lab.apply(&self.yaml(lab, anchor)?)
            .await?
            .ok("making the LicenseServer")
            .map(drop)
    }

    /// The object as people write it: without what is so anyway.
    pub fn yaml(&self, lab: &Lab, anchor: &Anchor) -> Result<String> {
        let mut object = serde_json::to_value(self.object(lab, anchor))?;
        let spec = object["spec"].as_object_mut().context("no spec")?;
        for (field, default) in [
            (
                "service",
                serde_json::to_value(api::ServiceSettings::default())?,
            ),
            (
                "allowedNamespaces",
                serde_json::to_value(api::AllowedNamespaces::default())?,
            ),
        ] {
            if spec.get(field) == Some(&default) {
                spec.remove(field);
            }
        }
        Ok(serde_yaml::to_string(&object)?)
    }

    fn object(&self, lab: &Lab, anchor: &Anchor) -> LicenseServer {
        let name = &self.name;
        let (mut anchored, mut template) = self
            .anchored
            .clone()
            .unwrap_or_else(|| soft(anchor, &format!("{name}-pin")));
        if let Some(pkcs11) = &mut anchored.pkcs11 {
            pkcs11.device_resource.clone_from(&self.device_resource);
            pkcs11.pin_secret.name = format!("{name}-pin");
        }
        template.image.clone_from(&self.image);
        let label = if self.movable {
            (PLACE.to_owned(), self.namespace.clone())
        } else {
            ("kubernetes.io/hostname".to_owned(), lab.nodes.0.clone())
        };
        let labels = BTreeMap::from([label]);
        let spec = LicenseServerSpec {
            license: api::LicenseRef::new(format!("{name}-license")),
            vendor_keys: Some(api::VendorKeys {
                config_map_name: Some(format!("{name}-keys")),
                secret_name: None,
            }),
            anchor: anchored,
            standby: None,
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

    /// The object.
    pub async fn get(&self, lab: &Lab) -> Result<LicenseServer> {
        let servers = Api::<LicenseServer>::namespaced(lab.client.clone(), &self.namespace);
        Ok(servers.get(&self.name).await?)
    }

    /// Its conditions.
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
        let path = "jsonpath={range .items[*]}{.reason}: {.note}{'\\n'}{end}";
        let args = [
            "-n",
            &self.namespace,
            "get",
            "events.v1.events.k8s.io",
            "--field-selector",
            &about,
            "-o",
            path,
        ];
        lab.kubectl(&args).await?.ok("reading Events")
    }

    /// Its metrics, read through the API server.
    pub async fn metrics(&self, lab: &Lab) -> Result<String> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}-0:8081/proxy/metrics",
            self.namespace, self.name
        );
        lab.kubectl(&["get", "--raw", &path])
            .await?
            .ok("reading metrics")
    }

    /// The LicenseLeases of its namespace, sorted by name.
    pub async fn leases(&self, lab: &Lab) -> Result<Vec<LicenseLease>> {
        let leases = Api::<LicenseLease>::namespaced(lab.client.clone(), &self.namespace);
        let mut rows = leases.list(&ListParams::default()).await?.items;
        rows.sort_by_key(ResourceExt::name_any);
        Ok(rows)
    }

    /// Waits until this many leases are in these states, as `(state, how many)`.
    pub async fn shows(
        &self,
        lab: &Lab,
        want: &[(&str, usize)],
        time: u64,
    ) -> Result<Vec<LicenseLease>> {
        let what = format!(
            "`kubectl -n {} get licenseleases` shows {want:?}",
            self.namespace
        );
        eventually(&what, within(time), async || {
            let rows = self.leases(lab).await?;
            let states: Vec<String> = rows.iter().map(state).collect();
            let total: usize = want.iter().map(|(_, n)| n).sum();
            let all = want
                .iter()
                .all(|(s, n)| states.iter().filter(|x| x == s).count() == *n);
            Ok(if all && states.len() == total {
                Ok(rows)
            } else {
                Err(format!("{states:?}"))
            })
        })
        .await
    }

    /// The server's pod: its name and UID.
    pub async fn pod(&self, lab: &Lab) -> Result<(String, String)> {
        let pods = Api::<Pod>::namespaced(lab.client.clone(), &self.namespace);
        let name = format!("{}-0", self.name);
        let pod = pods
            .get(&name)
            .await
            .with_context(|| format!("the server's pod {name}"))?;
        Ok((name, pod.metadata.uid.unwrap_or_default()))
    }
}

/// SoftHSM's module, and the store on the node.
fn soft(anchor: &Anchor, pin: &str) -> (api::Anchor, api::Template) {
    let folder = anchor.folder();
    let token = pkcs11("/usr/lib/softhsm/libsofthsm2.so", &anchor.label, pin);
    let template = api::Template {
        env: vec![variable("SOFTHSM2_CONF", &anchor.softhsm_conf())],
        host_paths: vec![api::HostPath {
            path: folder.into(),
            mount_path: folder.into(),
            read_only: false,
        }],
        ..api::Template::default()
    };
    (api::Anchor::from(token), template)
}

/// A token behind a module.
pub fn pkcs11(module: &str, label: &str, pin: &str) -> api::Pkcs11 {
    api::Pkcs11 {
        module: module.into(),
        token_label: label.into(),
        pin_secret: api::PinRef {
            name: pin.into(),
            key: "pin".into(),
        },
        device_resource: None,
        pcscd: None,
    }
}

/// A variable of the server.
pub fn variable(name: &str, value: &str) -> api::EnvVar {
    api::EnvVar {
        name: name.into(),
        value: value.into(),
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
        let pod = format!("{}-0", self.name);
        lab.kubectl(&[
            "-n",
            &self.namespace,
            "delete",
            "pod",
            &pod,
            "--ignore-not-found",
            "--grace-period=1",
        ])
        .await?
        .ok("deleting the server's pod")
        .map(drop)
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
    lab.kubectl(&["label", "node", node, label, "--overwrite"])
        .await?
        .ok("labelling a node")
        .map(drop)
}

/// A LicenseLease's state, as it is written.
pub fn state(row: &LicenseLease) -> String {
    let state = row.status.as_ref().map(|s| s.state.to_string());
    state.unwrap_or_else(|| "none".into())
}

/// A LicenseLease in words: pod, state, place, lease.
pub fn lease_row(row: &LicenseLease) -> (String, String, Option<u32>, String) {
    let claim = row.status.as_ref().and_then(|s| s.claims.first());
    (
        row.spec.holder.name.clone(),
        state(row),
        claim.and_then(|c| c.place),
        claim.map(|c| c.lease.clone()).unwrap_or_default(),
    )
}
