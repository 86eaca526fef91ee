//! Pods with their sidecars: the real [`Drive`] of each claim, and around it clocks, a disk,
//! crashes, suspends.

use super::projects;
use super::state::{Claim, Copy, Dice, Packet, SealedFor, Then, Wish, World, lease_no};
use crate::clock::Clock;
use crate::history::{
    ClaimNo, CopyNo, Fact, GroupNo, HolderNo, Items, Ms, Msg, MsgNo, Reply, Says,
};
use crate::plan::Pod;
use mooring_core::holder::drive::{Do, Drive, others};
use mooring_core::holder::{Answer, Request, Spec, Tag};
use mooring_core::identity::Holder;
use mooring_core::names::{ClaimName, Seats};
use mooring_core::policy::Start;
use mooring_core::request::Item;
use mooring_core::time::BootTime;
use mooring_core::wire::{self, ClaimKind, HoldState, Problem, ProblemType, Standing};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

/// For how long a hold of before a crash waits for its connection, as the sidecar has it.
const ORPHANED: Ms = 10_000;

/// When an application asks again whose sidecar was not there.
const ASKS_AGAIN: Ms = 500;

impl World {
    pub(super) fn pod_starts(&mut self, pod: &Pod) -> CopyNo {
        let holder = HolderNo(self.next_holder);
        self.next_holder += 1;
        let clock = Clock::new(pod.clock.0, pod.clock.1);
        let mut copy = Copy::new(holder, pod.clone(), clock);
        copy.no_token = self.no_token;
        let no = self.is_there(copy);
        self.operator.there.insert(holder);
        if let Some(owner) = pod.owner {
            self.owner_has(owner, (no, holder), pod.replaces);
        }
        for (i, (kind, items)) in pod.claims.iter().enumerate() {
            self.claim_begins(no, (claim_no(i), *kind, items.clone()));
        }
        no
    }

    fn is_there(&mut self, copy: Copy) -> CopyNo {
        let no = CopyNo(self.next_copy);
        self.next_copy += 1;
        self.copies.insert(no, copy);
        no
    }

    fn claim_begins(&mut self, no: CopyNo, wish: Wish) {
        let (secret, real) = self.new_secret();
        let (now, life) = (self.now, self.new_life());
        let (claim, kind, items) = &wish;
        let items_of_it = self.real_items(items);
        let owned = self.copies.get(&no).is_some_and(|c| c.plan.owner.is_some());
        let name = if owned {
            Some(ClaimName::pod())
        } else {
            claim_name(*claim)
        };
        let (Some(copy), Some(name)) = (self.copies.get_mut(&no), name) else {
            return;
        };
        let start = if copy.plan.optimistic {
            Start::Optimistic
        } else {
            Start::Licensed
        };
        let spec = Spec {
            max_grace: Duration::from_millis(copy.plan.max_grace),
            // An application's own seat; any number that no other claim has will do.
            bind: (*kind != ClaimKind::Pod).then(|| real.hash()),
            project: projects::of_pod(copy.holder, copy.plan.owner),
            ..Spec::new(name, items_of_it, start)
        };
        let drive = Drive::new(spec.clone(), *kind, real, copy.read(now));
        // The pod's own is saved before anything else, as the sidecar does it.
        let saved = (*kind == ClaimKind::Pod).then(|| drive.saved().clone());
        let claim = Claim::new(wish, spec, secret, drive, life);
        copy.claims.push(Claim { saved, ..claim });
        self.begun(no, life);
        self.drive(no, life);
    }

    /// The application asks for a claim, as soon as there is somebody to ask.
    fn claim_begins_after(&mut self, ms: Ms, no: CopyNo, wish: Wish) {
        self.once_it_runs(ms, no, move |w| w.claim_begins(no, wish));
    }

    /// The sidecar was told to end, and is started again: the pod's claim begins anew, with what
    /// was kept of it.
    fn begins_again_after(&mut self, ms: Ms, no: CopyNo, c: Claim) {
        self.once_it_runs(ms, no, move |w| w.begins_again(no, c));
    }

