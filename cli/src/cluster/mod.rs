//! What a cluster's license servers say: `status` and `leases`, read from the custom resources alone.
//!
//! | module | what it holds |
//! |---|---|
//! | [`api`] | kubeconfig, lists, and errors that say what to do; the only part that talks to a network |
//! | [`objects`] | the custom resources as far as they are shown |
//! | [`status`], [`leases`] | objects in, text out |
//! | [`age`] | ages as kubectl writes them |

pub mod age;
pub mod api;
pub mod leases;
pub mod objects;
pub mod status;

use crate::direct::{self, Direct};
use crate::output::{self, Data};
use clap::ValueEnum;
use mooring_core::time::Timestamp;

/// Which cluster, which namespace, which form.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long, conflicts_with = "all_namespaces")]
    pub namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// The kubeconfig's context
    #[arg(long)]
    pub context: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<std::path::PathBuf>,
    /// How to print it: a table, or the objects themselves
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Form,
}

impl Common {
    /// Refuses flags that a license server outside a cluster knows nothing of.
    fn none_of_a_cluster(&self) -> anyhow::Result<()> {
        let given = [
            ("--namespace", self.namespace.is_some()),
            ("--all-namespaces", self.all_namespaces),
            ("--context", self.context.is_some()),
            ("--kubeconfig", self.kubeconfig.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => anyhow::bail!(
                "{flag} goes with a cluster, and --server https://… asks a license server itself; expected one of the two"
            ),
            None => Ok(()),
        }
    }
}

/// A form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A table.
    #[default]
    Table,
    /// A table with more columns.
    Wide,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// Flags of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mooring status                     the namespace's license servers
  mooring status -A                  all
  mooring status main -n licensing   one of them
  mooring status -A -o json | jq '.items[].status.products'
  mooring status --server https://license.example.com:8443 --roots ca.crt --token-file my.token

Exit code 1 if a license server is not ready.")]
pub struct StatusArgs {
    /// Only this license server
    #[arg(conflicts_with = "server")]
    name: Option<String>,
    /// Ask a license server outside Kubernetes: https://NAME:PORT
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    common: Common,
}

/// Flags of `leases`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mooring leases                       the namespace's pods with leases or places in line
  mooring leases -A --state Waiting    who waits anywhere
  mooring leases -A --server licensing/main -o wide
  mooring leases --server https://license.example.com:8443 --roots ca.crt --token-file admin.token

STATE is what the license server knows:
  Held       the lease is in force
  Waiting    in line, at PLACE
  Silent     renewals were missed; the seat is free at UNTIL (-o wide)
  Contested  runs on for a while though its seat was given away, and stands in line
  Reserved   seats are kept for a pod that is not scheduled yet
  Refused    the license server said no
  Unknown    the pod runs, and the license server does not know it")]
pub struct LeasesArgs {
    /// Only those in this state, such as Held or Waiting
    #[arg(long, value_enum, ignore_case = true)]
    state: Vec<objects::State>,
    /// Only those of this license server: NAME or NAMESPACE/NAME; or https://NAME:PORT, which is asked itself
    #[arg(long)]
    server: Option<String>,
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    common: Common,
}

/// `mooring status`.
pub fn status(args: &StatusArgs) -> anyhow::Result<()> {
    if let Some(url) = &args.server {
        args.common.none_of_a_cluster()?;
        return direct::status(url, &args.direct, args.common.output);
    }
    args.direct.none_of_a_server()?;
    let found = api::list(&args.common, api::SERVERS)?;
    let mut servers = objects::read::<objects::LicenseServer>(&found)?;
    servers.retain(|s| args.name.as_ref().is_none_or(|n| *n == s.metadata.name));
    if let (Some(n), true) = (&args.name, servers.is_empty()) {
        anyhow::bail!(
            "no license server {n:?} in {}; see mooring status -A",
            found.place()
        );
    }
    let names: Vec<&str> = servers.iter().map(|s| s.metadata.uid.as_str()).collect();
    match data(args.common.output) {
        Some(d) => output::print(&d.render(&found.as_list(&names))?)?,
        None => output::print(&status::text(
            &servers,
            &found,
            Timestamp::now(),
            args.common.output == Form::Wide,
        ))?,
    }
    if servers.iter().any(|s| !s.is_ready()) {
        anyhow::bail!("not every license server is ready");
    }
    Ok(())
}

/// `mooring leases`.
pub fn leases(args: &LeasesArgs) -> anyhow::Result<()> {
    if let Some(url) = args.server.as_ref().filter(|s| s.starts_with("https://")) {
        args.common.none_of_a_cluster()?;
        return direct::leases(url, &args.direct, &args.state, args.common.output);
    }
    args.direct.none_of_a_server()?;
    let found = api::list(&args.common, api::LEASES)?;
    let mut leases = objects::read::<objects::LicenseLease>(&found)?;
    leases.retain(|l| args.state.is_empty() || args.state.contains(&l.state()));
    leases.retain(|l| args.server.as_ref().is_none_or(|s| l.is_of(s)));
    leases::sort(&mut leases);
    let names: Vec<&str> = leases.iter().map(|l| l.metadata.uid.as_str()).collect();
    match data(args.common.output) {
        Some(d) => output::print(&d.render(&found.as_list(&names))?)?,
        None => output::print(&leases::text(
            &leases,
            &found,
            Timestamp::now(),
            args.common.output == Form::Wide,
        ))?,
    }
    Ok(())
}

fn data(form: Form) -> Option<Data> {
    match form {
        Form::Yaml => Some(Data::Yaml),
        Form::Json => Some(Data::Json),
        Form::Table | Form::Wide => None,
    }
}
