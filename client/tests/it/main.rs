//! The library against sidecars of every kind: good, slow, broken, lying.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

mod cost;
mod examples;
mod lies;
mod seats;
mod sidecars;
mod ways;
