//! One reconciliation: dereference, validate, build, apply, report. Reads as a line; the rules are
//! in the modules it names.

use super::build::inputs::Inputs;
use super::context::{Applied, ControllerContext, Error, Memory, Told};
use super::dead_node::{Ended, PodFate};
use super::facts::ServerFacts;
use super::placement::{self, Placed};
use super::seat_policy::named::PolicyName;
use super::standby::{self, Evidence, PodHold, StandbyFacts};
use super::{apply, dead_node, dereference, platform, policies, replug, status, trust, validate};
use crate::connection::{Endpoint, Snapshot};
use crate::inject::{addresses, cluster_ips};
use crate::kubernetes::apply_params;
use crate::leases::{Note, publish};
use crate::pods::node_name;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Patch;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Api, Resource as _, ResourceExt as _};
use mooring_api::names::ServerRef;
use mooring_api::serving::{END_SEEN, FAILOVER};
use mooring_api::{LicenseServer, LicenseServerStatus, Serving, Span};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often a LicenseServer is looked at without a change: Secrets are not watched (that would
/// take the right to list them).
pub(super) const LOOK: Duration = Duration::from_secs(15);
/// The same while something that it needs is not there.
pub(super) const LOOK_SOON: Duration = Duration::from_secs(5);
/// How long one reconciliation may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the objects are written although nothing changed.
const REAPPLY: Duration = Duration::from_secs(600);

/// What follows a failed one.
#[allow(clippy::needless_pass_by_value)] // the controller's signature
pub(super) fn retry(
    server: Arc<LicenseServer>,
    error: &Error,
    ctx: Arc<ControllerContext>,
) -> Action {
    let reference = server.reference();
    ctx.metrics().reconciled("error");
    tracing::warn!(server = %reference, error = %error, "reconciling a LicenseServer; tried again");
    ctx.remember(&reference, |m| m.dirty = true);
    Action::requeue(LOOK_SOON)
}

/// One look at one LicenseServer.
pub(super) async fn reconcile(
    server: Arc<LicenseServer>,
    ctx: Arc<ControllerContext>,
) -> Result<Action, Error> {
    let pass = Pass {
        server: &server,
        reference: &server.reference(),
        ctx: &ctx,
        serving: None,
    };
    let done = tokio::time::timeout(PATIENCE, Box::pin(pass.converged())).await;
    let done = done.unwrap_or(Err(Error::Slow(PATIENCE)));
    match done {
        Err(e) if e.is_farewell() => {
            tracing::debug!(server = %pass.reference, error = %e, "a LicenseServer that is being deleted");
            Ok(Action::requeue(LOOK))
        }
        Ok(action) => {
            ctx.metrics().reconciled("ok");
            Ok(action)
        }
        Err(e) => Err(e),
    }
}

/// One LicenseServer that is looked at.
pub(super) struct Pass<'a> {
    pub(super) server: &'a LicenseServer,
    pub(super) reference: &'a ServerRef,
    pub(super) ctx: &'a ControllerContext,
    /// With a standby elsewhere: which side serves, once that is known.
    serving: Option<&'a Serving>,
}

