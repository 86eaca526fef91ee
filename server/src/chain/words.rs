//! What people are told of the anchors.

use crate::anchor::Lost;
use mooring_core::license::{AnchorKey, KeyId, Standby};
use mooring_core::reason::AnchorReason;
use mooring_core::time::Timestamp;

pub(super) fn signs(entry: &AnchorKey) -> String {
    let (label, id) = (label(entry), entry.key.id());
    format!("the anchor{label} signs with key {id}")
}

/// Several losses as one: the reason of the first, but for days that are over or cannot be counted,
/// which is what people must know.
pub(super) fn together(losses: Vec<Lost>) -> Lost {
    if let Some(of_days) = losses.iter().find(|l| is_of_days(l)) {
        return of_days.clone();
    }
    let together = losses.into_iter().reduce(|a, b| {
        let other = format!("the other anchor: {}: {}", b.reason, b.message);
        Lost::new(a.reason, format!("{}; {other}", a.message))
    });
    together.unwrap_or_else(|| Lost::new(AnchorReason::Starting, "no anchor is configured"))
}

/// Whether it is the standby's days, and not the hardware, that are missing.
pub(super) fn is_of_days(lost: &Lost) -> bool {
    use AnchorReason::{StandbyExpired, StandbyUncounted};
    matches!(lost.reason, StandbyExpired | StandbyUncounted)
}

/// The standby's days are over. `since`: its first day; `first`: why the first anchor does not
/// serve.
pub(super) fn spent(id: &KeyId, s: Standby, since: Option<Timestamp>, first: &str) -> Lost {
    let (days, since) = (days(s), since.map(day).unwrap_or_default());
    let m = format!(
        "the standby anchor (key {id}) has served its {days}{since}; repair the first anchor ({first}), or have the license issued anew"
    );
    Lost::new(AnchorReason::StandbyExpired, m)
}

/// How long the standby serves cannot be kept, so it does not sign.
pub(super) fn uncounted(problem: &str, first: &str) -> Lost {
    let m = format!(
        "the standby anchor does not sign, since the days that it serves cannot be counted: {problem}. The first anchor is lost: {first}"
    );
    Lost::new(AnchorReason::StandbyUncounted, m)
}

/// Since when it serves, for people.
pub(super) fn day(first: Timestamp) -> String {
    format!(", the first time on {}", first.strftime("%Y-%m-%d"))
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
