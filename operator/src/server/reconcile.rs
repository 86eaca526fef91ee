//! One reconciliation: dereference, validate, build, apply, report. Reads as a line; the rules are in the modules it names.

use super::dereference::{self, Facts};
use super::placement::{self, Placed};
use super::replug;
use super::{
    Applied, Context, Error, LOOK, LOOK_SOON, Memory, PATIENCE, REAPPLY, apply, build, name,
    status, validate,
};
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
use std::time::Instant;

/// What follows a failed one.
#[allow(clippy::needless_pass_by_value)] // the controller's signature
pub(super) fn retry(server: Arc<LicenseServer>, error: &Error, ctx: Arc<Context>) -> Action {
    ctx.metrics.reconciled("error");
    tracing::warn!(server = %name(&server), error = %error, "reconciling a LicenseServer; tried again");
    ctx.remember(&name(&server), |m| m.dirty = true);
    Action::requeue(LOOK_SOON)
}

/// One look at one LicenseServer.
pub(super) async fn reconcile(
    server: Arc<LicenseServer>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    let done = tokio::time::timeout(PATIENCE, Box::pin(converged(&server, &ctx))).await;
    let done = done.unwrap_or(Err(Error::Slow(PATIENCE)));
    match done {
        Err(e) if e.is_farewell() => {
            tracing::debug!(server = %name(&server), error = %e, "a LicenseServer that is being deleted");
            Ok(Action::requeue(LOOK))
        }
        Ok(action) => {
            ctx.metrics.reconciled("ok");
            Ok(action)
        }
        Err(e) => Err(e),
    }
}

async fn converged(server: &LicenseServer, ctx: &Context) -> Result<Action, Error> {
    let reference = name(server);
    if server.metadata.deletion_timestamp.is_some() {
        ctx.connections.end(&reference, &ctx.connection);
        return Ok(Action::await_change());
    }
    ctx.cache.complete().await;
    let memory = ctx.recall(&reference);
    let before = newest_status(server, &memory);
    let snapshot = ctx.connections.snapshot(&reference);
    let patience = if memory.facts.missing.is_empty() {
        LOOK
    } else {
        LOOK_SOON
    };
    let stale = memory.looked.is_none_or(|t| t.elapsed() >= patience);
    // A change of numbers alone needs no look at the objects.
    let look = memory.dirty || stale || memory.generation != server.metadata.generation;
    let mut facts = memory.facts.clone();
    if look {
        ctx.remember(&reference, |m| m.dirty = false);
        facts = Box::pin(dereference::dereference(server, &reference, ctx)).await?;
    }
    let invalid = validate::validate(server).err();
    let labels = &server.spec.placement.labels();
    let placed = placement::placed(facts.pod.as_ref(), &facts.nodes, labels);

    let boot = mooring_net::clock::boot();
    ctx.remember(&reference, |m| m.anchor.note(&snapshot, boot));
    let wanted = server.spec.lease.lease();
    let earlier = before
        .as_ref()
        .and_then(|s| s.lease_duration_in_force)
        .map(|s| s.0);
    let mut in_force = earlier.unwrap_or(wanted);
    // A first start waits for what it needs; a server that exists keeps its objects whatever is missing now.
    let ready_to_apply =
        invalid.is_none() && (facts.children.set.is_some() || facts.missing.is_empty());
    if ready_to_apply {
        in_force = status::in_force(earlier, wanted, untouched(&reference, ctx), &snapshot, boot);
        if earlier.is_none_or(|e| e < in_force) {
            // Before the longer lease goes into the configuration, and so before any server grants it.
            let raised = LicenseServerStatus {
                lease_duration_in_force: Some(Span(in_force)),
                ..before.clone().unwrap_or_default()
            };
            write_status(server, &reference, &raised, ctx).await?;
            tracing::info!(server = %reference, lease = ?in_force, "leaseDurationInForce raised");
        }
        if look {
            let policies = facts.policies.clone();
            let inputs = build::Inputs {
                server,
                reference: &reference,
                defaults: &ctx.defaults,
                in_force,
                policies: &policies,
            };
            converge(&inputs, &mut facts, &memory, &placed, ctx).await?;
            replace(server, &reference, &facts, ctx).await?;
        }
        if let Some(target) = target(server, &facts) {
            ctx.connections.ensure(&reference, target, &ctx.connection);
        }
    }
    if look {
        ctx.remember(&reference, |m| {
            m.looked = Some(Instant::now());
            m.generation = server.metadata.generation;
            m.facts = facts.clone();
        });
    }
    let views = ctx
        .sightings
        .as_ref()
        .map(|s| s.views(mooring_net::clock::boot()));
    let fitting = placement::fitting(&facts.nodes, labels);
    let whereabouts = placement::whereabouts(&server.spec.placement, &fitting, views.as_ref());
    let judged = status::Judged {
        generation: server.metadata.generation,
        invalid: invalid.as_ref(),
        missing: &facts.missing,
        placed: &placed,
        whereabouts: &whereabouts,
        pod: facts.pod.as_ref(),
        node: facts
            .pod
            .as_ref()
            .and_then(|p| p.spec.as_ref()?.node_name.clone()),
        endpoint: format!(
            "https://{}:{}",
            reference.dns_name(),
            server.spec.service.port
        ),
        snapshot: &snapshot,
        twin: status::twin(&snapshot, others(&reference, ctx)),
        now: mooring_net::clock::now().wall,
    };
    let before = newest_status(server, &ctx.recall(&reference));
    let now = status::status(&judged, before.as_ref(), in_force);
    if before.as_ref() != Some(&now) {
        write_status(server, &reference, &now, ctx).await?;
        for note in status::events(before.as_ref(), &now) {
            tracing::info!(server = %reference, reason = note.reason, message = note.message, "event");
            publish(&ctx.recorder, &note, &server.object_ref(&())).await;
        }
    }
    Ok(Action::requeue(
        if facts.missing.is_empty() && snapshot.connected {
            LOOK
        } else {
            LOOK_SOON
        },
    ))
}

