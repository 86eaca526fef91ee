//! A line in which seats gather.

use super::steps::{event, leases_say, shown, socket};
use crate::lab::{App, Lab, Server};
use crate::main_job::begin;
use anyhow::{Result, ensure};

/// Three seats of one product, one of another: who waits is told how many are free and who stands
/// in front, and never that all seats are taken while one is free.
pub(super) async fn seats_that_gather_for_the_head_are_told_as_free(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "seats_that_gather_for_the_head_are_told_as_free").await?;
    let mut server = Server::new(&ns, 3);
    server.products.push(("denoise".into(), 1));
    server.ready(lab).await?;
    let start = async |name: &str, licenses: &str| App::start(lab, &ns, name, licenses, None).await;
    let holder = start("holder", "render:2").await?;
    holder.says("Held", 60).await?;
    let head = start("head", "render:2,denoise").await?;
    let wants = "2 seats of render are wanted, and 1 is free";
    let status = shown(lab, &head, "Waiting", &[wants]).await?;
    ensure!(
        status.place == Some(1) && status.reason.as_deref() == Some("Full"),
        "{status:?}"
    );
    for (name, licenses) in [("small", "render"), ("other", "denoise")] {
        let app = start(name, licenses).await?;
        let kept =
            format!("1 seat of {licenses} is free, kept for pod head, which is in front of it");
        let status = shown(lab, &app, "Waiting", &[&kept]).await?;
        ensure!(status.reason.as_deref() == Some("Behind"), "{status:?}");
        event(lab, &app, "LicenseWaiting", &["at place", &kept]).await?;
        socket(lab, &app, &["Waiting, place", &kept]).await?;
        leases_say(lab, &ns, &[&kept]).await?;
    }
    holder.delete(lab).await?;
    head.says("Held", 30).await
}
