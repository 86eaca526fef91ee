//! What the tests stand on: sidecars as processes ([`sidecar`]), and the license server of the test
//! kit.

mod exec;
mod gate;
mod hold;
mod sidecar;

pub use exec::Exec;
pub use gate::Gate;
pub use hold::Hold;
pub use mooring_testkit::{Server, eventually, secs, vendor};
pub use sidecar::{Sidecar, builder, curl, curl_as, raw};
