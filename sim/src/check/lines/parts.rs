//! Promise 21: a claim for what several servers have together. What its application is told is
//! held against what its sidecar has heard of each part; in which order parts are taken, and for
//! how long one waits for the others, against what its sidecar sends.
//!
//! A part that several servers may give has the least of their ids that the sidecar knows of: what
//! depends on that is judged only where it is sure.

use super::{
    Answered, AppTold, InBooks, Lease, LineStance, Lines, Ms, Part, Pod, PodNo, Sends, Server,
    ServerNo, Verdict,
};
use super::{is_licensed, margin, slack};
use crate::history::Says;

/// How long a part may wait for the others.
const PART_WAITS: Ms = 60_000;
/// The longest that one attempt takes.
const ATTEMPT: Ms = 15_000;
/// What the last free seat takes to find who waits for it.
const AT_REST: Ms = 10_000;

impl Part {
    /// Until when the application may run by it.
    fn limit(&self) -> Option<Ms> {
        let leases = self.leases.values().map(|l| l.until).max();
        leases.max(self.started)
    }

    fn has(&self, now: Ms) -> bool {
        let mut leases = self.leases.values();
        leases.any(|l| l.over.is_none() && now + slack(now) < l.until)
    }

    /// Whether each of its servers comes before each of the other's.
    fn is_before(&self, other: &Self) -> bool {
        self.servers.iter().max() < other.servers.iter().min()
    }
}

impl Pod {
    pub(super) fn part_of(&mut self, server: ServerNo) -> Option<&mut Part> {
        let mut parts = self.parts.iter_mut();
        parts.find(|p| p.servers.contains(&server))
    }

    /// Whether its application may start without this part's servers, as far as they matter.
    pub(super) fn may_be_silent(&self, part: &Part) -> bool {
        self.start_optimistic && !part.answered && part.all_silent
    }

    /// Whether its application goes by a lease of this server for sure.
    pub(super) fn goes_by(&self, server: ServerNo) -> bool {
        if self.parts.len() < 2 {
            return self.told.is_some_and(|t| t.server == server);
        }
        let mut parts = self.parts.iter();
        parts.any(|p| p.leases.len() == 1 && p.leases.contains_key(&server))
    }

    fn is_whole(&self) -> bool {
        self.told.is_some_and(|t| is_licensed(t.says))
    }

    /// Whether it stands first in the line of its last server, or has what it asks for there: of
    /// each that may be the last.
    fn is_first_at_last(&self, now: Ms) -> impl Iterator<Item = bool> {
        self.last_parts().map(move |p| {
            let mut servers = p.servers.iter();
            p.has(now) || servers.any(|s| self.is_first_at(*s))
        })
    }

    /// Each part that may be the last.
    fn last_parts(&self) -> impl Iterator<Item = &Part> {
        let asked = |p: &&Part| !self.may_be_silent(p);
        let is_last = move |p: &&Part| !self.parts.iter().filter(asked).any(|o| p.is_before(o));
        self.parts.iter().filter(is_last)
    }

    /// Whether it was told so, the last time that it heard of that server.
    fn is_first_at(&self, server: ServerNo) -> bool {
        self.lines.get(&server).is_some_and(|l| l.place == Some(1))
    }
}

