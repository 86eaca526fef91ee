//! What is known of holders: their copies, what their applications are told, and what bounds the
//! answers that they heard set to that. No promise is judged here.
//!
//! For each application there are two bounds. `most` is the moment after which it cannot rightly be
//! licensed; `least` is the moment until which it must be. Both come from when requests were sent
//! and what they were answered. An answer that the copy might have rightly ignored (another request
//! was sent since, or it took longer than a holder waits) moves only the bound that this makes
//! weaker.

use foldhash::{HashMap, HashSet};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::lease::ClaimOf;
use super::measure::slack;
use crate::history::{
    ClaimNo, CopyNo, HolderNo, Items, LeaseNo, Ms, Msg, MsgNo, RunNo, Says, SecretNo,
};

/// How long a holder surely waits for an answer.
const WAITS: Ms = 14_900;
/// How long a message is remembered: late ones come an hour late, both ways, and servers freeze.
const REMEMBERED: Ms = 4 * 3_600_000;

/// A claim of one copy.
pub(super) type AppNo = (CopyNo, ClaimNo);

/// A copy of a holder.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownCopy {
    pub(super) holder: HolderNo,
    pub(super) up: bool,
    pub(super) suspended: bool,
    pub(super) dead: bool,
    pub(super) claims: Vec<ClaimNo>,
}

impl KnownCopy {
    /// Its application runs and its sidecar speaks.
    pub(super) fn speaks(&self) -> bool {
        self.up && self.runs()
    }

    /// Its application runs.
    pub(super) fn runs(&self) -> bool {
        !self.suspended && !self.dead
    }
}

/// A request that was answered with a lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirmed {
    pub(super) sent: Ms,
    pub(super) lease_for: Ms,
    pub(super) lease: LeaseNo,
    /// It ends when the grace is over that was told with it.
    pub(super) called_back: bool,
}

/// What an application is told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) says: Says,
    pub(super) lease: Option<LeaseNo>,
    pub(super) limit: Option<Ms>,
    pub(super) held_until: Option<Ms>,
}

/// A claim of one copy: its application.
#[derive(Clone, Debug, Default)]
pub(super) struct App {
    pub(super) holder: HolderNo,
    pub(super) claim: ClaimNo,
    pub(super) secret: SecretNo,
    pub(super) begun: Ms,
    pub(super) items: Items,
    pub(super) start_optimistic: bool,
    pub(super) max_grace: Ms,
    /// What it was told last.
    pub(super) says: Option<Says>,
    /// When that began.
    pub(super) says_since: Ms,
    pub(super) lease: Option<LeaseNo>,
    pub(super) limit: Option<Ms>,
    pub(super) held_until: Option<Ms>,
    pub(super) gave_back: bool,
    /// Another copy gave this very claim back, not having been told `cloned`.
    pub(super) copy_gave_back: bool,
    pub(super) ever_licensed: bool,
    /// The newest request that was answered with a lease.
    pub(super) confirmed: Option<Confirmed>,
    /// Licensed at most until, and the promise that says so; `Held` at most until.
    pub(super) most: Option<Ms>,
    pub(super) most_by: u8,
    pub(super) held_most: Ms,
    /// Licensed at least until.
    pub(super) least: Option<Ms>,
    /// The problem that ends being licensed, if one was heard.
    pub(super) ended_by: Option<&'static str>,
    pub(super) heard_waiting: bool,
    /// The server has answered it, whatever it said.
    pub(super) answered: bool,
    /// When its sidecar's present process asked for it first.
    pub(super) asks_since: Option<Ms>,
    /// When an attempt ended last with nothing heard.
    pub(super) silent_at: Option<Ms>,
    /// It has started with no server in reach.
    pub(super) started_in_silence: bool,
    /// The run that answered last that it waits.
    pub(super) ticket_of: Option<RunNo>,
    /// When it did.
    pub(super) ticket_given: Ms,
    pub(super) last_sent: Option<MsgNo>,
    /// Its sidecar crashed since it was told something last.
    pub(super) crashed: bool,
    /// Which lease its application counts for.
    pub(super) counted: Option<LeaseNo>,
    /// Renewals answered since the copy was made, in one run (that run).
    pub(super) renewed: (u32, RunNo),
}

