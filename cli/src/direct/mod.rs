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

use crate::license::file;
use crate::output::{self, TableForm};
use anyhow::{Context as _, anyhow, bail};
use http::header::ACCEPT;
use mooring_api::LeaseState;
use mooring_core::names::LeaseId;
use mooring_core::policy::SeatPolicy;
use mooring_core::wire::calls::server;
use mooring_core::wire::{Leases, PolicyTest, Problem, Products, Revoke};
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

/// What it says of itself and its seats.
pub fn products(url: &str, direct: &Direct) -> anyhow::Result<Products> {
    Ok(direct.ask(url, Call::of(&server::PRODUCTS, ""))?.json()?)
}

/// What a policy would change.
pub fn try_policy(url: &str, direct: &Direct, policy: &SeatPolicy) -> anyhow::Result<PolicyTest> {
    let call = Call::of(&server::TEST_POLICY, "").json(policy)?;
    Ok(direct.ask(url, call)?.json()?)
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

/// `mooring revoke --server https://…`; without `revoke` it is lifted.
pub fn revoke(
    url: &str,
    direct: &Direct,
    lease: LeaseId,
    revoke: Option<&Revoke>,
) -> anyhow::Result<()> {
    let call = match revoke {
        Some(revoke) => Call::of(&server::REVOKE, lease).json(revoke)?,
        None => Call::of(&server::LIFT, lease),
    };
    direct.ask(url, call.header(ACCEPT, "application/json"))?;
    let what = if revoke.is_some() {
        "Revoked"
    } else {
        "Lifted"
    };
    eprintln!("{what}: the holder of lease {lease}");
    Ok(())
}

/// `mooring release --server https://…`.
pub fn release(url: &str, direct: &Direct, lease: LeaseId) -> anyhow::Result<()> {
    let call = Call::of(&server::TAKE_BACK, lease).header(ACCEPT, "application/json");
    direct.ask(url, call)?;
    eprintln!("Taken back: lease {lease}");
    Ok(())
}
