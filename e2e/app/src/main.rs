//! The application of the end-to-end scenarios. It writes one JSON object a line, each stamped with
//! its own reading of the boot clock, which the nodes of a test cluster share: a checker merges the
//! lines of all pods.

#![allow(clippy::too_many_lines)] // a list of cases, or a scenario, is read from its top to its end

mod flood;
mod late;
mod lies;
mod report;
mod rogue;
mod run;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A licensed application for tests.
#[derive(Debug, Parser)]
#[command(name = "mooring-e2e-app", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write down each event of the sidecar, signs of life between them, and whether the lease
    /// verifies.
    Run(run::RunArgs),
    /// Verify the lease once: exit 0 if it does.
    Verify(verify::VerifyArgs),
    /// Keep many connections to each target, and say nothing on them.
    Flood(flood::FloodArgs),
    /// Be an admission webhook that patches all that it is shown.
    Late(late::LateArgs),
    /// Misbehave towards the license server, and write down what it answers.
    Rogue(rogue::RogueArgs),
}

fn main() -> ExitCode {
    if let Ok(holders) = std::env::var(lies::VARIABLE) {
        return ended(lies::main(&holders));
    }
    ended(match Args::parse().command {
        Command::Run(args) => run::main(&args),
        Command::Verify(args) => Ok(verify::main(&args)),
        Command::Flood(args) => flood::main(&args),
        Command::Late(args) => late::main(&args),
        Command::Rogue(args) => rogue::main(&args),
    })
}

fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|e| {
        eprintln!("mooring-e2e-app: {e:#}");
        ExitCode::FAILURE
    })
}
