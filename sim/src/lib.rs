//! Holders, servers, operator, network and clocks under a seeded random schedule, and a checker
//! that holds what happened against the promises of docs/protocol.md.
//!
//! | module | idea |
//! |---|---|
//! | `plan` | what a seed means: a world and its troubles, as data |
//! | `world` | lives a plan through: the real `Ledger` and `Claimant` among simulated machines |
//! | `clock` | the machines' clocks |
//! | `papers` | the documents of the simulated servers |
//! | `history` | what happened, as data; all that the checker gets |
//! | `check` | the promises, one file each; imports neither state machine |
//! | `lines` | worlds of several servers, smaller ones, with a history and a judge of their own |
//! | `coverage` | what came up, and what never did |
//! | `shrink` | makes a failing plan smaller |
//! | `runs` | many seeds on all cores; the mistakes that must be found |

// A simulator may stop at a broken invariant of its own; its indices are its own plan's.
#![allow(clippy::missing_panics_doc)]

pub mod check;
pub mod clock;
pub mod coverage;
pub mod history;
pub mod lines;
mod papers;
pub mod plan;
pub mod profile;
pub mod runs;
pub mod shrink;
pub mod world;
