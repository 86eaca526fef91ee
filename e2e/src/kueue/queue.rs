//! A queue of Kueue's whose Workloads need a license: its quota, and its AdmissionCheck.

use crate::lab::{Lab, Server, eventually, so, within};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The LocalQueue of a scenario's namespace.
pub(super) const QUEUE: &str = "queue";

/// A ClusterQueue and an AdmissionCheck, both named as the namespace whose LocalQueue it has.
pub(super) struct Queue {
    namespace: String,
    server: String,
    pods: u32,
}

impl Queue {
    /// One with quota for so many pods, whose license is that of a LicenseServer of this name.
    pub(super) fn new(server: &Server, pods: u32) -> Self {
        Self {
            namespace: server.namespace.clone(),
            server: server.name.clone(),
            pods,
        }
    }

    pub(super) async fn apply(&self, lab: &Lab) -> Result<()> {
        let made = lab.apply(&self.objects().to_string()).await?;
        made.ok("making a queue of Kueue's").map(drop)
    }

    /// The same, and waits until Kueue admits by it.
    pub(super) async fn ready(&self, lab: &Lab) -> Result<()> {
        self.apply(lab).await?;
        self.check(lab, "True", &[]).await?;
        self.active(lab, "True").await
    }

    fn objects(&self) -> Value {
        let Self {
            namespace,
            server,
            pods,
        } = self;
        let kueue = "kueue.x-k8s.io/v1beta2";
        let quota = [
            ("pods", pods.to_string()),
            ("cpu", "9".into()),
            ("memory", "9Gi".into()),
        ];
        let names = quota.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let resources = quota
            .iter()
            .map(|(name, n)| json!({ "name": name, "nominalQuota": n }));
        let resources = resources.collect::<Vec<_>>();
        let flavors = [json!({ "name": "any", "resources": resources })];
        json!({ "apiVersion": "v1", "kind": "List", "items": [
            { "apiVersion": kueue, "kind": "ResourceFlavor", "metadata": { "name": "any" } },
            { "apiVersion": kueue, "kind": "AdmissionCheck", "metadata": { "name": namespace }, "spec": {
                "controllerName": "mooring.dev/license",
                "parameters": { "apiGroup": "mooring.dev", "kind": "LicenseServer", "name": server },
            } },
            { "apiVersion": kueue, "kind": "ClusterQueue", "metadata": { "name": namespace }, "spec": {
                "namespaceSelector": {},
                "resourceGroups": [{ "coveredResources": names, "flavors": flavors }],
                "admissionChecksStrategy": { "admissionChecks": [{ "name": namespace }] },
            } },
            { "apiVersion": kueue, "kind": "LocalQueue", "metadata": { "name": QUEUE, "namespace": namespace },
              "spec": { "clusterQueue": namespace } },
        ] })
    }

    /// Waits until the AdmissionCheck's condition `Active` is so, and says all of these.
    pub(super) async fn check(&self, lab: &Lab, status: &str, says: &[&str]) -> Result<()> {
        let condition = self.condition(lab, "admissionchecks", status, says).await?;
        let word = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        println!("  Active={status}: {}: {}", word("reason"), word("message"));
        Ok(())
    }

    /// Waits until the ClusterQueue's condition `Active` is so.
    pub(super) async fn active(&self, lab: &Lab, status: &str) -> Result<()> {
        let condition = self.condition(lab, "clusterqueues", status, &[]).await;
        condition.map(drop)
    }

    async fn condition(&self, lab: &Lab, kind: &str, status: &str, says: &[&str]) -> Result<Value> {
        let what = format!(
            "{kind} {} has Active={status} and says {says:?}",
            self.namespace
        );
        eventually(&what, within(60), async || {
            let object = self.get(lab, kind).await?;
            let all = object["status"]["conditions"].as_array().cloned();
            let active = all.into_iter().flatten().find(|c| c["type"] == "Active");
            let condition = active.unwrap_or_default();
            let text = condition.to_string();
            let is = condition["status"] == status && says.iter().all(|s| text.contains(s));
            Ok(is.then_some(condition).ok_or(text))
        })
        .await
    }

    /// Waits until so many pods' quota is reserved.
    pub(super) async fn reserves(&self, lab: &Lab, pods: u32) -> Result<()> {
        let what = format!("the ClusterQueue has the quota of {pods} pods reserved");
        eventually(&what, within(30), async || {
            let queue = self.get(lab, "clusterqueues").await?;
            let reserved = &queue["status"]["flavorsReservation"][0]["resources"];
            let all = reserved.as_array().into_iter().flatten();
            let total = all.filter(|r| r["name"] == "pods").map(|r| &r["total"]);
            let is = total.clone().eq([&pods.to_string()[..]]);
            so(is, || reserved.to_string())
        })
        .await
    }

    async fn get(&self, lab: &Lab, kind: &str) -> Result<Value> {
        let path = format!("/apis/kueue.x-k8s.io/v1beta2/{kind}/{}", self.namespace);
        let request = http::Request::get(path).body(Vec::new())?;
        let object = lab.client.request(request).await;
        object.with_context(|| format!("reading {kind} {}", self.namespace))
    }
}
