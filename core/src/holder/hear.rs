//! What an answer changes (docs/protocol.md, "States at the holder").

use super::{Answer, Bar, Claimant, Outstanding, Papers, Random, Releasing, Tag};
use crate::license::Bundle;
use crate::mutant::{self, Mutant};
use crate::names::{InstanceId, LeaseId, TermsId};
use crate::policy::OptimisticStart;
use crate::receipt::Sealed;
use crate::secret::Secret;
use crate::time::{BootTime, LONGEST_GRACE, MAX_LEASE};
use crate::wire::{Grant, HoldState, Problem, ProblemType, Renewed, Waiting};
use std::sync::Arc;
use std::time::Duration;

/// The pause between two requests of a claim in line: the server holds each open, so this is all
/// the time in which a grant must wait to be fetched.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What a grant and a renewal both say.
struct Terms {
    lease: LeaseId,
    /// None: the run that was heard last.
    instance: Option<InstanceId>,
    lease_for: Duration,
    run_for: Duration,
    max_contested: Duration,
    optimistic_start: OptimisticStart,
    counter: u64,
    called_back: Option<Problem>,
    receipt: Sealed,
    /// What of it was said anew.
    news: Option<News>,
}

/// The name of the terms, and the token that came with them; none if something of it is lacking.
struct News(TermsId, Option<Bundle>);

impl Terms {
    /// Within what any server may rightly say, so that no number of one stalls this side. A shorter
    /// lease than the protocol's shortest is kept as it is told: its server goes by it.
    fn bounded(self) -> Self {
        let run_for = self.run_for.min(LONGEST_GRACE);
        Self {
            lease_for: self.lease_for.min(MAX_LEASE),
            run_for,
            max_contested: self.max_contested.min(LONGEST_GRACE),
            ..self
        }
    }
}

/// What is kept of an answer, with what is kept of those before. A token that lacks a document
/// leaves the one before, and the next answer is to say all.
fn papers(
    before: Option<Papers>,
    sent: BootTime,
    run_for: Duration,
    receipt: Sealed,
    news: Option<News>,
) -> Option<Papers> {
    let (terms, bundle) = match news {
        Some(News(terms, Some(bundle))) => (Some(terms), Some(Arc::new(bundle))),
        Some(News(_, None)) => (None, None),
        None => (before.as_ref().and_then(|p| p.terms), None),
    };
    let token_sent = match (&bundle, &before) {
        (None, Some(p)) => p.token_sent,
        _ => sent,
    };
    Some(Papers {
        bundle: bundle.or(before.map(|p| p.bundle))?,
        token_sent,
        receipt,
        sent,
        terms,
        run_for,
    })
}

/// The claim is over, and another may begin.
fn is_over(kind: ProblemType) -> bool {
    matches!(kind, ProblemType::GivenBack | ProblemType::CalledBack)
}

impl Claimant {
    /// Takes an answer in. One to another request than the last is ignored.
    pub(super) fn answered(
        &mut self,
        now: BootTime,
        tag: Tag,
        answer: Answer,
        random: &mut dyn Random,
    ) {
        let Some(out) = self.outstanding.filter(|o| o.tag == tag) else {
            return;
        };
        self.outstanding = None;
        self.advance(now);
        self.dirty = true;
        match &answer {
            Answer::Unsent(_) if !mutant::on(Mutant::OwnFaultHeardAsSilence) => {
                self.asked_nobody(now);
            }
            Answer::NoContact(_) | Answer::Unsent(_) => self.heard_nothing(out, now),
            Answer::Problem(p) => self.heard_something(Some(p.kind)),
            _ => self.heard_something(None),
        }
        if self.releasing != Releasing::No {
            return self.hear_while_releasing(answer);
        }
        let fraction = random.fraction();
        match answer {
            Answer::Granted(g) => self.granted(out.sent, *g, now, fraction),
            Answer::Waiting(w) => self.waits(out, *w, now, fraction),
            Answer::Renewed(r) => match *r {
                ok @ (Renewed::Ok { .. } | Renewed::Same { .. }) => {
                    self.renewed(out.sent, ok, now, fraction);
                }
                Renewed::Problem { problem: p, .. } if is_over(p.kind) => {
                    self.given_back(random.secret(), &p, now);
                }
                Renewed::Problem { problem: p, .. } => {
                    self.problem(&p, out.sent, now, fraction);
                }
            },
            Answer::Problem(p) if is_over(p.kind) => {
                self.given_back(random.secret(), &p, now);
            }
            Answer::Problem(p) => self.problem(&p, out.sent, now, fraction),
            Answer::Released => {}
            Answer::Unreadable(why) | Answer::NoContact(why) => {
                self.told(why, out.sent);
                self.back_off(now, None, fraction);
            }
            Answer::Unsent(p) => {
                self.told(p.to_string(), out.sent);
                self.back_off(now, None, fraction);
            }
        }
        self.advance(now);
    }

