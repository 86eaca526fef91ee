//! The pure heart of Mooring: rules as functions of data and time.
//!
//! Nothing here reads a clock, opens a socket or draws a random number; time, keys and
//! randomness come in as arguments. So one test can run years of a thousand pods' lives in seconds.
//!
//! | module | what it holds |
//! |---|---|
//! | [`frontend`] | what the license server decides around the ledger |
//! | [`ledger`] | the license server's state machine: claims, the queue, leases, settling |
//! | [`holder`] | the sidecar's state machine: when to ask, renew, run on, stop |
//! | [`audit`] | the license server's log of who had what: records, their chain, verifying it |
//! | [`client_token`] | who a holder outside Kubernetes is |
//! | [`license`] | license files, delegations, lease tokens: the chain of signatures |
//! | [`receipt`] | what holders keep for the server: sealed leases and places; what they show of them |
//! | [`annotation`] | every annotation of a pod, in one table |
//! | [`request`] | the grammar of the annotation `mooring.dev/licenses` |
//! | [`wire`] | the messages of the server's API and of the sidecar's socket |
//! | [`identity`], [`policy`] | who holds; what a vendor allows and a pod wishes |
//! | [`kept`] | what must outlive a license server's pod, and how two writers' words are merged |
//! | [`reason`] | how anchor and license stand, in a word |
//! | [`pin`] | what can be a token's PIN |
//! | [`names`], [`time`], [`age`], [`secret`], [`mod@cut`] | the words the rest is written in |
//!
//! Each imports only what stands below it: `names`, `time`, `secret` ← `identity`, `policy` ←
//! `license` ← `receipt` ← `wire` ← `ledger`, `holder` ← `frontend` ← `audit`.

pub mod age;
pub mod annotation;
pub mod audit;
pub mod client_token;
pub mod cut;
pub mod frontend;
pub mod holder;
pub mod identity;
pub mod kept;
pub mod ledger;
pub mod license;
pub mod mutant;
pub mod names;
pub mod pin;
pub mod policy;
pub mod reason;
pub mod receipt;
pub mod request;
#[cfg(feature = "schema")]
pub mod schema;
pub mod secret;
mod text;
pub mod time;
mod whole;
pub mod wire;
