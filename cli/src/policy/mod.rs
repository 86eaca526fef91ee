//! `mooring policy`: whose seats are whose, and what a policy would change.
//!
//! | module | what it holds |
//! |---|---|
//! | [`read`](mod@read) | a policy out of a file |
//! | [`print`](mod@print) | what was found, as text |
//!
//! A license server outside Kubernetes is asked itself, as an administrator. On Kubernetes all goes
//! by LicensePolicies, as all else here does by objects: one that is tried out is made beside the
//! others as a dry run of that server (`dryRunOn`), its status is read, and it is deleted. So it
//! takes the right to write LicensePolicies and no more: a port-forward would take a right in the
//! license server's namespace, an administrator's client token, and a server that accepts those.

pub mod print;
pub mod read;

use crate::cluster::api::{ClusterArgs, Place};
use crate::cluster::policies;
use crate::direct::{self, Direct};
use crate::output::{self, Form};
use anyhow::bail;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  mooring policy                      the namespace's LicensePolicies: what each group owns, has and may have
  mooring policy -A                   all
  mooring policy shares -n licensing  one of them
  mooring policy test -f policy.yaml -n licensing --server main
  mooring policy --server https://license.example.com:8443 --roots ca.crt --token-file admin.token

OWNED is what there is of what the group owns, USED what it has, LENT how many of its own others may have
while it does not want them, MAX the most that it may have."
)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: Option<PolicyCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyCommand {
    /// Say what a policy would change, and change nothing
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this LicensePolicy
    #[arg(conflicts_with = "server")]
    name: Option<String>,
    /// Ask a license server outside Kubernetes: https://NAME:PORT
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    common: ClusterArgs,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file is a LicensePolicy. For a license server outside Kubernetes it may also be what stands under
`seats` in its policies file, or that file.

Each line is a claim that would stand otherwise, how it does and would, and why:
  holds        it has its seats
  calledBack   it has them until its owner, who wants them, gets them back
  waits        in line, for seats that others have
  heldBack     in line, and the policy holds it back
  refused      the policy never permits it

On Kubernetes it takes the right to write LicensePolicies (ClusterRole mooring-licensepolicy-editor): one is made as
a dry run, NAME-test-…, and deleted again. Nothing is enforced by it, and what is in force stays.

Examples:
  mooring policy test -f policy.yaml -n licensing --server main
  mooring policy test -f policy.yaml \\
      --server https://license.example.com:8443 --roots ca.crt --token-file admin.token"
)]
struct TestArgs {
    /// The policy
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
    /// The LicenseServer's name [default: those that name a policy of this name, or the namespace's
    /// only one]; or https://NAME:PORT, which is asked itself
    #[arg(long)]
    server: Option<String>,
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    place: Place,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// `mooring policy`.
pub fn run(args: &PolicyArgs) -> anyhow::Result<()> {
    match &args.command {
        Some(PolicyCommand::Test(a)) => test(a),
        None => list(&args.list),
    }
}

fn list(a: &ListArgs) -> anyhow::Result<()> {
    let Some(url) = &a.server else {
        a.direct.none_of_a_server()?;
        return policies::list(&a.common, a.name.as_deref());
    };
    a.common.none_of_a_cluster()?;
    let found = direct::products(url, &a.direct)?;
    output::show(a.common.output.data(), &found.policy, || {
        print::in_force(url, found.policy.as_ref())
    })
}

fn test(a: &TestArgs) -> anyhow::Result<()> {
    let url = a.server.as_ref().filter(|s| s.starts_with("https://"));
    let Some(url) = url else {
        a.direct.none_of_a_server()?;
        if a.server.as_ref().is_some_and(|s| s.contains('/')) {
            bail!(
                "--server: expected a LicenseServer's name (its namespace is -n), or https://NAME:PORT"
            );
        }
        let policy = read::license_policy(&a.file)?;
        let tried = policies::try_out(&a.place, &policy, a.server.as_deref())?;
        return output::show(a.output.data(), &tried.servers, || print::tried(&tried));
    };
    a.place.none_of_a_cluster()?;
    let policy = read::seat_policy(&a.file)?;
    let test = direct::try_policy(url, &a.direct, &policy)?;
    output::show(a.output.data(), &test, || {
        print::tried_by(url, &policy.name, &test)
    })
}
