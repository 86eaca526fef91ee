//! What reaches a server and what it answers.

use super::history::{Answered, LineStance, Sends, SiteFact};
use super::net::Way;
use super::servers::PRODUCT;
use super::state::{Site, SitePacket};
use crate::papers::{Documents, Pen};
use mooring_core::frontend::{Admitted, Asked, ClaimAnswer, Proven, Signer, Who, admit, answer};
use mooring_core::holder::{Answer, Request};
use mooring_core::identity::Holder;
use mooring_core::ledger::Claimed;
use mooring_core::names::{ClaimName, LeaseId, Seats};
use mooring_core::request::Item;
use mooring_core::wire::{ClaimRequest, Problem, ProblemType, Renewal, Renewed, Stance};
use std::rc::Rc;
use std::time::Duration;

/// What a request is.
pub(super) fn sends(r: &Request) -> Sends {
    match r {
        Request::Claim { body, .. } => Sends::Claim {
            stands: match body.stance {
                Stance::Gathers => LineStance::Gathers,
                Stance::Yields => LineStance::Yields,
                Stance::Rests => LineStance::Rests,
            },
            shows: body.ticket.is_some() || body.held.is_some(),
        },
        Request::Renew(_) => Sends::Renewal,
        Request::Release { .. } => Sends::Release,
    }
}

/// So many seats of what all servers sell.
pub(super) fn items(seats: u32) -> Vec<Item> {
    let item = || {
        Some(Item {
            product: PRODUCT.parse().ok()?,
            seats: Seats::new(seats)?,
            version: None,
        })
    };
    item().into_iter().collect()
}

fn reply(answer: &Answer) -> Answered {
    use ProblemType as T;
    let of = |p: &Problem| match p.kind {
        T::NotEntitled | T::UnknownProduct | T::ExceedsSeats | T::VersionNotCovered => {
            Answered::Refusal
        }
        _ => Answered::Other,
    };
    match answer {
        Answer::Granted(_) => Answered::Lease,
        Answer::Waiting(w) => Answered::Place(w.place),
        Answer::Renewed(r) => match &**r {
            Renewed::Ok { .. } | Renewed::Same { .. } => Answered::Lease,
            Renewed::Problem { problem, .. } => of(problem),
        },
        Answer::Problem(p) => of(p),
        _ => Answered::Other,
    }
}

fn no_run() -> Problem {
    Problem::new(ProblemType::Overloaded, "no run")
}

impl Site {
    /// A message reaches a server's machine.
    pub(super) fn arrives(&mut self, p: &Rc<SitePacket>) {
        if self.servers[p.server].run.is_none() {
            // Nobody listens: the connection is refused.
            self.loses_connection(p);
            return;
        }
        self.server_ticks(p.server);
        self.state(SiteFact::Received {
            pod: p.pod,
            server: p.server,
            msg: p.msg,
            what: sends(&p.request),
        });
        match &p.request {
            Request::Renew(r) => self.renews(p, r),
            Request::Release {
                lease,
                secret,
                counter,
            } => {
                let (name, counter) = (ClaimName::pod(), Some(*counter));
                let released = self.with_frontend(p.server, |f, now| {
                    f.release(&name, *lease, secret, counter, now)
                });
                match released {
                    Some(Ok(())) => self.answers(p, &Answer::Released),
                    Some(Err(e)) => self.answers(p, &Answer::Problem(e)),
                    None => {}
                }
            }
            Request::Claim { body, wait, bearer } => match self.proves(p, body, *bearer) {
                Ok(proven) => self.claims(p, body, proven, *wait),
                Err(e) => self.answers(p, &Answer::Problem(e)),
            },
        }
    }