impl Lines {
    /// What a sidecar has heard of a part, and saved.
    pub(super) fn heard_of_parts(&mut self, no: PodNo, server: ServerNo, says: Answered) {
        let now = self.now;
        let Some(s) = self.servers.get(&server) else {
            return;
        };
        let (run_for, contested) = (s.grace.max(s.lease_for), s.max_contested);
        let Some(pod) = self.pods.get_mut(&no) else {
            return;
        };
        let (whole, sent) = (
            pod.is_whole(),
            pod.lines.get(&server).map_or(now, |l| l.sent),
        );
        let Some(part) = pod.part_of(server) else {
            return;
        };
        let sooner = |t: &mut Ms| *t = (*t).min(sent + contested);
        match says {
            Answered::Lease => {
                // One that was over is another.
                let before = part
                    .leases
                    .get(&server)
                    .filter(|l| now + slack(run_for) < l.until);
                let since = before.map_or(now, |l| l.since);
                let (until, over) = (sent + run_for, None);
                part.leases.insert(server, Lease { since, until, over });
                part.started = None;
            }
            Answered::Place(_) if whole => {
                if let Some(lease) = part.leases.get_mut(&server) {
                    sooner(&mut lease.until);
                }
                part.started.iter_mut().for_each(sooner);
            }
            Answered::Place(_) | Answered::Refusal => {
                part.leases.remove(&server);
                part.started = None;
            }
            Answered::Other => {}
        }
        // If it still asks it says so again.
        self.asks_no_more(no, server);
    }

    pub(super) fn told_of_parts(
        &mut self,
        no: PodNo,
        before: Option<AppTold>,
        now: AppTold,
    ) -> Verdict {
        let was = before.is_some_and(|b| is_licensed(b.says));
        if is_licensed(now.says) {
            self.has_all_parts(no, now, !was)?;
        } else if let Some(before) = before.filter(|_| was) {
            self.is_ended_by_a_part(no, (before, now))?;
            self.all_are_over(no);
        }
        Ok(())
    }