    /// A claim's answer may still come while it is given back: then what it gave is given back,
    /// too.
    fn hear_while_releasing(&mut self, answer: Answer) {
        match answer {
            _ if self.releasing != Releasing::Asked => self.releasing = Releasing::Done,
            Answer::Granted(g) => self.s.lease = Some(g.lease),
            Answer::Waiting(w) => self.s.lease = Some(w.lease),
            _ => self.releasing = Releasing::Done,
        }
    }

    fn granted(&mut self, sent: BootTime, g: Grant, now: BootTime, fraction: f64) {
        self.knows_part = self.said_part;
        self.s.holder = Some(g.holder.into());
        // The same, as the license spells it.
        if g.items == self.s.items {
            self.s.items = g.items;
        }
        // A grant may begin the counter anew at the server; ours never goes back.
        let t = Terms {
            lease: g.lease,
            instance: Some(g.instance),
            lease_for: g.lease_for,
            run_for: g.run_for,
            max_contested: g.max_contested,
            optimistic_start: g.optimistic_start,
            counter: g.counter,
            called_back: g.called_back,
            receipt: g.receipt,
            news: Some(News(g.terms, Some(g.token))),
        };
        self.holds(sent, t, now, fraction);
    }

    fn renewed(&mut self, sent: BootTime, r: Renewed, now: BootTime, fraction: f64) {
        let papers = self.s.papers.as_ref();
        let t = match r {
            Renewed::Ok {
                lease,
                instance,
                lease_for,
                run_for,
                max_contested,
                optimistic_start,
                counter,
                called_back,
                terms,
                receipt,
                token,
            } => Terms {
                lease,
                instance: Some(instance),
                lease_for,
                run_for,
                max_contested,
                optimistic_start,
                counter,
                called_back: called_back.map(|p| *p),
                receipt,
                news: Some(News(terms, token.complete(papers.map(|p| &*p.bundle)))),
            },
            // As it was told before: only who shows what that was is answered so.
            Renewed::Same {
                lease,
                counter,
                receipt,
                ..
            } => Terms {
                lease,
                instance: None,
                lease_for: self.s.lease_for,
                run_for: papers.map_or(Duration::ZERO, |p| p.run_for),
                max_contested: self.s.max_contested,
                optimistic_start: self.s.optimistic_start,
                counter,
                called_back: self.s.called_back.as_deref().cloned(),
                receipt,
                news: None,
            },
            Renewed::Problem { .. } => return,
        };
        self.holds(sent, t, now, fraction);
    }

    fn holds(&mut self, sent: BootTime, t: Terms, now: BootTime, fraction: f64) {
        let t = t.bounded();
        let (before, licensed) = (self.s.limit, self.s.state.is_licensed());
        let s = &mut self.s;
        s.state = HoldState::Held;
        s.lease = Some(t.lease);
        s.papers = papers(s.papers.take(), sent, t.run_for, t.receipt, t.news);
        s.ticket = None;
        s.pending = None;
        s.counter = s.counter.max(t.counter);
        s.lease_for = t.lease_for;
        s.max_contested = t.max_contested;
        s.optimistic_start = t.optimistic_start;
        let from = if mutant::on(Mutant::DurationFromResponse) {
            now
        } else {
            sent
        };
        s.held_until = from + t.lease_for;
        s.limit = sent + t.run_for.min(self.spec.max_grace).max(t.lease_for);
        if mutant::on(Mutant::GraceFromExpiry) {
            s.limit = s.limit + t.lease_for;
        }
        // Fixed when it was first called back: another run of the server lengthens it no more than
        // this one.
        let run_before = t.instance.and_then(|i| s.heard.replace(i));
        let other_run = run_before.is_some() && run_before != t.instance;
        let still = licensed && s.called_back.is_some() && t.called_back.is_some();
        if still && other_run {
            s.ends_at_last = Some(before);
        } else if !still {
            s.ends_at_last = None;
        }
        if let Some(t) = s.ends_at_last {
            s.limit = s.limit.min(t);
            s.held_until = s.held_until.min(t);
        }
        self.message = t.called_back.as_ref().map(|p| format!("called back: {p}"));
        s.called_back = t.called_back.map(Box::new);
        s.was_held = true;
        s.barred = None;
        (self.place, self.reason) = (None, None);
        self.unserved_since = None;
        (self.repeat, self.bearer) = (false, false);
        self.renew_later(sent, fraction);
        self.next_at = self.next_at.max(now);
    }

