//! How long standby anchors have served: kept in `stateDir`, so that a restart gives no days anew.
//!
//! The days are one budget for the life of a license, spent over all times that the standby had to
//! serve; a license issued anew (another id) has its own. Time is spent in advance, with each
//! delegation that the standby signs, for as long as that is good before the next one is due: so a
//! server that is killed has spent it, and none runs on for free.

use mooring_core::frontend::RENEW;
use mooring_core::license::KeyId;
use mooring_core::time::BootTime;
use mooring_net::durable;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const DAY: u64 = 86_400;

#[derive(Debug)]
pub(crate) struct Served {
    path: PathBuf,
    /// Seconds, by license and key.
    secs: BTreeMap<String, u64>,
    /// What was spent last, and until when that is.
    spent: Option<(String, BootTime)>,
}

fn name(license: &str, key: &KeyId) -> String {
    format!("{license}/{key}")
}

impl Served {
    pub(crate) fn open(path: PathBuf) -> Self {
        let secs = match std::fs::read(&path) {
            Ok(b) => serde_json::from_slice(&b).unwrap_or_else(|e| {
                tracing::warn!(file = %path.display(), error = %e, "how long the standby anchor has served is unknown: the file is damaged; counting anew");
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        Self {
            path,
            secs,
            spent: None,
        }
    }

    /// How much longer this key may serve as the standby of this license, what is spent in advance
    /// included.
    pub(crate) fn left(&self, license: &str, key: &KeyId, days: u32, now: BootTime) -> Duration {
        let name = name(license, key);
        let used = self.secs.get(&name).copied().unwrap_or(0);
        let ahead = self.ahead(&name, now).unwrap_or_default();
        Duration::from_secs((u64::from(days) * DAY).saturating_sub(used)) + ahead
    }

    /// What is left of the time that was spent last.
    fn ahead(&self, name: &str, now: BootTime) -> Option<Duration> {
        let (_, until) = self.spent.as_ref().filter(|(spent, _)| spent == name)?;
        (*until > now).then(|| until.since(now))
    }

    /// Spends the time of one delegation, before it is signed. What cannot be kept must not be
    /// spent.
    pub(crate) fn spend(
        &mut self,
        license: &str,
        key: &KeyId,
        now: BootTime,
    ) -> std::io::Result<()> {
        let name = name(license, key);
        if self.ahead(&name, now).is_some() {
            return Ok(());
        }
        let used = self.secs.entry(name.clone()).or_insert(0);
        *used = used.saturating_add(RENEW.as_secs());
        durable::replace_json(&self.path, &self.secs)?;
        self.spent = Some((name, now + RENEW));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
