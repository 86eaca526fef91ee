//! The license server, as a library: what the process does, and what tests run in their own.
//!
//! `core` holds the rules; this crate is the thin edge around them: sockets, files, the anchor.
//! A server with a `pkcs11` anchor starts its own program again as the anchor's worker
//! (`Args` knows how), so in another program's process it wants an anchor of another kind.
//!
//! | module | what it does |
//! |---|---|
//! | `args` | the command line |
//! | `init`, `check` | the configuration: written for a beginning, checked with all that it names |
//! | `run`, `terms` | puts the parts together; what holds for the whole run |
//! | `anchor` | the hardware; the PKCS#11 module lives in a child process |
//! | `chain` | delegations, lease tokens, tickets, and checking those of earlier runs |
//! | `license`, `keys`, `state`, `tls` | files: the license, public keys, the one number kept, certificates |
//! | `keeper`, `kubernetes` | what must outlive this run and its pod; the API server that keeps it |
//! | `auth` | who asks, and who may |
//! | `engine`, `events`, `clock_skew` | the ledger at work; whose clock differs |
//! | `audit` | the audit log: its files, and what cannot be written |
//! | `api`, `watchers`, `metrics`, `scrape` | what is heard and said |

pub mod anchor;
mod api;
mod app;
mod args;
mod audit;
mod auth;
mod chain;
mod check;
mod clock_skew;
mod engine;
mod events;
mod init;
mod keeper;
mod keys;
mod kubernetes;
mod license;
mod metrics;
mod run;
mod scrape;
mod state;
mod terms;
#[cfg(test)]
mod tests;
mod tls;
mod watchers;

pub use args::Args;
pub use mooring_config::Config;
pub use run::Server;
