//! Rollouts at full seats that make a new pod before an old one goes.

use super::fleet::{Fleet, uids};
use crate::lab::{Lab, PIN, Server, eventually, so, within};
use crate::main_job::begin;
use crate::outage::event;
use crate::seats;
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::time::Duration;

/// Two pods on two seats, and a license that lets the successor run beside it for a minute: the
/// rollout completes, and no third application runs on two seats but such a successor, for no
/// longer than that minute.
pub(super) async fn a_rollout_at_full_seats_hands_over(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_rollout_at_full_seats_hands_over").await?;
    let server = Server::new(&ns, 2);
    let extra = "policy: {maxHandover: 60s}\n";
    let (name, anchor) = (format!("{ns}-main"), &lab.anchor.description);
    let license = lab
        .vendor
        .license(&name, &server.products, anchor, extra)
        .await?;
    server.apply_with(lab, &license, PIN).await?;
    server.condition(lab, "Ready", "True").await?;
    let fleet = Fleet::new(&ns, "fleet", 2);
    fleet.apply(lab).await?;
    let old = fleet.all_hold(lab, 2).await?;
    fleet.restart(lab).await?;
    let before = uids(&old);
    let new = eventually(
        "two new pods, and none of the old",
        within(240),
        async || {
            let now = fleet.apps(lab).await?;
            let new = now.iter().filter(|(_, uid)| !before.contains(uid)).count();
            Ok(if (new, now.len()) == (2, 2) {
                Ok(now)
            } else {
                Err(format!("{now:?}"))
            })
        },
    )
    .await?;
    let status = lab.kubectl(format!(
        "-n {ns} rollout status deployment/fleet --timeout=60s"
    ));
    status.await?.ok("the rollout")?;
    let spans = || {
        let all = old.iter().chain(&new);
        let spans = all.flat_map(|(a, _)| seats::spans(&a.name, 1, &a.lines()));
        spans.collect::<Vec<_>>()
    };
    eventually("two run on, and no third", within(30), async || {
        let spans = spans();
        let end = spans.iter().map(|s| s.to).max().unwrap_or(0);
        let late = spans.iter().filter(|s| s.to + 3000 >= end);
        let late: BTreeSet<_> = late.map(|s| &s.who).collect();
        so(late.len() == 2, || format!("{late:?}"))
    })
    .await?;
    // A handover is one application beyond the seats, and each ends within its time.
    let spans = spans();
    let most = seats::most(&spans);
    ensure!(
        most.seats <= 3,
        "{} ran at once: {:?}",
        most.seats,
        most.who
    );
    let time = beyond(&spans, 2);
    println!("  a third application ran for {time:?} in all");
    ensure!(
        time <= Duration::from_secs(2 * 61),
        "a third application ran for {time:?}"
    );
    Ok(())
}

/// Without that the new pod waits for the old one, and its Event says who waits for whom.
pub(super) async fn without_it_the_event_says_who_waits_for_whom(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "without_it_the_event_says_who_waits_for_whom").await?;
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;
    let fleet = Fleet::new(&ns, "fleet", 2);
    fleet.apply(lab).await?;
    let old = fleet.all_hold(lab, 2).await?;
    fleet.restart(lab).await?;
    let before = uids(&old);
    let new = eventually("a new pod", within(60), async || {
        let now = fleet.apps(lab).await?;
        let new = now.into_iter().find(|(_, uid)| !before.contains(uid));
        Ok(new.ok_or_else(|| "there is none".to_owned()))
    })
    .await?;
    let says = [
        "wait for it",
        "Deployment fleet",
        "maxSurge: 0",
        "policy.maxHandover",
    ];
    event(lab, &new.0, "LicenseWaiting", &says).await?;
    for (app, _) in &old {
        let held = app.state().as_deref() == Some("Held");
        so(held, || format!("{:?}", app.state()))?.map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

/// For how long more than so many applications held a seat at once, in all.
fn beyond(spans: &[seats::Span], seats: usize) -> Duration {
    let mut edges: Vec<u64> = spans.iter().flat_map(|s| [s.from, s.to]).collect();
    edges.sort_unstable();
    edges.dedup();
    let over = edges.windows(2).filter_map(|w| {
        let (&[from, to], at) = (w.first_chunk::<2>()?, *w.first()?);
        let held = spans.iter().filter(|s| s.from <= at && at < s.to).count();
        (held > seats).then_some(to - from)
    });
    Duration::from_millis(over.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_seats_is_counted_once() {
        let span = |who: &str, from, to| seats::Span {
            who: who.into(),
            from,
            to,
            seats: 1,
        };
        let spans = [
            span("a", 0, 10),
            span("b", 0, 20),
            span("c", 5, 30),
            span("d", 8, 9),
        ];
        assert_eq!(beyond(&spans, 2), Duration::from_millis(5));
        assert_eq!(beyond(&spans, 4), Duration::ZERO);
    }
}
