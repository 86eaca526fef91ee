//! `exec`: one application with its licenses. The application is a child that gets every signal,
//! and whose end, however it comes, gives the licenses back; this process' exit code is its.
//!
//! | file | idea |
//! |---|---|
//! | `app` | the application: found before anything is claimed, started so that it does not outlive this process |
//! | `exit_codes` | what this process exits with |
//! | `signals` | which signals are passed on |

mod app;
mod exit_codes;
mod signals;

pub(crate) use app::become_app;

use crate::args::ExecArgs;
use crate::config::Config;
use crate::lifecycle::{Holding, on_one_thread};
use crate::options::Mode;
use crate::progress::{self, Progress};
use crate::registry::Changes;
use anyhow::Context as _;
use app::App;
use exit_codes::{FAILED, by_signal, exit_code};
use mooring_client::HoldState;
use mooring_core::policy::OnLoss;
use mooring_core::wire::Status;
use mooring_net::shutdown::Shutdown;
use mooring_net::{clock, log};
use rustix::process::Signal;
use signals::Signals;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Child;

/// How long a stopped application has before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// The whole life of it; its exit code is the application's.
pub(crate) fn main(args: &ExecArgs) -> ExitCode {
    let app = match App::find(&args.app) {
        Ok(app) => app,
        Err(e) => {
            progress::say(&e);
            return ExitCode::from(e.code());
        }
    };
    match run(args, &app) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            progress::say(&format!("{e:#}"));
            ExitCode::from(FAILED)
        }
    }
}

fn run(args: &ExecArgs, app: &App) -> anyhow::Result<u8> {
    let config = Config::from_args(&args.hold, Mode::Exec)?;
    log::start(args.hold.log.as_deref().unwrap_or("error"));
    on_one_thread(async {
        let mut signals = Signals::listen().context("listening for signals")?;
        let (end, stop) = Shutdown::channel();
        let holding = Holding::begin(config, stop)?;
        let code = live(args, app, &holding, &mut signals).await;
        end.send_replace(true);
        holding.end().await;
        code
    })
}

enum Waited {
    Licensed(Arc<Status>),
    Refused(String),
    Signal(Signal),
}

async fn live(
    args: &ExecArgs,
    app: &App,
    holding: &Holding,
    signals: &mut Signals,
) -> anyhow::Result<u8> {
    let mut progress = Progress::default();
    let (first, mut changes) = holding.registry().subscribe(clock::boot());
    let waited = wait(first, &mut changes, signals, &mut progress).await;
    match waited {
        Waited::Licensed(status) => progress.begins(&status),
        Waited::Refused(why) => anyhow::bail!(why),
        Waited::Signal(signal) => return Ok(by_signal(signal.as_raw())),
    }
    let started = app.start(&holding.paths.socket);
    let mut child = started.with_context(|| format!("starting {}", app.name()))?;
    let mut licensed = true;
    let mut kill_at: Option<tokio::time::Instant> = None;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status.context("waiting for the application")?)),
            signal = signals.next() => pass_on(&child, signal),
            status = changes.next() => {
                progress.running(&status);
                let lost = licensed && !status.licensed;
                licensed = status.licensed;
                if lost && args.on_loss == OnLoss::Stop && kill_at.is_none() {
                    progress::say(&format!("stopping {}", app.name()));
                    send(&child, Signal::TERM);
                    // Stopped ones hear nothing else.
                    send(&child, Signal::CONT);
                    kill_at = Some(tokio::time::Instant::now() + STOP);
                }
            }
            () = until(kill_at) => {
                send(&child, Signal::KILL);
                kill_at = None;
            }
        }
    }
}

async fn wait(
    mut status: Arc<Status>,
    changes: &mut Changes,
    signals: &mut Signals,
    progress: &mut Progress,
) -> Waited {
    loop {
        progress.waiting(&status);
        if status.licensed {
            return Waited::Licensed(status);
        }
        if status.state == HoldState::Refused {
            return Waited::Refused(progress::refusal(&status));
        }
        tokio::select! {
            next = changes.next() => status = next,
            signal = signals.next() => {
                if signals::ends(signal) {
                    return Waited::Signal(signal);
                }
                signals::act(signal);
            }
        }
    }
}

async fn until(t: Option<tokio::time::Instant>) {
    match t {
        Some(t) => tokio::time::sleep_until(t).await,
        None => std::future::pending().await,
    }
}

/// Does with a signal what the application would have had done with it without this process in
/// between.
fn pass_on(child: &Child, signal: Signal) {
    if !signals::terminal_sends(signal) {
        send(child, signal);
    }
    signals::act(signal);
}

fn send(child: &Child, signal: Signal) {
    // None once it was waited for: its number may be another's by then.
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw)
        && let Err(e) = rustix::process::kill_process(pid, signal)
    {
        tracing::warn!(error = %e, ?signal, "passing a signal on");
    }
}