    /// Does this after so long, and as soon as a copy's sidecar runs; never, if it ends.
    fn once_it_runs(&mut self, ms: Ms, no: CopyNo, then: impl FnOnce(&mut Self) + 'static) {
        self.after(ms, move |w| match w.copies.get(&no) {
            Some(copy) if copy.ending => {}
            Some(copy) if copy.runs() => then(w),
            Some(_) => w.once_it_runs(ASKS_AGAIN, no, then),
            None => {}
        });
    }

    fn begins_again(&mut self, no: CopyNo, c: Claim) {
        let Some(saved) = c.saved.clone() else {
            return self.claim_begins(no, c.wish());
        };
        let (now, life) = (self.now, self.new_life());
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let drive = c.restored(saved.clone(), copy.read(now));
        let again = Claim::new(c.wish(), c.spec, c.secret, drive, life);
        copy.claims.push(Claim {
            saved: Some(saved),
            ..again
        });
        self.drive(no, life);
    }

    fn begun(&mut self, no: CopyNo, life: u64) {
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let (holder, plan) = (copy.holder, &copy.plan);
        let (start_optimistic, max_grace) = (plan.optimistic, plan.max_grace);
        let Some(claim) = copy.claim(life) else {
            return;
        };
        let fact = Fact::Begun {
            copy: no,
            holder,
            claim: claim.no,
            pods: claim.kind == ClaimKind::Pod,
            secret: claim.secret,
            items: claim.items.clone(),
            start_optimistic,
            max_grace,
        };
        self.state(fact);
    }

    fn new_life(&mut self) -> u64 {
        self.planned += 1;
        self.planned
    }

    pub(super) fn real_items(&self, items: &Items) -> Vec<Item> {
        let real = items.iter().filter_map(|(p, n)| {
            Some(Item {
                product: self.names.products.get(*p)?.clone(),
                seats: Seats::new(*n)?,
                version: None,
            })
        });
        real.collect()
    }

    /// A drive may have begun its claim anew by itself.
    fn secret_may_be_new(&mut self, no: CopyNo, life: u64) {
        let drive = self.claim(no, life).and_then(|c| c.drive.as_ref());
        let Some(hash) = drive.map(|d| d.holder().secret_hash()) else {
            return;
        };
        let secret = self.secret_no(hash);
        if let Some(claim) = self.claim(no, life).filter(|c| c.secret != secret) {
            (claim.secret, claim.given_back) = (secret, None);
            self.begun(no, life);
        }
    }

    /// Does what a claim's drive says, until it sleeps.
    fn drive(&mut self, no: CopyNo, life: u64) {
        loop {
            let now = self.now;
            let Some(copy) = self.copies.get_mut(&no).filter(|c| c.runs()) else {
                return;
            };
            let clock = copy.read(now);
            let drive = copy.claim(life).and_then(|c| c.drive.as_mut());
            let Some(drive) = drive else { return };
            let todo = drive.next(clock, &mut Dice(&mut self.rng));
            if !matches!(todo, Do::Save) {
                self.is_heard(no, life);
                self.secret_may_be_new(no, life);
                self.tell(no, life);
            }
            if !matches!(todo, Do::Sleep { .. }) && self.crashes_before_this(no) {
                return;
            }
            match todo {
                Do::Save => self.saves(no, life),
                Do::Send {
                    tag,
                    request,
                    timeout,
                } => self.send(no, life, tag, request, timeout),
                Do::Sleep { until } => return self.sleeps(no, life, until),
                Do::Done | Do::Kept => return self.was_given_back(no, life),
            }
        }
    }

    fn crashes_before_this(&mut self, no: CopyNo) -> bool {
        let Some((left, down)) = self.copies.get_mut(&no).and_then(|c| c.crash.as_mut()) else {
            return false;
        };
        if *left > 0 {
            *left -= 1;
            return false;
        }
        let down = *down;
        self.sidecar_crashes(no, down);
        true
    }

    fn is_heard(&mut self, no: CopyNo, life: u64) {
        if let Some(fact) = self.claim(no, life).and_then(|c| c.heard.take()) {
            self.state(fact);
        }
    }

    fn saves(&mut self, no: CopyNo, life: u64) {
        if let Some(claim) = self.claim(no, life) {
            claim.saved = claim.drive.as_ref().map(|d| d.saved().clone());
        }
    }

