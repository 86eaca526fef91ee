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

/// A lease token's date, as it says: nothing is verified.
pub fn says_issued_at(lease: &Envelope) -> Option<Timestamp> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Dated {
        issued_at: Timestamp,
    }
    let dated = serde_json::from_slice::<Dated>(&lease.payload);
    dated.ok().map(|d| d.issued_at)
}

impl Bundle {
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

/// A lease token that comes anew, with those documents of its chain that its holder lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FreshToken {
    /// License files that it draws on, but for those that its holder has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = super::delegation::MAX_LICENSES)))]
    pub licenses: Vec<Envelope>,
    /// The anchor's word, if its holder does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Envelope>,
    /// The server's word.
    pub lease: Envelope,
}

impl FreshToken {
    /// What is left of a bundle for who has the documents that are `known`.
    pub fn of(mut bundle: Bundle, known: &[Digest]) -> Self {
        let lacks = |e: &Envelope| known.is_empty() || !known.contains(&e.digest());
        bundle.licenses.retain(lacks);
        Self {
            licenses: bundle.licenses,
            delegation: Some(bundle.delegation).filter(lacks),
            lease: bundle.lease,
        }
    }

    /// The whole bundle, with documents of an earlier one; `None` if one is in neither. Nothing is
    /// verified.
    pub fn complete(self, earlier: Option<&Bundle>) -> Option<Bundle> {
        #[derive(Deserialize)]
        struct Lease {
            delegation: Digest,
            parts: Vec<Part>,
        }
        #[derive(Deserialize)]
        struct Part {
            license: Digest,
        }
        let says = serde_json::from_slice::<Lease>(&self.lease.payload).ok()?;
        let kept = earlier.into_iter();
        let kept = kept.flat_map(|b| std::iter::once(&b.delegation).chain(&b.licenses));
        let there = self.delegation.iter().chain(&self.licenses).chain(kept);
        let there: Vec<(Digest, &Envelope)> = there.map(|e| (e.digest(), e)).collect();
        let find = |d: &Digest| {
            let found = there.iter().find(|(digest, _)| digest == d);
            found.map(|(_, e)| Envelope::clone(e))
        };
        let licenses = says.parts.iter().map(|p| find(&p.license));
        Some(Bundle {
            licenses: licenses.collect::<Option<_>>()?,
            delegation: find(&says.delegation)?,
            lease: self.lease,
        })
    }
}

impl Bundle {
    /// Each document of the chain but the lease token, by its digest.
    pub fn documents(&self) -> Vec<Digest> {
        let all = std::iter::once(&self.delegation).chain(&self.licenses);
        all.map(Envelope::digest).collect()
    }
}
