//! `status`: how the licenses stand, for people and scripts.

use crate::args::StatusArgs;
use crate::probe::explain;
use anyhow::Context as _;
use mooring_client::Sidecar;
use std::process::ExitCode;

/// Exit 0 if the pod is licensed.
pub(crate) fn main(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let status = Sidecar::at(&args.socket).status()?;
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&status).context("writing JSON")?
        );
    } else {
        println!("{}", explain(&status));
    }
    Ok(if status.licensed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
