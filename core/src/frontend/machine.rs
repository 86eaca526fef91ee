//! The frontend: the ledger, what this run may sign, and the requests that are held open, as one
//! machine.
//!
//! Each call takes both clocks' readings. What came of it is drained afterwards:
//! [`Frontend::next_event`] is what happened in the books, [`Frontend::next_answer`] who is
//! answered with what. An answer comes with what it is to be signed under, as it was at the moment
//! of the decision: **nothing is granted that cannot be signed, and what was granted is signed.**

use super::admission::{Opener, Proven, owned};
use super::authority::{Authority, Clock, Denied, InForce};
use crate::identity::Holder;
use crate::ledger::{CallBack, Capacity, Claim, Claimed, Event, Granted, Ledger};
use crate::license::Digest;
use crate::mutant::{self, Mutant};
use crate::names::{ClaimName, LeaseId};
use crate::policy::{Reclaim, SeatPolicy};
use crate::reason::{AnchorReason, LicenseReason};
use crate::secret::Secret;
use crate::time::{BootTime, DEFAULT_MAX_CONTESTED, Now, Timestamp};
use crate::wire::{ClaimRequest, OwnerClaim, Problem, ProblemType, Renewal, ViewState, WaitReason};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long a request waits for a fresh delegation where only the wall clock has jumped out of the
/// present one.
pub const FRESH: Duration = Duration::from_secs(1);

/// The answer to a claim: how it stands and what that is signed under, or why not.
pub type ClaimAnswer = Result<(Claimed, Arc<InForce>), Problem>;

/// How an owner's claim stands, and what that is sealed under; none where it has ended.
pub type OwnerAnswer = Result<Option<(Claimed, Arc<InForce>)>, Problem>;

/// Each lease and its renewal, in the order of the request.
pub type Renewals = Vec<(LeaseId, Result<Granted, Problem>)>;

/// A claim as the edge has understood it.
#[derive(Debug)]
pub struct Asked<'a> {
    pub name: ClaimName,
    pub body: &'a ClaimRequest,
    /// Who asks, and what counts of the things shown.
    pub proven: Proven,
    pub entitled: Result<(), Problem>,
    /// How long its client would wait for a better answer than a place.
    pub wait: Option<Duration>,
    /// A fresh random id, used if the claim is new.
    pub new_id: LeaseId,
}

/// A request that is held open. `R` is what the edge knows it by.
#[derive(Debug)]
struct HeldOpen<R> {
    /// When it is answered at the latest; its number, since several may end at once.
    end: (BootTime, u64),
    request: R,
}

#[derive(Debug)]
pub struct Frontend<R> {
    ledger: Ledger,
    authority: Arc<Authority>,
    /// When this run began, on both clocks.
    started: Now,
    /// The latest date of any token that a holder has shown, by the license it was given under.
    echoed: HashMap<Digest, Timestamp>,
    /// Why the ledger was told to grant nothing; none if it grants.
    told: Option<(ProblemType, AnchorReason, LicenseReason)>,
    /// When seats begin or end next, by the license's dates.
    date: BootTime,
    held_open: HashMap<LeaseId, Vec<HeldOpen<R>>>,
    /// When each of them is answered at the latest.
    ends: BTreeMap<(BootTime, u64), LeaseId>,
    numbers: u64,
    closing: bool,
    events: VecDeque<Event>,
    answers: VecDeque<(R, ClaimAnswer)>,
}

