//! What a sidecar does for one claim, and in which order: save, send, listen, give back, begin
//! again.
//!
//! A state machine without I/O, clock or chance, as the [`Claimant`] that it owns. The caller does
//! what [`Drive::next`] says, one thing after another until it is told to sleep, and hands in what
//! comes of it. Sidecar and simulator run this same code. Its rules:
//!
//! - What a request depends on is saved before it leaves: after a crash its numbers belong to no
//!   other request, and the server does not take the one that comes back for a copy.
//! - That a claim is being given back is saved, too: a crash does not bring it back.
//! - A release that reached nobody is sent again, with doubling pauses, for as long as its answer
//!   may take.
//! - The pod's claim begins anew once what an earlier life left was given back; a run-time claim
//!   does not.

pub use super::Do;
use super::{Answer, Claimant, Random, Releasing, Request, Saved, Spec, Tag};
use crate::mutant::{self, Mutant};
use crate::names::ClaimName;
use crate::request::Item;
use crate::secret::Secret;
use crate::time::BootTime;
use crate::wire::{ClaimKind, Stance};
use std::time::Duration;

/// The pause before a release is sent again; doubled each time.
const RELEASE_AGAIN: Duration = Duration::from_millis(100);
/// The pause after a save that failed.
const SAVE_AGAIN: Duration = Duration::from_secs(1);
/// The longest pause before a release is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The shortest sleep, so that a time in the past never turns the caller's loop into a spin.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// Why a claim is given back for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    Stop,
    /// It has what it asks for elsewhere; it may come back.
    Out,
    /// The application has no use for it any more.
    Leave,
}

#[derive(Clone, Debug)]
struct Release {
    tag: Tag,
    request: Request,
    /// When its answer would come too late.
    ends: BootTime,
    pause: Duration,
    /// When it is sent again; [`BootTime::NEVER`] while a try is under way.
    again_at: BootTime,
}

/// One claim as a sidecar drives it.
#[derive(Debug)]
pub struct Drive {
    spec: Spec,
    kind: ClaimKind,
    holder: Claimant,
    ending: Ending,
    /// Decided, and held back until what it depends on is saved.
    staged: Option<Do>,
    release: Option<Release>,
    /// It begins anew once it was given back.
    comes_back: bool,
    /// It was lost with another part.
    lost: bool,
}

/// The names of the claims that go on, but for the one of this name: what its request tells the
/// server to expect of this holder besides.
pub fn others<'a>(all: impl IntoIterator<Item = &'a Drive>, name: &ClaimName) -> Vec<ClaimName> {
    let names = all.into_iter().filter(|d| !d.is_leaving() && !d.is_out());
    let names = names.map(|d| &d.spec.name).filter(|n| *n != name);
    names.cloned().collect()
}

impl Drive {
    /// A claim that begins at `now` with a fresh secret.
    pub fn new(spec: Spec, kind: ClaimKind, secret: Secret, now: BootTime) -> Self {
        let holder = Claimant::new(spec.clone(), secret, now);
        Self::with(spec, kind, holder, Ending::No)
    }

    /// A claim of before a crash on the same boot, from what was saved last.
    pub fn restore(spec: Spec, kind: ClaimKind, saved: Saved, now: BootTime) -> Self {
        let ending = match kind {
            _ if saved.out => Ending::Out,
            ClaimKind::Pod => Ending::No,
            _ if saved.is_given_back() => Ending::Leave,
            _ => Ending::No,
        };
        let holder = Claimant::restore(spec.clone(), saved, now);
        Self::with(spec, kind, holder, ending)
    }

    fn with(spec: Spec, kind: ClaimKind, holder: Claimant, ending: Ending) -> Self {
        Self {
            spec,
            kind,
            holder,
            ending,
            staged: None,
            release: None,
            comes_back: false,
            lost: false,
        }
    }

    /// Goes back to what was saved last, as after a crash of the whole process. That the claim is
    /// being given back is not forgotten, even if it was not saved yet. Whether to save, as for
    /// [`Drive::stop`].
    #[must_use]
    pub fn begin_again(
        &mut self,
        saved: Option<Saved>,
        now: BootTime,
        random: &mut dyn Random,
    ) -> bool {
        let (spec, kind, ending) = (self.spec.clone(), self.kind, self.ending);
        let answered = self.saved().answered;
        *self = match saved {
            Some(saved) => Self::restore(spec, kind, saved, now),
            None => Self::new(spec, kind, random.secret(), now),
        };
        self.holder.s.answered |= answered;
        if ending == Ending::No {
            return false;
        }
        self.ending = ending;
        self.give_back(now)
    }

