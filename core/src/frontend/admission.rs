//! Who claims, and which of the things shown count.
//!
//! The certificate goes first, then the lease and the ticket of an earlier answer, then the
//! credential. A valid proof spares the API server a review, and works while that is down; an
//! invalid one next to a good credential counts as none.

use super::authority::{Authority, Clock, InForce};
use crate::identity::Holder;
use crate::ledger::{Claim, HeldLease};
use crate::license::{Digest, LeaseToken};
use crate::names::{BootId, ClaimName, LeaseId, RequestId};
use crate::receipt::{BadProof, Identity, LeaseReceipt, Shown, Ticket};
use crate::secret::Secret;
use crate::time::{Now, Timestamp};
use crate::wire::{ClaimRequest, HeldProof, OwnerClaim, Problem, ProblemType, Standing};
use ring::digest::{SHA256, digest};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Operator,
    /// Who signs client tokens for the subjects that begin so: an administrator of these alone.
    Issuer {
        name: String,
        subjects: String,
    },
    Holder(Holder),
}

/// A lease token that a run of this license's servers signed.
#[derive(Clone, Debug)]
pub struct Opened {
    pub token: LeaseToken,
    /// The licenses that its run served then.
    pub licenses: Vec<Digest>,
}

/// What the edge knows of documents: whose signature they bear.
pub trait Opener {
    /// Opens the token of an earlier lease.
    fn lease(&self, f: &InForce, h: &HeldProof) -> Result<Opened, BadProof>;
    /// What has sealed receipts and tickets, and hides holders' names in tokens.
    fn identity(&self) -> &Identity;
    /// This machine's boot.
    fn boot(&self) -> BootId;
}

/// What a claim's holder has proven.
#[derive(Debug)]
pub struct Proven {
    pub holder: Holder,
    pub ticket: Option<Ticket>,
    pub held: Option<HeldLease>,
    /// How many claims it may have, if its client token says so, now or when what it shows was
    /// given.
    pub claims: Option<u16>,
    /// When what counts was given, by each license that its run served then.
    pub dates: Vec<(Digest, Timestamp)>,
    /// What does not count, by kind, and why.
    pub bad: Vec<(&'static str, BadProof)>,
}

/// A claim whose holder has to be known by its credential.
#[derive(Debug)]
pub struct Admission<'a> {
    name: &'a ClaimName,
    body: &'a ClaimRequest,
    in_force: Option<Arc<InForce>>,
    now: Now,
    /// What was shown and does not count for whom the holder says it is.
    pub bad: Vec<(&'static str, BadProof)>,
}

#[derive(Debug)]
pub enum Admitted<'a> {
    /// What was shown is enough.
    Proven(Box<Proven>),
    /// Its credential must be reviewed: then [`Admission::reviewed`].
    Review(Admission<'a>),
}

fn operators() -> Problem {
    let detail = "the operator's certificate holds no licenses; use one of the holder's own";
    Problem::new(ProblemType::NotEntitled, detail)
}

fn issuers(name: &str, subjects: &str) -> Problem {
    let detail = format!(
        "this token is issuer {name}'s own, which holds no licenses; issue one for a subject that begins with {subjects:?}"
    );
    Problem::new(ProblemType::NotEntitled, detail)
}

/// Judges what a claim shows; `certificate`: whose the connection's is.
pub fn admit<'a>(
    name: &'a ClaimName,
    body: &'a ClaimRequest,
    certificate: Option<Who>,
    (authority, clock, now): (&Authority, Clock, Now),
    opener: &impl Opener,
) -> Result<Admitted<'a>, Problem> {
    let certified = match certificate {
        Some(Who::Operator) => return Err(operators()),
        Some(Who::Issuer { name, subjects }) => return Err(issuers(&name, &subjects)),
        Some(Who::Holder(h)) => Some(h),
        None => None,
    };
    let in_force = authority.in_force.clone();
    // Without a license no proof can be judged, and a claim without its proof would lose its lease.
    if in_force.is_none() && (body.ticket.is_some() || body.held.is_some()) {
        authority.may_sign(now, clock)?;
    }
    let mut this = Admission {
        name,
        body,
        in_force,
        now,
        bad: Vec::new(),
    };
    if this.in_force.is_some()
        && let Some(holder) = certified.as_ref().or(body.holder.as_ref())
    {
        let proven = this.judge(holder, opener);
        if certified.is_some() || proven.ticket.is_some() || proven.held.is_some() {
            return Ok(Admitted::Proven(Box::new(proven)));
        }
        this.bad = proven.bad;
    }
    Ok(Admitted::Review(this))
}

