//! One reconciliation: dereference, validate, build, apply, report. Reads as a line; the rules are
//! in the modules it names.

use super::build::inputs::Inputs;
use super::context::{Applied, ControllerContext, Error, Memory, reference};
use super::facts::ServerFacts;
use super::placement::{self, Placed};
use super::{apply, dereference, replug, status, validate};
use crate::connection::{Endpoint, Snapshot};
use crate::leases::{Note, Severity, publish};
use crate::pods::sidecar_may_have_run;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, Resource as _, ResourceExt as _};
use mooring_api::names::{FIELD_MANAGER, ServerRef};
use mooring_api::{LicenseServer, LicenseServerStatus, Span};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a LicenseServer is looked at without a change: Secrets are not watched (that would
/// take the right to list them).
const LOOK: Duration = Duration::from_secs(15);
/// The same while something that it needs is not there.
const LOOK_SOON: Duration = Duration::from_secs(5);
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
    ctx.metrics().reconciled("error");
    tracing::warn!(server = %reference(&server), error = %error, "reconciling a LicenseServer; tried again");
    ctx.remember(&reference(&server), |m| m.dirty = true);
    Action::requeue(LOOK_SOON)
}

/// One look at one LicenseServer.
pub(super) async fn reconcile(
    server: Arc<LicenseServer>,
    ctx: Arc<ControllerContext>,
) -> Result<Action, Error> {
    let done = tokio::time::timeout(PATIENCE, Box::pin(converged(&server, &ctx))).await;
    let done = done.unwrap_or(Err(Error::Slow(PATIENCE)));
    match done {
        Err(e) if e.is_farewell() => {
            tracing::debug!(server = %reference(&server), error = %e, "a LicenseServer that is being deleted");
            Ok(Action::requeue(LOOK))
        }
        Ok(action) => {
            ctx.metrics().reconciled("ok");
            Ok(action)
        }
        Err(e) => Err(e),
    }
}

async fn converged(server: &LicenseServer, ctx: &ControllerContext) -> Result<Action, Error> {
    let reference = &reference(server);
    if server.metadata.deletion_timestamp.is_some() {
        ctx.connections.end(reference, &ctx.connection);
        return Ok(Action::await_change());
    }
    ctx.cache().complete().await;
    let memory = ctx.recall(reference);
    let snapshot = ctx.connections.snapshot(reference);
    let look = must_look(server, &memory);
    let mut facts = memory.facts.clone();
    if look {
        ctx.remember(reference, |m| m.dirty = false);
        facts = Box::pin(dereference::dereference(server, reference, ctx)).await?;
    }
    let invalid = validate::validate(server).err();
    let labels = server.spec.placement.labels();
    let placed = placement::placed(facts.pod.as_ref(), &facts.nodes, &labels);
    let boot = mooring_net::clock::boot();
    ctx.remember(reference, |m| m.anchor.note(&snapshot, boot));

    let before = newest_status(server, &memory);
    let earlier = before.as_ref().and_then(|s| s.lease_duration_in_force);
    let mut in_force = earlier.map_or(server.spec.lease.lease(), |s| s.0);
    // A first start waits for what it needs; a server that exists keeps its objects whatever is
    // missing now.
    let may_apply = facts.children.set.is_some() || facts.missing.is_empty();
    if invalid.is_none() && may_apply {
        in_force = raised(server, reference, before.as_ref(), &snapshot, ctx).await?;
        if look {
            Box::pin(converge(
                server, reference, in_force, &mut facts, &placed, ctx,
            ))
            .await?;
        }
        if let Some(target) = target(server, &facts) {
            ctx.connections.ensure(reference, target, &ctx.connection);
        }
    }
    if look {
        ctx.remember(reference, |m| {
            m.looked = Some(Instant::now());
            m.generation = server.metadata.generation;
            m.facts = facts.clone();
        });
    }
    let fitting = placement::fitting(&facts.nodes, &labels);
    let views = ctx.sightings.as_ref().map(|s| s.views(boot));
    let judged = status::Judged {
        generation: server.metadata.generation,
        invalid: invalid.as_ref(),
        missing: &facts.missing,
        placed: &placed,
        whereabouts: &placement::whereabouts(&server.spec.placement, &fitting, views.as_ref()),
        pod: facts.pod.as_ref(),
        node: node(&facts).map(str::to_owned),
        endpoint: format!(
            "https://{}:{}",
            reference.dns_name(),
            server.spec.service.port
        ),
        snapshot: &snapshot,
        twin: status::twin(&snapshot, others(reference, ctx)),
        now: mooring_net::clock::now().wall,
    };
    report(server, reference, &judged, in_force, ctx).await?;
    let well = facts.missing.is_empty() && snapshot.connected;
    Ok(Action::requeue(if well { LOOK } else { LOOK_SOON }))
}

