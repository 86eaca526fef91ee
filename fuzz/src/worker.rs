//! What an anchor's worker is asked and answers, line by line. Behind it is other people's code.

use crate::readable;
use mooring_server::anchor::protocol::{Answer, Ask, MOST, Questions};
use serde::Serialize;
use std::io::Read;

/// A pipe that gives this much at a time.
struct Pieces<'a> {
    left: &'a [u8],
    step: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let n = self.step.min(room.len()).min(self.left.len());
        let (now, later) = self.left.split_at(n);
        room[..n].copy_from_slice(now);
        self.left = later;
        Ok(n)
    }
}

fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it is written")
}

/// The first byte says in what pieces the rest arrives.
pub fn worker(data: &[u8]) {
    let Some((step, bytes)) = data.split_first() else {
        return;
    };
    let step = usize::from(*step).max(1);
    let mut questions = Questions::new(Pieces { left: bytes, step });
    let mut lines = bytes.split_inclusive(|b| *b == b'\n');
    loop {
        let line = match questions.take() {
            Err(e) => return readable(&e),
            Ok(None) => break,
            Ok(Some(line)) => line,
        };
        assert_eq!(Some(line.as_slice()), lines.next(), "cut elsewhere");
        assert!(line.len() <= MOST);
        match serde_json::from_slice::<Ask>(&line) {
            Err(e) => readable(&e),
            Ok(ask) => {
                let (name, line) = (ask.name(), ask.line().expect("what was read is sent"));
                let again: Ask = serde_json::from_slice(&line).expect("what is sent is read");
                assert_eq!(again.name(), name);
                assert_eq!(written(&again), written(&ask));
                // For logs.
                assert_eq!(format!("{ask:?}"), name);
            }
        }
    }
    assert!(lines.next().is_none_or(|cut| !cut.ends_with(b"\n")));
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match Answer::read(line) {
            Err(e) => readable(&e),
            Ok(answer) => {
                let line = [written(&answer), b"\n".to_vec()].concat();
                let again = Answer::read(&line).expect("what is written is read");
                assert_eq!(written(&again), written(&answer));
            }
        }
    }
}
