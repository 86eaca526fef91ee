//! Pods with their sidecars: the real `Holder`, and an edge that saves, sends, hears, crashes and is suspended.

use super::{Dice, World, lease_no};
use crate::clock::Clock;
use crate::history::{
    ClaimNo, CopyNo, Fact, HolderNo, Items, LeaseNo, Ms, Msg, Reply, Says, SecretNo,
};
use crate::plan::Pod;
use mooring_core::holder::{Answer, Holder, Request, Saved, Spec, Step, Tag};
use mooring_core::mutant::{self, Mutant};
use mooring_core::names::{ClaimName, Seats};
use mooring_core::policy::Start;
use mooring_core::request::Item;
use mooring_core::secret::SecretHash;
use mooring_core::time::BootTime;
use mooring_core::wire::{self, HoldState, Standing};
use std::collections::VecDeque;
use std::time::Duration;

/// One lineage of sidecar processes over one state volume.
pub(super) struct Copy {
    pub(super) holder: HolderNo,
    pub(super) plan: Pod,
    clock: Clock,
    /// True time that the machine was suspended: what CLOCK_MONOTONIC leaves out.
    asleep: Ms,
    asleep_since: Option<Ms>,
    /// What came while the machine stood still.
    inbox: VecDeque<super::Act>,
    up: bool,
    pub(super) claims: Vec<Claim>,
    /// The pod ends once all is given back.
    ending: bool,
}

/// One claim of it.
pub(super) struct Claim {
    spec: Spec,
    items: Items,
    secret: SecretNo,
    machine: Option<Holder>,
    saved: Option<Saved>,
    /// The wake-up that counts.
    wake: u64,
    /// Which machine this is: what was meant for an earlier one reaches nobody.
    life: u64,
    /// The request whose answer is awaited.
    awaits: Option<Tag>,
    told: Option<Told>,
    /// What becomes of it once it was given back; `None`: it was not.
    given_back: Option<Then>,
}

/// What the application was told: state, lease, limit, until when `Held`.
type Told = (Says, Option<LeaseNo>, Option<Ms>, Option<Ms>);

/// What follows when a claim was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    End,
    /// After so long a new one begins.
    Again(Ms),
}

impl Copy {
    /// What the clock shows that the sidecar goes by.
    fn read(&self, now: Ms) -> BootTime {
        let boot = self.clock.read(now);
        if mutant::on(Mutant::MonotonicClock) {
            boot - Duration::from_millis(self.asleep)
        } else {
            boot
        }
    }

    /// The true time at which it shows `b`.
    fn when(&self, b: BootTime) -> Option<Ms> {
        let b = if mutant::on(Mutant::MonotonicClock) && b != BootTime::NEVER {
            b + Duration::from_millis(self.asleep)
        } else {
            b
        };
        self.clock.when(b)
    }

    /// Whether it has a claim that was not given back.
    pub(super) fn asks(&self) -> bool {
        self.claims.iter().any(|c| c.saved.is_some())
    }

