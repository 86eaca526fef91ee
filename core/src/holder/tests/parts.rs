//! A claim for what several servers have together: servers that grant a fixed number of seats, each
//! with its line.

use super::super::drive::Drive;
use super::super::parts::{PART_WAITS, settle, status};
use super::*;
use crate::wire::{ClaimKind, Stance};

/// One server of a part, as the claims see it: whose place comes when, and who has seats.
#[derive(Default)]
struct Counter {
    free: u32,
    /// Who stands in line, in order: each with how it stands there.
    line: Vec<(usize, Stance)>,
    holds: Vec<usize>,
    away: bool,
}

/// A claim of each pod: a part at each server that it names, by the server's number.
struct Pod {
    servers: Vec<usize>,
    parts: Vec<Drive>,
    sent: Vec<Option<(Tag, Request)>>,
}

struct Site {
    servers: Vec<Counter>,
    pods: Vec<Pod>,
    now: u64,
    r: Steady,
}

fn waiting(server: usize, place: usize) -> Answer {
    let Answer::Waiting(mut w) = full() else {
        unreachable!()
    };
    w.server = ServerId::from_bytes([u8::try_from(server).unwrap(); 16]);
    w.place = u32::try_from(place).unwrap();
    Answer::Waiting(w)
}

impl Site {
    fn new(seats: &[u32]) -> Self {
        let server = |free: &u32| Counter {
            free: *free,
            ..Counter::default()
        };
        Self {
            servers: seats.iter().map(server).collect(),
            pods: Vec::new(),
            now: 0,
            r: Steady(0),
        }
    }

    /// A pod that asks for one seat of each of these, in this order of its own.
    fn comes(&mut self, servers: &[usize]) -> usize {
        let part = |n: &usize| {
            let spec = Spec {
                is_a_part: servers.len() > 1,
                ..Spec::new(
                    ClaimName::pod(),
                    crate::request::parse(&format!("p{n}")).unwrap(),
                    Start::Optimistic,
                )
            };
            let secret = self.r.secret();
            Drive::new(spec, ClaimKind::Pod, secret, at(self.now))
        };
        let parts: Vec<Drive> = servers.iter().map(part).collect();
        self.pods.push(Pod {
            servers: servers.to_vec(),
            sent: vec![None; parts.len()],
            parts,
        });
        self.pods.len() - 1
    }

    fn goes(&mut self, pod: usize) {
        for s in &mut self.servers {
            s.line.retain(|(p, _)| *p != pod);
            let before = s.holds.len();
            s.holds.retain(|p| *p != pod);
            s.free += u32::try_from(before - s.holds.len()).unwrap();
        }
        self.pods[pod].parts.clear();
        self.pods[pod].sent.clear();
        self.pods[pod].servers.clear();
    }

    fn state(&self, pod: usize) -> HoldState {
        let parts: Vec<Vec<&Drive>> = self.pods[pod].parts.iter().map(|d| vec![d]).collect();
        let s = status(&parts, at(self.now)).unwrap();
        assert_eq!(s.licensed, s.state.is_licensed());
        s.state
    }

    /// Lets this long pass, in steps.
    fn run(&mut self, ms: u64) -> &mut Self {
        let end = self.now + ms;
        while self.now < end {
            self.now += 250;
            self.step();
        }
        self
    }

    fn step(&mut self) {
        for i in 0..self.pods.len() {
            self.drive(i);
        }
        for s in 0..self.servers.len() {
            self.grant(s);
        }
        for i in 0..self.pods.len() {
            for n in 0..self.pods[i].parts.len() {
                self.answer(i, n);
            }
        }
    }

    fn drive(&mut self, pod: usize) {
        let pod = &mut self.pods[pod];
        let mut parts: Vec<Vec<&mut Drive>> = pod.parts.iter_mut().map(|d| vec![d]).collect();
        settle(&mut parts, at(self.now));
        for (drive, sent) in pod.parts.iter_mut().zip(&mut pod.sent) {
            loop {
                match drive.next(at(self.now), &mut self.r) {
                    Do::Save => {}
                    Do::Send { tag, request, .. } => *sent = Some((tag, request)),
                    Do::Sleep { .. } | Do::Done | Do::Kept => break,
                }
            }
        }
    }