impl App {
    pub(super) fn new(holder: HolderNo, claim: ClaimNo, secret: SecretNo, begun: Ms) -> Self {
        Self {
            holder,
            claim,
            secret,
            begun,
            most_by: 4,
            ..Self::default()
        }
    }

    pub(super) fn of(&self) -> ClaimOf {
        (self.holder, self.claim)
    }

    /// It was told that it is licensed, and that time has not run out.
    pub(super) fn licensed(&self, now: Ms) -> bool {
        self.says.is_some_and(Says::licensed) && self.limit.is_none_or(|l| now < l)
    }

    /// It was told `Held`, and that time has not run out.
    pub(super) fn held(&self, now: Ms) -> bool {
        self.says == Some(Says::Held) && self.held_until.is_none_or(|h| now < h)
    }

    /// Nothing licenses it beyond `t`.
    pub(super) fn at_most(&mut self, t: Ms, by: u8) {
        if self.most.is_none_or(|m| t < m) {
            self.most = Some(t);
            self.most_by = by;
        }
    }

    /// It need not be licensed beyond `t`.
    pub(super) fn at_least(&mut self, t: Ms) {
        self.least = self.least.map(|l| l.min(t));
    }

    /// A request sent at `sent` was answered with a lease. `fresh`: the holder must have taken that
    /// answer.
    pub(super) fn confirm(&mut self, confirmed: Confirmed, run_for: Ms, fresh: bool) {
        let Confirmed {
            sent,
            lease_for,
            called_back,
            ..
        } = confirmed;
        if self.confirmed.is_some_and(|c| sent < c.sent) {
            return;
        }
        // It goes by the limit that it was told first.
        let was = self.least.filter(|_| called_back);
        let life = run_for.min(self.max_grace).max(lease_for);
        let most = sent + life + slack(life);
        let held = sent + lease_for + slack(lease_for);
        let least = (sent + life).saturating_sub(slack(life));
        if fresh {
            (self.most, self.least) = (Some(most), Some(was.map_or(least, |w| w.min(least))));
            (self.held_most, self.ended_by) = (held, None);
        } else {
            self.most = Some(self.most.map_or(most, |m| m.max(most)));
            self.held_most = self.held_most.max(held);
            self.at_least(least);
        }
        self.most_by = 4;
        self.confirmed = Some(confirmed);
    }
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    from: AppNo,
    pub(super) at: Ms,
    pub(super) secret: SecretNo,
    pub(super) renewal: bool,
    /// How long its application would go on without contact.
    pub(super) runs_for: Ms,
    /// The run whose ticket it shows, if any.
    pub(super) ticket_of: Option<RunNo>,
    /// When that was given.
    pub(super) ticket_given: Ms,
    /// When it was answered first that its claim waits.
    pub(super) told_waiting: Option<Ms>,
    /// The run that received it last, and when it did first.
    received: Option<(RunNo, Ms)>,
    /// The least and most that a contested holder was granted with it.
    pub(super) contested: Option<(Ms, Ms)>,
}

impl Sent {
    pub(super) fn run(&self) -> Option<RunNo> {
        self.received.map(|(r, _)| r)
    }
}

