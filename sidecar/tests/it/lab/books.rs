//! The books and the chain of a license server's run: the real ledger, a software anchor.

use http::{Response, StatusCode};
use mooring_core::identity::Holder;
use mooring_core::ledger::{
    Capacity, Claim, Claimed, Granted, HeldLease, Ledger, Limits, Place, Settings,
};
use mooring_core::license::{
    AnchorKey, AnchorKind, Bundle, CountBy, Delegation, Draw, Envelope, IdentityKey, LeaseToken,
    License, Policy, Pool, Product, PublicKey, SigningKey, Ticket, TicketBundle, TokenAnchor,
    TokenItem, VersionRange, types,
};
use mooring_core::names::{ClaimName, InstanceId, PoolName, ProductName};
use mooring_core::policy::{OptimisticStart, Reclaim};
use mooring_core::secret::SecretHash;
use mooring_core::time::Timestamp;
use mooring_core::wire::{ClaimRequest, Grant, Problem, ProblemType, Waiting};
use mooring_net::http::{self as web, Body};
use mooring_net::{clock, random};
use std::time::Duration;

/// The vendor's key.
pub fn vendor() -> SigningKey {
    SigningKey::from_seed(&[42; 32]).unwrap()
}

const MAX_CONTESTED: Duration = Duration::from_secs(900);
const GRACE: Duration = Duration::from_secs(120);

/// The books and the chain of one run of the server.
pub(super) struct Run {
    pub(super) ledger: Ledger,
    instance: InstanceId,
    pub(super) key: SigningKey,
    license: Envelope,
    delegation: Envelope,
    pub(super) earlier: Vec<SigningKey>,
    pub(super) lease_for: Duration,
    seq: u64,
    /// How many requests came, by their method and the path's last word but ids.
    pub(super) seen: Vec<String>,
    /// How long a release takes to arrive.
    pub(super) release_delay: Duration,
}

fn license(seats: u32) -> License {
    let pool = PoolName::new("seats").unwrap();
    let draw = Draw {
        pool: pool.clone(),
        weight: 1,
    };
    let product = Product {
        name: ProductName::new("render").unwrap(),
        versions: VersionRange::default(),
        features: vec![],
        count_by: CountBy::Claim,
        from: vec![vec![draw]],
    };
    let anchor = SigningKey::from_seed(&[5; 32]).unwrap().public();
    License {
        schema: 1,
        critical: vec![],
        id: "test-1".into(),
        supersedes: vec![],
        customer: "ACME".into(),
        issued: "2020-01-01T00:00:00Z".parse().unwrap(),
        not_before: None,
        expires: Some("2100-01-01T00:00:00Z".parse().unwrap()),
        maintenance_until: None,
        test: true,
        emergency: false,
        pools: vec![Pool {
            name: pool,
            seats,
            overdraft: 0,
        }],
        products: vec![product],
        anchors: vec![AnchorKey {
            kind: AnchorKind::Pkcs11,
            key: anchor,
            software: true,
            label: None,
            usb: None,
            hwid: None,
            standby: None,
        }],
        policy: Policy::default(),
    }
}

impl Run {
    pub(super) fn new(
        seats: u32,
        lease_for: Duration,
        settle: Duration,
        earlier: Vec<SigningKey>,
    ) -> Self {
        let anchor = SigningKey::from_seed(&[5; 32]).unwrap();
        let key = SigningKey::from_seed(&random::bytes()).unwrap();
        let (document, now, instance) = (license(seats), clock::now(), random::instance_id());
        let license = Envelope::sign(types::LICENSE, &document, &vendor()).unwrap();
        let delegation = Delegation {
            license: license.digest(),
            kind: AnchorKind::Pkcs11,
            key_id: anchor.public().id(),
            server_key: key.public(),
            instance,
            not_before: now.wall.checked_sub(Duration::from_secs(1)).unwrap(),
            not_after: now.wall.checked_add(Duration::from_secs(800)).unwrap(),
        };
        let delegation = Envelope::sign(types::DELEGATION, &delegation, &anchor).unwrap();
        let settings = Settings {
            instance,
            generation: u64::try_from(now.wall.as_millisecond()).unwrap(),
            lease_for,
            settle,
            reclaim: Reclaim::Any,
            grace: GRACE,
            limits: Limits::default(),
        };
        let ledger = Ledger::new(settings, Capacity::of(&document), now.boot);
        Self {
            ledger,
            instance,
            key,
            license,
            delegation,
            earlier,
            lease_for,
            seq: 0,
            seen: vec![],
            release_delay: Duration::ZERO,
        }
    }

