//! A program whose pod is annotated with `mooring.dev/licenses: render`: the sidecar has the seat
//! before the program starts; it only has to see that this is true, and stays so.
//!
//!     MOORING_SOCKET=/run/mooring/mooring.sock cargo run --example pod -- 100

use mooring_client::{Error, Mooring, VendorKey};
use std::time::Duration;

static VENDOR: &[VendorKey] = &[VendorKey::from_hex(
    "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
)];

fn main() -> Result<(), Error> {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let mooring = Mooring::builder(VENDOR)
        .app_version("2026.1")
        .built_on("2026-03-01")
        // A pod may start while the license server is away; what the platform team allows, this
        // program accepts.
        .allow_unverified_start(true)
        .connect()?;
    let seat = mooring.pod("render").wait(Duration::from_secs(60)).hold()?;
    if let Some(proof) = seat.details().proof {
        println!(
            "{} seats of {}, lease {}",
            proof.seats, proof.product, proof.lease
        );
    }
    for round in 1..=rounds.unwrap_or(10u32) {
        if let Some(why) = seat.check().why().filter(|_| !seat.is_licensed()) {
            println!("stopping: {why}");
            std::process::exit(1);
        }
        std::thread::sleep(Duration::from_millis(10));
        println!("round {round}");
    }
    Ok(())
}
