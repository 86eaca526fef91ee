//! Pods that need seats of two license servers, as of two vendors.

use super::pool::ready;
use crate::lab::Lab;
use crate::main_job::begin;
use crate::pods::{List, count_seats, start, until_all_end};
use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};

/// Twelve pods, half of which name their products in the other order, for two seats of each.
pub(super) async fn twelve_pods_of_two_vendors_all_have_both_in_the_end(lab: &Lab) -> Result<()> {
    both(lab, "twelve_pods_of_two_vendors", 12, 2).await
}

/// The same on a larger scale.
pub(super) async fn two_hundred_pods_of_two_vendors(lab: &Lab) -> Result<()> {
    both(lab, "two_hundred_pods_of_two_vendors", 200, 20).await
}

async fn both(lab: &Lab, name: &str, pods: usize, seats: u32) -> Result<()> {
    let ns = begin(lab, name).await?;
    let first = ready(lab, &ns, "a", &[("render", seats)]).await?;
    ready(lab, &ns, "b", &[("denoise", seats)]).await?;
    let begun = Instant::now();
    let orders = ["render,denoise", "denoise,render"].into_iter().cycle();
    let apps = start(lab, &ns, orders.take(pods)).await?;
    let (mut shown, mut seen) = (0, 0);
    let list = List::of(lab, &ns);
    until_all_end(&list, &apps, Duration::from_secs(1800), async |_| {
        let rows = first.leases(lab).await?;
        let held = rows.iter().filter(|r| r.state == "Held" && r.server == "a");
        shown = shown.max(held.count());
        seen = seen.max(rows.len());
        Ok(())
    })
    .await?;
    let most = count_seats(lab, &ns, &apps, seats).await?.seats;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "  {pods} pods, half of them in the other order, for {seats} seats of each vendor: all at their end after {took:.0} s; at most {most} held at once"
    );
    ensure!(shown > 0, "no pod was ever shown as Held of {seen} leases");
    let left = first.leases(lab).await.context("what is left")?;
    ensure!(left.iter().all(|r| r.state != "Reserved"), "{left:?}");
    lab.drop_namespace(&ns).await;
    Ok(())
}
