//! `agent`: a machine's sidecar, as a service. It tells systemd how it is doing.

use crate::args::AgentArgs;
use crate::config::Config;
use crate::lifecycle::{Holding, on_one_thread};
use crate::options::Mode;
use anyhow::Context as _;
use mooring_net::log;
use mooring_net::notify;
use mooring_net::shutdown::Shutdown;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn main(args: &AgentArgs) -> anyhow::Result<()> {
    let config = Config::from_args(&args.hold, Mode::Agent)?;
    log::start(args.hold.log.as_deref().unwrap_or("info"));
    on_one_thread(async {
        let stop = Shutdown::on_signals().context("listening for SIGTERM")?;
        let holding = Holding::begin(config, stop.clone())?;
        let socket = holding.paths.socket.display().to_string();
        notify::send(&format!("READY=1\nSTATUS=serving {socket}"));
        stop.asked().await;
        notify::send("STOPPING=1\nSTATUS=giving the licenses back");
        holding.end().await;
        Ok(())
    })
}
