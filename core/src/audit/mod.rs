//! The license server's audit log: who claimed, was granted, refused, called back, gave back, lost
//! or was denied a lease, and by which credential, as a chain of records that shows what was cut
//! out of it.
//!
//! Pure: which of the ledger's events become records, what a record says, how records hang
//! together, and whether a log does. Files, threads and clocks are the server's. The chain has no
//! key, since whoever is root could read it: who can rewrite all of a log can make another one
//! (docs/security.md).
//!
//! | file | idea |
//! |---|---|
//! | `hash`, `record` | by what lines name each other; what a record says |
//! | `chain` | lines that name each other by hash; where a log goes on after a crash |
//! | `trail` | from what happens in the books to what is recorded |
//! | `refusals` | refusals that repeat are counted, not written each |
//! | `verify` | whether the lines of a log are a chain, and where they are not |
//! | `extract` | what a customer gives to a vendor: the same with names hidden |

mod chain;
mod extract;
mod hash;
mod record;
mod refusals;
mod trail;
mod verify;

pub use chain::{ChainEnd, MARKER, Recovered, recover};
pub use extract::{Extract, ExtractError, Salt};
pub use hash::LineHash;
pub use record::{AuditDraw, AuditEvent, AuditRecord, Credential, Fact, LicenseMark, Original};
pub use trail::{About, Actor, Trail};
pub use verify::{AuditReport, Break, ChainSpan, Fault, LogPlace, Verifier};

/// How large a file of the log becomes, in bytes, before the next one is begun; if nothing else is
/// said.
pub const FILE_SIZE: u32 = 10 << 20;

/// The least and the most that it may be set to: some records, and what an editor opens.
pub const FILE_SIZES: std::ops::RangeInclusive<u32> = 16 << 10..=1 << 30;

/// How many files there are at most, the oldest being deleted; if nothing else is said.
pub const FILES: u16 = 10;

/// The least and the most that it may be set to.
pub const FILE_COUNTS: std::ops::RangeInclusive<u16> = 2..=1000;

#[cfg(test)]
mod tests;