impl Pass<'_> {
    fn recall(&self) -> Memory {
        self.ctx.recall(self.reference)
    }

    fn remember(&self, change: impl FnOnce(&mut Memory)) {
        self.ctx.remember(self.reference, change);
    }

    /// Notes what a look has found.
    fn looked(&self, facts: &ServerFacts) {
        self.remember(|m| {
            m.looked = Some(Instant::now());
            m.generation = self.server.metadata.generation;
            m.request = request(self.server).map(str::to_owned);
            m.facts = facts.clone();
        });
    }

    async fn converged(&self) -> Result<Action, Error> {
        let (server, reference, ctx) = (self.server, self.reference, self.ctx);
        if server.metadata.deletion_timestamp.is_some() {
            let now = mooring_net::clock::now().wall;
            ctx.connections.bereave(reference, &ctx.connection, now);
            return Ok(Action::await_change());
        }
        ctx.cache().complete().await;
        if let Some(external) = &server.spec.external {
            return Box::pin(self.followed(external)).await;
        }
        let memory = self.recall();
        let snapshot = ctx.connections.snapshot(reference);
        let refusal = self.refusal();
        let others = self.others();
        // What the platform does not allow is not looked at either: an answer would tell of it.
        let look = refusal.is_none() && must_look(server, &memory, (&snapshot, &others));
        let facts = self
            .facts(look, refusal.is_some(), (&snapshot, &others))
            .await?;
        let invalid = refusal.or_else(|| validate::validate(server).err());
        let serving = self.serving(&facts, look && invalid.is_none()).await?;
        // From here on it is a LicenseServer of the one anchor that serves.
        let sided = of_side(server, serving.as_ref());
        let pass = Pass {
            server: &sided,
            serving: serving.as_ref(),
            ..*self
        };
        Box::pin(pass.carried_out(look, facts, invalid.as_ref(), (&snapshot, &others))).await
    }

    /// Makes it so, and reports.
    async fn carried_out(
        &self,
        look: bool,
        mut facts: ServerFacts,
        invalid: Option<&validate::Invalid>,
        (snapshot, others): (&Snapshot, &[(ServerRef, Snapshot)]),
    ) -> Result<Action, Error> {
        let (server, reference, ctx) = (self.server, self.reference, self.ctx);
        let labels = server.spec.placement.labels();
        let placed = self.placed(&facts, &labels, snapshot);
        let boot = mooring_net::clock::boot();
        self.remember(|m| m.anchor.note(snapshot, boot));

        let before = newest_status(server, &self.recall());
        let verdict = self.verdict(&facts, &placed, before.as_ref());
        let earlier = before.as_ref().and_then(|s| s.lease_duration_in_force);
        let mut in_force = earlier.unwrap_or(server.spec.lease.duration).0;
        // A first start waits for what it needs; a server that exists keeps its objects whatever is
        // missing now. Where one name is somebody else's nothing is written at all.
        let has_all = facts.children.set.is_some() || facts.missing.is_empty();
        let may_apply = has_all && facts.taken.is_empty();
        if invalid.is_none() && may_apply {
            in_force = self.raised(before.as_ref(), snapshot).await?;
            if look {
                Box::pin(self.converge(in_force, &mut facts, &placed, &verdict)).await?;
            }
            self.connect(&facts);
        }
        ctx.connections
            .begin(reference, &facts.policies, &ctx.connection);
        if look {
            self.looked(&facts);
        }
        let fitting = placement::fitting(&facts.nodes, &labels);
        let views = ctx.sightings.as_ref().map(|s| s.views(boot));
        let node = facts.pod.as_ref().and_then(node_name);
        let judged = status::Judged {
            generation: server.metadata.generation,
            invalid,
            missing: &facts.missing,
            taken: &facts.taken,
            placed: &placed,
            whereabouts: &placement::whereabouts(&server.spec.placement, &fitting, views.as_ref()),
            pod: facts.pod.as_ref(),
            cordoned: &placement::cordoned(&facts.nodes, &labels),
            node: node.map(str::to_owned),
            outside: false,
            node_down: placement::down(&facts.nodes, node),
            stuck: verdict.stuck().cloned().zip(verdict.words()),
            endpoint: server.endpoint(),
            cluster_ips: cluster_ips(facts.children.service.as_ref()),
            snapshot,
            trust: &self.trust(&facts),
            named: &facts.named,
            serving: self.serves(&facts),
            twin: status::twin(snapshot, others),
            now: mooring_net::clock::now().wall,
        };
        self.report(&judged, in_force).await?;
        let well = facts.missing.is_empty() && facts.taken.is_empty() && snapshot.connected;
        Ok(Action::requeue(if well { LOOK } else { LOOK_SOON }))
    }

    /// Which side serves, with a standby elsewhere. What changes is written down before anything is
    /// made of it: an operator that ends in between must not make the other.
    async fn serving(&self, facts: &ServerFacts, look: bool) -> Result<Option<Serving>, Error> {
        if self.server.spec.elsewhere().is_none() {
            return Ok(None);
        }
        let status = newest_status(self.server, &self.recall()).unwrap_or_default();
        let before = status.serving.clone();
        if !look {
            return Ok(Some(before.unwrap_or_default()));
        }
        let now = standby::decide(&StandbyFacts {
            spec: &self.server.spec,
            before: before.as_ref(),
            request: request(self.server),
            pod: facts.namesake.as_ref(),
            nodes: &facts.nodes,
            now: mooring_net::clock::now().wall,
        });
        if before.as_ref() != Some(&now) {
            let serving = Some(now.clone());
            self.write_status(&LicenseServerStatus { serving, ..status })
                .await?;
            if let Some(note) = standby::news(before.as_ref(), &now) {
                tracing::info!(server = %self.reference, side = %now.side, reason = note.reason, message = note.message, "which side serves");
                self.ctx.metrics().side_changed(note.reason);
                self.say(&note).await;
            }
        }
        Ok(Some(now))
    }

    /// The side that serves, and what is known of its pod.
    fn serves(&self, facts: &ServerFacts) -> Option<(&Serving, Evidence)> {
        let serving = self.serving?;
        let pod = facts.namesake.as_ref();
        Some((serving, standby::evidence(serving.side, pod, &facts.nodes)))
    }

    /// Where its pod stands against its placement.
    fn placed(
        &self,
        facts: &ServerFacts,
        labels: &BTreeMap<String, String>,
        snapshot: &Snapshot,
    ) -> Placed {
        let placed = placement::placed(facts.pod.as_ref(), &facts.nodes, labels);
        placement::keeps(placed, &self.server.spec.placement, snapshot)
    }

    /// Has the operator connected to it, once its Service has an address.
    fn connect(&self, facts: &ServerFacts) {
        if let Some(target) = target(self.server, facts) {
            let ctx = self.ctx;
            ctx.connections
                .ensure(self.reference, target, &ctx.connection);
        }
    }

    /// What is there: by a look now, or as it was.
    async fn facts(
        &self,
        look: bool,
        refused: bool,
        (me, others): (&Snapshot, &[(ServerRef, Snapshot)]),
    ) -> Result<ServerFacts, Error> {
        if refused {
            return Ok(ServerFacts::default());
        }
        if !look {
            return Ok(self.recall().facts);
        }
        self.remember(|m| m.dirty = false);
        let known = self.recall().facts.policies;
        Box::pin(dereference::dereference(
            self.server,
            self.reference,
            self.ctx,
            (me, others, &known),
        ))
        .await
    }

    /// What it asks for and may not have here.
    pub(super) fn refusal(&self) -> Option<validate::Invalid> {
        let (defaults, own) = (&self.ctx.defaults, &self.ctx.namespace);
        platform::refusal(self.server, &defaults.platform, own, &defaults.images())
    }

    /// Its pods that do not trust its CA.
    fn trust(&self, facts: &ServerFacts) -> Vec<trust::Group> {
        let pods = self.ctx.cache().roots(Some(self.reference));
        let name = self.reference.dns_name();
        trust::groups(&pods, facts.tls.as_ref(), &name, SystemTime::now())
    }

    /// The longest lease that any instance may grant from now on. A longer one is written into the
    /// status before it goes into the configuration, and so before any server grants it.
    async fn raised(
        &self,
        before: Option<&LicenseServerStatus>,
        snapshot: &Snapshot,
    ) -> Result<Duration, Error> {
        let earlier = before.and_then(|s| s.lease_duration_in_force).map(|s| s.0);
        let wanted = self.server.spec.lease.duration.0;
        let boot = mooring_net::clock::boot();
        let in_force = status::in_force(earlier, wanted, self.untouched(), snapshot, boot);
        if earlier.is_none_or(|e| e < in_force) {
            let raised = LicenseServerStatus {
                lease_duration_in_force: Some(Span(in_force)),
                ..before.cloned().unwrap_or_default()
            };
            self.write_status(&raised).await?;
            tracing::info!(server = %self.reference, lease = ?in_force, "leaseDurationInForce raised");
        }
        Ok(in_force)
    }

    /// No pod that may have a lease, and no mirror, points at this server.
    fn untouched(&self) -> bool {
        let cache = self.ctx.cache();
        let pods = cache.may_have_run(self.reference);
        cache.mirrored(self.reference).is_empty() && pods.is_empty()
    }

    /// The other LicenseServers, by what they say of themselves.
    fn others(&self) -> Vec<(ServerRef, Snapshot)> {
        let connections = &self.ctx.connections;
        let servers = connections.servers().into_iter();
        let others = servers.filter(|s| s != self.reference);
        others
            .map(|s| (s.clone(), connections.snapshot(&s)))
            .collect()
    }

    /// Writes the status where it changed, and says what changed.
    pub(super) async fn report(
        &self,
        judged: &status::Judged<'_>,
        in_force: Duration,
    ) -> Result<(), Error> {
        self.tell_policy(judged);
        let before = newest_status(self.server, &self.recall());
        let now = status::status(judged, before.as_ref(), in_force);
        let grace = self.server.spec.lease.grace_within(now.grace);
        let notice = status::notice(judged, &now, in_force, grace.0);
        self.ctx.connections.tell(self.reference, notice);
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        self.write_status(&now).await?;
        for note in status::events(before.as_ref(), &now) {
            tracing::info!(server = %self.reference, reason = note.reason, message = note.message, "event");
            self.say(&note).await;
        }
        Ok(())
    }

    /// Has the policy's status say what is new of this server, and that of the one before it.
    fn tell_policy(&self, judged: &status::Judged<'_>) {
        let snapshot = judged.snapshot;
        let now = Told {
            named: judged.named.clone(),
            connected: snapshot.connected,
            handed: snapshot.handed,
            view: snapshot.policy.clone(),
        };
        let before = self.recall().told;
        if before == now {
            return;
        }
        for name in [before.named.name(), now.named.name()]
            .into_iter()
            .flatten()
        {
            let policy = PolicyName::new(&self.reference.namespace, name);
            let _ = self.ctx.policy_news.send(policy);
        }
        self.remember(|m| m.told = now);
    }

    async fn say(&self, note: &Note) {
        publish(self.ctx.recorder(), note, &self.server.object_ref(&())).await;
    }

    /// Writes what differs from what is there, and deletes a pod that must be made anew.
    async fn converge(
        &self,
        in_force: Duration,
        facts: &mut ServerFacts,
        placed: &Placed,
        verdict: &PodFate,
    ) -> Result<(), Error> {
        let policies = facts.policies.clone();
        let inputs = Inputs {
            server: self.server,
            reference: self.reference,
            defaults: &self.ctx.defaults,
            operator_namespace: &self.ctx.namespace,
            in_force,
            policies: &policies,
            side: self.serving.map(|s| s.side),
            ends: self.serving.is_some_and(|s| s.hands_over.is_some()),
        };
        apply::certificate(&inputs, facts, self.ctx).await?;
        apply::identity(&inputs, facts, self.ctx).await?;
        apply::state(&inputs, facts, self.ctx).await?;
        let print = apply::fingerprint(&inputs)?;
        let mark = facts.children.mark();
        let fresh = |a: Applied| a.print == print && a.mark == mark && a.at.elapsed() < REAPPLY;
        if !self.recall().applied.is_some_and(fresh) {
            let earlier = newest_status(self.server, &self.recall()).unwrap_or_default();
            let ips = &earlier.cluster_ips;
            facts.children =
                Box::pin(apply::apply(&inputs, &facts.children, ips, self.ctx)).await?;
            self.remember(|m| {
                m.applied = Some(Applied {
                    print,
                    mark: facts.children.mark(),
                    at: Instant::now(),
                });
            });
        }
        apply::nudge(&inputs, facts, self.ctx).await?;
        self.bury(facts, verdict).await?;
        self.release(facts).await?;
        let pod = facts.standing_pod();
        if let Some(pod) = pod.filter(|p| self.is_of_side(p) && !inputs.ends) {
            self.relocate(pod, placed).await?;
            self.replace(pod, facts).await?;
        }
        Ok(())
    }

    /// Whether the pod is one of the side that serves.
    fn is_of_side(&self, pod: &Pod) -> bool {
        self.serving.is_none_or(|s| s.side == standby::side_of(pod))
    }

    /// Lets the pod's object go, once its end was seen.
    async fn release(&self, facts: &ServerFacts) -> Result<(), Error> {
        let Some(pod) = facts.namesake.as_ref().filter(|p| is_held(p)) else {
            return Ok(());
        };
        match standby::hold(self.serving, pod, &facts.nodes) {
            PodHold::Holds => Ok(()),
            PodHold::Released | PodHold::LeftBehind => apply::release_pod(pod, self.ctx).await,
        }
    }

    /// Deletes the pod where another node carries the placement's labels now.
    async fn relocate(&self, pod: &Pod, placed: &Placed) -> Result<(), Error> {
        let Placed::Moves { from, to } = placed else {
            return Ok(());
        };
        tracing::info!(server = %self.reference, pod = %pod.name_any(), from = %from, to = ?to, "the placement's labels moved: the server's pod is deleted");
        let text = format!(
            "node {from} no longer carries the placement's labels, and {} does: the server's pod moves there",
            to.join(", ")
        );
        let note = Note::new(EventType::Normal, "ServerMoves", "Reschedule", &text);
        self.say(&note).await;
        apply::delete_pod(self.reference, pod, self.ctx).await
    }

    /// Replaces the pod whose device file a replug has made stale.
    async fn replace(&self, pod: &Pod, facts: &ServerFacts) -> Result<(), Error> {
        let at = node_name(pod);
        let mut nodes = facts.nodes.iter();
        let node = nodes.find(|n| n.metadata.name.as_deref() == at);
        let (watched, now) = (self.recall().anchor, mooring_net::clock::now());
        let status = newest_status(self.server, &self.recall()).unwrap_or_default();
        let (node, earlier) = (node.map(AsRef::as_ref), status.replacements.as_ref());
        let Some(lost) = replug::due(self.server, &watched, node, earlier, now) else {
            return Ok(());
        };
        // Written first: an operator that ends in between must not begin anew.
        let replacements = Some(replug::counted(earlier, now.wall));
        self.write_status(&LicenseServerStatus {
            replacements,
            ..status
        })
        .await?;
        let text = format!(
            "the anchor has been lost for {} s while node {} offers its device: plugged in again it has another device file, so the server's pod is made anew",
            lost.as_secs(),
            at.unwrap_or("unknown"),
        );
        tracing::info!(server = %self.reference, pod = %pod.name_any(), lost = ?lost, "the dongle was replugged: the server's pod is deleted");
        let note = Note::new(EventType::Normal, "ServerReplaced", "Replace", &text);
        self.say(&note).await;
        apply::delete_pod(self.reference, pod, self.ctx).await?;
        self.remember(|m| m.anchor = replug::Watched::default());
        Ok(())
    }

    /// What is to become of a pod that was deleted and does not end.
    fn verdict(
        &self,
        facts: &ServerFacts,
        placed: &Placed,
        before: Option<&LicenseServerStatus>,
    ) -> PodFate {
        // Of a pod of the other side nothing follows from where this side's dongle is.
        if let Some(pod) = facts.pod.as_ref().filter(|p| !self.is_of_side(p)) {
            return match standby::hold(self.serving, pod, &facts.nodes) {
                PodHold::LeftBehind => PodFate::Force {
                    why: Ended::Replaced,
                },
                PodHold::Holds | PodHold::Released => PodFate::Leave,
            };
        }
        dead_node::judge(&dead_node::DeadNodeFacts {
            spec: &self.server.spec,
            pod: facts.pod.as_ref(),
            nodes: &facts.nodes,
            placed,
            answers: self.ctx.connections.snapshot(self.reference).connected,
            before: before.and_then(|s| s.stuck.as_ref()),
            now: mooring_net::clock::now().wall,
        })
    }

    /// Deletes by force the pod of a node that died, once nothing that its server signs counts.
    async fn bury(&self, facts: &ServerFacts, verdict: &PodFate) -> Result<(), Error> {
        let (Some(pod), PodFate::Force { why }) = (&facts.pod, verdict) else {
            return Ok(());
        };
        let text = format!(
            "the pod on node {} has not ended: {why}. It is deleted by force",
            node_name(pod).unwrap_or("unknown"),
        );
        tracing::info!(server = %self.reference, pod = %pod.name_any(), ?why, "the pod of a dead node is deleted by force");
        let note = Note::new(EventType::Warning, "ServerForced", "Replace", &text);
        self.say(&note).await;
        apply::delete_pod_now(self.reference, pod, self.ctx).await?;
        if is_held(pod) {
            apply::release_pod(pod, self.ctx).await?;
        }
        Ok(())
    }

    async fn write_status(&self, status: &LicenseServerStatus) -> Result<(), Error> {
        let ServerRef { namespace, name } = self.reference;
        let api: Api<LicenseServer> = Api::namespaced(self.ctx.client().clone(), namespace);
        let body = json!({
            "apiVersion": LicenseServer::api_version(&()), "kind": LicenseServer::kind(&()),
            "metadata": { "name": name, "uid": self.server.uid() }, "status": status
        });
        let (params, patch) = (apply_params(), Patch::Apply(&body));
        let written = api.patch_status(name, &params, &patch).await;
        let written = written.map_err(|e| Error::Api {
            what: format!("status of LicenseServer {}", self.reference),
            source: Box::new(e),
        })?;
        self.remember(|m| m.written = Some((version(&written), status.clone())));
        Ok(())
    }
}

