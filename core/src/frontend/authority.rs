//! May this run grant, may it renew? Pure functions of what is known of license, anchor and time.
//!
//! An [`Authority`] is what the license and the anchor allow, as it was last looked at; its
//! questions take the time, since licenses end, delegations lapse and clocks are set while nobody
//! looks.

use crate::ledger::Part;
use crate::license::{
    Delegation, Digest, Envelope, License, OpenLicense, Policy, Product, Revoked, TokenAnchor,
};
use crate::names::ProductName;
use crate::policy::OptimisticStart;
use crate::reason::{AnchorReason, LicenseReason};
use crate::time::{BootTime, DEFAULT_MAX_CONTESTED, Now, Timestamp};
use crate::wire::{AnchorView, LicenseFileView, Problem, ProblemType};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long renewals go on without the anchor, where the license does not say less: a delegation's
/// life less its renewal.
const ANCHOR_GRACE: Duration = Duration::from_secs(600);
/// When a delegation is replaced. With [`BACKDATED`] this leaves the anchor grace of ten minutes at
/// any moment.
pub const RENEW: Duration = Duration::from_secs(270);
/// How far a delegation begins before its making, so that a wall clock that is set back a little
/// stays within it.
pub const BACKDATED: Duration = Duration::from_secs(30);
/// By how much the wall clock may fall behind what is known before it counts as turned back.
const TURNED_BACK_SECS: i64 = 24 * 3600;

/// What leases are like: the configuration, within what the license allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// D.
    pub lease_for: Duration,
    /// The grace.
    pub run_for: Duration,
    pub max_contested: Duration,
    pub optimistic_start: OptimisticStart,
    /// How long renewals go on without the anchor.
    pub anchor_grace: Duration,
}

impl LeaseTerms {
    /// D and grace as the configuration wishes them, within the license's policy.
    pub fn of(lease_for: Duration, grace: Duration, policy: &Policy) -> Self {
        let at_most = |wish: Duration, limit: Option<Duration>| limit.map_or(wish, |l| wish.min(l));
        Self {
            lease_for: at_most(lease_for, policy.max_lease),
            // 8 h at the most, unless the license itself allows more: what an application verifies,
            // too.
            run_for: grace.min(policy.grace_limit()),
            max_contested: policy.max_contested.unwrap_or(DEFAULT_MAX_CONTESTED),
            optimistic_start: policy.optimistic_start,
            anchor_grace: at_most(ANCHOR_GRACE, policy.max_anchor_grace),
        }
    }

    /// What holds where both do: the stricter of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            lease_for: self.lease_for.min(other.lease_for),
            run_for: self.run_for.min(other.run_for),
            max_contested: self.max_contested.min(other.max_contested),
            optimistic_start: self.optimistic_start.max(other.optimistic_start),
            anchor_grace: self.anchor_grace.min(other.anchor_grace),
        }
    }

    /// What holds under all these licenses; `None` if there is none.
    pub fn under<'l>(
        lease_for: Duration,
        grace: Duration,
        licenses: impl IntoIterator<Item = &'l OpenLicense>,
    ) -> Option<Self> {
        let each = licenses.into_iter();
        let each = each.map(|l| Self::of(lease_for, grace, &l.license.policy));
        each.reduce(Self::and)
    }
}

/// A license that a server serves, and what leases that draw on it alone are like.
#[derive(Clone, Debug)]
pub struct Served {
    pub open: Arc<OpenLicense>,
    pub terms: LeaseTerms,
    /// Where each product is in the license: each token of the thousands there may be names some.
    places: HashMap<ProductName, usize>,
}

impl Served {
    pub fn of(open: Arc<OpenLicense>, terms: LeaseTerms) -> Self {
        let products = open.license.products.iter().enumerate();
        let places = products.map(|(i, p)| (p.name.clone(), i)).collect();
        Self {
            open,
            terms,
            places,
        }
    }

    pub(super) fn product(&self, name: &ProductName) -> Option<&Product> {
        self.open.license.products.get(*self.places.get(name)?)
    }
}

