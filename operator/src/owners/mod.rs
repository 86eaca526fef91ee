//! What the operator claims at license servers for what has pods run: for pods that wait before
//! they are scheduled, and groups of them; for the seats of pods whose owner replaces them; for
//! places in line that outlive their pods; for Kueue's Workloads. When scheduling gates go.
//!
//! | file | |
//! |---|---|
//! | [`clock`] | when it is looked |
//! | [`root`] | what has a pod run in the end, and how many pods that wants |
//! | [`family`] | the pods of one owner: whose seat is kept for whom |
//! | [`replacing`] | the claims for that, of all owners |
//! | [`places`] | places in line that outlive their pods |
//! | [`workloads`] | Kueue's Workloads, whose pods are not there yet |
//! | [`kept`], [`wish`] | what these see and say: plain data |
//! | [`plan`] | which claims there are to be, whose gate goes: pure |
//! | [`claim`] | how one stands, what the server gave for it, and when it is said |
//! | [`memory`] | all of them, and what is due to be done to pods |
//! | [`words`] | what pods and mirrors are told |
//! | [`saved`](mod@saved) | what of that outlives an operator that ends |
//!
//! They promise: a gate goes only when the seats are reserved; a group asks for its seats together
//! or not at all, and only when all its pods are there; a claim ends once its pods have their own
//! leases, or there is none of them any more, or they are scheduled and ask for nothing; the seat
//! of a pod that is replaced goes to its replacement, or is free in three minutes. What is told to
//! the server, and done to pods, is the connection's.

mod claim;
mod clock;
mod family;
mod kept;
mod memory;
mod places;
mod plan;
mod replacing;
mod root;
#[cfg(test)]
mod sample;
mod saved;
mod wish;
mod words;
mod workloads;

pub use crate::cache::{OwnPod, own_pod};
pub use claim::{RENEW, is_for_successors};
pub use clock::OwnersClock;
pub use family::Parked;
pub use memory::{Act, Due, OwnersMemory, OwnersSight};
pub use plan::{JobName, JobSize, OwnersFacts, OwnersPlan, Stand, owners_plan};
pub use root::{Root, RootKind, Wants, goes_on, wants};
pub use saved::{restored, saved};
pub(crate) use wish::times;
pub use words::kept_for;
pub use workloads::WorkloadClaim;
