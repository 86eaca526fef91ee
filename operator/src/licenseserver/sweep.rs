//! Removes what a LicenseServer that is gone cannot take along: its link, what is remembered of it,
//! its ClusterRoleBinding; and its mirrors once their pods are gone, which may run on under their
//! grace.
//!
//! Without finalizers a deletion is never held up, also not by an operator that is away; this looks
//! again and again instead.

use super::context::{ControllerContext, ours};
use crate::kubernetes::delete;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::{Api, ResourceExt as _};
use mooring_api::LicenseServer;
use mooring_api::names::{SERVER_LABEL, SERVER_NAMESPACE_LABEL, ServerRef};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(10);
/// The bindings are listed in each so manieth round, and in each round that ended a link.
const BINDINGS: u32 = 30;

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

async fn mirrors(ctx: &ControllerContext, there: &HashSet<ServerRef>) -> Result<(), kube::Error> {
    let servers = ctx.cache().mirrored_servers().into_iter();
    for server in servers.filter(|s| !there.contains(s)) {
        if !absent(ctx, &server).await? {
            continue;
        }
        bereave(ctx, &server);
    }
    Ok(())
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
