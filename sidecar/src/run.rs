//! `run` and `agent`: in a pod, or as a machine's service, until SIGTERM; gone within a second
//! of it.

use crate::args::HoldArgs;
use crate::config::Config;
use crate::lifecycle::{Holding, on_one_thread};
use crate::options::Mode;
use anyhow::Context as _;
use mooring_net::shutdown::Shutdown;
use mooring_net::{log, notify};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Runs until SIGTERM or SIGINT. An agent tells systemd how it is doing.
pub(crate) fn main(args: &HoldArgs, mode: Mode) -> anyhow::Result<()> {
    let config = Config::from_args(args, mode)?;
    log::start(args.log.as_deref().unwrap_or("info"));
    // Containers of one pod may share processes and a user: neither memory nor files of this one
    // are to be read through /proc by who is no more than that.
    let alone = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    alone.context("closing /proc to others of the same user")?;
    let tell = |state: &str| {
        if mode == Mode::Agent {
            notify::send(state);
        }
    };
    on_one_thread(async {
        let stop = Shutdown::on_signals().context("listening for SIGTERM")?;
        let holding = Holding::begin(config, stop.clone())?;
        let socket = holding.paths.socket.display();
        tell(&format!("READY=1\nSTATUS=serving {socket}"));
        stop.asked().await;
        tell("STOPPING=1\nSTATUS=giving the licenses back");
        holding.end().await;
        Ok(())
    })
}
