//! The license server's books: who holds what, who waits, when a seat is free again.
//!
//! A state machine without I/O: each call takes the boot clock's reading and returns what to
//! answer; what others must be told comes out of [`Ledger::next_event`]. Promises are those of
//! docs/protocol.md:
//!
//! - the seats of granted claims never exceed what the license has, and while it settles after a
//!   start nothing new is granted, so that not even the *holders* can count more (promises 1 and
//!   3);
//! - a release frees in that step, silence frees at last receipt + D + M (promise 2);
//! - nobody overtakes a better-ranked claim that shares a pool (promise 5), and claims are all or
//!   nothing (promise 14);
//! - every call may be repeated (promise 6), and none works without the claim's secret (promise
//!   11).
//!
//! | file | idea |
//! |---|---|
//! | `types` | what goes in and comes out: claims, answers, settings, events |
//! | `state`, `entry`, `at`, `entries` | all that is known: the ledger itself, one claim of it, where it lies, finding it |
//! | `who`, `label`, `wish`, `shared` | what claims keep of their holders and of what they ask for; what many have alike, kept once |
//! | `alternative`, `pool`, `count_by`, `fit`, `capacity` | what the license has; seats that several claims count as one; which alternatives fit; drawing |
//! | `files` | several license files: each one's pools and products, and which takes whose place |
//! | `policy`, `tenant`, `groups`, `rights`, `permits`, `recall`, `recalls` | a seat policy, and what another would change; what it leaves to whom: owners, limits, loans; loans that are called back |
//! | `dates` | pools that begin and end by the wall clock; leases that move when theirs ends |
//! | `claim`, `bounds`, `quotas`, `refuse` | taking a claim: new, repeated, from a ticket; the bounds on them, and on an issuer's subjects; noting a refusal |
//! | `refusal`, `problem` | why the ledger says no; how the API tells it |
//! | `settling`, `reinstate` | the time after a start; leases of earlier runs that holders show; the operator's roster |
//! | `renew` | renewals, their counter, releases |
//! | `queue`, `sorted`, `sharers`, `grant` | ranks and places, counting them; who may share others' seats; who is granted next |
//! | `stance` | how claims stand in line: whether seats gather for them |
//! | `backfill`, `passers` | claims that were granted past others which did not fit |
//! | `families` | owners, whose pods take their shares over |
//! | `handover`, `rollout` | pods that replace others which have not gone yet: leases beyond the seats |
//! | `parts` | claims whose holders need seats of other servers besides |
//! | `wait` | why a claim still waits, in words |
//! | `terms` | a new license; what stops grants |
//! | `call_back` | leases that end at a limit although they are renewed |
//! | `revoke` | holders that are proven gone, or that an administrator has barred; leases that one took back |
//! | `deadlines`, `booked` | what happens when nobody asks; when which claim is due |
//! | `transitions` | the one place where a claim changes its state |
//! | `ended` | claims that have ended, remembered for a while |
//! | `tally`, `projects`, `views` | counts kept up with each change, also by project; what the books look like from outside |

mod alternative;
mod at;
mod backfill;
mod booked;
mod bounds;
mod call_back;
mod capacity;
mod claim;
mod count_by;
mod dates;
mod deadlines;
mod ended;
mod entries;
mod entry;
mod families;
mod family;
mod files;
mod fit;
mod grant;
mod groups;
mod handover;
mod label;
mod parts;
mod passers;
mod permits;
mod policy;
mod pool;
mod problem;
mod projects;
mod queue;
mod quotas;
mod recall;
mod recalls;
mod refusal;
mod refuse;
mod reinstate;
mod renew;
mod revoke;
mod rights;
mod rollout;
mod settling;
mod shared;
mod sharers;
mod sorted;
mod stance;
mod state;
mod tally;
mod tenant;
mod terms;
mod transitions;
mod types;
mod views;
mod wait;
mod who;
mod wish;

#[cfg(test)]
mod tests;

pub use capacity::Capacity;
pub use families::OWNER_SILENCE;
pub use passers::Backfilled;
pub use projects::ProjectSeats;
pub use queue::generation;
pub use refusal::{Changed, Refusal};
pub use settling::settle_for;
pub use state::Ledger;
pub use tally::Gauges;
pub use types::{
    CLAIMS_PER_HOLDER, CallBack, CalledBack, Claim, Claimed, Event, Granted, HeldLease, Limits,
    MOST_CLAIMS_PER_HOLDER, Part, Place, SeatDates, Settings,
};
