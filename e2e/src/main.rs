//! `mooring-e2e demo` and `mooring-e2e scenarios TOPIC [NAME…]`: start them through `e2e/run`,
//! which builds and starts what they need. `mooring-e2e processes [NAME…]` and
//! `mooring-e2e instructions` need no cluster: start them through `e2e/processes` and
//! `e2e/instructions`.

use anyhow::{Result, bail, ensure};
use clap::{Parser, Subcommand};
use mooring_e2e::{
    anchors, corpus, demo, devices, gate, kueue, lab::Lab, leases, main_job, outage, pods,
    processes, revoke, rotation, servers, skew, strangers, suite,
};

/// Runs Mooring on a real Kubernetes, and as processes.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Shows the main job, step by step, and checks what it shows.
    Demo,
    /// Runs the scenarios of topics.
    Scenarios {
        /// `main_job`, `gate`, `corpus`, `leases`, `outage`, `pods`, `kueue`, `revoke`, `anchors`,
        /// `devices`, `servers`, `rotation`, `strangers`, `skew`, or `soak`; several with commas
        /// between them.
        topics: String,
        /// Only those whose name contains one of these.
        only: Vec<String>,
    },
    /// Runs servers and sidecars as plain processes on this machine.
    Processes {
        /// Only those whose name contains one of these.
        only: Vec<String>,
    },
    /// Counts what the hot paths execute, and compares it with what is written down.
    Instructions,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Args::parse().what {
        What::Demo => demo::run().await,
        What::Processes { only } => {
            if !tokio::task::spawn_blocking(move || processes::run(&only)).await? {
                std::process::exit(1);
            }
            Ok(())
        }
        What::Instructions => tokio::task::spawn_blocking(processes::instructions).await?,
        What::Scenarios { topics, only } => {
            if !run(&topics, &only).await? {
                std::process::exit(1);
            }
            Ok(())
        }
    }
}

/// Runs the scenarios of topics one after another. Returns whether all passed.
async fn run(topics: &str, only: &[String]) -> Result<bool> {
    let all = topics.split(',').map(|t| Ok((t, scenarios(t)?)));
    let mut chosen = all.collect::<Result<Vec<_>>>()?;
    chosen.retain(|(_, all)| all.iter().any(|s| suite::is_chosen(s, only)));
    ensure!(
        !chosen.is_empty(),
        "no scenario of {topics} is called like {only:?}"
    );
    let lab = Lab::open().await?;
    let mut passed = true;
    for (topic, scenarios) in chosen {
        // The first scenario of the main job installs the chart itself.
        let first = scenarios.first().filter(|s| suite::is_chosen(s, only));
        match topic {
            "main_job" if first.is_some() => {}
            "corpus" => corpus::prepare(&lab).await?,
            "devices" => devices::prepare(&lab).await?,
            "kueue" => kueue::prepare(&lab).await?,
            _ => leases::prepare(&lab).await?,
        }
        let all = suite::run(topic, &scenarios, &lab, only);
        passed &= tokio::task::LocalSet::new().run_until(all).await;
        if topic == "corpus" {
            corpus::clear(&lab).await?;
        }
    }
    Ok(passed)
}

fn scenarios(topic: &str) -> Result<Vec<suite::Scenario>> {
    let known = "main_job, gate, corpus, leases, outage, pods, kueue, revoke, anchors, devices, servers, rotation, strangers, skew, soak";
    Ok(match topic {
        "main_job" => main_job::scenarios(),
        "gate" => gate::scenarios(),
        "corpus" => corpus::scenarios(),
        "leases" => leases::scenarios(),
        "outage" => outage::scenarios(),
        "pods" => pods::scenarios(),
        "kueue" => kueue::scenarios(),
        "revoke" => revoke::scenarios(),
        "anchors" => anchors::scenarios(),
        "devices" => devices::scenarios(),
        "servers" => servers::scenarios(),
        "rotation" => rotation::scenarios(),
        "strangers" => strangers::scenarios(),
        "skew" => skew::scenarios(),
        "soak" => pods::soak(),
        other => bail!("no topic is called {other:?}; there are: {known}"),
    })
}
