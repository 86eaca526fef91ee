//! A pod as the rules about owners see it: what it asks for, what has it run, which group it is of,
//! how far it has come. Pure.
//!
//! Whose labels say that it is of a group is its author's word, as its annotations are: it counts
//! within its own namespace and service account alone.

use crate::pods::{
    GROUP_KEY, holder_of, is_injected, key_of, node_name, sidecar_env, waits_for_scheduling,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt as _;
use mooring_api::names::{
    JOB, JOB_INDEX, JOBSET, JOBSET_JOBS, KUEUE_COUNT, KUEUE_GROUP, KUEUE_MANAGED, REVISION,
    SCHEDULING_GATE,
};
use mooring_core::annotation::{GROUP, GROUP_SIZE, LICENSES, PLACE, PROJECT, WAIT};
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::ProjectName;
use mooring_core::request::{self, Item};
use mooring_core::time::Timestamp;
use std::time::Duration;

/// The most pods of a group.
pub(crate) const MOST_PODS: u32 = 1000;

/// What a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GroupKind {
    Annotated,
    Kueue,
    Job,
    JobSet,
}

impl GroupKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Annotated => "Group",
            Self::Kueue => "PodGroup",
            Self::Job => "Job",
            Self::JobSet => "JobSet",
        }
    }
}

/// How many pods a group has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Told(u32),
    /// As many as so many Jobs have, of which the pod's is one.
    Jobs {
        jobs: usize,
        job: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodGroup {
    pub(crate) kind: GroupKind,
    pub(crate) name: String,
    pub(crate) size: Size,
}

/// Whether it may be scheduled, as far as gates go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Others have not let it go either: it asks for nothing yet.
    Others,
    /// It waits for us alone.
    Ours,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodStage {
    Lives,
    /// It is being deleted.
    Ends,
    Succeeded,
    /// It failed, or is proven gone.
    Gone,
}

/// What has a pod run, by its own object: not asked for yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Controller {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// A pod that waits, or waited, before it was scheduled or at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPod {
    pub(crate) key: HolderKey,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) service_account: String,
    pub(crate) items: Vec<Item>,
    pub(crate) project: Option<ProjectName>,
    /// Only of one that waits before it is scheduled.
    pub(crate) group: Option<PodGroup>,
    pub(crate) controller: Option<Controller>,
    /// The place that its author named.
    pub(crate) place: Option<String>,
    /// The group of Kueue's that it is of, wherever it waits.
    pub(crate) kueue_group: Option<String>,
    /// Which of its Deployment's templates it was made of.
    pub(crate) revision: Option<String>,
    /// It waits, or waited, before it is scheduled.
    pub(crate) gated: bool,
    pub(crate) created: Option<Timestamp>,
    pub(crate) gate: Gate,
    pub(crate) stage: PodStage,
    pub(crate) bound: bool,
    /// It has a lease of its own.
    pub(crate) leased: bool,
    /// It has one at another license server: it asks for nothing here.
    pub(crate) elsewhere: bool,
    /// For how long its gate has been open, and for how long it has had a node, as far as was
    /// seen.
    pub(crate) open_for: Duration,
    pub(crate) bound_for: Duration,
}

impl OwnPod {
    /// What it is called as a holder.
    pub(crate) fn holder(&self) -> Holder {
        Holder::Pod {
            namespace: self.namespace.clone(),
            pod: self.name.clone(),
            uid: self.key.0.clone(),
            service_account: self.service_account.clone(),
            node: None,
        }
    }

    /// The same where it is known now whether it is proven gone.
    pub(crate) fn with_proof(mut self, gone: bool) -> Self {
        if gone && self.stage != PodStage::Succeeded {
            self.stage = PodStage::Gone;
        }
        self
    }

    /// Whose claim it is where it asks alone.
    pub(crate) fn alone(&self) -> Holder {
        self.owner(format!("Pod/{}", self.name), self.key.0.clone())
    }

    /// Whose claim it is as one of a group.
    pub(crate) fn of(&self, group: &PodGroup) -> Holder {
        let (kind, name) = (group.kind.as_str(), &group.name);
        let uid = match group.kind {
            GroupKind::Annotated => format!("{GROUP_KEY}{}/{name}", self.namespace),
            _ => format!("{GROUP_KEY}{}/{kind}/{name}", self.namespace),
        };
        self.owner(format!("{kind}/{name}"), uid)
    }

    pub(crate) fn owner(&self, owner: String, uid: String) -> Holder {
        Holder::Owner {
            namespace: self.namespace.clone(),
            owner,
            uid,
            service_account: self.service_account.clone(),
        }
    }
}

