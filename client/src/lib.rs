//! What an application links: it finds the sidecar's socket, asks how the license stands, and verifies the
//! lease offline with the vendor's key alone.
//!
//! ```no_run
//! use mooring_client::{Mooring, VendorKey};
//!
//! // The only source of trust: compiled in, never read from the environment or a file.
//! static VENDOR: &[VendorKey] =
//!     &[VendorKey::from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")];
//!
//! fn main() -> Result<(), mooring_client::Error> {
//!     let mooring = Mooring::builder(VENDOR).app_version("2026.1").built_on("2026-03-01").connect()?;
//!     let licensed = mooring.verify("render")?;
//!     println!("{} seats of {} for {:?}", licensed.seats, licensed.product, licensed.remaining());
//!     Ok(())
//! }
//! ```
//!
//! It blocks, starts no thread, keeps no global state and may be used on both sides of a `fork`. Every call to the
//! sidecar opens a connection of its own, bounded in time and size. Linux only.
//!
//! What it cannot do: an administrator who patches the application, or fakes its clocks, is not stopped by any of this.
//!
//! | module | what it holds |
//! |---|---|
//! | [`Mooring`] | the vendor's keys, the application's version, [`Mooring::verify`] |
//! | [`Sidecar`] | the socket alone: status, events, tokens; no keys, nothing verified |
//! | [`Events`] | changes as they come |

mod claim;
mod clock;
mod conn;
mod driver;
mod error;
mod events;
mod http;
mod key;
mod mooring;
mod seat;
mod sidecar;
mod spoken;
mod watch;

pub use claim::Claim;
pub use clock::boot;
pub use error::Error;
pub use events::Events;
pub use key::VendorKey;
pub use mooring::{Builder, Licensed, Mooring};
pub use seat::{Changed, Details, Holding, Seat};
pub use sidecar::{DEFAULT_SOCKET, SOCKET_VARIABLE, Sidecar};
pub use watch::{State, Why};

/// Words of the protocol that appear in this crate's API.
pub use mooring_core::{
    holder::Start,
    license::{AnchorKind, Bundle, MinAnchor, VerifyError},
    names::{ClaimName, LeaseId, ProductName, Seats, Version},
    request::Item,
    time::BootTime,
    wire::{
        ClaimKind, ClaimStatus, HoldState, Problem, ProblemType, SocketClaim, Status, WaitReason,
    },
};