    /// The first in line that may have a seat has it.
    fn grant(&mut self, server: usize) {
        let s = &mut self.servers[server];
        while s.free > 0 {
            let Some(at) = s.line.iter().position(|(_, st)| *st != Stance::Rests) else {
                return;
            };
            let (pod, _) = s.line.remove(at);
            s.holds.push(pod);
            s.free -= 1;
        }
    }

    fn answer(&mut self, pod: usize, n: usize) {
        let server = self.pods[pod].servers[n];
        let Some((tag, request)) = self.pods[pod].sent[n].clone() else {
            return;
        };
        let s = &mut self.servers[server];
        if s.away {
            let answer = Answer::NoContact("away".into());
            self.pods[pod].sent[n] = None;
            self.pods[pod].parts[n].landed(at(self.now), tag, answer, &mut self.r);
            return;
        }
        let answer = match request {
            Request::Release { .. } => {
                let before = s.holds.len();
                s.holds.retain(|p| *p != pod);
                s.free += u32::try_from(before - s.holds.len()).unwrap();
                s.line.retain(|(p, _)| *p != pod);
                Answer::Released
            }
            Request::Renew(r) => renewed(r.counter),
            Request::Claim { body, .. } => {
                let held = s.holds.contains(&pod);
                if held && body.stance == Stance::Rests {
                    s.holds.retain(|p| *p != pod);
                    s.free += 1;
                    // The place that it had: before all who came later.
                    s.line.insert(0, (pod, body.stance));
                }
                match s.line.iter_mut().find(|(p, _)| *p == pod) {
                    Some((_, stance)) => *stance = body.stance,
                    None if !held => s.line.push((pod, body.stance)),
                    None => {}
                }
                if s.holds.contains(&pod) {
                    grant(body.counter.unwrap())
                } else {
                    let place = s.line.iter().position(|(p, _)| *p == pod).unwrap();
                    waiting(server, place + 1)
                }
            }
        };
        self.pods[pod].sent[n] = None;
        self.pods[pod].parts[n].landed(at(self.now), tag, answer, &mut self.r);
    }

    /// The next that it asks for a part is answered so.
    fn loses(&mut self, pod: usize, part: usize, by: ProblemType) {
        let (tag, _) = loop {
            self.now += 250;
            self.drive(pod);
            if let Some(sent) = self.pods[pod].sent[part].take() {
                break sent;
            }
            self.step();
        };
        self.pods[pod].parts[part].landed(at(self.now), tag, no(by), &mut self.r);
    }

    fn held(&self) -> Vec<usize> {
        let held = |p: &usize| self.state(*p) == HoldState::Held;
        let there = |p: &usize| !self.pods[*p].parts.is_empty();
        (0..self.pods.len()).filter(there).filter(held).collect()
    }
}

#[test]
fn all_parts_are_taken_one_after_the_other_and_told_together() {
    let mut site = Site::new(&[1, 1, 1]);
    let pod = site.comes(&[2, 0, 1]);
    let mut seen = Vec::new();
    for _ in 0..40 {
        site.run(250);
        let has: Vec<usize> = site.servers.iter().map(|s| s.holds.len()).collect();
        let all = has.iter().sum::<usize>() == 3;
        assert!(all || site.state(pod) != HoldState::Held, "{has:?}");
        if seen.last() != Some(&has) {
            seen.push(has);
        }
    }
    assert_eq!(
        seen,
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]],
        "in the order of the servers' ids"
    );
    assert_eq!(site.state(pod), HoldState::Held);
}

#[test]
fn two_that_ask_in_both_orders_have_all_one_after_the_other() {
    let mut site = Site::new(&[1, 1]);
    let one = site.comes(&[0, 1]);
    let other = site.comes(&[1, 0]);
    site.run(5_000);
    let held = site.held();
    assert_eq!(held.len(), 1, "{held:?}");
    let waits = if held == [one] { other } else { one };
    assert_eq!(site.state(waits), HoldState::Waiting);
    site.goes(held[0]);
    site.run(15_000);
    assert_eq!(site.held(), [waits]);
}

