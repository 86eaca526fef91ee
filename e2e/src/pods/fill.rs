//! A line in which a claim that fits may pass one that does not.

use super::steps::{names, policy};
use crate::lab::{App, Lab, Server};
use crate::main_job::{begin, count_seats};
use crate::outage::shown;
use anyhow::{Result, ensure};

/// Of four seats two are out; one waits for four, and is passed by one that wants one, until its
/// patience is over: then free seats gather for it.
pub(super) async fn one_that_fits_passes_one_that_does_not_for_a_while(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "one_that_fits_passes_one_that_does_not_for_a_while").await?;
    let spec = serde_json::json!({ "backfill": { "render": { "patience": "20s" } } });
    policy(lab, &ns, "fill", spec).await?;
    let server = Server::new(&ns, 4);
    server.ready(lab).await?;
    names(lab, &server, Some("fill")).await?;
    server.condition(lab, "PolicyReady", "True").await?;
    let two = App::start(lab, &ns, "two", "render:2", None).await?;
    two.says("Held", 60).await?;
    let big = App::start(lab, &ns, "big", "render:4", None).await?;
    shown(lab, &big, "Waiting", &["may pass it, for 20 s"]).await?;
    let small = App::start(lab, &ns, "small", "render", None).await?;
    small.says("Held", 60).await?;
    // From now on it is passed for 20 s at most. One that is started when they are over waits.
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    let late = App::start(lab, &ns, "late", "render", None).await?;
    shown(lab, &late, "Waiting", &["kept for"]).await?;
    let won = server
        .metric(lab, "mooring_backfill_grants_total", "")
        .await?;
    ensure!(
        (won - 1.0).abs() < f64::EPSILON,
        "{won} were granted past another"
    );
    small.delete(lab).await?;
    two.delete(lab).await?;
    big.says("Held", 60).await?;
    shown(lab, &late, "Waiting", &[]).await?;
    count_seats(&[(&two, 2), (&big, 4), (&small, 1), (&late, 1)], 4).map(drop)
}