impl<R> Frontend<R> {
    /// One that begins at `started`, and grants nothing before `authority` allows it.
    pub fn new(ledger: Ledger, authority: Authority, started: Now) -> Self {
        let mut this = Self {
            ledger,
            authority: Arc::new(authority),
            started,
            echoed: HashMap::new(),
            told: None,
            date: BootTime::NEVER,
            held_open: HashMap::new(),
            ends: BTreeMap::new(),
            numbers: 0,
            closing: false,
            events: VecDeque::new(),
            answers: VecDeque::new(),
        };
        this.follow(started);
        this
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// What is known of the time besides the clocks. Dates of tokens count for the license that
    /// they were given under alone: so a license issued anew is free of what a clock that ran ahead
    /// has left in holders' hands, and only the vendor can issue one.
    pub fn clock(&self) -> Clock {
        let in_force = self.authority.in_force.iter();
        let licenses = in_force.flat_map(|f| &f.delegation.licenses);
        Clock {
            started: self.started,
            echoed: licenses.filter_map(|d| self.echoed.get(d).copied()).max(),
        }
    }

    pub fn set_authority(&mut self, authority: Arc<Authority>, now: Now) {
        self.authority = authority;
        self.follow(now);
        self.hand_out(now);
    }

    /// Other licenses are in force from now on: what may be signed, and what there is, in one step.
    pub fn take_over(
        &mut self,
        authority: Arc<Authority>,
        capacity: Capacity,
        reclaim: Reclaim,
        now: Now,
    ) {
        // What is due by the licenses before is done, and answered, under them.
        self.act(now, |l, now| l.set_reclaim(reclaim, now));
        self.authority = authority;
        self.ledger.set_capacity(capacity, now.boot);
        self.act(now, Ledger::grants);
    }

    /// Whose the seats are from now on; none: whoever comes first.
    pub fn set_policy(&mut self, policy: Option<Arc<SeatPolicy>>, now: Now) {
        self.act(now, |l, now| {
            l.set_policy(policy, now);
            l.grants(now);
        });
    }

    /// Under what leases are signed now: renewals, tokens, and the answers to claims.
    pub fn may_sign(&self, now: Now) -> Result<Arc<InForce>, Denied> {
        let may = self.authority.may_sign(now, self.clock());
        let may = may.map_err(|denied| denied.asked_again_within(self.pace()));
        match (&may, &self.authority.in_force) {
            (Err(_), Some(f)) if mutant::on(Mutant::SignedWithoutAuthority) => Ok(f.clone()),
            _ => may,
        }
    }

    /// Under what leases are renewed now. A receipt needs no signature, and is given only while
    /// there could be one: else nothing would notice an anchor that is gone.
    fn may_renew(&self, may_sign: Result<Arc<InForce>, Denied>) -> Result<Arc<InForce>, Denied> {
        let in_force = self.authority.in_force.as_ref();
        let careless = in_force.filter(|_| mutant::on(Mutant::ReceiptWithoutAnchor));
        careless.map_or(may_sign, |f| Ok(f.clone()))
    }

    /// Whether a request should wait for the anchor, for [`FRESH`] at the most: a fresh delegation
    /// is all that it lacks.
    pub fn awaits_delegation(&self, now: Now) -> bool {
        matches!(self.may_sign(now), Err(Denied::Stale(_)))
    }

    /// How often who waits or holds must ask: a place dies, and a silent lease ends, a lease after
    /// the last request.
    fn pace(&self) -> Duration {
        self.ledger.settings().lease_for / 3
    }

    /// Has the ledger grant or not, as license and anchor allow at this moment. Before each step,
    /// since licenses end, delegations lapse and clocks are set while nobody looks: what is granted
    /// must be signed.
    fn follow(&mut self, now: Now) {
        let mut may = self.authority.may_grant(now, self.clock());
        if mutant::on(Mutant::SigningRefusedAfterGrant)
            && let Some(f) = &self.authority.in_force
            && self.authority.lost_since.is_none()
        {
            may = Ok(f.clone());
        }
        let why = may.map_err(|denied| denied.asked_again_within(self.pace()));
        let why = why.err().map(Problem::from);
        // The words may carry the time, which is no change.
        let (anchor, license) = (self.authority.anchor.reason, self.authority.license.reason);
        let told = why.as_ref().map(|p| (p.kind, anchor, license));
        let dated = self.ledger.set_date(now.wall, now.boot);
        self.date = self.ledger.next_date().map_or(BootTime::NEVER, |t| {
            let left = t.duration_since(now.wall).unsigned_abs();
            // Not a moment before, by this clock.
            now.boot + left + Duration::from_millis(1)
        });
        if self.told != told {
            self.told = told;
            self.ledger.pause(why, now.boot);
        } else if dated {
            self.ledger.grants(now.boot);
        }
    }

    pub fn act<T>(&mut self, now: Now, f: impl FnOnce(&mut Ledger, BootTime) -> T) -> T {
        self.follow(now);
        let r = f(&mut self.ledger, now.boot);
        self.hand_out(now);
        r
    }

    /// Does what is due: in the books, and for requests that have been held open long enough.
    pub fn tick(&mut self, now: Now) {
        self.act(now, Ledger::tick);
        while let Some(first) = self.ends.first_entry().filter(|e| e.key().0 <= now.boot) {
            let (end, lease) = first.remove_entry();
            self.waited(lease, end, now);
        }
    }

    fn waited(&mut self, lease: LeaseId, end: (BootTime, u64), now: Now) {
        let Some(open) = self.held_open.get_mut(&lease) else {
            return;
        };
        let i = open.iter().position(|h| h.end == end);
        let over = i.map(|i| open.swap_remove(i).request);
        if open.is_empty() {
            self.held_open.remove(&lease);
        }
        if let Some(request) = over {
            self.answer_as_it_stands(request, lease, now);
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_deadline(&self) -> BootTime {
        let end = self.ends.first_key_value().map(|(end, _)| end.0);
        let books = self.ledger.next_deadline().min(self.date);
        end.map_or(books, |end| end.min(books))
    }

    /// The server ends: who waits is answered as it stands, and nobody waits from here on.
    pub fn close(&mut self, now: Now) {
        self.closing = true;
        // In their order, not in a map's: the simulator must live the same life each time.
        for (end, lease) in std::mem::take(&mut self.ends) {
            self.waited(lease, end, now);
        }
    }

    /// Takes an owner's claim, which is answered at once: who follows the watch hears of its grant.
    pub fn own(
        &mut self,
        c: OwnerClaim,
        entitled: Result<(), Problem>,
        (opener, new): (&impl Opener, LeaseId),
        now: Now,
    ) -> OwnerAnswer {
        self.follow(now);
        let (owner, name) = (c.owner.key(), c.claim.clone());
        let wall = now.wall;
        if c.ends {
            self.ledger.end_owner(&owner, &name, now.boot);
            self.hand_out(now);
            return Ok(None);
        }
        // Before: what they have counts for it.
        self.ledger.set_pods(&owner, &name, &c.pods, now.boot);
        self.ledger
            .set_replaces(&owner, &name, &c.replaces, now.boot);
        let against = entitled.err().map(|why| self.call_back(why, now));
        let claim = Claim {
            call_back: against,
            ..owned(c, opener, new, now)
        };
        let claimed = self.ledger.claim(claim, now.boot);
        self.hand_out(now);
        let claimed = match claimed? {
            Claimed::Granted(g) => {
                g.in_force(wall)?;
                Claimed::Granted(g)
            }
            waiting @ Claimed::Waiting(_) => waiting,
        };
        Ok(Some((claimed, self.may_sign(now)?)))
    }

    /// Takes a claim; its answer may come later, with [`next_answer`](Self::next_answer).
    pub fn claim(&mut self, request: R, asked: Asked<'_>, now: Now) {
        for (license, date) in asked.proven.dates {
            let latest = self.echoed.entry(license).or_insert(date);
            *latest = date.max(*latest);
        }
        self.follow(now);
        let claim = Claim {
            ticket: asked.proven.ticket,
            held: asked.proven.held,
            claims: asked.proven.claims,
            call_back: asked.entitled.err().map(|why| self.call_back(why, now)),
            ..Claim::of(asked.body, asked.proven.holder, asked.name, asked.new_id)
        };
        // Who comes back to a run that settles is answered at once: once it has heard from this run
        // it is in.
        let has_heard = asked.body.heard == Some(self.ledger.settings().instance);
        let waits = !self.closing && (has_heard || !self.ledger.settling());
        let claimed = self.ledger.claim(claim, now.boot);
        // Before it waits itself: what this step granted to others is no news of its own.
        self.hand_out(now);
        match (claimed, asked.wait.filter(|_| waits)) {
            (Err(why), _) => self.answers.push_back((request, Err(why.into()))),
            (Ok(Claimed::Waiting(p)), Some(wait))
                if !is_first_at_rest(Some(p.reason), Some(p.place)) =>
            {
                self.hold_open(request, p.lease, wait, now);
            }
            (Ok(claimed), _) => self.answer(request, Ok(claimed), now),
        }
    }

    /// Until the claim is granted or ends; for half a lease at most, since the place dies a lease
    /// after the request.
    fn hold_open(&mut self, request: R, lease: LeaseId, wait: Duration, now: Now) {
        let most = self.ledger.settings().lease_for / 2;
        let bounded = if mutant::on(Mutant::WaitsWithoutBound) {
            wait
        } else {
            wait.min(most)
        };
        self.numbers += 1;
        let end = (now.boot + bounded, self.numbers);
        self.ends.insert(end, lease);
        let open = self.held_open.entry(lease).or_default();
        open.push(HeldOpen { end, request });
    }

    fn answer_as_it_stands(&mut self, request: R, lease: LeaseId, now: Now) {
        let ended = || {
            let detail = "the claim ended while it waited; repeat it";
            Problem::new(ProblemType::UnknownLease, detail)
        };
        let stands = self.ledger.status(lease).ok_or_else(ended);
        self.answer(request, stands, now);
    }

    fn answer(&mut self, request: R, claimed: Result<Claimed, Problem>, now: Now) {
        let answer = claimed.and_then(|c| {
            if let Claimed::Granted(g) = &c {
                g.in_force(now.wall)?;
            }
            Ok((c, self.may_sign(now)?))
        });
        self.answers.push_back((request, answer));
    }

    /// Hands out what happened in the books, and answers those who waited for it.
    fn hand_out(&mut self, now: Now) {
        self.ledger.tell_first_at_rest(now.boot);
        while let Some(e) = self.ledger.next_event() {
            let over = match e.view.state {
                ViewState::Held | ViewState::Reserved | ViewState::Ended | ViewState::Refused => {
                    true
                }
                // Now it takes its parts.
                ViewState::Waiting => is_first_at_rest(e.view.reason, e.view.place),
                ViewState::Silent | ViewState::Contested => false,
            };
            let lease = e.view.lease;
            self.events.push_back(e);
            let open = over.then(|| self.held_open.remove(&lease)).flatten();
            for h in open.into_iter().flatten() {
                self.ends.remove(&h.end);
                self.answer_as_it_stands(h.request, lease, now);
            }
        }
    }

    /// How long a holder may go on from when it is told that something speaks against it: as long
    /// as one whose seat was given away.
    fn notice(&self) -> Duration {
        let in_force = self.authority.in_force.as_ref();
        in_force.map_or(DEFAULT_MAX_CONTESTED, |f| f.terms.max_contested)
    }

    fn call_back(&self, why: Problem, now: Now) -> CallBack {
        let (notice, told) = (self.notice(), self.may_sign(now).is_ok());
        CallBack { why, notice, told }
    }

    /// Renews many leases, each for itself, and says what the answers are signed under.
    ///
    /// The ledger hears each renewal even if it then cannot be signed, because the anchor or the
    /// license is missing: the holder is alive, and its seat must not go to another the moment the
    /// anchor is back.
    ///
    /// Who is `entitled` no more is called back.
    pub fn renew(
        &mut self,
        renewals: &[Renewal],
        entitled: impl Fn(&Holder) -> Result<(), Problem>,
        now: Now,
    ) -> (Renewals, Result<Arc<InForce>, Problem>) {
        let may_sign = self.may_sign(now);
        let (notice, told) = (self.notice(), may_sign.is_ok());
        let against = |holder: &Holder| {
            let why = entitled(holder).err();
            why.map(|why| CallBack { why, notice, told })
        };
        let renewed = self.act(now, |l, boot| {
            let mut renew = |r: &Renewal| {
                let granted = l.renew_judged(r, against, boot)?;
                granted.in_force(now.wall)?;
                Ok(granted)
            };
            let each = renewals.iter();
            each.map(|r| (r.lease, renew(r))).collect()
        });
        (renewed, self.may_renew(may_sign).map_err(Problem::from))
    }

    /// The lease for a token that answers the application's own question, for who knows its secret.
    pub fn token(
        &mut self,
        lease: LeaseId,
        secret: &Secret,
        now: Now,
    ) -> Result<(Granted, Arc<InForce>), Problem> {
        let granted = self.ledger.question(lease, secret, now.boot)?;
        if let Some(c) = granted.called_back.as_ref().filter(|c| c.until <= now.boot) {
            return Err(c.why.clone());
        }
        granted.in_force(now.wall)?;
        Ok((granted, self.may_sign(now)?))
    }

    /// Gives a lease back, or leaves the line. Another claim's lease, or one that has ended:
    /// nothing is touched.
    pub fn release(
        &mut self,
        name: &ClaimName,
        lease: LeaseId,
        secret: &Secret,
        counter: Option<u64>,
        now: Now,
    ) -> Result<(), Problem> {
        self.act(now, |l, now| l.release(name, lease, secret, counter, now))?;
        Ok(())
    }

    /// What happened in the books, oldest first. Drain it after each call.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Who is answered with what. Drain it after each call.
    pub fn next_answer(&mut self) -> Option<(R, ClaimAnswer)> {
        self.answers.pop_front()
    }
}

/// Whether it rests in line, and nobody stands before it: that is what it waits to hear.
fn is_first_at_rest(reason: Option<WaitReason>, place: Option<u32>) -> bool {
    reason == Some(WaitReason::Elsewhere) && place == Some(1)
}
