//! A pod with what proofs, the roster and Events need of it, and no more.

use super::head::Meta;
use super::list::{Keep, kept};
use crate::gone::DISRUPTION;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, EnvVar, Pod, PodCondition, PodSchedulingGate, PodSpec,
    PodStatus, ProjectedVolumeSource, SecretProjection, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use mooring_api::names::{self, MAX_GRACE_ENV, OPTIMISTIC_START_ENV, ROOTS_ENV};
use mooring_core::annotation::{LICENSES, PROJECT, START};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// How much of a variable or an argument is kept.
const KEPT: usize = 512;
/// The same of its license servers: as many as it may have, with the longest names.
const KEPT_SERVERS: usize = 2560;
/// The most that it asks for: that is kept whole, or not at all.
const MOST_WHOLE: usize = 8192;
/// The same of its roots: a cut certificate is none. Of each server outside of the cluster it has
/// at most [`names::MOST_ROOTS`].
const MOST_OF_ALL_ROOTS: usize = names::MAX_SERVERS * (names::MOST_ROOTS + 1);

/// A pod of which only that much was read. It is the k8s type, so that rules need no other.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Read")]
pub struct WatchedPod(pub Pod);

#[derive(Deserialize)]
struct Read {
    metadata: Meta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Option<String>,
    service_account_name: Option<String>,
    #[serde(deserialize_with = "kept")]
    init_containers: Vec<Sidecar>,
    #[serde(deserialize_with = "kept")]
    scheduling_gates: Vec<Gate>,
    #[serde(deserialize_with = "kept")]
    volumes: Vec<Token>,
}

