//! The sidecar, as a library: what its program does ([`main`]), and how what applications say is
//! read ([`socket::input`]), for the fuzzer.

#![cfg_attr(test, allow(clippy::too_many_lines))]

mod alarm;
mod args;
mod claims;
mod clock_skew;
mod config;
mod credentials;
mod driver;
mod each;
mod exec;
mod gate;
mod lifecycle;
mod options;
mod paths;
mod printed;
mod progress;
mod registry;
mod report;
mod run;
mod server_client;
mod servers;
pub mod socket;
mod status;
mod store;
mod users;
mod voucher;

use args::{Args, Command};
use clap::Parser as _;
use options::Mode;
use std::process::ExitCode;

/// Does what the arguments ask for.
pub fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Run(args) => run::main(&args, Mode::Run).map(|()| ExitCode::SUCCESS),
        Command::Exec(args) => Ok(exec::main(&args)),
        Command::Agent(args) => run::main(&args, Mode::Agent).map(|()| ExitCode::SUCCESS),
        Command::App(args) => Ok(exec::become_app(&args)),
        Command::Gate(args) => gate::main(&args),
        Command::Status(args) => status::main(&args),
    };
    done.unwrap_or_else(|e| {
        eprintln!("mooring-sidecar: {e:#}");
        ExitCode::FAILURE
    })
}
