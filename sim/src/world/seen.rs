//! What a run of the simulated server knows of license and anchor.

use mooring_core::frontend::{Authority, InForce, LicenseView};
use mooring_core::reason::{AnchorReason, LicenseReason};
use mooring_core::time::BootTime;
use mooring_core::wire::AnchorView;
use std::sync::Arc;

/// What a run knows of license and anchor.
pub(super) struct Seen {
    pub(super) in_force: Option<Arc<InForce>>,
    /// When the anchor signed last.
    pub(super) made: BootTime,
    pub(super) lost_since: Option<BootTime>,
    pub(super) reason: AnchorReason,
    /// The number of the next look: an earlier one that was planned is none.
    pub(super) look: u64,
}

impl Seen {
    /// Of a run that begins: the anchor is being opened.
    pub(super) fn nothing(now: BootTime) -> Self {
        Self {
            in_force: None,
            made: BootTime::default(),
            lost_since: Some(now),
            reason: AnchorReason::Starting,
            look: 0,
        }
    }

    pub(super) fn authority(&self) -> Authority {
        Authority {
            in_force: self.in_force.clone(),
            anchor: AnchorView {
                kind: "pkcs11".into(),
                key_id: None,
                present: self.lost_since.is_none(),
                reason: self.reason,
                message: String::new(),
            },
            lost_since: self.lost_since,
            license: LicenseView {
                valid: true,
                reason: LicenseReason::Valid,
                message: String::new(),
                files: Vec::new(),
            },
            revoked: None,
        }
    }
}
