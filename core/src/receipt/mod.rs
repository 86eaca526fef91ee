//! Receipts: what a license server has its holders keep for it, sealed with a key that it alone
//! has.
//!
//! A signature is for those who cannot ask: applications verify one (`license`). The server reads
//! its own papers, so what it must find again after a restart, a lease or a place in the queue, is
//! sealed by HMAC, which costs a hundredth of a signature and a twentieth of its bytes. A receipt
//! says what the next run must know, and its MAC covers also what whoever shows it says besides:
//! whose it is, for which claim. It is given only while a token could be signed at that instant.
//!
//! | file | idea |
//! |---|---|
//! | `identity` | the server's identity key, and the keys that come of it |
//! | `seal` | sealing and opening: bytes under a MAC, as text |
//! | `shown` | who shows a paper, and what must fit for it to count |
//! | `lease`, `ticket` | what a receipt says of a lease; of a place in the queue |

mod identity;
mod lease;
mod seal;
mod shown;
#[cfg(test)]
mod tests;
mod ticket;

pub use identity::{IDENTITY_KEY, Identity};
pub use lease::{HandoverBefore, LeaseReceipt, PartBefore};
pub use seal::Sealed;
pub(crate) use shown::Besides;
pub use shown::{BadProof, BadReceipt, Shown};
pub use ticket::Ticket;