    fn sleeps(&mut self, no: CopyNo, life: u64, until: BootTime) {
        let now = self.now;
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let at = copy.when(until).map(|t| t.max(now + 1));
        let Some(claim) = copy.claim(life) else {
            return;
        };
        claim.wake += 1;
        let wake = claim.wake;
        if let Some(t) = at {
            self.at(t, move |w| w.wakes(no, life, wake));
        }
    }

    fn wakes(&mut self, no: CopyNo, life: u64, wake: u64) {
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        if copy.claim(life).is_none_or(|c| c.wake != wake) {
            return;
        }
        if copy.asleep_since.is_some() {
            copy.inbox.push_back(Box::new(move |w| w.drive(no, life)));
        } else {
            self.drive(no, life);
        }
    }

    /// States what the application is told, if it changed.
    fn tell(&mut self, no: CopyNo, life: u64) {
        let now = self.now;
        let Some(copy) = self.copies.get(&no) else {
            return;
        };
        let claim = copy.claims.iter().find(|c| c.life == life);
        let Some(drive) = claim.and_then(|c| c.drive.as_ref()) else {
            return;
        };
        let s = drive.holder().status(copy.read(now));
        let when = |ms: Option<u64>| ms.and_then(|b| copy.when(BootTime::from_millis(b)));
        let told = (
            says(s.state),
            s.lease.map(lease_no),
            when(s.until_boot_ms),
            when(s.held_until_boot_ms),
        );
        let Some(claim) = self.claim(no, life) else {
            return;
        };
        let (claim, before) = (claim.no, claim.told.replace(told));
        if before == Some(told) {
            return;
        }
        self.coverage.transition(before.map(|b| b.0), told.0);
        let (says, lease, limit, held_until) = told;
        self.state(Fact::Tells {
            copy: no,
            claim,
            says,
            lease,
            limit,
            held_until,
        });
    }

    fn send(&mut self, no: CopyNo, life: u64, tag: Tag, mut request: Request, timeout: Duration) {
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let (now, holder) = (self.now, copy.holder);
        // The drive's own clock says when it has waited long enough.
        let too_late = copy.when(copy.read(now) + timeout).unwrap_or(now);
        let Some(claim) = copy.claim(life) else {
            return;
        };
        claim.awaits = Some(tag);
        let (claim, name) = (claim.no, claim.spec.name.clone());
        if let Request::Claim { bearer: true, .. } = &request
            && now < copy.no_token
        {
            let fault = Problem::new(ProblemType::Unauthenticated, "no token file");
            return self.after(1, move |w| {
                w.hears(no, life, tag, Answer::Unsent(fault), None);
            });
        }
        if let Request::Claim { body, .. } = &mut request {
            body.others = others(copy.claims.iter().filter_map(|c| c.drive.as_ref()), &name);
        }
        if let Request::Renew(r) = &mut request
            && !copy.plan.says_what_it_has
        {
            r.have = None;
        }
        let msg = self.new_msg();
        let what = self.describe(&request);
        self.state(Fact::Sent {
            copy: no,
            claim,
            msg,
            what: what.clone(),
        });
        let packet = Rc::new(Packet {
            msg,
            copy: no,
            holder,
            claim,
            name,
            life,
            tag,
            request,
            what,
        });
        for t in self.net.ways(now, no, true) {
            let packet = packet.clone();
            self.at(t, move |w| w.arrives(packet));
        }
        self.at(too_late, move |w| {
            let silence = Answer::NoContact("no answer in time".into());
            w.hears(no, life, tag, silence, None);
        });
    }

    /// An answer, or its absence, comes to a sidecar.
    pub(super) fn hears(
        &mut self,
        no: CopyNo,
        life: u64,
        tag: Tag,
        answer: Answer,
        reply: Option<(MsgNo, Reply)>,
    ) {
        let now = self.now;
        let Some(copy) = self.copies.get_mut(&no).filter(|c| c.up) else {
            return;
        };
        let asleep = copy.asleep_since.is_some();
        let Some(claim) = copy.claim(life) else {
            return;
        };
        if asleep {
            let hears = move |w: &mut Self| w.hears(no, life, tag, answer, reply);
            copy.inbox.push_back(Box::new(hears));
            return;
        }
        let awaited = claim.awaits.take_if(|t| *t == tag);
        // An answer that nobody awaits goes to the drive all the same: it must not matter.
        let of = claim.no;
        let fact = match (reply, &answer) {
            (Some((msg, reply)), _) => Some(Fact::Heard {
                copy: no,
                claim: of,
                msg,
                reply,
            }),
            (None, Answer::NoContact(_)) => Some(Fact::Silence {
                copy: no,
                claim: of,
            }),
            (None, _) => None,
        };
        if awaited.is_some() && fact.is_some() {
            claim.heard = fact;
        }
        let clock = copy.read(now);
        if let Some(drive) = copy.claim(life).and_then(|c| c.drive.as_mut()) {
            drive.landed(clock, tag, answer, &mut Dice(&mut self.rng));
            self.drive(no, life);
        }
    }

