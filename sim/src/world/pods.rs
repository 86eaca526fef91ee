//! Pods with their sidecars: the real [`Drive`] of each claim, and around it clocks, a disk,
//! crashes, suspends.

use super::state::{Claim, Copy, Dice, GivesBack, Packet, Then, World, lease_no};
use crate::clock::Clock;
use crate::history::{ClaimNo, CopyNo, Fact, HolderNo, Items, Ms, Msg, Reply, Says};
use crate::plan::Pod;
use mooring_core::holder::drive::{Do, Drive, others};
use mooring_core::holder::{Answer, Request, Spec, Tag};
use mooring_core::names::{ClaimName, Seats};
use mooring_core::policy::Start;
use mooring_core::request::Item;
use mooring_core::time::BootTime;
use mooring_core::wire::{self, ClaimKind, HoldState, Standing};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// For how long a hold of before a crash waits for its connection, as the sidecar has it.
const ORPHANED: Ms = 10_000;
/// When an application asks again whose sidecar was not there.
const ASKS_AGAIN: Ms = 500;

impl World {
    /// A pod starts.
    pub(super) fn pod_starts(&mut self, pod: &Pod) -> CopyNo {
        let (holder, no) = (HolderNo(self.next_holder), CopyNo(self.next_copy));
        self.next_holder += 1;
        self.next_copy += 1;
        let copy = Copy {
            holder,
            plan: pod.clone(),
            clock: Clock::new(pod.clock.0, pod.clock.1),
            asleep: 0,
            asleep_since: None,
            inbox: VecDeque::new(),
            up: true,
            claims: Vec::new(),
            ending: false,
            crash: None,
        };
        self.copies.insert(no, copy);
        self.operator.pod_is_there(holder);
        for (i, (kind, items)) in pod.claims.iter().enumerate() {
            self.claim_begins(no, claim_no(i), *kind, items.clone());
        }
        no
    }

    fn claim_begins(&mut self, no: CopyNo, claim: ClaimNo, kind: ClaimKind, items: Items) {
        let (secret, real) = self.new_secret();
        let (now, life) = (self.now, self.new_life());
        let items_of_it = self.real_items(&items);
        let (Some(copy), Some(name)) = (self.copies.get_mut(&no), claim_name(claim)) else {
            return;
        };
        let start = if copy.plan.optimistic {
            Start::Optimistic
        } else {
            Start::Licensed
        };
        let spec = Spec {
            max_grace: Duration::from_millis(copy.plan.max_grace),
            ..Spec::new(name, items_of_it, start)
        };
        let drive = Drive::new(spec.clone(), kind, real, copy.read(now));
        copy.claims.push(Claim {
            no: claim,
            kind,
            spec,
            items,
            secret,
            // The pod's own is saved before anything else, as the sidecar does it.
            saved: (kind == ClaimKind::Pod).then(|| drive.saved().clone()),
            drive: Some(drive),
            life,
            wake: 0,
            awaits: None,
            told: None,
            heard: None,
            given_back: None,
        });
        self.begun(no, life);
        self.drive(no, life);
    }

    /// The application asks for a claim, as soon as there is somebody to ask.
    fn claim_begins_after(
        &mut self,
        ms: Ms,
        no: CopyNo,
        claim: ClaimNo,
        kind: ClaimKind,
        items: Items,
    ) {
        self.after(ms, move |w| match w.copies.get(&no) {
            Some(c) if c.ending => {}
            Some(c) if c.runs() => w.claim_begins(no, claim, kind, items),
            Some(_) => w.claim_begins_after(ASKS_AGAIN, no, claim, kind, items),
            None => {}
        });
    }

