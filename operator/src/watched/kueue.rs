//! Kueue's objects, as far as its admission checks need them: `kueue.x-k8s.io/v1beta2`.

use super::head::meta;
use super::list::{Entries, Keep, Keys, kept};
use super::pod::Sidecar;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use mooring_api::names::{GATE, SERVER_ENV, SIDECAR, ServerRef};
use mooring_core::annotation::{
    Annotation, CONTAINERS, GATE_AFTER, GROUP, GROUP_SIZE, LICENSES, LOG_LEVEL, ON_LOSS, PLACE,
    PROJECT, RESERVATION, SERVER, SIDECAR_CPU, SIDECAR_MEMORY, START, WAIT,
};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The group and version of its objects that are read and written.
const GROUP_NAME: &str = "kueue.x-k8s.io";
const VERSION: &str = "v1beta2";
/// Kueue's own bound of a Workload's pod sets and of its checks.
const MOST: usize = 8;

/// What has pods run together, as Kueue sees it: a Job's pods, say, or a group of pods.
#[derive(Clone, Debug, Deserialize)]
pub struct Workload {
    #[serde(deserialize_with = "meta")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: WorkloadSpec,
    #[serde(default)]
    pub status: WorkloadStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// `false`: Kueue does not look at it.
    pub active: Option<bool>,
    #[serde(deserialize_with = "kept")]
    pub pod_sets: Vec<PodSet>,
}

