//! The change of CAs, asked for and by itself.

use super::steps::{admits, confirmed, roots, status, told, until};
use crate::lab::{App, Helm, Lab, Server, eventually, run_words, so, within};
use crate::main_job::{begin, count_seats, holds, notices_nothing, renews};
use anyhow::{Result, ensure};
use mooring_api::ca::CaPhase;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Lives of a few minutes: a CA is late after two, a certificate is renewed after one.
const SHORT: &[&str] = &["certificates.caValidity=3m", "certificates.validity=90s"];

/// A new CA is asked for, and later the next one comes by itself, while pods hold seats, others
/// come and go, and the server restarts: nobody is told anything but `Held`.
pub(super) async fn a_new_ca_takes_over_under_load(lab: &Lab) -> Result<()> {
    Helm::upgrade(lab, SHORT)
        .await?
        .ok("helm upgrade with short lives")?;
    let done = under_load(lab).await;
    // The next CA is a long-lived one again: with these values the present one is late.
    Helm::upgrade(lab, &[]).await?.ok("helm upgrade")?;
    done
}

async fn under_load(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_new_ca_takes_over_under_load").await?;
    let mut server = Server::new(&ns, 8);
    // A restart of the server's pod must fit into a lease.
    server.duration = Duration::from_secs(20);
    server.ready(lab).await?;
    admits(lab, &ns).await?;
    let mut old = Vec::new();
    for n in 0..4 {
        let node = if n % 2 == 0 {
            &lab.nodes.0
        } else {
            &lab.nodes.1
        };
        old.push(App::start(lab, &ns, &format!("old{n}"), "render", Some(node)).await?);
    }
    for app in &old {
        app.says("Held", 60).await?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let churn = tokio::task::spawn_local(churn(lab.clone(), ns.clone(), stop.clone()));

    let changed = change(lab, &ns, &server, &old).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = churn.await??;
    let guests = all.len();
    let fresh = changed?;
    all.extend(old);
    all.extend(fresh);
    let renewals: usize = all.iter().map(confirmed).sum();
    let counted: Vec<(&App, u32)> = all.iter().map(|a| (a, 1)).collect();
    let most = count_seats(&counted, 8)?;
    println!(
        "  {} holders, {guests} of them for a moment; {renewals} confirmations of leases; at most {} seats at once",
        all.len(),
        most.seats
    );
    all.iter().try_for_each(notices_nothing)?;
    ensure!(
        guests >= 3,
        "only {guests} pods came and went: that is no load"
    );
    Ok(())
}

/// Pods that come, have their lease renewed, and go, one after the other.
async fn churn(lab: Lab, ns: String, stop: Arc<AtomicBool>) -> Result<Vec<App>> {
    let mut all = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let app = holds(&lab, &ns, &format!("guest{}", all.len()), None).await?;
        renews(&app, 1).await?;
        app.delete(&lab).await?;
        all.push(app);
    }
    Ok(all)
}

/// From the old pods' CA to the next by request, and to the one after that by itself.
async fn change(lab: &Lab, ns: &str, server: &Server, old: &[App]) -> Result<Vec<App>> {
    let first = status(lab).await?;
    let asked = run_words(&lab.cli, "ca rotate").await?;
    asked.ok("mooring ca rotate")?;
    let bridged = until(lab, "a new CA signs, and all servers show it", 90, |s| {
        s.name != first.name && s.phase == CaPhase::Bridging
    })
    .await?;
    let names = |a: &&App| bridged.some_pods.contains(&format!("{ns}/{}", a.name));
    ensure!(old.iter().filter(names).count() == old.len(), "{bridged:?}");
    let olds: Vec<&App> = old.iter().collect();
    let new = holds(lab, ns, "new", None).await?;
    ensure!(roots(lab, &new).await? == 1, "a new pod trusts the old CA");
    let c = told(lab, server, "EarlierCaVouches", &olds, &[&new]).await?;
    println!("  {}", c.message);

    // Every holder shakes hands anew.
    server.delete_pod(lab, "--grace-period=1").await?;
    for app in old.iter().chain([&new]) {
        renews(app, 2).await?;
    }
    let shown = certificate(lab, server).await?;
    for app in old {
        app.delete(lab).await?;
    }
    let mut fresh = vec![new];
    for n in 0..3 {
        fresh.push(holds(lab, ns, &format!("fresh{n}"), None).await?);
    }
    eventually("the certificate is renewed", within(120), async || {
        let now = certificate(lab, server).await?;
        so(now != shown, || "it is the same".into())
    })
    .await?;

    let third = until(lab, "the next CA comes by itself", 180, |s| {
        s.name != bridged.name && s.phase == CaPhase::Bridging
    })
    .await?;
    println!("  {} → {} → {}", first.name, bridged.name, third.name);
    server.delete_pod(lab, "--grace-period=1").await?;
    for app in &fresh {
        renews(app, 2).await?;
    }
    Ok(fresh)
}

/// The chain in the server's Secret.
async fn certificate(lab: &Lab, server: &Server) -> Result<String> {
    let secret = format!("-n {} get secret {}-tls -o", server.namespace, server.name);
    let said = lab
        .kubectl_with(&secret, "jsonpath={.data.tls\\.crt}")
        .await?;
    said.ok("reading the certificate")
}
