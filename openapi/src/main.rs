//!
//! | module | what it holds |
//! |---|---|
//! | `server`, `socket` | words, parameters and examples of the calls of either API |
//! | `messages` | the schemas of the messages that the calls name |
//! | `document` | what the tables of calls (`mooring_core::wire::calls`) become with both |
//! | `annotations` | the table of annotations, for docs/pods.md and the chart |
//! | `reasons` | the tables of reasons, for docs/troubleshoot.md |
//! | `blocks` | what is written between two lines of a page |
//! | `files` | JSON Schemas of what is signed: license, delegation, lease, revocation list, voucher |
//!
//! The schemas come from the messages' own types, paths, answers and problems from the tables that
//! the routers match by, so they cannot drift; that they are true is tried by `e2e/schemathesis`
//! against the real processes.

mod annotations;
mod blocks;
mod document;
mod files;
mod messages;
mod reasons;
mod server;
mod socket;

use anyhow::{Context as _, Result};
use clap::Parser;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Writes the OpenAPI documents of the license server and of the sidecar's socket, and the schemas
/// of what is signed.
#[derive(Debug, Parser)]
struct Args {
    /// The folder for the OpenAPI documents; the schemas go into `schema` beside it.
    #[arg(long, value_name = "DIR", default_value = "docs/openapi")]
    out: PathBuf,
    /// Only look whether the lists of annotations and of reasons in the pages and in the chart are
    /// those of the types.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let (server, socket) = (server::document()?, socket::document()?);
    write(&args.out, &[("server", server), ("socket", socket)])?;
    let docs = args.out.parent().unwrap_or(&args.out);
    write(&docs.join("schema"), &files::documents())?;
    annotations::write(args.check)?;
    reasons::write(args.check)?;
    contracts(docs)
}

/// The server's configuration in `contracts.md`, where the page is.
fn contracts(docs: &Path) -> Result<()> {
    let path = docs.join("contracts.md");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(());
    };
    let page = mooring_config::print::page(&text)
        .with_context(|| format!("{}: no place for config.yaml", path.display()))?;
    std::fs::write(&path, page).with_context(|| path.display().to_string())
}

fn write(folder: &Path, documents: &[(&str, Value)]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (name, document) in documents {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(document)? + "\n";
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_documents_in_docs_are_those_that_are_served() {
        for (name, committed, document) in [
            (
                "server",
                include_str!("../../docs/openapi/server.json"),
                server::document().unwrap(),
            ),
            (
                "socket",
                include_str!("../../docs/openapi/socket.json"),
                socket::document().unwrap(),
            ),
        ] {
            let committed: Value = serde_json::from_str(committed).unwrap();
            // Both whole would be some hundred kilobytes of a message.
            let same = committed == document;
            assert!(
                same,
                "docs/openapi/{name}.json is older than the code: run `make openapi`"
            );
        }
    }
}
