//! A delegation: the anchor names this run's ephemeral key, for at most 15 minutes.

use super::Chain;
use crate::anchor::Lost;
use mooring_core::frontend::{BACKDATED, InForce, LeaseTerms, Served};
use mooring_core::license::{
    AnchorKey, Delegation, Envelope, MAX_DELEGATION, OpenLicense, TokenAnchor, types,
};
use mooring_core::reason::AnchorReason;
use mooring_core::time::Now;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Unsigned {
    delegation: Delegation,
    envelope: Envelope,
}

fn failed(e: &dyn Display) -> Lost {
    Lost::new(AnchorReason::SignFailed, format!("the delegation: {e}"))
}

impl Unsigned {
    /// For this run's key, by this anchor of the licenses, from a little before `now`.
    pub(super) fn new(
        chain: &Chain,
        licenses: &[Arc<OpenLicense>],
        entry: &AnchorKey,
        now: Now,
    ) -> Result<Self, Lost> {
        let not_before = now.wall.checked_sub(BACKDATED).map_err(|e| failed(&e))?;
        let not_after = not_before.checked_add(MAX_DELEGATION);
        let delegation = Delegation {
            licenses: licenses.iter().map(|l| l.digest.clone()).collect(),
            kind: entry.kind,
            key_id: entry.key.id(),
            server_key: chain.public_key(),
            instance: chain.instance,
            not_before,
            not_after: not_after.map_err(|e| failed(&e))?,
        };
        let envelope = Envelope::unsigned(types::DELEGATION, &delegation);
        Ok(Self {
            delegation,
            envelope: envelope.map_err(|e| failed(&e))?,
        })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.envelope.signed_bytes()
    }

    /// With the anchor's signature, checked as every reader will check it.
    pub(super) fn signed(
        mut self,
        signature: Vec<u8>,
        entry: &AnchorKey,
        licenses: Vec<Arc<OpenLicense>>,
        (lease_for, grace): (Duration, Duration),
    ) -> Result<InForce, Lost> {
        self.envelope.add_signature(&entry.key, signature);
        for l in &licenses {
            let opened = Delegation::open_for(&self.envelope, &l.license, &l.digest);
            opened.map_err(|e| failed(&e))?;
        }
        let served = |open: Arc<OpenLicense>| {
            let terms = LeaseTerms::of(lease_for, grace, &open.license.policy);
            Served::of(open, terms)
        };
        let served: Vec<Served> = licenses.into_iter().map(served).collect();
        let terms = served.iter().map(|s| s.terms).reduce(LeaseTerms::and);
        let terms = terms.ok_or_else(|| failed(&"there is no license"))?;
        Ok(InForce {
            anchor: TokenAnchor {
                kind: entry.kind,
                key_id: entry.key.id(),
            },
            digest: self.envelope.digest(),
            envelope: self.envelope,
            delegation: self.delegation,
            terms,
            licenses: served,
        })
    }
}
