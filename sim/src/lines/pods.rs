//! Pods with their sidecars: a claim's parts and their lines, each a real [`Drive`], and what they
//! are to each other ([`settle`]); around them clocks, disks, crashes.

use super::edge::{items, sends};
use super::history::{Answered, AppTold, PodNo, SiteFact};
use super::net::Way;
use super::plan::PodPlan;
use super::state::{Line, Site, SitePacket, SitePod};
use crate::clock::Clock;
use crate::history::Ms;
use crate::world::{Dice, lease_no, says};
use mooring_core::holder::drive::{Do, Drive};
use mooring_core::holder::parts::{settle, speaker, status};
use mooring_core::holder::{Answer, Random as _, Request, Spec, Tag};
use mooring_core::names::ClaimName;
use mooring_core::policy::Start;
use mooring_core::time::BootTime;
use mooring_core::wire::ClaimKind;
use std::rc::Rc;
use std::time::Duration;

/// More rounds than any sidecar needs at one time.
const MOST_ROUNDS: usize = 1_000;
/// How long a sidecar that is told to end has for it.
const TIME_TO_END: Ms = 1_000;

/// What came of a round in which each line did one thing.
enum Round {
    Busy,
    /// All sleep until then.
    Idle(BootTime),
    Crashed,
}

impl Site {
    pub(super) fn pod_comes(&mut self, plan: &PodPlan) {
        let no = PodNo(self.next_pod);
        self.next_pod += 1;
        let clock = Clock::new(plan.clock.0, plan.clock.1);
        let now = clock.read(self.now);
        let start = if plan.optimistic {
            Start::Optimistic
        } else {
            Start::Licensed
        };
        let spec = Spec {
            max_grace: Duration::from_millis(self.plan.grace),
            is_a_line: plan.servers().count() > 1,
            is_a_part: plan.parts.len() > 1,
            ..Spec::new(ClaimName::pod(), items(plan.seats), start)
        };
        let lines = plan.servers().map(|(part, server)| {
            let secret = Dice(&mut self.rng).secret();
            let drive = Drive::new(spec.clone(), ClaimKind::Pod, secret, now);
            Line {
                server,
                part,
                spec: spec.clone(),
                // Saved before anything else.
                saved: drive.saved().clone(),
                drive: Some(drive),
                awaits: None,
                heard: None,
            }
        });
        let pod = SitePod {
            plan: plan.clone(),
            clock,
            up: true,
            life: 0,
            wake: 0,
            crash: None,
            ending: false,
            lines: lines.collect(),
            told: None,
        };
        self.pods.insert(no, pod);
        self.state(SiteFact::Comes {
            pod: no,
            parts: plan.parts.clone(),
            seats: plan.seats,
            start_optimistic: plan.optimistic,
        });
        self.goes_on(no);
    }

    /// Does what there is to do, until all lines sleep.
    fn goes_on(&mut self, no: PodNo) {
        for _ in 0..MOST_ROUNDS {
            if !self.settles(no) {
                return;
            }
            self.tells(no);
            match self.round(no) {
                Round::Busy => {}
                Round::Idle(until) => {
                    self.tells(no);
                    return self.sleeps(no, until);
                }
                Round::Crashed => return,
            }
        }
        self.spins();
    }

