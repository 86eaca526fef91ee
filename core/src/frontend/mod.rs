//! What a license server decides about a request, around the ledger: a machine without I/O, clock
//! or chance.
//!
//! The server and the simulator are thin callers of it. They read requests, open and sign
//! documents, ask who a credential belongs to, read the clocks; what counts, who waits and for how
//! long, and what is signed under what is decided here.
//!
//! | file | idea |
//! |---|---|
//! | `authority` | may this run grant, may it renew: license, anchor, delegation, time |
//! | `admission` | who claims, and which of the things shown count |
//! | `entitlement` | which namespaces may use this server |
//! | `machine` | the frontend itself: requests in, answers out, who is held open |
//! | `answer` | what answers say, and what goes into tokens, receipts and tickets |
//! | `terms` | the name of what a holder was told its lease stands under |

mod admission;
pub mod answer;
mod authority;
mod entitlement;
mod machine;
mod terms;
#[cfg(test)]
mod tests;

pub use admission::{Admission, Admitted, Opened, Opener, Proven, Who, admit};
pub use answer::{Signer, ThisRun};
pub use authority::{
    Authority, BACKDATED, Clock, Denied, InForce, LeaseTerms, LicenseView, RENEW, Served,
    delegation_due,
};
pub use entitlement::entitled;
pub use machine::{Asked, ClaimAnswer, FRESH, Frontend, OwnerAnswer, Renewals};
