//! What the ledger is told and what it answers: plain data.

use crate::identity::{Holder, HolderKey};
use crate::license::{Digest, TokenDraw};
use crate::names::{BootId, ClaimName, InstanceId, LeaseId, PoolName, ProjectName, RequestId};
use crate::policy::Reclaim;
use crate::receipt::{HandoverBefore, LeaseReceipt, PartBefore, Ticket};
use crate::request::Item;
use crate::secret::SecretHash;
use crate::time::{BootTime, Now, Timestamp, margin};
use crate::wire::{ClaimRequest, LeaseView, Problem, Stance, Standing, WaitReason};
use std::time::Duration;

/// What a ledger is told once, at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    pub instance: InstanceId,
    /// Orders runs; the wall clock's milliseconds at the start will do, since tickets of a higher
    /// one raise it.
    pub generation: u64,
    pub lease_for: Duration,
    /// Q; zero for none. See [`crate::time::settling`].
    pub settle: Duration,
    /// What proof a silent holder's seat needs.
    pub reclaim: Reclaim,
    pub grace: Duration,
    /// There may be holders that no roster names: it then ends no settling early.
    pub outsiders: bool,
    pub limits: Limits,
}

/// Bounds on what strangers can make the ledger keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub per_holder: usize,
    pub per_namespace: usize,
    pub queue: usize,
}

/// [`Limits::per_holder`], if nothing else is said.
pub const CLAIMS_PER_HOLDER: u16 = 16;

/// The most that it may be set to.
pub const MOST_CLAIMS_PER_HOLDER: u16 = 1024;

/// How often an application may ask about one lease; its library does at most once a second.
pub(super) const QUESTIONS_A_MINUTE: u32 = 60;

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_holder: CLAIMS_PER_HOLDER.into(),
            per_namespace: 20_000,
            queue: 100_000,
        }
    }
}

/// A claim whose holder the edge has authenticated, and whose ticket and receipt (or token) it has
/// verified: seal or signature, holder, items, secret.
#[derive(Clone, Debug)]
pub struct Claim {
    pub holder: Holder,
    /// The holder's name for it.
    pub name: ClaimName,
    pub items: Vec<Item>,
    pub secret_hash: SecretHash,
    /// Whose seat it is ([`ClaimRequest::bind`]).
    pub bind: Option<SecretHash>,
    /// What its seats are used for, as the holder says.
    pub project: Option<ProjectName>,
    /// A fresh random id, used if the claim is new.
    pub new_id: LeaseId,
    /// How the application stands.
    pub standing: Standing,
    /// How much longer it may run without a lease, as the holder says; counted in the overlap for
    /// no longer than that. Unknown: the grace.
    pub runs_for: Option<Duration>,
    /// Grows with each request of the claim, renewals included. A number that is not new is a
    /// copy's of the holder, or a duplicate's that nobody waits for, and changes nothing. `None`
    /// from sidecars that do not number them.
    pub counter: Option<u64>,
    /// This request: with the same number it is a retry if equal.
    pub request_id: RequestId,
    /// The holder's other claims: while the server settles, the holder is in once each of them is.
    pub others: Vec<ClaimName>,
    /// The run of the server that the holder has heard from last about this claim.
    pub heard: Option<InstanceId>,
    pub ticket: Option<Ticket>,
    pub held: Option<HeldLease>,
    /// How many claims the holder may have, where that is not [`Limits::per_holder`].
    pub claims: Option<u16>,
    /// Which owner's seats it has a share of, as the operator's word or its receipt says; an
    /// owner's are its own. The ledger knows better, where it does.
    pub family: Option<Box<str>>,
    /// How it stands in line. An owner's rests of which no pod lives.
    pub stance: Stance,
    /// Others of its holder's seats are to come from other servers, and are not all there.
    pub part: bool,
    /// What speaks against its holder, if something does: a new claim is refused with it, a lease
    /// that there is is called back.
    pub call_back: Option<CallBack>,
}

impl Claim {
    /// A holder's first request for these, of which nothing else is to be said.
    pub fn new(
        holder: Holder,
        name: ClaimName,
        items: Vec<Item>,
        (secret_hash, new_id): (SecretHash, LeaseId),
    ) -> Self {
        Self {
            holder,
            name,
            items,
            secret_hash,
            bind: None,
            project: None,
            new_id,
            standing: Standing::Seeking,
            runs_for: None,
            counter: None,
            request_id: RequestId::from_bytes([0; 16]),
            others: Vec::new(),
            heard: None,
            ticket: None,
            held: None,
            claims: None,
            family: None,
            stance: Stance::default(),
            part: false,
            call_back: None,
        }
    }

    /// What a holder's request asks for. What it shows is added, once that is verified.
    pub fn of(body: &ClaimRequest, holder: Holder, name: ClaimName, new_id: LeaseId) -> Self {
        Self {
            bind: body.bind,
            project: body.project.clone(),
            standing: body.standing,
            runs_for: body.licensed_for,
            counter: body.counter,
            request_id: body.request_id,
            others: body.others.clone(),
            heard: body.heard,
            stance: body.stance,
            part: body.part,
            ..Self::new(holder, name, body.items.clone(), (body.secret_hash, new_id))
        }
    }

    /// Whether its application was `Held`, and may run on by what it shows of that.
    pub(super) fn was_held(&self) -> bool {
        self.held.as_ref().is_some_and(|h| h.runs_on)
    }

    /// The highest number that the holder says it has used.
    pub(super) fn highest(&self) -> u64 {
        let held = self.held.as_ref().map_or(0, |h| h.counter);
        self.counter.unwrap_or(0).max(held)
    }
}