/// Whether the objects are looked at; a change of numbers alone needs no look.
fn must_look(server: &LicenseServer, memory: &Memory) -> bool {
    let patience = if memory.facts.missing.is_empty() {
        LOOK
    } else {
        LOOK_SOON
    };
    let stale = memory.looked.is_none_or(|t| t.elapsed() >= patience);
    memory.dirty || stale || memory.generation != server.metadata.generation
}

/// The longest lease that any instance may grant from now on. A longer one is written into the
/// status before it goes into the configuration, and so before any server grants it.
async fn raised(
    server: &LicenseServer,
    reference: &ServerRef,
    before: Option<&LicenseServerStatus>,
    snapshot: &Snapshot,
    ctx: &ControllerContext,
) -> Result<Duration, Error> {
    let earlier = before.and_then(|s| s.lease_duration_in_force).map(|s| s.0);
    let wanted = server.spec.lease.lease();
    let untouched = untouched(reference, ctx);
    let boot = mooring_net::clock::boot();
    let in_force = status::in_force(earlier, wanted, untouched, snapshot, boot);
    if earlier.is_none_or(|e| e < in_force) {
        let raised = LicenseServerStatus {
            lease_duration_in_force: Some(Span(in_force)),
            ..before.cloned().unwrap_or_default()
        };
        write_status(server, reference, &raised, ctx).await?;
        tracing::info!(server = %reference, lease = ?in_force, "leaseDurationInForce raised");
    }
    Ok(in_force)
}

/// Writes the status where it changed, and says what changed.
async fn report(
    server: &LicenseServer,
    reference: &ServerRef,
    judged: &status::Judged<'_>,
    in_force: Duration,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let before = newest_status(server, &ctx.recall(reference));
    let now = status::status(judged, before.as_ref(), in_force);
    if before.as_ref() == Some(&now) {
        return Ok(());
    }
    write_status(server, reference, &now, ctx).await?;
    for note in status::events(before.as_ref(), &now) {
        tracing::info!(server = %reference, reason = note.reason, message = note.message, "event");
        publish(ctx.recorder(), &note, &server.object_ref(&())).await;
    }
    Ok(())
}

/// The node that its pod is on.
fn node(facts: &ServerFacts) -> Option<&str> {
    facts.pod.as_ref()?.spec.as_ref()?.node_name.as_deref()
}

/// The other LicenseServers, by what they say of themselves.
fn others(me: &ServerRef, ctx: &ControllerContext) -> Vec<(ServerRef, Snapshot)> {
    let servers = ctx.connections.servers().into_iter().filter(|s| s != me);
    servers
        .map(|s| (s.clone(), ctx.connections.snapshot(&s)))
        .collect()
}

/// Writes what differs from what is there, and deletes a pod that must be made anew.
async fn converge(
    server: &LicenseServer,
    reference: &ServerRef,
    in_force: Duration,
    facts: &mut ServerFacts,
    placed: &Placed,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let policies = facts.policies.clone();
    let inputs = Inputs {
        server,
        reference,
        defaults: &ctx.defaults,
        in_force,
        policies: &policies,
    };
    apply::certificate(&inputs, facts, ctx).await?;
    apply::identity(&inputs, facts, ctx).await?;
    let print = apply::fingerprint(&inputs)?;
    let mark = facts.children.mark();
    let memory = ctx.recall(reference);
    let fresh = memory
        .applied
        .is_some_and(|a| a.print == print && a.mark == mark && a.at.elapsed() < REAPPLY);
    if !fresh {
        facts.children = apply::apply(&inputs, ctx).await?;
        ctx.remember(reference, |m| {
            m.applied = Some(Applied {
                print,
                mark: facts.children.mark(),
                at: Instant::now(),
            });
        });
    }
    apply::nudge(&inputs, facts, ctx).await?;
    relocate(server, reference, facts, placed, ctx).await?;
    replace(server, reference, facts, ctx).await
}

