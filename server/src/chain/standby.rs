//! How long standby anchors have served: kept, so that neither a restart nor another pod gives days
//! anew.
//!
//! The days are one budget for the life of a license, spent over all times that the standby had to
//! serve; a license issued anew (another id) has its own. Time is spent in advance, with each
//! delegation that the standby signs, for as long as that is good before the next one is due: so a
//! server that is killed has spent it, and none runs on for free. It is written, with the date of
//! the first use, before the delegation is signed: what cannot be written is not spent, and nothing
//! is signed.

use crate::keeper::{Keeper, NotCommitted};
use mooring_core::frontend::RENEW;
use mooring_core::kept::{AllSpent, StandbyUse};
use mooring_core::license::KeyId;
use mooring_core::time::{BootTime, Now};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const DAY: u64 = 86_400;

pub(crate) struct Served {
    keeper: Arc<Keeper>,
    /// What was spent last of each budget: until when that is.
    spent: BTreeMap<String, BootTime>,
}

fn name(license: &str, key: &KeyId) -> String {
    format!("{license}/{key}")
}

const fn budget(days: u32) -> Duration {
    Duration::from_secs(days as u64 * DAY)
}

impl Served {
    pub(crate) const fn new(keeper: Arc<Keeper>) -> Self {
        Self {
            keeper,
            spent: BTreeMap::new(),
        }
    }

    /// Makes sure that it is known how long standbys served in earlier pods.
    pub(crate) async fn read(&self) -> Result<(), String> {
        self.keeper.read().await
    }

    /// How this key has served as the standby of this license.
    pub(crate) fn so_far(&self, license: &str, key: &KeyId) -> Option<StandbyUse> {
        self.keeper.with(|k| k.standby(&name(license, key)))
    }

    /// How much longer this key may serve as the standby of this license, what is spent in advance
    /// included.
    pub(crate) fn left(&self, license: &str, key: &KeyId, days: u32, now: BootTime) -> Duration {
        let used = self.so_far(license, key).map_or(0, |u| u.served_secs);
        let ahead = self.ahead(&name(license, key), now).unwrap_or_default();
        budget(days).saturating_sub(Duration::from_secs(used)) + ahead
    }

    /// What is left of the time that was spent last.
    fn ahead(&self, name: &str, now: BootTime) -> Option<Duration> {
        let until = self.spent.get(name)?;
        (*until > now).then(|| until.since(now))
    }

    /// Spends the time of one delegation, before it is signed. What cannot be kept must not be
    /// spent.
    pub(crate) async fn spend(
        &mut self,
        license: &str,
        key: &KeyId,
        days: u32,
        now: Now,
    ) -> Result<(), NotCommitted<AllSpent>> {
        let name = name(license, key);
        if self.ahead(&name, now.boot).is_some() {
            return Ok(());
        }
        let spend = self
            .keeper
            .commit(|kept| kept.spend(&name, RENEW, budget(days), now.wall));
        spend.await?;
        self.spent.insert(name, now.boot + RENEW);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