    fn pen(&mut self, p: &Rc<SitePacket>) -> Result<Pen<'_>, Problem> {
        let s = &mut self.servers[p.server];
        let run = s.run.as_mut().ok_or_else(no_run)?;
        run.papers += 1;
        Ok(Pen {
            instance: run.instance,
            boot: s.boot,
            identity: &s.identity,
            no: (run.no << 40) | run.papers,
            tokens: &mut s.tokens,
        })
    }

    fn renews(&mut self, p: &Rc<SitePacket>, r: &Renewal) {
        let renewals = std::slice::from_ref(r);
        let renewed = self.with_frontend(p.server, |f, now| f.renew(renewals, |_| Ok(()), now));
        let Some((renewed, may)) = renewed else {
            return;
        };
        let clocks = self.servers[p.server].clocks(self.now);
        for (lease, granted) in renewed {
            let signed = granted.and_then(|g| {
                let f = may.clone()?;
                answer::renewed(&mut self.pen(p)?, &f, &g, clocks, r.have.as_ref())
            });
            let renewed = signed.unwrap_or_else(|problem| Renewed::Problem { lease, problem });
            self.answers(p, &Answer::Renewed(Box::new(renewed)));
        }
    }

    /// Who claims: by what is shown, or by a review of its credential.
    fn proves(
        &self,
        p: &Rc<SitePacket>,
        body: &ClaimRequest,
        bearer: bool,
    ) -> Result<Proven, Problem> {
        let s = &self.servers[p.server];
        let run = s.run.as_ref().ok_or_else(no_run)?;
        let papers = Documents {
            tokens: &s.tokens,
            delegations: &s.delegations,
            identity: &s.identity,
            boot: s.boot,
        };
        let facts = (
            &**run.frontend.authority(),
            run.frontend.clock(),
            s.clocks(self.now),
        );
        let name = ClaimName::pod();
        match admit(&name, body, None, facts, &papers)? {
            Admitted::Proven(proven) => Ok(*proven),
            Admitted::Review(admission) => {
                let credential = bearer.then(|| {
                    Who::Holder(Holder::Pod {
                        namespace: "ns".into(),
                        pod: format!("pod-{}", p.pod.0),
                        uid: format!("uid-{}", p.pod.0),
                        service_account: "sa".into(),
                        node: None,
                    })
                });
                let none = || Problem::new(ProblemType::Unauthenticated, "no credential");
                admission.reviewed(credential.ok_or_else(none), &papers)
            }
        }
    }

    fn claims(
        &mut self,
        p: &Rc<SitePacket>,
        body: &ClaimRequest,
        proven: Proven,
        wait: Option<Duration>,
    ) {
        let asked = Asked {
            name: ClaimName::pod(),
            body,
            entitled: Ok(()),
            proven,
            wait,
            new_id: LeaseId::from_bytes(self.rng.u128(..).to_be_bytes()),
        };
        self.with_frontend(p.server, |f, now| f.claim(p.clone(), asked, now));
    }

    /// A claim is answered.
    pub(super) fn answers_claim(&mut self, p: &Rc<SitePacket>, answer: ClaimAnswer) {
        let clocks = self.servers[p.server].clocks(self.now);
        let signed = answer.and_then(|(claimed, f)| {
            let mut pen = self.pen(p)?;
            Ok(match claimed {
                Claimed::Granted(g) => {
                    Answer::Granted(Box::new(answer::grant(&mut pen, &f, g, clocks)?))
                }
                Claimed::Waiting(place) => {
                    Answer::Waiting(Box::new(answer::waiting(pen.run(), &f, place, clocks)))
                }
            })
        });
        self.answers(p, &signed.unwrap_or_else(Answer::Problem));
    }

    fn answers(&mut self, p: &Rc<SitePacket>, answer: &Answer) {
        if let Answer::Problem(_) = answer {
            self.state(SiteFact::Refuses {
                pod: p.pod,
                server: p.server,
                msg: p.msg,
            });
        }
        self.comes_back(p, answer, Some(reply(answer)));
    }

    /// What is said in reply to a message is on its way.
    pub(super) fn comes_back(
        &mut self,
        p: &Rc<SitePacket>,
        answer: &Answer,
        says: Option<Answered>,
    ) {
        let way = Way {
            pod: p.pod,
            server: p.server,
            up: false,
            release: false,
        };
        for t in self.net.ways(self.now, way) {
            let (p, answer) = (p.clone(), answer.clone());
            self.at(t, move |w| w.hears(&p, answer, says));
        }
    }
}