/// Deletes the pod where another node carries the placement's labels now.
async fn relocate(
    server: &LicenseServer,
    reference: &ServerRef,
    facts: &ServerFacts,
    placed: &Placed,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let (Placed::Moves { from, to }, Some(pod)) = (placed, facts.standing_pod()) else {
        return Ok(());
    };
    tracing::info!(server = %reference, pod = %pod.name_any(), from = %from, to = ?to, "the placement's labels moved: the server's pod is deleted");
    let message = format!(
        "node {from} no longer carries the placement's labels, and {} does: the server's pod moves there",
        to.join(", ")
    );
    let note = Note {
        severity: Severity::Normal,
        reason: "ServerMoves",
        action: "Reschedule",
        message,
    };
    publish(ctx.recorder(), &note, &server.object_ref(&())).await;
    apply::delete_pod(reference, pod, ctx).await
}

/// Replaces the pod whose device file a replug has made stale.
async fn replace(
    server: &LicenseServer,
    reference: &ServerRef,
    facts: &ServerFacts,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let Some(pod) = facts.standing_pod() else {
        return Ok(());
    };
    let at = node(facts);
    let node = facts
        .nodes
        .iter()
        .find(|n| n.metadata.name.as_deref() == at);
    let watched = ctx.recall(reference).anchor;
    let now = mooring_net::clock::boot();
    let Some(lost) = replug::due(server, &watched, node.map(AsRef::as_ref), now) else {
        return Ok(());
    };
    let message = format!(
        "the anchor has been lost for {} s while node {} offers its device: plugged in again it has another device file, so the server's pod is made anew",
        lost.as_secs(),
        at.unwrap_or("unknown"),
    );
    tracing::info!(server = %reference, pod = %pod.name_any(), lost = ?lost, "the dongle was replugged: the server's pod is deleted");
    let note = Note {
        severity: Severity::Normal,
        reason: "ServerReplaced",
        action: "Replace",
        message,
    };
    publish(ctx.recorder(), &note, &server.object_ref(&())).await;
    apply::delete_pod(reference, pod, ctx).await?;
    // Once for each loss, also where the new pod is slow to come.
    ctx.remember(reference, |m| m.anchor = replug::Watched::default());
    Ok(())
}

/// No pod that may have a lease, and no mirror, points at this server.
fn untouched(reference: &ServerRef, ctx: &ControllerContext) -> bool {
    let pods = ctx.cache().pods_of(reference);
    ctx.cache().mirrored(reference).is_empty() && !pods.iter().any(|(_, p)| sidecar_may_have_run(p))
}

fn target(server: &LicenseServer, facts: &ServerFacts) -> Option<Endpoint> {
    let spec = facts.children.service.as_ref()?.spec.as_ref()?;
    let port = server.spec.service.port;
    let ips = spec
        .cluster_ips
        .clone()
        .or_else(|| spec.cluster_ip.clone().map(|ip| vec![ip]))?;
    let address = |ip: &String| {
        if ip.contains(':') {
            format!("[{ip}]:{port}")
        } else {
            format!("{ip}:{port}")
        }
    };
    let addresses: Vec<String> = ips
        .iter()
        .filter(|ip| *ip != "None" && !ip.is_empty())
        .map(address)
        .collect();
    (!addresses.is_empty()).then(|| Endpoint {
        addresses,
        port,
        policies: facts.policies.clone(),
    })
}

fn version(server: &LicenseServer) -> u64 {
    server
        .resource_version()
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}

/// The status as the watch shows it, or as we wrote it if that is newer.
fn newest_status(server: &LicenseServer, memory: &Memory) -> Option<LicenseServerStatus> {
    match &memory.written {
        Some((v, status)) if *v > version(server) => Some(status.clone()),
        _ => server.status.clone(),
    }
}

async fn write_status(
    server: &LicenseServer,
    reference: &ServerRef,
    status: &LicenseServerStatus,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let api: Api<LicenseServer> = Api::namespaced(ctx.client().clone(), &reference.namespace);
    let body = json!({
        "apiVersion": LicenseServer::api_version(&()), "kind": LicenseServer::kind(&()),
        "metadata": { "name": reference.name, "uid": server.uid() }, "status": status
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let written = api
        .patch_status(&reference.name, &params, &Patch::Apply(&body))
        .await;
    let written = written.map_err(|e| Error::Api {
        what: format!("status of LicenseServer {reference}"),
        source: Box::new(e),
    })?;
    ctx.remember(reference, |m| {
        m.written = Some((version(&written), status.clone()));
    });
    Ok(())
}
