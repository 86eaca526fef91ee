//! The frontend at work: one lock around it, its events and answers handed out, its deadlines kept.
//!
//! Critical sections are short and never wait: signing, reading and writing happen outside.

use crate::audit::Audit;
use crate::events::{Expired, Ring, Stamped};
use mooring_core::audit::{About, Actor, AuditEvent, Credential, Fact, Trail};
use mooring_core::frontend::{
    Asked, Authority, ClaimAnswer, Clock, FRESH, Frontend, InForce, Opener, OwnerAnswer, Renewals,
};
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::ledger::{Capacity, Granted, Ledger};
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::policy::{Reclaim, SeatPolicy};
use mooring_core::request::Item;
use mooring_core::secret::Secret;
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::{EndReason, LeaseView, OwnerClaim, Problem, Renewal};
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use mooring_net::sync::lock;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot, watch};

/// What a request is known by: where its answer goes, and who is told in the audit log to have
/// been refused, if it is.
struct Requester {
    answer: oneshot::Sender<ClaimAnswer>,
    asker: Asker,
}

/// Who asks for what.
pub(crate) struct Asker {
    pub(crate) holder: Holder,
    pub(crate) claim: ClaimName,
    pub(crate) items: Vec<Item>,
    pub(crate) credential: Credential,
}

pub(crate) struct Engine {
    inner: Mutex<Inner>,
    audit: Audit,
    /// The deadline has come nearer.
    nearer: Notify,
    /// Asks the anchor task to look at once.
    pub(crate) look: Notify,
    /// Says that there is an event, or that license, anchor or settling stand otherwise.
    changed: watch::Sender<()>,
}

struct Inner {
    frontend: Frontend<Requester>,
    ring: Ring,
    trail: Trail,
    settling: bool,
    /// The nearest deadline: the timer sleeps until then, or less.
    armed: BootTime,
}

