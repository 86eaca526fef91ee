//! What the condition `PrimaryServes` says, with a standby on another node. Pure.

use crate::connection::Snapshot;
use crate::licenseserver::standby::{Evidence, what_ends_it};
use mooring_api::status::AS_PLANNED;
use mooring_api::{Serving, Side};

/// Which side serves, and what keeps the other from it: reason and message.
pub(super) fn said(
    snapshot: &Snapshot,
    s: &Serving,
    evidence: &Evidence,
) -> (&'static str, String) {
    let (side, other) = (s.side, s.side.other());
    match (&s.hands_over, evidence, &s.refused) {
        (Some(since), Evidence::Unheard(node), _) => {
            let text = format!(
                "the {other} waits since {} for the end of the {side}'s pod, and node {node}, where that may run, is not ready. {}",
                since.0,
                what_ends_it(node)
            );
            ("NotProven", text)
        }
        (Some(since), _, _) => {
            let text = format!(
                "the {side}'s pod is being ended since {}, so that the {other} can begin",
                since.0
            );
            ("HandsOver", text)
        }
        (None, Evidence::Unheard(node), _) => {
            let text = format!(
                "node {node}, where the {side}'s pod may run, is not ready. The {other} does not serve: who is cut off may go on granting. {}",
                what_ends_it(node)
            );
            ("NotProven", text)
        }
        (None, _, Some(why)) => ("FailoverRefused", why.clone()),
        (None, _, None) => settled(snapshot, s),
    }
}

/// Nothing stands in the way of anybody.
fn settled(snapshot: &Snapshot, s: &Serving) -> (&'static str, String) {
    if s.side == Side::Standby {
        let why = s.why.as_deref().unwrap_or_default();
        let text = format!(
            "the standby serves: {why}. Once the primary's node and anchor are well, hand back: kubectl mooring failover … --to primary"
        );
        return ("StandbyServes", text);
    }
    let licenses = snapshot.says().map(|s| s.licenses.as_slice());
    let mut valid = licenses
        .unwrap_or_default()
        .iter()
        .filter(|l| l.valid)
        .peekable();
    if valid.peek().is_some() && valid.all(|l| l.standbys == 0) {
        let text = "the primary serves, and no license in force lists a standby anchor: the one at spec.standby would sign nothing. Have the license issued anew with both of them";
        return ("StandbyNotLicensed", text.to_owned());
    }
    let text = "the primary serves, and the standby takes over on proof that it has ended";
    (AS_PLANNED, text.to_owned())
}