/// Pods of a Workload that are alike.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "ReadSet")]
pub struct PodSet {
    pub name: String,
    pub count: Option<u32>,
    annotations: BTreeMap<String, String>,
    server: Option<ServerRef>,
    service_account: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ReadSet {
    name: String,
    count: Option<u32>,
    template: Template,
}

impl From<ReadSet> for PodSet {
    /// Of pods that are there already Kueue tells their spec alone: what they ask for stands in
    /// what the webhook wrote there.
    fn from(read: ReadSet) -> Self {
        let Template { metadata, spec } = read.template;
        let mut annotations = metadata.annotations.0;
        if !annotations.contains_key(LICENSES.key) {
            annotations.extend(spec.asked());
        }
        Self {
            name: read.name,
            count: read.count,
            annotations,
            server: spec.server(),
            service_account: spec.service_account_name,
        }
    }
}

impl Keep for PodSet {
    fn keep(kept: &[Self], _: &Self) -> bool {
        kept.len() < MOST
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Template {
    metadata: TemplateMeta,
    spec: TemplateSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TemplateMeta {
    annotations: Entries<Annotations>,
}

#[derive(Clone, Debug, Default)]
struct Annotations;

impl Keys for Annotations {
    /// Those of people, and what Kueue wrote for us.
    const KEYS: &[&str] = &[
        LICENSES.key,
        SERVER.key,
        START.key,
        WAIT.key,
        GROUP.key,
        GROUP_SIZE.key,
        PLACE.key,
        GATE_AFTER.key,
        CONTAINERS.key,
        ON_LOSS.key,
        PROJECT.key,
        SIDECAR_MEMORY.key,
        SIDECAR_CPU.key,
        LOG_LEVEL.key,
        RESERVATION.key,
    ];
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TemplateSpec {
    service_account_name: Option<String>,
    #[serde(deserialize_with = "kept")]
    init_containers: Vec<Injected>,
}

/// Sidecar or gate, as the webhook adds them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
struct Injected(Sidecar);

impl Keep for Injected {
    fn keep(kept: &[Self], next: &Self) -> bool {
        let name = next.0.name();
        [SIDECAR, GATE].contains(&name) && !kept.iter().any(|k| k.0.name() == name)
    }
}

impl TemplateSpec {
    fn injected(&self, name: &str) -> Option<&Sidecar> {
        let mut all = self.init_containers.iter().map(|i| &i.0);
        all.find(|c| c.name() == name)
    }

    fn server(&self) -> Option<ServerRef> {
        let urls = self.injected(SIDECAR)?.variable(SERVER_ENV)?;
        ServerRef::all_from_urls(urls).into_iter().next()
    }

    /// The annotations that its pods were made with, as far as they count here.
    fn asked(&self) -> Vec<(String, String)> {
        let Some(sidecar) = self.injected(SIDECAR) else {
            return Vec::new();
        };
        let told = |a: &Annotation| {
            let value = sidecar.variable(a.variable())?;
            Some((a.key.to_owned(), value.to_owned()))
        };
        let mut all: Vec<_> = [LICENSES, PROJECT].iter().filter_map(told).collect();
        if self.injected(GATE).is_none() {
            all.push((WAIT.key.to_owned(), "none".to_owned()));
        }
        all
    }
}

impl PodSet {
    /// Mooring's annotations of its pods.
    pub const fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The license server of pods that the webhook has seen already: those without a Job.
    pub fn server(&self) -> Option<ServerRef> {
        self.server.clone()
    }

    /// Whom its pods run as.
    pub fn service_account(&self) -> &str {
        let named = self.service_account.as_deref();
        named.filter(|n| !n.is_empty()).unwrap_or("default")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    #[serde(deserialize_with = "kept")]
    conditions: Vec<Said>,
    admission: Option<Admission>,
    #[serde(deserialize_with = "kept")]
    pub admission_checks: Vec<CheckState>,
    #[serde(deserialize_with = "kept")]
    reclaimable_pods: Vec<Counted>,
    requeue_state: Option<RequeueState>,
}

#[derive(Clone, Debug, Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Keep for Said {
    /// What is so.
    fn keep(kept: &[Self], next: &Self) -> bool {
        let asked = ["QuotaReserved", "Admitted", "Evicted", "Finished"];
        next.status == "True"
            && asked.contains(&next.kind.as_str())
            && !kept.iter().any(|k| k.kind == next.kind)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Admission {
    #[serde(deserialize_with = "kept")]
    pod_set_assignments: Vec<Counted>,
}

/// How many pods of a set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Counted {
    name: String,
    count: Option<u32>,
}

impl Keep for Counted {
    fn keep(kept: &[Self], _: &Self) -> bool {
        kept.len() < MOST
    }
}

/// What a check says of a Workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckState {
    pub name: String,
    /// `Pending`, `Ready`, `Retry` or `Rejected`.
    pub state: String,
    pub message: String,
    /// It was sent back, for so long.
    pub requeue_after_seconds: Option<u32>,
}

impl Keep for CheckState {
    fn keep(kept: &[Self], _: &Self) -> bool {
        kept.len() < MOST
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequeueState {
    requeue_at: Option<Time>,
}

impl Workload {
    fn says(&self, kind: &str) -> bool {
        self.status.conditions.iter().any(|c| c.kind == kind)
    }

    /// Quota is reserved for it, and it is to keep that.
    pub fn has_quota(&self) -> bool {
        self.says("QuotaReserved") && !self.says("Evicted")
    }

    /// It has quota, or gives it back just now.
    pub fn holds_quota(&self) -> bool {
        self.says("QuotaReserved")
    }

    /// It runs, or may.
    pub fn is_admitted(&self) -> bool {
        self.says("Admitted")
    }

    /// It has come to its end, or nobody is to run it.
    pub fn is_over(&self) -> bool {
        self.says("Finished")
            || self.spec.active == Some(false)
            || self.metadata.deletion_timestamp.is_some()
    }

    /// It is known when Kueue looks at it again.
    pub fn is_put_off(&self) -> bool {
        let state = self.status.requeue_state.as_ref();
        state.is_some_and(|s| s.requeue_at.is_some())
    }

    /// How many pods of a set it has, less those that have done their work and are not made anew.
    /// Where it was admitted since, Kueue has left these out already.
    pub fn pods_of(&self, set: &PodSet) -> u32 {
        let of_it = |all: &[Counted]| all.iter().find(|c| c.name == set.name)?.count;
        let admission = self.status.admission.as_ref();
        let assigned = admission.and_then(|a| of_it(&a.pod_set_assignments));
        let all = set.count.unwrap_or(1);
        let done = of_it(&self.status.reclaimable_pods).unwrap_or(0);
        assigned.unwrap_or(all).min(all.saturating_sub(done))
    }
}

/// A check that a ClusterQueue has its Workloads pass.
#[derive(Clone, Debug, Deserialize)]
pub struct AdmissionCheck {
    #[serde(deserialize_with = "meta")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: AdmissionCheckSpec,
    #[serde(default)]
    pub status: AdmissionCheckStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionCheckSpec {
    /// Whose it is.
    pub controller_name: String,
    pub parameters: Option<CheckParameters>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckParameters {
    pub api_group: String,
    pub kind: String,
    pub name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionCheckStatus {
    #[serde(deserialize_with = "kept")]
    pub conditions: Vec<ActiveCondition>,
}

/// Whether Kueue may go by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActiveCondition {
    #[serde(rename = "type")]
    kind: String,
    pub status: String,
    pub reason: String,
    pub message: String,
    pub last_transition_time: Option<Time>,
}

impl Keep for ActiveCondition {
    fn keep(kept: &[Self], next: &Self) -> bool {
        kept.is_empty() && next.kind == "Active"
    }
}

macro_rules! of_kueue {
    ($type:ty, $scope:ty, $kind:literal, $plural:literal) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }

            fn group((): &()) -> Cow<'_, str> {
                GROUP_NAME.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                VERSION.into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

of_kueue!(Workload, NamespaceResourceScope, "Workload", "workloads");
of_kueue!(
    AdmissionCheck,
    ClusterResourceScope,
    "AdmissionCheck",
    "admissionchecks"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(status: &serde_json::Value) -> Workload {
        let template = json!({
            "metadata": { "annotations": { "mooring.dev/licenses": "render", "other": "x" } },
            "spec": { "serviceAccountName": "farm", "containers": [{ "name": "a" }] },
        });
        serde_json::from_value(json!({
            "metadata": {
                "name": "job-a", "namespace": "apps", "uid": "w",
                "ownerReferences": [
                    { "apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": "j", "controller": true },
                ],
            },
            "spec": { "podSets": [{ "name": "main", "count": 4, "template": template }] },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn of_a_workload_that_much_is_read() {
        let w = read(&json!({
            "conditions": [{ "type": "QuotaReserved", "status": "True" }],
            "admission": { "podSetAssignments": [{ "name": "main", "count": 3 }] },
            "reclaimablePods": [{ "name": "main", "count": 1 }],
            "admissionChecks": [{ "name": "c", "state": "Pending", "message": "" }],
        }));
        let set = &w.spec.pod_sets[0];
        assert_eq!((w.pods_of(set), set.service_account()), (3, "farm"));
        assert_eq!(set.annotations().len(), 1, "{:?}", set.annotations());
        assert!(w.has_quota() && !w.is_over() && !w.is_put_off());
        assert_eq!(w.status.admission_checks[0].state, "Pending");
        assert_eq!(w.metadata.owner_references.unwrap()[0].uid, "j");
    }

    #[test]
    fn who_is_evicted_has_no_quota_to_keep() {
        let w = read(&json!({ "conditions": [
            { "type": "QuotaReserved", "status": "True" }, { "type": "Evicted", "status": "True" },
        ]}));
        assert!(!w.has_quota() && w.holds_quota());
        let w = read(&json!({ "conditions": [
            { "type": "QuotaReserved", "status": "False" }, { "type": "Evicted", "status": "False" },
        ], "requeueState": { "requeueAt": "2026-03-01T12:00:00Z" } }));
        assert!(!w.has_quota() && !w.holds_quota() && w.is_put_off());
        assert_eq!(w.pods_of(&w.spec.pod_sets[0]), 4);
    }
}
