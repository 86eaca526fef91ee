//! The command line of Mooring.
//!
//! | module | what it holds |
//! |---|---|
//! | [`license`] | `mooring license …`: the vendor's side, keys to license files; works offline |
//! | [`client`], [`pki`] | `mooring client …`, `mooring pki …`: who may use a license server outside Kubernetes; offline |
//! | [`direct`] | a license server asked itself, where there is no cluster to ask |
//! | [`cluster`] | `mooring status`, `mooring leases`: what a cluster's license servers say; `mooring revoke`, `mooring release`, `mooring failover`; by custom resources only; `mooring ca` |
//! | [`policy`] | `mooring policy`: whose seats are whose, and what a policy would change |
//! | [`audit`] | a license server's audit log: verified, and what of it a vendor is given; offline |
//! | [`completion`] | what shells and kubectl read to complete a command line |
//! | [`output`], [`age`] | how results are written: text, YAML, JSON; ages as kubectl writes them |
//!
//! Results go to standard output, everything else to standard error. The exit code is 0 if what was
//! asked for holds, 1 if it does not, 2 if the command line cannot be read.

#![cfg_attr(test, allow(clippy::too_many_lines))]

pub mod age;
pub mod audit;
pub mod client;
pub mod cluster;
pub mod completion;
pub mod direct;
pub mod license;
pub mod output;
pub mod pki;
pub mod policy;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::process::ExitCode;

/// Under which name the program was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Mooring,
    KubectlPlugin,
}

/// Floating licenses anchored to hardware, for workloads on Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "mooring",
    version,
    after_help = "Examples:
  mooring status -A                                who serves, with how many seats, and what is wrong
  mooring leases -n render                         who holds what, and who waits
  mooring license keygen --out vendor.key          a vendor's key
  mooring license issue order.yaml --key vendor.key --anchor anchor.yaml --out acme.mooring
  mooring license inspect acme.mooring             what a license file says

Outside Kubernetes (docs/without-kubernetes.md):
  mooring pki init --out pki                       a CA, for server and clients
  mooring client issue --key client.key --server main --subject build-7
  mooring leases --server https://license.example.com:8443 --roots pki/ca.crt --token-file admin.token"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// License servers of a cluster: node, anchor, seats, line, and what to do about problems
    Status(cluster::StatusArgs),
    /// Who holds what, and who waits, at which place
    Leases(cluster::LeasesArgs),
    /// Whether an installation is as it should be, and what to do where it is not
    Check(cluster::check::CheckArgs),
    /// Whose seats are whose: the policies, what each group owns and has; and trying one out
    Policy(policy::PolicyArgs),
    /// The operator's CA: how it stands, and the next one
    #[command(subcommand)]
    Ca(cluster::ca::CaCommand),
    /// Make keys, licenses and anchor descriptions; read and verify them (offline)
    #[command(subcommand)]
    License(license::LicenseCommand),
    /// Say who may use a license server outside Kubernetes: client keys and client tokens (offline)
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Make certificates for a license server and its clients outside Kubernetes (offline)
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Verify a license server's audit log, and make what a vendor is given of it (offline)
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Revoke the holder of a lease, or lift that again
    Revoke(cluster::revoke::RevokeArgs),
    /// Take one lease back from its holder, who is barred from nothing
    Release(cluster::revoke::ReleaseArgs),
    /// Have the standby on another node serve in the primary's place, or the primary again
    Failover(cluster::failover::FailoverArgs),
    /// What a shell, or kubectl, reads to complete these commands and their flags
    Completion(completion::CompletionArgs),
    /// Answers kubectl, which completes a command line
    #[command(name = "__complete", hide = true)]
    Complete(completion::Words),
}

/// Reads the command line, does what it says, and prints an error with its causes.
pub fn run(program: Program) -> ExitCode {
    let cli = match parse(program) {
        Ok(cli) => cli,
        Err(e) => e.exit(),
    };
    let done = match cli.command {
        Command::License(c) => license::run(c),
        Command::Client(c) => client::run(c),
        Command::Pki(c) => pki::run(c),
        Command::Audit(c) => audit::run(c),
        Command::Revoke(a) => cluster::revoke::revoke(&a),
        Command::Policy(a) => policy::run(&a),
        Command::Ca(c) => cluster::ca::run(&c),
        Command::Release(a) => cluster::revoke::release(&a),
        Command::Failover(a) => cluster::failover::run(&a),
        Command::Status(a) => cluster::status(&a),
        Command::Leases(a) => cluster::leases(&a),
        Command::Check(a) => cluster::check::run(&a),
        Command::Completion(a) => completion::run(&a, Cli::command()),
        Command::Complete(a) => completion::complete(&a, Cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed the pipe (`| head`): nothing is wrong.
        Err(e) if is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("Error: {}", words(&e));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes; a cause that its parent has already quoted is not said twice.
fn words(e: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in e.chain().map(ToString::to_string) {
        if out.is_empty() {
            out = cause;
        } else if !out.contains(&cause) {
            out = format!("{out}: {cause}");
        }
    }
    out
}

fn parse(program: Program) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    if program == Program::KubectlPlugin {
        // What people type, so that usage lines can be copied.
        command = command
            .bin_name("kubectl mooring")
            .display_name("kubectl-mooring");
    }
    let mut matches = command.try_get_matches()?;
    Cli::from_arg_matches_mut(&mut matches)
}

fn is_broken_pipe(e: &anyhow::Error) -> bool {
    e.chain().any(|c| {
        c.downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let inner = anyhow::anyhow!("no such file");
        assert_eq!(
            words(&inner.context("--out: no such file").context("a.yaml")),
            "a.yaml: --out: no such file"
        );
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
