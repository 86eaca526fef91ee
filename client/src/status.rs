//! What the sidecar says of a claim, read tolerantly: only what a seat needs, so that a later
//! sidecar is understood.

use crate::order::{Order, Source};
use crate::watch::ClaimReport;
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::request::Item;
use mooring_core::time::BootTime;
use mooring_core::wire::{HoldState, Problem};
use serde::Deserialize;
use std::time::Duration;

/// One claim's status (`wire::ClaimStatus`).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SidecarClaim {
    pub(crate) name: ClaimName,
    pub(crate) state: HoldState,
    licensed: bool,
    #[serde(default)]
    items: Vec<Item>,
    until_boot_ms: Option<u64>,
    for_ms: Option<u64>,
    held_until_boot_ms: Option<u64>,
    lease: Option<LeaseId>,
    pub(crate) place: Option<u32>,
    pub(crate) message: Option<String>,
    kind: Option<String>,
    /// A kind of problem that this version does not know must not hide the refusal.
    problem: Option<serde_json::Value>,
}

/// The claims of a `wire::Status`.
#[derive(Debug, Deserialize)]
pub(crate) struct SidecarStatus {
    claims: Vec<SidecarClaim>,
}

impl SidecarStatus {
    /// The claim that the order is about.
    pub(crate) fn find(self, order: &Order) -> Option<SidecarClaim> {
        self.claims.into_iter().find(|c| {
            let named = match &order.source {
                Source::Named(name) => c.name == *name,
                _ => c.kind.as_deref().is_none_or(|k| k == "pod"),
            };
            named && c.items.iter().any(|i| i.product == order.product)
        })
    }
}

impl SidecarClaim {
    /// As the rules take it, received at `now`.
    pub(crate) fn told(&self, now: BootTime) -> ClaimReport {
        let stamp = self.until_boot_ms.map(BootTime::from_millis);
        let time = self.for_ms.map(|ms| now + Duration::from_millis(ms));
        // On one boot clock the stamp is the earlier. On two, the shorter word counts.
        let until = [stamp, time].into_iter().flatten().min();
        let until = until.filter(|_| self.licensed).unwrap_or_default();
        let held = self.held_until_boot_ms.map(BootTime::from_millis);
        ClaimReport {
            name: self.name.clone(),
            state: self.state,
            until,
            held_until: held.unwrap_or(until),
            lease: self.lease,
        }
    }

    pub(crate) fn problem(&self) -> Option<Problem> {
        serde_json::from_value(self.problem.clone()?).ok()
    }
}
