//! Thirty minutes with a dongle that is pulled at random moments, in simulated time: no token
//! outside its delegation, no renewal past the anchor grace, none refused before it. And standby
//! anchors: who serves, for how long, and who is told what.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bench;
mod pulled;
mod standby;