#[test]
fn who_waits_for_the_last_part_keeps_no_seat_of_the_first_from_others() {
    let mut site = Site::new(&[1, 1]);
    let all = site.comes(&[1]);
    site.run(2_000);
    let first = site.comes(&[0, 1]);
    site.run(2_000);
    // It stands first in the last line, and so has its part of the other for a while.
    assert_eq!(site.servers[0].holds, [first]);
    let second = site.comes(&[0, 1]);
    let small = site.comes(&[0]);
    site.run(10_000);
    assert_eq!(site.state(second), HoldState::Waiting);
    assert!(!site.servers[0].holds.contains(&second));
    assert_eq!(site.held(), [all]);
    // Then it goes back to its place, and who waits for that seat alone has it.
    site.run(u64::try_from(PART_WAITS.as_millis()).unwrap() + 15_000);
    assert_eq!(site.held(), [all, small]);
    site.goes(small);
    site.goes(all);
    site.run(30_000);
    assert_eq!(site.held(), [first]);
}

#[test]
fn lost_at_one_is_lost_and_given_back_at_all() {
    let mut site = Site::new(&[1, 1]);
    let pod = site.comes(&[0, 1]);
    site.run(5_000);
    assert_eq!(site.state(pod), HoldState::Held);
    site.loses(pod, 0, ProblemType::Revoked);
    site.drive(pod);
    assert_eq!(site.state(pod), HoldState::Lost);
    site.run(500);
    assert_eq!(site.servers[1].holds, [0; 0], "the other's seat is free");
}

#[test]
fn what_begins_anew_after_a_loss_rests_until_its_turn() {
    let mut site = Site::new(&[1, 1]);
    site.servers[0].away = true;
    let pod = site.comes(&[0, 1]);
    site.run(25_000);
    assert_eq!(site.state(pod), HoldState::Optimistic);
    // There is nothing to give back at the first: it claims at once.
    site.loses(pod, 1, ProblemType::Revoked);
    site.pods[pod].sent[0] = None;
    site.drive(pod);
    let Some((_, Request::Claim { body, .. })) = &site.pods[pod].sent[0] else {
        panic!("{:?}", site.pods[pod].sent);
    };
    assert_eq!(body.stance, Stance::Rests);
}

#[test]
fn a_part_that_is_lost_is_taken_again_before_those_that_come_after_it() {
    let mut site = Site::new(&[1, 1, 1]);
    let last = site.comes(&[2]);
    site.run(2_000);
    let pod = site.comes(&[2, 1, 0]);
    site.run(2_000);
    assert_eq!(site.servers[0].holds, [pod]);
    assert_eq!(site.servers[1].holds, [pod]);
    // Its first server has another for that seat, as after a restart.
    let other = site.comes(&[0]);
    site.run(1_000);
    site.servers[0].holds = vec![other];
    site.loses(pod, 2, ProblemType::UnknownLease);
    site.run(3_000);
    assert_eq!(site.servers[1].holds, [0; 0], "for who comes first now");
    site.goes(other);
    site.goes(last);
    site.run(30_000);
    assert_eq!(site.held(), [pod]);
}

#[test]
fn each_vendors_own_word_decides_of_a_start_without_its_server() {
    let mut site = Site::new(&[1, 1]);
    site.servers[0].away = true;
    let pod = site.comes(&[0, 1]);
    site.run(10_000);
    assert!(!site.state(pod).is_licensed(), "silence is not over");
    site.run(15_000);
    assert_eq!(site.state(pod), HoldState::Optimistic);
    assert_eq!(
        site.servers[1].holds,
        [pod],
        "the other vendor's seat is there"
    );
    site.servers[0].away = false;
    site.run(30_000);
    assert_eq!(site.state(pod), HoldState::Held);
}

#[test]
fn what_is_lost_at_a_silent_server_is_no_new_start_without_it() {
    let mut site = Site::new(&[1, 1]);
    site.servers[0].away = true;
    let pod = site.comes(&[0, 1]);
    site.run(25_000);
    assert_eq!(site.state(pod), HoldState::Optimistic);
    let limit = u64::try_from(DEFAULT_GRACE.as_millis()).unwrap();
    site.now = limit;
    site.run(5_000);
    assert!(!site.state(pod).is_licensed());
    assert_eq!(site.servers[1].holds, [0; 0], "the other's seat is free");
    for _ in 0..200 {
        site.run(500);
        assert!(!site.state(pod).is_licensed(), "at {}", site.now);
    }
    site.servers[0].away = false;
    site.run(90_000);
    assert_eq!(site.state(pod), HoldState::Held);
}

