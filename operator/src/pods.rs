//! What a pod says of itself as a holder: which license server its sidecar uses, whether the
//! webhook made that sidecar, whether it runs. Pure.
//!
//! Two questions are kept apart. Who may be *shown* (mirrors, Events, what is remembered of it) is
//! [`Standing`]: anybody can write a label, a container and its environment. Who may *hold* (the
//! roster) is wider: whatever names the server, since one too few gives a seat away.

use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, Pod};
use kube::ResourceExt as _;
use mooring_api::names::{self, MAX_GRACE_ENV, OPTIMISTIC_START_ENV, SIDECAR_ARG, ServerRef};
use mooring_core::annotation::{LICENSES, ON_LOSS, START, WAIT};
use mooring_core::frontend::entitled;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::policy::{OnLoss, OptimisticStart, Start};
use mooring_core::time::{DEFAULT_GRACE, Timestamp, parse_span};
use mooring_core::wire::Policies;
use std::time::Duration;

/// Before the key of a group of pods; a pod's is its UID.
pub(crate) const GROUP_KEY: &str = "group:";
/// Before the key of a Workload of Kueue's.
pub(crate) const WORKLOAD_KEY: &str = "workload:";

/// Whether this is the key of a group of pods that get their seats together.
pub fn is_group(key: &HolderKey) -> bool {
    key.0.starts_with(GROUP_KEY) || is_workload(key)
}

/// Whether this is the key of a Workload of Kueue's.
pub(crate) fn is_workload(key: &HolderKey) -> bool {
    key.0.starts_with(WORKLOAD_KEY)
}

/// Whether this is the key of a pod, by its look: a UID.
pub fn is_pod(key: &HolderKey) -> bool {
    !key.0.contains(':')
}

/// What is known of a holder's pod.
#[derive(Clone, Debug)]
pub enum PodFact {
    /// The holder is no pod.
    External,
    /// Not among the pods that the operator watches, and not asked for.
    Unseen,
    /// The API server says that it is not there, or has another UID.
    Absent,
    Gone,
    /// There, but being deleted, or its sidecar does not run.
    Idle,
    /// There, and its sidecar runs.
    Running {
        of: Box<Holding>,
        /// For how long its server, as it stands, has not known it.
        unknown_for: Duration,
    },
}

/// A pod whose server does not know it.
#[derive(Clone, Debug)]
pub struct Holding {
    pub holder: Holder,
    /// What its annotation asks for.
    pub products: String,
    /// Since when its sidecar runs, over restarts.
    pub since: Option<Timestamp>,
    /// The longest that its application may go on without the server, whatever that allows.
    pub max_grace: Duration,
    /// Its application runs, and may do so without a lease.
    pub optimistic: bool,
    /// A container of its application runs now.
    pub app_runs: bool,
    /// Its node is not ready: it runs on, cut off from everybody.
    pub unreachable: bool,
    /// What is to be done once its license is lost.
    pub on_loss: OnLoss,
}

/// What a pod is to a license server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The webhook made its sidecar for this server, which its namespace may use.
    Counts,
    /// The same, but its namespace may not (any more).
    NotAllowed,
    /// It is another server's, or nobody's: no word about it is taken from this one.
    Foreign,
    /// There is no such pod in sight.
    OutOfSight,
    /// It is no pod.
    External,
}

/// What a holder is to a server: the one rule for mirrors, Events and memory. `pod`: the one in
/// sight with its UID. The sidecar's image is no part of it, since mirrors change that.
pub fn standing(
    key: &HolderKey,
    pod: Option<&Pod>,
    server: &ServerRef,
    policies: &Policies,
) -> Standing {
    if key.is_external() {
        return Standing::External;
    }
    let Some(pod) = pod else {
        return Standing::OutOfSight;
    };
    if !is_injected(pod) || !servers_of(pod).contains(server) {
        return Standing::Foreign;
    }
    match entitled(&holder_of(pod), Some(policies), Some(&server.namespace)) {
        Ok(()) => Standing::Counts,
        Err(_) => Standing::NotAllowed,
    }
}

/// Whether the sidecar is the webhook's work: its annotation, name, arguments and kind.
pub fn is_injected(pod: &Pod) -> bool {
    let asked = pod.annotations().contains_key(LICENSES.key);
    let ours = |c: &Container| {
        let args = c.args.iter().flatten().map(String::as_str);
        args.eq([SIDECAR_ARG]) && c.restart_policy.as_deref() == Some("Always")
    };
    asked && sidecar(pod).is_some_and(ours)
}

/// Whether it waits, or waited, before it is scheduled.
pub fn waits_for_scheduling(pod: &Pod) -> bool {
    let wait = pod.annotations().get(WAIT.key).map(String::as_str);
    wait == Some("scheduling") && is_injected(pod)
}

/// What its annotation asks for when its license is lost.
fn on_loss(pod: &Pod) -> OnLoss {
    let word = pod.annotations().get(ON_LOSS.key);
    word.and_then(|w| w.parse().ok()).unwrap_or_default()
}

fn sidecar(pod: &Pod) -> Option<&Container> {
    let containers = pod.spec.as_ref()?.init_containers.as_deref()?;
    containers.iter().find(|c| c.name == names::SIDECAR)
}

