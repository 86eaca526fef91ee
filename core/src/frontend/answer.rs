//! What answers say, and what goes into lease tokens, receipts and tickets. Signing is the edge's;
//! receipts are sealed here.

use super::authority::{InForce, LeaseTerms, Served};
use super::terms::terms_id;
use crate::age::{BootStamp, Given};
use crate::identity::{Holder, HolderKey};
use crate::ledger::{Claimed, Granted, OWNER_SILENCE, Part, Place};
use crate::license::{
    Bundle, Envelope, FreshToken, LeaseToken, License, OpenLicense, TokenItem, TokenPart,
};
use crate::mutant::{self, Mutant};
use crate::names::{BootId, InstanceId};
use crate::receipt::{Besides, HandoverBefore, Identity, LeaseReceipt, PartBefore, Sealed, Ticket};
use crate::request::Item;
use crate::time::{BootTime, Now, Timestamp};
use crate::wire::{Grant, Have, OwnerStands, Problem, ProblemType, Renewed, True, Waiting};
use std::time::Duration;

/// The run that answers.
#[derive(Clone, Copy, Debug)]
pub struct ThisRun<'a> {
    pub instance: InstanceId,
    /// The machine's boot that it runs in.
    pub boot: BootId,
    pub identity: &'a Identity,
}

impl ThisRun<'_> {
    fn given(&self, now: Now, received: BootTime) -> Given {
        Given {
            at: wall_at(now, received),
            stamp: Some(BootStamp {
                boot: self.boot,
                ms: received,
            }),
        }
    }
}

pub trait Signer {
    fn run(&self) -> ThisRun<'_>;
    /// The number of the next token: each has a higher one.
    fn next_seq(&mut self) -> u64;
    fn sign_lease(&mut self, token: LeaseToken) -> Result<Envelope, Problem>;
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
        let served = served(f, part)?;
        parts.push(token_part(part, served));
        licenses.push(&served.open);
    }
    let given = run.given(now, received);
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
        issued_at: given
            .at
            .max(f.delegation.not_before)
            .max(issued.unwrap_or(Timestamp::MIN))
            .max(g.dates.begin.unwrap_or(Timestamp::MIN)),
        issued_boot: given.stamp,
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

