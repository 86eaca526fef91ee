//! What the scenarios of the main job share: a namespace, renewals, and seats counted on the
//! holders' side.

use crate::lab::{App, Lab, eventually, within};
use crate::seats::{self, Most};
use anyhow::{Result, ensure};

/// Fails if at one instant more seats were held than there are, counted on the holders' side.
pub(crate) fn count_seats(apps: &[(&App, u32)], seats: u32) -> Result<Most> {
    let spans: Vec<seats::Span> = apps
        .iter()
        .flat_map(|(a, n)| seats::spans(&a.name, *n, &a.lines()))
        .collect();
    never_above(&spans, seats)
}

/// The same from what is known of when each was held.
pub(crate) fn never_above(spans: &[seats::Span], seats: u32) -> Result<Most> {
    ensure!(
        !spans.is_empty(),
        "no application ever wrote that it was Held: there is nothing to count"
    );
    let most = seats::most(spans);
    let Most {
        seats: held,
        at,
        who,
    } = &most;
    ensure!(
        *held <= seats,
        "at {at} ms of the boot clock {held} seats of {seats} were held, by {who:?}"
    );
    Ok(most)
}

/// Every state that an application was told, in order, without repeats.
pub(crate) fn states(app: &App) -> Vec<String> {
    let mut v: Vec<String> = app
        .lines()
        .iter()
        .filter_map(|l| l["event"]["state"].as_str().map(str::to_owned))
        .collect();
    v.dedup();
    v
}

/// An application was told nothing but `Held`.
pub(crate) fn notices_nothing(app: &App) -> Result<()> {
    let states = states(app);
    ensure!(
        states.iter().all(|s| s == "Held"),
        "{} noticed: {states:?}",
        app.name
    );
    Ok(())
}

/// Starts one that asks for a seat of `render`, and waits until it has it.
pub(crate) async fn holds(lab: &Lab, ns: &str, name: &str, node: Option<&str>) -> Result<App> {
    let app = App::start(lab, ns, name, "render", node).await?;
    app.says("Held", 60).await?;
    Ok(app)
}

/// The namespace of a scenario, made anew, and the chart installed.
pub(crate) async fn begin(lab: &Lab, name: &str) -> Result<String> {
    let ns = crate::suite::namespace(name);
    lab.namespace(&ns).await?;
    Ok(ns)
}

/// Waits until an application's lease was renewed some times more.
pub(crate) async fn renews(app: &App, times: usize) -> Result<()> {
    let mut seen = held_until(app);
    for _ in 0..times {
        seen = renewed_since(app, seen).await?;
    }
    Ok(())
}

/// Until when an application was last told that it holds its lease, by the boot clock in
/// milliseconds.
pub(crate) fn held_until(app: &App) -> u64 {
    let all = app.lines();
    let mut latest = all.iter().rev();
    let last = latest.find_map(|l| l["event"]["claims"][0]["heldUntilBootMs"].as_u64());
    last.unwrap_or_default()
}

/// Waits until it holds its lease for longer than that; until when.
pub(crate) async fn renewed_since(app: &App, seen: u64) -> Result<u64> {
    let what = format!("{} renews its lease", app.name);
    eventually(&what, within(30), async || {
        let now = held_until(app);
        let missing = || format!("Held until {now} ms, {:?}", app.state());
        Ok((now > seen).then_some(now).ok_or_else(missing))
    })
    .await
}
