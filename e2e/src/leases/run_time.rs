//! Applications that claim at run time, through their sidecar's socket.

use super::steps::{WAIT_NONE, claim, story, told};
use crate::lab::{App, Lab, Server, eventually, so, within};
use crate::main_job::begin;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// An application claims one product by name and holds another by a connection; its LicenseLease
/// shows both. When the process with the connection is killed, the seat is back at once, and the
/// rest stays.
pub(super) async fn an_application_claims_at_run_time(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "an_application_claims_at_run_time").await?;
    let mut server = Server::new(&ns, 1);
    // So long that no seat comes back in this scenario by a lease's end.
    server.duration = Duration::from_secs(300);
    server.products.push(("denoise".into(), 1));
    server.products.push(("fluid".into(), 1));
    server.ready(lab).await?;
    let app = App::start_with(lab, &ns, "app", "render", None, WAIT_NONE).await?;
    app.says("Held", 60).await?;

    let (status, body) = put(lab, &app, "batch", "denoise", 20).await?;
    ensure!(
        status == 200 && body["state"] == "Held" && body["kind"] == "claim",
        "PUT /v1/claims/batch for a free seat: {status} {body}"
    );
    let hold = "curl -sN -X POST --unix-socket $MOORING_SOCKET 'http://mooring/v1/hold?product=fluid&seats=1' >/tmp/hold 2>&1 & echo $!";
    let pid = app.shell(lab, hold).await?;
    let pid = pid.ok("starting a process that holds")?;
    let pid = pid.trim();
    is_told(&app, "fluid", "Held").await?;
    ensure!(
        told(&app, "fluid").is_some_and(|(_, c)| c["kind"] == "hold"),
        "{}: the hold is no hold",
        story(&app)
    );
    table(lab, &ns, &["render", "denoise", "fluid", "Held"], &[]).await?;

    let waits = App::start(lab, &ns, "waits", "fluid", None).await?;
    server
        .shows(lab, &[("Held", 1), ("Waiting", 1)], 60)
        .await?;
    ensure!(
        !waits.started(lab).await?,
        "the third product's one seat is held, and another pod's application has started"
    );
    let killed = app.shell(lab, &format!("kill -9 {pid}")).await?;
    killed.ok("killing the process that holds")?;
    waits.says("Held", 20).await.with_context(|| {
        let story = story(&app);
        format!("after the process that held the seat was killed ({story})")
    })?;
    ensure!(
        told(&app, "fluid").is_none(),
        "{}: the hold of a killed process is still shown",
        story(&app)
    );
    for product in ["render", "denoise"] {
        is_told(&app, product, "Held").await?;
    }

    let (status, body) = call(lab, &app, "-X DELETE http://mooring/v1/claims/batch").await?;
    ensure!(
        status == 204,
        "DELETE /v1/claims/batch: {status} {body}, expected 204"
    );
    table(lab, &ns, &["render", "fluid"], &["denoise"]).await
}

