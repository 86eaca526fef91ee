//! What the plan's faults do.

use super::state::World;
use crate::history::{CopyNo, Fact, Ms};
use crate::plan::{Fault, Pod};
use foldhash::HashMap;

impl World {
    /// The n-th of those that live.
    fn victim(&self, n: usize) -> Option<CopyNo> {
        let count = self.copies.len();
        self.copies.keys().nth(n.checked_rem(count)?).copied()
    }

    /// A fault strikes.
    pub(super) fn trouble(&mut self, fault: &Fault) {
        if self.quiet {
            return;
        }
        self.coverage
            .fault(fault.kind(), self.now, self.server.lease_for);
        let (now, n) = (self.now, &mut self.net);
        let later = |t: &mut Ms, lasts: &Ms| *t = (*t).max(now + lasts);
        match fault {
            Fault::ServerCrash { down } => {
                self.server_dies();
                self.after(*down, Self::server_starts);
            }
            Fault::ServerMoves { down, wall_secs } => {
                self.server_dies();
                self.server.on = 1 - self.server.on;
                if *wall_secs != 0 {
                    self.server.set_wall(|off| off + wall_secs * 1000);
                }
                self.after(*down, Self::server_starts);
            }
            Fault::NewDuration { lease_for, down } => {
                self.server_dies();
                self.server.lease_for = *lease_for;
                self.after(*down, Self::server_starts);
            }
            Fault::CutServer { lasts } => later(&mut n.cut_server, lasts),
            Fault::Loss { lasts } => later(&mut n.loss, lasts),
            Fault::Duplicates { lasts } => later(&mut n.duplicates, lasts),
            Fault::Delays { lasts, up_to } => {
                later(&mut n.delays.0, lasts);
                n.delays.1 = *up_to;
            }
            Fault::WallJump { by_secs } => self.wall_jumps(*by_secs),
            Fault::ServerFreeze { lasts } => self.server_freezes(*lasts),
            Fault::Reload { license } => self.reloads(*license),
            Fault::OperatorDown { lasts } => self.operator_away(*lasts),
            Fault::AnchorLost { lasts } => {
                self.anchor(true);
                self.after(*lasts, |w| w.anchor(false));
            }
            Fault::ReviewDown { lasts } => later(&mut self.server.review_down, lasts),
            Fault::EdgeAnswers {
                problem,
                lasts,
                then_silent,
            } => {
                self.server.edge = Some((now + lasts, *problem));
                let silent = *then_silent;
                self.after(*lasts, move |w| {
                    if w.quiet {
                        return;
                    }
                    let until = w.now + silent;
                    w.net.cut_server = w.net.cut_server.max(until);
                });
            }
            Fault::Storm { pods, stay } => self.storm(*pods, *stay),
            Fault::Policy { policy } => self.seats_are(*policy),
            of_a_pod => self.trouble_of_a_pod(of_a_pod),
        }
    }

