//! Holders, servers, operator, network and clocks under a seeded random schedule, and a checker that holds what
//! happened against the promises of design/protocol.md.
//!
//! | module | idea |
//! |---|---|
//! | `history` | what happened, as data; all that the checker gets |
//! | `check` | the promises, one file each; imports neither state machine |

pub mod check;
pub mod history;
