//! The condition `PrimaryServes`, with a standby on another node.

use super::{Judged, Word, word};
use crate::licenseserver::standby::{Evidence, what_ends_it};
use mooring_api::status::AS_PLANNED;
use mooring_api::{Serving, Side};

/// Which side serves, and what keeps the other from it.
pub(super) fn primary_serves(j: &Judged<'_>) -> Option<Word> {
    let (serving, evidence) = j.serving.as_ref()?;
    let status = match serving.side {
        Side::Primary => "True",
        Side::Standby => "False",
    };
    let (reason, text) = said(j, serving, evidence);
    Some(word(status, reason, text))
}

fn said(j: &Judged<'_>, s: &Serving, evidence: &Evidence) -> (&'static str, String) {
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
        (None, _, None) => settled(j, s),
    }
}

/// Nothing stands in the way of anybody.
fn settled(j: &Judged<'_>, s: &Serving) -> (&'static str, String) {
    if s.side == Side::Standby {
        let why = s.why.as_deref().unwrap_or_default();
        let text = format!(
            "the standby serves: {why}. Once the primary's node and anchor are well, hand back: kubectl mooring failover … --to primary"
        );
        return ("StandbyServes", text);
    }
    let licenses = j.snapshot.says().map(|s| s.licenses.as_slice());
    let mut valid = licenses
        .unwrap_or_default()
        .iter()
        .filter(|l| l.valid)
        .peekable();
    if valid.peek().is_some() && valid.all(|l| l.standbys == 0) {
        let text = "the primary serves, and no license in force lists a standby anchor: the one at spec.standby would sign nothing. Have the license issued anew with both of them";
        return ("StandbyNotLicensed", text.to_owned());
    }
    (
        AS_PLANNED,
        "the primary serves, and the standby takes over on proof that it has ended".to_owned(),
    )
}
