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

mod ca;
pub mod languages;
mod license;
mod proxy;
mod server;
pub mod sidecar;
mod wait;

pub use ca::Ca;
pub use license::{license, sealed, token, vendor};
pub use server::{Server, metric};
pub use wait::{eventually, free_port, look_for, secs};