    /// Whether it can do anything.
    fn runs(&self) -> bool {
        self.up && self.asleep_since.is_none()
    }
}

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
        };
        self.copies.insert(no, copy);
        self.operator.pod_is_there(holder);
        for (i, items) in pod.claims.iter().enumerate() {
            self.claim_begins(no, i, items.clone());
        }
        no
    }

    fn claim_begins(&mut self, no: CopyNo, i: usize, items: Items) {
        let (secret, real) = self.new_secret();
        let Some(copy) = self.copies.get(&no) else {
            return;
        };
        let (holder, optimistic, max_grace) =
            (copy.holder, copy.plan.optimistic, copy.plan.max_grace);
        let Some(name) = claim_name(i) else { return };
        let start = if optimistic {
            Start::Optimistic
        } else {
            Start::Licensed
        };
        let spec = Spec {
            max_grace: Duration::from_millis(max_grace),
            ..Spec::new(name, self.real_items(&items), start)
        };
        let claim_no = ClaimNo(u8::try_from(i).unwrap_or(0));
        self.state(Fact::Begun {
            copy: no,
            holder,
            claim: claim_no,
            secret,
            items: items.clone(),
            start_optimistic: optimistic,
            max_grace,
        });
        let now = self.now;
        self.planned += 1;
        let life = self.planned;
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let machine = Holder::new(spec.clone(), real, copy.read(now));
        let claim = Claim {
            spec,
            items,
            secret,
            saved: Some(machine.saved().clone()),
            machine: Some(machine),
            wake: 0,
            life,
            awaits: None,
            told: None,
            given_back: None,
        };
        match copy.claims.get_mut(i) {
            Some(c) => *c = claim,
            None => copy.claims.push(claim),
        }
        self.drive(no, i);
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

    /// A machine whose claim a copy gave back begins anew by itself.
    fn secret_may_be_new(&mut self, no: CopyNo, i: usize, hash: SecretHash) {
        let secret = self.secret_no(hash);
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let (holder, start_optimistic, max_grace) =
            (copy.holder, copy.plan.optimistic, copy.plan.max_grace);
        let Some(claim) = copy.claims.get_mut(i).filter(|c| c.secret != secret) else {
            return;
        };
        claim.secret = secret;
        let items = claim.items.clone();
        let claim = claim_no(i);
        self.state(Fact::Begun {
            copy: no,
            holder,
            claim,
            secret,
            items,
            start_optimistic,
            max_grace,
        });
    }

    /// Does what a claim's machine says, until it sleeps.
    pub(super) fn drive(&mut self, no: CopyNo, i: usize) {
        loop {
            let now = self.now;
            let Some(copy) = self.copies.get_mut(&no).filter(|c| c.runs()) else {
                return;
            };
            let clock = copy.read(now);
            let Some(claim) = copy.claims.get_mut(i) else {
                return;
            };
            let Some(machine) = &mut claim.machine else {
                return;
            };
            let step = machine.poll(clock, &mut Dice(&mut self.rng));
            if machine.take_dirty() {
                // Saved before it is sent.
                claim.saved = Some(machine.saved().clone());
            }
            let (changes_at, released) = (machine.changes_at(clock), machine.is_released());
            let secret = machine.secret_hash();
            if released {
                claim.machine = None;
                claim.saved = None;
                self.tell_released(no, i);
                return self.after_release(no, i);
            }
            self.secret_may_be_new(no, i, secret);
            self.tell(no, i);
            match step {
                Step::Send {
                    tag,
                    request,
                    timeout,
                } => self.send(no, i, tag, request, timeout),
                Step::Sleep { until } => {
                    let next = until.min(changes_at);
                    let Some(copy) = self.copies.get_mut(&no) else {
                        return;
                    };
                    let at = copy.when(next).map(|t| t.max(now + 1));
                    let Some(claim) = copy.claims.get_mut(i) else {
                        return;
                    };
                    claim.wake += 1;
                    let wake = claim.wake;
                    if let Some(t) = at {
                        self.at(t, move |w| w.wakes(no, i, wake));
                    }
                    return;
                }
            }
        }
    }

    fn wakes(&mut self, no: CopyNo, i: usize, wake: u64) {
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        if copy.claims.get(i).is_none_or(|c| c.wake != wake) {
            return;
        }
        if copy.asleep_since.is_some() {
            copy.inbox.push_back(Box::new(move |w| w.drive(no, i)));
        } else {
            self.drive(no, i);
        }
    }

    /// States what the application is told, if it changed.
    fn tell(&mut self, no: CopyNo, i: usize) {
        let now = self.now;
        let Some(copy) = self.copies.get(&no) else {
            return;
        };
        let Some(claim) = copy.claims.get(i) else {
            return;
        };
        let Some(machine) = &claim.machine else {
            return;
        };
        let s = machine.status(copy.read(now));
        let when = |ms: Option<u64>| ms.and_then(|b| copy.when(BootTime::from_millis(b)));
        let told = (
            says(s.state),
            s.lease.map(lease_no),
            when(s.until_boot_ms),
            when(s.held_until_boot_ms),
        );
        self.tell_this(no, i, told);
    }

    fn tell_released(&mut self, no: CopyNo, i: usize) {
        self.tell_this(no, i, (Says::Released, None, None, None));
    }

    fn tell_this(&mut self, no: CopyNo, i: usize, told: Told) {
        let Some(claim) = self.copies.get_mut(&no).and_then(|c| c.claims.get_mut(i)) else {
            return;
        };
        let before = claim.told.replace(told);
        if before == Some(told) {
            return;
        }
        self.coverage.transition(before.map(|b| b.0), told.0);
        let (says, lease, limit, held_until) = told;
        self.state(Fact::Tells {
            copy: no,
            claim: claim_no(i),
            says,
            lease,
            limit,
            held_until,
        });
    }

    fn send(&mut self, no: CopyNo, i: usize, tag: Tag, mut request: Request, timeout: Duration) {
        if let Request::Claim { body, .. } = &mut request
            && let Some(copy) = self.copies.get(&no)
        {
            let live = copy
                .claims
                .iter()
                .enumerate()
                .filter(|(n, c)| *n != i && c.machine.is_some());
            body.others = live.filter_map(|(n, _)| claim_name(n)).collect();
        }
        let msg = self.new_msg();
        let what = self.describe(&request);
        self.state(Fact::Sent {
            copy: no,
            claim: claim_no(i),
            msg,
            what: what.clone(),
        });
        let Some(copy) = self.copies.get(&no) else {
            return;
        };
        let holder = copy.holder;
        let Some(life) = copy.claims.get(i).map(|c| c.life) else {
            return;
        };
        let packet = super::server::Packet {
            msg,
            copy: no,
            holder,
            claim: i,
            life,
            tag,
            request,
            what,
        };
        if let Some(c) = self.copies.get_mut(&no).and_then(|c| c.claims.get_mut(i)) {
            c.awaits = Some(tag);
        }
        for t in self.net.ways(self.now, no, true) {
            let packet = packet.clone();
            self.at(t, move |w| w.arrives(packet));
        }
        // The machine's own clock says when it has waited long enough.
        let Some(copy) = self.copies.get(&no) else {
            return;
        };
        let at = copy.when(copy.read(self.now) + timeout).unwrap_or(self.now);
        self.at(at, move |w| {
            w.hears(
                no,
                i,
                life,
                tag,
                Answer::NoContact("no answer in time".into()),
                None,
            );
        });
    }

    /// An answer, or its absence, comes to a sidecar.
    pub(super) fn hears(
        &mut self,
        no: CopyNo,
        i: usize,
        life: u64,
        tag: Tag,
        answer: Answer,
        reply: Option<(crate::history::MsgNo, Reply)>,
    ) {
        let now = self.now;
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        if !copy.up || copy.claims.get(i).is_none_or(|c| c.life != life) {
            return;
        }
        if copy.asleep_since.is_some() {
            copy.inbox.push_back(Box::new(move |w| {
                w.hears(no, i, life, tag, answer, reply);
            }));
            return;
        }
        let awaits = copy.claims.get_mut(i).map(|c| &mut c.awaits);
        let awaited = awaits.and_then(|a| a.take_if(|t| *t == tag));
        // An answer that nobody awaits goes to the machine all the same: it must not matter.
        if let Some((msg, reply)) = reply.filter(|_| awaited.is_some()) {
            self.state(Fact::Heard {
                copy: no,
                claim: claim_no(i),
                msg,
                reply,
            });
        }
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        let clock = copy.read(now);
        let Some(machine) = copy.claims.get_mut(i).and_then(|c| c.machine.as_mut()) else {
            return;
        };
        machine.answered(clock, tag, answer, &mut Dice(&mut self.rng));
        self.drive(no, i);
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

    /// The sidecar is killed; started again after a while.
    pub(super) fn sidecar_crashes(&mut self, no: CopyNo, down: Ms) {
        let Some(copy) = self.copies.get_mut(&no).filter(|c| c.up) else {
            return;
        };
        copy.up = false;
        for c in &mut copy.claims {
            c.machine = None;
        }
        self.state(Fact::SidecarDown(no));
        self.after(down, move |w| w.sidecar_starts(no));
    }

    pub(super) fn sidecar_starts(&mut self, no: CopyNo) {
        let now = self.now;
        let Some(copy) = self.copies.get_mut(&no).filter(|c| !c.up) else {
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
        for c in &mut copy.claims {
            self.planned += 1;
            (c.life, c.awaits) = (self.planned, None);
            let saved = c.saved.clone();
            c.machine = saved.map(|s| Holder::restore(c.spec.clone(), s, clock));
        }
        for i in 0..copy.claims.len() {
            self.drive(no, i);
        }
    }

    /// The application gives a claim back; `then`: what follows.
    pub(super) fn gives_back(&mut self, no: CopyNo, i: usize, then: Then) {
        let now = self.now;
        let Some(copy) = self.copies.get_mut(&no).filter(|c| c.runs()) else {
            return;
        };
        let clock = copy.read(now);
        let Some(claim) = copy.claims.get_mut(i).filter(|c| c.given_back.is_none()) else {
            return;
        };
        let Some(machine) = &mut claim.machine else {
            return;
        };
        claim.given_back = Some(then);
        machine.release(clock);
        self.state(Fact::GivesBack {
            copy: no,
            claim: claim_no(i),
        });
        self.drive(no, i);
    }

    fn after_release(&mut self, no: CopyNo, i: usize) {
        let Some(copy) = self.copies.get(&no) else {
            return;
        };
        let Some(claim) = copy.claims.get(i) else {
            return;
        };
        let items = claim.items.clone();
        match claim.given_back {
            Some(Then::Again(again)) if !copy.ending => {
                self.after(again, move |w| {
                    if w.copies.get(&no).is_some_and(|c| !c.ending && c.runs()) {
                        w.claim_begins(no, i, items);
                    }
                });
            }
            _ if copy.ending && copy.claims.iter().all(|c| c.machine.is_none()) => {
                self.pod_dies(no);
            }
            _ => {}
        }
    }

    /// The pod is asked to end: everything is given back, and after a second it is gone in any case.
    pub(super) fn pod_ends(&mut self, no: CopyNo) {
        let Some(copy) = self.copies.get_mut(&no) else {
            return;
        };
        copy.ending = true;
        for i in 0..copy.claims.len() {
            self.gives_back(no, i, Then::End);
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
        let claims = copy.claims.len();
        self.state(Fact::Resumed(no));
        // Nobody knows what a machine does first when it goes on.
        if self.rng.bool() {
            for i in 0..claims {
                self.drive(no, i);
            }
        }
        if self.rng.bool() {
            inbox.reverse();
        }
        for act in inbox {
            act(self);
        }
        for i in 0..claims {
            self.drive(no, i);
        }
    }

    /// A copy with all its state, on the same machine.
    pub(super) fn copies(&mut self, from: CopyNo) {
        let now = self.now;
        let Some(c) = self.copies.get(&from).filter(|c| c.runs() && !c.ending) else {
            return;
        };
        let clock = c.read(now);
        self.planned += 1;
        let life = self.planned;
        let claims: Vec<Claim> = c
            .claims
            .iter()
            .filter(|c| c.given_back.is_none())
            .filter_map(|c| {
                let saved = c.saved.clone()?;
                Some(Claim {
                    spec: c.spec.clone(),
                    items: c.items.clone(),
                    secret: c.secret,
                    machine: Some(Holder::restore(c.spec.clone(), saved.clone(), clock)),
                    saved: Some(saved),
                    wake: 0,
                    life,
                    awaits: None,
                    told: None,
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
        };
        let no = CopyNo(self.next_copy);
        self.next_copy += 1;
        let n = copy.claims.len();
        self.copies.insert(no, copy);
        self.state(Fact::Copied { from, to: no });
        for i in 0..n {
            self.drive(no, i);
        }
    }

    /// Somebody reads a holder's token off the wire and shows it as its own, several times, with another secret.
    pub(super) fn steals(&mut self, from: CopyNo, lasts: Ms) {
        let Some(claim) = self.copies.get(&from).and_then(|c| c.claims.first()) else {
            return;
        };
        let Some(bundle) = claim.machine.as_ref().and_then(Holder::bundle).cloned() else {
            return;
        };
        let items = claim.spec.items.clone();
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
            self.at(at, move |w| {
                let request = Request::Claim {
                    body: Box::new(body),
                    wait: None,
                    bearer: false,
                };
                let (msg, what) = (w.new_msg(), w.describe(&request));
                w.arrives(super::server::Packet {
                    msg,
                    copy: from,
                    holder,
                    claim: 0,
                    // Its answer is for nobody here.
                    life: 0,
                    tag: Tag::none(),
                    request,
                    what,
                });
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
                .any(|c| c.machine.as_ref().is_some_and(Holder::is_copy));
            if cloned || !seen.insert(c.holder) {
                self.pod_dies(no);
            }
        }
    }

    /// The true holder as the server knows it.
    pub(super) fn real_holder(no: HolderNo) -> mooring_core::identity::Holder {
        mooring_core::identity::Holder::Pod {
            namespace: "ns".into(),
            pod: format!("pod-{}", no.0),
            uid: format!("uid-{}", no.0),
            service_account: "default".into(),
            node: None,
        }
    }
}

pub(super) fn claim_no(i: usize) -> ClaimNo {
    ClaimNo(u8::try_from(i).unwrap_or(u8::MAX))
}

pub(super) fn claim_name(i: usize) -> Option<ClaimName> {
    format!("claim{i}").parse().ok()
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
