//! Documents of simulated servers: a signed one is a number that only its server can give out.
//! Receipts and tickets are really sealed.

use foldhash::HashMap;
use mooring_core::frontend::{InForce, Opened, Opener, Signer, ThisRun};
use mooring_core::license::{Digest, Envelope, LeaseToken, types};
use mooring_core::names::{BootId, InstanceId};
use mooring_core::receipt::{BadProof, Identity};
use mooring_core::wire::{HeldProof, Problem};
use serde_json::{Value, json};

/// A document that only the server can give out: its number, and what its reader looks for in it.
pub(crate) fn paper(kind: &str, no: u64, mut says: Value) -> Envelope {
    says["no"] = no.into();
    Envelope {
        payload_type: kind.into(),
        payload: says.to_string().into_bytes(),
        signatures: Vec::new(),
    }
}

/// The number of a document.
pub(crate) fn paper_no(e: &Envelope) -> Option<u64> {
    let says: Value = serde_json::from_slice(&e.payload).ok()?;
    says.get("no")?.as_u64()
}

/// Documents that the server gave out.
pub(crate) struct Documents<'a> {
    pub(crate) tokens: &'a HashMap<u64, LeaseToken>,
    /// The licenses of each delegation, which are numbered from 1.
    pub(crate) delegations: &'a [Vec<Digest>],
    pub(crate) identity: &'a Identity,
    pub(crate) boot: BootId,
}

impl Opener for Documents<'_> {
    fn lease(&self, _: &InForce, h: &HeldProof) -> Result<Opened, BadProof> {
        let token = paper_no(&h.lease).and_then(|n| self.tokens.get(&n));
        let licenses = paper_no(&h.delegation).and_then(|n| {
            let i = usize::try_from(n).ok()?.checked_sub(1)?;
            self.delegations.get(i)
        });
        let found = token.cloned().zip(licenses.cloned());
        let (token, licenses) = found.ok_or_else(|| BadProof("no such document".into()))?;
        Ok(Opened { token, licenses })
    }

    fn identity(&self) -> &Identity {
        self.identity
    }

    fn boot(&self) -> BootId {
        self.boot
    }
}

/// Who gives documents out.
pub(crate) struct Pen<'a> {
    pub(crate) instance: InstanceId,
    pub(crate) boot: BootId,
    pub(crate) identity: &'a Identity,
    /// The number of what is given out next.
    pub(crate) no: u64,
    pub(crate) tokens: &'a mut HashMap<u64, LeaseToken>,
}

impl Signer for Pen<'_> {
    fn run(&self) -> ThisRun<'_> {
        ThisRun {
            instance: self.instance,
            boot: self.boot,
            identity: self.identity,
        }
    }

    fn next_seq(&mut self) -> u64 {
        self.no
    }

    fn sign_lease(&mut self, token: LeaseToken) -> Result<Envelope, Problem> {
        let licenses = token.parts.iter().map(|p| json!({"license": p.license}));
        let licenses: Vec<_> = licenses.collect();
        let says = json!({"delegation": token.delegation, "parts": licenses});
        self.tokens.insert(self.no, token);
        Ok(paper(types::LEASE, self.no, says))
    }
}