/// A pod as the rules see it; `None` if it neither waits before it is scheduled, nor waits at its
/// start and has an owner, a place, or Kueue to hold it back. `gone`: it is proven gone, or its
/// node is; `leased`: it has a lease of its own.
pub fn own_pod(pod: &Pod, gone: bool, leased: bool) -> Option<OwnPod> {
    let annotation = |key: &str| pod.annotations().get(key).map(String::as_str);
    let gated = waits_for_scheduling(pod);
    let (controller, place) = (controller_of(pod), annotation(PLACE.key));
    let held_back = pod.labels().contains_key(KUEUE_MANAGED);
    let follows = controller.is_some() || place.is_some() || held_back;
    let at_start = is_injected(pod) && follows && annotation(WAIT.key) != Some("none");
    if !gated && !at_start {
        return None;
    }
    let items = request::parse(&sidecar_env(pod, LICENSES.variable())?).ok()?;
    let Holder::Pod {
        namespace,
        pod: name,
        service_account,
        ..
    } = holder_of(pod)
    else {
        return None;
    };
    Some(OwnPod {
        key: key_of(pod)?,
        namespace,
        name,
        service_account,
        items,
        project: project_of(pod),
        group: group_of(pod).filter(|_| gated),
        controller,
        place: place.map(str::to_owned),
        kueue_group: pod.labels().get(KUEUE_GROUP).cloned(),
        revision: pod.labels().get(REVISION).cloned(),
        gated,
        created: pod.creation_timestamp().map(|t| t.0),
        gate: gate_of(pod),
        stage: stage_of(pod, gone),
        bound: node_name(pod).is_some(),
        leased,
        elsewhere: false,
        open_for: Duration::ZERO,
        bound_for: Duration::ZERO,
    })
}

fn controller_of(pod: &Pod) -> Option<Controller> {
    Controller::among(pod.metadata.owner_references.as_deref()?)
}

/// What its sidecar will say that its seats are used for.
fn project_of(pod: &Pod) -> Option<ProjectName> {
    ProjectName::new(&sidecar_env(pod, PROJECT.variable())?).ok()
}

impl Controller {
    /// The owner that makes an object anew: others only keep it from being collected.
    pub(crate) fn among(owners: &[OwnerReference]) -> Option<Self> {
        let owner = owners.iter().find(|o| o.controller == Some(true))?;
        Some(Self {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        })
    }
}

fn gate_of(pod: &Pod) -> Gate {
    let gates = pod.spec.iter().flat_map(|s| &s.scheduling_gates);
    let (ours, others): (Vec<_>, Vec<_>) = gates.flatten().partition(|g| g.name == SCHEDULING_GATE);
    match (ours.is_empty(), others.is_empty()) {
        (true, _) => Gate::Open,
        (false, true) => Gate::Ours,
        (false, false) => Gate::Others,
    }
}

fn stage_of(pod: &Pod, gone: bool) -> PodStage {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    match phase {
        Some("Succeeded") => PodStage::Succeeded,
        Some("Failed") => PodStage::Gone,
        _ if gone => PodStage::Gone,
        _ if pod.metadata.deletion_timestamp.is_some() => PodStage::Ends,
        _ => PodStage::Lives,
    }
}

