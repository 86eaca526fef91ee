//! Many pods that come and go: what they cost at the API server.

use super::gated::{List, until_all_end};
use crate::lab::{App, Lab, OPERATOR, Server, audit, eventually, within};
use crate::main_job::{begin, never_above};
use crate::seats::{self, Most, Span};
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use mooring_core::time::{DEFAULT_LEASE, Timestamp};
use std::time::{Duration, Instant};

/// How many writes a lease may cost: that it waits, that it is there, that it is gone.
const WRITES: usize = 3;

/// Pods that wait at their start for seats of others: no mirror is written more than thrice.
pub(super) async fn a_lease_costs_three_writes_at_most(lab: &Lab) -> Result<()> {
    let short = Duration::from_secs(10);
    churn(lab, "a_lease_costs_three_writes_at_most", (8, 4), short).await
}

/// 500 in a minute, on two nodes that take some 200 of them at a time. Leases are as long as they
/// are by default: nodes that are this busy have no time for a sidecar for ten seconds and more,
/// and that a holder was not heard is news.
pub(super) async fn five_hundred_pods_in_a_minute(lab: &Lab) -> Result<()> {
    churn(
        lab,
        "five_hundred_pods_in_a_minute",
        (500, 40),
        DEFAULT_LEASE,
    )
    .await
}

async fn churn(
    lab: &Lab,
    name: &str,
    (pods, seats): (usize, u32),
    lease_for: Duration,
) -> Result<()> {
    let ns = begin(lab, name).await?;
    let mut server = Server::new(&ns, seats);
    server.duration = lease_for;
    server.ready(lab).await?;
    let (begun, since) = (Instant::now(), Timestamp::now());
    let apps = start(lab, &ns, std::iter::repeat_n("render", pods)).await?;
    let created = begun.elapsed();
    let list = List::of(lab, &ns);
    // Each renewal in that time would be a write, if renewals were written.
    until_all_end(&list, &apps, Duration::from_secs(1800), async |_| Ok(())).await?;
    let took = begun.elapsed();
    count_seats(lab, &ns, &apps, seats).await?;
    let writes = audit::writes(&ns, "licenseleases", OPERATOR, since)?;
    // One that ends before it is its turn to be written has no mirror at all.
    ensure!(
        writes.len() + pods / 50 >= pods,
        "{} leases were written, of {pods} pods: {writes:?}",
        writes.len()
    );
    let sum: usize = writes.values().map(Vec::len).sum();
    let most = writes.iter().max_by_key(|(_, verbs)| verbs.len());
    let (dearest, verbs) = most.context("no lease was written")?;
    println!(
        "  {pods} pods made in {:.0} s, all at their end after {:.0} s; writes per lease: {:.2}, at most {}",
        created.as_secs_f64(),
        took.as_secs_f64(),
        sum as f64 / pods as f64,
        verbs.len()
    );
    ensure!(
        verbs.len() <= WRITES,
        "{dearest} was written {} times: {verbs:?}",
        verbs.len()
    );
    Ok(())
}

/// Seats on the holders' side, from what all of them have written. It is read at their end: to
/// follow it would be hundreds of streams.
pub(crate) async fn count_seats(lab: &Lab, ns: &str, names: &[String], seats: u32) -> Result<Most> {
    let read = async |name: &String| {
        let lines = App::wrote(lab, ns, name).await;
        let lines = lines.with_context(|| format!("what {name} wrote"))?;
        anyhow::Ok(seats::spans(name, 1, &lines))
    };
    let all = futures::stream::iter(names).map(read).buffer_unordered(8);
    let spans: Vec<Vec<Span>> = all.try_collect().await?;
    let without = spans.iter().filter(|s| s.is_empty()).count();
    ensure!(without == 0, "{without} applications were never Held");
    never_above(&spans.concat(), seats)
}

/// Makes them, eight a second at most, and as a controller does that has many to make: what the
/// API server could not do in time is tried again.
pub(crate) async fn start(
    lab: &Lab,
    ns: &str,
    licenses: impl Iterator<Item = &str>,
) -> Result<Vec<String>> {
    let pods: Vec<(String, &str)> = (1..).map(|n| format!("one-{n}")).zip(licenses).collect();
    let make = async |(name, licenses): &(String, &str)| {
        let spec = "  restartPolicy: Never\n";
        let yaml = App::yaml(lab, ns, name, licenses, None, "", spec);
        let yaml = yaml
            .replace("args: [run]", "args: [run, --for=8s]")
            // As Kubernetes has it by default: on nodes this busy five seconds are too short for a
            // sidecar to give its seat back.
            .replace("GracePeriodSeconds: 5", "GracePeriodSeconds: 30");
        let pod: Pod = serde_yaml::from_str(&yaml)?;
        let api = Api::<Pod>::namespaced(lab.client.clone(), ns);
        eventually("a pod is made", within(120), async || {
            let made = api.create(&PostParams::default(), &pod).await;
            let there = |e: &kube::Error| matches!(e, kube::Error::Api(s) if s.code == 409);
            let failed = made.err().filter(|e| !there(e));
            Ok(failed.map_or(Ok(()), |e| Err(e.to_string())))
        })
        .await
    };
    let mut pace = tokio::time::interval(Duration::from_millis(120));
    let paced = futures::stream::poll_fn(|cx| pace.poll_tick(cx).map(Some));
    let each = paced.zip(futures::stream::iter(&pods));
    let made = each.map(|(_, pod)| make(pod)).buffer_unordered(32);
    made.try_collect::<()>().await.context("starting a pod")?;
    Ok(pods.into_iter().map(|(name, _)| name).collect())
}
