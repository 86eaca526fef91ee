//! The sidecar as a process, over real sockets, against the license server in this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

mod agent;
mod bounds;
mod claims;
mod crash;
mod exec;
mod gate;
mod lab;
mod languages;
mod large;
mod library;
mod life;
mod measure;
mod proc;
mod several;
mod start;
mod users;
