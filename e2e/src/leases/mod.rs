//! The scenarios of the lease protocol in full: starting without a server, the grace, claims at run time, and answers that
//! are waited for.

mod grace;
mod run_time;
mod start;

use crate::lab::{App, Helm, Lab};
use crate::suite::Scenario;
use anyhow::Result;
use serde_json::Value;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        start::it_starts_without_a_server_and_is_held_when_it_comes,
        grace::the_grace_ends_after_20_s_and_not_before,
        run_time::an_application_claims_at_run_time,
        run_time::a_waiting_claim_is_answered_without_polling,
    ]
}

/// Installs the chart, where no earlier set did.
pub async fn prepare(lab: &Lab) -> Result<()> {
    Helm::upgrade(lab, &[]).await?.ok("helm install").map(drop)
}

/// The annotation that lets an application start whether or not its pod has a seat.
const WAIT_NONE: &str = "    mooring.dev/wait: none\n";

/// What an application was last told of its claim for this product, and when by its boot clock.
fn told(app: &App, product: &str) -> Option<(u64, Value)> {
    let last = app.lines().into_iter().rfind(|l| l["event"].is_object())?;
    Some((last["bootMs"].as_u64()?, claim(&last, product)?))
}

/// The claim for a product in an event.
fn claim(event: &Value, product: &str) -> Option<Value> {
    let all = event["event"]["claims"].as_array()?;
    let found = all.iter().find(|c| c["items"][0]["product"] == product);
    found.cloned()
}

/// All events of an application in short, for people who read a failure: `12345 Held (render Held, denoise Waiting)`.
fn story(app: &App) -> String {
    let lines = app.lines();
    let events = lines.iter().filter(|l| l["event"].is_object());
    let words: Vec<String> = events
        .map(|l| {
            let claims = l["event"]["claims"].as_array().cloned().unwrap_or_default();
            let claims: Vec<String> = claims
                .iter()
                .map(|c| format!("{} {}", text(&c["items"][0]["product"]), text(&c["state"])))
                .collect();
            format!(
                "{} {} ({})",
                l["bootMs"],
                text(&l["event"]["state"]),
                claims.join(", ")
            )
        })
        .collect();
    format!("{} was told: {}", app.name, words.join("; "))
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or("nothing")
}