/// What stands where a holder's claim has its secret: for an owner the operator's certificate
/// speaks, and nobody else is heard.
fn owner_secret(owner: &Holder, claim: &ClaimName) -> Secret {
    let said = format!("{}\n{claim}", owner.canonical());
    let digest = digest(&SHA256, said.as_bytes());
    let mut bytes = [0; 32];
    for (b, d) in bytes.iter_mut().zip(digest.as_ref()) {
        *b = *d;
    }
    Secret::from_bytes(bytes)
}

/// An owner's claim, with what counts of the things that the operator shows for it.
pub(super) fn owned(c: OwnerClaim, opener: &impl Opener, new_id: LeaseId, now: Now) -> Claim {
    let (secret, stance) = (owner_secret(&c.owner, &c.claim), c.stance());
    let shown = Shown {
        claim: &c.claim,
        items: &c.items,
        secret_hash: secret.hash(),
        secret: Some(&secret),
        bind: None,
        holder: &c.owner,
    };
    let identity = opener.identity();
    let ticket = c.ticket.as_ref();
    let ticket = ticket.and_then(|t| Ticket::open(t, identity, &shown).ok());
    let receipt = c.receipt.as_ref();
    let receipt = receipt.and_then(|r| LeaseReceipt::open(r, identity, &shown).ok());
    let here = (now, opener.boot());
    let held = receipt.map(|r| HeldLease::by_receipt(r, (c.sent_ago, 0), here));
    Claim {
        holder: c.owner,
        name: c.claim,
        items: c.items,
        secret_hash: secret.hash(),
        bind: None,
        project: c.project,
        new_id,
        standing: Standing::Seeking,
        runs_for: None,
        counter: None,
        request_id: RequestId::from_bytes([0; 16]),
        others: Vec::new(),
        heard: c.heard,
        ticket,
        held,
        claims: None,
        family: None,
        stance,
        part: false,
        call_back: None,
    }
}

impl Admission<'_> {
    /// Who asks is known by the credential, or not.
    pub fn reviewed(
        &self,
        who: Result<Who, Problem>,
        opener: &impl Opener,
    ) -> Result<Proven, Problem> {
        match who {
            Ok(Who::Holder(holder)) => Ok(self.judge(&holder, opener)),
            Ok(Who::Operator) => Err(operators()),
            Ok(Who::Issuer { name, subjects }) => Err(issuers(&name, &subjects)),
            Err(p) => Err(self.rejected(p)),
        }
    }

    /// What is said where the credential does not do: also that nothing else that was shown does.
    pub fn rejected(&self, mut p: Problem) -> Problem {
        if let Some((_, e)) = self.bad.last()
            && p.kind == ProblemType::Unauthenticated
        {
            p.detail += "; what was shown of an earlier answer does not count: ";
            p.detail += &e.to_string();
        }
        p
    }

    /// Which of the things shown count for `holder`.
    fn judge(&self, holder: &Holder, opener: &impl Opener) -> Proven {
        let mut proven = Proven {
            holder: holder.clone(),
            ticket: None,
            held: None,
            claims: None,
            dates: Vec::new(),
            bad: Vec::new(),
        };
        let Some(f) = &self.in_force else {
            return proven;
        };
        let shown = Shown {
            claim: self.name,
            items: &self.body.items,
            secret_hash: self.body.secret_hash,
            secret: self.body.secret.as_ref(),
            bind: self.body.bind,
            holder,
        };
        let here = (self.now, opener.boot());
        if let Some(t) = &self.body.ticket {
            let ticket = Ticket::open(t, opener.identity(), &shown);
            proven.ticket = proven.note("ticket", ticket);
            if let Some(t) = &mut proven.ticket {
                t.contested &= t.runs_on(here);
                proven.claims = t.claims;
            }
        }
        if let Some(h) = &self.body.held {
            proven.held = proven.lease(h, f, &shown, here, opener);
        }
        proven
    }
}

impl Proven {
    /// The lease that a claim shows, by its receipt. Its token says what the time must be.
    fn lease(
        &mut self,
        h: &HeldProof,
        f: &InForce,
        shown: &Shown<'_>,
        here: (Now, BootId),
        opener: &impl Opener,
    ) -> Option<HeldLease> {
        let opened = opener.lease(f, h).and_then(|o| {
            shown.counts(&o.token, opener.identity())?;
            Ok(o)
        });
        if let Some(o) = self.note("lease", opened) {
            let date = o.token.issued_at;
            let licenses = o.licenses.iter().cloned();
            self.dates.extend(licenses.map(|l| (l, date)));
        }
        let receipt = LeaseReceipt::open(&h.receipt, opener.identity(), shown);
        let receipt = self.note("receipt", receipt)?;
        self.claims = receipt.claims.or(self.claims);
        let said = (h.sent_ago, h.counter);
        Some(HeldLease::by_receipt(receipt, said, here))
    }

    fn note<P>(&mut self, kind: &'static str, opened: Result<P, BadProof>) -> Option<P> {
        opened.map_err(|e| self.bad.push((kind, e))).ok()
    }
}
