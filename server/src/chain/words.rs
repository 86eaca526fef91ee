//! What people are told of the anchors.

use crate::anchor::Lost;
use mooring_core::license::{AnchorKey, Standby};
use mooring_core::reason::AnchorReason;

pub(super) fn signs(entry: &AnchorKey) -> String {
    let (label, id) = (label(entry), entry.key.id());
    format!("the anchor{label} signs with key {id}")
}

/// Several losses as one: the reason of the first, but for days that are over, which is what people
/// must know.
pub(super) fn together(losses: Vec<Lost>) -> Lost {
    let expired = |l: &&Lost| l.reason == AnchorReason::StandbyExpired;
    if let Some(expired) = losses.iter().find(expired) {
        return expired.clone();
    }
    let together = losses.into_iter().reduce(|a, b| {
        let other = format!("the other anchor: {}: {}", b.reason, b.message);
        Lost::new(a.reason, format!("{}; {other}", a.message))
    });
    together.unwrap_or_else(|| Lost::new(AnchorReason::Starting, "no anchor is configured"))
}

/// The license's name for an anchor, after a space.
pub(super) fn label(entry: &AnchorKey) -> String {
    let label = entry.label.as_ref().map(|l| format!(" ({l})"));
    label.unwrap_or_default()
}

/// For how many days a standby may serve.
pub(super) fn days(s: Standby) -> String {
    format!("{} {}", s.days, if s.days == 1 { "day" } else { "days" })
}
