//! All checks and Workloads: what is claimed for these, and what is to be written. Pure.

use super::answer::{Answer, AnswerFacts, answer};
use super::asks::{Asked, AskingSet, Asks, asked};
use super::check::{condition, is_ours, server_of};
use super::status::{CheckWord, CheckWrite, SetUpdate};
use crate::owners::{Stand, WorkloadClaim};
use crate::watched::{AdmissionCheck, CheckState, Workload};
use kube::ResourceExt as _;
use mooring_api::names::ServerRef;
use mooring_core::annotation::{RESERVATION, SERVER};
use mooring_core::identity::HolderKey;
use mooring_core::time::{BootTime, Now};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How long a Workload keeps its place in line without quota.
const KEEP_PLACE: Duration = Duration::from_secs(3600);
/// How long the same word is not written again: the watch may not have shown it yet.
const AGAIN: Duration = Duration::from_secs(5);
/// How often it is written where a Workload stands in line.
const WORDS: Duration = Duration::from_secs(30);
/// How long it may take Kueue to note when a Workload that was sent back comes again.
const NOTED: Duration = Duration::from_secs(5);

/// What is remembered of a Workload at one check.
#[derive(Debug)]
struct Seen {
    /// Since when it has stood in line.
    line: BootTime,
    /// Since when it has had quota, or none.
    quota: Option<BootTime>,
    none: Option<BootTime>,
    /// It has a claim that is in line.
    waits: bool,
    wrote: Option<BootTime>,
}

/// Everything that is watched.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) checks: BTreeMap<String, AdmissionCheck>,
    /// By UID.
    pub(super) workloads: BTreeMap<String, Workload>,
    /// By Workload and check.
    seen: HashMap<(String, String), Seen>,
}

/// What is to be.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Round {
    pub(super) claims: BTreeMap<ServerRef, BTreeMap<HolderKey, WorkloadClaim>>,
    /// Checks whose condition changes.
    pub(super) conditions: Vec<(String, Value)>,
    pub(super) writes: Vec<CheckWrite>,
}

/// How a claim stands at a license server, and whether that knows that it rests.
pub(super) type Stands<'a> = dyn Fn(&ServerRef, &HolderKey) -> Option<(Stand, bool)> + 'a;

impl Desk {
    pub(super) fn look(&mut self, servers: &[ServerRef], stands: &Stands<'_>, now: Now) -> Round {
        let mut round = Round::default();
        let none = servers.iter().map(|s| (s.clone(), BTreeMap::new()));
        round.claims.extend(none);
        let mut seen = std::mem::take(&mut self.seen);
        let mut ours: BTreeMap<&str, ServerRef> = BTreeMap::new();
        for (name, check) in self.checks.iter().filter(|(_, c)| is_ours(c)) {
            let server = server_of(check, servers);
            let condition = condition(check, &server, now.wall);
            round
                .conditions
                .extend(condition.map(|c| (name.clone(), c)));
            ours.extend(server.ok().map(|s| (name.as_str(), s)));
        }
        for (uid, workload) in self.workloads.iter().filter(|(_, w)| !w.is_over()) {
            for state in &workload.status.admission_checks {
                let Some(server) = ours.get(state.name.as_str()) else {
                    continue;
                };
                let key = (uid.clone(), state.name.clone());
                let new = || Seen::new(now.boot);
                let others = workload.status.admission_checks.iter();
                let others = others.filter(|s| s.name != state.name);
                let others = others.filter_map(|s| Some((ours.get(s.name.as_str())?, s)));
                let mut at = AtCheck {
                    workload,
                    state,
                    server,
                    others: others.filter(|(of, _)| *of != server).collect(),
                    seen: seen.remove(&key).unwrap_or_else(new),
                    stands,
                    now: now.boot,
                };
                let (claim, says) = at.look();
                if let Some(claim) = claim {
                    at.claims(claim, &mut round);
                }
                round.writes.extend(says.map(|says| at.write(says)));
                self.seen.insert(key, at.seen);
            }
        }
        round
    }
}

impl Seen {
    const fn new(now: BootTime) -> Self {
        Self {
            line: now,
            quota: None,
            none: None,
            waits: false,
            wrote: None,
        }
    }

    fn wrote_within(&self, time: Duration, now: BootTime) -> bool {
        self.wrote.is_some_and(|t| now.since(t) < time)
    }
}

/// A Workload at one check.
struct AtCheck<'a> {
    workload: &'a Workload,
    state: &'a CheckState,
    server: &'a ServerRef,
    /// Its checks at other license servers.
    others: Vec<(&'a ServerRef, &'a CheckState)>,
    seen: Seen,
    stands: &'a Stands<'a>,
    now: BootTime,
}

