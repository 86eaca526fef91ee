//! A claim in the lines of several servers.

use super::super::drive::Drive;
use super::super::lines::{settle, status};
use super::*;
use crate::wire::{ClaimKind, Stance};

/// One claim, its lines, and the time.
struct Several {
    lines: Vec<Drive>,
    /// What each has under way, and since when.
    sent: Vec<Option<(Tag, Request, u64)>>,
    now: u64,
    r: Steady,
}

impl Several {
    fn new(count: usize, start: Start) -> Self {
        let drive = |n| {
            let spec = Spec {
                is_a_line: true,
                ..Spec::new(
                    ClaimName::pod(),
                    crate::request::parse("render").unwrap(),
                    start,
                )
            };
            Drive::new(spec, ClaimKind::Pod, Secret::from_bytes([n; 32]), at(0))
        };
        let lines = (0..count)
            .map(|n| drive(u8::try_from(n).unwrap()))
            .collect();
        let mut this = Self {
            lines,
            sent: vec![None; count],
            now: 0,
            r: Steady(0),
        };
        this.settle();
        this
    }

    /// Everybody does what there is to do, until all sleep.
    fn settle(&mut self) {
        loop {
            let mut all: Vec<&mut Drive> = self.lines.iter_mut().collect();
            settle(&mut all, at(self.now));
            let mut idle = true;
            for (line, sent) in self.lines.iter_mut().zip(&mut self.sent) {
                match line.next(at(self.now), &mut self.r) {
                    Do::Save => idle = false,
                    Do::Send { tag, request, .. } => {
                        (*sent, idle) = (Some((tag, request, self.now)), false);
                    }
                    Do::Sleep { .. } | Do::Done | Do::Kept => {}
                }
            }
            if idle {
                return;
            }
        }
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.now = ms;
        self.settle();
        self
    }

    /// One line's request is answered.
    fn answers(&mut self, line: usize, answer: Answer) -> &mut Self {
        let (tag, ..) = self.sent[line].take().expect("nothing is under way");
        self.lines[line].landed(at(self.now), tag, answer, &mut self.r);
        self.settle();
        self
    }

    fn says(&self) -> (HoldState, bool) {
        let all: Vec<&Drive> = self.lines.iter().collect();
        let status = status(&all, at(self.now)).unwrap();
        (status.state, status.licensed)
    }

    /// How each line's last request was to stand; `None`: it is no claim.
    fn stances(&self) -> Vec<Option<Stance>> {
        let stance = |sent: &Option<(Tag, Request, u64)>| match sent {
            Some((_, Request::Claim { body, .. }, _)) => Some(body.stance),
            _ => None,
        };
        self.sent.iter().map(stance).collect()
    }

    fn gives_back(&self, line: usize) -> bool {
        matches!(&self.sent[line], Some((_, Request::Release { .. }, _)))
    }

    /// All begin anew from what they saved last.
    fn crashes(&mut self) -> &mut Self {
        for line in &mut self.lines {
            let saved = line.saved().clone();
            let _ = line.begin_again(Some(saved), at(self.now), &mut self.r);
        }
        self.sent.fill(None);
        self.settle();
        self
    }
}

#[test]
fn seats_gather_at_the_first_that_answers_and_at_the_others_it_yields() {
    use Stance::{Gathers, Yields};
    let mut c = Several::new(3, Start::Licensed);
    assert_eq!(c.stances(), [Some(Gathers), Some(Yields), Some(Yields)]);
    // The first is away: the second is to gather, and is told at once.
    c.answers(0, silence()).answers(1, full());
    c.at(60);
    assert_eq!(c.stances()[1], Some(Gathers), "{:?}", c.sent);
    assert_eq!(c.says(), (HoldState::Waiting, false));
    // It comes back, and has a place for it.
    c.at(2_000).answers(0, full());
    c.at(2_100);
    assert_eq!(c.stances(), [Some(Gathers), Some(Yields), Some(Yields)]);
}

#[test]
fn the_first_that_holds_is_chosen_and_the_others_are_given_back() {
    let mut c = Several::new(2, Start::Licensed);
    c.answers(0, full()).answers(1, grant(1));
    assert_eq!(c.says(), (HoldState::Held, true));
    assert!(c.lines[1].saved().chosen && c.gives_back(0));
    // Its answer to the claim may still have been a lease: that is given back, and nobody is told.
    c.answers(0, Answer::Released);
    c.at(10_000);
    assert!(matches!(c.sent[1], Some((_, Request::Renew(_), _))));
    assert_eq!(c.sent[0].as_ref().map(|s| s.2), None, "it asks no more");
}

