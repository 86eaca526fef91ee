//! What seats are used for, and where a policy goes by it.

use super::steps::{names, policy};
use crate::lab::{App, Lab, Server};
use crate::main_job::{begin, count_seats, holds};
use crate::outage::{event, shown};
use anyhow::{Result, ensure};
use mooring_api::NamespacesFrom;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// From a namespace's annotation to a seat.
const SOON: Duration = Duration::from_secs(10);
/// What is said of a project that counts for nothing.
const IGNORED: [&str; 3] = [
    "policy shares: group rest has 1 of the 1 seats",
    "no group takes project falcon from it",
    "mooring.dev/projects",
];

/// Pods of a project in two namespaces wait at the limit of all others, though seats of their
/// project's group are free, and say why. One namespace allows the project: its pod has its seat
/// within seconds, and that of the other namespace waits on. LicenseLeases, the metric and the
/// audit log say which project.
pub(super) async fn a_project_counts_where_its_namespace_allows_it(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_project_counts_where_its_namespace_allows_it").await?;
    let other = format!("{ns}-other");
    lab.namespace(&other).await?;
    let both = [&ns, &other];
    let groups = json!([
        { "name": "falcon", "namespaces": both, "projects": ["falcon"],
          "pools": { "render": { "owned": 3, "lend": 0 } } },
        { "name": "rest", "namespaces": both, "pools": { "render": { "max": 1 } } },
    ]);
    policy(lab, &ns, "shares", json!({ "groups": groups })).await?;
    let mut server = Server::new(&ns, 4);
    server.allowed.from = NamespacesFrom::All;
    server.ready(lab).await?;
    names(lab, &server, Some("shares")).await?;
    server.condition(lab, "PolicyReady", "True").await?;

    let one = holds(lab, &ns, "one", None).await?;
    let falcon = format!("    mooring.dev/project: falcon\n    mooring.dev/server: {ns}/main\n");
    let here = App::start_with(lab, &ns, "here", "render", None, &falcon).await?;
    let there = App::start_with(lab, &other, "there", "render", None, &falcon).await?;
    for app in [&here, &there] {
        let status = shown(lab, app, "Waiting", &IGNORED).await?;
        ensure!(status.reason.as_deref() == Some("Policy"), "{status:?}");
        event(lab, app, "LicenseWaiting", &IGNORED).await?;
    }

    let begun = Instant::now();
    let allow = format!("annotate namespace {ns} mooring.dev/projects=falcon");
    lab.kubectl(&allow).await?.ok(&allow)?;
    here.says("Held", 60).await?;
    let took = begun.elapsed();
    println!("  its seat is there {took:.1?} after its namespace was annotated");
    ensure!(took < SOON, "its seat was there after {took:?}");
    shown(lab, &there, "Waiting", &IGNORED).await?;
    ensure!(
        !there.started(lab).await?,
        "a project that its namespace does not allow got a seat by it"
    );
    is_told(lab, &server, &[(&one, ""), (&here, "falcon")]).await?;
    table(lab, &here, "falcon").await?;
    table(lab, &there, "falcon").await?;
    count_seats(&[(&one, 1), (&here, 1), (&there, 1)], 4)?;
    lab.drop_namespace(&other).await;
    Ok(())
}

/// The row of `kubectl get licenseleases -o wide` has the project.
async fn table(lab: &Lab, app: &App, project: &str) -> Result<()> {
    let (ns, pod) = (&app.namespace, &app.name);
    let out = lab.kubectl(format!("-n {ns} get licenseleases -o wide"));
    let out = out.await?.ok("the table of leases")?;
    let row = out.lines().find(|l| l.starts_with(&format!("{pod}-")));
    let has = |r: &str| r.split_whitespace().any(|w| w == project);
    ensure!(
        row.is_some_and(has),
        "no row of {pod} with {project}:\n{out}"
    );
    Ok(())
}

/// The license server's metric counts the project's seats, and its audit log says of each pod
/// that was granted one for which; nobody else was.
async fn is_told(lab: &Lab, server: &Server, granted: &[(&App, &str)]) -> Result<()> {
    let label = "project=\"falcon\"";
    let held = server.metric(lab, "mooring_seats_held", label).await?;
    ensure!(
        (held - 1.0).abs() < f64::EPSILON,
        "mooring_seats_held{{{label}}} is {held}"
    );
    let logs = format!(
        "-n {} logs {} -c server",
        server.namespace,
        server.pod_name()
    );
    let logs = lab.kubectl(&logs).await?.ok("reading the audit log")?;
    let records = logs.lines().filter_map(|l| l.strip_prefix("audit "));
    let records = records.map(serde_json::from_str);
    let records: Vec<Value> = records.collect::<Result<_, _>>()?;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let of_grants = records.iter().filter(|r| r["event"] == "granted");
    let told: Vec<(String, String)> = of_grants
        .map(|r| (text(&r["holder"]["pod"]), text(&r["project"])))
        .collect();
    let expected = granted
        .iter()
        .map(|(app, project)| (app.name.clone(), (*project).to_owned()));
    let expected: Vec<(String, String)> = expected.collect();
    ensure!(
        told == expected,
        "the audit log says who was granted a seat, for which project: {told:?}, expected {expected:?}"
    );
    Ok(())
}
