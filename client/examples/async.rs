//! The same beside other tasks. `hold_async` and `changed` are plain futures: any executor will do;
//! here it is tokio.
//!
//!     MOORING_SOCKET=/run/mooring/mooring.sock cargo run --example async -- 100

use mooring_client::{Error, Mooring, Seat, State, VendorKey};
use std::time::Duration;

static VENDOR: &[VendorKey] = &[VendorKey::from_hex(
    "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
)];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let frames = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let mooring = Mooring::builder(VENDOR)
        .app_version("2026.1")
        .built_on("2026-03-01")
        .connect()?;
    let wait = Duration::from_secs(60);
    let seat = mooring.claim("render").wait(wait).hold_async().await?;
    println!("licensed");
    tokio::select! {
        () = render(frames.unwrap_or(10u32)) => println!("done"),
        why = ended(&seat) => println!("stopping: {why}"),
    }
    Ok(())
}

async fn render(frames: u32) {
    for frame in 1..=frames {
        tokio::time::sleep(Duration::from_millis(10)).await;
        println!("frame {frame}");
    }
}

/// Until the seat is not licensed any more.
async fn ended(seat: &Seat) -> mooring_client::Why {
    loop {
        // Taken before the look, so that no change falls between the two.
        let change = seat.changed();
        if let State::Unlicensed { why } = seat.check() {
            return why;
        }
        if let State::Ending { in_, why } = change.await {
            println!("saving: {why}, {} s left", in_.as_secs());
        }
    }
}
