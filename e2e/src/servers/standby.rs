//! The second dongle is on another node. For the project's own cluster, whose nodes can be cut off
//! and switched off.

use crate::lab::{
    Anchor, App, Lab, NAMESPACE, Output, PIN, Server, eventually, run_words, so, within,
};
use crate::main_job::{begin, count_seats, held_until, notices_nothing};
use anyhow::{Context as _, Result, ensure};
use mooring_api::status::PRIMARY_SERVES;
use mooring_api::{Serving, Side};
use std::time::{Duration, Instant};

/// The primary's node is cut off: nobody else serves, and an administrator's request is refused.
/// It is switched off and tainted: the standby serves on the other node, who holds a seat notices
/// nothing, the seat of the dead node's pod is the next one's, and none is out twice. When the node
/// is back it stays so, until an administrator hands back.
pub(super) async fn a_standby_elsewhere_serves_on_proof_alone(lab: &Lab) -> Result<()> {
    let name = "a_standby_elsewhere_serves_on_proof_alone";
    let (server, ns) = two_sides(lab, name).await?;
    let (a, b) = (&lab.nodes.0, &lab.nodes.1);
    let lives = holds_on(lab, &ns, "lives", b).await?;
    let dies = holds_on(lab, &ns, "dies", a).await?;
    let waits = App::start(lab, &ns, "waits", "render", Some(b)).await?;
    server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;

    let before = held_until(&lives);
    lab.node("cut", a).await?;
    let alone = nobody_else_serves(lab, &server).await;
    lab.node("join", a).await?;
    alone?;
    serves(lab, &server, Side::Primary, a).await?;
    renews_beyond(&lives, before).await?;

    lab.node("off", a).await?;
    let off = Instant::now();
    let done = async {
        let ready = format!("wait node {a} --for=condition=Ready=Unknown --timeout=120s");
        lab.kubectl(&ready).await?.ok(&ready)?;
        lab.out_of_service(a).await?;
        let proven = Instant::now();
        let before = held_until(&lives);
        serves(lab, &server, Side::Standby, b).await?;
        let ready = proven.elapsed();
        renews_beyond(&lives, before).await?;
        let renewed = proven.elapsed();
        waits.says("Held", 90).await?;
        println!(
            "  RTO, the node is off for {:.1} s when it is tainted; from the taint: Ready after {:.1} s, a lease in force is renewed after {:.1} s, the dead node's seat is the next one's after {:.1} s",
            (proven - off).as_secs_f64(),
            ready.as_secs_f64(),
            renewed.as_secs_f64(),
            proven.elapsed().as_secs_f64()
        );
        notices_nothing(&lives)?;
        count_seats(&[(&lives, 1), (&dies, 1), (&waits, 1)], 2).map(drop)
    };
    let done = done.await;
    let back = lab.boots(a).await;
    done?;
    back?;
    // A node that is back takes nothing over.
    serves(lab, &server, Side::Standby, b).await?;
    handed_over(lab, &server, Side::Primary, a).await?;
    renews_beyond(&lives, held_until(&lives)).await?;
    notices_nothing(&lives)?;
    count_seats(&[(&lives, 1), (&dies, 1), (&waits, 1)], 2).map(drop)
}

/// `kubectl mooring failover`, there and back: the pod of one side has ended before the other's is
/// made, also where the operator is killed in between; who holds a seat notices nothing.
pub(super) async fn a_handover_ends_one_side_before_the_other_begins(lab: &Lab) -> Result<()> {
    let name = "a_handover_ends_one_side_before_the_other_begins";
    let (server, ns) = two_sides(lab, name).await?;
    let (a, b) = (&lab.nodes.0, &lab.nodes.1);
    let apps = [
        holds_on(lab, &ns, "one", a).await?,
        holds_on(lab, &ns, "two", b).await?,
    ];
    let refused = failover(lab, &server, "--to primary").await?;
    ensure!(
        !refused.success && refused.err.contains("the primary serves already"),
        "asked for what is so already: {refused:?}"
    );
    let before = apps.each_ref().map(held_until);
    handed_over(lab, &server, Side::Standby, b).await?;
    for (app, before) in apps.iter().zip(before) {
        renews_beyond(app, before).await?;
    }
    // Back, and the operator is killed in the midst of it.
    let request = failover(lab, &server, "--to primary --wait 0").await?;
    request.ok("asking for the primary")?;
    let killed = format!(
        "-n {NAMESPACE} delete pod -l app.kubernetes.io/component=operator --grace-period=0 --force"
    );
    lab.kubectl(&killed).await?.ok(&killed)?;
    serves(lab, &server, Side::Primary, a).await?;
    for app in &apps {
        renews_beyond(app, held_until(app)).await?;
        notices_nothing(app)?;
    }
    count_seats(&[(&apps[0], 1), (&apps[1], 1)], 2).map(drop)
}

