//! What the scenarios of the main job share: a namespace, renewals, and seats counted on the
//! holders' side.

use crate::lab::{App, Lab, eventually, within};
use crate::seats::{self, Most};
use anyhow::{Result, bail};

/// Fails if at one instant more seats were held than there are, counted on the holders' side.
pub(crate) fn count_seats(apps: &[(&App, u32)], seats: u32) -> Result<Most> {
    let spans: Vec<seats::Span> = apps
        .iter()
        .flat_map(|(a, n)| seats::spans(&a.name, *n, &a.lines()))
        .collect();
    if spans.is_empty() {
        bail!("no application ever wrote that it was Held: there is nothing to count");
    }
    let most = seats::most(&spans);
    if most.seats > seats {
        bail!(
            "at {} ms of the boot clock {} seats of {seats} were held, by {:?}",
            most.at,
            most.seats,
            most.who
        );
    }
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

/// The namespace of a scenario, made anew, and the chart installed.
pub(crate) async fn begin(lab: &Lab, name: &str) -> Result<String> {
    let ns = crate::suite::namespace(name);
    lab.namespace(&ns).await?;
    Ok(ns)
}

/// Waits until an application's lease was renewed some times more.
pub(crate) async fn renews(app: &App, times: usize) -> Result<()> {
    let until = |a: &App| {
        let all = a.lines();
        let last = all
            .iter()
            .rev()
            .find_map(|l| l["event"]["claims"][0]["heldUntilBootMs"].as_u64());
        last.unwrap_or_default()
    };
    let mut seen = until(app);
    for _ in 0..times {
        seen = eventually(
            &format!("{} renews its lease", app.name),
            within(30),
            async || {
                let now = until(app);
                Ok(if now > seen {
                    Ok(now)
                } else {
                    Err(format!("Held until {now} ms, {:?}", app.state()))
                })
            },
        )
        .await?;
    }
    Ok(())
}
