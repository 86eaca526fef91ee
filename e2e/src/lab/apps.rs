//! Test applications: annotated pods that write down what their sidecars tell them.

use super::{Lab, eventually, so, within};
use anyhow::Result;
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::LogParams;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One line that an application wrote.
pub type Line = Value;

/// An annotated pod.
#[derive(Clone, Debug)]
pub struct App {
    pub namespace: String,
    pub name: String,
    /// Everything it wrote so far, also before a cut or after its end.
    lines: Arc<Mutex<Vec<Line>>>,
}

impl App {
    /// The YAML of an annotated pod. `node` pins it; `annotations` are further lines of them;
    /// `spec` further lines of its spec.
    pub fn yaml(
        lab: &Lab,
        namespace: &str,
        name: &str,
        licenses: &str,
        node: Option<&str>,
        annotations: &str,
        spec: &str,
    ) -> String {
        let node = node
            .map(|n| format!("  nodeSelector: {{kubernetes.io/hostname: {n}}}\n"))
            .unwrap_or_default();
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  labels: {{app: e2e}}\n  annotations:\n    \
             mooring.dev/licenses: \"{licenses}\"\n{annotations}spec:\n{node}  terminationGracePeriodSeconds: 5\n{spec}  containers:\n  - name: app\n    image: {image}\n    args: [run]\n    \
             env:\n    - {{name: POD_NAME, value: {name}}}\n    - {{name: MOORING_E2E_VENDOR_KEY, value: \"{key}\"}}\n    - {{name: MOORING_E2E_PRODUCT, value: render}}\n    \
             securityContext: {{runAsUser: 1000, runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}, seccompProfile: {{type: RuntimeDefault}}}}\n    \
             resources: {{requests: {{cpu: 5m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}\n",
            image = lab.images.app,
            key = lab.vendor.hex(),
        )
    }

    /// The lines of a template of such pods, each with its own name. `labels` are further ones,
    /// `, key: value`; `annotations` further lines. Without licenses it is not annotated.
    pub fn template(
        lab: &Lab,
        namespace: &str,
        licenses: &str,
        (labels, annotations): (&str, &str),
        spec: &str,
    ) -> String {
        let pod = Self::yaml(lab, namespace, "any", licenses, None, annotations, spec);
        let own = format!("  name: any\n  namespace: {namespace}\n  labels: {{app: e2e}}\n");
        let pod = pod
            .replace(
                "{name: POD_NAME, value: any}",
                "{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}",
            )
            .replace(&own, &format!("  labels: {{app: e2e{labels}}}\n"))
            .replace("    mooring.dev/licenses: \"\"\n", "");
        let pod = pod.trim_start_matches("apiVersion: v1\nkind: Pod\n");
        format!("    {}\n", pod.trim_end().replace('\n', "\n    "))
    }

    /// Starts one that asks for `licenses`, and follows what it writes.
    pub async fn start(
        lab: &Lab,
        namespace: &str,
        name: &str,
        licenses: &str,
        node: Option<&str>,
    ) -> Result<Self> {
        Self::start_with(lab, namespace, name, licenses, node, "").await
    }

    /// The same with further annotations.
    pub async fn start_with(
        lab: &Lab,
        namespace: &str,
        name: &str,
        licenses: &str,
        node: Option<&str>,
        annotations: &str,
    ) -> Result<Self> {
        let yaml = Self::yaml(lab, namespace, name, licenses, node, annotations, "");
        lab.apply(&yaml).await?.ok("starting an annotated pod")?;
        Ok(Self::follow(lab, namespace, name))
    }

    /// Follows what a pod writes from its beginning, whoever made it.
    pub fn follow(lab: &Lab, namespace: &str, name: &str) -> Self {
        let app = Self {
            namespace: namespace.into(),
            name: name.into(),
            lines: Arc::default(),
        };
        let (pods, lines, name) = (app.pods(lab), Arc::downgrade(&app.lines), name.to_owned());
        tokio::spawn(async move {
            let params = LogParams {
                container: Some("app".into()),
                follow: true,
                ..LogParams::default()
            };
            // After a break the log is read from its beginning again; what is known is passed over.
            while let Some(known) = lines.upgrade() {
                let have = known.lock().map_or(0, |l| l.len());
                drop(known);
                if let Ok(stream) = pods.log_stream(&name, &params).await {
                    let mut all = stream.lines();
                    let mut seen = 0;
                    while let Ok(Some(text)) = all.try_next().await {
                        seen += 1;
                        let Some(known) = lines.upgrade() else { return };
                        if seen > have
                            && let Ok(mut l) = known.lock()
                        {
                            l.push(serde_json::from_str(&text).unwrap_or(Value::String(text)));
                        }
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        app
    }

    /// What the application of a pod has written, which may be at its end.
    pub async fn wrote(lab: &Lab, namespace: &str, name: &str) -> Result<Vec<Line>> {
        let pods = Api::<Pod>::namespaced(lab.client.clone(), namespace);
        let params = LogParams {
            container: Some("app".into()),
            ..LogParams::default()
        };
        let text = pods.logs(name, &params).await?;
        let line = |l: &str| serde_json::from_str(l).unwrap_or_else(|_| Value::String(l.into()));
        Ok(text.lines().map(line).collect())
    }

    fn pods(&self, lab: &Lab) -> Api<Pod> {
        Api::namespaced(lab.client.clone(), &self.namespace)
    }

    /// What it wrote so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().map(|l| l.clone()).unwrap_or_default()
    }

    /// The state in its last event.
    pub fn state(&self) -> Option<String> {
        self.lines()
            .iter()
            .rev()
            .find_map(|l| l["event"]["state"].as_str().map(str::to_owned))
    }

    pub async fn pod(&self, lab: &Lab) -> Result<Pod> {
        Ok(self.pods(lab).get(&self.name).await?)
    }

    /// The status of its sidecar's container.
    pub async fn sidecar(&self, lab: &Lab) -> Result<Option<ContainerStatus>> {
        let status = self.pod(lab).await?.status.unwrap_or_default();
        let all = status.init_container_statuses.unwrap_or_default();
        Ok(all.into_iter().find(|c| c.name == "mooring"))
    }

    /// Whether its application container has ever started, read from the API.
    pub async fn started(&self, lab: &Lab) -> Result<bool> {
        let status = self.pod(lab).await?.status.unwrap_or_default();
        let containers: Vec<ContainerStatus> = status.container_statuses.unwrap_or_default();
        Ok(containers.iter().any(|c| {
            let s = c.state.clone().unwrap_or_default();
            let last = c.last_state.clone().unwrap_or_default();
            let began = s.running.is_some() || s.terminated.is_some() || last.terminated.is_some();
            c.name == "app" && began
        }))
    }

    /// Waits until its application says this state.
    pub async fn says(&self, state: &str, secs: u64) -> Result<()> {
        let what = format!(
            "application {}/{} is told {state}",
            self.namespace, self.name
        );
        eventually(&what, within(secs), async || {
            let s = self.state();
            so(s.as_deref() == Some(state), || format!("{s:?}"))
        })
        .await
    }

    /// Waits until its application container runs.
    pub async fn runs(&self, lab: &Lab, secs: u64) -> Result<()> {
        let what = format!(
            "the application container of {}/{} has started",
            self.namespace, self.name
        );
        eventually(&what, within(secs), async || {
            so(self.started(lab).await?, || "it has not".into())
        })
        .await
    }

    /// Deletes the pod without waiting.
    pub async fn delete(&self, lab: &Lab) -> Result<()> {
        let line = format!(
            "-n {} delete pod {} --wait=false",
            self.namespace, self.name
        );
        lab.kubectl(&line).await?.ok("deleting a pod").map(drop)
    }

    /// Runs a shell command in its application container.
    pub async fn shell(&self, lab: &Lab, script: &str) -> Result<super::Output> {
        let exec = format!("-n {} exec {} -c app -- sh -c", self.namespace, self.name);
        lab.kubectl_with(&exec, script).await
    }
}