    pub(super) fn describe(&mut self, r: &Request) -> Msg {
        match r {
            Request::Claim { body, .. } => {
                let held = body.held.as_ref().and_then(|h| self.held(h));
                let ticket = body.ticket.as_ref().and_then(|t| self.sealed.get(t));
                Msg::Claim {
                    items: self.items_of(&body.items),
                    held: held.map(|of| of.lease),
                    held_given: held.and_then(|of| of.given),
                    held_sent: body.held.as_ref().and_then(|h| {
                        let ago = u64::try_from(h.sent_ago?.as_millis()).ok()?;
                        Some(self.now.saturating_sub(ago))
                    }),
                    ticket: ticket.map(|of| of.lease),
                    secret: self.secret_no(body.secret_hash),
                    bind: body.bind.map(|b| self.secret_no(b)),
                    shows_secret: body.secret.is_some(),
                    runs_after_held: body.standing == Standing::Held,
                    runs_optimistic: body.standing == Standing::Optimistic,
                }
            }
            Request::Renew(r) => Msg::Renew {
                lease: lease_no(r.lease),
                secret: self.secret_no(r.secret.hash()),
                counter: r.counter,
                request: u128::from_be_bytes(r.request_id.to_bytes()) as u64,
            },
            Request::Release { lease, secret, .. } => Msg::Release {
                lease: lease_no(*lease),
                secret: self.secret_no(secret.hash()),
            },
        }
    }

    /// What is shown of a lease.
    fn held(&self, h: &wire::HeldProof) -> Option<SealedFor> {
        self.sealed.get(&h.receipt).copied()
    }

    /// Items as the history has them.
    pub(super) fn items_of(&self, items: &[Item]) -> Items {
        let at = |i: &Item| self.names.products.iter().position(|p| *p == i.product);
        let known = |i: &Item| (at(i).unwrap_or(0), i.seats.get());
        items.iter().map(known).collect()
    }

    // What can become of them.

    /// The sidecar will be killed amid its work: before its n-th save or request from now.
    pub(super) fn sidecar_will_crash(&mut self, no: CopyNo, after: u8, down: Ms) {
        if let Some(copy) = self.copies.get_mut(&no).filter(|c| c.up) {
            copy.crash = Some((after, down));
        }
    }

    /// The sidecar is killed; started again after a while.
    pub(super) fn sidecar_crashes(&mut self, no: CopyNo, down: Ms) {
        let Some(copy) = self.copies.get_mut(&no).filter(|c| c.up) else {
            return;
        };
        (copy.up, copy.crash) = (false, None);
        for c in &mut copy.claims {
            c.drive = None;
        }
        self.state(Fact::SidecarDown(no));
        self.after(down, move |w| w.sidecar_starts(no));
    }

    pub(super) fn sidecar_starts(&mut self, no: CopyNo) {
        let now = self.now;
        // Nothing is started again in a pod that ends.
        let Some(copy) = self.copies.get_mut(&no).filter(|c| !c.up && !c.ending) else {
            return;
        };
        if copy.asleep_since.is_some() {
            copy.inbox
                .push_back(Box::new(move |w| w.sidecar_starts(no)));
            return;
        }
        copy.up = true;
        self.state(Fact::SidecarUp(no));
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let clock = copy.read(now);
        let mut lost = Vec::new();
        for mut c in std::mem::take(&mut copy.claims) {
            self.planned += 1;
            (c.life, c.awaits, c.heard) = (self.planned, None, None);
            if let Some(saved) = c.saved.clone() {
                c.drive = Some(c.restored(saved, clock));
                copy.claims.push(c);
            } else if c.given_back.is_none_or(|then| then != Then::End) {
                lost.push(c);
            }
        }
        let holds = copy.claims.iter().filter(|c| c.kind == ClaimKind::Hold);
        let holds: Vec<u64> = holds.map(|c| c.life).collect();
        for life in copy.lives() {
            self.drive(no, life);
        }
        // Nothing was sent for it, so its application knows that it has to ask again.
        for c in lost {
            self.claim_begins_after(ASKS_AGAIN, no, c.wish());
        }
        for life in holds {
            // Its connection does not come back.
            if self.rng.bool() {
                self.after(ORPHANED, move |w| {
                    w.claim_is_given_back(no, life, Then::Again(ASKS_AGAIN));
                });
            }
        }
    }

