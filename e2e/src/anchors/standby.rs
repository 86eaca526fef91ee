//! A standby's days, over the pods of its server.

use super::steps::{anchor, state};
use crate::lab::{Card, Lab, PIN, Server, eventually, within};
use crate::main_job::begin;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A card that the license lists as a standby serves in the first one's place, which is away for
/// good. Its seconds and the day of its first use go on in each pod that is made anew.
pub(super) async fn a_standby_keeps_its_count_over_pods(lab: &Lab) -> Result<()> {
    let name = "a_standby_keeps_its_count_over_pods";
    let ns = begin(lab, name).await?;
    let first = Card::make(lab, "standby-first", PIN).await?;
    let spare = Card::make(lab, "standby-spare", PIN).await?;
    let mut server = Server::new(&ns, 2);
    server.anchored = Some(Card::anchored(lab)?);
    let (first, standby) = (&first.description, &spare.description);
    let license = server.license_with_standby(lab, first, standby).await?;
    server.apply_with(lab, &license, PIN).await?;
    let mut inserted = spare.insert(lab, &server).await?;
    let mut before = used(lab, &server, 0).await?;
    let (c, _) = anchor(lab, &server, "True", 90).await?;
    ensure!(c.reason == "StandbyInUse", "{c:?}");
    println!("  {}", c.message);
    for n in 1..=3 {
        drop(inserted);
        server.delete_pod(lab, "").await?;
        inserted = spare.insert(lab, &server).await?;
        let now = used(lab, &server, secs(&before)?).await?;
        println!("  pod {n}: {now}");
        ensure!(
            now["first"] == before["first"],
            "the day of its first use: {now}, and before {before}"
        );
        before = now;
    }
    anchor(lab, &server, "True", 60).await.map(drop)
}

/// Waits until more than so many seconds are spent; how the standby has served then.
async fn used(lab: &Lab, server: &Server, more_than: u64) -> Result<Value> {
    eventually("the standby's time is written", within(90), async || {
        let state = state(lab, server).await?;
        let standbys = state["kept"]["standbys"].as_object();
        let one = standbys.and_then(|s| s.values().next().cloned());
        let spent = one.filter(|s| secs(s).is_ok_and(|s| s > more_than));
        Ok(spent.ok_or_else(|| state.to_string()))
    })
    .await
}

fn secs(used: &Value) -> Result<u64> {
    let secs = used["servedSecs"].as_u64();
    secs.with_context(|| format!("no seconds in {used}"))
}
