//! Helm upgrades Mooring and puts it back, while pods hold seats and wait for them.

use super::steps::{injected, serves_with, the_same_leases};
use crate::lab::{App, Helm, Lab, Server, also_allows};
use crate::main_job::{begin, count_seats, holds, notices_nothing};
use anyhow::{Result, ensure};

const SEATS: u32 = 2;

pub(super) async fn an_upgrade_and_a_step_back_lose_nothing(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "an_upgrade_and_a_step_back_lose_nothing").await?;
    let done = lives(lab, &lab.before()?, &ns).await;
    // Whatever has failed: who comes next finds this version.
    let now = Helm::upgrade(lab, &[]).await?;
    done.and(now.ok("this version for those who come next").map(drop))
}

async fn lives(lab: &Lab, before: &Lab, ns: &str) -> Result<()> {
    Helm::upgrade(before, &[])
        .await?
        .ok("installing the version before")?;
    let mut server = Server::new(ns, SEATS);
    server.ready(before).await?;
    let one = holds(before, ns, "one", Some(&lab.nodes.0)).await?;
    let two = holds(before, ns, "two", Some(&lab.nodes.1)).await?;
    let three = App::start(before, ns, "three", "render", Some(&lab.nodes.1)).await?;
    let first = server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    println!("  in the version before two hold, and one waits");

    let old = also_allows(lab, &before.images.server);
    Helm::upgrade(lab, &[&old]).await?.ok("upgrading")?;
    serves_with(lab, &server, &lab.images.server).await?;
    let rows = server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    the_same_leases(&first, &rows)?;
    // An application with the library of the version before.
    let four = App::start(before, ns, "four", "render", Some(&lab.nodes.0)).await?;
    server
        .shows(lab, &[("Held", 2), ("Waiting", 2)], 60)
        .await?;
    for (app, image) in [(&one, &before.images.sidecar), (&four, &lab.images.sidecar)] {
        ensure!(
            injected(lab, app).await? == *image,
            "{}'s sidecar",
            app.name
        );
    }
    one.delete(lab).await?;
    three.says("Held", 60).await?;
    println!(
        "  upgraded: the same leases; a sidecar of the version before gets a seat of this one's server"
    );

    let rows = server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    server.image = Some(before.images.server.clone());
    server.apply(lab).await?;
    serves_with(lab, &server, &before.images.server).await?;
    let held = server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    the_same_leases(&rows, &held)?;
    two.delete(lab).await?;
    four.says("Held", 60).await?;
    let rows = server.shows(lab, &[("Held", 2)], 60).await?;
    println!(
        "  one license server stays in the version before: a sidecar of this one gets a seat of it"
    );

    Helm::upgrade(before, &[])
        .await?
        .ok("putting the version before back")?;
    // And one with this version's.
    let five = App::start(lab, ns, "five", "render", Some(&lab.nodes.0)).await?;
    let held = server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    the_same_leases(&rows, &held)?;
    three.delete(lab).await?;
    five.says("Held", 60).await?;
    println!("  put back: the same leases, and its operator lets pods in as before");

    for app in [&one, &two, &three, &four, &five] {
        notices_nothing(app)?;
    }
    let all = [&one, &two, &three, &four, &five].map(|app| (app, 1));
    let most = count_seats(&all, SEATS)?;
    println!(
        "  at most {} of {SEATS} seats were held at once",
        most.seats
    );
    Ok(())
}
