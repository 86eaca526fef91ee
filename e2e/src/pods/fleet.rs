//! A Deployment of annotated pods.

use crate::lab::{App, Lab, eventually, within};
use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use std::collections::BTreeSet;

pub(super) struct Fleet<'a> {
    namespace: &'a str,
    pub(super) name: &'a str,
    replicas: u32,
    node: Option<&'a str>,
    annotations: &'a str,
}

/// The UIDs of pods.
pub(super) fn uids(pods: &[(App, String)]) -> BTreeSet<String> {
    pods.iter().map(|(_, uid)| uid.clone()).collect()
}

impl<'a> Fleet<'a> {
    pub(super) const fn new(namespace: &'a str, name: &'a str, replicas: u32) -> Self {
        Self {
            namespace,
            name,
            replicas,
            node: None,
            annotations: "",
        }
    }

    /// Its pods are on this node as long as that takes any.
    pub(super) const fn on(mut self, node: &'a str) -> Self {
        self.node = Some(node);
        self
    }

    /// Its pods have these further lines of annotations.
    pub(super) const fn annotated(mut self, annotations: &'a str) -> Self {
        self.annotations = annotations;
        self
    }

    pub(super) async fn apply(&self, lab: &Lab) -> Result<()> {
        let made = lab.apply(&self.yaml(lab)).await?;
        made.ok("making a Deployment").map(drop)
    }

    /// The Deployment; its template is that of any other application.
    fn yaml(&self, lab: &Lab) -> String {
        let Self {
            namespace,
            name,
            replicas,
            annotations,
            ..
        } = self;
        let template = App::template(
            lab,
            namespace,
            "render",
            (&format!(", fleet: {name}"), annotations),
            &self.prefers(),
        );
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  replicas: {replicas}\n  \
             selector: {{matchLabels: {{fleet: {name}}}}}\n  strategy: {{rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}}}\n  template:\n{template}"
        )
    }

    /// A wish, so that the same template fits everywhere: another would be a rollout.
    fn prefers(&self) -> String {
        let Some(node) = self.node else {
            return String::new();
        };
        format!(
            "  affinity:\n    nodeAffinity:\n      preferredDuringSchedulingIgnoredDuringExecution:\n      - weight: 100\n        preference:\n          \
             matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]\n"
        )
    }

    pub(super) async fn scale(&self, lab: &Lab, replicas: u32) -> Result<()> {
        let (ns, name) = (self.namespace, self.name);
        let line = format!("-n {ns} scale deployment {name} --replicas={replicas}");
        lab.kubectl(line).await?.ok("scaling").map(drop)
    }

    /// Has all its pods replaced.
    pub(super) async fn restart(&self, lab: &Lab) -> Result<()> {
        let (ns, name) = (self.namespace, self.name);
        let line = format!("-n {ns} rollout restart deployment/{name}");
        lab.kubectl(line).await?.ok("rolling out").map(drop)
    }

    /// Its pods that are not on their way out, with their UIDs, each followed.
    pub(super) async fn apps(&self, lab: &Lab) -> Result<Vec<(App, String)>> {
        let api: Api<Pod> = Api::namespaced(lab.client.clone(), self.namespace);
        let params = ListParams::default().labels(&format!("fleet={}", self.name));
        let pods = api.list(&params).await?.items.into_iter();
        let pods = pods.filter(|p| p.metadata.deletion_timestamp.is_none());
        let app = |p: Pod| {
            let app = App::follow(lab, self.namespace, &p.name_any());
            (app, p.uid().unwrap_or_default())
        };
        Ok(pods.map(app).collect())
    }

    /// Waits until so many run, each with its seat.
    pub(super) async fn all_hold(&self, lab: &Lab, count: usize) -> Result<Vec<(App, String)>> {
        let pods = eventually("all pods of the fleet are there", within(60), async || {
            let pods = self.apps(lab).await?;
            let there = pods.len();
            Ok(if there == count {
                Ok(pods)
            } else {
                Err(format!("{there} are"))
            })
        })
        .await?;
        for (app, _) in &pods {
            app.says("Held", 120).await?;
        }
        Ok(pods)
    }
}