    pub fn holder(&self) -> &Claimant {
        &self.holder
    }

    /// What is asked for.
    pub fn items(&self) -> &[Item] {
        &self.holder.s.items
    }

    pub(super) fn holder_mut(&mut self) -> &mut Claimant {
        &mut self.holder
    }

    /// What a crash must not lose.
    pub fn saved(&self) -> &Saved {
        &self.holder.s
    }

    /// Whether there is something to save that nobody has been told to.
    pub fn is_unsaved(&self) -> bool {
        self.holder.dirty
    }

    /// Whether [`Drive::saved`] was saved now; where that failed it is tried again.
    pub fn was_saved(&mut self, well: bool) {
        self.holder.dirty = !well;
    }

    /// Whether it is out of line since another is chosen.
    pub(super) fn is_out(&self) -> bool {
        self.ending == Ending::Out
    }

    /// Whether it ends for good.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.ending, Ending::Stop | Ending::Leave)
    }

    /// Whether the application has given it back: then its name is free, whatever the release still
    /// takes.
    pub fn is_leaving(&self) -> bool {
        self.ending == Ending::Leave
    }

    pub fn next(&mut self, now: BootTime, random: &mut dyn Random) -> Do {
        let staged = self.staged.take();
        let todo = staged.unwrap_or_else(|| self.decide(now, random));
        match &todo {
            Do::Sleep { until } => return self.sleep(now, *until),
            Do::Send {
                tag,
                request,
                timeout,
            } => {
                self.release = matches!(request, Request::Release { .. }).then(|| Release {
                    tag: *tag,
                    request: request.clone(),
                    ends: now + *timeout,
                    pause: RELEASE_AGAIN,
                    again_at: BootTime::NEVER,
                });
            }
            Do::Save | Do::Done | Do::Kept => {}
        }
        todo
    }

    /// The holder's next step, or what comes before it.
    fn decide(&mut self, now: BootTime, random: &mut dyn Random) -> Do {
        let mut step = self.holder.poll(now, random);
        if self.holder.releasing == Releasing::Done {
            if self.ending == Ending::Out {
                return self.out();
            }
            let comes_back = self.comes_back && self.ending == Ending::No;
            if self.kind != ClaimKind::Pod && !comes_back {
                return Do::Done;
            }
            if self.ending != Ending::No {
                return self.kept();
            }
            self.comes_back = false;
            self.lost = false;
            // What was left over is given back; the application still needs its claim. Its requests
            // are numbered on, so that no late answer to the old one's is taken for an answer to
            // them.
            let (tags, stance) = (self.holder.tags, self.holder.stance);
            let s = self.saved();
            let (answered, begun, whole) = (s.answered, s.begun, s.whole);
            self.holder = Claimant::new(self.spec.clone(), random.secret(), now);
            (self.holder.tags, self.holder.stance) = (tags, stance);
            // A line of a pool that comes back is one of a claim of which all parts are there.
            self.holder.s.whole = whole;
            self.holder.s.answered = answered && !mutant::on(Mutant::AnswerForgottenInRestart);
            if self.spec.is_a_part && !answered {
                // What an application may do without a server is no longer for that.
                self.holder.s.begun = begun;
            }
            self.release = None;
            step = self.holder.poll(now, random);
        }
        if self.holder.dirty && !self.forgets_to_save(&step) {
            self.holder.dirty = false;
            self.staged = Some(step);
            return Do::Save;
        }
        step
    }

    /// The pod's claim was given back since its sidecar ends. Should that start again, the claim
    /// begins anew, and what must outlive this is that it was answered.
    fn kept(&mut self) -> Do {
        let s = &mut self.holder.s;
        if s.lease.take().is_some() || self.holder.dirty {
            (s.papers, s.ticket, s.pending) = (None, None, None);
            self.holder.dirty = false;
            self.staged = Some(Do::Kept);
            return Do::Save;
        }
        Do::Kept
    }

    /// It is out of line, and nothing is to be done for it before it comes back.
    fn out(&mut self) -> Do {
        let s = &mut self.holder.s;
        (s.lease, s.papers, s.ticket, s.pending) = (None, None, None, None);
        let until = BootTime::NEVER;
        if std::mem::take(&mut self.holder.dirty) {
            self.staged = Some(Do::Sleep { until });
            return Do::Save;
        }
        Do::Sleep { until }
    }

    /// Mistakes that the simulator must find.
    fn forgets_to_save(&self, step: &Do) -> bool {
        let sends = matches!(step, Do::Send { .. });
        let releases = self.holder.releasing != Releasing::No;
        (sends && mutant::on(Mutant::SentBeforeSaved))
            || (releases && mutant::on(Mutant::LeavingMarkForgotten))
    }

    fn sleep(&mut self, now: BootTime, until: BootTime) -> Do {
        let mut until = until.min(self.holder.changes_at(now));
        if let Some(r) = &mut self.release {
            if r.again_at <= now {
                r.again_at = BootTime::NEVER;
                return Do::Send {
                    tag: r.tag,
                    request: r.request.clone(),
                    timeout: now.until(r.ends),
                };
            }
            until = until.min(r.again_at);
        }
        if self.holder.dirty {
            until = until.min(now + SAVE_AGAIN);
        }
        Do::Sleep {
            until: until.max(now + SHORTEST_SLEEP),
        }
    }

    pub fn landed(&mut self, now: BootTime, tag: Tag, answer: Answer, random: &mut dyn Random) {
        if let Some(r) = self.release.as_mut().filter(|r| r.tag == tag)
            && matches!(answer, Answer::NoContact(_))
        {
            // Of a try before this one.
            if r.again_at != BootTime::NEVER {
                return;
            }
            // Nobody asks for a release twice, so it is worth all the time that there is for its
            // answer.
            if now + r.pause < r.ends {
                r.again_at = now + r.pause;
                r.pause = (r.pause * 2).min(LONGEST_PAUSE);
                return;
            }
        }
        self.holder.answered(now, tag, answer, random);
    }

    /// The sidecar ends: the claim is given back, and begins anew if the sidecar does. Whether to
    /// save [`Drive::saved`] at once: before anybody is told that it is given back.
    #[must_use]
    pub fn stop(&mut self, now: BootTime) -> bool {
        if matches!(self.ending, Ending::No | Ending::Out) {
            self.ending = Ending::Stop;
        }
        self.give_back(now)
    }

    /// The application gives it back. Whether to save, as for [`Drive::stop`].
    #[must_use]
    pub fn leave(&mut self, now: BootTime) -> bool {
        self.ending = Ending::Leave;
        self.give_back(now)
    }

    /// The claim has what it asks for at another server: here it is given back, and stays so until
    /// [`Drive::come_back`]. Whether to save, as for [`Drive::stop`].
    #[must_use]
    pub(super) fn stay_out(&mut self, now: BootTime) -> bool {
        self.ending = Ending::Out;
        self.comes_back = false;
        self.holder.s.out = true;
        self.give_back(now)
    }

    /// Claims here again, once what there was is given back.
    pub(super) fn come_back(&mut self) {
        // Until it begins anew a crash must not take it for one that its application gave back.
        self.ending = Ending::No;
        self.comes_back = true;
    }

    /// The same, since another part of its claim is lost, and that with it.
    pub(super) fn come_back_lost(&mut self) {
        self.come_back();
        self.lost = true;
    }

    /// It was lost with another part, and has not begun anew since.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// How it is to stand in line from now on; whether that is news.
    pub(super) fn stands(&mut self, stance: Stance) -> bool {
        std::mem::replace(&mut self.holder.stance, stance) != stance
    }

    fn give_back(&mut self, now: BootTime) -> bool {
        if self.saved().is_given_back() {
            return false;
        }
        // What was held back never left, so no answer to it is waited for.
        if let Some(Do::Send { .. }) = self.staged.take() {
            self.holder.outstanding = None;
        }
        self.holder.release(now);
        // The release is numbered now, so that one save does for both: on a slow disk each counts.
        let step = self.holder.poll_release(now);
        self.staged = Some(step).filter(|s| matches!(s, Do::Send { .. }));
        self.holder.dirty = false;
        !mutant::on(Mutant::LeavingMarkForgotten)
    }
}
