//! Links of the chain that travel together.

use super::dsse::Envelope;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// All that verifying a lease needs, besides the vendor's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bundle {
    /// The vendor's word.
    pub license: Envelope,
    /// The anchor's word.
    pub delegation: Envelope,
    /// The server's word.
    pub lease: Envelope,
}

impl Bundle {
    /// The lease token's date, as it says: nothing is verified.
    pub fn says_issued_at(&self) -> Option<Timestamp> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Dated {
            issued_at: Timestamp,
        }
        let dated = serde_json::from_slice::<Dated>(&self.lease.payload);
        dated.ok().map(|d| d.issued_at)
    }
}

/// A place in the queue, and the anchor's word for the key that signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketBundle {
    /// The anchor's word.
    pub delegation: Envelope,
    /// The server's word.
    pub ticket: Envelope,
}
