//! What a sidecar costs. Not part of the ordinary run: it takes a minute and means something only
//! for a release build.
//!
//! ```text
//! MOORING_SIDECAR_BIN=target/x86_64-unknown-linux-musl/release/mooring-sidecar \
//!     cargo test -p mooring-sidecar --test it -- --ignored --nocapture measure
//! ```

use crate::lab::{Server, Sidecar, secs};
use mooring_client::HoldState;
use std::time::Instant;

/// CPU time so far, in milliseconds (proc(5): fields 14 and 15 of stat, in ticks of 10 ms; sched
/// statistics are finer).
fn cpu_ms(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    let ns: f64 = text.split(' ').next().unwrap().parse().unwrap();
    ns / 1e6
}

fn memory(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let wanted = |l: &&str| {
        ["VmHWM", "VmRSS", "RssAnon", "RssFile", "Threads"]
            .iter()
            .any(|n| l.starts_with(n))
    };
    let lines: Vec<_> = text.lines().filter(wanted).collect();
    lines.join("; ").replace('\t', " ")
}

#[test]
#[ignore = "a measurement that takes a minute"]
fn measure_an_idle_sidecar() {
    let server = Server::new(1, 30);
    let pod = Sidecar::of(&server, "a")
        .with("MOORING_LOG", "info")
        .started();
    pod.is(HoldState::Held, secs(5));
    let _follower = pod.events();
    let begun = cpu_ms(pod.pid());
    println!("with a lease: {}", memory(pod.pid()));
    std::thread::sleep(secs(60));
    println!(
        "a minute later: {}; CPU in that minute: {:.1} ms",
        memory(pod.pid()),
        cpu_ms(pod.pid()) - begun
    );
    let mut times: Vec<u128> = Vec::new();
    for _ in 0..2000 {
        let begun = Instant::now();
        pod.status().unwrap();
        times.push(begun.elapsed().as_micros());
    }
    times.sort_unstable();
    println!(
        "status, a connection each: median {} µs, p99 {} µs",
        times[1000], times[1980]
    );
    println!("after 2,000 questions: {}", memory(pod.pid()));
}