/// A LicenseServer with two seats, its dongle on the first node and the standby's on the second;
/// the primary serves.
async fn two_sides(lab: &Lab, name: &str) -> Result<(Server, String)> {
    ensure!(
        lab.own,
        "a node is cut off or switched off: on the project's own cluster only"
    );
    let ns = begin(lab, name).await?;
    let (a, b) = (&lab.nodes.0, &lab.nodes.1);
    let folder = lab.dir.path().join(&ns);
    std::fs::create_dir_all(&folder)?;
    // Of the same label, so that the token's module finds it where it finds the first one's.
    let spare = Anchor::make(&lab.cli, &folder, &lab.anchor.label).await?;
    lab.anchor.place(lab, a).await?;
    spare.place(lab, b).await?;
    let mut server = Server::new(&ns, 2);
    // Longer than the change takes: who lives keeps its seat, who is dead loses it by a proof.
    server.duration = Duration::from_secs(180);
    server.standby_on = Some(b.clone());
    let (first, standby) = (&lab.anchor.description, &spare.description);
    let license = server.license_with_standby(lab, first, standby).await?;
    server.apply_with(lab, &license, PIN).await?;
    serves(lab, &server, Side::Primary, a).await?;
    Ok((server, ns))
}

async fn holds_on(lab: &Lab, ns: &str, name: &str, node: &str) -> Result<App> {
    let app = App::start(lab, ns, name, "render", Some(node)).await?;
    app.says("Held", 60).await?;
    Ok(app)
}

/// Waits until it holds its lease for longer than that: a third of a lease, and some more.
async fn renews_beyond(app: &App, seen: u64) -> Result<()> {
    let what = format!("{} renews its lease", app.name);
    eventually(&what, within(90), async || {
        let now = held_until(app);
        so(now > seen, || {
            format!("Held until {now} ms, {:?}", app.state())
        })
    })
    .await
}

async fn serving(lab: &Lab, server: &Server) -> Result<Serving> {
    let status = server.get(lab).await?.status.unwrap_or_default();
    status.serving.context("status.serving is empty")
}

/// Waits until this side serves from that node, and grants.
async fn serves(lab: &Lab, server: &Server, side: Side, node: &str) -> Result<()> {
    let what = format!("the {side} serves from {node}");
    eventually(&what, within(180), async || {
        let status = server.get(lab).await?.status.unwrap_or_default();
        let ready = status
            .condition("Ready")
            .is_some_and(|c| c.status == "True");
        let is = status.serving.as_ref().map(|s| s.side) == Some(side);
        let at = status.node.as_deref() == Some(node);
        so(ready && is && at, || format!("{status:?}"))
    })
    .await
}

/// While its node is cut off the primary's pod is there, and no other; who asks for the standby is
/// refused, and told what would be a proof.
async fn nobody_else_serves(lab: &Lab, server: &Server) -> Result<()> {
    let uid = server.pod_uid(lab).await?;
    let what = format!("{PRIMARY_SERVES} says that nothing is proven");
    eventually(&what, within(120), async || {
        let conditions = server.conditions(lab).await?;
        let found = conditions.iter().find(|c| c.type_ == PRIMARY_SERVES);
        let is = found.is_some_and(|c| c.status == "True" && c.reason == "NotProven");
        so(is, || format!("{found:?}"))
    })
    .await?;
    let refused = failover(lab, server, "--to standby").await?;
    ensure!(
        !refused.success && refused.err.contains("out-of-service"),
        "a request without proof: {refused:?}"
    );
    let now = serving(lab, server).await?;
    let pod = server.pod_uid(lab).await?;
    ensure!(
        now.side == Side::Primary && now.hands_over.is_none() && pod == uid,
        "pod {uid} is {pod} now, and {now:?}"
    );
    println!("  refused: {}", refused.err.trim());
    Ok(())
}

async fn failover(lab: &Lab, server: &Server, flags: &str) -> Result<Output> {
    let (ns, name) = (&server.namespace, &server.name);
    run_words(&lab.cli, &format!("failover {name} -n {ns} {flags}")).await
}

/// Asks for that side, which serves from there then, since the other's pod has ended by its
/// kubelet's word.
async fn handed_over(lab: &Lab, server: &Server, side: Side, node: &str) -> Result<()> {
    let begun = Instant::now();
    let said = failover(lab, server, &format!("--to {side}")).await?;
    ensure!(said.success, "handing over to the {side}: {said:?}");
    println!(
        "  {} (after {:.1} s)",
        said.err.trim(),
        begun.elapsed().as_secs_f64()
    );
    serves(lab, server, side, node).await?;
    let now = serving(lab, server).await?;
    let why = now.why.unwrap_or_default();
    ensure!(
        why.contains("all its containers have terminated"),
        "the {side} serves without that proof: {why:?}"
    );
    Ok(())
}
