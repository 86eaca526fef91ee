//! `mooring-operator`: reads its command line and starts.

use clap::{Parser, Subcommand};
use mooring_api::definitions;
use mooring_net::shutdown::Shutdown;
use mooring_operator::discovery::agent::AgentArgs;
use mooring_operator::{discovery, health, run, webhook};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// musl's own gives the kernel back what a review needed, and takes it anew for the next.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Mooring's operator: license servers, leases and sidecars on Kubernetes.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the webhook in every replica, and the controllers in the one that leads.
    Run(Box<run::Config>),
    /// Say whether the operator that runs here is alive; for probes. Exit code 1: it is not.
    Health {
        #[command(flatten)]
        socket: health::Socket,
        /// It must be ready, too: the webhook may be sent pods.
        #[arg(long)]
        ready: bool,
    },
    /// Print the custom resource definitions as YAML, or write them into a folder, one file each.
    Crds {
        /// The folder to write into; to standard output without it.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// On a node: report which USB devices are plugged in there. The chart's DaemonSet runs it.
    Discover(AgentArgs),
    /// Try the installation, as `helm test` does: the webhook must refuse a pod whose request is
    /// wrong.
    Selftest {
        /// A namespace to try it from, by dry run.
        #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
        namespace: String,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(args) => start(*args),
        Command::Health { socket, ready } => {
            let said = socket.report(ready).map_err(anyhow::Error::msg)?;
            Ok(writeln!(std::io::stdout(), "{said}")?)
        }
        Command::Discover(args) => discover(args),
        Command::Crds { out } => crds(out.as_deref()),
        Command::Selftest { namespace } => selftest(&namespace),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn start(args: run::Config) -> anyhow::Result<()> {
    mooring_net::log::start(&args.log);
    Box::pin(run::run(args, Shutdown::on_signals()?)).await
}

#[tokio::main(flavor = "current_thread")]
async fn discover(args: AgentArgs) -> anyhow::Result<()> {
    mooring_net::log::start(&args.log);
    discovery::agent::run(args, Shutdown::on_signals()?).await
}

#[tokio::main(flavor = "current_thread")]
async fn selftest(namespace: &str) -> anyhow::Result<()> {
    let client = kube::Client::try_default().await?;
    webhook::selftest(&client, namespace).await?;
    let text = "The CRDs are served, and the webhook refuses what it must.";
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn crds(out: Option<&Path>) -> anyhow::Result<()> {
    for (file, crd) in definitions::all() {
        let text = definitions::yaml(&crd)?;
        match out {
            Some(folder) => std::fs::write(folder.join(file), text)?,
            None => write!(std::io::stdout(), "---\n{text}")?,
        }
    }
    Ok(())
}
