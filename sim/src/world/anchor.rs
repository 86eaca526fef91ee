//! The anchor and the license file of the simulated server: what is read, what is signed, and when.
//! What that allows, the frontend says.

use super::state::{EPOCH, World};
use crate::history::{Fact, License, Ms};
use crate::papers::paper;
use mooring_core::frontend::{BACKDATED, InForce, LeaseTerms, RENEW, Served, delegation_due};
use mooring_core::ledger::Capacity;
use mooring_core::license::{
    AnchorKind, CountBy, Delegation, Digest, Draw, Envelope, KeyId, License as RealLicense,
    MAX_DELEGATION, OpenLicense, Policy, Pool, Product, PublicKey, SigningKey, TokenAnchor,
    VersionRange, types,
};
use mooring_core::policy::OptimisticStart;
use mooring_core::reason::AnchorReason;
use mooring_core::time::{DEFAULT_GRACE, Now, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A key, for documents that nobody verifies here.
fn some_key() -> Option<PublicKey> {
    Some(SigningKey::from_seed(&[1; 32]).ok()?.public())
}

fn wall(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(EPOCH + ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A file as it is served.
fn served(license: RealLicense, envelope: Envelope, lease_for: Duration) -> Served {
    let terms = LeaseTerms::of(lease_for, DEFAULT_GRACE, &license.policy);
    let open = OpenLicense {
        license,
        digest: envelope.digest(),
        envelope,
        signed_by: None,
    };
    Served::of(open.into(), terms)
}

impl World {
    /// The license file as it lies there.
    fn license(&self) -> &License {
        &self.plan.licenses[self.server.license]
    }

    /// The license files as they lie there.
    fn files(&self) -> Vec<Envelope> {
        let (license, issue) = (self.server.license as u64, self.server.issue);
        let file = |i: u64| paper(types::LICENSE, license, json!({"issue": issue, "file": i}));
        let files = if self.split().is_some() { 0..2 } else { 0..1 };
        files.map(file).collect()
    }

    /// In every other world the license is sold as two files, if its pools can be parted so that no
    /// product draws on both: before which pool the second one begins.
    fn split(&self) -> Option<usize> {
        let draws = |l: &License, before: usize| {
            let crosses = |from: &Vec<Vec<(usize, u32)>>| {
                let mut pools = from.iter().flatten().map(|(p, _)| *p < before);
                let first = pools.next();
                pools.any(|p| Some(p) != first)
            };
            l.products.iter().any(crosses)
        };
        let parts = |k: &usize| !self.plan.licenses.iter().any(|l| draws(l, *k));
        let odd = self.plan.seed % 2 == 1;
        (1..self.names.pools.len()).filter(|_| odd).find(parts)
    }

    fn real_licenses(&self, l: &License) -> Vec<RealLicense> {
        let whole = self.real_license(l);
        let Some(k) = self.split() else {
            return vec![whole];
        };
        let mut first = whole.clone();
        let mut second = RealLicense {
            id: "sim-2".into(),
            pools: first.pools.split_off(k),
            ..whole
        };
        let is_of = |pools: &[Pool], p: &Product| {
            let mut draws = p.from.iter().flatten();
            draws.all(|d| pools.iter().any(|p| p.name == d.pool))
        };
        for l in [&mut first, &mut second] {
            let pools = &l.pools;
            l.products.retain(|p| is_of(pools, p));
        }
        vec![first, second]
    }

    fn real_license(&self, l: &License) -> RealLicense {
        let undated = std::iter::repeat(&(None, None));
        let dated = l.pools.iter().zip(l.dates.iter().chain(undated));
        let pools = self.names.pools.iter().zip(dated);
        let products = self.names.products.iter().zip(&l.products);
        let alternative = |alt: &Vec<(usize, u32)>| {
            let draw = |(p, w): &(usize, u32)| Draw {
                pool: self.names.pools[*p].clone(),
                weight: *w,
            };
            alt.iter().map(draw).collect()
        };
        RealLicense {
            schema: 1,
            critical: vec![],
            id: "sim".into(),
            supersedes: vec![],
            customer: "sim".into(),
            issued: Timestamp::UNIX_EPOCH,
            not_before: None,
            expires: Some(wall(l.ends)),
            maintenance_until: None,
            test: false,
            emergency: false,
            pools: pools
                .map(|(n, ((s, o), (begin, end)))| Pool {
                    name: n.clone(),
                    seats: *s,
                    overdraft: *o,
                    not_before: begin.map(wall),
                    expires: end.map(wall),
                })
                .collect(),
            products: products
                .map(|(name, from)| Product {
                    name: name.clone(),
                    versions: VersionRange::default(),
                    features: vec![],
                    count_by: CountBy::Claim,
                    from: from.iter().map(alternative).collect(),
                })
                .collect(),
            anchors: vec![],
            policy: Policy {
                max_grace: Some(Duration::from_millis(l.grace)),
                optimistic_start: OptimisticStart::Allow,
                max_contested: Some(Duration::from_millis(l.max_contested)),
                max_handover: Some(Duration::from_millis(l.max_handover)),
                max_anchor_grace: Some(Duration::from_millis(l.anchor_grace)),
                ..Policy::default()
            },
        }
    }

    /// The run looks at its anchor and at the license file, and has signed what is due.
    pub(super) fn looks(&mut self) {
        let now = self.server.now(self.now);
        let lost = self.server.anchor_lost;
        let envelopes = self.files();
        let digests: Vec<Digest> = envelopes.iter().map(Envelope::digest).collect();
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        run.seen.look += 1;
        if lost {
            if run.seen.reason != AnchorReason::TokenLost {
                run.seen.lost_since.get_or_insert(now.boot);
                run.seen.reason = AnchorReason::TokenLost;
                self.state(Fact::AnchorLost(true));
                self.tells_authority();
            }
            return;
        }
        let s = &run.seen;
        if delegation_due(s.in_force.as_deref(), s.lost_since, &digests, s.made, now) {
            self.delegates(envelopes, digests, now);
        }
        self.plan_look(None);
    }

    /// Plans the next look: after a while, or when the delegation is due for renewal.
    pub(super) fn plan_look(&mut self, after: Option<Ms>) {
        let clock = self.server.machine().clock;
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        let due = run.seen.made + RENEW;
        let renewed = || clock.when(due).unwrap_or(self.now);
        let at = after.map_or_else(renewed, |after| self.now + after);
        let (no, look) = (run.no, run.seen.look);
        self.at(at, move |w| {
            let run = w.server.run.as_ref();
            if run.is_some_and(|r| r.no == no && r.seen.look == look) {
                w.when_awake(World::looks);
            }
        });
    }

    /// The anchor signs a delegation, for the license files as they lie there.
    fn delegates(&mut self, envelopes: Vec<Envelope>, digests: Vec<Digest>, now: Now) {
        let mut file = self.license().clone();
        let Some(server_key) = some_key() else { return };
        let not_before = now.wall.checked_sub(BACKDATED).unwrap_or(now.wall);
        let not_after = not_before.checked_add(MAX_DELEGATION).unwrap_or(now.wall);
        let lease_for = Duration::from_millis(self.server.lease_for);
        self.delegations.push(digests.clone());
        let number = self.delegations.len() as u64;
        let delegation = paper(types::DELEGATION, number, json!({}));
        // What is due by the license before is done under it.
        self.server_ticks();
        let files = self.real_licenses(&file);
        if files.len() > 1 {
            file.end_seats();
        }
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        let before = run.seen.in_force.as_ref().map(|f| &f.delegation.licenses);
        let anew = before != Some(&digests);
        let served = |(l, envelope)| served(l, envelope, lease_for);
        let licenses: Vec<Served> = files.into_iter().zip(envelopes).map(served).collect();
        let Some(terms) = licenses.iter().map(|s| s.terms).reduce(LeaseTerms::and) else {
            return;
        };
        let each = licenses.iter().map(|s| (&s.open.license, &s.open.digest));
        let capacity = Capacity::of(each);
        let anchor = TokenAnchor {
            kind: AnchorKind::Pkcs11,
            key_id: KeyId(String::new()),
        };
        run.seen.in_force = Some(Arc::new(InForce {
            terms,
            anchor,
            delegation: Delegation {
                licenses: digests,
                kind: AnchorKind::Pkcs11,
                key_id: KeyId(String::new()),
                server_key,
                instance: run.instance,
                not_before,
                not_after,
            },
            digest: delegation.digest(),
            envelope: delegation,
            licenses,
        }));
        run.seen.made = now.boot;
        run.seen.lost_since = None;
        let was_lost = run.seen.reason == AnchorReason::TokenLost;
        run.seen.reason = AnchorReason::Present;
        let since_epoch = |t: Timestamp| t.as_millisecond() - EPOCH;
        self.state(Fact::Delegated {
            from: since_epoch(not_before),
            to: since_epoch(not_after),
        });
        // What lets grants go on comes last: the judge expects them in the next fact.
        if anew {
            self.state(Fact::Reloaded(file));
        }
        if was_lost {
            self.state(Fact::AnchorLost(false));
        }
        if anew {
            self.takes_over(capacity);
        } else {
            self.tells_authority();
        }
    }

    fn takes_over(&mut self, capacity: Capacity) {
        let reclaim = self.server.reclaim.real();
        if let Some(run) = &self.server.run {
            let authority = Arc::new(run.seen.authority());
            self.with_frontend(|f, now| f.take_over(authority, capacity, reclaim, now));
        }
    }

    fn tells_authority(&mut self) {
        if let Some(run) = &self.server.run {
            let authority = Arc::new(run.seen.authority());
            self.with_frontend(|f, now| f.set_authority(authority, now));
        }
    }

    /// Another license file is put in the place of the old one; the run sees it within two seconds.
    pub(super) fn reloads(&mut self, license: usize) {
        self.server.license = license;
        let after = self.rng.u64(0..2_000);
        self.plan_look(Some(after));
    }

    /// The anchor is pulled, which the run sees at once here; or is back, which takes it a moment.
    pub(super) fn anchor(&mut self, lost: bool) {
        if std::mem::replace(&mut self.server.anchor_lost, lost) == lost {
            return;
        }
        if lost {
            self.when_awake(|w| {
                w.server_ticks();
                w.looks();
            });
        } else {
            let after = self.rng.u64(0..2_500);
            self.plan_look(Some(after));
        }
    }

    /// The wall clock of the server's machine is set; its run sees within a second that a
    /// delegation does not cover it.
    pub(super) fn wall_jumps(&mut self, by_secs: i64) {
        self.server.set_wall(|off| off + by_secs * 1000);
        self.state(Fact::Wall(self.server.machine().wall));
        let after = self.rng.u64(0..2_500);
        self.plan_look(Some(after));
    }

    /// People mend what wrong clocks have left: they set the clock, start a server anew that began
    /// by a wrong one, and have the license issued anew, since tokens with dates to come are in
    /// holders' hands.
    pub(super) fn clocks_are_set(&mut self) {
        if self.server.walls_right {
            return;
        }
        self.server.set_wall(|_| 0);
        self.server.issue += 1;
        self.state(Fact::Wall(0));
        self.server_dies();
        self.server_starts();
    }
}
