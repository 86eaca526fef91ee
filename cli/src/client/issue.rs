//! `mooring client issue`.

use crate::license::{date, file, vendor_key};
use crate::output;
use anyhow::{Context as _, bail};
use mooring_core::client_token::ClientToken;
use mooring_core::ledger::MOST_CLAIMS_PER_HOLDER;
use mooring_core::time::{Timestamp, parse_span};
use mooring_net::random;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A token is a secret: whoever has it is its subject. Give it to the machine in a file that only its agent reads
(MOORING_TOKEN_FILE); note its id, which revokes it.

Examples:
  mooring client issue --key client.key --server main --subject build-7 --out build-7.token
  mooring client issue --key client.key --server main --subject ci --claims 200 --out ci.token
  mooring client issue --key client.key --server main --subject anna --for 30d | ssh anna-laptop \\
      'umask 077; cat > ~/.mooring-token'"
)]
pub struct IssueTokenArgs {
    /// The client key (PKCS#8 PEM), as `mooring client keygen` wrote it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The license server's name: `name` in its configuration. No other server takes the token
    #[arg(long, value_name = "NAME")]
    server: String,
    /// Who gets it: a machine, a user, a job. What it holds is listed under this name
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// How long it is good, such as 12h or 90d
    #[arg(long = "for", value_name = "TIME", default_value = "90d", value_parser = parse_span)]
    lasts: Duration,
    /// When it ends, instead: 2027-01-01 (UTC) or RFC 3339
    #[arg(long, value_name = "DATE", conflicts_with = "lasts", value_parser = date::start)]
    expires: Option<Timestamp>,
    /// How many claims it carries at once: those of a CI farm that shares one token. Without it as
    /// many as the license server allows each (16)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_CLAIMS_PER_HOLDER)))]
    claims: Option<u16>,
    /// Its id, which revokes it [default: the date and 8 random digits]
    #[arg(long)]
    id: Option<String>,
    /// The file for the token (mode 0600); standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the file if it is there
    #[arg(long, requires = "out")]
    force: bool,
}

pub fn run(args: IssueTokenArgs) -> anyhow::Result<()> {
    let key = vendor_key::read(&args.key)?;
    let now = date::whole_seconds(Timestamp::now());
    let expires = args.expires.map_or_else(
        || {
            now.checked_add(args.lasts)
                .context("--for: beyond the end of time")
        },
        Ok,
    )?;
    if expires <= now {
        bail!("--expires: {expires} has passed; expected an instant to come");
    }
    let id = || {
        let random = hex::encode(random::bytes::<4>());
        format!("{}-{random}", now.strftime("%Y%m%d"))
    };
    let token = ClientToken {
        id: args.id.unwrap_or_else(id),
        subject: args.subject,
        server: args.server,
        issued_at: now,
        expires,
        claims: args.claims,
    };
    let text = token.seal(&key)? + "\n";
    match &args.out {
        None => output::print(&text)?,
        Some(path) if args.force => file::replace(path, &text, 0o600).context("--out")?,
        Some(path) => file::create(path, &text, 0o600).context("--out (--force overwrites)")?,
    }
    eprintln!(
        "Issued client token {} for {} on license server {}: expires {expires}, signed by {}",
        token.id,
        token.subject,
        token.server,
        key.public().id()
    );
    Ok(())
}