/// The key of a pod as a holder.
pub fn key_of(pod: &Pod) -> Option<HolderKey> {
    pod.metadata.uid.clone().map(HolderKey)
}

/// The license server of each entry of a sidecar's lists, as the webhook wrote them, and whether it
/// is within the cluster; of one that is not, its LicenseServer.
fn entries(pod: &Pod) -> Vec<Option<(ServerRef, bool)>> {
    let urls = sidecar_env(pod, names::SERVER_ENV).unwrap_or_default();
    let outside = sidecar_env(pod, names::LICENSE_SERVER_ENV).unwrap_or_default();
    let outside: Vec<&str> = outside.split(names::ENTRY_END).collect();
    let urls = urls.split(names::ENTRY_END).take(names::MAX_SERVERS);
    let entry = |(at, url): (usize, &str)| {
        // A Service's name counts alone, whatever a variable says that was added: who holds at that
        // server must be on its roster.
        let service = ServerRef::from_url(url).map(|s| (s, true));
        service.or_else(|| Some((ServerRef::from_text(outside.get(at)?)?, false)))
    };
    urls.enumerate().map(entry).collect()
}

/// Which license servers a pod's sidecar uses: it stands in the lines of all of them.
pub fn servers_of(pod: &Pod) -> Vec<ServerRef> {
    let mut all = Vec::new();
    for (server, _) in entries(pod).into_iter().flatten() {
        if !all.contains(&server) {
            all.push(server);
        }
    }
    all
}

/// What one of the sidecar's lists says of one of its servers: an entry alone is said of all.
pub(crate) fn told_of(pod: &Pod, name: &str, server: &ServerRef) -> Option<String> {
    let is_it = |e: &Option<(ServerRef, bool)>| e.as_ref().is_some_and(|(s, _)| s == server);
    entry(pod, name, entries(pod).iter().position(is_it)?)
}

/// What its sidecar trusts of the operator's CA. Whom a server outside of the cluster is known by
/// is no matter of that.
pub(crate) fn roots_of_ours(pod: &Pod) -> Option<String> {
    let inside = |e: &Option<(ServerRef, bool)>| matches!(e, Some((_, true)));
    entry(pod, names::ROOTS_ENV, entries(pod).iter().position(inside)?)
}

fn entry(pod: &Pod, name: &str, at: usize) -> Option<String> {
    let all = sidecar_env(pod, name)?;
    let entries: Vec<&str> = all.split(names::ENTRY_END).collect();
    let entry = match entries.as_slice() {
        [one] => Some(one),
        several => several.get(at),
    };
    entry.filter(|e| !e.is_empty()).map(|e| (*e).to_owned())
}

/// The Secret that it has its client tokens from, if the name is one that the webhook gives.
pub fn token_secret(pod: &Pod) -> Option<&str> {
    let mut volumes = pod.spec.as_ref()?.volumes.iter().flatten();
    let token = volumes.find(|v| v.name == names::TOKEN_VOLUME)?;
    let mut sources = token.projected.as_ref()?.sources.iter().flatten();
    let secret = sources.find_map(|s| s.secret.as_ref())?;
    let name = secret.name.as_str();
    name.starts_with(names::TOKEN_SECRET).then_some(name)
}

/// A variable of the pod's sidecar.
pub fn sidecar_env(pod: &Pod, name: &str) -> Option<String> {
    let mut variables = sidecar(pod)?.env.iter().flatten();
    variables.find(|e| e.name == name)?.value.clone()
}

/// Why a kubelet does not start a container: with one of these as its last word, and no earlier
/// run, it never ran. `PodInitializing` is not among them: the kubelet's word is older than the
/// container by a second or two.
const NEVER_STARTED: &[&str] = &[
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
];

fn sidecar_status(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_deref()?;
    statuses.iter().find(|s| s.name == names::SIDECAR)
}

/// Whether the sidecar has, or may have, run.
pub fn sidecar_may_have_run(pod: &Pod) -> bool {
    if node_name(pod).is_none() {
        return false;
    }
    let Some(sidecar) = sidecar_status(pod) else {
        return true;
    };
    let waiting = sidecar.state.as_ref().and_then(|s| s.waiting.as_ref());
    let reason = waiting.and_then(|w| w.reason.as_deref());
    let last = sidecar.last_state.as_ref();
    let ran_before = sidecar.restart_count > 0 || last.is_some_and(|s| s.terminated.is_some());
    ran_before || !reason.is_some_and(|r| NEVER_STARTED.contains(&r))
}

/// Whether the sidecar runs now, by its kubelet's last word.
pub fn sidecar_runs(pod: &Pod) -> bool {
    let state = sidecar_status(pod).and_then(|s| s.state.as_ref());
    state.is_some_and(|s| s.running.is_some())
}

