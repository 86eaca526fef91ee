//! Helm: install, upgrade, uninstall.

use super::steps::{begin, holds, renews, states};
use crate::lab::{App, Helm, Lab, Server};
use anyhow::{Context as _, Result, ensure};

/// Everything becomes Ready; an upgrade with changed values rolls the operator and disturbs nobody;
/// an uninstall breaks no running pod and keeps CRDs and leases; installed again, all goes on.
pub(super) async fn helm_installs_upgrades_and_uninstalls(lab: &Lab) -> Result<()> {
    let _ = Helm::uninstall().await?;
    let notes = Helm::upgrade(lab, &[]).await?.ok("helm install")?;
    ensure!(
        notes.contains("mooring.dev/licenses"),
        "NOTES.txt does not say how a pod opts in:\n{notes}"
    );

    let ns = begin(lab, "helm_installs_upgrades_and_uninstalls").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let app = holds(lab, &ns, "app", None).await?;

    let before = generation(lab).await?;
    let changed = Helm::upgrade(lab, &["operator.log=debug", "operator.replicas=1"]);
    changed.await?.ok("helm upgrade with changed values")?;
    ensure!(
        generation(lab).await? != before,
        "the upgrade with changed values changed nothing"
    );
    server.shows(lab, &[("Held", 1)], 30).await?;

    Helm::uninstall().await?.ok("helm uninstall")?;
    let crds = lab.kubectl("get crd licenseservers.mooring.dev licenseleases.mooring.dev");
    crds.await?.ok("the CRDs after helm uninstall")?;
    ensure!(
        server.leases(lab).await?.len() == 1,
        "the leases are gone after helm uninstall"
    );
    renews(&app, 3).await.context("after helm uninstall")?;
    ensure!(
        app.state().as_deref() == Some("Held"),
        "the application noticed the uninstall: {:?}",
        states(&app)
    );

    Helm::upgrade(lab, &[]).await?.ok("helm install again")?;
    server.condition(lab, "Ready", "True").await?;
    let two = App::start(lab, &ns, "two", "render", None).await?;
    server
        .shows(lab, &[("Held", 1), ("Waiting", 1)], 60)
        .await?;
    app.delete(lab).await?;
    two.says("Held", 30).await
}

async fn generation(lab: &Lab) -> Result<String> {
    let path = "jsonpath={.items[*].metadata.generation}";
    let get = format!("-n mooring-system get deployment -o {path}");
    let said = lab.kubectl(&get).await?;
    said.ok("reading the operator's deployment")
}
