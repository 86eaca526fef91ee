//! Which signals are passed on. What was ignored when this process began (nohup) stays ignored,
//! here and in the application.
//!
//! A terminal sends its own signals to every process of the foreground group: the application has
//! those already, and a second SIGINT means something else to many programs. So they are passed on
//! only where this group does not have the terminal.

use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::tcgetpgrp;
use std::fs::File;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

const PASSED_ON: [Signal; 9] = [
    Signal::TERM,
    Signal::INT,
    Signal::QUIT,
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
    Signal::TSTP,
    Signal::CONT,
];

#[derive(Debug)]
pub(super) struct Signals(mpsc::Receiver<Signal>);

impl Signals {
    /// From now on none of them ends this process. Call it inside a tokio runtime.
    pub(super) fn listen() -> io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let (tx, rx) = mpsc::channel(16);
        for one in PASSED_ON {
            if is_ignored(&status, one.as_raw()) {
                continue;
            }
            let mut stream = signal(SignalKind::from_raw(one.as_raw()))?;
            let tx = tx.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() && tx.send(one).await.is_ok() {}
            });
        }
        Ok(Self(rx))
    }

    pub(super) async fn next(&mut self) -> Signal {
        match self.0.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

/// Whether proc(5)'s `SigIgn` has it.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok());
    mask.is_some_and(|m| m >> (signal - 1) & 1 == 1)
}

/// Whether it ends a process that has nothing better to do with it.
pub(super) fn ends(signal: Signal) -> bool {
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP].contains(&signal)
}

/// Whether the application has it from the terminal already.
pub(super) fn terminal_sends(signal: Signal) -> bool {
    [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::WINCH].contains(&signal) && has_terminal()
}

fn has_terminal() -> bool {
    let terminal = File::open("/dev/tty");
    terminal.is_ok_and(|t| tcgetpgrp(&t).is_ok_and(|group| group == getpgrp()))
}

/// What this process itself does: it stops where the application stops, so that a shell has its
/// terminal back. While it is stopped nothing is renewed; the lease lapses, and is asked for again
/// afterwards.
pub(super) fn act(signal: Signal) {
    if signal == Signal::TSTP
        && let Err(e) = kill_process(getpid(), Signal::STOP)
    {
        tracing::warn!(error = %e, "stopping");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_proc() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert!(is_ignored(status, 1) && is_ignored(status, 13));
        assert!(!is_ignored(status, 2) && !is_ignored(status, 15));
        assert!(!is_ignored("", 1));
    }
}