/// The volume with the operator's token, of a pod whose license server is outside of the cluster.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Token {
    name: String,
    projected: Option<Projected>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Projected {
    #[serde(deserialize_with = "kept")]
    sources: Vec<Source>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    secret: Option<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

impl Keep for Token {
    fn keep(kept: &[Self], next: &Self) -> bool {
        kept.is_empty() && next.name == names::TOKEN_VOLUME && next.secret().is_some()
    }
}

impl Keep for Source {
    fn keep(kept: &[Self], next: &Self) -> bool {
        kept.is_empty() && next.secret.is_some()
    }
}

impl Token {
    fn secret(&self) -> Option<&str> {
        let first = self.projected.as_ref()?.sources.first()?;
        first.secret.as_ref().map(|s| s.name.as_str())
    }
}

impl From<Token> for Volume {
    fn from(t: Token) -> Self {
        let secret = t.secret().map(|name| SecretProjection {
            name: cut(name),
            ..SecretProjection::default()
        });
        let source = VolumeProjection {
            secret,
            ..VolumeProjection::default()
        };
        Self {
            name: t.name,
            projected: Some(ProjectedVolumeSource {
                sources: Some(vec![source]),
                ..ProjectedVolumeSource::default()
            }),
            ..Self::default()
        }
    }
}

#[derive(Deserialize)]
struct Gate {
    name: String,
}

impl Keep for Gate {
    /// Ours, and one of all others: whether there is any.
    fn keep(kept: &[Self], next: &Self) -> bool {
        let ours = |g: &Self| g.name == names::SCHEDULING_GATE;
        !kept.iter().any(|k| ours(k) == ours(next))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Sidecar {
    name: String,
    #[serde(deserialize_with = "kept")]
    args: Vec<Argument>,
    restart_policy: Option<String>,
    #[serde(deserialize_with = "kept")]
    env: Vec<Variable>,
}

impl Sidecar {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it is told by a variable.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|v| v.name == name)?.value.as_deref()
    }
}

impl Keep for Sidecar {
    fn keep(kept: &[Self], next: &Self) -> bool {
        kept.is_empty() && next.name == names::SIDECAR
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
struct Argument(String);

impl Keep for Argument {
    /// One more than ours has: to see that there are more.
    fn keep(kept: &[Self], _: &Self) -> bool {
        kept.len() < 2
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Variable {
    name: String,
    value: Option<String>,
}

impl Keep for Variable {
    fn keep(kept: &[Self], next: &Self) -> bool {
        let wanted = [
            names::SERVER_ENV,
            names::LICENSE_SERVER_ENV,
            LICENSES.variable(),
            START.variable(),
            OPTIMISTIC_START_ENV,
            MAX_GRACE_ENV,
            ROOTS_ENV,
            PROJECT.variable(),
        ];
        wanted.contains(&next.name.as_str()) && !kept.iter().any(|k| k.name == next.name)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Option<String>,
    start_time: Option<Time>,
    #[serde(deserialize_with = "kept")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "kept")]
    container_statuses: Vec<Ran>,
    #[serde(deserialize_with = "kept")]
    init_container_statuses: Vec<Ran>,
    #[serde(deserialize_with = "kept")]
    ephemeral_container_statuses: Vec<Ran>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
}

impl Keep for Condition {
    fn keep(kept: &[Self], next: &Self) -> bool {
        kept.is_empty() && next.kind == DISRUPTION
    }
}

/// A container's status.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ran {
    name: String,
    restart_count: i32,
    started: Option<bool>,
    state: Option<State>,
    last_state: Option<State>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<Running>,
    terminated: Option<IgnoredAny>,
    waiting: Option<Waiting>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Running {
    started_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: Option<String>,
}

impl Keep for Ran {
    /// The sidecar's own, and of the others one for each way in which they may be: whether all, or
    /// any, are so is all that is asked of them.
    fn keep(kept: &[Self], next: &Self) -> bool {
        let sidecar = |r: &Self| r.name == names::SIDECAR;
        let alike = |k: &Self| sidecar(k) == sidecar(next) && k.way() == next.way();
        !kept
            .iter()
            .any(|k| alike(k) || (sidecar(k) && sidecar(next)))
    }
}

impl Ran {
    fn way(&self) -> impl PartialEq {
        let way = |s: &Option<State>| {
            let s = s.as_ref();
            s.map(|s| {
                (
                    s.running.is_some(),
                    s.terminated.is_some(),
                    s.waiting.is_some(),
                )
            })
        };
        let began = (self.started == Some(true), self.restart_count > 0);
        (way(&self.state), way(&self.last_state), began)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

fn cut_variable(v: &Variable) -> Option<String> {
    let most = match v.name.as_str() {
        names::SERVER_ENV | names::LICENSE_SERVER_ENV => KEPT_SERVERS,
        _ => KEPT,
    };
    let value = v.value.as_ref()?;
    Some(value.chars().take(most).collect())
}

impl From<Read> for WatchedPod {
    fn from(read: Read) -> Self {
        let mut metadata: ObjectMeta = read.metadata.into();
        // Whether it asks for a license; what for stands in the sidecar's environment.
        for (key, value) in metadata.annotations.iter_mut().flatten() {
            if key == LICENSES.key {
                value.clear();
            } else {
                *value = cut(value);
            }
        }
        Self(Pod {
            metadata,
            spec: read.spec.map(PodSpec::from),
            status: read.status.map(PodStatus::from),
        })
    }
}

impl From<Spec> for PodSpec {
    fn from(s: Spec) -> Self {
        let sidecar: Vec<Container> = s.init_containers.into_iter().map(Container::from).collect();
        let gates = s.scheduling_gates.iter();
        let gates: Vec<PodSchedulingGate> = gates
            .map(|g| PodSchedulingGate { name: cut(&g.name) })
            .collect();
        let volumes: Vec<Volume> = s.volumes.into_iter().map(Volume::from).collect();
        Self {
            volumes: Some(volumes).filter(|v| !v.is_empty()),
            node_name: s.node_name,
            service_account_name: s.service_account_name,
            init_containers: Some(sidecar).filter(|s| !s.is_empty()),
            scheduling_gates: Some(gates).filter(|g| !g.is_empty()),
            ..Self::default()
        }
    }
}

impl From<Sidecar> for Container {
    fn from(c: Sidecar) -> Self {
        let kept = |v: &Variable| v.name == ROOTS_ENV || v.name == LICENSES.variable();
        let most = |v: &Variable| match v.name.as_str() {
            ROOTS_ENV => MOST_OF_ALL_ROOTS,
            _ => MOST_WHOLE,
        };
        let whole = |v: &Variable| v.value.as_ref().is_none_or(|r| r.len() <= most(v));
        let env = c.env.into_iter().filter(|v| !kept(v) || whole(v));
        let env = env.map(|v| EnvVar {
            value: if kept(&v) { v.value } else { cut_variable(&v) },
            name: v.name,
            value_from: None,
        });
        Self {
            name: c.name,
            args: Some(c.args.iter().map(|a| cut(&a.0)).collect()),
            restart_policy: c.restart_policy,
            env: Some(env.collect()),
            ..Self::default()
        }
    }
}

impl From<Status> for PodStatus {
    fn from(s: Status) -> Self {
        let all = |list: Vec<Ran>| {
            let list: Vec<ContainerStatus> = list.into_iter().map(ContainerStatus::from).collect();
            Some(list).filter(|l| !l.is_empty())
        };
        let conditions = s.conditions.into_iter().map(|c| PodCondition {
            type_: c.kind,
            status: c.status,
            reason: c.reason.as_deref().map(cut),
            ..PodCondition::default()
        });
        Self {
            phase: s.phase,
            start_time: s.start_time,
            conditions: Some(conditions.collect()),
            container_statuses: all(s.container_statuses),
            init_container_statuses: all(s.init_container_statuses),
            ephemeral_container_statuses: all(s.ephemeral_container_statuses),
            ..Self::default()
        }
    }
}

impl From<Ran> for ContainerStatus {
    fn from(r: Ran) -> Self {
        Self {
            name: r.name,
            restart_count: r.restart_count,
            started: r.started,
            state: r.state.map(ContainerState::from),
            last_state: r.last_state.map(ContainerState::from),
            ..Self::default()
        }
    }
}

impl From<State> for ContainerState {
    fn from(s: State) -> Self {
        Self {
            running: s.running.map(|r| ContainerStateRunning {
                started_at: r.started_at,
            }),
            terminated: s.terminated.map(|_| ContainerStateTerminated::default()),
            waiting: s.waiting.map(|w| ContainerStateWaiting {
                reason: w.reason.as_deref().map(cut),
                message: None,
            }),
        }
    }
}

impl Resource for WatchedPod {
    type DynamicType = ();
    type Scope = <Pod as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}
