//! Lease tokens and tickets, signed with this run's ephemeral key. Called outside the ledger's lock.

use super::Chain;
use mooring_core::frontend::InForce;
use mooring_core::ledger::{Granted, Place};
use mooring_core::license::{
    BootStamp, Bundle, DsseError, Envelope, LeaseToken, Ticket, TicketBundle, TokenItem, types,
};
use mooring_core::time::{BootTime, Now, Timestamp};
use mooring_core::wire::{Problem, ProblemType};
use std::sync::atomic::Ordering;

fn failed(e: &DsseError) -> Problem {
    // Only a document that cannot be written as JSON comes here, and these all can.
    tracing::error!(error = %e, "signing");
    Problem::new(ProblemType::Overloaded, "the answer cannot be signed").retry_after(5)
}

/// When `then` was, by the wall clock as it reads now.
fn wall_at(now: Now, then: BootTime) -> Timestamp {
    now.wall
        .checked_sub(now.boot.since(then))
        .unwrap_or(now.wall)
}

impl Chain {
    /// The token of a granted lease, with all that verifying it needs. With a nonce it answers the application's own question,
    /// and is dated now; without one it is dated at the receipt of the holder's last request, from which the lease counts.
    pub(crate) fn lease(
        &self,
        f: &InForce,
        g: &Granted,
        now: Now,
        nonce: Option<String>,
    ) -> Result<Bundle, Problem> {
        let received = if nonce.is_some() {
            now.boot
        } else {
            g.received
        };
        // A request that was held open may have come before a delegation that was renewed meanwhile.
        let issued_at = wall_at(now, received).max(f.delegation.not_before);
        let l = &f.license.license;
        let token = LeaseToken {
            license: f.license.digest.clone(),
            anchor: f.anchor.clone(),
            delegation: f.digest.clone(),
            instance: self.instance,
            seq: self.seq.fetch_add(1, Ordering::Relaxed) + 1,
            lease: g.lease,
            claim: g.claim.clone(),
            holder: self.identity.hide(&g.holder),
            items: g
                .items
                .iter()
                .map(|i| TokenItem {
                    product: i.product.clone(),
                    seats: i.seats,
                    versions: l
                        .product(&i.product)
                        .map(|p| p.versions.clone())
                        .unwrap_or_default(),
                    maintenance_until: l.maintenance_until,
                })
                .collect(),
            issued_at,
            issued_boot: Some(BootStamp {
                boot: self.boot_id.clone(),
                ms: received,
            }),
            lease_for: f.terms.lease_for,
            run_for: f.terms.run_for,
            counter: g.counter,
            draws: g.draws.clone(),
            overdraft: g.overdraft,
            cnf: g.secret_hash,
            test: l.test,
            emergency: l.emergency,
            nonce,
        };
        let lease = Envelope::sign(types::LEASE, &token, &self.key).map_err(|e| failed(&e))?;
        Ok(Bundle {
            license: f.license.envelope.clone(),
            delegation: f.envelope.clone(),
            lease,
        })
    }

    /// A place in line, signed.
    pub(crate) fn ticket(&self, f: &InForce, p: &Place, now: Now) -> Result<TicketBundle, Problem> {
        let ticket = Ticket {
            instance: self.instance,
            generation: p.generation,
            arrival: p.arrival,
            lease: p.lease,
            claim: p.claim.clone(),
            items: p.items.clone(),
            holder: self.identity.hide(&p.holder),
            cnf: p.secret_hash,
            contested: p.contested,
            issued_at: now.wall,
        };
        let ticket = Envelope::sign(types::TICKET, &ticket, &self.key).map_err(|e| failed(&e))?;
        Ok(TicketBundle {
            delegation: f.envelope.clone(),
            ticket,
        })
    }
}