#[test]
fn nothing_is_taken_while_the_last_server_is_away_whatever_place_it_told() {
    let mut site = Site::new(&[1, 1]);
    let all = site.comes(&[1]);
    site.run(1_000);
    let pod = site.comes(&[0, 1]);
    site.servers[0].free = 0;
    site.run(3_000);
    assert_eq!(site.state(all), HoldState::Held);
    site.servers[1].away = true;
    site.run(20_000);
    site.servers[0].free = 1;
    site.run(20_000);
    assert_eq!(site.servers[0].holds, [0; 0], "its place there may be gone");
    site.servers[1].away = false;
    site.goes(all);
    site.run(60_000);
    assert_eq!(site.held(), [pod]);
}

/// A claim of two parts, of which two servers may give the first: what each line has under way.
struct PoolAndOther {
    lines: [Drive; 3],
    sent: [Option<(Tag, Request)>; 3],
    now: u64,
    r: Steady,
}

impl PoolAndOther {
    fn new() -> Self {
        let line = |items: &str, n: u8| {
            let spec = Spec {
                is_a_line: true,
                is_a_part: true,
                ..Spec::new(
                    ClaimName::pod(),
                    crate::request::parse(items).unwrap(),
                    Start::Licensed,
                )
            };
            Drive::new(spec, ClaimKind::Pod, Secret::from_bytes([n; 32]), at(0))
        };
        let mut this = Self {
            lines: [line("a", 1), line("a", 2), line("b", 3)],
            sent: [None, None, None],
            now: 0,
            r: Steady(9),
        };
        this.goes_on();
        this
    }

    fn goes_on(&mut self) {
        loop {
            let [one, two, other] = &mut self.lines;
            settle(&mut [vec![one, two], vec![other]], at(self.now));
            let mut idle = true;
            for (line, sent) in self.lines.iter_mut().zip(&mut self.sent) {
                match line.next(at(self.now), &mut self.r) {
                    Do::Save => idle = false,
                    Do::Send { tag, request, .. } => (*sent, idle) = (Some((tag, request)), false),
                    Do::Sleep { .. } | Do::Done | Do::Kept => {}
                }
            }
            if idle {
                return;
            }
        }
    }

    fn answers(&mut self, line: usize, answer: Answer) -> &mut Self {
        let (tag, _) = self.sent[line].take().expect("nothing is under way");
        self.lines[line].landed(at(self.now), tag, answer, &mut self.r);
        self.goes_on();
        self
    }

    /// Whether the line's claim says that other parts are not there.
    fn claims_a_part(&self, line: usize) -> bool {
        match &self.sent[line] {
            Some((_, Request::Claim { body, .. })) => body.part,
            other => panic!("{other:?}"),
        }
    }

    fn state(&self) -> HoldState {
        let [one, two, other] = &self.lines;
        let status = status(&[vec![one, two], vec![other]], at(self.now));
        status.unwrap().state
    }
}

#[test]
fn a_part_that_moves_to_another_server_of_its_pool_is_one_of_a_whole_there() {
    let mut c = PoolAndOther::new();
    for line in 0..3 {
        c.answers(line, waiting(line, 1));
    }
    c.answers(0, grant(1)).answers(1, Answer::Released);
    assert_eq!(c.state(), HoldState::Waiting);
    c.answers(2, grant(1));
    assert_eq!(c.state(), HoldState::Held);
    // Both servers hear that all is there.
    c.answers(0, grant(2)).answers(2, grant(2));
    // Its seat is gone, and the other server of the pool has one.
    let no_lease = || no(ProblemType::UnknownLease);
    c.now = 10_000;
    c.goes_on();
    c.answers(0, no_lease()).answers(0, waiting(0, 1));
    assert_eq!(c.state(), HoldState::Contested);
    assert!(!c.claims_a_part(1));
    c.answers(1, grant(1));
    assert_eq!(c.state(), HoldState::Held);
    // There it may be gone again, as anywhere: its application runs on.
    c.now = 20_000;
    c.goes_on();
    c.answers(1, no_lease()).answers(1, waiting(1, 1));
    assert_eq!(c.state(), HoldState::Contested);
}
