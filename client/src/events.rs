//! Changes as they come: server-sent events (WHATWG HTML, "Server-sent events") from the sidecar.

use crate::clock::boot;
use crate::conn::Answer;
use crate::error::Error;
use mooring_core::time::BootTime;
use mooring_core::wire::Status;
use mooring_core::wire::calls::socket::EVENTS;
use mooring_core::wire::calls::{AnswerBody, CallSpec, SocketCall};
use std::time::Duration;

/// The longest event that is read.
pub const MAX_EVENT: usize = 256 * 1024;
/// The sidecar says something at least each 15 s; after three times that it is taken for dead.
const SILENCE: Duration = Duration::from_secs(45);

/// Cuts a stream of bytes into events; pure.
#[derive(Debug)]
pub struct Parser {
    kind: &'static str,
    /// What has come and is not cut yet.
    bytes: Vec<u8>,
    data: String,
    other: bool,
}

impl Parser {
    /// For the events that this call answers with; others are passed over.
    pub fn of(call: &CallSpec<SocketCall>) -> Self {
        let kind = call.answers.iter().find_map(|(_, answer)| match answer {
            AnswerBody::Events(event, _) => Some(*event),
            _ => None,
        });
        Self {
            kind: kind.unwrap_or_default(),
            bytes: Vec::new(),
            data: String::new(),
            other: false,
        }
    }

    /// The next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// How much is kept of an event that is not there in full: at most [`MAX_EVENT`] where
    /// [`Self::take`] wants more.
    pub fn kept(&self) -> usize {
        self.bytes.len() + self.data.len()
    }

    /// The next event's data, once it is there in full.
    pub fn take(&mut self) -> Result<Option<String>, String> {
        while let Some(end) = self.bytes.iter().position(|b| *b == b'\n') {
            let line = self.bytes.drain(..=end).take(end).collect::<Vec<_>>();
            let line = String::from_utf8(line).map_err(|_| "an event is not UTF-8")?;
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                let data = std::mem::take(&mut self.data);
                // Kinds of events that a later sidecar may send are passed over.
                if !std::mem::take(&mut self.other) && !data.is_empty() {
                    return Ok(Some(data));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" if self.data.is_empty() => value.clone_into(&mut self.data),
                "data" => {
                    self.data.push('\n');
                    self.data.push_str(value);
                }
                "event" => self.other = value != self.kind,
                _ => {} // comments, ids, retry
            }
        }
        if self.kept() > MAX_EVENT {
            Err("an event is too long".into())
        } else {
            Ok(None)
        }
    }
}

/// Each change of the status, the present one first. It ends with an error when the sidecar is
/// gone; ask anew then: a sidecar that was restarted goes on with the same lease.
#[derive(Debug)]
pub struct Events {
    answer: Answer,
    parser: Parser,
    heard: BootTime,
    ended: bool,
}

impl Events {
    pub(crate) fn new(answer: Answer) -> Self {
        Self {
            answer,
            parser: Parser::of(&EVENTS),
            heard: boot(),
            ended: false,
        }
    }

    /// Waits for the next change until `deadline`; `Ok(None)` if there is none by then.
    pub fn next_before(&mut self, deadline: BootTime) -> Result<Option<Status>, Error> {
        let bad = |problem: String| Error::answer(EVENTS.path, problem);
        loop {
            if let Some(data) = self.parser.take().map_err(bad)? {
                let read = serde_json::from_str(&data);
                return read.map(Some).map_err(|e| bad(e.to_string()));
            }
            let silent = self.heard + SILENCE;
            match self.answer.more(deadline.min(silent))? {
                None => return Err(Error::Broken("the sidecar has ended".into())),
                Some(piece) if piece.is_empty() => {
                    let now = boot();
                    if now >= silent {
                        return Err(Error::timeout(EVENTS.path, SILENCE));
                    }
                    if now >= deadline {
                        return Ok(None);
                    }
                }
                Some(piece) => {
                    self.heard = boot();
                    self.parser.push(&piece);
                }
            }
        }
    }
}

impl Iterator for Events {
    type Item = Result<Status, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_before(BootTime::NEVER).transpose()?;
        self.ended = next.is_err();
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn cut(stream: &str, step: usize) -> Result<Vec<String>, String> {
        let (mut p, mut all) = (Parser::of(&EVENTS), Vec::new());
        for piece in stream.as_bytes().chunks(step) {
            p.push(piece);
            while let Some(e) = p.take()? {
                all.push(e);
            }
        }
        Ok(all)
    }

    #[test]
    fn events_are_cut_out_of_the_stream_however_it_arrives() {
        let stream = ": alive\n\nid: 7\nevent: status\ndata: {\"a\":1}\n\nevent: later-kind\ndata: x\n\ndata:b\r\ndata: c\r\n\r\ndata: half";
        for step in 1..=stream.len() {
            assert_eq!(
                cut(stream, step),
                Ok(vec!["{\"a\":1}".to_owned(), "b\nc".to_owned()]),
                "step {step}"
            );
        }
    }

    #[test]
    fn an_endless_event_is_an_error() {
        assert!(cut(&"x".repeat(MAX_EVENT + 2), 4096).is_err());
        assert!(cut(&format!("data: {}\n", "x".repeat(1000)).repeat(300), 4096).is_err());
    }

    proptest! {
        #[test]
        fn any_stream_is_answered(s in any::<String>(), step in 1usize..9) {
            let _ = cut(&s, step);
        }
    }
}
