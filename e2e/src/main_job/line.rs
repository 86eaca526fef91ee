//! Two seats, three pods.

use super::steps::{begin, count_seats};
use crate::lab::{App, Lab, Server, words};
use anyhow::{Result, ensure};
use std::time::Instant;

/// Two run, the third's application container has not started, kubectl tells it all; one is
/// deleted, and the third runs within five seconds.
pub(super) async fn two_run_and_the_third_waits(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "two_run_and_the_third_waits").await?;
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;
    let table = lab.kubectl(format!("-n {ns} get licenseservers")).await?;
    let table = table.ok("the table of servers")?;
    ensure!(
        table.contains(&lab.nodes.0),
        "the columns do not name the node {}:\n{table}",
        lab.nodes.0
    );
    has_columns(&table, "NODE SERVES ANCHOR READY USED SEATS WAITING AGE")?;
    let node = server.node(lab).await?;
    ensure!(
        node == lab.nodes.0,
        "the server runs on {node}, not on the node of its placement, {}",
        lab.nodes.0
    );

    let one = App::start(lab, &ns, "one", "render", Some(&lab.nodes.0)).await?;
    let two = App::start(lab, &ns, "two", "render", Some(&lab.nodes.1)).await?;
    server.shows(lab, &[("Held", 2)], 60).await?;
    let three = App::start(lab, &ns, "three", "render", Some(&lab.nodes.1)).await?;
    let rows = server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    let waiting = rows.iter().find(|r| r.state == "Waiting");
    let shown = waiting.map(|r| (r.pod.as_str(), r.place));
    ensure!(
        shown == Some(("three", Some(1))),
        "the waiting one is shown as {shown:?}"
    );
    one.runs(lab, 20).await?;
    two.runs(lab, 20).await?;
    ensure!(
        !three.started(lab).await?,
        "the third's application container has started without a seat"
    );
    let leases = lab.kubectl(format!("-n {ns} get licenseleases")).await?;
    let leases = leases.ok("the table of leases")?;
    has_columns(&leases, "NAME PRODUCTS HOLDER NODE STATE SINCE AGE")?;

    let start = Instant::now();
    one.delete(lab).await?;
    three.runs(lab, 15).await?;
    let took = start.elapsed();
    println!(
        "  from the deletion of a running pod to the waiting one's application: {:.2} s",
        took.as_secs_f64()
    );
    ensure!(took.as_secs_f64() < 5.0, "it took {took:?}, more than 5 s");
    three.says("Held", 10).await?;
    let most = count_seats(&[(&one, 1), (&two, 1), (&three, 1)], 2)?;
    ensure!(
        most.seats == 2,
        "the applications never held both seats: {most:?}"
    );
    Ok(())
}

fn has_columns(table: &str, columns: &str) -> Result<()> {
    for column in words(columns) {
        ensure!(
            table.contains(column),
            "there is no column {column}:\n{table}"
        );
    }
    Ok(())
}
