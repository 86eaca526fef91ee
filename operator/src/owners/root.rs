//! What has a pod run in the end: its controller, or that one's. Pure; the edge asks.
//!
//! Who owns a pod is its author's word, so each step counts as the API server shows it, with an
//! equal UID. It never changes, and is kept by the controller's UID.

use crate::cache::own::Controller;
use crate::watched::{RootObject, RootSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::HashMap;

/// The kinds that are asked for: those of Kubernetes' own that make pods anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RootKind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

impl RootKind {
    const ALL: [Self; 6] = [
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
    ];

    /// `None`: others' kinds, which may not be read.
    fn of(controller: &Controller) -> Option<Self> {
        let is = |k: &Self| k.as_str() == controller.kind && k.group() == group(controller);
        Self::ALL.into_iter().find(is)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    pub const fn group(self) -> &'static str {
        match self {
            Self::Deployment | Self::ReplicaSet | Self::StatefulSet | Self::DaemonSet => "apps",
            Self::Job | Self::CronJob => "batch",
        }
    }

    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replicasets",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::Job => "jobs",
            Self::CronJob => "cronjobs",
        }
    }
}

fn group(controller: &Controller) -> &str {
    let version = controller.api_version.split_once('/');
    version.map_or("", |(group, _)| group)
}

/// An owner that was asked for, and is there with its UID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    pub namespace: String,
    pub kind: RootKind,
    pub name: String,
    pub uid: String,
    /// The UID of what controls it, where that is of a kind that is not asked for (a `JobSet`).
    pub above: Option<String>,
}

impl Root {
    /// The same where a controller may be asked for.
    pub fn named(namespace: &str, controller: &Controller) -> Option<Self> {
        Some(Self {
            namespace: namespace.to_owned(),
            kind: RootKind::of(controller)?,
            name: controller.name.clone(),
            uid: controller.uid.clone(),
            above: None,
        })
    }
}

/// How many pods an owner wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// `u32::MAX`: as many as it has.
    pub pods: u32,
    /// How many more there may be while they are replaced.
    pub surge: u32,
}

impl Wants {
    /// It is not there any more, or is being deleted.
    pub const NONE: Self = Self { pods: 0, surge: 0 };
}

/// What a workload wants, as the API server shows it; `None`: it is not there.
pub fn wants(root: &Root, seen: Option<&RootObject>) -> Wants {
    let there = |w: &&RootObject| {
        let same = w.metadata.uid.as_deref() == Some(&root.uid);
        same && w.metadata.deletion_timestamp.is_none()
    };
    let Some(w) = seen.filter(there) else {
        return Wants::NONE;
    };
    let count = |n: Option<i32>| u32::try_from(n.unwrap_or(1)).unwrap_or(0);
    let (spec, status) = (&w.spec, &w.status);
    let pods = match root.kind {
        RootKind::Deployment | RootKind::ReplicaSet | RootKind::StatefulSet => count(spec.replicas),
        RootKind::DaemonSet => count(status.desired_number_scheduled.or(Some(0))),
        RootKind::Job | RootKind::CronJob if spec.suspend => 0,
        RootKind::Job if status.is_over() => 0,
        RootKind::Job => {
            let done = u32::try_from(status.succeeded.unwrap_or(0)).unwrap_or(0);
            let left = spec
                .completions
                .map(|n| count(Some(n)).saturating_sub(done));
            count(spec.parallelism).min(left.unwrap_or(u32::MAX))
        }
        RootKind::CronJob => u32::MAX,
    };
    let surge = match root.kind {
        RootKind::Deployment => surge(spec, pods),
        _ => 0,
    };
    Wants { pods, surge }
}

/// How many pods a Deployment may have above its replicas, by its own rule for shares of them.
fn surge(spec: &RootSpec, replicas: u32) -> u32 {
    let strategy = &spec.strategy;
    if strategy.kind.as_deref() == Some("Recreate") {
        return 0;
    }
    let told = strategy.rolling_update.as_ref();
    match told.and_then(|r| r.max_surge.as_ref()) {
        Some(IntOrString::Int(n)) => u32::try_from(*n).unwrap_or(0),
        Some(IntOrString::String(s)) => share(s, replicas),
        None => share("25%", replicas),
    }
}

fn share(text: &str, of: u32) -> u32 {
    let percent = text.strip_suffix('%').and_then(|p| p.parse::<u32>().ok());
    let all = u64::from(percent.unwrap_or(0)) * u64::from(of);
    u32::try_from(all.div_ceil(100)).unwrap_or(u32::MAX)
}

/// Whether one step further up is asked for: a `CronJob`'s next Job comes in the stead of the one
/// before only where it says so; otherwise the Job is the owner.
pub fn goes_on(above: &Root, seen: &RootObject) -> bool {
    let replaces = seen.spec.concurrency_policy.as_deref() == Some("Replace");
    above.kind != RootKind::CronJob || replaces
}

