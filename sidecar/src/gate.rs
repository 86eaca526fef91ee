//! `gate`: the init container behind the sidecar. The kubelet starts the application once it has
//! ended with success, and asks nobody again: neither a restart of the kubelet nor a license that
//! is lost later can shut it, or open it too early.
//!
//! It never gives up: in a pod that is not to be restarted an init container that fails ends the
//! pod.

use crate::args::GateArgs;
use crate::lifecycle::on_one_thread;
use crate::progress::{Progress, say};
use anyhow::Context as _;
use mooring_client::{BootTime, Error, Sidecar, boot};
use mooring_net::shutdown::Shutdown;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::oneshot;

/// The pause before looking for the socket again: short while a sidecar starts, long where it does
/// not.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(1);
/// How long a sidecar takes to start or to start again at most, before that is worth a line.
const PATIENCE: Duration = Duration::from_secs(3);
/// 128 and the number of SIGTERM, as shells say it.
const ENDED: u8 = 143;

/// Exit 0: licensed. Anything else: told to end.
pub(crate) fn main(args: &GateArgs) -> anyhow::Result<ExitCode> {
    on_one_thread(async {
        // As process 1 of its container it would not hear SIGTERM otherwise.
        let stop = Shutdown::on_signals().context("listening for SIGTERM")?;
        let (open, opened) = oneshot::channel();
        let sidecar = Sidecar::at(&args.socket);
        let waiting = std::thread::Builder::new().spawn(move || {
            wait(&sidecar);
            let _ = open.send(());
        });
        waiting.context("starting a thread")?;
        tokio::select! {
            () = stop.asked() => Ok(ExitCode::from(ENDED)),
            opened = opened => opened.context("waiting for the sidecar").map(|()| ExitCode::SUCCESS),
        }
    })
}

fn wait(sidecar: &Sidecar) {
    let (mut progress, mut away) = (Progress::default(), Away::default());
    while let Err(e) = follow(sidecar, &mut progress, &mut away) {
        std::thread::sleep(away.pause(&e, &mut progress));
    }
}

/// Until the pod is licensed, or the sidecar is not there.
fn follow(sidecar: &Sidecar, progress: &mut Progress, away: &mut Away) -> Result<(), Error> {
    let mut events = sidecar.events()?;
    loop {
        if let Some(status) = events.next_before(BootTime::NEVER)? {
            *away = Away::default();
            progress.waiting(&status);
            if status.licensed {
                progress.running(&status);
                return Ok(());
            }
        }
    }
}

/// The sidecar does not answer.
#[derive(Default)]
struct Away {
    since: Option<BootTime>,
    said: Option<String>,
}

impl Away {
    /// How long to wait before asking again; says it where it takes long, each reason once.
    fn pause(&mut self, e: &Error, progress: &mut Progress) -> Duration {
        let now = boot();
        let since = *self.since.get_or_insert(now);
        if since.until(now) < PATIENCE {
            return SOON;
        }
        let why = Some(e.to_string());
        if self.said != why {
            say(&format!("waiting for the sidecar, container mooring: {e}"));
            self.said = why;
            // Whatever it says once it is back is news.
            *progress = Progress::default();
        }
        LATER
    }
}
