//! Links of the chain that travel together.

use super::dsse::{Digest, Envelope};
use crate::names::ProductName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// All that verifying a lease needs, besides the vendor's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bundle {
    /// The vendor's word: each license file that the lease draws on.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = super::delegation::MAX_LICENSES)))]
    pub licenses: Vec<Envelope>,
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

    /// The license that the lease token names for a product; the first where it names none. Nothing
    /// is verified: what is chosen wrongly fails there.
    pub fn license_of(&self, product: &ProductName) -> Option<&Envelope> {
        #[derive(Deserialize)]
        struct Lease {
            parts: Vec<Part>,
        }
        #[derive(Deserialize)]
        struct Part {
            license: Digest,
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            product: ProductName,
        }
        let [_, _, ..] = self.licenses.as_slice() else {
            return self.licenses.first();
        };
        let lease = serde_json::from_slice::<Lease>(&self.lease.payload).ok();
        let parts = lease.into_iter().flat_map(|l| l.parts);
        let names = |p: &Part| p.items.iter().any(|i| i.product == *product);
        let named = parts.into_iter().find(names).map(|p| p.license);
        let of = named.and_then(|d| self.licenses.iter().find(|l| l.digest() == d));
        of.or(self.licenses.first())
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
