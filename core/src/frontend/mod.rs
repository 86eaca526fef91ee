//! What a license server decides about a request, around the ledger: a machine without I/O, clock or chance.
//!
//! | file | idea |
//! |---|---|
//! | `authority` | may this run grant, may it renew: license, anchor, delegation, time |

mod authority;
#[cfg(test)]
mod testing;

pub use authority::{
    Authority, BACKDATED, Clock, Denied, InForce, LeaseTerms, LicenseView, RENEW, delegation_due,
};
