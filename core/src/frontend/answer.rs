//! What answers say, and what goes into lease tokens and tickets. Signing is the edge's.

use super::authority::{InForce, LeaseTerms, Served};
use crate::ledger::{Granted, Part, Place};
use crate::license::{
    BootStamp, Bundle, Envelope, IdentityKey, LeaseToken, License, OpenLicense, Ticket,
    TicketBundle, TokenItem, TokenPart,
};
use crate::names::InstanceId;
use crate::request::Item;
use crate::time::{BootTime, Now, Timestamp};
use crate::wire::{Grant, Problem, ProblemType, Renewed, Waiting};
use std::time::Duration;

/// The run that answers.
#[derive(Clone, Copy, Debug)]
pub struct ThisRun<'a> {
    pub instance: InstanceId,
    /// The machine's boot that it runs in.
    pub boot_id: &'a str,
    pub identity: &'a IdentityKey,
}

pub trait Signer {
    fn run(&self) -> ThisRun<'_>;
    /// The number of the next token: each has a higher one.
    fn next_seq(&mut self) -> u64;
    fn sign_lease(&mut self, token: LeaseToken) -> Result<Envelope, Problem>;
    fn sign_ticket(&mut self, ticket: Ticket) -> Result<Envelope, Problem>;
}

/// When `then` was, by the wall clock as it reads now.
fn wall_at(now: Now, then: BootTime) -> Timestamp {
    let ago = now.boot.since(then);
    now.wall.checked_sub(ago).unwrap_or(now.wall)
}

/// The token of a granted lease, with all that verifying it needs. With a nonce it answers the
/// application's own question, and is dated now; without one it is dated at the receipt of the
/// holder's last request, from which the lease counts.
pub fn token(
    s: &mut impl Signer,
    f: &InForce,
    g: &Granted,
    now: Now,
    nonce: Option<String>,
) -> Result<Bundle, Problem> {
    let received = nonce.as_ref().map_or(g.received, |_| now.boot);
    let seq = s.next_seq();
    let terms = limits(f, g, received);
    let run = s.run();
    let mut licenses: Vec<&OpenLicense> = Vec::new();
    let mut parts = Vec::new();
    for part in &g.parts {
        // The books follow the licenses in force in the same step.
        let unknown = || {
            let detail = format!("license {} is not in force any more", part.license);
            Problem::new(ProblemType::LicenseInvalid, detail).retry_after(1)
        };
        let served = f.license(&part.license).ok_or_else(unknown)?;
        parts.push(token_part(part, served));
        licenses.push(&served.open);
    }
    let issued = licenses.iter().map(|o| o.license.issued).max();
    let any = |is: fn(&License) -> bool| licenses.iter().any(|o| is(&o.license));
    let token = LeaseToken {
        anchor: f.anchor.clone(),
        delegation: f.digest.clone(),
        instance: run.instance,
        seq,
        lease: g.lease,
        claim: g.claim.clone(),
        holder: run.identity.hide(&g.holder),
        parts,
        // A request that was held open may have come before a delegation that was renewed
        // meanwhile, or a license that was issued meanwhile, or before its seats began.
        issued_at: wall_at(now, received)
            .max(f.delegation.not_before)
            .max(issued.unwrap_or(Timestamp::MIN))
            .max(g.dates.begin.unwrap_or(Timestamp::MIN)),
        issued_boot: Some(BootStamp {
            boot: run.boot_id.into(),
            ms: received,
        }),
        lease_for: terms.lease_for,
        run_for: terms.run_for,
        counter: g.counter,
        overdraft: g.overdraft,
        cnf: g.secret_hash,
        bind: g.bind,
        claims: g.claims,
        test: any(|l| l.test),
        emergency: any(|l| l.emergency),
        nonce,
    };
    Ok(Bundle {
        licenses: licenses.iter().map(|o| o.envelope.clone()).collect(),
        delegation: f.envelope.clone(),
        lease: s.sign_lease(token)?,
    })
}

fn token_part(part: &Part, served: &Served) -> TokenPart {
    let item = |i: &Item| TokenItem {
        product: i.product.clone(),
        seats: i.seats,
        versions: served
            .product(&i.product)
            .map(|p| p.versions.clone())
            .unwrap_or_default(),
        maintenance_until: served.open.license.maintenance_until,
    };
    TokenPart {
        license: part.license.clone(),
        items: part.items.iter().map(item).collect(),
        draws: part.draws.clone(),
    }
}

/// The limits as they are told: D and the grace within what is left of a lease that is called back,
/// counted from the receipt of the holder's request.
pub fn limits(f: &InForce, g: &Granted, received: BootTime) -> LeaseTerms {
    let left = g.called_back.as_ref().map(|c| c.left(received));
    let left = left.unwrap_or(Duration::MAX);
    let terms = f.terms_of(&g.parts);
    LeaseTerms {
        lease_for: terms.lease_for.min(left),
        run_for: terms.run_for.min(left),
        ..terms
    }
}

fn why_called_back(g: &Granted) -> Option<Problem> {
    g.called_back.as_ref().map(|c| c.why.clone())
}

pub fn grant(s: &mut impl Signer, f: &InForce, g: Granted, now: Now) -> Result<Grant, Problem> {
    let token = token(s, f, &g, now, None)?;
    let (called_back, terms) = (why_called_back(&g), limits(f, &g, g.received));
    Ok(Grant {
        lease: g.lease,
        claim: g.claim,
        instance: s.run().instance,
        called_back,
        items: g.items,
        lease_for: terms.lease_for,
        run_for: terms.run_for,
        max_contested: terms.max_contested,
        optimistic_start: terms.optimistic_start,
        counter: g.counter,
        holder: g.holder,
        token,
    })
}

pub fn renewed(
    s: &mut impl Signer,
    f: &InForce,
    g: &Granted,
    now: Now,
) -> Result<Renewed, Problem> {
    let token = token(s, f, g, now, None)?;
    let terms = limits(f, g, g.received);
    Ok(Renewed::Ok {
        lease: g.lease,
        instance: s.run().instance,
        lease_for: terms.lease_for,
        run_for: terms.run_for,
        max_contested: terms.max_contested,
        optimistic_start: terms.optimistic_start,
        counter: g.counter,
        called_back: why_called_back(g).map(Box::new),
        token,
    })
}

/// The answer to a claim that waits: its place, and a ticket for it.
pub fn waiting(s: &mut impl Signer, f: &InForce, p: Place, now: Now) -> Result<Waiting, Problem> {
    let run = s.run();
    let instance = run.instance;
    let ticket = Ticket {
        instance,
        generation: p.generation,
        arrival: p.arrival,
        lease: p.lease,
        claim: p.claim.clone(),
        items: p.items.clone(),
        holder: run.identity.hide(&p.holder),
        cnf: p.secret_hash,
        bind: p.bind,
        contested: p.contested,
        claims: p.claims,
        issued_at: now.wall,
        issued_boot: Some(BootStamp {
            boot: run.boot_id.into(),
            ms: now.boot,
        }),
        runs_for: p.runs_until.map_or(Duration::ZERO, |t| now.boot.until(t)),
    };
    Ok(Waiting {
        lease: p.lease,
        claim: p.claim,
        instance,
        place: p.place,
        reason: p.reason,
        message: p.message,
        ticket: TicketBundle {
            delegation: f.envelope.clone(),
            ticket: s.sign_ticket(ticket)?,
        },
        // The place dies a lease after the request.
        retry_in: (f.terms.lease_for / 3).max(Duration::from_secs(1)),
        max_contested: f.terms.max_contested,
        holder: p.holder,
    })
}
