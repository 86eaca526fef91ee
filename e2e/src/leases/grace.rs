//! The license server goes, and the grace runs out.

use super::steps::story;
use crate::lab::{Lab, Server};
use crate::main_job::{begin, holds, renews, states};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::Duration;

/// D, in milliseconds.
const DURATION: u64 = 10_000;
/// The grace, in milliseconds.
const GRACE: u64 = 20_000;

/// A running application is told `Grace` when its lease has run out, and `Lost` 20 s after the
/// sending of the last request that was answered, not before; when the server is back, it is `Held`
/// again.
pub(super) async fn the_grace_ends_after_20_s_and_not_before(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "the_grace_ends_after_20_s_and_not_before").await?;
    let mut server = Server::new(&ns, 1);
    (server.duration, server.grace) = (Duration::from_secs(10), Duration::from_secs(20));
    server.movable = true;
    server.arrive(lab).await?;
    server.ready(lab).await?;
    let app = holds(lab, &ns, "app", Some(&lab.nodes.1)).await?;
    renews(&app, 1).await?;

    server.leave(lab).await?;
    app.says("Lost", 40).await.with_context(|| story(&app))?;

    let lines = app.lines();
    let first = |state: &str| lines.iter().find(|l| l["event"]["state"] == state);
    let lost = first("Lost").context("no word of the loss")?;
    let grace = first("Grace").with_context(|| format!("{}: never Grace", story(&app)))?;
    let before = lines.iter().take_while(|l| l["event"]["state"] != "Lost");
    let end = |l: &&Value| l["event"]["claims"][0]["heldUntilBootMs"].as_u64();
    let last = before.clone().filter_map(|l| end(&l)).max();
    // Of the words of that lease's end, the first is the one that its answer brought.
    let held = before.clone().find(|l| last.is_some() && end(l) == last);
    let held = held.with_context(|| format!("{}: never Held", story(&app)))?;
    // A lease lasts for D from the sending of the request that was answered.
    let lease_end = millis(&held["event"]["claims"][0]["heldUntilBootMs"])?;
    let sent = lease_end - DURATION;
    let at = |line: &Value| millis(&line["bootMs"]);
    let (heard, grace_at, lost_at) = (at(held)?, at(grace)?, at(lost)?);
    println!(
        "  last answered request sent at 0 ms, its answer heard at {} ms, Grace at {} ms, Lost at {} ms",
        heard.saturating_sub(sent),
        grace_at.saturating_sub(sent),
        lost_at.saturating_sub(sent)
    );
    ensure!(
        sent <= heard,
        "an answer was heard at {heard} ms of the boot clock, before its request was sent at {sent} ms"
    );
    ensure!(
        millis(&held["event"]["untilBootMs"])? == sent + GRACE,
        "the last word of Held promised another end than 20 s after the sending at {sent} ms: {held}"
    );
    ensure!(
        grace_at >= lease_end && grace["event"]["licensed"] == true,
        "Grace before the lease's end at {lease_end} ms, or not licensed: {grace}"
    );
    ensure!(
        lost_at >= sent + GRACE,
        "Lost {} ms after the last answered request was sent, before the {GRACE} ms of the grace: {}",
        lost_at.saturating_sub(sent),
        story(&app)
    );
    ensure!(
        lost_at < sent + GRACE + 2000,
        "Lost only {} ms after the last answered request was sent: {}",
        lost_at - sent,
        story(&app)
    );
    ensure!(
        lost["event"]["licensed"] == false,
        "Lost is licensed: {lost}"
    );

    server.arrive(lab).await?;
    let held = app.says("Held", 60).await;
    held.context("when the server is back")?;
    // Its claim is a new one, which waits while the server looks who else is there.
    let all = states(&app).join(" ");
    ensure!(
        ["Held Grace Lost Held", "Held Grace Lost Waiting Held"].contains(&all.as_str()),
        "{}: expected Held, Grace, Lost, perhaps Waiting, Held",
        story(&app)
    );
    server.forget(lab).await
}

fn millis(v: &Value) -> Result<u64> {
    v.as_u64()
        .with_context(|| format!("expected milliseconds of the boot clock, found {v}"))
}
