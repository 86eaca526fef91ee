//! What the tests of several crates stand on.
//!
//! | module | what it gives |
//! |---|---|
//! | `license` | the vendor's key, a license to begin with |
//! | `ca` | certificates |
//! | `server` | the license server itself, in the test's process |
//! | `proxy` | stands before a server, and can be shut |
//! | [`sidecar`] | a socket that answers as the test says: a sidecar that lies, hangs, breaks |
//! | [`languages`] | applications in Rust, C and Python that obey the test |
//! | `wait` | waiting for a condition; ports |

#[cfg(feature = "server")]
mod ca;
pub mod languages;
mod license;
#[cfg(feature = "server")]
mod proxy;
#[cfg(feature = "server")]
mod server;
pub mod sidecar;
mod wait;

#[cfg(feature = "server")]
pub use ca::Ca;
pub use license::{license, sealed, token, vendor};
#[cfg(feature = "server")]
pub use server::Server;
pub use wait::{eventually, free_port, look_for, metric, secs};
