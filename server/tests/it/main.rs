//! The license server as a real process, over real sockets, with a real PKCS#11 token (SoftHSM).
//!
//! Needs `softhsm2-util` and `pkcs11-tool` (Debian: softhsm2, opensc).

#![allow(clippy::too_many_lines)] // a list of cases is read from its top to its end
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::many_single_char_names
)]

mod anchor;
mod anchor_kinds;
mod audit;
mod clients;
mod clones;
mod edges;
mod files;
mod issuers;
mod leases;
mod outlives;
mod owners;
mod pods;
mod policies;
mod renewals;
mod restart;
mod revocations;
mod rig;
mod stacks;
