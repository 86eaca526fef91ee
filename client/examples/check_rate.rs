//! What one `check()` costs, beside an empty loop and a reading of the boot clock. `make bench`
//! prints it.
//!
//! The sidecar is a socket in this process that says nothing but "go on"; nothing is proved here,
//! which `check` does not look at anyway.

use mooring_client::{Error, Mooring, VendorKey, boot};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Instant;

const ROUNDS: u32 = 20_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("mooring-check-rate-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let done = measure(&dir.join("mooring.sock"));
    std::fs::remove_dir_all(&dir)?;
    Ok(done?)
}

fn measure(socket: &Path) -> Result<(), Error> {
    let broken = |e: std::io::Error| Error::Broken(e.to_string());
    let listener = UnixListener::bind(socket).map_err(broken)?;
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().flatten() {
            kept.extend(answer(stream));
        }
    });
    let mooring = Mooring::builder(&[VendorKey::from_bytes([1; 32])])
        .allow_unverified_start(true)
        .socket(socket)
        .connect()?;
    let seat = mooring.claim("render").hold()?;
    print("an empty loop", || true);
    print("the boot clock", || boot().as_millis() > 0);
    print("check().is_licensed()", || seat.check().is_licensed());
    // Without its socket it answers the same way, from memory alone.
    std::fs::remove_file(socket).map_err(broken)?;
    print("its socket removed", || seat.check().is_licensed());
    Ok(())
}

fn print(what: &str, f: impl Fn() -> bool) {
    println!("{what:>24}: {:>6.1} ns", time(f));
}

/// Nanoseconds for one `f`, the best of five.
fn time(f: impl Fn() -> bool) -> f64 {
    let round = || {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            black_box(f());
        }
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    };
    (0..5).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// The connection, if it is one that stays.
fn answer(mut stream: UnixStream) -> Option<UnixStream> {
    let mut request = [0; 1024];
    let n = stream.read(&mut request).ok()?;
    let until = boot().as_millis() + 3_600_000;
    let hold = request.get(..n)?.starts_with(b"POST");
    let text = if hold {
        format!(
            "HTTP/1.1 200 OK\r\n\r\nevent: claim\ndata: {{\"name\":\"hold-1\",\"state\":\"Optimistic\",\"licensed\":true,\"untilBootMs\":{until}}}\n\n"
        )
    } else {
        let body =
            r#"{"state":"Released","licensed":false,"bootMs":0,"seq":1,"server":"","claims":[]}"#;
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    stream.write_all(text.as_bytes()).ok()?;
    hold.then_some(stream)
}
