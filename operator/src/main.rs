//! `mooring-operator`.

use clap::{Parser, Subcommand};

/// Mooring's operator: license servers, leases and sidecars on Kubernetes.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the custom resource definitions as YAML, or write them into a folder, one file each.
    Crds {
        /// The folder to write into; to standard output without it.
        #[arg(long)]
        out: Option<std::path::PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Crds { out } => crds(out.as_deref()),
    }
}

#[allow(clippy::print_stdout)]
fn crds(out: Option<&std::path::Path>) -> anyhow::Result<()> {
    for (file, crd) in mooring_operator::crd::all() {
        let text = mooring_operator::crd::yaml(&crd)?;
        match out {
            Some(dir) => std::fs::write(dir.join(file), text)?,
            None => println!("---\n{text}"),
        }
    }
    Ok(())
}