    /// An application is told that it is licensed: by each part, and until the first of them ends.
    fn has_all_parts(&mut self, no: PodNo, told: AppTold, begins: bool) -> Verdict {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no) else {
            return Ok(());
        };
        let grace = pod.lines.keys().filter_map(|s| self.servers.get(s));
        let grace = grace.map(|s| s.grace).max().unwrap_or(0);
        let silent: Vec<bool> = pod.parts.iter().map(|p| pod.may_be_silent(p)).collect();
        for (part, silent) in pod.parts.iter_mut().zip(silent) {
            if begins && silent && part.leases.is_empty() {
                part.started.get_or_insert(now + grace);
            }
        }
        let limits: Option<Vec<Ms>> = pod.parts.iter().map(Part::limit).collect();
        let first = limits.and_then(|l| l.into_iter().min());
        let until = told.limit.unwrap_or(now);
        let in_silence = pod.parts.iter().filter(|p| p.leases.is_empty()).count();
        if first.is_some_and(|t| until <= t + slack(t)) {
            self.seen.parts_whole += u64::from(begins);
            let some = in_silence > 0 && in_silence < pod.parts.len();
            self.seen.parts_whole_in_silence += u64::from(begins && some);
            return Ok(());
        }
        let what = format!(
            "the application of {no:?} is told {:?} until {until} ms, and the first of its parts ends at {first:?} ms: {:?}",
            told.says, pod.parts
        );
        self.broken(21, what)
    }

    /// It was to be licensed for longer: one of its servers has ended that, or it gives all back.
    fn is_ended_by_a_part(&self, no: PodNo, (before, now): (AppTold, AppTold)) -> Verdict {
        let runs = self.still_licensed(&before);
        let Some(pod) = self.pods.get(&no).filter(|_| runs) else {
            return Ok(());
        };
        let over = |t: Ms| t <= self.now + slack(t);
        let mut lines = pod.lines.values();
        let by_one = lines.any(|l| l.refused || l.place_until.is_some_and(over));
        if by_one || pod.gives_back.is_some() {
            return Ok(());
        }
        let what = format!(
            "the application of {no:?} is licensed until {:?} ms, and is told {:?}, though none of its parts has ended: {:?}",
            before.limit, now.says, pod.parts
        );
        self.broken(21, what)
    }

    /// One part is lost: the others are to be given back.
    fn all_are_over(&mut self, no: PodNo) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no) else {
            return;
        };
        let lost = pod.gives_back.is_none();
        for part in &mut pod.parts {
            part.started = None;
            part.leases.values_mut().for_each(|l| l.over = Some(now));
        }
        self.seen.parts_lost += u64::from(lost);
    }

    /// What a sidecar sends of a claim of several parts.
    pub(super) fn sent_of_parts(&mut self, no: PodNo, server: ServerNo, what: Sends) -> Verdict {
        let Some(pod) = self.pods.get(&no).filter(|p| p.parts.len() > 1) else {
            return Ok(());
        };
        if pod.gives_back.is_none() && pod.is_whole() {
            self.still_has_all(no)?;
        } else if pod.gives_back.is_none() {
            self.nothing_is_held_on_to(no, (server, what))?;
            self.takes_in_order(no)?;
        }
        let rests = matches!(
            what,
            Sends::Claim {
                stands: LineStance::Rests,
                ..
            }
        );
        match what {
            Sends::Claim { stands, .. } if stands != LineStance::Rests => self.takes(no, server)?,
            Sends::Renewal => {}
            _ => self.asks_no_more(no, server),
        }
        let whole = self.pods.get(&no).is_some_and(Pod::is_whole);
        let part = self.pods.get_mut(&no).and_then(|p| p.part_of(server));
        if let Some(part) = part.filter(|_| what == Sends::Release || (rests && !whole)) {
            let had = part.leases.remove(&server).is_some();
            self.seen.parts_back_in_line += u64::from(had && rests);
        }
        Ok(())
    }

    fn asks_no_more(&mut self, no: PodNo, server: ServerNo) {
        let pod = self.pods.get_mut(&no);
        if let Some(line) = pod.and_then(|p| p.lines.get_mut(&server)) {
            line.takes = None;
        }
    }

    /// What its application was told, while it is licensed, is so of each part.
    fn still_has_all(&self, no: PodNo) -> Verdict {
        let now = self.now;
        let Some(pod) = self.pods.get(&no) else {
            return Ok(());
        };
        let ended = pod
            .parts
            .iter()
            .find(|p| p.limit().is_none_or(|t| t + slack(t) < now));
        match ended {
            None => Ok(()),
            Some(part) => {
                let what = format!(
                    "the application of {no:?} is licensed, and a part of it is not there: {part:?}"
                );
                self.broken(21, what)
            }
        }
    }

    /// Where not all parts are there: what was lost with another is given back, and none waits for
    /// the others for long.
    fn nothing_is_held_on_to(&self, no: PodNo, sends: (ServerNo, Sends)) -> Verdict {
        let now = self.now;
        let Some(pod) = self.pods.get(&no) else {
            return Ok(());
        };
        let leases = pod.parts.iter().flat_map(|p| &p.leases);
        let mut leases = leases.filter(|(s, _)| sends != (**s, Sends::Release));
        let longest = |s: &ServerNo| {
            let d = self.servers.get(s).map_or(0, |s| s.lease_for);
            let waits = PART_WAITS + (d / 3).max(ATTEMPT) + 1_000;
            waits + slack(waits)
        };
        let kept = leases.find(|(s, l)| match l.over {
            Some(t) => **s == sends.0 || now > t.max(pod.up_since) + 1_000,
            None if l.until <= now => false,
            None => now > (l.since + longest(s)).max(pod.up_since) && **s != sends.0,
        });
        match kept {
            None => Ok(()),
            Some((server, lease)) => {
                let what = format!(
                    "{no:?} has a part at server {server}, and not all; it keeps that one, and sends {sends:?}: {lease:?}"
                );
                self.broken(21, what)
            }
        }
    }

    /// A part is asked for that is not there, and others of its claim are not, either.
    fn takes(&mut self, no: PodNo, server: ServerNo) -> Verdict {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no).filter(|p| !p.is_whole()) else {
            return Ok(());
        };
        let there = |p: &&Part| p.servers.contains(&server) && p.has(now);
        if pod.parts.iter().any(|p| there(&p)) {
            return Ok(());
        }
        if let Some(line) = pod.lines.get_mut(&server) {
            line.takes.get_or_insert(now);
        }
        if pod.is_first_at_last(now).any(|first| first) {
            self.seen.parts_taken_in_turn += u64::from(pod.parts.iter().any(|p| p.has(now)));
            return Ok(());
        }
        let what = format!(
            "{no:?} asks server {server} for seats, and is not the first in the line of its last server: {:?} {:?}",
            pod.parts, pod.lines
        );
        self.broken(21, what)
    }

    /// Who waits for a part has none of what comes after it.
    fn takes_in_order(&self, no: PodNo) -> Verdict {
        let now = self.now;
        let Some(pod) = self.pods.get(&no).filter(|p| !p.is_whole()) else {
            return Ok(());
        };
        // What goes back in the same step is not had any more.
        let since = |s: &ServerNo| pod.lines.get(s)?.takes.filter(|t| *t < now);
        let takes = |p: &&Part| !p.has(now) && p.servers.iter().any(|s| since(s).is_some());
        let has = |p: &&Part| p.has(now);
        let wrong = pod.parts.iter().filter(takes).find_map(|p| {
            let later = pod.parts.iter().filter(has).find(|o| p.is_before(o))?;
            Some((p, later))
        });
        match wrong {
            None => Ok(()),
            Some((waits, later)) => {
                let what = format!(
                    "{no:?} waits for {waits:?}, and has some of what comes after it: {later:?}"
                );
                self.broken(21, what)
            }
        }
    }

    /// What is wrong with how a claim of several parts stands in the end: it rests, though all that
    /// it asks for is free, and nobody stands before it at its last server. Where it asks for a
    /// part it is judged with all who do.
    pub(super) fn parts_not_at_rest(&self, no: PodNo, pod: &Pod) -> Option<String> {
        let told = pod.told?;
        if is_licensed(told.says) {
            let mut held = pod.parts.iter().flat_map(|p| p.leases.keys());
            let all_here = held.all(|s| self.sells(*s, pod).is_some());
            let wrong = told.says == Says::Grace && all_here;
            return wrong.then(|| format!("{no:?} is told {told:?} in the end"));
        }
        let asks = |s: &ServerNo| {
            let e = self.servers.get(s)?.books.get(&no)?;
            Some(matches!(e.book, InBooks::Line { .. }) && e.heard.stands != LineStance::Rests)
        };
        let asks = pod.lines.keys().any(|s| asks(s) == Some(true));
        // What a server that is not there any more has told counts for nothing.
        let is_first = |s: &ServerNo| self.sells(*s, pod).is_some() && pod.is_first_at(*s);
        let first = |p: &Part| p.has(self.now) || p.servers.iter().any(is_first);
        if asks || !pod.last_parts().all(first) {
            return None;
        }
        let free = |p: &Part| p.servers.iter().any(|s| self.has_room(*s, no, pod));
        pod.parts.iter().all(free).then(|| {
            format!(
                "{no:?} is told {:?} in the end, and all that it asks for is free: {:?}",
                told.says, pod.parts
            )
        })
    }

    /// A server that is there and could grant a pod its part.
    fn sells(&self, server: ServerNo, pod: &Pod) -> Option<&Server> {
        let s = self.servers.get(&server);
        s.filter(|s| s.up && s.seats >= pod.seats)
    }

    /// Whether it does, and has had as many seats for a while that nobody else has.
    fn has_room(&self, server: ServerNo, no: PodNo, pod: &Pod) -> bool {
        let rests = |s: &&Server| s.changed + AT_REST + margin(s.lease_for) < self.now;
        let Some(s) = self.sells(server, pod).filter(rests) else {
            return false;
        };
        let own = s.books.get(&no).is_some_and(|e| e.book == InBooks::Seats);
        own || self.free(s) >= pod.seats
    }
}
