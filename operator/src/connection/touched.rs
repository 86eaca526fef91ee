//! The holders of one server that are to be looked at. Each is in it once, and there is a bound:
//! who they are is the server's word.

use mooring_core::identity::HolderKey;
use mooring_net::sync::lock;
use std::collections::BTreeSet;
use std::sync::Mutex;
use tokio::sync::Notify;

/// How many are named. More than these are everyone.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Touched {
    holders: Mutex<Holders>,
    added: Notify,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Holders {
    named: BTreeSet<HolderKey>,
    everyone: bool,
}

/// Who is to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Batch {
    Some(BTreeSet<HolderKey>),
    Everyone,
}

impl Touched {
    pub(super) fn add(&self, keys: impl IntoIterator<Item = HolderKey>) {
        let mut holders = lock(&self.holders);
        keys.into_iter().for_each(|k| holders.add(k));
        self.added.notify_one();
    }

    /// Waits for some, and takes up to `most` of them.
    pub(super) async fn next(&self, most: usize) -> Batch {
        loop {
            if let Some(batch) = self.take(most) {
                return batch;
            }
            self.added.notified().await;
        }
    }

    /// Takes up to `most` of them, if there are any.
    pub(super) fn take(&self, most: usize) -> Option<Batch> {
        lock(&self.holders).take(most)
    }
}

impl Holders {
    fn add(&mut self, key: HolderKey) {
        if self.everyone {
            return;
        }
        self.named.insert(key);
        if self.named.len() > MOST {
            self.everyone = true;
            self.named.clear();
        }
    }

    fn take(&mut self, most: usize) -> Option<Batch> {
        if std::mem::take(&mut self.everyone) {
            return Some(Batch::Everyone);
        }
        let mut batch = BTreeSet::new();
        while batch.len() < most
            && let Some(key) = self.named.pop_first()
        {
            batch.insert(key);
        }
        (!batch.is_empty()).then_some(Batch::Some(batch))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn key(n: usize) -> HolderKey {
        HolderKey(format!("pod-{n:06}"))
    }

    #[test]
    fn a_holder_that_is_touched_a_thousand_times_is_looked_at_once() {
        let mut holders = Holders::default();
        (0..1000).for_each(|_| holders.add(key(1)));
        let one = Batch::Some(BTreeSet::from([key(1)]));
        assert_eq!(holders.take(256), Some(one));
        assert_eq!(holders.take(256), None);
    }

    #[test]
    fn a_flood_of_names_has_a_bound_and_nobody_is_forgotten() {
        let mut holders = Holders::default();
        for n in 0..200_000 {
            holders.add(key(n));
            assert!(holders.named.len() <= MOST);
        }
        assert_eq!(holders.take(256), Some(Batch::Everyone));
        assert_eq!(holders, Holders::default(), "and then anew");
        (0..300).for_each(|n| holders.add(key(n)));
        let Some(Batch::Some(first)) = holders.take(256) else {
            panic!("{holders:?}")
        };
        let Some(Batch::Some(rest)) = holders.take(256) else {
            panic!("{holders:?}")
        };
        assert_eq!((first.len(), rest.len()), (256, 44));
    }
}
