//! Seats that a team owns, lends, and gets back.

use super::steps::{names, policy, start, teams};
use crate::lab::{App, Helm, Lab, Server, eventually, so, within};
use crate::main_job::{begin, count_seats};
use crate::outage::{event, lease, shown, socket};
use anyhow::{Result, ensure};
use mooring_core::time::margin;
use std::time::Duration;

/// How long who has borrowed a seat keeps it.
const NOTICE: Duration = Duration::from_secs(12);

/// One team owns two of four seats, and another has borrowed them. Thrice the owner comes: the
/// youngest loan is called back, tells its application so and until when, and its seat is the
/// owner's within notice + D + M; who borrowed waits again, and has it when the owner has gone. A
/// third team waits at its limit and stops nobody; and all of that holds in a new run of the
/// license server while the operator is away.
pub(super) async fn a_loan_is_back_with_its_owner_within_its_notice(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_loan_is_back_with_its_owner_within_its_notice").await?;
    teams(lab, &ns, &["owner", "guest", "small"]).await?;
    let group = |team: &str, rights: serde_json::Value| {
        serde_json::json!({
            "name": team, "serviceAccounts": [format!("{ns}/{team}")], "pools": { "render": rights },
        })
    };
    let groups = [
        group("owner", serde_json::json!({ "owned": 2 })),
        group("small", serde_json::json!({ "max": 1 })),
    ];
    let spec = serde_json::json!({ "notice": "12s", "groups": groups });
    policy(lab, &ns, "shares", spec).await?;
    let server = Server::new(&ns, 4);
    server.ready(lab).await?;
    names(lab, &server, Some("shares")).await?;
    server.condition(lab, "PolicyReady", "True").await?;

    let small = start(lab, &ns, ("small", "small-1"), "render").await?;
    small.says("Held", 60).await?;
    let more = start(lab, &ns, ("small", "small-2"), "render").await?;
    let at_limit = ["policy shares", "group small has 1 of the 1"];
    let status = shown(lab, &more, "Waiting", &at_limit).await?;
    ensure!(status.reason.as_deref() == Some("Policy"), "{status:?}");
    event(lab, &more, "LicenseWaiting", &at_limit).await?;
    let mut guests = Vec::new();
    for name in ["guest-1", "guest-2", "guest-3"] {
        let guest = start(lab, &ns, ("guest", name), "render").await?;
        guest.says("Held", 60).await?;
        guests.push(guest);
    }

    let mut owners = Vec::new();
    for round in 1..=3 {
        let name = format!("owner-{round}");
        let owner = start(lab, &ns, ("owner", &name), "render").await?;
        owners.push(owner.clone());
        gets_its_seat_back(lab, &server, &owner, &guests).await?;
        owner.delete(lab).await?;
        // It is lent again.
        all_hold(&guests).await?;
    }

    // What the policy says outlives the operator, and the license server's pod.
    Helm::scale(lab, 0).await?;
    let uid = server.pod_uid(lab).await?;
    server.delete_pod(lab, "--grace-period=1").await?;
    eventually(
        "another pod of the license server",
        within(60),
        async || {
            let now = server.pod_uid(lab).await;
            so(now.as_ref().is_ok_and(|u| *u != uid), || format!("{now:?}"))
        },
    )
    .await?;
    guests[0].delete(lab).await?;
    let one_is_free = "one seat is free, and nobody has it";
    eventually(one_is_free, within(90), async || {
        let used = server
            .metric(lab, "mooring_seats_used", "pool=\"render\"")
            .await;
        let three = |n: &f64| (n - 3.0).abs() < f64::EPSILON;
        so(used.as_ref().is_ok_and(three), || format!("{used:?}"))
    })
    .await?;
    socket(lab, &more, &["policy shares", "group small"]).await?;
    ensure!(
        more.state().as_deref() == Some("Waiting"),
        "{:?}",
        more.state()
    );
    Helm::scale(lab, 2).await?;

    let mut all: Vec<(&App, u32)> = guests.iter().chain(&owners).map(|a| (a, 1)).collect();
    all.extend([(&small, 1), (&more, 1)]);
    count_seats(&all, 4).map(drop)
}

/// The owner has its seat within notice + D + M of its first request, and one of the guests has
/// lost its own, was told of that before, and stands in line.
async fn gets_its_seat_back(lab: &Lab, server: &Server, owner: &App, guests: &[App]) -> Result<()> {
    let asked = first_word(owner, "Waiting").await?;
    let told = "one of the loans is called back";
    let lent = eventually(told, within(30), async || {
        let mut seen = Vec::new();
        for g in guests {
            let status = lease(lab, &server.namespace, &g.name).await?;
            let called = |r: Option<&str>| r == Some("CalledBack");
            if called(status.as_ref().and_then(|s| s.reason.as_deref())) {
                return Ok(Ok(g));
            }
            seen.push(format!("{status:?}"));
        }
        Ok(Err(seen.join("\n")))
    })
    .await?;
    let says = [
        "called back",
        "policy shares",
        "group owner",
        "may go on until",
    ];
    shown(lab, lent, "Held", &says).await?;
    socket(lab, lent, &["called-back", "policy shares"]).await?;
    let held = first_word(owner, "Held").await?;
    let d = server.duration;
    let within = NOTICE.max(d) + d + margin(NOTICE.max(d));
    let took = Duration::from_millis(held - asked);
    // The server's answer to its own request, and the application's look.
    ensure!(
        took <= within + Duration::from_secs(2),
        "{took:?}, where {within:?} was promised"
    );
    println!(
        "  {} has its seat {took:?} after it was told to wait",
        owner.name
    );
    lent.says("Waiting", 30).await
}

/// When an application was first told this, by the boot clock in milliseconds.
async fn first_word(app: &App, state: &str) -> Result<u64> {
    let what = format!("{} is told {state}", app.name);
    eventually(&what, within(90), async || {
        let lines = app.lines();
        let mut of_it = lines.iter().filter(|l| l["event"]["state"] == state);
        let at = of_it.next().and_then(|l| l["bootMs"].as_u64());
        Ok(at.ok_or_else(|| format!("{:?}", app.state())))
    })
    .await
}

async fn all_hold(guests: &[App]) -> Result<()> {
    for g in guests {
        g.says("Held", 60).await?;
    }
    Ok(())
}
