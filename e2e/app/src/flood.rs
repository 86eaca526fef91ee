//! `flood`: a pod without any right that keeps as many connections as it is let to each target, and
//! says nothing on them. Each second it writes down how many it has opened so far, and has now.

use crate::report;
use clap::Args;
use serde_json::json;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between two looks at a target's connections.
const LOOK: Duration = Duration::from_millis(100);
/// So many new ones at a look.
const AT_ONCE: usize = 500;

#[derive(Debug, Args)]
pub(crate) struct FloodArgs {
    /// Connections to each target.
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    #[arg(required = true, value_name = "IP:PORT")]
    targets: Vec<SocketAddr>,
}

#[allow(clippy::unnecessary_wraps)] // as the other commands
pub(crate) fn main(args: &FloodArgs) -> anyhow::Result<ExitCode> {
    mooring_net::serve::file_limit();
    std::thread::scope(|s| {
        for target in &args.targets {
            s.spawn(|| flood(*target, args.connections));
        }
    });
    Ok(ExitCode::SUCCESS)
}

fn flood(target: SocketAddr, most: usize) {
    let (mut open, mut opened) = (Vec::new(), 0_u64);
    let mut told = Instant::now();
    loop {
        open.retain(is_open);
        let missing = most.saturating_sub(open.len()).min(AT_ONCE);
        for _ in 0..missing {
            let Ok(stream) = TcpStream::connect_timeout(&target, Duration::from_secs(1)) else {
                break;
            };
            opened += 1;
            if stream.set_nonblocking(true).is_ok() {
                open.push(stream);
            }
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            let (target, open) = (target.to_string(), open.len());
            report::line(
                "flood",
                &json!({"target": target, "opened": opened, "open": open}),
            );
        }
        std::thread::sleep(LOOK);
    }
}

fn is_open(stream: &TcpStream) -> bool {
    stream
        .peek(&mut [0])
        .is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
}
