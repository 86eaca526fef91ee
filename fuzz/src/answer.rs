//! What a sidecar, or who stands in its place, answers an application's library.

use crate::readable;
use mooring_client::events::{MAX_EVENT, Parser};
use mooring_client::http::{Incoming, MAX_HEAD, Unreadable};
use mooring_core::wire::calls::socket::EVENTS;

/// What comes of an answer that arrives in pieces of so many bytes, and is then closed: its status,
/// its body, whether it ended by itself; or why it is none.
type Answer = Result<(Option<u16>, Vec<u8>, bool), Unreadable>;

fn one_answer(bytes: &[u8], step: usize) -> Answer {
    let (mut incoming, mut body) = (Incoming::default(), Vec::new());
    for piece in bytes.chunks(step) {
        incoming.push(piece);
        if incoming.read(false, &mut body)? {
            return Ok((incoming.status(), body, true));
        }
        assert!(incoming.waiting() <= MAX_HEAD, "{}", incoming.waiting());
    }
    assert!(body.len() <= bytes.len(), "more than was sent");
    let ended = incoming.read(true, &mut body)?;
    Ok((incoming.status(), body, ended))
}

fn events(bytes: &[u8], step: usize) -> Result<Vec<String>, String> {
    let (mut parser, mut all) = (Parser::of(&EVENTS), Vec::new());
    for piece in bytes.chunks(step) {
        parser.push(piece);
        while let Some(event) = parser.take()? {
            assert!(!event.is_empty(), "an event of nothing");
            all.push(event);
        }
        assert!(parser.kept() <= MAX_EVENT, "{}", parser.kept());
    }
    Ok(all)
}

/// The first byte says in what pieces the rest arrives.
pub fn answer(data: &[u8]) {
    let Some((step, bytes)) = data.split_first() else {
        return;
    };
    let (whole, step) = (bytes.len().max(1), usize::from(*step).max(1));
    let (at_once, in_pieces) = (one_answer(bytes, whole), one_answer(bytes, step));
    for e in [&at_once, &in_pieces] {
        match e {
            Err(Unreadable::Malformed(problem)) => readable(problem),
            Err(Unreadable::Broken(how)) => readable(how),
            Ok((status, ..)) => {
                let status = status.expect("read, and no status");
                assert!((200..600).contains(&status), "{status}");
            }
        }
    }
    // The bounds are on what waits, so one of them may be refused; but two answers are one.
    if let (Ok(one), Ok(other)) = (&at_once, &in_pieces) {
        assert_eq!(one, other);
    }
    let (at_once, in_pieces) = (events(bytes, whole), events(bytes, step));
    for e in [at_once.as_ref().err(), in_pieces.as_ref().err()] {
        e.into_iter().for_each(|e| readable(e));
    }
    if let (Ok(one), Ok(other)) = (&at_once, &in_pieces) {
        assert_eq!(one, other);
    }
}
