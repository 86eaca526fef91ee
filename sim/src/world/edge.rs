//! The server's edge: messages come in, the frontend decides, answers go out.

use super::state::{Packet, SealedFor, World, lease_no};
use crate::history::{Fact, Reply, SecretNo};
use crate::papers::{Documents, Pen};
use mooring_core::frontend::{
    Admitted, Asked, ClaimAnswer, FRESH, InForce, Proven, Signer, Who, admit, answer, entitled,
};
use mooring_core::holder::{Answer, Request};
use mooring_core::identity::Holder;
use mooring_core::ledger::{Claimed, Granted};
use mooring_core::names::LeaseId;
use mooring_core::receipt::Sealed;
use mooring_core::wire::{ClaimRequest, Problem, ProblemType, Renewal, Renewed, WaitReason};
use std::iter::repeat_n;
use std::rc::Rc;
use std::time::Duration;

/// A problem that no version of a sidecar knows.
const FUTURE: &str = "of-the-future";

impl World {
    fn pen(&mut self) -> Option<Pen<'_>> {
        let boot = self.server.machine().boot;
        let run = self.server.run.as_mut()?;
        run.papers += 1;
        Some(Pen {
            instance: run.instance,
            boot,
            identity: &self.identity,
            no: (u64::from(run.no.0) << 40) | run.papers,
            tokens: &mut self.tokens,
        })
    }

    /// A message reaches the server's machine.
    pub(super) fn arrives(&mut self, p: Rc<Packet>) {
        if self.server.run.is_none() {
            // Nobody listens: the connection is refused.
            self.loses_connection(&p);
            return;
        }
        self.when_awake(move |w| w.comes_in(p));
    }

    /// A request that lacks nothing but a fresh delegation waits for that a moment.
    fn comes_in(&mut self, p: Rc<Packet>) {
        let now = self.server.now(self.now);
        let run = self.server.run.as_ref();
        let release = matches!(p.request, Request::Release { .. });
        if release || !run.is_some_and(|r| r.frontend.awaits_delegation(now)) {
            return self.received(&p);
        }
        let most = u64::try_from(FRESH.as_millis()).unwrap_or(0);
        let signing = self.rng.u64(1..most * 5 / 4);
        self.plan_look(Some(signing));
        self.after(signing.min(most) + 1, move |w| {
            if w.server.run.is_none() {
                return w.loses_connection(&p);
            }
            w.when_awake(move |w| w.received(&p));
        });
    }

    /// What the edge says in place of the books, if it does now: a problem, or what no version of
    /// a sidecar knows.
    fn edge_says(&self, p: &Packet) -> Option<(&'static str, Answer)> {
        let (until, n) = self.server.edge?;
        if self.now >= until || matches!(p.request, Request::Release { .. }) {
            return None;
        }
        let all = ProblemType::ALL.iter().copied();
        // These are words about the holder, which nobody says without cause.
        let of_holder = [
            ProblemType::Cloned,
            ProblemType::Revoked,
            ProblemType::GivenBack,
            ProblemType::CalledBack,
        ];
        let known: Vec<_> = all.filter(|k| !of_holder.contains(k)).collect();
        let (kind, name) = match known.get(n % (known.len() + 1)) {
            Some(kind) => (*kind, kind.name()),
            None => (ProblemType::Other, FUTURE),
        };
        let problem = Problem::new(kind, "the edge says so");
        Some((name, Answer::Problem(problem)))
    }

    fn received(&mut self, p: &Rc<Packet>) {
        self.server_ticks();
        if let Some((name, answer)) = self.edge_says(p) {
            return self.answers(p, answer, Reply::Problem(name));
        }
        self.state(Fact::Received {
            msg: p.msg,
            holder: p.holder,
            claim: p.claim,
            what: p.what.clone(),
        });
        match &p.request {
            Request::Renew(r) => self.renews(p, r),
            Request::Release {
                lease,
                secret,
                counter,
            } => {
                let counter = Some(*counter);
                match self.with_frontend(|f, now| f.release(&p.name, *lease, secret, counter, now))
                {
                    Some(Ok(())) => self.answers(p, Answer::Released, Reply::Released),
                    Some(Err(e)) => self.refuses(p, e),
                    None => {}
                }
            }
            Request::Claim { body, wait, bearer } => match self.proves(p, body, *bearer) {
                Ok(proven) => self.claims(p, body, proven, *wait),
                Err(e) => self.refuses(p, e),
            },
        }
    }

    fn renews(&mut self, p: &Rc<Packet>, r: &Renewal) {
        let renewals = std::slice::from_ref(r);
        let policies = self.server.policies.clone();
        let entitled = |h: &Holder| entitled(h, Some(&policies), None);
        let renewed = self.with_frontend(|f, now| f.renew(renewals, entitled, now));
        let Some((renewed, may)) = renewed else {
            return;
        };
        let now = self.server.now(self.now);
        for (lease, granted) in renewed {
            let signed = granted.and_then(|g| {
                let f = may.clone()?;
                let bind = g.bind.map(|b| self.secret_no(b));
                let reply = lease_reply(&g, &f, bind);
                let mut pen = self.pen().ok_or_else(no_run)?;
                let have = r.have.as_ref();
                let renewed = answer::renewed(&mut pen, &f, &g, now, have)?;
                if let Renewed::Ok { receipt, .. } | Renewed::Same { receipt, .. } = &renewed {
                    self.sealed(receipt, &g, &reply);
                }
                Ok((renewed, reply))
            });
            let (renewed, reply) = signed.unwrap_or_else(|problem| {
                let reply = Reply::Problem(problem.kind.name());
                (Renewed::Problem { lease, problem }, reply)
            });
            self.answers(p, Answer::Renewed(Box::new(renewed)), reply);
        }
    }

    /// Who claims: by what is shown, or by a review of its credential.
    fn proves(&self, p: &Rc<Packet>, body: &ClaimRequest, bearer: bool) -> Result<Proven, Problem> {
        let run = self.server.run.as_ref().ok_or_else(no_run)?;
        let papers = Documents {
            tokens: &self.tokens,
            delegations: &self.delegations,
            identity: &self.identity,
            boot: self.server.machine().boot,
        };
        let (authority, clock) = (run.frontend.authority(), run.frontend.clock());
        let facts = (&**authority, clock, self.server.now(self.now));
        match admit(&p.name, body, None, facts, &papers)? {
            Admitted::Proven(proven) => Ok(*proven),
            Admitted::Review(admission) => {
                let who = if !bearer {
                    let detail = "no credential";
                    Err(Problem::new(ProblemType::Unauthenticated, detail))
                } else if self.now < self.server.review_down {
                    let detail = "tokens cannot be reviewed";
                    Err(Problem::new(ProblemType::Overloaded, detail))
                } else {
                    Ok(Who::Holder(Self::real_holder(p.holder)))
                };
                admission.reviewed(who, &papers)
            }
        }
    }

    /// `PUT /v1/claims/{name}`.
    fn claims(
        &mut self,
        p: &Rc<Packet>,
        body: &ClaimRequest,
        proven: Proven,
        wait: Option<Duration>,
    ) {
        let policies = self.server.policies.clone();
        let asked = Asked {
            name: p.name.clone(),
            body,
            entitled: entitled(&proven.holder, Some(&policies), None),
            proven,
            wait,
            new_id: LeaseId::from_bytes(self.rng.u128(..).to_be_bytes()),
        };
        self.with_frontend(|f, now| f.claim(p.clone(), asked, now));
    }

    /// A claim is answered.
    pub(super) fn answers_claim(&mut self, p: &Rc<Packet>, answer: ClaimAnswer) {
        let now = self.server.now(self.now);
        let bind = answer.as_ref().ok().and_then(|(claimed, _)| match claimed {
            Claimed::Granted(g) => g.bind,
            Claimed::Waiting(p) => p.bind,
        });
        let bind = bind.map(|b| self.secret_no(b));
        let signed = answer.and_then(|(claimed, f)| match claimed {
            Claimed::Granted(g) => {
                let reply = lease_reply(&g, &f, bind);
                let mut pen = self.pen().ok_or_else(no_run)?;
                let grant = answer::grant(&mut pen, &f, g.clone(), now)?;
                self.sealed(&grant.receipt, &g, &reply);
                Ok((Answer::Granted(Box::new(grant)), reply))
            }
            Claimed::Waiting(place) => {
                let reply = Reply::Waiting {
                    lease: lease_no(place.lease),
                    place: place.place,
                    settling: place.reason == WaitReason::Settling,
                    held_back: place.reason == WaitReason::Policy,
                    bind,
                };
                let pen = self.pen().ok_or_else(no_run)?;
                let waiting = answer::waiting(pen.run(), &f, place, now);
                let of = SealedFor {
                    lease: lease_no(waiting.lease),
                    given: None,
                };
                self.sealed.insert(waiting.ticket.clone(), of);
                Ok((Answer::Waiting(Box::new(waiting)), reply))
            }
        });
        match signed {
            Ok((answer, reply)) => self.answers(p, answer, reply),
            Err(e) => self.refuses(p, e),
        }
    }

    /// Notes what a receipt is of.
    fn sealed(&mut self, receipt: &Sealed, g: &Granted, reply: &Reply) {
        let Reply::Lease { run_for, .. } = reply else {
            return;
        };
        let received = self.server.machine().clock.when(g.received);
        let of = SealedFor {
            lease: lease_no(g.lease),
            given: received.map(|t| (t, *run_for)),
        };
        self.sealed.insert(receipt.clone(), of);
    }

    fn refuses(&mut self, p: &Rc<Packet>, e: Problem) {
        let reply = Reply::Problem(e.kind.name());
        self.answers(p, Answer::Problem(e), reply);
    }

    fn answers(&mut self, p: &Rc<Packet>, answer: Answer, reply: Reply) {
        self.state(Fact::Answered {
            msg: p.msg,
            reply: reply.clone(),
        });
        let ways = self.net.ways(self.now, p.copy, false);
        let answers = repeat_n((answer, reply), ways.len());
        for (t, (answer, reply)) in ways.into_iter().zip(answers) {
            let (copy, life, tag, msg) = (p.copy, p.life, p.tag, p.msg);
            self.at(t, move |w| {
                w.hears(copy, life, tag, answer, Some((msg, reply)));
            });
        }
    }
}

fn no_run() -> Problem {
    Problem::new(ProblemType::Overloaded, "no run")
}

fn lease_reply(g: &Granted, f: &InForce, bind: Option<SecretNo>) -> Reply {
    let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let terms = answer::limits(f, g, g.received);
    Reply::Lease {
        lease: lease_no(g.lease),
        lease_for: ms(terms.lease_for),
        run_for: ms(terms.run_for),
        called_back: g.called_back.is_some(),
        bind,
    }
}