    /// The application gives its first claim back, and asks for a new one: so long after it was
    /// given back, or after it began to be, if its kind lets it do that `at_once`. The sidecar may
    /// `crash` before its n-th save or request from then.
    pub(super) fn gives_back(&mut self, no: CopyNo, again: Ms, at_once: bool, crash: Option<u8>) {
        let Some(copy) = self.copies.get_mut(&no).filter(|c| c.runs()) else {
            return;
        };
        let first = copy.claims.iter().find(|c| c.given_back.is_none());
        let Some((life, wish)) = first.map(|c| (c.life, c.wish())) else {
            return;
        };
        if let Some(after) = crash {
            self.sidecar_will_crash(no, after, again.max(ASKS_AGAIN));
        }
        if at_once && wish.1 != ClaimKind::Pod {
            self.claim_is_given_back(no, life, Then::End);
            self.claim_begins_after(again, no, wish);
        } else {
            self.claim_is_given_back(no, life, Then::Again(again));
        }
    }

    fn claim_is_given_back(&mut self, no: CopyNo, life: u64, then: Then) {
        let now = self.now;
        let Some(copy) = self.copies.get_mut(&no).filter(|c| c.runs()) else {
            return;
        };
        let (clock, ending) = (copy.read(now), copy.ending);
        let Some(claim) = copy.claim(life).filter(|c| c.given_back.is_none()) else {
            return;
        };
        let Some(drive) = &mut claim.drive else {
            return;
        };
        claim.given_back = Some(then);
        let save = if ending || claim.kind == ClaimKind::Pod {
            drive.stop(clock)
        } else {
            drive.leave(clock)
        };
        if save {
            claim.saved = Some(drive.saved().clone());
        }
        let claim = claim.no;
        self.state(Fact::GivesBack { copy: no, claim });
        self.drive(no, life);
    }

    fn was_given_back(&mut self, no: CopyNo, life: u64) {
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let Some(at) = copy.claims.iter().position(|c| c.life == life) else {
            return;
        };
        let c = copy.claims.remove(at);
        match c.given_back {
            _ if copy.ending && copy.claims.is_empty() => self.pod_dies(no),
            Some(Then::Again(ms)) if c.kind == ClaimKind::Pod => self.begins_again_after(ms, no, c),
            Some(Then::Again(ms)) => self.claim_begins_after(ms, no, c.wish()),
            _ => {}
        }
    }

    /// The pod is asked to end: everything is given back, and after a second it is gone in any
    /// case.
    pub(super) fn pod_ends(&mut self, no: CopyNo) {
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        copy.ending = true;
        let (owner, holder) = (copy.plan.owner, copy.holder);
        if let Some(owner) = owner {
            self.owner_has_not(owner, holder);
        }
        let Some(copy) = self.copies.get(&no) else {
            return;
        };
        for life in copy.lives() {
            self.claim_is_given_back(no, life, Then::End);
        }
        self.after(1_000, move |w| w.pod_dies(no));
    }

    /// The pod is gone.
    pub(super) fn pod_dies(&mut self, no: CopyNo) {
        let Some(copy) = self.copies.remove(&no) else {
            return;
        };
        self.state(Fact::Died(no));
        if let Some(owner) = copy.plan.owner {
            self.owner_has_not(owner, copy.holder);
        }
        if !self.copies.values().any(|c| c.holder == copy.holder) {
            let after = self.rng.u64(0..20_000);
            self.after(after, move |w| w.operator_learns_gone(copy.holder));
        }
    }

