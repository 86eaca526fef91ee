//! A claim in line, and the application that holds the seat by a connection and is killed.

use super::process::Process;
use super::site::{Plan, Site};
use super::wait::eventually;
use anyhow::{Context as _, Result, ensure};
use mooring_client::HoldState::{Held, Released, Waiting};
use mooring_client::boot;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often it is measured.
const ROUNDS: usize = 20;

/// Carries connections to the server, and counts what clients send.
fn relay(to: u16) -> Result<(u16, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                continue;
            };
            let (Ok(c), Ok(s)) = (client.try_clone(), server.try_clone()) else {
                continue;
            };
            let count = count.clone();
            std::thread::spawn(move || copy(c, s, Some(&count)));
            std::thread::spawn(move || copy(server, client, None));
        }
    });
    Ok((port, sent))
}

fn copy(mut from: TcpStream, mut to: TcpStream, count: Option<&AtomicU64>) {
    let mut buf = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buf) {
        if let Some(count) = count {
            count.fetch_add(n as u64, Ordering::SeqCst);
        }
        if to.write_all(buf.get(..n).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// The application holds the only seat, another sidecar waits; the application is killed, and the
/// other is told that it holds. The other's request was with the server all the time: it sent not
/// one byte more.
pub(super) fn at_once() -> Result<()> {
    let mut site = Site::new(Plan {
        holders: 2,
        // Renewals are far between, and an answer is held back for long: nothing else is on the
        // line.
        lease_secs: 300,
        ..Plan::default()
    })?;
    site.start()?;
    let (port, sent) = relay(site.port())?;
    let machine = site.agent(1)?.with("MOORING_LICENSES", "").started()?;
    machine.is(Released, 20)?;
    let socket = machine.socket().display().to_string();
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let file = site.path(&format!("hold-{round}.log"));
        let url = "http://mooring/v1/hold?product=render";
        let curl = ["curl", "-sN", "-X", "POST", "--unix-socket", &socket, url];
        let app = Process::start(&curl, &[], &site.path("."), &file)?;
        let holds = eventually("the application holds", 20, || {
            let said = std::fs::read_to_string(&file).unwrap_or_default();
            said.contains(r#""state":"Held""#).then_some(()).ok_or(said)
        });
        site.explain(holds)?;

        let mut waits = site
            .agent(2)?
            .with("MOORING_ADDRESSES", &format!("127.0.0.1:{port}"))
            .started()?;
        site.explain(waits.is(Waiting, 20))?;
        let quiet = held_open(&site, &sent)?;

        let begun = boot().as_millis();
        app.kill()?;
        let held = site.explain(waits.is(Held, 20))?;
        let before = sent.load(Ordering::SeqCst);
        ensure!(
            before == quiet,
            "it was answered only after it had sent {} bytes more: it polled",
            before - quiet
        );
        took.push(held.boot_ms.saturating_sub(begun));
        waits.end()?;
        std::fs::remove_dir_all(site.path("h2"))?;
    }
    took.sort_unstable();
    let (median, max) = (took.get(ROUNDS / 2), took.last());
    let (median, max) = (median.context("rounds")?, max.context("rounds")?);
    println!(
        "  from the end of an application to Held of the next: median {median} ms, max {max} ms"
    );
    Ok(())
}

/// Waits until the one that waits has asked a second time, with the answer held back: nothing was
/// sent for as long as it would take.
fn held_open(site: &Site, sent: &AtomicU64) -> Result<u64> {
    let answered = || site.metric("mooring_requests_total", "call=\"claim\"");
    let mut last = (u64::MAX, -1.0);
    let mut same = 0;
    eventually("its second request is with the server", 20, || {
        let now = (
            sent.load(Ordering::SeqCst),
            answered().map_err(|e| e.to_string())?,
        );
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same >= 10).then_some(now.0).ok_or(format!("{now:?}"))
    })
}
