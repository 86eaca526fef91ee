//! `make openapi`: writes `docs/openapi/server.json` and `docs/openapi/socket.json`.
//!
//! | module | what it holds |
//! |---|---|
//! | `server`, `socket` | the calls of either API: paths, parameters, answers, the problem types of each |
//! | `document` | what such a table becomes |
//!
//! The schemas come from the messages' own types, so they cannot drift; that the tables are true is tried by `e2e/schemathesis`
//! against the real processes.

mod document;
mod server;
mod socket;

use anyhow::{Context as _, Result};
use clap::Parser;
use std::path::PathBuf;

/// Writes the OpenAPI documents of the license server and of the sidecar's socket.
#[derive(Debug, Parser)]
struct Args {
    /// The folder to write to.
    #[arg(long, value_name = "DIR", default_value = "docs/openapi")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    for (name, document) in [
        ("server.json", server::document()),
        ("socket.json", socket::document()),
    ] {
        let path = args.out.join(name);
        let text = serde_json::to_string_pretty(&document)? + "\n";
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
