//! What the tests stand on: a license server in this process ([`server`]) and sidecars as processes ([`sidecar`]).

mod books;
mod exec;
mod hold;
mod server;
mod sidecar;

pub use books::vendor;
pub use exec::Exec;
pub use hold::Hold;
pub use server::Server;
pub use sidecar::{Sidecar, builder, curl, raw};

use std::time::{Duration, Instant};

/// Waits until `f` gives something.
pub fn eventually<T>(what: &str, time: Duration, mut f: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + time;
    loop {
        if let Some(t) = f() {
            return t;
        }
        assert!(Instant::now() < end, "{what}: not within {time:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
