//! A thief: who has read a holder's papers off the wire, and does not know its secret.

use super::state::{Dice, Packet, World};
use crate::history::{CopyNo, HolderNo, Ms};
use mooring_core::holder::drive::Drive;
use mooring_core::holder::{Random as _, Request, Spec, Tag};
use mooring_core::license::Bundle;
use mooring_core::receipt::Sealed;
use mooring_core::secret::{Secret, SecretHash};
use mooring_core::wire::{self, Stance, Standing};
use std::rc::Rc;

impl World {
    /// Somebody reads a holder's papers off the wire and shows them as its own, several times: the
    /// receipt or a forged one, with a secret of its own or with none.
    pub(super) fn steals(&mut self, from: CopyNo, lasts: Ms) {
        let Some(copy) = self.copies.get(&from) else {
            return;
        };
        let Some(claim) = copy.claims.first() else {
            return;
        };
        let Some(holder) = claim.drive.as_ref().map(Drive::holder) else {
            return;
        };
        let (Some(bundle), Some(receipt)) = (holder.bundle(), holder.receipt()) else {
            return;
        };
        let papers = (bundle.clone(), receipt.clone(), holder.secret_hash());
        let (spec, claim, holder) = (claim.spec.clone(), claim.no, copy.holder);
        let (_, secret) = self.new_secret();
        for _ in 0..5 {
            let body = self.stolen(&spec, holder, &secret, &papers);
            let at = self.now + self.rng.u64(0..lasts.max(1));
            let name = spec.name.clone();
            self.at(at, move |w| {
                let request = Request::Claim {
                    body: Box::new(body),
                    wait: None,
                    bearer: false,
                };
                let (msg, what) = (w.new_msg(), w.describe(&request));
                w.arrives(Rc::new(Packet {
                    msg,
                    copy: from,
                    holder,
                    claim,
                    name,
                    // Its answer is for nobody here.
                    life: 0,
                    tag: Tag::none(),
                    request,
                    what,
                }));
            });
        }
    }

    fn stolen(
        &mut self,
        spec: &Spec,
        holder: HolderNo,
        secret: &Secret,
        (bundle, receipt, hash): &(Bundle, Sealed, SecretHash),
    ) -> wire::ClaimRequest {
        let mut forged = receipt.as_bytes().to_vec();
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        // Its hash stands in each token.
        let (receipt, hash, knows) = match self.rng.u8(..5) {
            0 => (receipt.clone(), secret.hash(), self.rng.bool()),
            1 => (receipt.clone(), secret.hash(), true),
            2 => (receipt.clone(), *hash, false),
            _ => (Sealed::from_bytes(&forged), secret.hash(), true),
        };
        wire::ClaimRequest {
            items: spec.items.clone(),
            secret_hash: hash,
            bind: None,
            project: spec.project.clone(),
            request_id: Dice(&mut self.rng).request_id(),
            standing: Standing::Held,
            licensed_for: None,
            counter: Some(u64::MAX / 2),
            others: Vec::new(),
            heard: None,
            stance: Stance::Gathers,
            part: false,
            clock_ahead_secs: None,
            ticket: None,
            held: Some(wire::HeldProof {
                receipt,
                sent_ago: None,
                delegation: bundle.delegation.clone(),
                lease: bundle.lease.clone(),
                counter: 1,
            }),
            secret: knows.then(|| secret.clone()),
            holder: Some(Self::real_holder(holder)),
        }
    }
}
