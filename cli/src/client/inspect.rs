//! `mooring client inspect`.

use crate::license::{file, vendor_key};
use crate::output::{self, Form, list, table};
use anyhow::{anyhow, bail};
use mooring_core::client_token::ClientToken;
use mooring_core::license::KeyId;
use mooring_core::time::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

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
    verified_by: Option<KeyId>,
    /// Which the signatures name; not verified.
    signatures: Vec<KeyId>,
    expired: bool,
}

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
        Some(Ok((_, k))) => (Some(k), None),
        Some(Err(e)) => (None, Some(e)),
    };
    let seen = Seen {
        expired: now >= token.expires,
        token,
        verified: verified_by.is_some(),
        verified_by,
        signatures: named,
    };
    output::show(args.output.data(), &seen, || {
        describe(&seen, refused.is_some())
    })?;
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
            list(&s.signatures)
        ),
    };
    let t = &s.token;
    let claims = t.claims.map(|n| n.to_string());
    let rows = [
        ("Subject", t.subject.clone()),
        ("Server", t.server.clone()),
        (
            "Claims",
            claims.unwrap_or_else(|| "as many as the server allows each holder".into()),
        ),
        ("Issued", t.issued_at.to_string()),
        ("Expires", t.expires.to_string()),
        ("Signature", signature),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    table(&["Client token", &t.id], &rows)
}