/// All copies and their claims.
#[derive(Debug, Default)]
pub(super) struct Apps {
    pub(super) copies: HashMap<CopyNo, KnownCopy>,
    pub(super) claims: HashMap<AppNo, App>,
    /// All copies that a holder ever had.
    of: HashMap<HolderNo, Vec<CopyNo>>,
    /// When a holder was copied last.
    pub(super) copied: HashMap<HolderNo, Ms>,
    /// Claims, by secret, that some copy gave back.
    given_back: HashSet<(HolderNo, ClaimNo, SecretNo)>,
    sent: HashMap<MsgNo, Sent>,
    order: VecDeque<(Ms, MsgNo)>,
    /// When to look at an application again.
    pub(super) due: BinaryHeap<Reverse<(Ms, AppNo)>>,
}

impl Apps {
    pub(super) fn copies_of(&self, holder: HolderNo) -> &[CopyNo] {
        self.of.get(&holder).map_or(&[], |c| c.as_slice())
    }

    /// The applications of a claim, of copies that are alive.
    pub(super) fn of_claim(
        &self,
        (holder, claim): ClaimOf,
    ) -> impl Iterator<Item = (CopyNo, &KnownCopy, &App)> + Clone {
        self.copies_of(holder).iter().filter_map(move |no| {
            let copy = self.copies.get(no)?;
            let app = self.claims.get(&(*no, claim))?;
            (!copy.dead).then_some((*no, copy, app))
        })
    }

    /// The application gives its claim back.
    pub(super) fn give_back(&mut self, (no, claim): AppNo) {
        let Some(app) = self.claims.get_mut(&(no, claim)) else {
            return;
        };
        app.gave_back = true;
        app.least = None;
        let (holder, secret) = (app.holder, app.secret);
        let rightly = app.ended_by != Some("cloned") || app.says != Some(Says::Lost);
        self.given_back.insert((holder, claim, secret));
        for other in self.of.get(&holder).into_iter().flatten() {
            if let Some(app) = self.claims.get_mut(&(*other, claim)) {
                app.copy_gave_back |= *other != no && rightly && app.secret == secret;
            }
        }
    }

    /// Whether some copy gave this very claim back.
    pub(super) fn given_back(&self, app: &App) -> bool {
        let its = (app.holder, app.claim, app.secret);
        self.given_back.contains(&its)
    }

    pub(super) fn add(&mut self, no: CopyNo, holder: HolderNo) -> &mut KnownCopy {
        let of = self.of.entry(holder).or_default();
        if !of.contains(&no) {
            of.push(no);
        }
        self.copies.entry(no).or_insert_with(|| KnownCopy {
            holder,
            up: true,
            ..KnownCopy::default()
        })
    }

    pub(super) fn begin(&mut self, no: CopyNo, app: App) {
        let claim = app.claim;
        let copy = self.add(no, app.holder);
        if !copy.claims.contains(&claim) {
            copy.claims.push(claim);
        }
        self.claims.insert((no, claim), app);
    }

    /// A copy is made: the new one knows what the old one knew. It was told nothing yet.
    pub(super) fn copy(&mut self, now: Ms, from: CopyNo, to: CopyNo) {
        let Some(old) = self.copies.get(&from).cloned() else {
            return;
        };
        let holder = old.holder;
        self.add(to, holder).claims.clone_from(&old.claims);
        self.copied.insert(holder, now);
        for claim in old.claims {
            if let Some(app) = self.claims.get(&(from, claim)) {
                let mut app = app.clone();
                (app.says, app.counted, app.last_sent) = (None, None, None);
                app.asks_since = None;
                self.claims.insert((to, claim), app);
            }
            self.begin_counting((holder, claim));
        }
    }

    /// From now on the renewals of a claim's copies are counted.
    pub(super) fn begin_counting(&mut self, (holder, claim): ClaimOf) {
        for no in self.of.get(&holder).into_iter().flatten() {
            if let Some(app) = self.claims.get_mut(&(*no, claim)) {
                app.renewed = Default::default();
            }
        }
    }

