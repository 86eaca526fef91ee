//! How all stand in the end, when nothing was wrong for long enough: who has no seats stands in all
//! its lines, seats gather for it in one of them, and none is free that it waits for.

use super::{InBooks, Lines, Pod, PodNo, ServerNo, Verdict};
use crate::history::Says;

impl Lines {
    pub(super) fn end(&mut self) -> Verdict {
        for server in self.servers.keys().copied().collect::<Vec<_>>() {
            self.stepped(server)?;
        }
        let mut wrong = None;
        for (no, pod) in &self.pods {
            let wrong_here = if pod.parts.len() > 1 {
                self.seen.parts_at_end += 1;
                let waits = pod.told.is_some_and(|t| t.says == Says::Waiting);
                self.seen.parts_wait_at_end += u64::from(waits);
                self.parts_not_at_rest(*no, pod).map(|what| (21, what))
            } else {
                self.seen.lines_at_end += u64::from(pod.is_one_of_several());
                self.is_not_at_rest(*no, pod).map(|what| (20, what))
            };
            wrong = wrong.or(wrong_here);
        }
        wrong.map_or(Ok(()), |(promise, what)| self.broken(promise, what))
    }

    /// What is wrong with how a pod stands in the end.
    fn is_not_at_rest(&self, no: PodNo, pod: &Pod) -> Option<String> {
        let told = pod.told?;
        let here = |s: &ServerNo| {
            let s = self.servers.get(s)?;
            (s.up && s.seats >= pod.seats).then_some(s)
        };
        match told.says {
            Says::Held if here(&told.server).is_some() || self.sells_less(told.server, pod) => {
                return None;
            }
            Says::Grace if here(&told.server).is_none() => return None,
            Says::Held | Says::Grace => {
                return Some(format!("{no:?} is told {told:?} in the end"));
            }
            _ => {}
        }
        let mut gathers = 0;
        for server in pod.lines.keys() {
            let Some(s) = here(server) else {
                continue;
            };
            let entry = s.books.get(&no);
            let in_line = entry.filter(|e| matches!(e.book, InBooks::Line { .. }));
            let Some(e) = in_line else {
                return Some(format!(
                    "{no:?} is told {:?} in the end, and is not in line at server {server}",
                    told.says
                ));
            };
            gathers += u32::from(e.heard.gathers());
        }
        let some = pod.lines.keys().any(|s| here(s).is_some());
        // Who is contested where it could never have a seat any more has a place, and is not told
        // so.
        let aside = told.says == Says::Contested && self.sells_less(told.server, pod);
        if some && gathers != 1 && !aside {
            return Some(format!(
                "seats gather for {no:?} at {gathers} servers in the end"
            ));
        }
        None
    }

    /// Whether a server is there, with a license for fewer seats than a pod has of it.
    fn sells_less(&self, server: ServerNo, pod: &Pod) -> bool {
        let s = self.servers.get(&server);
        s.is_some_and(|s| s.up && s.seats < pod.seats)
    }
}