/// Two applications, one seat: the second's request is held open by the server and answered by the
/// first's release, with no other request between.
pub(super) async fn a_waiting_claim_is_answered_without_polling(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_waiting_claim_is_answered_without_polling").await?;
    let mut server = Server::new(&ns, 2);
    // A server holds a request open for half of it: longer than this scenario waits.
    server.duration = Duration::from_secs(300);
    server.products.push(("tool".into(), 1));
    server.ready(lab).await?;
    let (near, far) = (lab.nodes.0.as_str(), lab.nodes.1.as_str());
    let one = App::start_with(lab, &ns, "one", "render", Some(near), WAIT_NONE).await?;
    let two = App::start_with(lab, &ns, "two", "render", Some(far), WAIT_NONE).await?;
    for a in [&one, &two] {
        a.says("Held", 60).await?;
    }

    let (status, body) = put(lab, &one, "it", "tool", 20).await?;
    ensure!(status == 200, "the first PUT: {status} {body}");
    // The answer to the application comes when its own patience ends; the claim stays in line.
    let (status, body) = put(lab, &two, "it", "tool", 3).await?;
    ensure!(
        status == 202 && body["state"] == "Waiting",
        "a PUT for a seat that is held: {status} {body}, expected 202 and Waiting"
    );
    let before = asked(lab, &server).await?;
    // Three seconds more in line, and the release in the middle of a request that is held open.
    let (status, body) = put(lab, &two, "it", "tool", 3).await?;
    ensure!(status == 202, "the same PUT again: {status} {body}");
    let still = asked(lab, &server).await?;
    ensure!(
        still == before,
        "while a claim was in line, the server answered {} requests for claims: it is asked again and again",
        still - before
    );

    let release = "cat /proc/uptime; curl -s -w '%{http_code}' --unix-socket $MOORING_SOCKET -X DELETE http://mooring/v1/claims/it";
    let out = one.shell(lab, release).await?.ok("giving the seat back")?;
    let said = format!("/proc/uptime and DELETE said: {out}");
    let uptime = out.split_whitespace().next().unwrap_or_default();
    let released = uptime.parse::<f64>().context(said.clone())? * 1000.0;
    ensure!(out.trim_end().ends_with("204"), "{said}");
    is_told(&two, "tool", "Held").await?;
    let after = asked(lab, &server).await?;

    // The first event that shows it, on the clock that the nodes share.
    let stamp = |l: Value| l["bootMs"].as_f64();
    let held = |l: &Value| claim(l, "tool").is_some_and(|c| c["state"] == "Held");
    let granted = two.lines().into_iter().find(held);
    let granted = granted.and_then(stamp).context("no stamp")?;
    let gone = |l: &Value| l["event"].is_object() && claim(l, "tool").is_none();
    let left = one.lines().into_iter().rfind(gone).and_then(stamp);
    println!(
        "  told Held {:.0} ms after the other was told that its claim was gone; {:.0} ms after curl was started for that",
        left.map_or(f64::NAN, |l| granted - l),
        granted - released,
    );
    ensure!(
        granted >= released,
        "the second was told Held at {granted} ms, before the first gave back at {released} ms\n{}\n{}",
        story(&one),
        story(&two)
    );
    ensure!(
        after - before == 1,
        "from its place in line to its seat {} requests for claims were answered, and not the one that was held open",
        after - before
    );
    Ok(())
}

/// Waits until an application is told this state of its claim for a product.
async fn is_told(app: &App, product: &str, state: &str) -> Result<()> {
    let what = format!("{} is told {state} of {product}", app.name);
    eventually(&what, within(20), async || {
        Ok(match told(app, product) {
            Some((_, c)) if c["state"] == state => Ok(()),
            _ => Err(story(app)),
        })
    })
    .await
}

/// Waits until `kubectl get licenseleases` shows some words in one row, and others nowhere.
async fn table(lab: &Lab, ns: &str, has: &[&str], not: &[&str]) -> Result<()> {
    let what = format!("the row of app in `kubectl get licenseleases` has {has:?}, not {not:?}");
    eventually(&what, within(20), async || {
        let out = lab.kubectl(format!("-n {ns} get licenseleases")).await?;
        let out = out.ok("the table of leases")?;
        let every = has.iter().all(|w| out.contains(w));
        let none = !not.iter().any(|w| out.contains(w));
        so(none && every, || out)
    })
    .await
}

/// How many requests for claims the server has answered.
async fn asked(lab: &Lab, server: &Server) -> Result<u64> {
    let begin = "mooring_requests_total{call=\"claim\"";
    let all = server.metric(lab, begin, "").await?;
    ensure!(
        all > 0.0,
        "the server's metrics count no requests for claims"
    );
    Ok(all as u64)
}

/// `PUT /v1/claims/{name}` for one seat, as an application would with curl.
async fn put(lab: &Lab, app: &App, name: &str, product: &str, wait: u32) -> Result<(u16, Value)> {
    let body = json!({ "items": [{ "product": product, "seats": 1 }] });
    let args = format!(
        "-X PUT -H 'Prefer: wait={wait}' -H 'Content-Type: application/json' -d '{body}' http://mooring/v1/claims/{name}"
    );
    call(lab, app, &args).await
}

/// Asks an application's sidecar: the status, and the body if it is JSON.
async fn call(lab: &Lab, app: &App, args: &str) -> Result<(u16, Value)> {
    let script = format!("curl -sS -w '\\n%{{http_code}}' --unix-socket $MOORING_SOCKET {args}");
    let out = app.shell(lab, &script).await?.ok("asking the sidecar")?;
    let said = || format!("curl said: {out:?}");
    let parts = out.trim_end().rsplit_once('\n');
    let (body, status) = parts.with_context(said)?;
    let status = status.parse().with_context(said)?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}
