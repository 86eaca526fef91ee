//! The runs of the servers: the real frontend and ledger, started and killed; and the facts of what
//! comes of it.

use super::history::{InBooks, PodNo, ServerNo, SiteFact};
use super::state::{Site, SitePacket, SiteRun, SiteServer};
use crate::history::Ms;
use crate::papers::paper;
use crate::world::{EPOCH, lease_no};
use mooring_core::frontend::{Authority, Frontend, InForce, LeaseTerms, LicenseView, Served};
use mooring_core::holder::Answer;
use mooring_core::ledger::{self, Capacity, Ledger, Limits, Settings, generation, settle_for};
use mooring_core::license::{
    AnchorKind, CountBy, Delegation, Draw, KeyId, License, OpenLicense, Policy, Pool, Product,
    SigningKey, TokenAnchor, VersionRange, types,
};
use mooring_core::names::{InstanceId, PoolName, ProductName};
use mooring_core::policy::{OptimisticStart, Reclaim};
use mooring_core::reason::{AnchorReason, LicenseReason};
use mooring_core::time::{Now, Timestamp};
use mooring_core::wire::{AnchorView, ViewState};
use serde_json::json;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What pods claim, and what a server sells that has no seats of it.
pub(super) const PRODUCT: &str = "render";
const ANOTHER: &str = "denoise";

