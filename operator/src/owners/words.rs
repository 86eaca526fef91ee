//! What pods and mirrors are told of owners' claims.

use super::family::Parked;
use super::plan::GroupWaits;
use crate::kubernetes::whole_seconds;
use crate::leases::{Note, WAITING};
use kube::runtime::events::EventType::{Normal, Warning};
use mooring_api::names::ServerRef;
use mooring_core::time::Now;

/// For whom seats are kept, and until when.
pub fn kept_for(parked: &[Parked], now: Now) -> String {
    let Some(last) = parked.iter().max_by_key(|p| p.until) else {
        return String::new();
    };
    let left = last.until.since(now.boot);
    let until = now.wall.checked_add(left).unwrap_or(now.wall);
    let names: Vec<&str> = parked.iter().map(|p| p.pod.as_str()).collect();
    let names: Vec<&str> = names.into_iter().filter(|n| !n.is_empty()).collect();
    let pods = match names.as_slice() {
        [] => format!("of {} of its pods", parked.len()),
        [one] if parked.len() == 1 => format!("of {one}"),
        [one, ..] => format!("of {one} and {} more of its pods", parked.len() - 1),
    };
    let until = whole_seconds(until);
    format!("kept for the replacement {pods} until {until}")
}

pub(super) fn reserved(server: &ServerRef, group: &str) -> Note {
    let text = format!(
        "the seats of all pods of its group {group} are reserved at license server {server}: it is scheduled now"
    );
    Note::new(Normal, "LicenseReserved", "Reserve", &text)
}

pub(super) fn waits(server: &ServerRef, told: &GroupWaits) -> Note {
    match told {
        GroupWaits::Incomplete(group) => {
            let text = format!(
                "waits for the other pods of its group {group}: nothing is asked of license server {server} before as many are there as the group has, and none of them waits for another scheduling gate"
            );
            Note::new(Normal, WAITING, "Queue", &text)
        }
        GroupWaits::Unequal(group) => {
            let text = format!(
                "the pods of its group {group} ask for different licenses or sizes, or have different service accounts or projects, so nothing is asked of license server {server}: give all of them the same"
            );
            Note::new(Warning, WAITING, "Queue", &text)
        }
        GroupWaits::InLine(why) => {
            let text = format!("its group waits in line at license server {server}: {why}");
            Note::new(Normal, WAITING, "Queue", &text)
        }
        GroupWaits::Refused(why) => {
            let text = format!("its group is refused by license server {server}: {why}");
            Note::new(Warning, "LicenseRefused", "Refuse", &text)
        }
    }
}