/// By its annotations; else by what Kueue, a `JobSet` or an Indexed Job has written on it.
fn group_of(pod: &Pod) -> Option<PodGroup> {
    let annotation = |key: &str| pod.annotations().get(key).cloned();
    let label = |key: &str| pod.labels().get(key).cloned();
    let size = |text: Option<String>| {
        let n = text?.parse::<u32>().ok();
        n.filter(|n| (1..=MOST_PODS).contains(n))
    };
    let group = |kind, name, size| Some(PodGroup { kind, name, size });
    if let Some(name) = annotation(GROUP.key) {
        let size = size(annotation(GROUP_SIZE.key))?;
        return group(GroupKind::Annotated, name, Size::Told(size));
    }
    if let Some(name) = label(KUEUE_GROUP) {
        let size = size(annotation(KUEUE_COUNT))?;
        return group(GroupKind::Kueue, name, Size::Told(size));
    }
    let job = label(JOB)?;
    if let (Some(name), Some(jobs)) = (label(JOBSET), size(label(JOBSET_JOBS))) {
        let jobs = jobs as usize;
        return group(GroupKind::JobSet, name, Size::Jobs { jobs, job });
    }
    let indexed = annotation(JOB_INDEX).or_else(|| label(JOB_INDEX));
    indexed?;
    group(GroupKind::Job, job.clone(), Size::Jobs { jobs: 1, job })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn pod(labels: &Value, annotations: &Value, gates: &Value) -> OwnPod {
        let sidecar = json!({
            "name": "mooring", "args": ["run"], "restartPolicy": "Always",
            "env": [{ "name": "MOORING_LICENSES", "value": "render:2" }],
        });
        let mut all = json!({ "mooring.dev/licenses": "", "mooring.dev/wait": "scheduling" });
        let all_of = all.as_object_mut().unwrap();
        all_of.extend(annotations.as_object().unwrap().clone());
        let pod = json!({
            "metadata": {
                "namespace": "apps", "name": "p", "uid": "u", "labels": labels, "annotations": all,
            },
            "spec": {
                "serviceAccountName": "a", "schedulingGates": gates, "containers": [],
                "initContainers": [sidecar],
            },
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        own_pod(&pod, false, false).unwrap()
    }

    #[test]
    fn who_groups_pods_is_known_by_what_it_writes_on_them() {
        let group = |labels: Value, annotations: Value| {
            let p = pod(&labels, &annotations, &json!([]));
            p.group.map(|g| {
                let Holder::Owner { owner, uid, .. } =
                    pod(&labels, &annotations, &json!([])).of(&g)
                else {
                    return (String::new(), String::new(), g.size);
                };
                (owner, uid, g.size)
            })
        };
        let is = |owner: &str, uid: &str, size| Some((owner.to_owned(), uid.to_owned(), size));
        let job = |jobs| Size::Jobs {
            jobs,
            job: "j".into(),
        };
        assert_eq!(group(json!({}), json!({})), None);
        let annotated = json!({ "mooring.dev/group": "g", "mooring.dev/group-size": "4" });
        let told = is("Group/g", "group:apps/g", Size::Told(4));
        assert_eq!(group(json!({}), annotated.clone()), told);
        let mut labels = json!({ JOB: "j" });
        assert_eq!(group(labels.clone(), json!({})), None, "no Indexed Job");
        let index = json!({ JOB_INDEX: "0" });
        let of_job = is("Job/j", "group:apps/Job/j", job(1));
        assert_eq!(group(labels.clone(), index.clone()), of_job);
        labels[JOBSET] = json!("s");
        assert_eq!(group(labels.clone(), index.clone()), of_job, "before 0.8");
        labels[JOBSET_JOBS] = json!("3");
        let of_set = is("JobSet/s", "group:apps/JobSet/s", job(3));
        assert_eq!(group(labels.clone(), index), of_set);
        labels[KUEUE_GROUP] = json!("k");
        let of_kueue = is("PodGroup/k", "group:apps/PodGroup/k", Size::Told(5));
        assert_eq!(group(labels.clone(), json!({ KUEUE_COUNT: "5" })), of_kueue);
        assert_eq!(group(labels, annotated), told, "its own word is first");
    }

    #[test]
    fn it_asks_once_nobody_elses_gate_is_left() {
        let gate = |names: &[&str]| {
            let gates: Vec<Value> = names.iter().map(|n| json!({ "name": n })).collect();
            pod(&json!({}), &json!({}), &json!(gates)).gate
        };
        assert_eq!(gate(&["mooring.dev/license", "x"]), Gate::Others);
        assert_eq!(gate(&["mooring.dev/license"]), Gate::Ours);
        assert_eq!(gate(&["x"]), Gate::Open);
        assert_eq!(gate(&[]), Gate::Open);
    }

    #[test]
    fn a_pod_that_waits_at_its_start_counts_where_it_has_an_owner_or_a_place() {
        let own = |annotations: Value, owners: Value| {
            let sidecar = json!({
                "name": "mooring", "args": ["run"], "restartPolicy": "Always",
                "env": [{ "name": "MOORING_LICENSES", "value": "render:2" }],
            });
            let mut all = json!({ "mooring.dev/licenses": "" });
            let all_of = all.as_object_mut().unwrap();
            all_of.extend(annotations.as_object().unwrap().clone());
            let pod = json!({
                "metadata": {
                    "namespace": "apps", "name": "p", "uid": "u", "annotations": all,
                    "labels": { JOB: "j", JOB_INDEX: "0" }, "ownerReferences": owners,
                },
                "spec": { "containers": [], "initContainers": [sidecar] },
            });
            own_pod(&serde_json::from_value(pod).unwrap(), false, false)
        };
        let set = |controller: bool| {
            json!([{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "d-1", "uid": "set",
                "controller": controller,
            }])
        };
        assert_eq!(own(json!({}), json!(null)), None);
        assert_eq!(
            own(json!({}), set(false)),
            None,
            "it only keeps it from being collected"
        );
        let pod = own(json!({}), set(true)).unwrap();
        assert_eq!(pod.controller.unwrap().uid, "set");
        assert!(!pod.gated && pod.group.is_none() && pod.gate == Gate::Open);
        let none = json!({ "mooring.dev/wait": "none" });
        assert_eq!(own(none, set(true)), None, "it waits nowhere");
        let place = own(json!({ "mooring.dev/place": "etl" }), json!(null)).unwrap();
        assert_eq!(place.place.as_deref(), Some("etl"));
    }
}
