//! Watches AdmissionChecks and Workloads, hands the claims of these to the connections, writes what
//! the checks say.

use super::desk::{Desk, Round};
use super::status::{CheckWrite, changed};
use crate::cache::watches::PAGE;
use crate::connection::OwnersBook;
use crate::kubernetes::unless;
use crate::owners::WorkloadClaim;
use crate::watch::watch;
use crate::watched::{AdmissionCheck, Workload};
use futures::StreamExt as _;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::reflector::Store;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::LicenseServer;
use mooring_api::names::{FIELD_MANAGER, ServerRef};
use mooring_core::ledger::OWNER_SILENCE;
use mooring_net::clock;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How often it is looked without news, and how long these are gathered.
const EACH: Duration = Duration::from_secs(2);
const GATHER: Duration = Duration::from_millis(200);
/// How often it is asked whether Kueue is there by now.
const ABSENT: Duration = Duration::from_secs(30);
/// How many writes are under way at once, and how long one may take.
const AT_ONCE: usize = 8;
const WRITE: Duration = Duration::from_secs(10);

/// Runs until dropped.
pub(crate) async fn run(client: Client, book: &OwnersBook, servers: Store<LicenseServer>) {
    if servers.wait_until_ready().await.is_err() {
        return;
    }
    awaits_kueue(&client, book).await;
    let config = || watcher::Config::default().page_size(PAGE);
    let checks = Api::<AdmissionCheck>::all(client.clone());
    let workloads = Api::<Workload>::all(client.clone());
    let checks = watch(checks, config()).map(|e| (e, "AdmissionChecks"));
    let workloads = watch(workloads, config()).map(|e| (e, "Workloads"));
    let (mut checks, mut workloads) = (std::pin::pin!(checks), std::pin::pin!(workloads));
    let (mut all_checks, mut all_workloads) = (Listed::default(), Listed::default());
    let mut desk = Desk::default();
    let mut next = Instant::now();
    loop {
        tokio::select! {
            Some((event, what)) = checks.next() => {
                all_checks.take(event, what, |c: &AdmissionCheck| c.name_any(), &mut desk.checks);
                next = next.min(Instant::now() + GATHER);
            }
            Some((event, what)) = workloads.next() => {
                let uid = |w: &Workload| w.uid().unwrap_or_default();
                all_workloads.take(event, what, uid, &mut desk.workloads);
                next = next.min(Instant::now() + GATHER);
            }
            () = book.answers.notified() => next = next.min(Instant::now() + GATHER),
            () = sleep_until(next) => {
                next = Instant::now() + EACH;
                // Of what is not known yet nothing is concluded.
                if all_checks.complete && all_workloads.complete {
                    look(&client, book, &servers, &mut desk).await;
                }
            }
        }
    }
}

/// Waits until Kueue's objects are served. If that takes longer than anything is kept for it, it
/// has gone, and so have its Workloads.
async fn awaits_kueue(client: &Client, book: &OwnersBook) {
    let checks = Api::<AdmissionCheck>::all(client.clone());
    let one = ListParams::default().limit(1);
    let (began, mut told) = (Instant::now(), false);
    while let Err(e) = checks.list(&one).await {
        if !std::mem::replace(&mut told, true) {
            tracing::info!(error = %e, "Kueue is not there: its AdmissionChecks are looked for again and again");
        }
        if began.elapsed() >= OWNER_SILENCE {
            book.has_no_workloads();
        }
        sleep(ABSENT).await;
    }
    tracing::info!(
        "Kueue is there: AdmissionChecks of controller mooring.dev/license are answered"
    );
}

/// What is known of all objects of a kind.
#[derive(Debug, Default)]
struct Listed {
    listed: HashSet<String>,
    complete: bool,
}

impl Listed {
    fn take<K: Debug>(
        &mut self,
        event: watcher::Result<Event<K>>,
        what: &str,
        key: impl Fn(&K) -> String,
        all: &mut BTreeMap<String, K>,
    ) {
        match event {
            Ok(Event::Init) => self.listed.clear(),
            Ok(Event::InitApply(o)) => {
                self.listed.insert(key(&o));
                all.insert(key(&o), o);
            }
            Ok(Event::InitDone) => {
                all.retain(|k, _| self.listed.contains(k));
                self.complete = true;
            }
            Ok(Event::Apply(o)) => {
                all.insert(key(&o), o);
            }
            Ok(Event::Delete(o)) => {
                all.remove(&key(&o));
            }
            Err(e) => tracing::warn!(error = %e, "watching Kueue's {what}"),
        }
    }
}

async fn look(client: &Client, book: &OwnersBook, servers: &Store<LicenseServer>, desk: &mut Desk) {
    // One outside of the cluster reserves nothing.
    let servers = servers.state();
    let inside = servers.iter().filter(|s| s.spec.external.is_none());
    let servers: Vec<ServerRef> = inside.map(|s| s.reference()).collect();
    let round = desk.look(
        &servers,
        &|server, key| book.stand(server, key),
        clock::now(),
    );
    let Round {
        claims,
        conditions,
        writes,
    } = round;
    for (server, claims) in claims {
        let claims: Vec<WorkloadClaim> = claims.into_values().collect();
        book.set_workloads(&server, &claims);
    }
    for (name, condition) in conditions {
        let status = json!({ "status": { "conditions": [condition] } });
        let checks: Api<AdmissionCheck> = Api::all(client.clone());
        let (params, status) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&status));
        match timeout(WRITE, checks.patch_status(&name, &params, &status)).await {
            Ok(Ok(_)) => {}
            Ok(Err(e)) => {
                tracing::warn!(check = %name, error = %e, "the condition of an AdmissionCheck could not be written; tried again");
            }
            Err(_) => tracing::warn!(check = %name, "the API server takes too long"),
        }
    }
    let all = futures::stream::iter(writes);
    all.for_each_concurrent(AT_ONCE, |w| async move {
        match timeout(WRITE, write(client, &w)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                tracing::warn!(workload = %w.name, namespace = %w.namespace, check = %w.check, error = %e, "what a check says could not be written; tried again");
            }
            Err(_) => tracing::warn!(workload = %w.name, "the API server takes too long"),
        }
    })
    .await;
}

/// Lists are written whole, so only as they were read.
async fn write(client: &Client, w: &CheckWrite) -> Result<(), kube::Error> {
    let kind = ApiResource::erase::<Workload>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &w.namespace, &kind);
    let Some(seen) = api.get_opt(&w.name).await? else {
        return Ok(());
    };
    if seen.metadata.uid.as_deref() != Some(&w.uid) {
        return Ok(());
    }
    let status = seen.data.get("status").unwrap_or(&serde_json::Value::Null);
    let Some(status) = changed(status, &w.check, &w.says, clock::now().wall) else {
        return Ok(());
    };
    let patch = Patch::Merge(json!({
        "metadata": { "uid": w.uid, "resourceVersion": seen.metadata.resource_version },
        "status": status,
    }));
    let params = PatchParams::apply(FIELD_MANAGER);
    let done = api.patch_status(&w.name, &params, &patch);
    // Where somebody else has written meanwhile it is looked at again.
    if unless(done.await, &[409])?.is_some() {
        tracing::info!(workload = %w.name, namespace = %w.namespace, check = %w.check, says = ?w.says, "AdmissionCheck answered");
    }
    Ok(())
}