    pub(super) fn send(&mut self, now: Ms, from: AppNo, msg: MsgNo, what: &Msg) {
        while let Some(&(at, old)) = self.order.front() {
            if at + REMEMBERED > now {
                break;
            }
            self.order.pop_front();
            self.sent.remove(&old);
        }
        let (secret, renewal) = match what {
            Msg::Claim { secret, .. } | Msg::Release { secret, .. } => (*secret, false),
            Msg::Renew { secret, .. } => (*secret, true),
        };
        let app = self.claims.get(&from);
        let limit = app.filter(|a| a.licensed(now)).and_then(|a| a.limit);
        let sent = Sent {
            from,
            at: now,
            secret,
            renewal,
            runs_for: limit.map_or(0, |limit| limit - now),
            ticket_of: app.and_then(|a| a.ticket_of),
            ticket_given: app.map_or(0, |a| a.ticket_given),
            told_waiting: None,
            received: None,
            contested: None,
        };
        self.sent.insert(msg, sent);
        self.order.push_back((now, msg));
        // What is still sent for an earlier claim of this name is not what the newer one waits for.
        let app = self.claims.get_mut(&from);
        if let Some(app) = app.filter(|a| a.secret == secret) {
            app.last_sent = Some(msg);
            app.asks_since.get_or_insert(now);
        }
    }

    pub(super) fn sent(&self, msg: MsgNo) -> Option<&Sent> {
        self.sent.get(&msg)
    }

    /// Whether it is the newest that its copy sent: then its answer is awaited.
    pub(super) fn newest(&self, msg: MsgNo) -> bool {
        let app = self.sent.get(&msg).and_then(|s| self.claims.get(&s.from));
        app.is_some_and(|a| a.last_sent == Some(msg))
    }

    pub(super) fn sent_at(&self, msg: MsgNo) -> Ms {
        self.sent.get(&msg).map_or(0, |s| s.at)
    }

    /// The server takes a message in; whether it was received before.
    pub(super) fn received(&mut self, msg: MsgNo, run: RunNo, now: Ms) -> bool {
        let Some(sent) = self.sent.get_mut(&msg) else {
            return true;
        };
        let again = sent.received.is_some();
        if sent.received.is_none_or(|(r, _)| r != run) {
            sent.received = Some((run, now));
        }
        again
    }

    /// When this run received a message first.
    pub(super) fn receipt(&self, msg: MsgNo, run: RunNo) -> Ms {
        match self.sent.get(&msg).and_then(|s| s.received) {
            Some((r, t)) if r == run => t,
            _ => 0,
        }
    }

    /// A sidecar crashes: what it was asked is forgotten; a refused claim begins anew.
    pub(super) fn crash(&mut self, no: AppNo) {
        if let Some(app) = self.claims.get_mut(&no) {
            app.last_sent = None;
            app.asks_since = None;
            app.crashed = true;
            if app.says == Some(Says::Refused) {
                app.heard_waiting = false;
                app.ended_by = None;
            }
        }
    }

    /// A message is answered that its claim waits, while contested holders may go on for `most`.
    pub(super) fn told_waiting(&mut self, now: Ms, msg: MsgNo, most: Ms) {
        if let Some(sent) = self.sent.get_mut(&msg) {
            sent.told_waiting.get_or_insert(now);
            let (low, high) = sent.contested.unwrap_or((most, most));
            sent.contested = Some((low.min(most), high.max(most)));
        }
    }

    /// Whether a copy must take an answer that it hears now to `msg`: nothing was sent since, and
    /// it still waits.
    pub(super) fn fresh(&self, now: Ms, no: AppNo, msg: MsgNo) -> bool {
        let (Some(sent), Some(app)) = (self.sent.get(&msg), self.claims.get(&no)) else {
            return false;
        };
        now <= sent.at + WAITS
            && self.copies.get(&no.0).is_some_and(KnownCopy::speaks)
            && app.last_sent == Some(msg)
            && app.secret == sent.secret
    }

    pub(super) fn look_at(&mut self, at: Ms, no: AppNo) {
        self.due.push(Reverse((at, no)));
    }
}