    fn begun(&mut self, no: CopyNo, life: u64) {
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let (holder, start_optimistic, max_grace) =
            (copy.holder, copy.plan.optimistic, copy.plan.max_grace);
        let Some(claim) = copy.claim(life) else {
            return;
        };
        let fact = Fact::Begun {
            copy: no,
            holder,
            claim: claim.no,
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

    fn real_items(&self, items: &Items) -> Vec<Item> {
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
        let claim = self.copies.get_mut(&no).and_then(|c| c.claim(life));
        let Some(drive) = claim.and_then(|c| c.drive.as_ref()) else {
            return;
        };
        let hash = drive.holder().secret_hash();
        let secret = self.secret_no(hash);
        let claim = self.copies.get_mut(&no).and_then(|c| c.claim(life));
        if let Some(claim) = claim.filter(|c| c.secret != secret) {
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
                Do::Done => return self.was_given_back(no, life),
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
        let claim = self.copies.get_mut(&no).and_then(|c| c.claim(life));
        if let Some(fact) = claim.and_then(|c| c.heard.take()) {
            self.state(fact);
        }
    }

    fn saves(&mut self, no: CopyNo, life: u64) {
        if let Some(claim) = self.copies.get_mut(&no).and_then(|c| c.claim(life)) {
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
        let Some(claim) = self.copies.get_mut(&no).and_then(|c| c.claim(life)) else {
            return;
        };
        let claim_no = claim.no;
        let before = claim.told.replace(told);
        if before == Some(told) {
            return;
        }
        self.coverage.transition(before.map(|b| b.0), told.0);
        let (says, lease, limit, held_until) = told;
        self.state(Fact::Tells {
            copy: no,
            claim: claim_no,
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
        if let Request::Claim { body, .. } = &mut request {
            body.others = others(copy.claims.iter().filter_map(|c| c.drive.as_ref()), &name);
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
        reply: Option<(crate::history::MsgNo, Reply)>,
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
            copy.inbox.push_back(Box::new(move |w| {
                w.hears(no, life, tag, answer, reply);
            }));
            return;
        }
        let awaited = claim.awaits.take_if(|t| *t == tag);
        // An answer that nobody awaits goes to the drive all the same: it must not matter.
        if let Some((msg, reply)) = reply.filter(|_| awaited.is_some()) {
            claim.heard = Some(Fact::Heard {
                copy: no,
                claim: claim.no,
                msg,
                reply,
            });
        }
        let clock = copy.read(now);
        if let Some(drive) = copy.claim(life).and_then(|c| c.drive.as_mut()) {
            drive.landed(clock, tag, answer, &mut Dice(&mut self.rng));
            self.drive(no, life);
        }
    }

    fn describe(&mut self, r: &Request) -> Msg {
        let lease_of = |e: &mooring_core::license::Envelope| super::server::paper_no(e);
        match r {
            Request::Claim { body, .. } => Msg::Claim {
                items: self.items_of(&body.items),
                secret: self.secret_no(body.secret_hash),
                shows_secret: body.secret.is_some(),
                held: body
                    .held
                    .as_ref()
                    .and_then(|h| self.tokens.get(&lease_of(&h.lease)?))
                    .map(|t| lease_no(t.lease)),
                ticket: body
                    .ticket
                    .as_ref()
                    .and_then(|t| self.tickets.get(&lease_of(&t.ticket)?))
                    .map(|t| lease_no(t.lease)),
                runs_after_held: body.standing == Standing::Held,
                runs_optimistic: body.standing == Standing::Optimistic,
            },
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

    /// Items as the history has them.
    pub(super) fn items_of(&self, items: &[Item]) -> Items {
        let at = |i: &Item| {
            self.names
                .products
                .iter()
                .position(|p| *p == i.product)
                .unwrap_or(0)
        };
        items.iter().map(|i| (at(i), i.seats.get())).collect()
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
                c.drive = Some(Drive::restore(c.spec.clone(), c.kind, saved, clock));
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
            self.claim_begins_after(ASKS_AGAIN, no, c.no, c.kind, c.items);
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

    /// The application gives its first claim back.
    pub(super) fn gives_back(&mut self, no: CopyNo, how: GivesBack) {
        let Some(copy) = self.copies.get_mut(&no).filter(|c| c.runs()) else {
            return;
        };
        let first = copy.claims.iter().find(|c| c.given_back.is_none());
        let Some((life, claim, kind, items)) =
            first.map(|c| (c.life, c.no, c.kind, c.items.clone()))
        else {
            return;
        };
        let at_once = how.at_once && kind != ClaimKind::Pod;
        if let Some(after) = how.crash {
            self.sidecar_will_crash(no, after, how.again.max(ASKS_AGAIN));
        }
        let then = if at_once {
            Then::End
        } else {
            Then::Again(how.again)
        };
        self.claim_is_given_back(no, life, then);
        if at_once {
            self.claim_begins_after(how.again, no, claim, kind, items);
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
            Some(Then::Again(ms)) => self.claim_begins_after(ms, no, c.no, c.kind, c.items),
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
        if !self.copies.values().any(|c| c.holder == copy.holder) {
            let after = self.rng.u64(0..20_000);
            self.after(after, move |w| w.operator_learns_gone(copy.holder));
        }
    }

    /// The machine stands still.
    pub(super) fn suspends(&mut self, no: CopyNo, lasts: Ms) {
        let now = self.now;
        let Some(copy) = self
            .copies
            .get_mut(&no)
            .filter(|c| c.asleep_since.is_none())
        else {
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
        let mut life = self.planned;
        let claims: Vec<Claim> = c
            .claims
            .iter()
            .filter(|c| c.given_back.is_none())
            .filter_map(|c| {
                let saved = c.saved.clone()?;
                life += 1;
                Some(Claim {
                    no: c.no,
                    kind: c.kind,
                    spec: c.spec.clone(),
                    items: c.items.clone(),
                    secret: c.secret,
                    drive: Some(Drive::restore(c.spec.clone(), c.kind, saved.clone(), clock)),
                    saved: Some(saved),
                    life,
                    wake: 0,
                    awaits: None,
                    told: None,
                    heard: None,
                    given_back: None,
                })
            })
            .collect();
        if claims.len() != c.claims.len() {
            return;
        }
        let copy = Copy {
            holder: c.holder,
            plan: c.plan.clone(),
            clock: c.clock,
            asleep: c.asleep,
            asleep_since: None,
            inbox: VecDeque::new(),
            up: true,
            claims,
            ending: false,
            crash: None,
        };
        self.planned = life;
        let no = CopyNo(self.next_copy);
        self.next_copy += 1;
        let lives = copy.lives();
        self.copies.insert(no, copy);
        self.state(Fact::Copied { from, to: no });
        for life in lives {
            self.drive(no, life);
        }
    }

    /// Somebody reads a holder's token off the wire and shows it as its own, several times, with
    /// another secret.
    pub(super) fn steals(&mut self, from: CopyNo, lasts: Ms) {
        let Some(claim) = self.copies.get(&from).and_then(|c| c.claims.first()) else {
            return;
        };
        let bundle = claim.drive.as_ref().and_then(|d| d.holder().bundle());
        let Some(bundle) = bundle.cloned() else {
            return;
        };
        let (items, name, claim) = (claim.spec.items.clone(), claim.spec.name.clone(), claim.no);
        let Some(holder) = self.copies.get(&from).map(|c| c.holder) else {
            return;
        };
        let (_, secret) = self.new_secret();
        for _ in 0..5 {
            let body = wire::ClaimRequest {
                items: items.clone(),
                secret_hash: secret.hash(),
                request_id: mooring_core::holder::Random::request_id(&mut Dice(&mut self.rng)),
                standing: Standing::Held,
                licensed_for: None,
                counter: Some(u64::MAX / 2),
                others: Vec::new(),
                heard: None,
                ticket: None,
                held: Some(wire::HeldProof {
                    delegation: bundle.delegation.clone(),
                    lease: bundle.lease.clone(),
                    counter: 1,
                }),
                secret: self.rng.bool().then(|| secret.clone()),
                holder: Some(Self::real_holder(holder)),
            };
            let at = self.now + self.rng.u64(0..lasts.max(1));
            let name = name.clone();
            self.at(at, move |w| {
                let request = Request::Claim {
                    body: Box::new(body),
                    wait: None,
                    bearer: false,
                };
                let (msg, what) = (w.new_msg(), w.describe(&request));
                w.arrives(Rc::new(Packet {
                    msg,
                    copy: from,
                    holder,
                    claim,
                    name,
                    // Its answer is for nobody here.
                    life: 0,
                    tag: Tag::none(),
                    request,
                    what,
                }));
            });
        }
    }

    /// Everybody is up, awake and alone.
    pub(super) fn pods_heal(&mut self) {
        for no in self.copies.keys().copied().collect::<Vec<_>>() {
            self.resumes(no);
            self.sidecar_starts(no);
        }
        // Of several copies one stays; a copy that was told so does not come back by itself.
        let mut seen = std::collections::HashSet::new();
        for no in self.copies.keys().copied().collect::<Vec<_>>() {
            let Some(c) = self.copies.get(&no) else {
                continue;
            };
            let cloned = c
                .claims
                .iter()
                .any(|c| c.drive.as_ref().is_some_and(|d| d.holder().is_copy()));
            if cloned || !seen.insert(c.holder) {
                self.pod_dies(no);
            }
        }
    }

    /// The true holder as the server knows it.
    pub(super) fn real_holder(no: HolderNo) -> mooring_core::identity::Holder {
        mooring_core::identity::Holder::Pod {
            // Some are not entitled.
            namespace: if no.0 % 89 == 88 { "other" } else { "ns" }.into(),
            pod: format!("pod-{}", no.0),
            uid: format!("uid-{}", no.0),
            service_account: "default".into(),
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

fn says(s: HoldState) -> Says {
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
