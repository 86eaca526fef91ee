//! For the fuzzer: what a sidecar, or who pretends to be one, may answer.

use crate::events::{self, Parser};
use crate::http::{decode, take_head};

/// What comes out of an answer that arrives in pieces of so many bytes: its status, its body, or
/// why it is none.
fn answer(bytes: &[u8], step: usize) -> Result<(Option<u16>, Vec<u8>), String> {
    let (mut raw, mut body) = (Vec::new(), Vec::new());
    let mut head = None;
    for piece in bytes.chunks(step) {
        raw.extend_from_slice(piece);
        if head.is_none() {
            head = take_head(&mut raw)?;
        }
        if let Some(h) = &mut head {
            decode(&mut h.framing, &mut raw, &mut body)?;
        }
    }
    Ok((head.map(|h| h.status), body))
}

fn events(bytes: &[u8], step: usize) -> Result<Vec<String>, String> {
    let (mut parser, mut all) = (Parser::of(&events::EVENTS), Vec::new());
    for piece in bytes.chunks(step) {
        parser.bytes.extend_from_slice(piece);
        while let Some(event) = parser.next()? {
            all.push(event);
        }
    }
    Ok(all)
}

/// An answer and a stream of events: however they arrive, the same comes out; the first byte says
/// in what pieces. Gives the errors, which are for people.
pub fn http(data: &[u8]) -> Vec<String> {
    let Some((step, bytes)) = data.split_first() else {
        return Vec::new();
    };
    let step = usize::from(*step).max(1);
    let (whole, pieces) = (answer(bytes, bytes.len().max(1)), answer(bytes, step));
    // What is wrong may show sooner in pieces, and the bounds are on what waits: but two answers are
    // one.
    if let (Ok(whole), Ok(pieces)) = (&whole, &pieces) {
        assert_eq!(whole, pieces);
    }
    let (one, several) = (events(bytes, bytes.len().max(1)), events(bytes, step));
    if let (Ok(one), Ok(several)) = (&one, &several) {
        assert_eq!(one, several);
    }
    let errors = [whole.err(), pieces.err(), one.err(), several.err()];
    errors.into_iter().flatten().collect()
}
