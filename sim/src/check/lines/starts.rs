//! What starts without a server: nobody of whose servers one has answered since the claim began,
//! and nobody before each of them was silent for the contact time, asked by one process of its
//! sidecar; at the moment at which an attempt has ended so, or at which a sidecar starts again that
//! a crash kept from saying so. And that nobody is refused of whose servers one has not refused.

use super::{Answered, Line, Lines, Ms, PodNo, Sends, ServerNo, Verdict, slack};

/// For how long each server must be silent.
const CONTACT: Ms = 15_000;

impl Lines {
    pub(super) fn sent(&mut self, no: PodNo, server: ServerNo, what: Sends) -> Verdict {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no) else {
            return Ok(());
        };
        if let Some(line) = pod.lines.get_mut(&server) {
            line.asks_since.get_or_insert(now);
            line.sent = now;
        }
        match pod.holds_at().filter(|s| *s != server) {
            Some(at) if what != Sends::Release && pod.gives_back.is_none() => {
                let until = pod.told.and_then(|t| t.limit);
                if until.is_none_or(|t| now + slack(t) >= t) {
                    return Ok(());
                }
                let what = format!(
                    "{no:?} has its seats at server {at}, and asks server {server} for more: {what:?}"
                );
                self.broken(20, what)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn heard(&mut self, no: PodNo, server: ServerNo, says: Answered) {
        let contested = self.servers.get(&server).map_or(0, |s| s.max_contested);
        let Some(pod) = self.pods.get_mut(&no) else {
            return;
        };
        if let Some(part) = pod.part_of(server) {
            part.answered = true;
        }
        if let Some(line) = pod.lines.get_mut(&server) {
            line.place = match says {
                Answered::Place(n) => Some(n),
                Answered::Lease => None,
                _ => line.place,
            };
            match says {
                Answered::Refusal => line.refused = true,
                Answered::Lease => (line.refused, line.place_until) = (false, None),
                Answered::Place(_) => {
                    line.refused = false;
                    line.place_until.get_or_insert(line.sent + contested);
                }
                Answered::Other => {}
            }
        }
        let refuse = pod.lines.values().filter(|l| l.refused).count();
        let by_some = says == Answered::Refusal && refuse < pod.lines.len() && pod.parts.len() < 2;
        self.seen.lines_refused_by_some += u64::from(by_some);
    }

    pub(super) fn heard_nothing(&mut self, no: PodNo, server: ServerNo) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no) else {
            return;
        };
        let answered = pod.part_of(server).is_some_and(|p| p.answered);
        if let Some(line) = pod.lines.get_mut(&server) {
            line.silent_at = Some(now);
            let long = line.asks_since.is_some_and(|t| now >= t + CONTACT);
            let seeks = pod.told.is_none_or(|t| t.limit.is_none());
            // Another's answer is all that keeps it.
            let kept = long && seeks && answered && pod.start_optimistic;
            self.seen.lines_kept_by_an_answer += u64::from(kept);
        }
        let silent = |l: &Line| {
            let asked = l
                .asks_since
                .is_some_and(|t| now + slack(CONTACT) >= t + CONTACT);
            asked && l.silent_at.is_some()
        };
        for part in &mut pod.parts {
            let mut lines = part.servers.iter().filter_map(|s| pod.lines.get(s));
            part.all_silent |= lines.all(silent);
        }
    }

    /// Whether a claim may start without a server.
    pub(super) fn may_start(&mut self, no: PodNo) -> Verdict {
        let now = self.now;
        let Some(pod) = self.pods.get(&no) else {
            return Ok(());
        };
        self.seen.lines_silent_starts += u64::from(pod.is_one_of_several());
        let missed = pod.lines.values().any(|l| l.silent_at == Some(now));
        let amid = missed || pod.up_since == now;
        if pod.parts.iter().all(|p| pod.may_be_silent(p)) && amid {
            return Ok(());
        }
        let what = format!(
            "{no:?} starts without a server, which it may not: allowed {}, an attempt has just ended in silence {amid}: {:?} {:?}",
            pod.start_optimistic, pod.parts, pod.lines
        );
        self.broken(20, what)
    }

    /// Whether all have refused a claim that is.
    pub(super) fn all_refuse(&mut self, no: PodNo) -> Verdict {
        let Some(pod) = self.pods.get(&no) else {
            return Ok(());
        };
        match pod.lines.iter().find(|(_, l)| !l.refused) {
            None => Ok(()),
            Some((server, _)) => {
                let what = format!("{no:?} is refused, though server {server} has not refused it");
                self.broken(20, what)
            }
        }
    }
}
