//! A node is cut off the network.

use super::steps::{begin, count_seats, states};
use crate::lab::{App, Lab, Server, eventually, so, within};
use anyhow::{Context as _, Result, ensure};

/// The pod goes on (`Grace`); its seat is free after D + M and not before; when the node is back, a
/// pod whose seat was given away is `Contested`, and one whose seat was not is `Held`.
pub(super) async fn a_node_is_cut_off(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_node_is_cut_off").await?;
    let mut server = Server::new(&ns, 1);
    server.products.push(("denoise".into(), 1));
    server.ready(lab).await?;
    let (near, far) = (lab.nodes.0.clone(), lab.nodes.1.clone());
    let cut = App::start(lab, &ns, "cut", "render", Some(&far)).await?;
    let alone = App::start(lab, &ns, "alone", "denoise", Some(&far)).await?;
    cut.says("Held", 60).await?;
    alone.says("Held", 60).await?;
    let waits = App::start(lab, &ns, "waits", "render", Some(&near)).await?;
    server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;

    lab.node("cut", &far).await?;
    let given = waits.says("Held", 40).await;
    let silent = one_alone_is_held(lab, &server).await;
    // Whatever came of it, the node comes back.
    let joined = lab.node("join", &far).await;
    given.context("the seat of a pod that was cut off is given to the one that waits")?;
    silent?;
    joined?;
    for (app, state) in [(&cut, "Contested"), (&alone, "Held")] {
        let told = app.says(state, 60).await;
        told.context("when the node is back")?;
    }

    // What the pods wrote while they were cut off is read from their logs afterwards.
    let word = |a: &App, state: &str| -> Option<serde_json::Value> {
        a.lines().into_iter().find(|l| l["event"]["state"] == state)
    };
    let grace = word(&cut, "Grace").context("the pod that was cut off was never told Grace")?;
    ensure!(
        grace["event"]["licensed"] == true,
        "Grace is not licensed: {grace}"
    );
    ensure!(
        states(&alone).iter().any(|s| s == "Grace"),
        "the other pod on that node was told {:?}",
        states(&alone)
    );
    let mut lines = cut.lines().into_iter();
    let last_held = lines.rfind(|l| l["event"]["state"] == "Held");
    let end = &last_held.context("never Held")?["event"]["claims"][0]["heldUntilBootMs"];
    let lease_end = end.as_u64().context("no end of the lease")?;
    let granted = word(&waits, "Held").and_then(|l| l["bootMs"].as_u64());
    let granted = granted.context("never granted")?;
    // The server counts from its receipt, a moment after the sending that the holder counts from; M
    // comes on top.
    let after = granted.saturating_sub(lease_end);
    println!(
        "  the seat was given away {after} ms after its holder's lease had ended (M is 1010 ms)"
    );
    ensure!(
        granted >= lease_end + 1000,
        "given away {after} ms after the lease's end: before D + M"
    );
    ensure!(
        after < 6000,
        "given away only {after} ms after the lease's end"
    );
    let contested = word(&cut, "Contested").context("no word")?;
    ensure!(
        contested["event"]["licensed"] == true,
        "Contested is not licensed: {contested}"
    );
    count_seats(&[(&cut, 1), (&waits, 1)], 1)?;
    eventually("the mirror shows both", within(30), async || {
        let rows = server.leases(lab).await?;
        let has = |s: &str, n| rows.iter().filter(|r| r.state == s).count() == n;
        let both = has("Contested", 1) && has("Held", 2);
        so(both, || format!("{rows:?}"))
    })
    .await
}

/// The second pod of a node may have renewed up to a third of D after the first: once the server
/// does not count it as held any more it has been in its grace for M.
async fn one_alone_is_held(lab: &Lab, server: &Server) -> Result<()> {
    eventually("one alone is held", within(30), async || {
        let rows = server.leases(lab).await?;
        let held = rows.iter().filter(|r| r.state == "Held").count();
        so(held == 1, || format!("{rows:?}"))
    })
    .await
}