    /// A fault strikes a pod that lives, if one does.
    fn trouble_of_a_pod(&mut self, fault: &Fault) {
        let Some(c) = pod_of(fault).and_then(|n| self.victim(n)) else {
            return;
        };
        let (now, n) = (self.now, &mut self.net);
        let cut = |of: &mut HashMap<CopyNo, Ms>, lasts: Ms| {
            let t = of.entry(c).or_default();
            *t = (*t).max(now + lasts);
        };
        match *fault {
            Fault::SidecarCrash { amid, down, .. } => match amid {
                Some(after) => self.sidecar_will_crash(c, after, down),
                None => self.sidecar_crashes(c, down),
            },
            Fault::PodDies { back, .. } => {
                self.replaced(c, back);
                self.pod_dies(c);
            }
            Fault::PodEnds { back, .. } => {
                self.replaced(c, back);
                self.pod_ends(c);
            }
            Fault::GivesBack {
                again,
                at_once,
                crash,
                ..
            } => self.gives_back(c, again, at_once, crash),
            Fault::CutUp { lasts, .. } => cut(&mut n.cut_up, lasts),
            Fault::CutDown { lasts, .. } => cut(&mut n.cut_down, lasts),
            Fault::CutBoth { lasts, .. } => {
                cut(&mut n.cut_up, lasts);
                cut(&mut n.cut_down, lasts);
            }
            Fault::Suspend { lasts, .. } => self.suspends(c, lasts),
            Fault::Unentitled { lasts, .. } => {
                if let Some(g) = self.copies.get(&c).map(|c| c.holder.group()) {
                    self.entitles(g, false);
                    self.after(lasts, move |w| w.entitles(g, true));
                }
            }
            Fault::TakeBack { .. } => self.takes_back(c),
            Fault::TokenMissing { lasts, .. } => {
                self.no_token = self.no_token.max(now + lasts);
                if let Some(copy) = self.copies.get_mut(&c) {
                    copy.no_token = copy.no_token.max(now + lasts);
                }
            }
            Fault::Copy { .. } => self.copies(c),
            Fault::Thief { lasts, .. } => self.steals(c, lasts),
            Fault::Revoke { lasts, .. } => {
                if let Some(h) = self.copies.get(&c).map(|c| c.holder) {
                    self.revokes(h, true);
                    self.after(lasts, move |w| w.revokes(h, false));
                }
            }
            _ => {}
        }
    }

    /// Another pod like it comes after a while.
    fn replaced(&mut self, c: CopyNo, back: Ms) {
        let Some(plan) = self.copies.get(&c).map(|c| c.plan.clone()) else {
            return;
        };
        self.after(back, move |w| {
            w.pod_starts(&plan);
        });
    }

    fn storm(&mut self, pods: usize, stay: Ms) {
        let Some(like) = self.plan.pods.first().cloned() else {
            return;
        };
        for n in 0..pods {
            let came = self.rng.u64(0..1_000);
            let stays = stay + self.rng.u64(0..stay.max(1));
            let pod = Pod {
                clock: (like.clock.0 + n as u64, like.clock.1),
                ..like.clone()
            };
            self.after(came, move |w| {
                let c = w.pod_starts(&pod);
                w.after(stays, move |w| w.pod_ends(c));
            });
        }
    }

    /// All wires are whole.
    pub(super) fn net_heals(&mut self) {
        let n = &mut self.net;
        n.cut_up.clear();
        n.cut_down.clear();
        (n.cut_server, n.loss, n.duplicates, n.delays) = (0, 0, 0, (0, 0));
        n.delay = n.delay.min(400);
    }

    /// Everything is mended.
    pub(super) fn all_well(&mut self) {
        self.net_heals();
        self.server.review_down = 0;
        self.server.edge = None;
        self.no_token = 0;
        self.server_starts();
        self.server_thaws();
        self.anchor(false);
        self.clocks_are_set();
        self.looks();
        self.operator_is_back();
        self.lifts_all();
        self.entitles_all();
        self.pods_heal();
        self.state(Fact::FaultsEnd);
    }
}

/// Which pod a fault strikes.
fn pod_of(fault: &Fault) -> Option<usize> {
    match fault {
        Fault::SidecarCrash { pod, .. }
        | Fault::PodDies { pod, .. }
        | Fault::PodEnds { pod, .. }
        | Fault::GivesBack { pod, .. }
        | Fault::CutUp { pod, .. }
        | Fault::CutDown { pod, .. }
        | Fault::CutBoth { pod, .. }
        | Fault::Suspend { pod, .. }
        | Fault::Copy { pod }
        | Fault::TokenMissing { pod, .. }
        | Fault::Unentitled { pod, .. }
        | Fault::TakeBack { pod }
        | Fault::Thief { pod, .. }
        | Fault::Revoke { pod, .. } => Some(*pod),
        _ => None,
    }
}
