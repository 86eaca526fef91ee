//! Signs with this run's ephemeral key. Called outside the ledger's lock.

use super::Chain;
use mooring_core::frontend::{Signer, ThisRun};
use mooring_core::license::{Envelope, LeaseToken, types};
use mooring_core::wire::{Problem, ProblemType};
use serde::Serialize;
use std::sync::atomic::Ordering;

impl Chain {
    fn sign<T: Serialize>(&self, kind: &'static str, document: &T) -> Result<Envelope, Problem> {
        Envelope::sign(kind, document, &self.key).map_err(|e| {
            // Only a document that cannot be written as JSON comes here, and these all can.
            tracing::error!(error = %e, "signing");
            Problem::new(ProblemType::Overloaded, "the answer cannot be signed").retry_after(5)
        })
    }
}

impl Signer for &Chain {
    fn run(&self) -> ThisRun<'_> {
        ThisRun {
            instance: self.instance,
            boot: self.boot,
            identity: &self.identity,
        }
    }

    fn next_seq(&mut self) -> u64 {
        self.seq.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn sign_lease(&mut self, token: LeaseToken) -> Result<Envelope, Problem> {
        self.sign(types::LEASE, &token)
    }
}
