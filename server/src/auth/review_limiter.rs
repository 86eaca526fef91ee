//! Limits reviews: so many at once, and no address more than its share, so that one pod that floods
//! the server with bad tokens delays itself and nobody else.

use mooring_net::sync::lock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Reviews at once; further ones wait.
const AT_ONCE: usize = 16;
/// Reviews of one address, under way or waiting. Half of all: the pods of a node's own network
/// share an address.
const OF_ONE: usize = 8;

#[derive(Debug)]
pub(crate) struct ReviewLimiter {
    all: Semaphore,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A permit: one of all, and one of its address' share. It ends when dropped.
pub(crate) type ReviewPermit<'a> = (SemaphorePermit<'a>, Share<'a>);

#[derive(Debug)]
pub(crate) struct Share<'a> {
    limiter: &'a ReviewLimiter,
    address: IpAddr,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut m = lock(&self.limiter.by_address);
        if let Some(n) = m.get_mut(&self.address) {
            *n -= 1;
            if *n == 0 {
                m.remove(&self.address);
            }
        }
    }
}

impl ReviewLimiter {
    pub(crate) fn new() -> Self {
        Self {
            all: Semaphore::new(AT_ONCE),
            by_address: Mutex::default(),
        }
    }

    fn share(&self, address: IpAddr) -> Option<Share<'_>> {
        let mut m = lock(&self.by_address);
        let n = m.entry(address).or_default();
        if *n >= OF_ONE {
            return None;
        }
        *n += 1;
        let limiter = self;
        Some(Share { limiter, address })
    }

    /// Waits for a permit; `None` if the address has its share of them already.
    pub(crate) async fn take(&self, address: IpAddr) -> Option<ReviewPermit<'_>> {
        let share = self.share(address)?;
        Some((self.all.acquire().await.ok()?, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn one_address_never_has_all_permits() {
        let limiter = ReviewLimiter::new();
        let address = |n| IpAddr::from(Ipv4Addr::new(10, 0, 0, n));
        let mut taken = Vec::new();
        while let Some(t) = limiter.take(address(1)).await {
            taken.push(t);
        }
        assert_eq!(taken.len(), OF_ONE);
        assert!(limiter.take(address(2)).await.is_some());
        taken.pop();
        assert!(limiter.take(address(1)).await.is_some());
        drop(taken);
        assert!(lock(&limiter.by_address).is_empty());
    }
}
