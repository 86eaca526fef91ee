//! The main job, shown step by step: `make demo`.

mod dongle;
mod show;

use self::show::{NAMESPACE, print, say};
use crate::lab::{App, Helm, Lab, Server};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Shows it, and fails unless the API says what it should.
pub async fn run() -> Result<()> {
    let start = Instant::now();
    say("1. A vendor makes a key. A token is put on one node, and nowhere else: the anchor.");
    let lab = Lab::open().await?;
    let (anchored, other) = lab.nodes.clone();
    println!("The vendor's public key: {}", lab.vendor.public);
    println!(
        "A PKCS#11 token (SoftHSM2 here; a USB dongle elsewhere) is on {anchored}, not on {other}."
    );

    say("2. The operator is installed with Helm.");
    let installed = Helm::upgrade(&lab, &[]).await?;
    installed.ok("helm upgrade --install")?;
    print(&lab, "-n mooring-system get pods").await?;

    say(
        "3. A license server with 2 seats of \"render\", anchored to the token by the license it was given.",
    );
    lab.make_namespace(NAMESPACE, "").await?;
    let mut server = Server::new(NAMESPACE, 2);
    server.duration = Duration::from_secs(30);
    server.apply(&lab).await?;
    println!("{}", server.yaml(&lab)?);
    server.condition(&lab, "Ready", "True").await?;
    server.condition(&lab, "Settling", "False").await?;
    let look = async |what: &str| print(&lab, &format!("-n {NAMESPACE} get {what}")).await;
    look("licenseservers").await?;

    say("4. Three pods opt in by an annotation: mooring.dev/licenses: render");
    let apps = start_apps(&lab).await?;
    println!(
        "Two seats, three pods: one too many. Waiting until two hold a lease and one is in line …"
    );
    let rows = server
        .shows(&lab, &[("Held", 2), ("Waiting", 1)], 90)
        .await?;
    look("licenseleases -o wide").await?;
    look("pods -l app=e2e -o wide").await?;
    look("licenseservers").await?;

    say("5. What it comes to, read from the API");
    let count = |state: &str| rows.iter().filter(|r| r.state == state).count();
    let (held, waiting) = (count("Held"), count("Waiting"));
    for a in &apps {
        if rows.iter().any(|r| r.pod == a.name && r.state == "Held") {
            a.runs(&lab, 30).await?;
        }
    }
    let mut started = 0;
    for a in &apps {
        started += usize::from(a.started(&lab).await?);
    }
    println!(
        "leases Held: {held} (2 expected)   Waiting: {waiting} (1 expected)   application containers started: {started} (2 expected)"
    );
    if (held, waiting, started) != (2, 1, 2) {
        lab.dump(&[NAMESPACE, "mooring-system"]).await;
        bail!("the demo did not come out as it should");
    }
    show_one_application(&lab, &apps).await?;
    dongle::show(&lab).await?;
    println!("\nIt works. ({:.0} s)", start.elapsed().as_secs_f64());
    go_on();
    Ok(())
}

async fn start_apps(lab: &Lab) -> Result<Vec<App>> {
    let nodes = [&lab.nodes.0, &lab.nodes.1, &lab.nodes.1];
    let mut apps = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let name = format!("render-{}", i + 1);
        let yaml = App::yaml(lab, NAMESPACE, &name, "render", Some(node), "", "");
        let made = lab.apply(&yaml).await?;
        // A pod of an earlier demo that was made from other images cannot be changed: it is made
        // anew.
        if !made.success {
            let delete = format!("-n {NAMESPACE} delete pod {name} --ignore-not-found");
            lab.kubectl(&delete).await?.ok("deleting an older pod")?;
            lab.apply(&yaml).await?.ok("starting an annotated pod")?;
        }
        apps.push(App::follow(lab, NAMESPACE, &name));
    }
    Ok(apps)
}

async fn show_one_application(lab: &Lab, apps: &[App]) -> Result<()> {
    for a in apps {
        if a.started(lab).await? {
            let ask = "--unix-socket $MOORING_SOCKET http://mooring/v1/status";
            println!("\nInside {}, `curl {ask}` says:", a.name);
            let said = a.shell(lab, &format!("curl -s {ask}")).await?;
            let o = said.ok("asking the socket")?;
            let v: serde_json::Value = serde_json::from_str(&o)?;
            println!(
                "  state {}, licensed {}, for {} s without further contact",
                v["state"],
                v["licensed"],
                v["forMs"].as_u64().unwrap_or(0) / 1000
            );
            return Ok(());
        }
    }
    Ok(())
}

fn go_on() {
    say("Go on by hand");
    println!("{}", std::env::var("MOORING_ENTER").unwrap_or_default());
    println!(
        "\n  kubectl -n {NAMESPACE} get licenseleases -w                 # watch, and in another shell:\n  \
         kubectl -n {NAMESPACE} delete pod render-1                  # a seat comes back: the waiting pod starts\n  \
         kubectl -n {NAMESPACE} delete pod main-0                    # the license server dies: nobody notices\n  \
         kubectl -n {NAMESPACE} get events                           # what happened, in words\n  \
         kubectl -n {NAMESPACE} describe licenseserver main\n\n  make down                                                    # ends the cluster and leaves nothing behind"
    );
}
