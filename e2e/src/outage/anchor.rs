//! A server that answers, and grants or renews nothing.

use super::steps::{event, first_problem, leases_say, shown, socket};
use crate::lab::{App, Lab, PIN, Server};
use crate::main_job::{begin, holds};
use anyhow::{Result, ensure};
use mooring_core::time::Timestamp;
use std::time::Duration;

/// A wrong PIN, found at a restart: no word of taken seats or of the network, but of the PIN.
pub(super) async fn a_wrong_pin_is_told_to_who_waits_and_who_holds(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_wrong_pin_is_told_to_who_waits_and_who_holds").await?;
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;
    let one = holds(lab, &ns, "one", Some(&lab.nodes.1)).await?;
    let license = server.license(lab, &lab.anchor.description).await?;
    server.apply_with(lab, &license, "000000").await?;
    server.delete_pod(lab, "--grace-period=1").await?;
    server.condition(lab, "AnchorPresent", "False").await?;

    let far = Some(lab.nodes.1.as_str());
    let licensed = "    mooring.dev/start: licensed\n";
    let two = App::start_with(lab, &ns, "two", "render", far, licensed).await?;
    shown(lab, &two, "Waiting", &["PinRejected"]).await?;
    event(lab, &two, "LicenseWaiting", &["PinRejected", "PIN"]).await?;
    socket(lab, &two, &["PinRejected"]).await?;
    let held = shown(
        lab,
        &one,
        "Grace",
        &["is not Ready since", "PinRejected", "until about"],
    )
    .await?;
    ensure!(
        held.until.is_some() && held.reason.as_deref() == Some("PinRejected"),
        "{held:?}"
    );
    event(lab, &one, "LicenseGrace", &["PinRejected", "until about"]).await?;
    socket(lab, &one, &["Grace, licensed for", ": for ", "PinRejected"]).await?;
    first_problem(lab, &server, &["PinRejected"]).await?;
    leases_say(lab, &ns, &["PinRejected", "Grace", "Waiting"]).await?;
    server.apply_with(lab, &license, PIN).await?;
    one.says("Held", 60).await?;
    shown(lab, &one, "Held", &[]).await?;
    two.says("Held", 60).await
}

/// A license that runs out while a pod holds a lease of it.
pub(super) async fn a_license_that_ends_is_told_to_its_holders(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_license_that_ends_is_told_to_its_holders").await?;
    let server = Server::new(&ns, 1);
    let ends = (Timestamp::now() + Duration::from_secs(25)).to_string();
    let (products, anchor) = (&server.products, &lab.anchor.description);
    let expires = format!("expires: \"{ends}\"\n");
    let license = lab.vendor.license("ends", products, anchor, &expires);
    server.apply_with(lab, &license.await?, PIN).await?;
    server.condition(lab, "Ready", "True").await?;
    let app = holds(lab, &ns, "app", Some(&lab.nodes.1)).await?;
    let held = shown(lab, &app, "Grace", &["Expired", "until about"]).await?;
    ensure!(held.until.is_some(), "{held:?}");
    event(lab, &app, "LicenseGrace", &["Expired"]).await?;
    socket(lab, &app, &["Grace", "license-invalid"]).await?;
    first_problem(lab, &server, &["Expired"]).await
}
