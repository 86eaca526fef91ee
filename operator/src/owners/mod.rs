//! Pods that wait before they are scheduled, and groups of them: what the operator claims for them
//! at their license server, and when their scheduling gate goes.
//!
//! | file | |
//! |---|---|
//! | [`clock`] | when it is looked |
//! | [`pod`] | a pod as the rules see it, and which group it is of |
//! | [`plan`] | which claims there are to be, whose gate goes: pure |
//! | [`memory`] | how the claims stand, what the server gave for them, and what is due |
//!
//! They promise: a gate goes only when the seats are reserved; a group asks for its seats together
//! or not at all, and only when all its pods are there; a claim ends once its pods have their own
//! leases, or there is none of them any more, or they are scheduled and ask for nothing. What is
//! told to the server, and done to pods, is the connection's.

mod clock;
mod memory;
mod plan;
mod pod;

pub use clock::OwnersClock;
pub use memory::{Act, Due, OwnersMemory, RENEW};
pub use plan::{JobName, JobSize, OwnersFacts, OwnersPlan, owners_plan};
pub use pod::{OwnPod, own_pod};