/// Whether the objects are looked at; a change of numbers alone needs no look.
fn must_look(
    server: &LicenseServer,
    memory: &Memory,
    (me, others): (&Snapshot, &[(ServerRef, Snapshot)]),
) -> bool {
    let written = &memory.facts.policies.replaced;
    let replaced = policies::replaced_elsewhere(me, others, written);
    let patience = if memory.facts.missing.is_empty() && memory.facts.taken.is_empty() {
        LOOK
    } else {
        LOOK_SOON
    };
    let stale = memory.looked.is_none_or(|t| t.elapsed() >= patience);
    let changed = memory.generation != server.metadata.generation || replaced != *written;
    let asked = memory.request.as_deref() != request(server);
    memory.dirty || stale || changed || asked
}

/// What an administrator asks for with a standby elsewhere.
fn request(server: &LicenseServer) -> Option<&str> {
    server.annotations().get(FAILOVER).map(String::as_str)
}

/// The LicenseServer as the side has it that serves.
fn of_side(server: &LicenseServer, serving: Option<&Serving>) -> LicenseServer {
    let mut sided = server.clone();
    if let Some(serving) = serving {
        sided.spec = server.spec.of_side(serving.side);
    }
    sided
}

/// Whether it is being deleted, and stays for its end to be seen.
fn is_held(pod: &Pod) -> bool {
    let going = pod.metadata.deletion_timestamp.is_some();
    going && pod.finalizers().iter().any(|f| f == END_SEEN)
}

/// Where the server is reached, once its Service has an address.
fn target(server: &LicenseServer, facts: &ServerFacts) -> Option<Endpoint> {
    let port = server.spec.service.port;
    let addresses = addresses(facts.children.service.as_ref(), port);
    (!addresses.is_empty()).then(|| Endpoint {
        addresses: addresses.iter().map(ToString::to_string).collect(),
        port,
        policies: facts.policies.clone(),
        outside: None,
    })
}

fn version(server: &LicenseServer) -> u64 {
    let version = server.resource_version();
    version.and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// The status as the watch shows it, or as we wrote it if that is newer.
fn newest_status(server: &LicenseServer, memory: &Memory) -> Option<LicenseServerStatus> {
    match &memory.written {
        Some((v, status)) if *v > version(server) => Some(status.clone()),
        _ => server.status.clone(),
    }
}
