//! License servers that have the same product: one pool to the pods that ask for it.

use crate::lab::{Anchor, App, Lab, Row, Server, eventually, soft, within};
use crate::main_job::{begin, count_seats, holds, notices_nothing};
use anyhow::{Context as _, Result, ensure};
use mooring_api::AllowedNamespaces;

/// Seats of each server.
const SEATS: u32 = 2;

/// A server of these products, on a token of its own: a label has 32 characters at most.
pub(super) async fn ready(
    lab: &Lab,
    ns: &str,
    name: &str,
    products: &[(&str, u32)],
) -> Result<Server> {
    let scenario: String = ns.chars().take(24).collect();
    let token = format!("{scenario}-{name}");
    let anchor = Anchor::make(&lab.cli, lab.dir.path(), &token).await?;
    anchor.place(lab, &lab.nodes.0).await?;
    let products = products.iter().map(|(p, seats)| ((*p).to_owned(), *seats));
    let server = Server {
        name: name.to_owned(),
        products: products.collect(),
        anchored: Some(soft(&anchor)),
        // Not those of other scenarios' namespaces.
        allowed: AllowedNamespaces::default(),
        ..Server::new(ns, 0)
    };
    let license = server.license(lab, &anchor.description).await?;
    server.apply_with(lab, &license, crate::lab::PIN).await?;
    server.condition(lab, "Ready", "True").await?;
    Ok(server)
}

/// The servers that a pod with these annotations would get, in their order; or why it is refused.
async fn given(lab: &Lab, ns: &str, licenses: &str, more: &str) -> Result<Result<String, String>> {
    let yaml = App::yaml(lab, ns, "asks", licenses, None, more, "");
    let flags = "create --dry-run=server -o json -f -";
    let made = crate::lab::run("kubectl", &crate::lab::words(flags), Some(&yaml)).await?;
    if !made.success {
        return Ok(Err(made.err));
    }
    let pod: serde_json::Value = serde_json::from_str(&made.out)?;
    let init = pod["spec"]["initContainers"].as_array();
    let sidecar = init.and_then(|all| all.iter().find(|c| c["name"] == "mooring"));
    let env = sidecar.and_then(|c| c["env"].as_array());
    let env = env.context("the pod has no sidecar")?;
    let urls = env.iter().find(|e| e["name"] == "MOORING_SERVER");
    let urls = urls.and_then(|e| e["value"].as_str()).unwrap_or_default();
    let names = urls.split(';').filter_map(|url| {
        let host = url.strip_prefix("https://")?;
        host.split('.').next()
    });
    Ok(Ok(names.collect::<Vec<_>>().join(" ")))
}

pub(super) async fn who_has_the_products_is_found(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "who_has_the_products_is_found").await?;
    ready(lab, &ns, "a", &[("render", 2), ("mesh", 1)]).await?;
    ready(lab, &ns, "b", &[("render", 4), ("denoise", 1)]).await?;
    let several = "    mooring.dev/server: \"b,a\"\n";
    let scheduling = "    mooring.dev/wait: scheduling\n";
    for (licenses, more, expected) in [
        ("render", "", "a b"),
        ("render:3", "", "b"),
        ("render,mesh", "", "a"),
        ("denoise", "", "b"),
        ("mesh,denoise", "", "a b"),
        ("render", several, "b a"),
        ("render", scheduling, "a"),
    ] {
        let what = format!("a pod that asks for {licenses} gets {expected}");
        // What a server sells is known once it is in its status.
        let got = eventually(&what, within(30), async || {
            let got = given(lab, &ns, licenses, more).await?;
            let is = got.as_deref() == Ok(expected);
            Ok(is.then_some(()).ok_or_else(|| format!("{got:?}")))
        });
        got.await?;
        println!("  {licenses}: {expected}");
    }
    for (licenses, more, says) in [
        (
            "mesh,denoise",
            scheduling,
            &["a has mesh", "b has denoise", "one license server"][..],
        ),
        (
            "render",
            "    mooring.dev/server: \"a,a\"\n",
            &["character 3", "again"][..],
        ),
    ] {
        let why = given(lab, &ns, licenses, more).await?;
        let why = why.err().context("the pod is taken")?;
        ensure!(says.iter().all(|s| why.contains(s)), "{why}");
        println!("  {licenses}: {}", why.trim());
    }
    Ok(())
}

