//! `mooring`: licenses for vendors, a cluster's license servers for platform teams.

use std::process::ExitCode;

fn main() -> ExitCode {
    mooring_cli::run(mooring_cli::Program::Mooring)
}
