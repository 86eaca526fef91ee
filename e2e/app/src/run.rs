//! `run`: what the application is told, when, and until when it certainly lived.

use crate::report;
use crate::verify::VerifyArgs;
use anyhow::Context as _;
use clap::Args;
use mooring_client::{BootTime, Error, Events, HoldState, Sidecar, boot};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often it says that it lives.
const BEAT: Duration = Duration::from_millis(200);
/// The pause before asking a sidecar again that did not answer.
const AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// End by itself after this time, with success, as a Job's pod does.
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    time: Option<Duration>,
    #[command(flatten)]
    verify: VerifyArgs,
}

fn span(s: &str) -> Result<Duration, String> {
    mooring_core::time::parse_span(s).map_err(|e| e.to_string())
}

/// Runs until SIGTERM, or for the time it was given.
pub(crate) fn main(args: &RunArgs) -> anyhow::Result<ExitCode> {
    end_on_signals()?;
    let this = json!({ "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id() });
    report::full_line("start", &this);
    let sidecar = Sidecar::from_env();
    let mut app = App {
        ends: args.time.map_or(BootTime::NEVER, |t| boot() + t),
        beat: boot(),
        state: None,
        verify: args.verify.clone(),
        verifying: Arc::default(),
    };
    let mut last_error = String::new();
    loop {
        let broken = match sidecar.events() {
            Ok(events) => {
                last_error.clear();
                app.follow(events)
            }
            Err(e) => e,
        };
        let text = broken.to_string();
        if text != last_error {
            report::full_line("sidecarError", &Value::from(text.as_str()));
            last_error = text;
        }
        app.live();
        std::thread::sleep(AGAIN);
    }
}

struct App {
    ends: BootTime,
    beat: BootTime,
    state: Option<HoldState>,
    verify: VerifyArgs,
    verifying: Arc<AtomicBool>,
}

impl App {
    fn follow(&mut self, mut events: Events) -> Error {
        loop {
            match events.next_before(self.beat.min(self.ends)) {
                Err(e) => return e,
                Ok(None) => {}
                Ok(Some(status)) => {
                    // The clock is read before anything else is done: from here on it was told.
                    report::full_line("event", &serde_json::to_value(&status).unwrap_or_default());
                    let changed = self.state != Some(status.state);
                    self.state = Some(status.state);
                    if changed && status.licensed {
                        self.verify_beside();
                    }
                }
            }
            self.live();
        }
    }

    /// Says that it lives, if it is time to; ends if its time is over.
    fn live(&mut self) {
        let now = boot();
        if now >= self.ends {
            report::end("its time is over");
        }
        if now >= self.beat {
            report::line("beat", &self.state.map(|s| s.to_string()).into());
            self.beat = now + BEAT;
        }
    }

    /// Beside the events: the license server may take its time.
    fn verify_beside(&self) {
        if !self.verify.is_set() || self.verifying.swap(true, Ordering::SeqCst) {
            return;
        }
        let (verify, verifying) = (self.verify.clone(), self.verifying.clone());
        std::thread::spawn(move || {
            verify.report();
            verifying.store(false, Ordering::SeqCst);
        });
    }
}

/// On SIGTERM or SIGINT the end is written, and the process is gone at once.
fn end_on_signals() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting")?;
    let inside = runtime.enter();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    drop(inside);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => report::end("SIGTERM"),
                _ = int.recv() => report::end("SIGINT"),
            }
        });
    });
    Ok(())
}