/// Licenses with the anchor's word for this run's key: all that signing needs. Replaced as a whole.
#[derive(Clone, Debug)]
pub struct InForce {
    /// In the order in which they are drawn on; at least one.
    pub licenses: Vec<Served>,
    /// The anchor, as tokens name it.
    pub anchor: TokenAnchor,
    /// What the anchor signed.
    pub delegation: Delegation,
    /// The same, signed.
    pub envelope: Envelope,
    /// The delegation's.
    pub digest: Digest,
    /// What holds under all of the licenses.
    pub terms: LeaseTerms,
}

impl InForce {
    pub fn licenses(&self) -> impl Iterator<Item = &Arc<OpenLicense>> + Clone {
        self.licenses.iter().map(|s| &s.open)
    }

    pub fn license(&self, digest: &Digest) -> Option<&Served> {
        self.licenses.iter().find(|s| s.open.digest == *digest)
    }

    /// The longest grace that any of the licenses gives.
    pub fn longest_grace(&self) -> Duration {
        let each = self.licenses.iter().map(|s| s.terms.run_for);
        each.max().unwrap_or(self.terms.run_for)
    }

    /// What a lease is like that has these parts.
    pub fn terms_of(&self, parts: &[Part]) -> LeaseTerms {
        let of = parts.iter().filter_map(|p| self.license(&p.license));
        let terms = of.map(|s| s.terms).reduce(LeaseTerms::and);
        terms.map_or(self.terms, |t| LeaseTerms {
            // The books count by one D alone.
            lease_for: self.terms.lease_for,
            ..t
        })
    }

    /// What of the licenses is issued at `now`; if nothing is, the clock is wrong.
    fn issued(&self, now: Timestamp) -> Result<impl Iterator<Item = &License>, Problem> {
        let licenses = self.licenses().map(|o| &o.license);
        let first = licenses.clone().map(|l| l.issued).min();
        if let Some(issued) = first.filter(|t| now < *t) {
            return Err(invalid(format!(
                "the server's clock reads {now}, before its license was issued ({issued}); set the clock"
            )));
        }
        Ok(licenses.filter(move |l| l.issued <= now))
    }
}

/// The license as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseView {
    pub valid: bool,
    pub reason: LicenseReason,
    /// Which one is in force, or what is wrong.
    pub message: String,
    /// Each of the files, in their order.
    pub files: Vec<LicenseFileView>,
}

/// What license and anchor allow, as they were last looked at.
#[derive(Clone, Debug)]
pub struct Authority {
    /// What tokens are signed under; none before the anchor spoke for the first time.
    pub in_force: Option<Arc<InForce>>,
    pub anchor: AnchorView,
    pub lost_since: Option<BootTime>,
    pub license: LicenseView,
    /// Set if all licenses that tokens are signed under are revoked: the first one's.
    pub revoked: Option<Revoked>,
}

/// What is in force is made anew with each signature of the anchor: there identity is enough.
impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        let in_force = |a: &Self| a.in_force.as_ref().map(Arc::as_ptr);
        in_force(self) == in_force(other)
            && self.anchor == other.anchor
            && self.license == other.license
            && self.revoked == other.revoked
            && self.lost_since == other.lost_since
    }
}

/// What is known of the time besides the clocks' readings.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Both clocks at this run's start: the boot clock has gone on from there.
    pub started: Now,
    /// The latest date of a token of the license in force that a holder showed.
    pub echoed: Option<Timestamp>,
}

impl Clock {
    /// What the clock would read had nobody moved it since this run's start.
    fn here(self, now: Now) -> Timestamp {
        let Now { boot, wall } = self.started;
        wall.checked_add(now.boot.since(boot)).unwrap_or(wall)
    }

    fn floor(self, now: Now) -> Timestamp {
        let here = self.here(now);
        self.echoed.map_or(here, |e| e.max(here))
    }
}

/// Why nothing can be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Only the delegation does not cover this moment: a fresh one may help at once.
    Stale(Problem),
    /// Nothing helps but time or people.
    Final(Problem),
}

