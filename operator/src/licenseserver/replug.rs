//! A dongle that was pulled and plugged in again has another device file, and the container keeps
//! the old one: when the server's pod must be replaced for it. Pure.
//!
//! Only where the device came as a resource of the node: through the node's pcscd, or without a
//! device, a server recovers by itself.

use crate::connection::Snapshot;
use k8s_openapi::api::core::v1::Node;
use mooring_api::LicenseServer;
use mooring_core::reason::AnchorReason;
use mooring_core::time::BootTime;
use std::time::Duration;

/// How long an anchor is given to come back by itself: a card put back into its reader does within
/// seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was seen of a server's anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The run that it was seen in.
    instance: String,
    /// In this run, the anchor was there. Only then a new pod can help, and so each loss replaces
    /// one pod and not one after the other.
    was_present: bool,
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
                ..Self::default()
            };
        }
        if state.anchor.present {
            self.was_present = true;
            self.lost = None;
        } else if state.anchor.reason == AnchorReason::PinRejected {
            // No new pod makes a PIN right.
            self.lost = None;
        } else {
            self.lost = self.lost.or(Some(now));
        }
    }
}

/// Whether the server's pod, which is on this node, is to be replaced; for how long its anchor has
/// been lost.
pub fn due(
    server: &LicenseServer,
    watched: &Watched,
    node: Option<&Node>,
    now: BootTime,
) -> Option<Duration> {
    let token = server.spec.anchor.pkcs11.as_ref()?;
    let resource = token.device_resource.as_ref()?;
    let lost = now.since(watched.lost.filter(|_| watched.was_present)?);
    let allocatable = node?.status.as_ref()?.allocatable.as_ref()?;
    let offered = allocatable.get(resource).is_some_and(|q| q.0 != "0");
    (lost >= PATIENCE && offered).then_some(lost)
}

#[cfg(test)]
mod tests;