/// What a pod that is there says as a holder of this server's. A deletion that its kubelet cannot
/// hear of (`unreachable`) ends nothing: it runs on.
pub fn fact_of(pod: &Pod, server: &ServerRef, unreachable: bool) -> PodFact {
    let ends = pod.metadata.deletion_timestamp.is_some() && !unreachable;
    if ends || !sidecar_runs(pod) {
        return PodFact::Idle;
    }
    let of = Holding {
        holder: holder_of(pod),
        products: cut(told_of(pod, LICENSES.variable(), server)),
        since: runs_since(pod),
        max_grace: max_grace(pod, server),
        optimistic: application_started(pod) && may_start_without_a_lease(pod),
        app_runs: application_runs(pod),
        unreachable,
        on_loss: on_loss(pod),
    };
    PodFact::Running {
        of: Box::new(of),
        unknown_for: Duration::ZERO,
    }
}

/// How much of what it asks for is shown.
const PRODUCTS: usize = 512;

fn cut(products: Option<String>) -> String {
    let products = products.unwrap_or_default();
    match products.char_indices().nth(PRODUCTS) {
        Some((at, _)) => products.get(..at).unwrap_or_default().to_owned(),
        None => products,
    }
}

/// Since when a pod's sidecar counts: what it may do without the server is no longer for its being
/// started again. Then the pod's own start is what is known, a little earlier.
pub(crate) fn runs_since(pod: &Pod) -> Option<Timestamp> {
    let sidecar = sidecar_status(pod)?;
    let running = sidecar.state.as_ref()?.running.as_ref();
    let began = running.and_then(|r| r.started_at.as_ref());
    let pods = pod.status.as_ref().and_then(|s| s.start_time.as_ref());
    let times = [began, pods.filter(|_| sidecar.restart_count > 0)];
    times.into_iter().flatten().map(|t| t.0).min()
}

/// As the webhook wrote it, else what a sidecar goes by that is told nothing.
pub(crate) fn max_grace(pod: &Pod, server: &ServerRef) -> Duration {
    let written = told_of(pod, MAX_GRACE_ENV, server);
    let written = written.and_then(|text| parse_span(&text).ok());
    written.unwrap_or(DEFAULT_GRACE)
}

fn of_the_application(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.iter();
    status.flat_map(|s| s.container_statuses.iter().flatten())
}

/// Whether a container of the application runs or has run.
fn application_started(pod: &Pod) -> bool {
    of_the_application(pod).any(|c| {
        let ran = |s: &ContainerState| s.running.is_some() || s.terminated.is_some();
        c.state.as_ref().is_some_and(ran) || c.last_state.as_ref().is_some_and(ran)
    })
}

fn application_runs(pod: &Pod) -> bool {
    let runs = |s: &ContainerState| s.running.is_some();
    of_the_application(pod).any(|c| c.state.as_ref().is_some_and(runs))
}

/// Not so where annotation, license or LicenseServer say otherwise: such a pod's application runs
/// because it does not wait for the sidecar (`wait: none`).
fn may_start_without_a_lease(pod: &Pod) -> bool {
    let start = sidecar_env(pod, START.variable());
    let says = sidecar_env(pod, OPTIMISTIC_START_ENV).unwrap_or_default();
    let deny = OptimisticStart::Deny.as_str();
    // With several servers it starts where it may without each.
    start.as_deref() != Some(Start::Licensed.as_str())
        && !says.split(names::ENTRY_END).any(|word| word == deny)
}

/// What a pod is called as a holder, by its own object.
pub fn holder_of(pod: &Pod) -> Holder {
    let spec = pod.spec.as_ref();
    let account = spec.and_then(|s| s.service_account_name.clone());
    Holder::Pod {
        namespace: pod.namespace().unwrap_or_default(),
        pod: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        service_account: account.unwrap_or_default(),
        node: node_name(pod).map(str::to_owned),
    }
}

/// The revision of its Deployment that a pod is of, if it is a Deployment's.
fn revision_of(pod: &Pod) -> Option<&str> {
    pod.labels().get(names::REVISION).map(String::as_str)
}

/// A pod's Deployment: pods are called after it, the revision, and some letters.
pub fn deployment_of(pod: &Pod) -> Option<&str> {
    let (set, _) = pod.metadata.name.as_deref()?.rsplit_once('-')?;
    set.strip_suffix(revision_of(pod)?)?.strip_suffix('-')
}

/// Whether `other` is of an earlier revision of the same Deployment, and stays until `pod` is
/// ready.
pub fn waits_to_be_replaced(other: &Pod, pod: &Pod) -> bool {
    let deployment = deployment_of(pod);
    deployment.is_some()
        && deployment == deployment_of(other)
        && pod.namespace() == other.namespace()
        && revision_of(pod) != revision_of(other)
        && other.creation_timestamp() < pod.creation_timestamp()
        && other.metadata.deletion_timestamp.is_none()
}

/// The node of a holder's pod.
pub fn node_of(holder: &Holder) -> Option<String> {
    match holder {
        Holder::Pod { node, .. } => node.clone(),
        Holder::Owner { .. } | Holder::External { .. } => None,
    }
}

/// The node that a pod is bound to.
pub fn node_name(pod: &Pod) -> Option<&str> {
    let name = pod.spec.as_ref()?.node_name.as_deref();
    name.filter(|n| !n.is_empty())
}

#[cfg(test)]
mod tests;
