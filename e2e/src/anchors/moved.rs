//! The dongle, label and all, is carried to the other node.

use super::steps::{anchor, serve};
use crate::lab::{App, Card, Lab, PIN, Server, eventually, so, within};
use crate::main_job::{begin, count_seats, notices_nothing, renews};
use anyhow::{Result, ensure};
use std::time::Duration;

/// The server's pod follows, leases keep their ids, and applications notice nothing.
pub(super) async fn the_server_follows_its_dongle_to_the_other_node(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "the_server_follows_its_dongle_to_the_other_node").await?;
    let card = Card::make(lab, "moved", PIN).await?;
    let mut server = Server::new(&ns, 2);
    server.movable = true;
    // Longer than the move takes: nobody's lease ends on the way.
    server.duration = Duration::from_secs(60);
    let (here, there) = lab.nodes.clone();
    server.forget_on(lab, &there).await?;
    server.arrive_on(lab, &here).await?;
    serve(lab, &mut server, &card, PIN).await?;
    let inserted = card.insert(lab, &server).await?;
    server.condition(lab, "Ready", "True").await?;
    let mut apps = Vec::new();
    for (name, node) in [("one", &here), ("two", &there)] {
        let app = App::start(lab, &ns, name, "render", Some(node)).await?;
        app.says("Held", 90).await?;
        apps.push(app);
    }
    let before = server.shows(lab, &[("Held", 2)], 60).await?;

    drop(inserted);
    anchor(lab, &server, "False", 30).await?;
    server.forget_on(lab, &here).await?;
    server.arrive_on(lab, &there).await?;
    let what = "the server's pod is on the other node";
    eventually(what, within(60), async || {
        let pod = server.pod(lab).await?;
        let node = pod.spec.and_then(|s| s.node_name).unwrap_or_default();
        let going = pod.metadata.deletion_timestamp.is_some();
        let missing = || format!("on {node:?}, going: {going}");
        so(node == there && !going, missing)
    })
    .await?;
    let _inserted = card.insert(lab, &server).await?;
    anchor(lab, &server, "True", 60).await?;
    server.condition(lab, "Ready", "True").await?;
    server.condition(lab, "Settling", "False").await?;

    let after = server.shows(lab, &[("Held", 2)], 60).await?;
    ensure!(before == after, "before: {before:?}\nafter:  {after:?}");
    for a in &apps {
        renews(a, 1).await?;
        notices_nothing(a)?;
    }
    let counted: Vec<(&App, u32)> = apps.iter().map(|a| (a, 1)).collect();
    count_seats(&counted, 2)?;
    server.forget_on(lab, &there).await
}
