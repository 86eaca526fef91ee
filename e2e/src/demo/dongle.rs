//! A dongle is pulled out and plugged in again.

use super::show::{NAMESPACE, print, say};
use crate::anchors::{anchor, serve};
use crate::lab::{Card, Lab, PIN, Server};
use anyhow::Result;

/// Shows it with a second license server, which is taken away afterwards. Left out where no card
/// can be put into a pod's reader: on a cluster that is not the project's own.
pub(super) async fn show(lab: &Lab) -> Result<()> {
    if !lab.own || lab.images.pcscd_test.is_none() {
        return Ok(());
    }
    say(
        "6. A dongle: a virtual PIV card behind pcscd and OpenSC, the anchor of a second license server. It is pulled out, and plugged in again.",
    );
    let card = Card::make(lab, "demo", PIN).await?;
    let mut server = Server::new(NAMESPACE, 2);
    server.name = "dongle".into();
    serve(lab, &mut server, &card, PIN).await?;
    let inserted = card.insert(lab, &server).await?;
    server.condition(lab, "Ready", "True").await?;
    let look = format!("-n {NAMESPACE} get licenseserver dongle");
    print(lab, &look).await?;

    drop(inserted);
    let (c, out) = anchor(lab, &server, "False", 30).await?;
    let (out, message) = (out.as_secs_f64(), c.message);
    println!("\nPulled out. {out:.1} s later AnchorPresent is False:\n  {message}");
    print(lab, &look).await?;

    let _inserted = card.insert(lab, &server).await?;
    let (_, back) = anchor(lab, &server, "True", 30).await?;
    let back = back.as_secs_f64();
    println!("\nPlugged in. {back:.1} s later all is well again:");
    print(lab, &look).await?;
    let delete = format!("-n {NAMESPACE} delete licenseserver dongle");
    let deleted = lab.kubectl(&delete).await?;
    deleted
        .ok("taking the second license server away")
        .map(drop)
}
