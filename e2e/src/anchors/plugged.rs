//! The dongle is pulled out of the node, and plugged in again.

use super::steps::{anchor, pod, serve};
use crate::lab::{App, Card, Lab, PIN, Server, eventually, so, within};
use crate::main_job::{begin, holds, renews, states};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// What the issue promises of a dongle that is back.
const BACK: Duration = Duration::from_secs(5);
/// The condition follows: the operator hears of it and writes it.
const TOLD: Duration = Duration::from_secs(10);

/// Out: a condition and an Event, no new leases, old ones go on. In: all well within seconds, in
/// the same pod. Out and in at once: the same.
pub(super) async fn unplugged_nothing_new_is_granted_and_replugged_all_is_well(
    lab: &Lab,
) -> Result<()> {
    let ns = begin(
        lab,
        "unplugged_nothing_new_is_granted_and_replugged_all_is_well",
    )
    .await?;
    let card = Card::make(lab, "plugged", PIN).await?;
    let mut server = Server::new(&ns, 2);
    serve(lab, &mut server, &card, PIN).await?;
    let inserted = card.insert(lab, &server).await?;
    server.condition(lab, "Ready", "True").await?;
    let one = holds(lab, &ns, "one", Some(&lab.nodes.1)).await?;
    let before = pod(lab, &server).await?;

    drop(inserted);
    let (c, told) = anchor(lab, &server, "False", 30).await?;
    let message = c.message;
    println!("  pulled out: AnchorPresent=False after {told:.1?}: {message}");
    ensure!(told < TOLD, "AnchorPresent=False after {told:?}");
    // There may be one from its start, too.
    eventually("an Event says what to do", within(20), async || {
        let all = server.events(lab).await?;
        let mut lost = all.lines().filter(|l| l.contains("AnchorLost"));
        so(lost.any(|l| l.contains("plug")), || all)
    })
    .await?;
    let two = App::start(lab, &ns, "two", "render", Some(&lab.nodes.1)).await?;
    renews(&one, 2).await?;
    let (told, started) = (states(&one), two.started(lab).await?);
    ensure!(
        !started && told.iter().all(|s| s == "Held"),
        "one was told {told:?}, two started: {started}"
    );

    let begun = Instant::now();
    let inserted = card.insert(lab, &server).await?;
    eventually("the server sees the dongle again", within(20), async || {
        let m = server.metrics(lab).await?;
        let there = m.lines().any(|l| l == "mooring_anchor_present 1");
        so(there, || "mooring_anchor_present 0".into())
    })
    .await?;
    let seen = begun.elapsed();
    anchor(lab, &server, "True", 30).await?;
    let told = begun.elapsed();
    println!(
        "  plugged in: the server is well after {seen:.1?}, AnchorPresent=True after {told:.1?}"
    );
    ensure!(seen < BACK, "back after {seen:?}");
    ensure!(told < TOLD, "AnchorPresent=True after {told:?}");
    two.says("Held", 60).await?;
    renews(&one, 1).await?;

    drop(inserted);
    let _inserted = card.insert(lab, &server).await?;
    // What was granted before and what is granted now: a third pod takes over a seat.
    one.delete(lab).await?;
    holds(lab, &ns, "three", Some(&lab.nodes.1)).await?;
    anchor(lab, &server, "True", 20).await?;
    let after = pod(lab, &server).await?;
    ensure!(
        before == after && after.1 == 0,
        "the server's pod before: {before:?}, after: {after:?}"
    );
    ensure!(card.logins()?.1 == 0, "the card refused a login");
    Ok(())
}