#[test]
fn of_two_leases_in_the_files_after_a_crash_the_chosen_one_is_kept() {
    let mut c = Several::new(2, Start::Licensed);
    c.answers(1, grant(1));
    assert_eq!(c.says(), (HoldState::Held, true));
    // Its claim at the first was granted meanwhile, and the crash came before that was given back.
    let mut first = c.lines[0].saved().clone();
    first.state = HoldState::Held;
    first.lease = Some(lease(7));
    first.out = false;
    first.held_until = at(30_000);
    first.limit = at(600_000);
    let _ = c.lines[0].begin_again(Some(first), at(c.now), &mut c.r);
    let saved = c.lines[1].saved().clone();
    let _ = c.lines[1].begin_again(Some(saved), at(c.now), &mut c.r);
    c.sent.fill(None);
    c.settle();
    assert!(c.lines[1].saved().chosen && !c.lines[0].saved().chosen);
    assert!(c.gives_back(0), "{:?}", c.sent);
}

#[test]
fn who_holds_asks_nobody_else_while_its_server_is_silent_and_everybody_once_it_is_lost() {
    let mut c = Several::new(2, Start::Licensed);
    c.answers(0, grant(1)).answers(1, Answer::Released);
    c.at(10_000).answers(0, silence());
    c.at(31_000);
    assert_eq!(c.says(), (HoldState::Grace, true));
    assert!(c.sent[1].is_none(), "a second seat is not asked for");
    c.at(600_000);
    assert_eq!(c.says(), (HoldState::Lost, false));
    assert!(
        matches!(c.stances()[1], Some(Stance::Gathers)),
        "{:?}",
        c.sent
    );
    c.answers(1, grant(1));
    assert_eq!(c.says(), (HoldState::Held, true));
}

#[test]
fn who_is_told_that_its_seat_is_gone_takes_one_elsewhere() {
    let mut c = Several::new(2, Start::Licensed);
    c.answers(0, grant(1)).answers(1, Answer::Released);
    c.at(10_000).answers(0, no(ProblemType::UnknownLease));
    c.answers(0, full());
    assert_eq!(c.says(), (HoldState::Contested, true));
    assert_eq!(c.stances()[1], Some(Stance::Yields));
    c.answers(1, grant(1));
    assert_eq!(c.says(), (HoldState::Held, true));
    assert!(c.lines[1].saved().chosen && c.gives_back(0));
}

#[test]
fn an_application_starts_without_a_server_when_all_are_silent() {
    let mut c = Several::new(2, Start::Optimistic);
    c.silence_until(0, 16_000);
    assert_eq!(
        c.says(),
        (HoldState::Seeking, false),
        "the other was not heard out"
    );
    let mut c = Several::new(2, Start::Optimistic);
    c.both_silent_until(21_000);
    assert_eq!(c.says(), (HoldState::Optimistic, true));
    c.crashes();
    assert_eq!(c.says(), (HoldState::Optimistic, true));
    // Then one says that there is no seat: that is an answer to the claim.
    c.at(30_000).answers(1, full());
    assert_eq!(c.says(), (HoldState::Contested, true));
    c.at(91_000);
    assert_eq!(c.says(), (HoldState::Lost, false));
    assert!(!c.lines[0].holder().status(at(91_000)).licensed);
}

#[test]
fn one_answer_of_any_is_an_answer() {
    let mut c = Several::new(2, Start::Optimistic);
    c.answers(1, no(ProblemType::Overloaded));
    c.silence_until(0, 60_000);
    assert!(!c.says().1, "{:?}", c.says());
    c.crashes();
    c.silence_until(0, 120_000);
    assert!(!c.says().1, "{:?}", c.says());
}

#[test]
fn it_is_refused_if_all_refuse() {
    let mut c = Several::new(2, Start::Licensed);
    c.answers(0, no(ProblemType::UnknownProduct));
    assert_eq!(c.says(), (HoldState::Seeking, false));
    assert_eq!(c.stances()[1], Some(Stance::Yields));
    c.answers(1, full());
    assert_eq!(c.says(), (HoldState::Waiting, false));
    c.at(100);
    assert_eq!(
        c.stances()[1],
        Some(Stance::Gathers),
        "it could never have a seat at the first"
    );
    let mut c = Several::new(2, Start::Licensed);
    c.answers(0, no(ProblemType::UnknownProduct));
    c.answers(1, no(ProblemType::UnknownProduct));
    assert_eq!(c.says(), (HoldState::Refused, false));
}

impl Several {
    /// One line's attempts end in silence, until then.
    fn silence_until(&mut self, line: usize, ms: u64) {
        self.silent(&[line], ms);
    }

    fn both_silent_until(&mut self, ms: u64) {
        self.silent(&[0, 1], ms);
    }

    fn silent(&mut self, who: &[usize], until: u64) {
        for t in (self.now..until).step_by(100) {
            self.at(t);
            for line in who {
                let over = self.sent[*line].as_ref().is_some_and(|s| t >= s.2 + 4_900);
                if over {
                    self.answers(*line, silence());
                }
            }
        }
        self.at(until);
    }
}
