//! What people are told of the anchors.

use crate::anchor::Lost;
use mooring_core::license::{AnchorKey, Standby};
use mooring_core::reason::AnchorReason;

/// An anchor signs.
pub(super) fn signs(entry: &AnchorKey) -> String {
    format!(
        "the anchor{} signs with key {}",
        label(entry),
        entry.key.id()
    )
}

/// Several losses as one: the reason of the first, but for days that are over, which is what people
/// must know.
pub(super) fn together(losses: Vec<Lost>) -> Lost {
    if let Some(expired) = losses
        .iter()
        .find(|l| l.reason == AnchorReason::StandbyExpired)
    {
        return expired.clone();
    }
    let mut losses = losses.into_iter();
    let Some(first) = losses.next() else {
        return Lost::new(AnchorReason::Starting, "no anchor is configured");
    };
    losses.fold(first, |a, b| {
        Lost::new(
            a.reason,
            format!(
                "{}; the other anchor: {}: {}",
                a.message, b.reason, b.message
            ),
        )
    })
}

/// The license's name for an anchor, after a space.
pub(super) fn label(entry: &AnchorKey) -> String {
    entry
        .label
        .as_ref()
        .map(|l| format!(" ({l})"))
        .unwrap_or_default()
}

/// For how many days a standby may serve.
pub(super) fn days(s: Standby) -> String {
    format!("{} {}", s.days, if s.days == 1 { "day" } else { "days" })
}
