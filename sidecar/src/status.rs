//! `status`: how the licenses stand, for people and scripts.

use crate::args::StatusArgs;
use crate::probe::explain;
use anyhow::Context as _;
use mooring_client::Sidecar;
use std::process::ExitCode;

pub(crate) fn main(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let status = Sidecar::at(&args.socket).status()?;
    if args.json {
        let json = serde_json::to_string_pretty(&status);
        println!("{}", json.context("writing JSON")?);
    } else {
        println!("{}", explain(&status));
    }
    Ok(u8::from(!status.licensed).into())
}