    fn waits(&mut self, out: Outstanding, mut w: Waiting, now: BootTime, fraction: f64) {
        w.max_contested = w.max_contested.min(LONGEST_GRACE);
        w.retry_in = w.retry_in.min(MAX_LEASE);
        self.s.called_back = None;
        self.s.server = Some(w.server);
        self.knows_part = self.said_part;
        // A place in line shows that a revocation was lifted; a copy does not ask any more.
        self.s.barred = None;
        self.s.max_contested = w.max_contested;
        match self.s.state {
            // Nothing runs by it yet.
            HoldState::Held | HoldState::Grace if self.is_a_part() => {
                self.s.state = HoldState::Waiting;
                self.s.was_held = false;
                self.s.papers = None;
            }
            HoldState::Optimistic | HoldState::Held | HoldState::Grace => {
                self.is_contested(out.sent);
            }
            HoldState::Contested if mutant::on(Mutant::FlappingExtendsContested) => {
                self.s.limit = out.sent + w.max_contested;
            }
            // By a problem, which did not say for how long here.
            HoldState::Contested if self.s.lease.is_none() => self.is_contested(out.sent),
            // Fixed at the first contact: flapping never extends it.
            HoldState::Contested => {}
            _ => {
                self.s.state = HoldState::Waiting;
                self.s.was_held = false;
                self.s.papers = None;
            }
        }
        self.s.heard = Some(w.instance);
        self.s.lease = Some(w.lease);
        self.s.holder = Some(w.holder.into());
        self.s.ticket = Some(w.ticket);
        self.s.pending = None;
        self.place = Some(w.place);
        self.reason = Some(w.reason);
        self.message = Some(w.message).filter(|m| !m.is_empty());
        self.unserved_since = None;
        (self.repeat, self.bearer) = (false, false);
        let first = out.wait.is_none();
        self.retry_in = w.retry_in;
        // A server that does not hold the answer open is not asked in a tight loop.
        let held_open = out.wait.is_some_and(|w| now.since(out.sent) >= w / 2);
        if first || held_open {
            self.attempts = 0;
            self.next_at = now + ASK_AGAIN;
        } else {
            self.back_off(now, Some(Duration::from_millis(200)), fraction);
        }
    }

    /// Runs on until min(its limit, the contact + maxContested).
    fn is_contested(&mut self, sent: BootTime) {
        self.s.state = HoldState::Contested;
        self.s.limit = self.s.limit.min(sent + self.s.max_contested);
    }

    fn problem(&mut self, p: &Problem, sent: BootTime, now: BootTime, fraction: f64) {
        use ProblemType as T;
        let retry = p.retry_after_secs.map(Duration::from_secs);
        match p.kind {
            T::AnchorLost
            | T::LicenseInvalid
            | T::Overloaded
            | T::TooManyClaims
            | T::UpgradeRequired => {
                // Who started in silence hears that there is no seat for it.
                let no_seat = matches!(p.kind, T::LicenseInvalid | T::TooManyClaims);
                if no_seat && self.s.state == HoldState::Optimistic {
                    self.is_contested(sent);
                }
                self.told(p.to_string(), sent);
                self.back_off(now, retry, fraction);
            }
            T::Unauthenticated => {
                self.bearer = true;
                self.told(p.to_string(), sent);
                self.back_off(now, retry, fraction);
            }
            T::UnknownLease => {
                self.s.pending = None;
                self.told(p.to_string(), sent);
                if self.repeat {
                    self.back_off(now, retry, fraction);
                } else {
                    self.repeat = true;
                    self.next_at = now;
                }
            }
            T::NotEntitled | T::UnknownProduct | T::ExceedsSeats | T::VersionNotCovered => {
                self.refused(p, sent, now, fraction);
            }
            T::BadRequest if !self.s.state.is_licensed() => self.refused(p, sent, now, fraction),
            T::Cloned => {
                self.s.barred = Some(Bar::Cloned);
                self.refused(p, sent, now, fraction);
            }
            T::Revoked => {
                self.s.barred = Some(Bar::Revoked);
                self.refused(p, sent, now, fraction);
            }
            T::ClaimChanged
            | T::GivenBack
            | T::CalledBack
            | T::ResumeExpired
            | T::BadRequest
            | T::NotFound
            | T::MethodNotAllowed
            | T::TooLarge
            | T::OperatorOnly
            | T::Other => {
                self.told(p.to_string(), sent);
                // The old claim under this name lapses by itself; asking faster would not help.
                self.back_off(now, retry.or(Some(Duration::from_secs(2))), fraction);
            }
        }
    }

    /// Neither lease nor place came of the request that was sent then, and this is why.
    fn told(&mut self, why: String, sent: BootTime) {
        self.message = Some(why);
        self.reason = None;
        self.unserved_since.get_or_insert(sent);
    }

    /// A copy of this holder has given the claim back, or its seats' owner has them: what it gave
    /// is over, and a new claim begins.
    fn given_back(&mut self, fresh: Secret, p: &Problem, now: BootTime) {
        self.message = Some(p.to_string());
        if self.s.state.is_licensed() {
            self.lose(now);
        }
        self.secret_hash = fresh.hash();
        self.s.secret = fresh;
        (self.s.lease, self.s.papers, self.s.ticket, self.s.pending) = (None, None, None, None);
        (self.repeat, self.bearer) = (false, true);
        self.next_at = now;
    }

    /// The "refused" column: what runs is lost, what waits is refused.
    fn refused(&mut self, p: &Problem, sent: BootTime, now: BootTime, fraction: f64) {
        self.told(p.to_string(), sent);
        if self.s.state.is_licensed() {
            self.lose(now);
        } else if self.s.state != HoldState::Lost {
            self.s.state = HoldState::Refused;
            self.s.ticket = None;
        }
        self.s.pending = None;
        self.repeat = false;
        self.refused_later(now, fraction);
    }
}
