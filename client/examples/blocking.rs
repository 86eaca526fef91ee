//! A renderer that takes a seat, works as long as it is licensed, and saves in time.
//!
//!     MOORING_SOCKET=/run/mooring/mooring.sock cargo run --example blocking -- 100

use mooring_client::{Error, Mooring, State, VendorKey};
use std::time::Duration;

// The only source of trust: compiled in, never read from the environment or a file.
static VENDOR: &[VendorKey] = &[VendorKey::from_hex(
    "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
)];

fn main() -> Result<(), Error> {
    let frames = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let mooring = Mooring::builder(VENDOR)
        .app_version("2026.1")
        .built_on("2026-03-01")
        .connect()?;
    let seat = mooring
        .claim("render")
        .seats(2)
        .wait(Duration::from_secs(60))
        .hold()?;
    seat.on_change(|state| match state {
        State::Licensed { .. } => println!("licensed"),
        State::Ending { in_, why } => println!("saving: {why}, {} s left", in_.as_secs()),
        State::Unlicensed { why } => println!("stopping: {why}; {}", why.action()),
    });
    for frame in 1..=frames.unwrap_or(10u32) {
        if !seat.check().is_licensed() {
            println!("not licensed at frame {frame}");
            std::process::exit(1);
        }
        std::thread::sleep(Duration::from_millis(10)); // render
        println!("frame {frame}");
    }
    Ok(()) // the seat is given back here, and however else this process ends
}
