//! Helm: install, upgrade, uninstall.

use super::steps::{begin, renews};
use crate::lab::{App, Helm, Lab, Server};
use anyhow::{Context as _, Result, bail, ensure};

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
    let app = App::start(lab, &ns, "app", "render", None).await?;
    app.says("Held", 60).await?;

    let before = generation(lab).await?;
    Helm::upgrade(lab, &["operator.log=debug", "operator.replicas=1"])
        .await?
        .ok("helm upgrade with changed values")?;
    ensure!(
        generation(lab).await? != before,
        "the upgrade with changed values changed nothing"
    );
    server.shows(lab, &[("Held", 1)], 30).await?;

    Helm::uninstall().await?.ok("helm uninstall")?;
    let crds = lab
        .kubectl(&[
            "get",
            "crd",
            "licenseservers.mooring.dev",
            "licenseleases.mooring.dev",
        ])
        .await?;
    crds.ok("the CRDs after helm uninstall")?;
    ensure!(
        server.leases(lab).await?.len() == 1,
        "the leases are gone after helm uninstall"
    );
    renews(&app, 3).await.context("after helm uninstall")?;
    if app.state().as_deref() != Some("Held") {
        bail!(
            "the application noticed the uninstall: {:?}",
            super::steps::states(&app)
        );
    }

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
    let args = [
        "-n",
        "mooring-system",
        "get",
        "deployment",
        "-o",
        "jsonpath={.items[*].metadata.generation}",
    ];
    lab.kubectl(&args)
        .await?
        .ok("reading the operator's deployment")
}
