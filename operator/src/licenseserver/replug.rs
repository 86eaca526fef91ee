//! A dongle that was pulled and plugged in again has another device file, and the container keeps
//! the old one: when the server's pod must be replaced for it. Pure.
//!
//! Only where the device came as a resource of the node: through the node's pcscd, or without a
//! device, a server recovers by itself.

use crate::connection::Snapshot;
use crate::kubernetes::whole_seconds;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use mooring_api::{LicenseServer, Replacements};
use mooring_core::reason::AnchorReason;
use mooring_core::time::{BootTime, Now, Timestamp};
use std::time::Duration;

/// How long an anchor is given to come back by itself: a card put back into its reader does within
/// seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pauses before the second pod that is made anew, and at most: a device plugin may hand out
/// yesterday's path, once or for as long as it is not mended.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1800));

/// What was seen of a server's anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The run that it was seen in.
    instance: String,
    /// Since when it is lost.
    lost: Option<BootTime>,
}

impl Watched {
    pub fn note(&mut self, snapshot: &Snapshot, now: BootTime) {
        let Some(state) = snapshot.says() else {
            return;
        };
        let instance = state.instance.to_string();
        if self.instance != instance {
            *self = Self {
                instance,
                lost: None,
            };
        }
        // With the other reasons the device is reached, or no new pod would reach it.
        let stale = matches!(
            state.anchor.reason,
            AnchorReason::TokenNotFound
                | AnchorReason::TokenLost
                | AnchorReason::ModuleFailed
                | AnchorReason::Hung
                | AnchorReason::SignFailed
        );
        self.lost = if state.anchor.present || !stale {
            None
        } else {
            self.lost.or(Some(now))
        };
    }
}

/// Whether the server's pod, which is on this node, is to be made anew; for how long its anchor has
/// been lost. `earlier`: how often that was done since the anchor was last there.
///
/// It is tried for as long as the node offers the device, with growing pauses; they are in the
/// status, so that another operator goes on where this one ends.
pub fn due(
    server: &LicenseServer,
    watched: &Watched,
    node: Option<&Node>,
    earlier: Option<&Replacements>,
    now: Now,
) -> Option<Duration> {
    let token = server.spec.anchor.pkcs11.as_ref()?;
    let resource = token.device_resource.as_ref()?;
    let lost = now.boot.since(watched.lost?);
    let allocatable = node?.status.as_ref()?.allocatable.as_ref()?;
    let offered = allocatable.get(resource).is_some_and(|q| q.0 != "0");
    let until = earlier.and_then(|e| e.last.0.checked_add(pause(e.count)).ok());
    let paused = until.is_some_and(|t| now.wall < t);
    (lost >= PATIENCE && offered && !paused).then_some(lost)
}

/// The pause after so many.
fn pause(count: u32) -> Duration {
    let (first, most) = PAUSES;
    let doublings = count.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(most)
}

/// One more.
pub fn counted(earlier: Option<&Replacements>, now: Timestamp) -> Replacements {
    Replacements {
        count: earlier.map_or(1, |e| e.count.saturating_add(1)),
        last: Time(whole_seconds(now)),
    }
}

#[cfg(test)]
mod tests;
