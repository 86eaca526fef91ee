//! What the plan's faults do.

use super::history::{Of, PodNo, ServerNo, SiteFact};
use super::plan::Fault;
use super::state::Site;
use crate::history::Ms;

impl Site {
    /// The n-th of those that live.
    fn victim(&self, n: usize) -> Option<PodNo> {
        let count = self.pods.len();
        self.pods.keys().nth(n.checked_rem(count)?).copied()
    }

    /// A fault strikes.
    pub(super) fn trouble(&mut self, fault: &Fault) {
        if self.quiet {
            return;
        }
        *self.faults.entry(fault.kind()).or_default() += 1;
        match *fault {
            Fault::ServerCrash { server, .. }
            | Fault::ServerEnds { server }
            | Fault::CutServer { server, .. }
            | Fault::License { server, .. } => {
                self.trouble_of_a_server(server % self.servers.len(), fault);
            }
            Fault::Loss { .. }
            | Fault::ReleasesLost { .. }
            | Fault::Duplicates { .. }
            | Fault::Delays { .. } => self.trouble_of_the_net(fault),
            Fault::CutLine { pod, .. }
            | Fault::CutPod { pod, .. }
            | Fault::SidecarCrash { pod, .. }
            | Fault::SidecarEnds { pod, .. }
            | Fault::PodDies { pod, .. }
            | Fault::PodEnds { pod, .. } => {
                if let Some(pod) = self.victim(pod) {
                    self.trouble_of_a_pod(pod, fault);
                }
            }
        }
    }

    fn is_in_trouble(&mut self, of: Of, until: Ms) {
        self.state(SiteFact::Trouble { of, until });
    }

    fn trouble_of_a_server(&mut self, no: ServerNo, fault: &Fault) {
        let now = self.now;
        match *fault {
            Fault::ServerCrash { down, .. } => {
                self.server_dies(no);
                self.after(down, move |w| w.server_starts(no));
            }
            Fault::ServerEnds { .. } => {
                let others = self.servers.iter().filter(|s| !s.is_over);
                if others.count() > 1 {
                    self.server_dies(no);
                    self.servers[no].is_over = true;
                }
            }
            Fault::CutServer { lasts, .. } => {
                self.is_in_trouble(Of::Server(no), now + lasts);
                let until = self.net.cut_server.entry(no).or_default();
                *until = (*until).max(now + lasts);
            }
            Fault::License { seats, .. } => {
                self.is_in_trouble(Of::Server(no), now);
                self.servers[no].seats = seats;
                self.is_licensed(no);
            }
            _ => {}
        }
    }

    fn trouble_of_the_net(&mut self, fault: &Fault) {
        let (now, n) = (self.now, &mut self.net);
        let later = |t: &mut Ms, lasts: Ms| *t = (*t).max(now + lasts);
        let until = match *fault {
            Fault::Loss { lasts } => {
                later(&mut n.loss, lasts);
                n.loss
            }
            Fault::ReleasesLost { lasts } => {
                later(&mut n.releases_lost, lasts);
                n.releases_lost
            }
            Fault::Duplicates { lasts } => {
                later(&mut n.duplicates, lasts);
                n.duplicates
            }
            Fault::Delays { lasts, up_to } => {
                n.is_late(now + lasts, up_to);
                n.delays.0 + up_to
            }
            _ => now,
        };
        // What comes late or twice, or is not given back, keeps nobody's renewal from its answer.
        if matches!(fault, Fault::Loss { .. } | Fault::Delays { .. }) {
            self.is_in_trouble(Of::Net, until);
        }
    }

    fn trouble_of_a_pod(&mut self, pod: PodNo, fault: &Fault) {
        let now = self.now;
        match *fault {
            Fault::CutLine {
                server,
                up,
                down,
                lasts,
                ..
            } => {
                let server = server % self.servers.len();
                self.is_cut(pod, server, (up, down), now + lasts);
            }
            Fault::CutPod { lasts, .. } => {
                for server in 0..self.servers.len() {
                    self.is_cut(pod, server, (true, true), now + lasts);
                }
            }
            Fault::SidecarCrash { amid, down, .. } => match amid {
                Some(after) => {
                    if let Some(p) = self.pods.get_mut(&pod) {
                        p.crash = Some((after, down));
                    }
                }
                None => self.sidecar_crashes(pod, down),
            },
            Fault::SidecarEnds { again, .. } => self.sidecar_ends(pod, again),
            Fault::PodDies { back, .. } => {
                self.is_replaced(pod, back);
                self.pod_dies(pod);
            }
            Fault::PodEnds { back, .. } => {
                self.is_replaced(pod, back);
                self.pod_ends(pod);
            }
            _ => {}
        }
    }

    fn is_cut(&mut self, pod: PodNo, server: ServerNo, (up, down): (bool, bool), until: Ms) {
        self.is_in_trouble(Of::Pod(pod), until);
        let ways = [(up, &mut self.net.cut_up), (down, &mut self.net.cut_down)];
        for (_, cut) in ways.into_iter().filter(|(is, _)| *is) {
            let t = cut.entry((pod, server)).or_default();
            *t = (*t).max(until);
        }
    }

    /// Another pod like it comes after a while.
    fn is_replaced(&mut self, pod: PodNo, back: Ms) {
        if let Some(plan) = self.pods.get(&pod).map(|p| p.plan.clone()) {
            self.after(back, move |w| w.pod_comes(&plan));
        }
    }

    /// Everything is mended, but for servers that have ended for good.
    pub(super) fn all_well(&mut self) {
        self.quiet = true;
        self.net.heals();
        for server in 0..self.servers.len() {
            self.server_starts(server);
        }
        for pod in self.pods.keys().copied().collect::<Vec<_>>() {
            if let Some(p) = self.pods.get_mut(&pod) {
                p.crash = None;
            }
            self.sidecar_starts(pod);
        }
    }
}
