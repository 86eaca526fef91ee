//! Removes what a LicenseServer that is gone cannot take along: its link, what is remembered of it,
//! its ClusterRoleBinding; its pod, whose end nobody awaits any more; and its mirrors once their
//! pods are gone, which may run on under their grace.
//!
//! Without finalizers a deletion is never held up, also not by an operator that is away; this looks
//! again and again instead. With a standby elsewhere the server's pod has one, and goes once this
//! has looked.

use super::context::{ControllerContext, ours};
use crate::kubernetes::{delete, release_pod};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::{Api, ResourceExt};
use mooring_api::LicenseServer;
use mooring_api::names::{SERVER_LABEL, SERVER_NAMESPACE_LABEL, ServerRef};
use mooring_api::serving::END_SEEN;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(10);
/// The bindings are listed in each so manieth round, and in each round that ended a link.
const BINDINGS: u32 = 30;
/// Of how many servers that are gone the mirrors are cared for at a time; of others once these are
/// done.
const MOST_BEREAVED: usize = 64;

/// Runs until dropped.
pub(super) async fn run(ctx: Arc<ControllerContext>, store: Store<LicenseServer>) {
    if store.wait_until_ready().await.is_err() {
        return;
    }
    ctx.cache().complete().await;
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = 0;
    loop {
        tick.tick().await;
        let there: HashSet<ServerRef> = store.state().iter().map(|s| s.reference()).collect();
        let mut ended = false;
        let servers = ctx.connections.servers().into_iter();
        for server in servers.filter(|s| !there.contains(s)) {
            if has_holders(&ctx, &server) {
                ended |= bereave(&ctx, &server);
            } else {
                ctx.connections.end(&server, &ctx.connection);
                ended = true;
            }
        }
        ctx.memory().retain(|server, _| there.contains(server));
        if (ended || round % BINDINGS == 0)
            && let Err(e) = bindings(&ctx, &there).await
        {
            tracing::warn!(error = %e, "removing ClusterRoleBindings of LicenseServers that are gone");
        }
        if let Err(e) = pods(&ctx, &there).await {
            tracing::warn!(error = %e, "releasing pods of LicenseServers that are gone");
        }
        if let Err(e) = mirrors(&ctx, &there).await {
            tracing::warn!(error = %e, "looking after mirrors of LicenseServers that are gone");
        }
        round += 1;
    }
}

async fn bindings(ctx: &ControllerContext, there: &HashSet<ServerRef>) -> Result<(), kube::Error> {
    let api: Api<ClusterRoleBinding> = Api::all(ctx.client().clone());
    let listed = ListParams::default().labels(&ours());
    for binding in api.list(&listed).await? {
        let label = |key| binding.labels().get(key).cloned().unwrap_or_default();
        let server = ServerRef::new(label(SERVER_NAMESPACE_LABEL), label(SERVER_LABEL));
        if !there.contains(&server) && absent(ctx, &server).await? && delete(&api, &binding).await?
        {
            tracing::info!(server = %server, binding = %binding.name_any(), "binding removed with its LicenseServer");
        }
    }
    Ok(())
}

/// Pods that stay for their end to be seen, and whose LicenseServer is gone.
async fn pods(ctx: &ControllerContext, there: &HashSet<ServerRef>) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::all(ctx.client().clone());
    // Any version will do: what is not there yet is found in the next round.
    let listed = ListParams::default().labels(&ours()).match_any();
    for pod in api.list_metadata(&listed).await? {
        let held = pod.finalizers().iter().any(|f| f == END_SEEN);
        let name = pod.labels().get(SERVER_LABEL).cloned().unwrap_or_default();
        let server = ServerRef::new(pod.namespace().unwrap_or_default(), name);
        let gone = held && !there.contains(&server) && absent(ctx, &server).await?;
        if gone && pod.metadata.deletion_timestamp.is_some() {
            release_pod(ctx.client(), &pod.metadata).await?;
            tracing::info!(server = %server, "the pod of a LicenseServer that is gone is released");
        }
    }
    Ok(())
}

/// Mirrors of servers that are not there and that nobody cares for yet: an operator that has just
/// started finds such.
async fn mirrors(ctx: &ControllerContext, there: &HashSet<ServerRef>) -> Result<(), kube::Error> {
    let cared = ctx.connections.servers();
    let mut gone = ctx.cache().mirrored_servers();
    gone.retain(|s| !there.contains(s) && !cared.contains(s));
    if gone.is_empty() {
        return Ok(());
    }
    // A cache may lag; one question for all, since whoever may write a LicenseLease names whom he
    // likes.
    let api: Api<LicenseServer> = Api::all(ctx.client().clone());
    let listed = api.list_metadata(&ListParams::default()).await?;
    let listed: HashSet<ServerRef> = listed.iter().map(reference).collect();
    gone.retain(|s| !listed.contains(s));
    let bereaved = cared.iter().filter(|s| !there.contains(s)).count();
    let (used, unused) = orphans(gone, bereaved, |s| !ctx.cache().pods_of(s).is_empty());
    for server in used {
        bereave(ctx, &server);
    }
    for server in unused {
        for key in ctx.cache().mirrored(&server) {
            if let Some(stored) = ctx.cache().mirror(&server, &key) {
                let writer = &ctx.connection.writer;
                writer.delete(&server, &key, &stored.lease).await?;
            }
        }
    }
    Ok(())
}

fn reference(object: &impl ResourceExt) -> ServerRef {
    ServerRef::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// Of the servers that mirrors name and that are gone: those whose mirrors are cared for, since
/// there are pods that may run on; and those whose mirrors are nobody's. `cared`: how many are
/// cared for already.
fn orphans(
    gone: Vec<ServerRef>,
    cared: usize,
    has_pods: impl Fn(&ServerRef) -> bool,
) -> (Vec<ServerRef>, Vec<ServerRef>) {
    let (mut used, unused): (Vec<_>, Vec<_>) = gone.into_iter().partition(has_pods);
    used.truncate(MOST_BEREAVED.saturating_sub(cared));
    (used, unused)
}

fn has_holders(ctx: &ControllerContext, server: &ServerRef) -> bool {
    let cache = ctx.cache();
    !cache.mirrored(server).is_empty() || !cache.pods_of(server).is_empty()
}

fn bereave(ctx: &ControllerContext, server: &ServerRef) -> bool {
    let now = mooring_net::clock::now().wall;
    ctx.connections.bereave(server, &ctx.connection, now)
}

/// Whether the API server itself says that the LicenseServer is not there: a cache may lag.
async fn absent(ctx: &ControllerContext, server: &ServerRef) -> Result<bool, kube::Error> {
    let api: Api<LicenseServer> = Api::namespaced(ctx.client().clone(), &server.namespace);
    Ok(server.name.is_empty() || api.get_opt(&server.name).await?.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_that_name_servers_which_never_were_start_nothing() {
        let server = |n: usize| ServerRef::new("a", format!("s{n}"));
        let named: Vec<_> = (0..1000).map(server).collect();
        let (used, unused) = orphans(named.clone(), 0, |_| false);
        assert_eq!((used.len(), unused.len()), (0, 1000));
        let (used, unused) = orphans(named.clone(), 3, |_| true);
        assert_eq!((used.len(), unused.len()), (MOST_BEREAVED - 3, 0));
        let (used, unused) = orphans(named, 0, |s| *s == server(7));
        assert_eq!((used, unused.len()), (vec![server(7)], 999));
    }
}