    pub(super) fn token(&mut self, g: &Granted, nonce: Option<String>) -> Bundle {
        self.seq += 1;
        let items = g.items.iter().map(|i| TokenItem {
            product: i.product.clone(),
            seats: i.seats,
            versions: VersionRange::default(),
            maintenance_until: None,
        });
        let token = LeaseToken {
            license: self.license.digest(),
            anchor: TokenAnchor {
                kind: AnchorKind::Pkcs11,
                key_id: SigningKey::from_seed(&[5; 32]).unwrap().public().id(),
            },
            delegation: self.delegation.digest(),
            instance: self.instance,
            seq: self.seq,
            lease: g.lease,
            claim: g.claim.clone(),
            holder: identity().hide(&g.holder),
            items: items.collect(),
            issued_at: Timestamp::now(),
            issued_boot: None,
            lease_for: self.lease_for,
            run_for: GRACE,
            counter: g.counter,
            draws: g.draws.clone(),
            overdraft: g.overdraft,
            cnf: g.secret_hash,
            test: true,
            emergency: false,
            nonce,
        };
        let lease = Envelope::sign(types::LEASE, &token, &self.key).unwrap();
        Bundle {
            license: self.license.clone(),
            delegation: self.delegation.clone(),
            lease,
        }
    }

    pub(super) fn answer(&mut self, c: Claimed) -> Response<Body> {
        match c {
            Claimed::Granted(g) => web::json(StatusCode::OK, &self.grant(&g)),
            Claimed::Waiting(p) => web::json(StatusCode::ACCEPTED, &self.waiting(p)),
        }
    }

    pub(super) fn grant(&mut self, g: &Granted) -> Grant {
        Grant {
            lease: g.lease,
            claim: g.claim.clone(),
            instance: self.instance,
            items: g.items.clone(),
            lease_for: self.lease_for,
            run_for: GRACE,
            max_contested: MAX_CONTESTED,
            optimistic_start: OptimisticStart::Allow,
            counter: g.counter,
            holder: g.holder.clone(),
            token: self.token(g, None),
        }
    }

    fn waiting(&mut self, p: Place) -> Waiting {
        let ticket = Ticket {
            instance: self.instance,
            generation: p.generation,
            arrival: p.arrival,
            lease: p.lease,
            claim: p.claim.clone(),
            items: p.items.clone(),
            holder: identity().hide(&p.holder),
            cnf: p.secret_hash,
            contested: p.contested,
            issued_at: Timestamp::now(),
        };
        let ticket = Envelope::sign(types::TICKET, &ticket, &self.key).unwrap();
        Waiting {
            lease: p.lease,
            claim: p.claim,
            instance: self.instance,
            place: p.place,
            reason: p.reason,
            ticket: TicketBundle {
                delegation: self.delegation.clone(),
                ticket,
            },
            retry_in: self.lease_for / 2,
            max_contested: MAX_CONTESTED,
            holder: p.holder,
        }
    }

    fn keys(&self) -> Vec<PublicKey> {
        std::iter::once(&self.key)
            .chain(&self.earlier)
            .map(SigningKey::public)
            .collect()
    }

    pub(super) fn claim(
        &mut self,
        name: ClaimName,
        body: &ClaimRequest,
        bearer: Option<&str>,
        subject: Option<String>,
    ) -> Result<Claimed, Problem> {
        let stranger = || Problem::new(ProblemType::Unauthenticated, "no acceptable credential");
        let proves = |cnf: SecretHash| body.secret.as_ref().is_some_and(|s| cnf.matches(s));
        let ticket = body.ticket.as_ref().map(|t| {
            t.ticket
                .open::<Ticket>(types::TICKET, &self.keys())
                .unwrap()
                .0
        });
        let ticket = ticket.filter(|t| proves(t.cnf));
        let token = body.held.as_ref().map(|h| {
            h.lease
                .open::<LeaseToken>(types::LEASE, &self.keys())
                .unwrap()
                .0
        });
        let token = token.filter(|t| proves(t.cnf));
        let vouched = body.holder.clone().filter(|h| {
            ticket.as_ref().is_some_and(|t| identity().is(h, &t.holder))
                || token.as_ref().is_some_and(|t| identity().is(h, &t.holder))
        });
        let uid = bearer.and_then(|b| b.strip_prefix("Bearer pod-"));
        let holder = match (vouched, uid, subject) {
            (Some(h), _, _) => h,
            (None, Some(uid), _) => pod(uid),
            (None, None, Some(subject)) => Holder::External { subject },
            (None, None, None) => return Err(stranger()),
        };
        let held = token.map(|token| {
            let unexpired = token.unexpired(clock::now(), "");
            HeldLease {
                age: None,
                token,
                unexpired,
                counter: body.held.as_ref().unwrap().counter,
            }
        });
        let claim = Claim {
            ticket,
            held,
            ..Claim::of(body, holder, name, random::lease_id())
        };
        self.ledger.claim(claim, clock::boot())
    }
}

fn identity() -> IdentityKey {
    IdentityKey::new(&[9; 32])
}

fn pod(uid: &str) -> Holder {
    let (namespace, pod) = ("team".into(), format!("pod-{uid}"));
    Holder::Pod {
        namespace,
        pod,
        uid: uid.into(),
        service_account: "default".into(),
        node: None,
    }
}
