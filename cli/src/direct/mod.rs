//! A license server asked itself, over its own API: where there is no cluster whose objects tell
//! the same.
//!
//! | module | what it holds |
//! |---|---|
//! | [`print`](mod@print) | answers in, text out |
//!
//! What a caller may see is the server's to decide: an administrator (`admins` in its
//! configuration) sees all leases, others their own.

pub mod print;

use crate::license::{date, file};
use crate::output::{self, TableForm};
use anyhow::{Context as _, anyhow, bail};
use http::header::ACCEPT;
use mooring_api::LeaseState;
use mooring_core::names::LeaseId;
use mooring_core::time::Timestamp;
use mooring_core::wire::calls::server;
use mooring_core::wire::{Leases, Problem, Products, Revoke};
use mooring_net::client::{Answer, Call, Client};
use mooring_net::tls;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a license server is reached, and who asks.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Direct {
    /// With --server https://…: the CA certificate that the server is trusted by (PEM), as `mooring
    /// pki init` wrote it
    #[arg(long, value_name = "FILE", requires = "server")]
    pub roots: Option<PathBuf>,
    /// With --server https://…: your client certificate (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["server", "client_key"])]
    pub client_cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// With --server https://…: a file with your client token, instead of a certificate
    #[arg(
        long,
        value_name = "FILE",
        requires = "server",
        conflicts_with = "client_cert"
    )]
    pub token_file: Option<PathBuf>,
}

impl Direct {
    /// Refuses flags that only a server asked itself has a use for.
    pub fn none_of_a_server(&self) -> anyhow::Result<()> {
        if self.roots.is_some() || self.client_cert.is_some() || self.token_file.is_some() {
            bail!(
                "--roots, --client-cert and --token-file go with --server https://NAME:PORT, which asks a license server itself"
            );
        }
        Ok(())
    }

    fn ask(&self, url: &str, call: Call) -> anyhow::Result<Answer> {
        let (client, call) = self.client(url, call)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let answer = runtime.block_on(client.call(&call, PATIENCE));
        let answer = answer.with_context(|| format!("--server {url}"))?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let status = answer.status;
        match answer.json::<Problem>() {
            Ok(p) => Err(anyhow!(p).context(format!("{url} refuses"))),
            Err(_) => bail!("{url} answered {status}; is it a license server?"),
        }
    }

    fn client(&self, url: &str, mut call: Call) -> anyhow::Result<(Client, Call)> {
        let roots = self.roots.as_ref().context(
            "--roots: missing; expected the CA certificate that the server is trusted by (ca.crt)",
        )?;
        let roots = file::read(roots).context("--roots")?;
        let pair = match (&self.client_cert, &self.client_key) {
            (Some(c), Some(k)) => Some((
                file::read(c).context("--client-cert")?,
                file::read(k).context("--client-key")?,
            )),
            _ => None,
        };
        if let Some(t) = &self.token_file {
            call = call.header(http::header::AUTHORIZATION, &bearer(t)?);
        } else if pair.is_none() {
            bail!(
                "who asks? give --token-file, or --client-cert and --client-key (mooring client issue, mooring pki client)"
            );
        }
        let pair = pair.as_ref().map(|(c, k)| (c.as_str(), k.as_str()));
        let config = tls::client_config(&roots, pair)?;
        let client = Client::new(url, Vec::new(), config).context("--server")?;
        Ok((client, call))
    }
}

fn bearer(path: &Path) -> anyhow::Result<String> {
    let text = file::read_public(path).context("--token-file")?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let path = path.display();
        bail!("--token-file {path}: expected one client token, as `mooring client issue` wrote it");
    }
    Ok(format!("Bearer {token}"))
}

/// `mooring status --server https://…`.
pub fn status(url: &str, direct: &Direct, form: TableForm) -> anyhow::Result<()> {
    let call = Call::of(&server::PRODUCTS, "");
    let answer = direct.ask(url, call)?;
    let (products, raw): (Products, serde_json::Value) = (answer.json()?, answer.json()?);
    output::show(form.data(), &raw, || print::status(url, &products))?;
    if !print::is_ready(&products.server) {
        bail!("the license server is not ready");
    }
    Ok(())
}

/// `mooring leases --server https://…`.
pub fn leases(
    url: &str,
    direct: &Direct,
    states: &[LeaseState],
    form: TableForm,
) -> anyhow::Result<()> {
    let call = Call::of(&server::LEASES, "");
    let mut found: Leases = direct.ask(url, call)?.json()?;
    let wanted = |s: &str| states.is_empty() || states.iter().any(|w| w.to_string() == s);
    found.leases.retain(|l| wanted(&l.state.to_string()));
    print::sort(&mut found.leases);
    output::show(form.data(), &found, || print::leases(url, &found.leases))
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The lease's holder is told at its next renewal, within a third of a lease, and its application loses its license
there and then. It gets nothing more from this license server, whatever it shows, until that is lifted. The
revocation outlives a restart of the server.

Examples:
  mooring revoke 9f2c… --reason 'laptop stolen' \\
      --server https://license.example.com:8443 --roots ca.crt --token-file admin.token
  mooring revoke 9f2c… --lift --server https://license.example.com:8443 --roots ca.crt \\
      --client-cert admin.crt --client-key admin.key"
)]
pub struct RevokeArgs {
    /// The lease, as `mooring leases --server` lists it
    #[arg(value_name = "LEASE")]
    lease: LeaseId,
    /// The license server: https://NAME:PORT
    #[arg(long, value_name = "URL")]
    server: String,
    #[command(flatten)]
    direct: Direct,
    /// Why: the holder reads it
    #[arg(long, conflicts_with = "lift")]
    reason: Option<String>,
    /// Until when: 2027-01-01 (UTC) or RFC 3339; without it until it is lifted
    #[arg(long, value_name = "DATE", conflicts_with = "lift", value_parser = date::start)]
    until: Option<Timestamp>,
    /// Lift what was revoked with this lease
    #[arg(long)]
    lift: bool,
}

/// `mooring revoke`.
pub fn revoke(a: &RevokeArgs) -> anyhow::Result<()> {
    let call = if a.lift {
        Call::of(&server::LIFT, a.lease)
    } else {
        Call::of(&server::REVOKE, a.lease).json(&Revoke {
            reason: a.reason.clone(),
            until: a.until,
        })?
    };
    let call = call.header(ACCEPT, "application/json");
    a.direct.ask(&a.server, call)?;
    let what = if a.lift { "Lifted" } else { "Revoked" };
    eprintln!("{what}: the holder of lease {}", a.lease);
    Ok(())
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The lease's holder is told at its next renewal, within a third of a lease: its application loses its license, and may
claim anew, behind those who wait. The seats are free when it has heard, or when the lease has run out. For an
application that hangs; to keep a client out there is `mooring revoke`.

Example:
  mooring release 9f2c… --server https://license.example.com:8443 --roots ca.crt --token-file admin.token"
)]
pub struct ReleaseArgs {
    /// The lease, or the place in the queue, as `mooring leases --server` lists it
    #[arg(value_name = "LEASE")]
    lease: LeaseId,
    /// The license server: https://NAME:PORT
    #[arg(long, value_name = "URL")]
    server: String,
    #[command(flatten)]
    direct: Direct,
}

/// `mooring release`.
pub fn release(a: &ReleaseArgs) -> anyhow::Result<()> {
    let call = Call::of(&server::TAKE_BACK, a.lease).header(ACCEPT, "application/json");
    a.direct.ask(&a.server, call)?;
    eprintln!("Taken back: lease {}", a.lease);
    Ok(())
}
