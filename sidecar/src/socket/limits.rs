//! What of the sidecar's few resources may be in use at once, in sum and by one user.

use crate::users::{Owner, Part, PerUser};
use mooring_core::wire::{Problem, ProblemType};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One place among all, and of its user's part.
pub(super) type Permit = (OwnedSemaphorePermit, Part);

#[derive(Debug)]
pub(super) struct Limit {
    pub(super) most: usize,
    pub(super) of_one: usize,
    all: Arc<Semaphore>,
    users: Arc<PerUser>,
}

impl Limit {
    /// One user has at most half.
    pub(super) fn new(most: usize) -> Self {
        let of_one = most / 2;
        Self {
            most,
            of_one,
            all: Arc::new(Semaphore::new(most)),
            users: PerUser::new(of_one),
        }
    }

    pub(super) fn take(&self, owner: Owner) -> Option<Permit> {
        let part = self.users.take(owner)?;
        Some((self.all.clone().try_acquire_owned().ok()?, part))
    }

    /// Waits for a place among all; `None` if the user has its part already.
    pub(super) async fn turn(&self, owner: Owner) -> Option<Permit> {
        let part = self.users.take(owner)?;
        Some((self.all.clone().acquire_owned().await.ok()?, part))
    }

    /// Why there is none.
    pub(super) fn problem(&self, owner: Owner, what: &str) -> Problem {
        let (n, whose) = match owner {
            Some(_) => (self.of_one, " of one user"),
            None => (self.most, ""),
        };
        let detail = format!("{n} connections{whose} {what} already; close some");
        Problem::new(ProblemType::Overloaded, detail).retry_after(1)
    }
}