/// Those of the rows that are in this state at this server.
pub(super) fn at<'a>(rows: &'a [Row], server: &Server, state: &str) -> Vec<&'a Row> {
    let of = |r: &&Row| r.server == server.name && r.state == state;
    rows.iter().filter(of).collect()
}

pub(super) async fn two_servers_are_one_pool_and_one_goes_for_good(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "two_servers_are_one_pool_and_one_goes_for_good").await?;
    let stays = ready(lab, &ns, "a", &[("render", SEATS)]).await?;
    let goes = ready(lab, &ns, "b", &[("render", SEATS)]).await?;
    known(lab, &ns, "a b").await?;
    let mut apps = Vec::new();
    for name in ["one", "two", "three", "four"] {
        apps.push(holds(lab, &ns, name, Some(&lab.nodes.1)).await?);
    }
    let rows = stays.shows(lab, &[("Held", 4)], 30).await?;
    for server in [&stays, &goes] {
        let held = at(&rows, server, "Held").len();
        ensure!(held == 2, "{held} pods hold at {}: {rows:?}", server.name);
    }
    let next = App::start(lab, &ns, "next", "render", Some(&lab.nodes.1)).await?;
    let rows = stays.shows(lab, &[("Held", 4), ("Waiting", 2)], 60).await?;
    for server in [&stays, &goes] {
        let waits = at(&rows, server, "Waiting").len();
        ensure!(waits == 1, "{waits} wait at {}: {rows:?}", server.name);
    }
    println!("  four hold, two of each server; the fifth waits in both lines");

    let delete = format!("-n {ns} delete licenseserver {}", goes.name);
    let deleted = lab.kubectl(&delete).await?;
    deleted.ok("deleting a LicenseServer")?;
    let want = [("Held", 2), ("Grace", 2), ("Waiting", 1)];
    let rows = stays.shows(lab, &want, 90).await?;
    let of = |app: &App, all: &[&Row]| all.iter().any(|r| r.pod == app.name);
    let (held, lost) = (at(&rows, &stays, "Held"), at(&rows, &goes, "Grace"));
    ensure!((held.len(), lost.len()) == (2, 2), "{rows:?}");
    ensure!(at(&rows, &stays, "Waiting").len() == 1, "{rows:?}");
    println!("  the deleted server's two are under their grace, and its line is gone");

    let (here, there): (Vec<&App>, Vec<&App>) = apps.iter().partition(|a| of(a, &held));
    for app in &there {
        app.says("Grace", 60).await?;
    }
    ensure!(
        !next.started(lab).await?,
        "the fifth started without a seat"
    );
    let [first, second] = here.as_slice() else {
        anyhow::bail!("two hold at {}: {rows:?}", stays.name);
    };
    first.delete(lab).await?;
    next.says("Held", 60).await?;
    let want = [("Held", 2), ("Grace", 2)];
    let rows = stays.shows(lab, &want, 60).await?;
    ensure!(of(&next, &at(&rows, &stays, "Held")), "{rows:?}");
    println!("  the other's line goes on: its seat is the fifth's once it is free");
    for app in [second, &&next] {
        notices_nothing(app)?;
        missed_by_nobody(lab, app).await?;
    }
    let seats = [(*first, 1), (*second, 1), (&next, 1)];
    let most = count_seats(&seats, SEATS)?;
    println!(
        "  at most {} of its {SEATS} seats were held at once",
        most.seats
    );
    known(lab, &ns, "a").await?;
    Ok(())
}

/// Waits until pods get these servers.
pub(super) async fn known(lab: &Lab, ns: &str, servers: &str) -> Result<()> {
    let what = format!("a pod that names no server gets {servers}");
    eventually(&what, within(30), async || {
        let got = given(lab, ns, "render", "").await?;
        let is = got.as_deref() == Ok(servers);
        Ok(is.then_some(()).ok_or_else(|| format!("{got:?}")))
    })
    .await
}

/// No server has said of a pod that holds at another one that it does not hear it.
async fn missed_by_nobody(lab: &Lab, app: &App) -> Result<()> {
    let about = format!("regarding.name={},regarding.kind=Pod", app.name);
    let all = lab.events(&app.namespace, &about).await?;
    let bad = [
        "LicenseUnknown",
        "LicenseOptimistic",
        "LicenseGrace",
        "LicenseSilent",
    ];
    let missed = all.lines().find(|l| bad.iter().any(|b| l.starts_with(b)));
    ensure!(missed.is_none(), "{}: {missed:?}", app.name);
    Ok(())
}
