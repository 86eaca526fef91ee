//! What a cluster's license servers say: `status` and `leases`, read from the custom resources
//! alone; what people write into them; and the operator's CA.
//!
//! | module | what it holds |
//! |---|---|
//! | [`api`] | which cluster, lists, and errors that say what to do; the only part that talks to a network |
//! | [`status`], [`leases`], [`operator`] | objects in, text out |
//! | [`revoke`] | `revoke` and `release`, by a LicenseLease's spec |
//! | [`failover`] | which of two anchors on different nodes serves |
//! | [`policies`] | LicensePolicies, and one that is tried out |
//! | [`check`] | whether an installation is as it should be |
//! | [`ca`] | the operator's CA: how it stands, and asking for the next one |

pub mod api;
pub mod ca;
pub mod check;
pub mod failover;
pub mod leases;
pub mod operator;
pub mod policies;
pub mod revoke;
pub mod status;

use crate::direct::{self, Direct};
use crate::output::{self, TableForm};
use api::ClusterArgs;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use mooring_api::{LeaseState, LicenseLease, LicenseServer};
use status::ServerObject;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mooring status                     the namespace's license servers
  mooring status -A                  all
  mooring status main -n licensing   one of them
  mooring status -A -o json | jq '.items[].status.products'
  mooring status --server https://license.example.com:8443 --roots ca.crt --token-file my.token

Exit code 1 if a license server is not ready, if another of its conditions is not as it should be,
or if the operator does not report.")]
pub struct StatusArgs {
    /// Only this license server
    #[arg(conflicts_with = "server")]
    name: Option<String>,
    #[command(flatten)]
    whom: Whom,
}

/// Who is asked: a cluster, or one license server itself.
#[derive(Debug, clap::Args)]
pub struct Whom {
    /// Ask a license server outside Kubernetes: https://NAME:PORT
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    pub direct: Direct,
    #[command(flatten)]
    pub common: ClusterArgs,
}

impl Whom {
    /// The license server to be asked itself, if one is. What is for the other alone is refused.
    pub fn server(&self) -> anyhow::Result<Option<&str>> {
        match &self.server {
            Some(_) => self.common.none_of_a_cluster()?,
            None => self.direct.none_of_a_server()?,
        }
        Ok(self.server.as_deref())
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mooring leases                       the namespace's pods with leases or places in line
  mooring leases -A --state Waiting    who waits anywhere
  mooring leases -A --server licensing/main -o wide
  mooring leases --server https://license.example.com:8443 --roots ca.crt --token-file admin.token

STATE is what the license server knows:
  Held       the lease is in force
  Waiting    in line, at PLACE
  Silent     renewals were missed; the seat is free at UNTIL
  Contested  runs on without a seat until UNTIL, and stands in line
  Refused    the license server said no
  Revoked    an administrator bars it; its seats are free at UNTIL
  Unknown    the pod runs, and the license server, which serves, does not hear from it
and, while the license server does not serve, or does not hear from the pod, what follows from it:
  Grace      the lease ran out; the application runs on until about UNTIL
  Optimistic the application was started without a lease, and may run until about UNTIL
What is old says AS OF when it is (-o wide).")]
pub struct LeasesArgs {
    /// Only those in this state, such as Held or Waiting
    #[arg(long, value_parser = state(), ignore_case = true)]
    state: Vec<LeaseState>,
    /// Only those of this license server: NAME or NAMESPACE/NAME; or https://NAME:PORT, which is
    /// asked itself
    #[arg(long)]
    server: Option<String>,
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    common: ClusterArgs,
}

/// `mooring status`.
pub fn status(args: &StatusArgs) -> anyhow::Result<()> {
    let Whom { direct, common, .. } = &args.whom;
    if let Some(url) = args.whom.server()? {
        return direct::status(url, direct, common.output);
    }
    let found = api::list::<LicenseServer>(common, "license servers")?;
    let mut servers: Vec<ServerObject> = found.read()?;
    servers.retain(|s| args.name.is_none() || args.name == s.metadata.name);
    if let (Some(n), true) = (&args.name, servers.is_empty()) {
        anyhow::bail!(
            "no license server {n:?} in {}; see mooring status -A",
            found.place()
        );
    }
    let form = common.output;
    let text = match form.data() {
        Some(d) => d.render(&found.as_list(servers.iter().map(|s| &s.metadata)))?,
        None => status::text(&servers, &found, found.now, form == TableForm::Wide),
    };
    output::print(&text)?;
    if servers.iter().any(|s| !status::is_ready(s)) {
        anyhow::bail!("not every license server is ready");
    }
    if !status::is_well(&servers, &found, found.now) {
        anyhow::bail!("something is not as it should be");
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
    let found = api::list::<LicenseLease>(&args.common, "leases")?;
    let mut leases: Vec<LicenseLease> = found.read()?;
    leases.retain(|l| args.state.is_empty() || args.state.contains(&leases::state(l)));
    leases.retain(|l| args.server.as_ref().is_none_or(|s| leases::is_of(l, s)));
    leases::sort(&mut leases);
    let which = leases::filter(&args.state, args.server.as_deref());
    let form = args.common.output;
    let text = if let Some(d) = form.data() {
        d.render(&found.as_list(leases.iter().map(|l| &l.metadata)))?
    } else {
        // Whose server, or in which state, nobody knows of such a pod.
        let all = args.state.is_empty() && args.server.is_none();
        let bare = all
            .then(|| api::without_sidecar(&args.common))
            .transpose()?;
        let bare = bare.unwrap_or_default();
        let wide = form == TableForm::Wide;
        leases::text(&leases, &bare, &found, &which, wide)
    };
    Ok(output::print(&text)?)
}

/// A state by its name.
fn state() -> impl TypedValueParser<Value = LeaseState> {
    PossibleValuesParser::new(LeaseState::ALL.map(LeaseState::as_str)).map(|given| {
        LeaseState::ALL
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(&given))
            .unwrap_or(LeaseState::Unknown)
    })
}
