//! Pods that are evicted when their license is lost, and pods that are not.

use super::fleet::{Fleet, uids};
use crate::lab::{App, Lab, OPERATOR, Server, audit, eventually, within};
use crate::main_job::{begin, count_seats, holds};
use crate::outage::{event, lease, mooring, shown};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use mooring_core::time::Timestamp;

/// Two pods lose their license for good. One asks for its eviction: refused while a
/// `PodDisruptionBudget` forbids it, which an Event says; done once that allows it, with an Event
/// that says why. Its replacement waits in line, and has a seat when one is free. The other one
/// runs on.
pub(super) async fn who_asks_for_it_is_evicted_when_its_license_is_lost(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "who_asks_for_it_is_evicted_when_its_license_is_lost").await?;
    let since = Timestamp::now();
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;
    let fleet = Fleet::new(&ns, "stops", 1).annotated("    mooring.dev/on-loss: stop\n");
    fleet.apply(lab).await?;
    budget(lab, &ns, &fleet, 1).await?;
    let old = fleet.all_hold(lab, 1).await?;
    let stops = &old.first().context("the fleet has no pod")?.0;
    let keeps = holds(lab, &ns, "keeps", None).await?;
    let first = App::start(lab, &ns, "first", "render", None).await?;
    let second = App::start(lab, &ns, "second", "render", None).await?;
    server
        .shows(lab, &[("Held", 2), ("Waiting", 2)], 60)
        .await?;

    for app in [stops, &keeps] {
        let revoked = mooring(lab, &format!("revoke {} -n {ns}", app.name)).await?;
        revoked.ok("mooring revoke")?;
        app.says("Lost", 15).await?;
    }
    let refused = ["lost since", "mooring.dev/on-loss", "disruption budget"];
    event(lab, stops, "EvictionRefused", &refused).await?;
    runs_on(&stops.pod(lab).await?)?;
    let status = lease(lab, &ns, &stops.name).await?;
    ensure!(
        status.as_ref().is_some_and(|s| s.lost_since.is_some()),
        "its LicenseLease does not say since when: {status:?}"
    );

    budget(lab, &ns, &fleet, 0).await?;
    let evicted = ["lost since", "Revoked", "evicted", "mooring.dev/on-loss"];
    event(lab, stops, "LicenseLost", &evicted).await?;
    let before = uids(&old);
    let new = eventually("another pod in its stead", within(30), async || {
        let now = fleet.apps(lab).await?;
        let new = now.into_iter().find(|(_, uid)| !before.contains(uid));
        Ok(new.ok_or_else(|| "there is none".to_owned()))
    })
    .await?;
    // Both seats are with those who stood in line.
    shown(lab, &new.0, "Waiting", &[]).await?;
    first.delete(lab).await?;
    new.0.says("Held", 30).await?;

    let stays = keeps.pod(lab).await;
    runs_on(&stays.context("the pod that did not ask for its eviction")?)?;
    // By the Eviction API: an eviction is created, and nothing deleted.
    let wrote = audit::writes(&ns, "pods", OPERATOR, since)?;
    let wrote = wrote.get(&stops.name);
    ensure!(
        wrote.is_some_and(|verbs| *verbs == ["create"]),
        "the operator did more to {} than one eviction: {wrote:?}",
        stops.name
    );
    let all = [stops, &keeps, &first, &second, &new.0].map(|a| (a, 1));
    count_seats(&all, 2).map(drop)
}

/// So many pods of the fleet must be there at any time.
async fn budget(lab: &Lab, ns: &str, fleet: &Fleet<'_>, available: u32) -> Result<()> {
    let name = fleet.name;
    let budget = serde_json::json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": name, "namespace": ns },
        "spec": { "minAvailable": available, "selector": { "matchLabels": { "fleet": name } } },
    });
    let made = lab.apply(&budget.to_string()).await?;
    made.ok("a PodDisruptionBudget").map(drop)
}

/// Nobody has asked for this pod's end, and its application runs.
fn runs_on(pod: &Pod) -> Result<()> {
    let status = pod.status.clone().unwrap_or_default();
    let mut containers = status.container_statuses.iter().flatten();
    let running = |s: &ContainerState| s.running.is_some();
    let runs = containers.any(|c| c.name == "app" && c.state.as_ref().is_some_and(running));
    let going = pod.metadata.deletion_timestamp.is_some();
    ensure!(
        runs && !going,
        "its application runs: {runs}, it is on its way out: {going}: {status:?}"
    );
    Ok(())
}