/// An earlier lease that the holder showed, and that was given to it for this claim.
#[derive(Clone, Debug)]
pub struct HeldLease {
    pub lease: LeaseId,
    /// The run that gave it.
    pub instance: InstanceId,
    /// D, as the holder was told it.
    pub lease_for: Duration,
    /// Where its seats came from.
    pub parts: Vec<PartBefore>,
    /// Whether it may still be in force at the holder: not longer ago than D + M.
    pub unexpired: bool,
    /// Whether an application may still run on by it: not longer ago than its grace and the margin
    /// that goes with that. By an older one nobody comes before others.
    pub runs_on: bool,
    /// The highest counter that is known of it.
    pub counter: u64,
    /// How long ago it was given, if that is known.
    pub age: Option<Duration>,
    /// Which owner's seats it had a share of.
    pub family: Option<Box<str>>,
    /// It had no seats of its own yet.
    pub handover: Option<HandoverBefore>,
    /// How long ago its seats were handed over last, or were to be.
    pub handed_ago: Option<Duration>,
}

impl HeldLease {
    /// By the receipt that the holder showed, with how long ago it asked for that, and its counter.
    pub fn by_receipt(
        r: LeaseReceipt,
        (sent_ago, counter): (Option<Duration>, u64),
        here: (Now, BootId),
    ) -> Self {
        let is_younger = |limit: Duration| {
            let limit = limit + margin(limit);
            r.given.is_younger(limit, sent_ago, here)
        };
        let age = r.given.age(here.0.boot, here.1);
        let ago = age.or(sent_ago).unwrap_or_default();
        // On another machine its clock alone makes nothing young: two could be `Held` for one seat.
        let known = age.is_some() || sent_ago.is_some();
        Self {
            unexpired: known && is_younger(r.lease_for),
            runs_on: is_younger(r.run_for),
            age,
            counter: counter.max(r.counter),
            lease: r.lease,
            instance: r.instance,
            lease_for: r.lease_for,
            parts: r.parts,
            family: r.family.map(Into::into),
            handover: r.handover.map(|h| HandoverBefore {
                left: h.left.saturating_sub(ago),
                ..h
            }),
            // A request that was held open came before its grant, by nobody knows how much: then
            // as if it were now.
            handed_ago: r.handed_ago.map(|h| match h {
                Duration::ZERO => h,
                h => h.saturating_add(ago),
            }),
        }
    }

    /// When it was given, at the latest.
    pub(super) fn given(&self, now: BootTime) -> BootTime {
        now - self.age.unwrap_or_default()
    }
}

/// What speaks against a lease, and how long its holder may go on from when it is first told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBack {
    pub why: Problem,
    pub notice: Duration,
    /// Whether the answer can be signed, and so says it: no notice begins of which nobody is told.
    pub told: bool,
}

/// How a lease stands that is called back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledBack {
    pub why: Problem,
    /// When it ends, if that is not mended before.
    pub until: BootTime,
}

impl CalledBack {
    /// What is left of it, counted from `from`.
    pub fn left(&self, from: BootTime) -> Duration {
        from.until(self.until)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    Granted(Granted),
    Waiting(Place),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub lease: LeaseId,
    pub claim: ClaimName,
    pub holder: Holder,
    pub items: Vec<Item>,
    pub counter: u64,
    /// When the holder's last request was received: D counts from here.
    pub received: BootTime,
    /// What it has of each license file, for its token.
    pub parts: Vec<Part>,
    /// When those pools begin and end.
    pub dates: SeatDates,
    /// Seats of it over what was sold.
    pub overdraft: u32,
    pub secret_hash: SecretHash,
    /// Whose seat it is, for its token.
    pub bind: Option<SecretHash>,
    /// As in [`Claim::claims`], for its token.
    pub claims: Option<u16>,
    /// Which owner's seats it has a share of, for its receipt.
    pub family: Option<Box<str>>,
    pub called_back: Option<CalledBack>,
    /// It has no seats of its own yet: whose they will be its, and until when, for its receipt.
    pub handover: Option<Box<(HolderKey, BootTime)>>,
    /// When its seats were handed over last, or were to be, for its receipt.
    pub handed: Option<BootTime>,
}

/// The dates of the pools that a lease's seats come from, as the license says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeatDates {
    /// When the last of them begins.
    pub begin: Option<Timestamp>,
    /// Which of them ends first, and when (exclusive).
    pub end: Option<(PoolName, Timestamp)>,
    /// A license that some of them are of, and that is in force no more: its id.
    pub gone: Option<String>,
}

/// What a lease has of one license file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub license: Digest,
    /// Those of its items that come from there, each whole.
    pub items: Vec<Item>,
    /// Which pools of the file its seats come from.
    pub draws: Vec<TokenDraw>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The lease it will become.
    pub lease: LeaseId,
    pub claim: ClaimName,
    pub holder: Holder,
    pub items: Vec<Item>,
    pub place: u32,
    pub reason: WaitReason,
    /// The reason in words.
    pub message: String,
    /// For its ticket: the run that it arrived in.
    pub generation: u64,
    /// For its ticket: its arrival in that run.
    pub arrival: u64,
    /// For its ticket: it was `Held` once.
    pub contested: bool,
    /// For its ticket: until when its application may run.
    pub runs_until: Option<BootTime>,
    /// For its ticket: when a later claim was first granted past it.
    pub passed: Option<BootTime>,
    pub secret_hash: SecretHash,
    /// Whose seat it will be, for its ticket.
    pub bind: Option<SecretHash>,
    /// As in [`Claim::claims`], for its ticket.
    pub claims: Option<u16>,
}

/// One change, for the watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in this run, from 1.
    pub seq: u64,
    /// The claim as it is now.
    pub view: LeaseView,
    /// What it has of each license file, while it has seats.
    pub parts: Vec<Part>,
    /// Seats of it over what was sold.
    pub overdraft: u32,
}