/// The license that a lease has something of. The books follow the licenses in force in the same
/// step.
fn served<'f>(f: &'f InForce, part: &Part) -> Result<&'f Served, Problem> {
    f.license(&part.license).ok_or_else(|| {
        let detail = format!("license {} is not in force any more", part.license);
        Problem::new(ProblemType::LicenseInvalid, detail).retry_after(1)
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
        id: served.open.license.id.clone(),
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
    let lease_for = match g.holder {
        Holder::Owner { .. } => OWNER_SILENCE.max(terms.lease_for),
        _ => terms.lease_for,
    };
    LeaseTerms {
        lease_for: lease_for.min(left),
        run_for: terms.run_for.min(left),
        ..terms
    }
}

fn why_called_back(g: &Granted) -> Option<Problem> {
    g.called_back.as_ref().map(|c| c.why.clone())
}

/// What the next run must know of a granted lease.
fn receipt(
    run: ThisRun<'_>,
    f: &InForce,
    g: &Granted,
    (terms, now): (&LeaseTerms, Now),
) -> Result<Sealed, Problem> {
    let part = |part: &Part| {
        Ok(PartBefore {
            license: served(f, part)?.open.license.id.clone(),
            draws: part.draws.clone(),
        })
    };
    // Which of them it is, no later run can know otherwise.
    let before = |h: &(HolderKey, BootTime)| HandoverBefore {
        from: h.0.clone(),
        left: g.received.until(h.1),
    };
    let receipt = LeaseReceipt {
        lease: g.lease,
        instance: run.instance,
        given: run.given(now, g.received),
        lease_for: terms.lease_for,
        run_for: terms.run_for,
        counter: g.counter,
        claims: g.claims,
        parts: g.parts.iter().map(part).collect::<Result<_, Problem>>()?,
        family: g.family.as_deref().map(ToOwned::to_owned),
        handover: g.handover.as_deref().map(before),
        handed_ago: g.handed.map(|t| g.received.since(t)),
    };
    let besides = Besides {
        claim: &g.claim,
        items: &g.items,
        holder: &g.holder,
        secret_hash: g.secret_hash,
        bind: g.bind,
    };
    Ok(receipt.seal(run.identity, &besides))
}

pub fn grant(s: &mut impl Signer, f: &InForce, g: Granted, now: Now) -> Result<Grant, Problem> {
    let token = token(s, f, &g, now, None)?;
    let (called_back, terms) = (why_called_back(&g), limits(f, &g, g.received));
    let receipt = receipt(s.run(), f, &g, (&terms, now))?;
    Ok(Grant {
        terms: terms_id(s.run().instance, &g, &terms),
        receipt,
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

/// The answer to a renewal: the lease, sealed. What its holder has already is not said again; the
/// signed token comes when it is asked for, or where the terms have changed that it was signed
/// under.
pub fn renewed(
    s: &mut impl Signer,
    f: &InForce,
    g: &Granted,
    now: Now,
    have: Option<&Have>,
) -> Result<Renewed, Problem> {
    let terms = limits(f, g, g.received);
    let run = s.run();
    let receipt = receipt(run, f, g, (&terms, now))?;
    let id = terms_id(run.instance, g, &terms);
    // What is left of a lease that is called back is told anew each time.
    let have = have.filter(|have| have.terms == id && g.called_back.is_none());
    if have.is_some_and(|have| have.documents.is_none()) {
        return Ok(Renewed::Same {
            same: True,
            lease: g.lease,
            counter: g.counter,
            receipt,
        });
    }
    let instance = run.instance;
    let known = have.and_then(|have| have.documents.as_deref());
    let token = token(s, f, g, now, None)?;
    Ok(Renewed::Ok {
        lease: g.lease,
        instance,
        lease_for: terms.lease_for,
        run_for: terms.run_for,
        max_contested: terms.max_contested,
        optimistic_start: terms.optimistic_start,
        counter: g.counter,
        called_back: why_called_back(g).map(Box::new),
        terms: id,
        receipt,
        token: FreshToken::of(token, known.unwrap_or_default()),
    })
}

/// How an owner's claim stands: no token, since no application has it.
pub fn owner(
    run: ThisRun<'_>,
    f: &InForce,
    claimed: Claimed,
    now: Now,
) -> Result<OwnerStands, Problem> {
    match claimed {
        Claimed::Granted(g) => {
            let terms = limits(f, &g, g.received);
            Ok(OwnerStands::Reserved {
                lease: g.lease,
                receipt: receipt(run, f, &g, (&terms, now))?,
                called_back: why_called_back(&g),
            })
        }
        Claimed::Waiting(p) => {
            let w = waiting(run, f, p, now);
            Ok(OwnerStands::Waiting {
                lease: w.lease,
                place: w.place,
                reason: w.reason,
                message: w.message,
                ticket: w.ticket,
            })
        }
    }
}

/// The answer to a claim that waits: its place, and a ticket for it.
pub fn waiting(run: ThisRun<'_>, f: &InForce, p: Place, now: Now) -> Waiting {
    let instance = run.instance;
    let passed = p.passed.filter(|_| !mutant::on(Mutant::PatienceForgotten));
    let ticket = Ticket {
        instance,
        generation: p.generation,
        arrival: p.arrival,
        lease: p.lease,
        contested: p.contested,
        claims: p.claims,
        given: run.given(now, now.boot),
        runs_for: p.runs_until.map_or(Duration::ZERO, |t| now.boot.until(t)),
        passed_for: passed.map(|t| now.boot.since(t)),
    };
    let besides = Besides {
        claim: &p.claim,
        items: &p.items,
        holder: &p.holder,
        secret_hash: p.secret_hash,
        bind: p.bind,
    };
    let ticket = ticket.seal(run.identity, &besides);
    Waiting {
        lease: p.lease,
        claim: p.claim,
        instance,
        server: run.identity.id(),
        place: p.place,
        reason: p.reason,
        message: p.message,
        ticket,
        // The place dies a lease after the request.
        retry_in: (f.terms.lease_for / 3).max(Duration::from_secs(1)),
        max_contested: f.terms.max_contested,
        holder: p.holder,
    }
}
