//! Client and server of this crate as each other and as strangers see them.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod resting;
mod rig;
mod round_trip;
mod strangers;