/// The other LicenseServers, by what they say of themselves.
fn others(me: &ServerRef, ctx: &Context) -> Vec<(ServerRef, Snapshot)> {
    let servers = ctx.connections.servers().into_iter().filter(|s| s != me);
    servers
        .map(|s| (s.clone(), ctx.connections.snapshot(&s)))
        .collect()
}

/// Writes what differs from what is there.
async fn converge(
    inputs: &build::Inputs<'_>,
    facts: &mut Facts,
    memory: &Memory,
    placed: &Placed,
    ctx: &Context,
) -> Result<(), Error> {
    apply::certificate(inputs, facts, ctx).await?;
    apply::identity(inputs, facts, ctx).await?;
    let print = apply::fingerprint(inputs)?;
    let mark = facts.children.mark();
    let fresh = memory
        .applied
        .as_ref()
        .is_some_and(|a| a.print == print && a.mark == mark && a.at.elapsed() < REAPPLY);
    if !fresh {
        facts.children = apply::apply(inputs, ctx).await?;
        ctx.remember(inputs.reference, |m| {
            m.applied = Some(Applied {
                print,
                mark: facts.children.mark(),
                at: Instant::now(),
            });
        });
    }
    apply::nudge(inputs, facts, ctx).await?;
    if let (Placed::Moves { from, to }, Some(pod)) = (placed, &facts.pod)
        && pod.metadata.deletion_timestamp.is_none()
    {
        tracing::info!(server = %inputs.reference, pod = %pod.name_any(), from = %from, to = ?to, "the placement's labels moved: the server's pod is deleted");
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
        publish(&ctx.recorder, &note, &inputs.server.object_ref(&())).await;
        apply::delete_pod(inputs.reference, pod, ctx).await?;
    }
    Ok(())
}

/// Replaces the pod whose device file a replug has made stale.
async fn replace(
    server: &LicenseServer,
    reference: &ServerRef,
    facts: &Facts,
    ctx: &Context,
) -> Result<(), Error> {
    let Some(pod) = facts
        .pod
        .as_ref()
        .filter(|p| p.metadata.deletion_timestamp.is_none())
    else {
        return Ok(());
    };
    let at = pod.spec.as_ref().and_then(|s| s.node_name.as_deref());
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
    publish(&ctx.recorder, &note, &server.object_ref(&())).await;
    apply::delete_pod(reference, pod, ctx).await?;
    // Once for each loss, also where the new pod is slow to come.
    ctx.remember(reference, |m| m.anchor = replug::Watched::default());
    Ok(())
}

/// No pod that may have a lease, and no mirror, points at this server.
fn untouched(reference: &ServerRef, ctx: &Context) -> bool {
    let pods = ctx.cache.pods_of(reference);
    ctx.cache.mirrored(reference).is_empty() && !pods.iter().any(|(_, p)| sidecar_may_have_run(p))
}

fn target(server: &LicenseServer, facts: &Facts) -> Option<Endpoint> {
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
    ctx: &Context,
) -> Result<(), Error> {
    let api: Api<LicenseServer> = Api::namespaced(ctx.client.clone(), &reference.namespace);
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
