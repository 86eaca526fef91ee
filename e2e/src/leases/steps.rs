//! What the scenarios of leases share: reading what an application was told.

use crate::lab::App;
use serde_json::Value;

/// The annotation that lets an application start whether or not its pod has a seat.
pub(super) const WAIT_NONE: &str = "    mooring.dev/wait: none\n";

/// What an application was last told of its claim for this product, and when by its boot clock.
pub(super) fn told(app: &App, product: &str) -> Option<(u64, Value)> {
    let last = app.lines().into_iter().rfind(|l| l["event"].is_object())?;
    Some((last["bootMs"].as_u64()?, claim(&last, product)?))
}

/// The claim for a product in an event.
pub(super) fn claim(event: &Value, product: &str) -> Option<Value> {
    let all = event["event"]["claims"].as_array()?;
    let found = all.iter().find(|c| c["items"][0]["product"] == product);
    found.cloned()
}

/// All events of an application in short, for people who read a failure: `12345 Held (render Held,
/// denoise Waiting)`.
pub(super) fn story(app: &App) -> String {
    let lines = app.lines();
    let events = lines.iter().filter(|l| l["event"].is_object());
    let words: Vec<String> = events
        .map(|l| {
            let claims = l["event"]["claims"].as_array().cloned().unwrap_or_default();
            let claims: Vec<String> = claims
                .iter()
                .map(|c| format!("{} {}", text(&c["items"][0]["product"]), text(&c["state"])))
                .collect();
            let (at, state) = (&l["bootMs"], text(&l["event"]["state"]));
            format!("{at} {state} ({})", claims.join(", "))
        })
        .collect();
    format!("{} was told: {}", app.name, words.join("; "))
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or("nothing")
}