/// The owners of controllers, as far as they were asked for.
#[derive(Debug, Default)]
pub(super) struct KnownRoots {
    /// `None`: there is none that may be read, or it is not what the pod says.
    known: HashMap<String, Option<Root>>,
}

impl KnownRoots {
    /// Whether that was asked.
    pub(super) fn knows(&self, controller: &Controller) -> bool {
        self.known.contains_key(&controller.uid)
    }

    /// What has pods of this controller run, if that is known.
    pub(super) fn of(&self, controller: &Controller) -> Option<&Root> {
        self.known.get(&controller.uid)?.as_ref()
    }

    pub(super) fn set(&mut self, controller: &str, root: Option<Root>) {
        self.known.insert(controller.to_owned(), root);
    }

    /// Forgets the others: nobody is left who has them.
    pub(super) fn retain(&mut self, used: impl Fn(&str, Option<&Root>) -> bool) {
        self.known.retain(|uid, root| used(uid, root.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn root(kind: RootKind) -> Root {
        Root {
            namespace: "apps".into(),
            kind,
            name: "w".into(),
            uid: "u".into(),
            above: None,
        }
    }

    fn seen(spec: &Value, status: &Value) -> RootObject {
        let object = json!({ "metadata": { "uid": "u" }, "spec": spec, "status": status });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn what_an_owner_wants_stands_in_its_object() {
        use RootKind::{CronJob, DaemonSet, Deployment, Job, StatefulSet};
        let pods =
            |kind, spec: Value, status: Value| wants(&root(kind), Some(&seen(&spec, &status))).pods;
        let none = || json!({});
        assert_eq!(pods(Deployment, json!({ "replicas": 3 }), none()), 3);
        assert_eq!(pods(StatefulSet, none(), none()), 1);
        let two = json!({ "desiredNumberScheduled": 2 });
        assert_eq!(pods(DaemonSet, none(), two), 2);
        let job = json!({ "parallelism": 4, "completions": 10 });
        assert_eq!(pods(Job, job.clone(), none()), 4);
        assert_eq!(pods(Job, job.clone(), json!({ "succeeded": 8 })), 2);
        let over = json!({ "conditions": [{ "type": "Complete", "status": "True" }] });
        assert_eq!(pods(Job, job, over), 0);
        let fails = json!({ "conditions": [{ "type": "Complete", "status": "False" }] });
        assert_eq!(pods(Job, none(), fails), 1);
        assert_eq!(pods(Job, json!({ "suspend": true }), none()), 0);
        assert_eq!(pods(CronJob, none(), none()), u32::MAX);
        let mut ends = seen(&json!({ "replicas": 3 }), &none());
        let other = Root {
            uid: "v".into(),
            ..root(Deployment)
        };
        assert_eq!(
            wants(&other, Some(&ends)),
            Wants::NONE,
            "another of its name"
        );
        assert_eq!(wants(&root(Deployment), None), Wants::NONE);
        ends.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-03-01T12:00:00Z")).ok();
        assert_eq!(wants(&root(Deployment), Some(&ends)), Wants::NONE);
    }

    #[test]
    fn a_share_of_the_replicas_is_rounded_up_as_the_deployment_controller_does() {
        let surge = |strategy: Value| {
            let spec = json!({ "replicas": 10, "strategy": strategy });
            wants(&root(RootKind::Deployment), Some(&seen(&spec, &json!({})))).surge
        };
        assert_eq!(surge(json!({})), 3);
        assert_eq!(surge(json!({ "rollingUpdate": { "maxSurge": 1 } })), 1);
        assert_eq!(surge(json!({ "rollingUpdate": { "maxSurge": "11%" } })), 2);
        assert_eq!(surge(json!({ "rollingUpdate": { "maxSurge": 0 } })), 0);
        assert_eq!(surge(json!({ "type": "Recreate" })), 0);
    }

    #[test]
    fn only_kubernetes_own_kinds_are_asked_for() {
        let named = |api: &str, kind: &str| {
            let controller = Controller {
                api_version: api.into(),
                kind: kind.into(),
                name: "w".into(),
                uid: "u".into(),
            };
            Root::named("apps", &controller).map(|r| r.kind)
        };
        assert_eq!(named("apps/v1", "ReplicaSet"), Some(RootKind::ReplicaSet));
        assert_eq!(named("batch/v1", "Job"), Some(RootKind::Job));
        assert_eq!(named("argoproj.io/v1alpha1", "Rollout"), None);
        assert_eq!(named("example.com/v1", "Job"), None, "another's Job");
        assert_eq!(named("v1", "ReplicationController"), None);
    }

    #[test]
    fn the_next_job_of_a_cron_job_is_its_successor_where_it_says_replace() {
        let cron = |policy: &str| {
            let seen = seen(&json!({ "concurrencyPolicy": policy }), &json!({}));
            goes_on(&root(RootKind::CronJob), &seen)
        };
        assert!(cron("Replace") && !cron("Allow") && !cron("Forbid"));
        let seen = seen(&json!({}), &json!({}));
        assert!(goes_on(&root(RootKind::Deployment), &seen));
    }
}