impl Denied {
    /// The same for who must ask again within so long.
    pub(super) fn asked_again_within(self, pace: Duration) -> Self {
        let sooner = |mut p: Problem| {
            let most = pace.as_secs().max(1);
            p.retry_after_secs = p.retry_after_secs.map(|s| s.min(most));
            p
        };
        match self {
            Self::Stale(p) => Self::Stale(sooner(p)),
            Self::Final(p) => Self::Final(sooner(p)),
        }
    }
}

impl From<Denied> for Problem {
    fn from(d: Denied) -> Self {
        match d {
            Denied::Stale(p) | Denied::Final(p) => p,
        }
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemType::LicenseInvalid, detail).retry_after(30)
}

impl Authority {
    fn lost(&self, retry: u64) -> Problem {
        let detail = format!("{}: {}", self.anchor.reason, self.anchor.message);
        Problem::new(ProblemType::AnchorLost, detail).retry_after(retry)
    }

    /// What is in force, if its time and the clock are right.
    fn valid(&self, now: Now, clock: Clock) -> Result<&Arc<InForce>, Problem> {
        let Some(f) = &self.in_force else {
            // A license that is fine but has no anchor's word: it is the anchor that is missed.
            let starting = self.anchor.reason == AnchorReason::Starting;
            return Err(if self.license.valid || starting {
                self.lost(if starting { 1 } else { 10 })
            } else {
                invalid(format!("{}: {}", self.license.reason, self.license.message))
            });
        };
        if let Some(r) = &self.revoked {
            return Err(invalid(format!("Revoked: {r}")));
        }
        let issued = f.issued(now.wall)?;
        let floor = clock.floor(now);
        if floor.as_second().saturating_sub(now.wall.as_second()) > TURNED_BACK_SECS {
            // Either its own earlier reading or a token's date was too high, and each is mended in
            // another way.
            let (read, mend) = if floor == clock.here(now) {
                ("by its own", "restart the server")
            } else {
                (
                    "by a token that it gave",
                    "have the license issued anew, or restart all holders of such tokens and then the server",
                )
            };
            return Err(invalid(format!(
                "the server's clock reads {}, more than a day behind {floor}, which has been {read}; set the clock. If it is \
                 right now, and ran ahead before: {mend}",
                now.wall
            )));
        }
        // Where one is good the others' ends are those of their seats, which the ledger knows.
        let dates = issued.map(|l| l.check_dates(now.wall));
        let good = dates.reduce(|first, next| first.or_else(|e| next.map_err(|_| e)));
        match good {
            Some(Err(e)) => Err(invalid(e.to_string())),
            _ => Ok(f),
        }
    }

    /// Under what leases are signed now: renewals, and the answers to claims that are granted.
    /// Without the anchor this goes on while the last delegation covers it, for the anchor grace at
    /// most.
    pub fn may_sign(&self, now: Now, clock: Clock) -> Result<Arc<InForce>, Denied> {
        let f = self.valid(now, clock).map_err(Denied::Final)?;
        let grace_over = |since| now.boot.since(since) >= f.terms.anchor_grace;
        if self.lost_since.is_some_and(grace_over) {
            return Err(Denied::Final(self.lost(10)));
        }
        if !f.delegation.covers(now.wall) {
            return Err(match self.lost_since {
                Some(_) => Denied::Final(self.lost(10)),
                None => Denied::Stale(self.lost(1)),
            });
        }
        Ok(f.clone())
    }

    /// Whether something new is granted. Without the anchor nothing is, at once; and nothing that
    /// could not be signed.
    pub fn may_grant(&self, now: Now, clock: Clock) -> Result<Arc<InForce>, Denied> {
        let f = self.may_sign(now, clock)?;
        match self.lost_since {
            Some(_) => Err(Denied::Final(self.lost(10))),
            None => Ok(f),
        }
    }
}

/// Whether the anchor must sign a delegation for `licenses` now. `made` is when the present one
/// was.
pub fn delegation_due(
    in_force: Option<&InForce>,
    lost_since: Option<BootTime>,
    licenses: &[Digest],
    made: BootTime,
    now: Now,
) -> bool {
    match in_force {
        // An anchor that was away proves with a signature that it is back.
        Some(f) if lost_since.is_none() && f.delegation.licenses == licenses => {
            now.boot.since(made) >= RENEW || !f.delegation.covers(now.wall)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
