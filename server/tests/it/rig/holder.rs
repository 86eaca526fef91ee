//! A claim as its holder keeps it, and the calls a holder makes.

use super::{ask, problem};
use mooring_core::identity::Holder;
use mooring_core::license::Bundle;
use mooring_core::names::{ClaimName, LeaseId, ProductName, RequestId, Seats};
use mooring_core::receipt::Sealed;
use mooring_core::request::Item;
use mooring_core::secret::Secret;
use mooring_core::wire::{
    ClaimRequest, Grant, HeldProof, Problem, ProblemType, RenewRequest, RenewResponse, Renewal,
    Renewed, Stance, Standing, Waiting,
};
use mooring_net::client::{Answer, Call, Client};
use mooring_net::random;

pub fn items(seats: u32) -> Vec<Item> {
    vec![Item {
        product: ProductName::new("render").unwrap(),
        seats: Seats::new(seats).unwrap(),
        version: None,
    }]
}

/// One claim as its holder keeps it.
#[derive(Clone)]
pub struct TestClaim {
    pub name: ClaimName,
    pub secret: Secret,
    pub items: Vec<Item>,
    pub counter: u64,
    pub holder: Option<Holder>,
    pub ticket: Option<Sealed>,
    pub held: Option<HeldProof>,
}

/// What a claim was answered with.
#[derive(Debug)]
pub enum Outcome {
    Granted(Box<Grant>),
    Waiting(Box<Waiting>),
    Problem(Problem),
}

impl Outcome {
    pub fn granted(self) -> Grant {
        match self {
            Self::Granted(g) => *g,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub fn waiting(self) -> Waiting {
        match self {
            Self::Waiting(w) => *w,
            other => panic!("not waiting: {other:?}"),
        }
    }

    pub fn problem(self, kind: ProblemType) -> Problem {
        match self {
            Self::Problem(p) if p.kind == kind => p,
            other => panic!("no {kind}: {other:?}"),
        }
    }
}

impl TestClaim {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.parse().unwrap(),
            secret: random::secret(),
            items: items(1),
            counter: 0,
            holder: None,
            ticket: None,
            held: None,
        }
    }

    pub fn body(&self) -> ClaimRequest {
        let shows = self.ticket.is_some() || self.held.is_some();
        ClaimRequest {
            licensed_for: None,
            counter: None,
            others: vec![],
            heard: None,
            stance: Stance::Gathers,
            part: false,
            clock_ahead_secs: None,
            items: self.items.clone(),
            secret_hash: self.secret.hash(),
            bind: None,
            project: None,
            request_id: random::request_id(),
            standing: if self.held.is_some() {
                Standing::Held
            } else {
                Standing::Seeking
            },
            ticket: self.ticket.clone(),
            held: self.held.clone(),
            secret: shows.then(|| self.secret.clone()),
            holder: self.holder.clone().filter(|_| shows),
        }
    }

    pub fn call(&self, wait: Option<u64>) -> Call {
        let call = Call::new(http::Method::PUT, format!("/v1/claims/{}", self.name))
            .json(&self.body())
            .unwrap();
        match wait {
            Some(s) => call.header(
                http::HeaderName::from_static("prefer"),
                &format!("wait={s}"),
            ),
            None => call,
        }
    }

    pub async fn claim(&mut self, c: &Client, wait: Option<u64>) -> Outcome {
        let call = self.call(wait);
        self.take(&ask(c, call).await)
    }

    pub async fn claim_as(&mut self, c: &Client, bearer: &str) -> Outcome {
        let call = self
            .call(None)
            .header(http::header::AUTHORIZATION, &format!("Bearer {bearer}"));
        self.take(&ask(c, call).await)
    }

    /// Keeps what a holder keeps.
    pub fn take(&mut self, a: &Answer) -> Outcome {
        match a.status.as_u16() {
            200 => {
                let g: Grant = a.json().unwrap();
                self.counter = g.counter;
                self.holder = Some(g.holder.clone());
                self.ticket = None;
                let (delegation, lease) = (g.token.delegation.clone(), g.token.lease.clone());
                self.held = Some(HeldProof {
                    receipt: g.receipt.clone(),
                    sent_ago: None,
                    delegation,
                    lease,
                    counter: g.counter,
                });
                Outcome::Granted(Box::new(g))
            }
            202 => {
                let w: Waiting = a.json().unwrap();
                self.holder = Some(w.holder.clone());
                self.ticket = Some(w.ticket.clone());
                Outcome::Waiting(Box::new(w))
            }
            _ => Outcome::Problem(problem(a)),
        }
    }

    pub fn renewal(&mut self, lease: LeaseId) -> Renewal {
        self.counter += 1;
        Renewal {
            lease,
            secret: self.secret.clone(),
            counter: self.counter,
            request_id: random::request_id(),
            have: None,
        }
    }

    pub async fn release(&self, c: &Client, lease: LeaseId) -> Answer {
        release(c, &self.name, lease, &self.secret).await
    }
}

/// The token of a renewal that was answered with all.
pub fn whole(r: Renewed) -> Bundle {
    match r {
        Renewed::Ok { token, .. } => token.complete(None).unwrap(),
        other => panic!("no token: {other:?}"),
    }
}

pub async fn release(c: &Client, name: &ClaimName, lease: LeaseId, secret: &Secret) -> Answer {
    let call = Call::new(http::Method::DELETE, format!("/v1/claims/{name}"))
        .header(http::header::IF_MATCH, &format!("\"{lease}\""))
        .header(
            http::HeaderName::from_static("mooring-secret"),
            &String::from(secret.clone()),
        );
    ask(c, call).await
}

pub async fn renew(c: &Client, renewals: Vec<Renewal>) -> Vec<Renewed> {
    let call = Call::new(http::Method::POST, "/v1/leases/renew")
        .json(&RenewRequest {
            renewals,
            clock_ahead_secs: None,
        })
        .unwrap();
    let a = ask(c, call).await;
    let r: RenewResponse = a
        .json()
        .unwrap_or_else(|e| panic!("{e}: {} {:?}", a.status, a.body));
    r.results
}

/// A request id, for retries.
pub fn request_id() -> RequestId {
    random::request_id()
}