    /// Applies the rules of several parts and lines, and saves what they change; `false` if the
    /// sidecar does
    /// not run, or crashes amid that.
    fn settles(&mut self, no: PodNo) -> bool {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no).filter(|p| p.up) else {
            return false;
        };
        let clock = pod.clock.read(now);
        let changed = settle(&mut pod.parts_mut(), clock);
        let unsaved = pod.drives().iter().any(|d| d.is_unsaved());
        !(unsaved || changed.iter().flatten().any(|c| c.save)) || self.saves(no)
    }

    /// Each line does one thing.
    fn round(&mut self, no: PodNo) -> Round {
        let now = self.now;
        let lines = self.pods.get(&no).map_or(0, |p| p.lines.len());
        let (mut busy, mut sleeps) = (false, BootTime::NEVER);
        for line in 0..lines {
            let Some(pod) = self.pods.get_mut(&no) else {
                return Round::Crashed;
            };
            let clock = pod.clock.read(now);
            let Some(drive) = pod.lines[line].drive.as_mut() else {
                return Round::Crashed;
            };
            let todo = drive.next(clock, &mut Dice(&mut self.rng));
            busy |= matches!(todo, Do::Save | Do::Send { .. });
            let goes_on = match todo {
                Do::Save => self.saves(no),
                Do::Send {
                    tag,
                    request,
                    timeout,
                } => self.sends(no, line, tag, request, timeout),
                Do::Sleep { until } => {
                    sleeps = sleeps.min(until);
                    self.is_heard(no, line);
                    true
                }
                Do::Done | Do::Kept => {
                    self.is_heard(no, line);
                    true
                }
            };
            if !goes_on {
                return Round::Crashed;
            }
        }
        if busy {
            Round::Busy
        } else {
            Round::Idle(sleeps)
        }
    }

    /// Whether the sidecar goes on, and is not killed before this.
    fn is_spared(&mut self, no: PodNo) -> bool {
        let crash = self.pods.get_mut(&no).and_then(|p| p.crash.as_mut());
        let Some((left, down)) = crash else {
            return true;
        };
        if *left > 0 {
            *left -= 1;
            return true;
        }
        let down = *down;
        self.sidecar_crashes(no, down);
        false
    }

    fn saves(&mut self, no: PodNo) -> bool {
        if !self.is_spared(no) {
            return false;
        }
        let Some(pod) = self.pods.get_mut(&no) else {
            return true;
        };
        for line in &mut pod.lines {
            if let Some(drive) = &mut line.drive {
                line.saved = drive.saved().clone();
                drive.was_saved(true);
            }
        }
        let lines = pod.lines.len();
        for line in 0..lines {
            self.is_heard(no, line);
        }
        true
    }

    /// What was heard is saved, or changes nothing.
    fn is_heard(&mut self, no: PodNo, line: usize) {
        let pod = self.pods.get_mut(&no);
        if let Some(fact) = pod.and_then(|p| p.lines.get_mut(line)?.heard.take()) {
            self.state(fact);
        }
    }

    fn sleeps(&mut self, no: PodNo, until: BootTime) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no) else {
            return;
        };
        pod.wake += 1;
        let of = (pod.life, pod.wake);
        let Some(t) = pod.clock.when(until) else {
            return;
        };
        self.at(t.max(now + 1), move |w| {
            let pod = w.pods.get(&no);
            if pod.is_some_and(|p| (p.life, p.wake) == of) {
                w.goes_on(no);
            }
        });
    }

    /// States what the application is told, if it changed: once all that it rests on is saved.
    fn tells(&mut self, no: PodNo) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no).filter(|p| p.up) else {
            return;
        };
        let (clock, drives, parts) = (pod.clock.read(now), pod.drives(), pod.parts());
        if drives.iter().any(|d| d.is_unsaved()) {
            return;
        }
        let (Some(s), Some(by)) = (status(&parts, clock), speaker(&parts, clock)) else {
            return;
        };
        let line = drives.iter().position(|d| std::ptr::eq(*d, by));
        let when = |ms: Option<u64>| ms.and_then(|b| pod.clock.when(BootTime::from_millis(b)));
        let told = AppTold {
            says: says(s.state),
            server: line.map_or(0, |i| pod.lines[i].server),
            chosen: by.saved().is_chosen(),
            lease: s.lease.map(lease_no),
            limit: when(s.until_boot_ms),
            held_until: when(s.held_until_boot_ms),
        };
        if pod.told.replace(told) != Some(told) {
            self.state(SiteFact::Tells { pod: no, told });
        }
    }

    fn sends(
        &mut self,
        no: PodNo,
        line: usize,
        tag: Tag,
        request: Request,
        timeout: Duration,
    ) -> bool {
        self.is_heard(no, line);
        if !self.is_spared(no) {
            return false;
        }
        let (now, msg) = (self.now, self.new_msg());
        let Some(pod) = self.pods.get_mut(&no) else {
            return false;
        };
        // The drive's own clock says when it has waited long enough.
        let too_late = pod.clock.when(pod.clock.read(now) + timeout);
        let l = &mut pod.lines[line];
        l.awaits = Some(tag);
        let p = SitePacket {
            msg,
            pod: no,
            server: l.server,
            line,
            life: pod.life,
            tag,
            request,
        };
        let what = sends(&p.request);
        self.state(SiteFact::Sent {
            pod: no,
            server: p.server,
            msg,
            what,
        });
        let way = Way {
            pod: no,
            server: p.server,
            up: true,
            release: matches!(p.request, Request::Release { .. }),
        };
        let p = Rc::new(p);
        for t in self.net.ways(now, way) {
            let p = p.clone();
            self.at(t, move |w| w.arrives(&p));
        }
        self.at(too_late.unwrap_or(now), move |w| {
            w.hears(&p, Answer::NoContact("no answer in time".into()), None);
        });
        true
    }

    /// An answer, or its absence, comes to a sidecar.
    pub(super) fn hears(&mut self, p: &Rc<SitePacket>, answer: Answer, reply: Option<Answered>) {
        let (now, no) = (self.now, p.pod);
        let pod = self.pods.get_mut(&no);
        let Some(pod) = pod.filter(|pod| pod.up && pod.life == p.life) else {
            return;
        };
        let clock = pod.clock.read(now);
        let line = &mut pod.lines[p.line];
        // An answer that nobody awaits goes to the drive all the same: it must not matter.
        if line.awaits.take_if(|t| *t == p.tag).is_some() {
            let server = p.server;
            line.heard = Some(match reply {
                Some(says) => SiteFact::Heard {
                    pod: no,
                    server,
                    says,
                },
                None => SiteFact::Silence { pod: no, server },
            });
        }
        if let Some(drive) = &mut line.drive {
            drive.landed(clock, p.tag, answer, &mut Dice(&mut self.rng));
        }
        self.goes_on(no);
    }

    // What can become of them.

    /// The sidecar is killed; started again after a while.
    pub(super) fn sidecar_crashes(&mut self, no: PodNo, down: Ms) {
        let Some(pod) = self.pods.get_mut(&no).filter(|p| p.up) else {
            return;
        };
        (pod.up, pod.crash) = (false, None);
        pod.life += 1;
        for l in &mut pod.lines {
            (l.drive, l.awaits, l.heard) = (None, None, None);
        }
        self.state(SiteFact::Down(no));
        self.after(down, move |w| w.sidecar_starts(no));
    }

    pub(super) fn sidecar_starts(&mut self, no: PodNo) {
        let now = self.now;
        // Nothing is started again in a pod that ends.
        let Some(pod) = self.pods.get_mut(&no).filter(|p| !p.up && !p.ending) else {
            return;
        };
        pod.up = true;
        let clock = pod.clock.read(now);
        for l in &mut pod.lines {
            let saved = l.saved.clone();
            l.drive = Some(Drive::restore(l.spec.clone(), ClaimKind::Pod, saved, clock));
        }
        self.state(SiteFact::Up(no));
        self.goes_on(no);
    }

    /// The sidecar is told to end, and gives back what it has; killed if that takes too long, and
    /// started again in its pod.
    pub(super) fn sidecar_ends(&mut self, no: PodNo, again: Ms) {
        if !self.gives_back(no) {
            return;
        }
        let life = self.pods.get(&no).map(|p| p.life);
        self.after(TIME_TO_END, move |w| {
            if w.pods.get(&no).map(|p| p.life) == life {
                w.sidecar_crashes(no, again);
            }
        });
    }

    /// Each line is given back. Whether there was somebody to do so.
    fn gives_back(&mut self, no: PodNo) -> bool {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&no).filter(|p| p.up && !p.ending) else {
            return false;
        };
        let clock = pod.clock.read(now);
        let stops = pod.drives_mut().into_iter().map(|d| d.stop(clock));
        let saves: Vec<bool> = stops.collect();
        self.state(SiteFact::GivesBack(no));
        if saves.contains(&true) && !self.saves(no) {
            return true;
        }
        self.goes_on(no);
        true
    }

    /// The pod is asked to end: all is given back, and after a second it is gone in any case.
    pub(super) fn pod_ends(&mut self, no: PodNo) {
        self.gives_back(no);
        if let Some(pod) = self.pods.get_mut(&no) {
            pod.ending = true;
            self.after(TIME_TO_END, move |w| w.pod_dies(no));
        }
    }

    /// The pod is gone.
    pub(super) fn pod_dies(&mut self, no: PodNo) {
        if self.pods.remove(&no).is_some() {
            self.state(SiteFact::Dies(no));
        }
    }
}