impl Engine {
    /// Takes a ledger into service, in a run that begins at `started`.
    pub(crate) fn new(
        ledger: Ledger,
        authority: Authority,
        started: Now,
        audit: Audit,
    ) -> Arc<Self> {
        audit.note(started.wall, Fact::started(env!("CARGO_PKG_VERSION")));
        let inner = Inner {
            settling: ledger.settling(),
            frontend: Frontend::new(ledger, authority, started),
            ring: Ring::default(),
            trail: Trail::default(),
            armed: BootTime::default(),
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            audit,
            nearer: Notify::new(),
            look: Notify::new(),
            changed: watch::Sender::new(()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Lets the frontend do something now, and hands out what came of it.
    fn with<T>(&self, f: impl FnOnce(&mut Frontend<Requester>, Now) -> T) -> T {
        self.step(None, |frontend, _, now| f(frontend, now))
    }

    /// The same, where somebody does it.
    fn step<T>(
        &self,
        actor: Option<&Actor>,
        f: impl FnOnce(&mut Frontend<Requester>, &mut Trail, Now) -> T,
    ) -> T {
        let mut inner = self.lock();
        let now = clock::now();
        let Inner {
            frontend, trail, ..
        } = &mut *inner;
        let r = f(frontend, trail, now);
        let told = self.hand_out(&mut inner, actor, now);
        drop(inner);
        log(&told);
        r
    }

    /// Whose the seats are from now on.
    pub(crate) fn set_policy(&self, policy: Option<Arc<SeatPolicy>>) {
        self.with(|frontend, now| frontend.set_policy(policy, now));
    }

    pub(crate) fn act<T>(&self, f: impl FnOnce(&mut Ledger, BootTime) -> T) -> T {
        self.with(|frontend, now| frontend.act(now, f))
    }

    /// The same as somebody's deed.
    pub(crate) fn act_by<T>(&self, actor: &Actor, f: impl FnOnce(&mut Ledger, BootTime) -> T) -> T {
        self.step(Some(actor), |frontend, _, now| frontend.act(now, f))
    }

    /// Bars a holder for this reason, or no more.
    pub(crate) fn revoke(&self, holder: &HolderKey, why: Option<&str>, by: Option<Credential>) {
        let actor = by.clone().map(|credential| Actor {
            credential,
            about: About::Holders([holder.clone()].into()),
        });
        self.step(actor.as_ref(), |frontend, trail, now| {
            trail.barred(holder, why, by);
            frontend.act(now, |l, now| l.revoke(holder, why, now));
        });
    }

    /// Asks the ledger something that changes nothing.
    pub(crate) fn ask<T>(&self, f: impl FnOnce(&Ledger, BootTime) -> T) -> T {
        f(self.lock().frontend.ledger(), clock::boot())
    }

    /// Takes a claim. Its answer comes at once, or the moment that it is granted or ends, or when
    /// it has waited long enough.
    pub(crate) fn claim(
        &self,
        asked: Asked<'_>,
        credential: Credential,
    ) -> oneshot::Receiver<ClaimAnswer> {
        let (answer, rx) = oneshot::channel();
        let holder = asked.proven.holder.clone();
        let actor = Actor {
            credential: credential.clone(),
            about: About::Claim(holder.key(), asked.name.clone()),
        };
        let requester = Requester {
            answer,
            asker: Asker {
                holder,
                claim: asked.name.clone(),
                items: asked.body.items.clone(),
                credential,
            },
        };
        self.step(Some(&actor), |frontend, _, now| {
            frontend.claim(requester, asked, now);
        });
        rx
    }

    /// Takes an owner's claim.
    pub(crate) fn own(
        &self,
        claim: OwnerClaim,
        entitled: Result<(), Problem>,
        opener: &impl Opener,
        new_id: LeaseId,
    ) -> OwnerAnswer {
        self.with(|frontend, now| frontend.own(claim, entitled, (opener, new_id), now))
    }

    /// Somebody who is known was refused before the books were asked.
    pub(crate) fn refused(&self, asker: &Asker, why: &Problem) {
        self.step(None, |_, trail, now| note_refused(trail, asker, why, now));
    }

    /// Renews many leases, each for itself, and says what the answers are signed under.
    pub(crate) fn renew(
        &self,
        renewals: &[Renewal],
        entitled: impl Fn(&Holder) -> Result<(), Problem>,
    ) -> (Renewals, Result<Arc<InForce>, Problem>) {
        self.step(None, |frontend, trail, now| {
            let (renewed, may_sign) = frontend.renew(renewals, entitled, now);
            for (lease, renewed) in &renewed {
                let why = match (renewed, &may_sign) {
                    (Ok(granted), Ok(_)) => {
                        trail.renewed(granted);
                        continue;
                    }
                    (Err(why), _) | (Ok(_), Err(why)) => why,
                };
                if let Some((holder, claim, items)) = frontend.ledger().claim_of(*lease) {
                    let of = (&holder, claim, items);
                    trail.refused(of, Some(Credential::Secret), why.kind, now.boot);
                }
            }
            (renewed, may_sign)
        })
    }

    /// The lease for a token that answers the application's own question.
    pub(crate) fn token(
        &self,
        lease: LeaseId,
        secret: &Secret,
    ) -> Result<(Granted, Arc<InForce>), Problem> {
        self.with(|frontend, now| frontend.token(lease, secret, now))
    }

    /// Gives a lease back, or leaves the line.
    pub(crate) fn release(
        &self,
        name: &ClaimName,
        lease: LeaseId,
        secret: &Secret,
        counter: Option<u64>,
    ) -> Result<(), Problem> {
        let actor = Actor {
            credential: Credential::Secret,
            about: About::Lease(lease),
        };
        self.step(Some(&actor), |frontend, _, now| {
            frontend.release(name, lease, secret, counter, now)
        })
    }

    /// What license and anchor allow, and what is known of the time to judge that.
    pub(crate) fn authority(&self) -> (Arc<Authority>, Clock) {
        let inner = self.lock();
        let frontend = &inner.frontend;
        (frontend.authority().clone(), frontend.clock())
    }

    /// What they allow from now on; `counted`: what to count by, where other licenses have come
    /// into force.
    pub(crate) fn set_authority(&self, authority: Authority, counted: Option<(Capacity, Reclaim)>) {
        self.step(None, |frontend, trail, now| {
            if let Some(f) = &authority.in_force {
                trail.in_force(f);
            }
            let authority = Arc::new(authority);
            match counted {
                Some((capacity, reclaim)) => {
                    frontend.take_over(authority, capacity, reclaim, now);
                }
                None => frontend.set_authority(authority, now),
            }
        });
        self.changed.send_replace(());
    }

    /// Waits a moment for the anchor if the wall clock has jumped out of what it has signed: that
    /// alone is mended at once.
    pub(crate) async fn fresh(&self) {
        let awaits = || self.lock().frontend.awaits_delegation(clock::now());
        if !awaits() {
            return;
        }
        let mut changes = self.changes();
        self.look.notify_one();
        let signed = async { while awaits() && changes.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(FRESH, signed).await;
    }

    /// Hands out what came of a step. What it returns is logged after the lock: a log that cannot
    /// be written must stop nobody.
    fn hand_out(&self, inner: &mut Inner, actor: Option<&Actor>, now: Now) -> Vec<Arc<Stamped>> {
        let mut told = Vec::new();
        while let Some(e) = inner.frontend.next_event() {
            inner.trail.happened(&e, actor, now.boot);
            told.push(inner.ring.push(e, now.boot));
        }
        while let Some((requester, answer)) = inner.frontend.next_answer() {
            if let Err(why) = &answer {
                note_refused(&mut inner.trail, &requester.asker, why, now);
            }
            // Whoever asked may have gone.
            let _ = requester.answer.send(answer);
        }
        inner.trail.count(now.boot);
        while let Some(fact) = inner.trail.next_fact() {
            self.audit.note(now.wall, fact);
        }
        let settling = inner.frontend.ledger().settling();
        if std::mem::replace(&mut inner.settling, settling) != settling || !told.is_empty() {
            self.changed.send_replace(());
        }
        let next = inner.frontend.next_deadline();
        if next < inner.armed {
            self.nearer.notify_one();
        }
        inner.armed = next;
        told
    }

    /// Keeps the deadlines until asked to end; then answers all who wait.
    pub(crate) async fn run(&self, shutdown: Shutdown) {
        loop {
            self.with(Frontend::tick);
            let next = self.lock().armed;
            tokio::select! {
                () = clock::sleep_until(next) => {}
                () = self.nearer.notified() => {}
                () = shutdown.asked() => break,
            }
        }
        self.with(Frontend::close);
    }

    /// The run ends: what of it is not in the audit log yet is written there.
    pub(crate) async fn end(&self) {
        self.step(None, |_, trail, _| {
            trail.count(BootTime::NEVER);
            trail.note(Fact::of(AuditEvent::Stopped));
        });
        self.audit.close().await;
    }

    /// All claims, and the event after which they are so.
    pub(crate) fn views(&self) -> (u64, Vec<LeaseView>) {
        let inner = self.lock();
        let views = inner.frontend.ledger().views(clock::boot());
        (inner.ring.last(), views)
    }

    pub(crate) fn last_event(&self) -> u64 {
        self.lock().ring.last()
    }

    /// Up to `most` events after `seq`.
    pub(crate) fn events_after(&self, seq: u64, most: usize) -> Result<Vec<Arc<Stamped>>, Expired> {
        self.lock().ring.after(seq, most)
    }

    /// Follows events, license, anchor, and whether the server settles.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

fn note_refused(trail: &mut Trail, asker: &Asker, why: &Problem, now: Now) {
    let credential = Some(asker.credential.clone());
    let of = (&asker.holder, &asker.claim, &asker.items[..]);
    trail.refused(of, credential, why.kind, now.boot);
}

fn log(told: &[Arc<Stamped>]) {
    for e in told {
        let v = e.as_it_was();
        tracing::info!(
            lease = %v.lease, claim = %v.claim, holder = %v.holder, items = %mooring_core::request::print(&v.items),
            state = %v.state, place = v.place, ended = v.ended.map(EndReason::as_str),
            problem = v.problem.as_ref().map(|p| p.kind.name()), "lease"
        );
    }
}