    /// The machine stands still.
    pub(super) fn suspends(&mut self, no: CopyNo, lasts: Ms) {
        let now = self.now;
        let copy = self.copies.get_mut(&no);
        let Some(copy) = copy.filter(|c| c.asleep_since.is_none()) else {
            return;
        };
        copy.asleep_since = Some(now);
        self.state(Fact::Suspended(no));
        self.after(lasts, move |w| w.resumes(no));
    }

    pub(super) fn resumes(&mut self, no: CopyNo) {
        let now = self.now;
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let Some(since) = copy.asleep_since.take() else {
            return;
        };
        copy.asleep += now - since;
        let mut inbox: Vec<_> = std::mem::take(&mut copy.inbox).into();
        let lives = copy.lives();
        self.state(Fact::Resumed(no));
        // Nobody knows what a machine does first when it goes on.
        if self.rng.bool() {
            for life in &lives {
                self.drive(no, *life);
            }
        }
        if self.rng.bool() {
            inbox.reverse();
        }
        for act in inbox {
            act(self);
        }
        for life in lives {
            self.drive(no, life);
        }
    }

    /// A copy with all its state, on the same machine.
    pub(super) fn copies(&mut self, from: CopyNo) {
        let now = self.now;
        let Some(c) = self.copies.get(&from).filter(|c| c.runs() && !c.ending) else {
            return;
        };
        let clock = c.read(now);
        let mut copy = Copy::new(c.holder, c.plan.clone(), c.clock);
        copy.asleep = c.asleep;
        for (c, life) in c.claims.iter().zip(self.planned + 1..) {
            let Some(saved) = c.saved.clone().filter(|_| c.given_back.is_none()) else {
                return;
            };
            let drive = c.restored(saved, clock);
            let claim = Claim::new(c.wish(), c.spec.clone(), c.secret, drive, life);
            let saved = c.saved.clone();
            copy.claims.push(Claim { saved, ..claim });
        }
        self.planned += copy.claims.len() as u64;
        let lives = copy.lives();
        let no = self.is_there(copy);
        self.state(Fact::Copied { from, to: no });
        for life in lives {
            self.drive(no, life);
        }
    }

    /// Everybody is up, awake and alone.
    pub(super) fn pods_heal(&mut self) {
        for no in self.copies.keys().copied().collect::<Vec<_>>() {
            if let Some(copy) = self.copies.get_mut(&no) {
                copy.no_token = 0;
            }
            self.resumes(no);
            self.sidecar_starts(no);
        }
        // Of several copies one stays; a copy that was told so does not come back by itself.
        let mut seen = HashSet::new();
        for no in self.copies.keys().copied().collect::<Vec<_>>() {
            let Some(c) = self.copies.get(&no) else {
                continue;
            };
            let mut drives = c.claims.iter().filter_map(|c| c.drive.as_ref());
            if drives.any(|d| d.holder().is_copy()) || !seen.insert(c.holder) {
                self.pod_dies(no);
            }
        }
    }

    /// The namespace of a group.
    pub(super) fn namespace(group: GroupNo) -> &'static str {
        match group {
            GroupNo(0) => "ns-0",
            GroupNo(1) => "ns-1",
            GroupNo(2) => "ns-2",
            _ => "other",
        }
    }

    /// The true holder as the server knows it.
    pub(super) fn real_holder(no: HolderNo) -> Holder {
        Holder::Pod {
            namespace: Self::namespace(no.group()).into(),
            pod: format!("pod-{}", no.0),
            uid: format!("uid-{}", no.0),
            service_account: format!("sa-{}", no.account().0),
            node: None,
        }
    }
}

fn claim_no(i: usize) -> ClaimNo {
    ClaimNo(u8::try_from(i).unwrap_or(u8::MAX))
}

fn claim_name(no: ClaimNo) -> Option<ClaimName> {
    format!("claim{}", no.0).parse().ok()
}

pub(crate) fn says(s: HoldState) -> Says {
    match s {
        HoldState::Seeking => Says::Seeking,
        HoldState::Waiting => Says::Waiting,
        HoldState::Optimistic => Says::Optimistic,
        HoldState::Held => Says::Held,
        HoldState::Grace => Says::Grace,
        HoldState::Contested => Says::Contested,
        HoldState::Lost => Says::Lost,
        HoldState::Refused => Says::Refused,
        HoldState::Released => Says::Released,
    }
}
