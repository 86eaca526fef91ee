//! `kubectl mooring`: the same commands, found by kubectl on the PATH by this file's name.

use std::process::ExitCode;

fn main() -> ExitCode {
    mooring_cli::run(mooring_cli::Program::KubectlPlugin)
}
