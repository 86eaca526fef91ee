//! `run`: in a pod, until SIGTERM; gone within a second of it.

use crate::args::RunArgs;
use crate::config::Config;
use crate::lifecycle::{Holding, on_one_thread};
use crate::options::Mode;
use anyhow::Context as _;
use mooring_net::log;
use mooring_net::shutdown::Shutdown;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn main(args: &RunArgs) -> anyhow::Result<()> {
    let config = Config::from_args(&args.hold, Mode::Run)?;
    log::start(args.hold.log.as_deref().unwrap_or("info"));
    on_one_thread(async {
        let stop = Shutdown::on_signals().context("listening for SIGTERM")?;
        let holding = Holding::begin(config, stop.clone())?;
        stop.asked().await;
        holding.end().await;
        Ok(())
    })
}
