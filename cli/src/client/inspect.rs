//! `mooring client inspect`.

use crate::license::{file, vendor_key};
use crate::output::{self, Form, table};
use anyhow::{anyhow, bail};
use mooring_core::client_token::ClientToken;
use mooring_core::time::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

/// Flags.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --client-key nothing is verified, and the print says so: anyone can write such a token.
Exit code 1 if the token has expired, or no given key signed it.

Examples:
  mooring client inspect build-7.token
  mooring client inspect build-7.token --client-key /etc/mooring/client-keys
  mooring client inspect - -o json < ~/.mooring-token"
)]
pub struct InspectTokenArgs {
    /// The file with the token (- for standard input)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A client key's public half (ed25519:‹hex›), or a file of them; several may be given
    #[arg(long, value_name = "KEY")]
    client_key: Vec<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    #[serde(flatten)]
    token: ClientToken,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<String>,
    /// Key ids that the signatures name; not verified.
    signatures: Vec<String>,
    expired: bool,
}

/// Prints a token.
pub fn run(args: &InspectTokenArgs) -> anyhow::Result<()> {
    let text = file::read_public(&args.file)?;
    let text = text.trim();
    let keys = vendor_key::public_of("--client-key", &args.client_key)?;
    let (token, named) = ClientToken::read_unverified(text)?;
    let now = Timestamp::now();
    // Judged a moment before its end, so that an expired one is told apart from a forged one.
    let opened =
        (!keys.is_empty()).then(|| ClientToken::open(text, &keys, &token.server, token.issued_at));
    let (verified_by, refused) = match opened {
        None => (None, None),
        Some(Ok((_, k))) => (Some(k.0), None),
        Some(Err(e)) => (None, Some(e)),
    };
    let seen = Seen {
        expired: now >= token.expires,
        token,
        verified: verified_by.is_some(),
        verified_by,
        signatures: named.into_iter().map(|k| k.0).collect(),
    };
    let text = match args.output.data() {
        Some(d) => d.render(&seen)?,
        None => describe(&seen, refused.is_some()),
    };
    output::print(&text)?;
    if let Some(e) = refused {
        return Err(anyhow!(e));
    }
    if seen.expired {
        bail!(
            "the token ended {}, and now it is {now}; issue a new one",
            seen.token.expires
        );
    }
    Ok(())
}

fn describe(s: &Seen, refused: bool) -> String {
    let signature = match &s.verified_by {
        Some(k) => format!("verified, by key {k}"),
        None if refused => "NOT VERIFIED".into(),
        None => format!(
            "not checked (--client-key checks it); it names key {}",
            s.signatures.join(", ")
        ),
    };
    let t = &s.token;
    let rows = [
        ("Client token", t.id.clone()),
        ("Subject", t.subject.clone()),
        ("Server", t.server.clone()),
        ("Issued", t.issued_at.to_string()),
        ("Expires", t.expires.to_string()),
        ("Signature", signature),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(k, v)| vec![k.to_owned(), v])
        .collect();
    let (first, rest) = rows
        .split_first()
        .map_or((vec![], &rows[..0]), |(f, r)| (f.clone(), r));
    let header: Vec<&str> = first.iter().map(String::as_str).collect();
    table(&header, rest)
}