fn far_off(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(EPOCH + ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The license of a server. With no seats it does not sell what pods claim at all.
fn license(no: ServerNo, seats: u32, grace: Ms, max_contested: Ms) -> Option<License> {
    let pool: PoolName = "seats".parse().ok()?;
    let sells = if seats > 0 { PRODUCT } else { ANOTHER };
    let product: ProductName = sells.parse().ok()?;
    let draw = Draw {
        pool: pool.clone(),
        weight: 1,
    };
    let product = Product {
        name: product,
        versions: VersionRange::default(),
        features: vec![],
        count_by: CountBy::Claim,
        from: vec![vec![draw]],
    };
    Some(License {
        schema: 1,
        critical: vec![],
        id: format!("sim-{no}"),
        supersedes: vec![],
        customer: "sim".into(),
        issued: Timestamp::UNIX_EPOCH,
        not_before: None,
        expires: None,
        maintenance_until: None,
        test: false,
        emergency: false,
        pools: vec![Pool {
            name: pool,
            seats: seats.max(1),
            overdraft: 0,
            not_before: None,
            expires: None,
        }],
        products: vec![product],
        anchors: vec![],
        policy: Policy {
            max_grace: Some(Duration::from_millis(grace)),
            optimistic_start: OptimisticStart::Allow,
            max_contested: Some(Duration::from_millis(max_contested)),
            ..Policy::default()
        },
    })
}

fn authority(in_force: Option<Arc<InForce>>) -> Authority {
    Authority {
        in_force,
        anchor: AnchorView {
            kind: "pkcs11".into(),
            key_id: None,
            present: true,
            reason: AnchorReason::Present,
            message: String::new(),
        },
        lost_since: None,
        license: LicenseView {
            valid: true,
            reason: LicenseReason::Valid,
            message: String::new(),
            files: Vec::new(),
        },
        revoked: None,
    }
}

impl SiteServer {
    /// The license with the anchor's word, good for the whole life of the world.
    fn in_force(&mut self, license: License, instance: InstanceId) -> Option<InForce> {
        let lease_for = Duration::from_millis(self.lease_for);
        let grace = license.policy.grace_limit();
        let terms = LeaseTerms::of(lease_for, grace, &license.policy);
        let number = self.delegations.len() as u64 + 1;
        let envelope = paper(types::LICENSE, number, json!({"id": license.id}));
        let delegation = paper(types::DELEGATION, number, json!({}));
        let open = OpenLicense {
            license,
            digest: envelope.digest(),
            envelope,
            signed_by: None,
        };
        self.delegations.push(vec![open.digest.clone()]);
        let key_id = || KeyId(String::new());
        Some(InForce {
            terms,
            anchor: TokenAnchor {
                kind: AnchorKind::Pkcs11,
                key_id: key_id(),
            },
            delegation: Delegation {
                licenses: vec![open.digest.clone()],
                kind: AnchorKind::Pkcs11,
                key_id: key_id(),
                server_key: SigningKey::from_seed(&[1; 32]).ok()?.public(),
                instance,
                not_before: far_off(-3_600_000),
                not_after: far_off(1_000_000_000_000),
            },
            digest: delegation.digest(),
            envelope: delegation,
            licenses: vec![Served::of(open.into(), terms)],
        })
    }
}

impl Site {
    /// A run starts.
    pub(super) fn server_starts(&mut self, no: ServerNo) {
        let now = self.now;
        let instance = InstanceId::from_bytes(self.rng.u128(..).to_be_bytes());
        let s = &mut self.servers[no];
        if s.run.is_some() || s.is_over {
            return;
        }
        let clocks = s.clocks(now);
        let longest = if s.runs == 0 { 0 } else { s.lease_for };
        let lease_for = Duration::from_millis(s.lease_for);
        let settle = settle_for(Some(Duration::from_millis(longest)), lease_for);
        s.runs += 1;
        let generation = generation(s.generation, clocks.wall);
        s.generation = Some(generation);
        let settings = Settings {
            instance,
            generation,
            lease_for,
            settle,
            reclaim: Reclaim::Any,
            grace: Duration::from_millis(self.plan.grace.max(s.lease_for)),
            outsiders: false,
            limits: Limits::default(),
        };
        let ledger = Ledger::new(settings, Capacity::none(), clocks.boot);
        s.run = Some(SiteRun {
            no: s.runs,
            settling: ledger.settling(),
            frontend: Frontend::new(ledger, authority(None), clocks),
            in_force: None,
            instance,
            tick: 0,
            papers: 0,
        });
        let fact = SiteFact::Starts {
            server: no,
            lease_for: s.lease_for,
            settles: u64::try_from(settle.as_millis()).unwrap_or(0),
            grace: self.plan.grace,
            max_contested: self.plan.max_contested,
        };
        self.state(fact);
        self.is_licensed(no);
    }

    /// A run takes the license in that its server has.
    pub(super) fn is_licensed(&mut self, no: ServerNo) {
        let (grace, contested) = (self.plan.grace, self.plan.max_contested);
        let s = &mut self.servers[no];
        let seats = s.seats;
        let Some(instance) = s.run.as_ref().map(|r| r.instance) else {
            return;
        };
        let in_force = license(no, seats, grace, contested);
        let in_force = in_force.and_then(|l| s.in_force(l, instance)).map(Arc::new);
        let (Some(in_force), Some(run)) = (in_force, s.run.as_mut()) else {
            return;
        };
        run.in_force = Some(in_force.clone());
        self.state(SiteFact::Licensed { server: no, seats });
        self.with_frontend(no, |f, now| {
            let each = in_force.licenses.iter();
            let capacity = Capacity::of(each.map(|s| (&s.open.license, &s.open.digest)));
            let authority = Arc::new(authority(Some(in_force.clone())));
            f.take_over(authority, capacity, Reclaim::Any, now);
        });
    }

    /// A server is killed.
    pub(super) fn server_dies(&mut self, no: ServerNo) {
        let s = &mut self.servers[no];
        let clocks = s.clocks(self.now);
        let Some(mut run) = s.run.take() else {
            return;
        };
        self.state(SiteFact::Stops(no));
        // Who had a request open sees the connection end, or nothing at all.
        run.frontend.close(clocks);
        while let Some((packet, _)) = run.frontend.next_answer() {
            if self.rng.bool() {
                self.loses_connection(&packet);
            }
        }
    }

    pub(super) fn loses_connection(&mut self, p: &Rc<SitePacket>) {
        self.comes_back(p, &Answer::NoContact("connection closed".into()), None);
    }

    /// Lets the frontend of a server do something now; then states what came of it, and answers.
    pub(super) fn with_frontend<R>(
        &mut self,
        no: ServerNo,
        f: impl FnOnce(&mut Frontend<Rc<SitePacket>>, Now) -> R,
    ) -> Option<R> {
        let clocks = self.servers[no].clocks(self.now);
        let run = self.servers[no].run.as_mut()?;
        let r = f(&mut run.frontend, clocks);
        while let Some(run) = self.servers[no].run.as_mut() {
            let Some(e) = run.frontend.next_event() else {
                break;
            };
            if let Some(fact) = booked(no, &e) {
                self.state(fact);
            }
        }
        self.looks_settled(no);
        while let Some(run) = self.servers[no].run.as_mut() {
            let Some((packet, answer)) = run.frontend.next_answer() else {
                break;
            };
            self.answers_claim(&packet, answer);
        }
        self.state(SiteFact::Stepped(no));
        self.plan_tick(no);
        Some(r)
    }

    fn looks_settled(&mut self, no: ServerNo) {
        let Some(run) = self.servers[no].run.as_mut() else {
            return;
        };
        let settling = run.frontend.ledger().settling();
        if std::mem::replace(&mut run.settling, settling) && !settling {
            self.state(SiteFact::Settled(no));
        }
    }

    fn plan_tick(&mut self, no: ServerNo) {
        let s = &mut self.servers[no];
        let Some(run) = s.run.as_mut() else { return };
        run.tick += 1;
        let of = (run.no, run.tick);
        let Some(t) = s.clock.when(run.frontend.next_deadline()) else {
            return;
        };
        self.at(t, move |w| {
            let run = w.servers[no].run.as_ref();
            if run.is_some_and(|r| (r.no, r.tick) == of) {
                w.server_ticks(no);
            }
        });
    }

    /// What is due by now happens before anything else does.
    pub(super) fn server_ticks(&mut self, no: ServerNo) {
        self.with_frontend(no, Frontend::tick);
    }
}

fn booked(server: ServerNo, e: &ledger::Event) -> Option<SiteFact> {
    let v = &e.view;
    let book = match v.state {
        ViewState::Waiting => InBooks::Line { runs: false },
        ViewState::Contested => InBooks::Line { runs: true },
        ViewState::Held | ViewState::Silent | ViewState::Reserved => InBooks::Seats,
        ViewState::Refused | ViewState::Ended => InBooks::Gone,
    };
    let pod = v.holder.key().0.strip_prefix("uid-")?.parse().ok()?;
    Some(SiteFact::Booked {
        server,
        pod: PodNo(pod),
        lease: lease_no(v.lease),
        book,
    })
}