impl AtCheck<'_> {
    fn look(&mut self) -> (Option<WorkloadClaim>, Option<CheckWord>) {
        if self.workload.has_quota() {
            self.seen.none = None;
            let since = *self.seen.quota.get_or_insert(self.now);
            self.with_quota(self.now.since(since))
        } else {
            self.seen.quota = None;
            let since = *self.seen.none.get_or_insert(self.now);
            self.without_quota(self.now.since(since))
        }
    }

    fn with_quota(&mut self, time: Duration) -> (Option<WorkloadClaim>, Option<CheckWord>) {
        let asked = self.asked();
        let asks = match &asked {
            Asked::Seats(asks) => Some(asks),
            Asked::Nothing | Asked::Bad(_) => None,
        };
        let claim = asks.map(|a| a.claim.clone());
        match self.state.state.as_str() {
            "Pending" => {}
            "Ready" => {
                self.seen.waits = false;
                return (claim, None);
            }
            // Just sent back.
            "Retry" => {
                return (
                    claim.map(|claim| WorkloadClaim {
                        rests: true,
                        ..claim
                    }),
                    None,
                );
            }
            _ => return (None, None),
        }
        let stand = asks.and_then(|a| (self.stands)(self.server, &a.claim.key()));
        let server = self.server.to_string();
        let says = answer(&AnswerFacts {
            asked: &asked,
            stand: stand.as_ref().map(|(s, _)| s),
            rested: stand.as_ref().is_some_and(|(_, rested)| *rested),
            with_quota: time,
            in_line: self.now.since(self.seen.line),
            runs: self.workload.is_admitted(),
            waits_elsewhere: self.others.iter().any(|(_, s)| s.state != "Ready"),
            server: &server,
        });
        self.seen.waits = claim.is_some();
        let rests = matches!(says, Answer::ToRest(_) | Answer::Retry { .. });
        let claim = claim.map(|claim| WorkloadClaim { rests, ..claim });
        (claim, self.word(asks, says))
    }

    /// Which license server pods use that name none is open where there are two.
    fn asked(&self) -> Asked {
        let asked = asked(self.workload, self.server, false);
        let (Asked::Seats(asks), Some((other, _))) = (&asked, self.others.first()) else {
            return asked;
        };
        match asks.sets.iter().find(|s| !s.is_named) {
            Some(set) => Asked::Bad(format!(
                "pod set {}: the Workload has AdmissionChecks of license servers {} and {other}: name one by the annotation {SERVER}",
                set.name, self.server
            )),
            None => asked,
        }
    }

    fn word(&self, asks: Option<&Asks>, says: Answer) -> Option<CheckWord> {
        if self.seen.wrote_within(AGAIN, self.now) {
            return None;
        }
        match says {
            Answer::Ready(message) => {
                let updates = asks.map(|a| updates(a, self.server)).unwrap_or_default();
                Some(CheckWord::Ready { message, updates })
            }
            Answer::Pending(message) => {
                let quiet =
                    message == self.state.message || self.seen.wrote_within(WORDS, self.now);
                (!quiet).then_some(CheckWord::Pending(message))
            }
            Answer::Asks | Answer::ToRest(_) => None,
            Answer::Retry { after, why } => Some(CheckWord::Retry {
                message: why,
                after,
            }),
            Answer::Rejected(why) => Some(CheckWord::Rejected(why)),
        }
    }

    /// Who was sent back keeps its place, and nothing gathers for it.
    fn without_quota(&mut self, time: Duration) -> (Option<WorkloadClaim>, Option<CheckWord>) {
        let sent_back = self.state.requeue_after_seconds.is_some();
        let Asked::Seats(asks) = asked(self.workload, self.server, true) else {
            return (None, self.again(time));
        };
        let stand = (self.stands)(self.server, &asks.claim.key()).map(|(s, _)| s);
        // What has its seats had its turn, and is not to keep them without quota.
        let had = matches!(stand, Some(Stand::Reserved | Stand::Refused(_)));
        self.seen.waits = (self.seen.waits || sent_back) && !had && time < KEEP_PLACE;
        if !self.seen.waits {
            self.seen.line = self.now;
        }
        (
            Some(asks.claim).filter(|_| self.seen.waits),
            self.again(time),
        )
    }

    /// What was said with quota counts no more without it.
    fn again(&self, time: Duration) -> Option<CheckWord> {
        let noted = self.workload.is_put_off() || time >= NOTED;
        let answered = self.state.state != "Pending";
        let again = answered && !self.workload.holds_quota() && noted;
        again.then_some(CheckWord::Again)
    }

    /// One claim for what a Workload belongs to: that of the Workload that has quota, if there are
    /// several.
    fn claims(&self, claim: WorkloadClaim, round: &mut Round) {
        let all = round.claims.entry(self.server.clone()).or_default();
        let known = all.entry(claim.key()).or_insert_with(|| claim.clone());
        if known.rests && !claim.rests {
            *known = claim;
        }
    }

    fn write(&mut self, says: CheckWord) -> CheckWrite {
        self.seen.wrote = Some(self.now);
        CheckWrite {
            namespace: self.workload.namespace().unwrap_or_default(),
            name: self.workload.name_any(),
            uid: self.workload.uid().unwrap_or_default(),
            check: self.state.name.clone(),
            says,
        }
    }
}

/// What Kueue is to write on the pods: their Workload's name for people, and the license server
/// where their seats are.
fn updates(asks: &Asks, server: &ServerRef) -> Vec<SetUpdate> {
    let sets = asks.sets.iter().filter(|_| asks.makes_pods);
    let update = |set: &AskingSet| {
        let id = (!set.is_marked).then(|| (RESERVATION.key, asks.claim.name.clone()));
        let named = (!set.is_named).then(|| (SERVER.key, server.to_string()));
        let annotations = id.into_iter().chain(named).collect();
        SetUpdate {
            set: set.name.clone(),
            annotations,
        }
    };
    sets.map(update).collect()
}

#[cfg(test)]
mod tests;
