//! What an application links: it takes a seat from the sidecar, proves it with the vendor's key
//! alone, and says at any moment whether the application may go on.
//!
//! ```
//! use mooring_client::{Error, Mooring, State, VendorKey};
//! use std::time::Duration;
//!
//! // The only source of trust: compiled in, never read from the environment or a file.
//! static VENDOR: &[VendorKey] =
//!     &[VendorKey::from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")];
//!
//! fn run() -> Result<(), Error> {
//!     let builder = Mooring::builder(VENDOR).app_version("2026.1").built_on("2026-03-01");
//!     let mooring = builder.connect()?;
//!     let seat = mooring.claim("render").seats(2).wait(Duration::from_secs(60)).hold()?;
//!     seat.on_change(|s| match s {
//!         State::Licensed { .. } => println!("go on"),
//!         State::Ending { in_, why } => println!("save it, {} s left: {why}", in_.as_secs()),
//!         State::Unlicensed { why } => println!("stop: {why}; {}", why.action()),
//!     });
//!     while seat.check().is_licensed() {
//!         // render a frame
//!     }
//!     Ok(())
//! }
//!
//! match run() {
//!     Err(e @ Error::NoSidecar { .. }) => println!("{e}"), // as where this example is tested
//!     other => other.unwrap(),
//! }
//! ```
//!
//! - **A seat** ([`Seat`]) is given back when it is dropped, and when the process ends, however.
//!   [`Mooring::pod`] follows what the pod already has by its annotation instead.
//! - **[`Seat::check`]** reads an atomic and the boot clock: no system call, no I/O, no failure.
//!   Neither the wall clock nor a suspend moves its limits.
//! - **Trust** comes from the pinned keys alone. The library asks the license server a question of
//!   its own, which nobody can have answered before, when a seat begins, each time it meets the
//!   sidecar again, and about ten times in a grace. What does not verify ends the license until
//!   something does.
//! - **Without contact** it counts the grace itself: until the last known limit, no longer, and not
//!   less because a connection broke.
//! - **Threads**: one per seat, named `mooring`, that sleeps until something happens; none with
//!   [`Claim::without_thread`], for applications with an event loop of their own ([`Seat::poll`]).
//!   Futures ([`Claim::hold_async`], [`Seat::changed`]) run on any executor.
//! - **Forks**: a forked child has no seat, and keeps none. See [`Seat`].
//!
//! - **The wall clock** is held against the date of each answer: more than a day apart
//!   ([`CLOCK_SLACK`]), and the answer proves nothing ([`Why::ClockOrStale`]). So machines and
//!   license server must agree within a day, and a delegation that was signed once and copied is
//!   worth two days.
//!
//! What it cannot do: an administrator who patches the application, or fakes both of its clocks, is
//! not stopped by any of this. Linux only.
//!
//! | module | what it holds |
//! |---|---|
//! | `watch` | the rules of a seat without I/O: until when, and what to do next |
//! | `driver`, `conn`, `http`, `events`, `status` | the socket, never waiting |
//! | [`Seat`], [`Claim`] | what applications see of it |
//! | [`Mooring`] | the vendor's keys, the application's version; [`Mooring::verify`] asks once |
//! | [`Sidecar`] | the socket alone: status, events, tokens, claims; no keys, nothing verified |

#![cfg_attr(test, allow(clippy::too_many_lines))]
#![warn(missing_docs)]

mod builder;
mod claim;
mod clock;
mod conn;
mod driver;
mod error;
// These two are open for the fuzzer (fuzz/src/answer.rs): no part of the API.
#[doc(hidden)]
pub mod events;
#[doc(hidden)]
pub mod http;
mod key;
mod mooring;
mod nonce;
mod order;
mod query;
mod seat;
mod sidecar;
mod status;
mod watch;

pub use builder::Builder;
pub use claim::Claim;
pub use clock::boot;
pub use error::Error;
pub use events::Events;
pub use key::VendorKey;
pub use mooring::{Licensed, Mooring, UnverifiedStart};
pub use seat::{Changed, Details, Holding, Seat};
pub use sidecar::{DEFAULT_SOCKET, SOCKET_VARIABLE, Sidecar};
pub use watch::{State, Why};

// For the C library alone.
#[doc(hidden)]
pub use {
    conn::{MAX_BODY, wait},
    error::{NAME, PRODUCT, VERSION},
};

/// Words of the protocol that appear in this crate's API.
pub use mooring_core::{
    license::{
        AnchorKind, AppClock, Bundle, CLOCK_SLACK, ClockOrStale, DateFault, FirstProof, MinAnchor,
        Verified, VerifyError, Voucher, VoucherError,
    },
    names::{ClaimName, LeaseId, ProductName, Seats, Version},
    policy::Start,
    request::Item,
    time::{BootTime, Timestamp},
    wire::{
        ClaimKind, ClaimStatus, HoldState, Problem, ProblemType, SocketClaim, Status, WaitReason,
    },
};
