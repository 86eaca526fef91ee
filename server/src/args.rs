//! The command line.

use crate::anchor::worker;
use crate::check::check;
use crate::init::{InitArgs, init};
use crate::run::Server;
use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use mooring_config::Config;
use mooring_net::health;
use mooring_net::shutdown::Shutdown;
use rustix::process;
use std::path::PathBuf;

/// The Mooring license server: serves floating licenses that are anchored to hardware.
///
/// It reads one configuration file, listens for sidecars and agents over TLS, and grants leases
/// while its anchor (a PKCS#11 token, a USB device, or the machine itself) is there. On Kubernetes
/// the operator writes the file and runs the pod; elsewhere run it under a service manager.
/// SIGTERM ends it in order; holders notice nothing if it is back within their lease.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve.
    Run {
        /// The configuration file (YAML).
        #[arg(long, value_name = "FILE", default_value = "/etc/mooring/config.yaml")]
        config: PathBuf,
        /// What is logged: a `tracing` filter such as "info" or "mooring_server=debug".
        #[arg(long, env = "MOORING_LOG", default_value = "info")]
        log: String,
        /// Where sysfs is mounted, for a `usb` anchor; over anchor.usb.sysfsRoot.
        #[arg(long, value_name = "DIR", env = "MOORING_SYSFS_ROOT")]
        sysfs_root: Option<PathBuf>,
        /// Where the machine's root is mounted, for an `hwid` anchor; over anchor.hwid.hostRoot.
        #[arg(long, value_name = "DIR", env = "MOORING_HOST_ROOT")]
        host_root: Option<PathBuf>,
    },
    /// Say whether the server that runs here is alive; for probes of Kubernetes, and for people.
    /// Exit code 1: it is not.
    Health {
        /// The configuration file (YAML).
        #[arg(long, value_name = "FILE", default_value = "/etc/mooring/config.yaml")]
        config: PathBuf,
        /// It must be ready, too: listening. A server without its anchor or license is.
        #[arg(long)]
        ready: bool,
    },
    /// Read the configuration and every file it names, say what is wrong, and end. Opens neither
    /// token nor port.
    CheckConfig {
        /// The configuration file (YAML).
        #[arg(long, value_name = "FILE", default_value = "/etc/mooring/config.yaml")]
        config: PathBuf,
    },
    /// Write a configuration to begin with, off Kubernetes, and what else needs no deciding.
    /// Overwrites nothing.
    #[command(after_help = "Example:
  mooring-server init --name main --dir /etc/mooring --state-dir /var/lib/mooring

docs/without-kubernetes.md goes on from there.")]
    Init(InitArgs),
    /// Talk to the PKCS#11 module, on behalf of `run`. Not for people.
    #[command(hide = true)]
    AnchorWorker,
}

impl Args {
    /// Does what was asked, to the end.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Run {
                config,
                log,
                sysfs_root,
                host_root,
            } => {
                mooring_net::log::start(&log);
                let mut config = Config::load(&config)?;
                for anchor in config.anchors_mut() {
                    anchor.rooted(sysfs_root.as_deref(), host_root.as_deref());
                }
                serve(&config)
            }
            Command::Health { config, ready } => {
                let socket = Config::load(&config)?.state_dir.join(health::SOCKET);
                let said = health::report(&socket, ready).map_err(anyhow::Error::msg)?;
                println!("{said}");
                Ok(())
            }
            Command::CheckConfig { config } => {
                let found = check(&Config::load(&config)?)?;
                println!("The configuration is good: {found}.");
                Ok(())
            }
            Command::Init(a) => {
                println!("{}", init(&a)?);
                Ok(())
            }
            Command::AnchorWorker => worker::run().context("anchor worker"),
        }
    }
}

fn serve(config: &Config) -> Result<()> {
    // The module in the anchor's worker is other people's code and runs as the same user: the keys
    // in this process's memory are none of its business.
    process::set_dumpable_behavior(process::DumpableBehavior::NotDumpable)
        .context("PR_SET_DUMPABLE")?;
    let runtime = tokio::runtime::Runtime::new().context("starting")?;
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().context("signals")?;
        Server::start(config, shutdown).await?.ended().await;
        Ok(())
    })
}
