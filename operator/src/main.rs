//! `mooring-operator`: reads its command line and starts.

use clap::{Parser, Subcommand};
use mooring_api::definitions;
use mooring_net::shutdown::Shutdown;
use mooring_operator::discovery::agent::AgentArgs;
use mooring_operator::licenseserver::build::Defaults;
use mooring_operator::{discovery, run, webhook};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    Run(Box<Run>),
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

#[derive(clap::Args)]
struct Run {
    /// The operator's namespace.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    namespace: String,
    /// This replica's name, which differs from all others.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    replica: String,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, default_value_t = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 8081)), value_name = "ADDRESS:PORT")]
    health_listen: SocketAddr,
    /// The license server's image, where a LicenseServer names none.
    #[arg(long, value_name = "IMAGE")]
    server_image: String,
    /// pcscd's image, where a LicenseServer that has pcscd in its pod names none.
    #[arg(long, default_value = "mooring/pcscd", value_name = "IMAGE")]
    pcscd_image: String,
    /// A Secret to pull both with, which must be there in the LicenseServers' namespaces. May be
    /// given several times.
    #[arg(long, value_name = "NAME")]
    server_image_pull_secret: Vec<String>,
    /// The ClusterRole that may create tokenreviews, bound to each license server's service
    /// account.
    #[arg(
        long,
        default_value = "mooring-server-tokenreviews",
        value_name = "NAME"
    )]
    tokenreview_role: String,
    /// What is logged: a level, or a filter such as mooring_operator=debug,info.
    #[arg(
        long,
        env = "MOORING_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    log: String,
    /// Take the discovery agents' reports in, and label nodes after the devices that LicenseServers
    /// name in placement.device.
    #[arg(long)]
    discovery: bool,
    #[command(flatten)]
    webhook: webhook::Flags,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(args) => start(*args),
        Command::Discover(args) => discover(args),
        Command::Crds { out } => crds(out.as_deref()),
        Command::Selftest { namespace } => selftest(&namespace),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn start(args: Run) -> anyhow::Result<()> {
    mooring_net::log::start(&args.log);
    let config = run::Config {
        webhook: args
            .webhook
            .config(&args.namespace)
            .map_err(anyhow::Error::msg)?,
        namespace: args.namespace,
        replica: args.replica,
        health: args.health_listen,
        discovery: args.discovery,
        defaults: Defaults {
            server_image: args.server_image,
            pcscd_image: args.pcscd_image,
            tokenreview_role: args.tokenreview_role,
            image_pull_secrets: args.server_image_pull_secret,
        },
    };
    let shutdown = Shutdown::on_signals()?;
    let client = kube::Client::try_default().await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), namespace = %config.namespace, replica = %config.replica, "starting");
    Box::pin(run::run(config, client, shutdown)).await
}

#[tokio::main(flavor = "current_thread")]
async fn discover(args: AgentArgs) -> anyhow::Result<()> {
    mooring_net::log::start(args.log());
    discovery::agent::run(args, Shutdown::on_signals()?).await
}

#[tokio::main(flavor = "current_thread")]
async fn selftest(namespace: &str) -> anyhow::Result<()> {
    let client = kube::Client::try_default().await?;
    webhook::selftest(&client, namespace).await?;
    writeln!(
        std::io::stdout(),
        "The CRDs are served, and the webhook refuses what it must."
    )?;
    Ok(())
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
