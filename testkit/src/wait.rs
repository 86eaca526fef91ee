//! Waiting for a condition, never for a time; ports, and a number to look at.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Waits until `look` gives something; its last error says what was still missing.
pub fn look_for<T>(
    what: &str,
    time: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> io::Result<T> {
    let end = Instant::now() + time;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(missing) if Instant::now() >= end => {
                let why = format!("waited {time:?} for: {what}. Last seen: {missing}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Waits until `look` gives something.
#[track_caller]
pub fn eventually<T>(what: &str, time: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let found = look_for(what, time, || look().ok_or_else(|| "nothing".into()));
    found.unwrap_or_else(|e| panic!("{e}"))
}

/// A port that is free and stays the caller's: below those that the kernel gives to connections,
/// and each once.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = 10_000 + u16::try_from(std::process::id() % 100).unwrap() * 200;
    loop {
        let port = begin + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// The sum of a server's metric over the lines that contain `label`.
pub fn metric(at: SocketAddr, name: &str, label: &str) -> io::Result<f64> {
    let mut s = TcpStream::connect(at)?;
    s.set_read_timeout(Some(secs(10)))?;
    s.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    s.read_to_string(&mut text)?;
    let values = text.lines().filter_map(|l| {
        let rest = l.strip_prefix(name)?;
        let ours = rest.starts_with(['{', ' ']) && rest.contains(label);
        ours.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    Ok(values.sum())
}
