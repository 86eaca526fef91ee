//! `mooring pki …`: certificates for a license server and its clients outside Kubernetes, where no
//! operator makes them.
//!
//! One CA signs both: clients trust the server by it, and the server knows its clients by it
//! (`tls.clientCa`). Private keys are written with mode 0600, and no file is overwritten without
//! `--force`.

use crate::license::{date, file};
use crate::output;
use anyhow::{Context as _, bail};
use clap::Subcommand;
use mooring_core::client_token::check_subject;
use mooring_core::time::{Timestamp, parse_span};
use mooring_pki::{Authority, CertRequest, IssuedCert, Usage};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The longest common name (RFC 5280, appendix A.1, ub-common-name).
const MAX_COMMON_NAME: usize = 64;

#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Make a CA: ca.crt, which everybody may have, and ca.key, which signs
    Init(InitArgs),
    /// Make a license server's certificate: server.crt and server.key
    Server(ServerArgs),
    /// Make a client's certificate: ‹subject›.crt and ‹subject›.key
    Client(ClientArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Whoever has ca.key can be any client and any server: keep it where only administrators are. ca.crt is what clients
trust (MOORING_ROOTS), and what the server knows its clients by (tls.clientCa).

Examples:
  mooring pki init --out pki
  mooring pki init --out pki --name 'ACME licenses' --for 1825d"
)]
pub struct InitArgs {
    /// The folder for ca.crt and ca.key; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The CA's name (its common name)
    #[arg(long, default_value = "Mooring CA")]
    name: String,
    /// How long it is valid
    #[arg(long = "for", value_name = "TIME", default_value = "3650d", value_parser = parse_span)]
    lasts: Duration,
    /// Overwrite the files if they are there: everything that trusts the old CA then trusts nobody
    #[arg(long)]
    force: bool,
}

/// What server and client have in common.
#[derive(Debug, clap::Args)]
pub struct Leaf {
    /// The folder with ca.crt and ca.key
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
    /// The folder for certificate and key; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// How long it is valid; it never outlives the CA
    #[arg(long = "for", value_name = "TIME", default_value = "365d", value_parser = parse_span)]
    lasts: Duration,
    /// Overwrite the files if they are there; server and agents read new ones without a restart
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mooring pki server --ca pki --out pki --name license.example.com --name 10.0.0.5
  mooring pki server --ca pki --out pki --name license.example.com --force     # renew it")]
pub struct ServerArgs {
    #[command(flatten)]
    leaf: Leaf,
    /// A DNS name or IP address that clients reach the server by; several may be given
    #[arg(long, value_name = "NAME", required = true)]
    name: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The subject is who the license server knows the client as, the same as in a client token.

Examples:
  mooring pki client --ca pki --out pki --subject build-7
  mooring pki client --ca pki --out pki --subject 'Anna Lee' --file-name anna --for 90d"
)]
pub struct ClientArgs {
    #[command(flatten)]
    leaf: Leaf,
    /// Who it is for
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// The files' name without .crt and .key [default: the subject]
    #[arg(long, value_name = "NAME")]
    file_name: Option<String>,
}

pub fn run(command: PkiCommand) -> anyhow::Result<()> {
    let now = SystemTime::now();
    match command {
        PkiCommand::Init(a) => init(&a, now),
        PkiCommand::Server(a) => {
            let request = CertRequest {
                common_name: first_that_fits(&a.name),
                dns_names: a.name.clone(),
                usages: vec![Usage::Server],
                validity: a.leaf.lasts,
            };
            leaf(&a.leaf, &request, "server", now).context("--name")
        }
        PkiCommand::Client(a) => client(&a, now),
    }
}

/// Clients look at the names alone (RFC 6125); the common name is for people, and may not be longer
/// than it may be.
fn first_that_fits(names: &[String]) -> String {
    let fits = names.iter().find(|n| n.len() <= MAX_COMMON_NAME);
    fits.cloned().unwrap_or_else(|| "mooring-server".to_owned())
}

fn init(a: &InitArgs, now: SystemTime) -> anyhow::Result<()> {
    if a.name.trim().is_empty() || a.name.len() > MAX_COMMON_NAME {
        bail!("--name {:?}: expected 1 to {MAX_COMMON_NAME} bytes", a.name);
    }
    let (ca, key) = Authority::generate_as(&a.name, a.lasts, now)?;
    let made = IssuedCert {
        cert_pem: ca.cert_pem().to_owned(),
        key_pem: key,
        not_after: ca.not_after(),
    };
    write(&a.out, "ca", &made, a.force, &format!("CA {:?}", a.name))
}

fn client(a: &ClientArgs, now: SystemTime) -> anyhow::Result<()> {
    check_subject(&a.subject).context("--subject")?;
    if a.subject.len() > MAX_COMMON_NAME {
        bail!(
            "--subject: {} bytes, and a certificate takes {MAX_COMMON_NAME}; a client token takes more (mooring client issue)",
            a.subject.len()
        );
    }
    let name = a.file_name.as_ref().unwrap_or(&a.subject);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.starts_with('.') || !name.chars().all(plain) {
        bail!("{name:?} makes no file name; name the files with --file-name");
    }
    let request = CertRequest {
        common_name: a.subject.clone(),
        dns_names: Vec::new(),
        usages: vec![Usage::Client],
        validity: a.leaf.lasts,
    };
    leaf(&a.leaf, &request, name, now)
}

fn leaf(l: &Leaf, request: &CertRequest, name: &str, now: SystemTime) -> anyhow::Result<()> {
    let read = |f: &str| file::read(&l.ca.join(f)).context("--ca (mooring pki init makes one)");
    let ca = Authority::from_pem(&read("ca.crt")?, &read("ca.key")?)
        .with_context(|| format!("--ca {}", l.ca.display()))?;
    let made = ca.issue(request, now)?;
    let what = format!("certificate {:?}", request.common_name);
    write(&l.out, name, &made, l.force, &what)
}

/// Writes the certificate and its key, both or, if one is there already, none; and says so.
fn write(dir: &Path, name: &str, made: &IssuedCert, force: bool, what: &str) -> anyhow::Result<()> {
    let mut folder = DirBuilder::new();
    let folder = folder.recursive(true).mode(0o700).create(dir);
    folder.with_context(|| format!("--out {}", dir.display()))?;
    let [cert, key] = ["crt", "key"].map(|ending| dir.join(format!("{name}.{ending}")));
    if !force {
        for f in [&cert, &key] {
            file::must_be_new(f).context("--out (--force overwrites)")?;
        }
    }
    let write = if force { file::replace } else { file::create };
    write(&key, &made.key_pem, 0o600)?;
    write(&cert, &made.cert_pem, 0o644)?;
    let until = date::whole_seconds(Timestamp::try_from(made.not_after)?);
    let (cert, key) = (cert.display(), key.display());
    let said = format!("{what}, valid until {until}\n  {cert}\n  {key}   (private, mode 0600)\n");
    Ok(output::print(&said)?)
}
