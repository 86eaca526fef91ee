//! What applications are told: of one lease at a time, whose server does not change while they are
//! licensed by it, crash or not, but from `Contested` to one that has a seat; to the limit that
//! they were told; and that what ends at one server ends nothing at another.

use super::{AppTold, Lines, Ms, Of, Pod, PodNo, Verdict, is_licensed, slack};
use crate::history::Says;

/// An application is told another thing than before.
struct Change {
    pod: PodNo,
    before: AppTold,
    now: AppTold,
}

impl Lines {
    pub(super) fn told(&mut self, no: PodNo, told: AppTold) -> Verdict {
        let Some(pod) = self.pods.get_mut(&no) else {
            return Ok(());
        };
        let before = pod.told.replace(told);
        if pod.parts.len() > 1 {
            self.told_of_parts(no, before, told)?;
        } else {
            self.told_of_one(no, before, told)?;
        }
        if let Some(pod) = self.pods.get_mut(&no) {
            // It began anew since, or a crash came before anybody was told that it is given back.
            let since = pod.up_since;
            pod.gives_back = pod.gives_back.filter(|t| since <= *t);
        }
        let pod = self.pods.get(&no);
        let servers = pod.map(|p| p.lines.keys().copied().collect::<Vec<_>>());
        let mut servers = servers.unwrap_or_default().into_iter();
        servers.try_for_each(|s| self.seats_at_holders(s))
    }

    fn told_of_one(&mut self, no: PodNo, before: Option<AppTold>, told: AppTold) -> Verdict {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no) else {
            return Ok(());
        };
        let by_same = before.is_some_and(|b| {
            let holds = |t: &AppTold| matches!(t.says, Says::Held | Says::Grace);
            holds(&b) && holds(&told) && b.server == told.server
        });
        if !by_same {
            pod.since = now;
        }
        let held = told.says == Says::Held && pod.is_one_of_several();
        self.seen.lines_held += u64::from(held && !by_same);
        let change = before.map(|before| Change {
            pod: no,
            before,
            now: told,
        });
        if let Some(change) = &change {
            self.is_one_lease(change)?;
            self.is_not_cut_short(change)?;
            self.is_its_servers_trouble(change)?;
        }
        let starts = before.is_none_or(|b| !is_licensed(b.says));
        if told.says == Says::Optimistic && starts {
            self.may_start(no)?;
        }
        if told.says == Says::Refused {
            self.all_refuse(no)?;
        }
        Ok(())
    }

    /// Whether the application is licensed by what it was told before.
    pub(super) fn still_licensed(&self, before: &AppTold) -> bool {
        let by_time = before.limit.is_some_and(|t| self.now + slack(t) < t);
        by_time && is_licensed(before.says)
    }

    fn is_one_lease(&mut self, c: &Change) -> Verdict {
        let by_a_server =
            |t: &AppTold| matches!(t.says, Says::Held | Says::Grace | Says::Contested);
        // Who started without a server is contested by all of them.
        let is_chosen = c.before.chosen;
        if !self.still_licensed(&c.before) || !is_licensed(c.now.says) || !by_a_server(&c.before) {
            return Ok(());
        }
        let same = c.before.server == c.now.server;
        let moves = c.before.says == Says::Contested && c.now.says == Says::Held;
        self.seen.lines_moved += u64::from(moves && !same && is_chosen);
        if same && by_a_server(&c.now) || moves || (!is_chosen && c.before.says == Says::Contested)
        {
            return Ok(());
        }
        let what = format!(
            "the application of {:?} is licensed until {:?} ms by server {}, and is told {:?} of server {}",
            c.pod, c.before.limit, c.before.server, c.now.says, c.now.server
        );
        self.broken(20, what)
    }

    fn is_not_cut_short(&mut self, c: &Change) -> Verdict {
        let Some(pod) = self
            .pods
            .get(&c.pod)
            .filter(|_| self.still_licensed(&c.before))
        else {
            return Ok(());
        };
        let limits = (c.before.limit.unwrap_or(0), c.now.limit.unwrap_or(0));
        let (least, most) = (limits.0.min(limits.1), limits.0.max(limits.1));
        let same = most - least <= slack(most);
        let wrong = match c.now.says {
            Says::Held => false,
            // The answer to a renewal may come when its lease is over.
            Says::Grace => !same && limits.1 < limits.0,
            Says::Contested => !same && limits.1 > limits.0,
            Says::Optimistic => !same,
            _ => pod.gives_back.is_none() && !pod.is_ended(c.before, self.now),
        };
        if !wrong {
            return Ok(());
        }
        let what = format!(
            "the application of {:?} is licensed until {} ms as {:?}, and is told {:?} until {:?} ms",
            c.pod, limits.0, c.before.says, c.now.says, c.now.limit
        );
        self.broken(20, what)
    }

    /// Who was `Held` and is not any more has had trouble with its own server within a lease.
    fn is_its_servers_trouble(&mut self, c: &Change) -> Verdict {
        let held = |t: &AppTold| t.says == Says::Held;
        let Some(pod) = self.pods.get(&c.pod) else {
            return Ok(());
        };
        if !held(&c.before) || held(&c.now) || pod.gives_back.is_some() {
            return Ok(());
        }
        let Some(server) = self.servers.get(&c.before.server) else {
            return Ok(());
        };
        let d = server.lease_for;
        let recent = |until: Ms| until.saturating_add(d + slack(d)) >= self.now;
        let troubles = [
            (Of::Net, self.net_trouble),
            (Of::Pod(c.pod), pod.trouble),
            (Of::Server(c.before.server), server.trouble),
        ];
        if server.seats == 0 || troubles.iter().any(|(_, until)| recent(*until)) {
            return Ok(());
        }
        let what = format!(
            "the application of {:?} was Held by server {}, is {:?}, and nothing was wrong there: {troubles:?}",
            c.pod, c.before.server, c.now.says
        );
        self.broken(20, what)
    }
}

impl Pod {
    /// Whether one has ended it whose word does: has refused it, or has said that it waits, by
    /// which it may run on for no longer.
    fn is_ended(&self, before: AppTold, now: Ms) -> bool {
        let over = |t: Ms| t <= now + slack(t);
        let mut lines = self.lines.iter();
        lines.any(|(s, l)| {
            let ends = l.refused || l.place_until.is_some_and(over);
            ends && (*s == before.server || !before.chosen)
        })
    }
}
