//! Jobs in a queue of Kueue's.

use super::queue::QUEUE;
use crate::lab::{App, Lab, eventually, within};
use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use std::fmt::{Display, Formatter};

/// A Job, whose pods run at the same time.
pub(super) struct Job {
    namespace: String,
    name: String,
    pods: usize,
}

impl Job {
    /// Makes one of so many pods, each with these licenses. Its applications run until they are
    /// told to end.
    pub(super) async fn start(
        lab: &Lab,
        namespace: &str,
        name: &str,
        pods: usize,
        licenses: &str,
    ) -> Result<Self> {
        let spec = "  restartPolicy: Never\n";
        let template = App::template(lab, namespace, licenses, ("", ""), spec);
        let yaml = format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{kueue.x-k8s.io/queue-name: {QUEUE}}}}}\nspec:\n  \
             parallelism: {pods}\n  completions: {pods}\n  backoffLimit: 0\n  template:\n{template}"
        );
        lab.apply(&yaml).await?.ok("making a Job")?;
        Ok(Self {
            namespace: namespace.into(),
            name: name.into(),
            pods,
        })
    }

    /// Its pods.
    pub(super) async fn made(&self, lab: &Lab) -> Result<Vec<Pod>> {
        let api: Api<Pod> = Api::namespaced(lab.client.clone(), &self.namespace);
        let of_job = ListParams::default().labels(&format!("job-name={}", self.name));
        Ok(api.list(&of_job).await?.items)
    }

    /// Waits until all its applications run, and follows each.
    pub(super) async fn runs(&self, lab: &Lab) -> Result<Vec<App>> {
        let what = format!("all pods of Job {} are there", self.name);
        let pods = eventually(&what, within(60), async || {
            let pods = self.made(lab).await?;
            let there = pods.len();
            let all = (there == self.pods).then_some(pods);
            Ok(all.ok_or_else(|| format!("{there} are")))
        });
        let pods = pods.await?.into_iter();
        let follow = |p: Pod| App::follow(lab, &self.namespace, &p.name_any());
        let apps: Vec<App> = pods.map(follow).collect();
        for app in &apps {
            app.runs(lab, 60).await?;
        }
        Ok(apps)
    }

    /// Tells its applications to end, and waits until it is complete.
    pub(super) async fn ends(&self, lab: &Lab, apps: &[App]) -> Result<()> {
        for app in apps {
            // The shell may be gone before it can say that it has done so.
            app.shell(lab, "kill 1").await?;
        }
        let (ns, name) = (&self.namespace, &self.name);
        let complete = format!("-n {ns} wait --for=condition=Complete --timeout=60s job/{name}");
        let ended = lab.kubectl(complete).await?;
        ended.ok("waiting for a Job's end").map(drop)
    }
}

impl Display for Job {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}
