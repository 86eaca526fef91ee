//! A LicenseServer with what it needs: license, vendor's key, PIN.

use super::{Anchor, Lab, PIN, eventually, within};
use anyhow::{Context as _, Result};
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

/// A LicenseServer in a namespace.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its namespace.
    pub namespace: String,
    /// Its name, which its Secrets' names begin with.
    pub name: String,
    /// D, as the spec writes it.
    pub duration: String,
    /// The grace, as the spec writes it.
    pub grace: String,
    /// Further lines of `spec:`.
    pub extra: String,
    /// The server's image; the chart's default if none.
    pub image: Option<String>,
    /// It is placed by a label of the first node, which [`Server::arrive`] and [`Server::leave`] set and take away, and not by the node's
    /// name.
    pub movable: bool,
    /// Another `placement`, as YAML in one line.
    pub placement: Option<String>,
    /// Further lines of `anchor.pkcs11:`.
    pub pkcs11: String,
    /// Products and seats.
    pub products: Vec<(String, u32)>,
    /// The lines of `spec.anchor:` and of `spec.template:`, where it is not SoftHSM.
    pub anchored: Option<(String, String)>,
}

impl Server {
    /// One with these seats of `render`, and short leases, so that silence is soon over.
    pub fn new(namespace: &str, seats: u32) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: "main".into(),
            duration: "10s".into(),
            grace: "10m".into(),
            extra: String::new(),
            image: None,
            movable: false,
            placement: None,
            pkcs11: String::new(),
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
        lab.apply(&self.yaml(lab, anchor))
            .await?
            .ok("making the LicenseServer")
            .map(drop)
    }

    /// The object as people write it.
    pub fn yaml(&self, lab: &Lab, anchor: &Anchor) -> String {
        let image = self
            .image
            .as_ref()
            .map(|i| format!("    image: {i}\n"))
            .unwrap_or_default();
        let (anchored, template) = self.anchored.clone().unwrap_or_else(|| soft(anchor));
        format!(
            "apiVersion: mooring.dev/v1alpha1\nkind: LicenseServer\nmetadata: {{name: {name}, namespace: {ns}}}\nspec:\n  \
             license: {{secretName: {name}-license, key: license.mooring}}\n  vendorKeys: {{configMapName: {name}-keys}}\n  \
             anchor:\n    pkcs11:\n      pinSecret: {{name: {name}-pin, key: pin}}\n{anchored}{pkcs11}  \
             placement: {place}\n  lease: {{duration: {d}, grace: {g}}}\n{extra}  \
             template:\n{image}{template}",
            ns = self.namespace,
            name = self.name,
            pkcs11 = self.pkcs11,
            place = match &self.placement {
                Some(p) => p.clone(),
                None if self.movable =>
                    format!("{{nodeSelector: {{{PLACE}: {}}}}}", self.namespace),
                None => format!(
                    "{{nodeSelector: {{kubernetes.io/hostname: {}}}}}",
                    lab.nodes.0
                ),
            },
            d = self.duration,
            g = self.grace,
            extra = self.extra,
        )
    }

    /// Applies it and waits until it is Ready.
    pub async fn ready(&self, lab: &Lab) -> Result<()> {
        self.apply(lab).await?;
        self.condition(lab, "Ready", "True").await.map(drop)
    }

    /// The object.
    pub async fn get(&self, lab: &Lab) -> Result<DynamicObject> {
        Ok(lab
            .ours("LicenseServer", &self.namespace)
            .get(&self.name)
            .await?)
    }

    /// Waits for a condition; returns it.
    pub async fn condition(&self, lab: &Lab, kind: &str, status: &str) -> Result<Value> {
        let what = format!(
            "LicenseServer {}/{} has {kind}={status}",
            self.namespace, self.name
        );
        eventually(&what, within(120), async || {
            let o = self.get(lab).await?;
            let conditions = o.data["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let found = conditions
                .iter()
                .find(|c| c["type"] == kind && c["status"] == status);
            Ok(found
                .cloned()
                .ok_or_else(|| serde_json::to_string(&conditions).unwrap_or_default()))
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

    /// The mirror: pod's name, state, place and lease ids, sorted by the pod's name.
    pub async fn leases(&self, lab: &Lab) -> Result<Vec<Value>> {
        let list = lab
            .ours("LicenseLease", &self.namespace)
            .list(&ListParams::default())
            .await?;
        let mut rows: Vec<Value> = list
            .items
            .iter()
            .map(|o| serde_json::to_value(o).unwrap_or_default())
            .collect();
        rows.sort_by_key(|r| {
            r["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
        Ok(rows)
    }

    /// Waits until this many leases are in these states, as `(state, how many)`.
    pub async fn shows(&self, lab: &Lab, want: &[(&str, usize)], time: u64) -> Result<Vec<Value>> {
        let what = format!(
            "`kubectl -n {} get licenseleases` shows {want:?}",
            self.namespace
        );
        eventually(&what, within(time), async || {
            let rows = self.leases(lab).await?;
            let states: Vec<String> = rows
                .iter()
                .map(|r| r["status"]["state"].as_str().unwrap_or("none").to_owned())
                .collect();
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
        let pods = kube::Api::<k8s_openapi::api::core::v1::Pod>::namespaced(
            lab.client.clone(),
            &self.namespace,
        );
        let name = format!("{}-0", self.name);
        let pod = pods
            .get(&name)
            .await
            .with_context(|| format!("the server's pod {name}"))?;
        Ok((name, pod.metadata.uid.unwrap_or_default()))
    }
}

/// SoftHSM's module, and the store on the node.
fn soft(anchor: &Anchor) -> (String, String) {
    let (conf, folder) = (anchor.softhsm_conf(), anchor.folder());
    (
        format!(
            "      module: /usr/lib/softhsm/libsofthsm2.so\n      tokenLabel: {}\n",
            anchor.label
        ),
        format!(
            "    env: [{{name: SOFTHSM2_CONF, value: {conf}}}]\n    hostPaths: [{{path: {folder}, mountPath: {folder}}}]\n"
        ),
    )
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

    /// Takes a movable server away, if it is there, and keeps it away: no node has the label that it needs.
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

/// A mirror's row in words: pod, state, place, lease.
pub fn lease_row(row: &Value) -> (String, String, Option<u64>, String) {
    let claim = &row["status"]["claims"][0];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let holder = text(&row["spec"]["holder"]["name"]);
    (
        holder,
        text(&row["status"]["state"]),
        claim["place"].as_u64(),
        text(&claim["lease"]),
    )
}
