//! For the fuzzer: what applications say to the socket.

use super::input;
use http::{HeaderMap, HeaderValue};
use mooring_core::wire::Problem;
use mooring_net::head::{PREFER, Query};

/// `query`, a header and a body, a line each: refused with a field and words, or read to what is
/// within the bounds. Gives the refusals, which are for people.
pub(crate) fn said(data: &[u8]) -> Vec<Problem> {
    let mut parts = data.splitn(3, |b| *b == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (query, header, body) = (part(), part(), part());
    let mut refused = Vec::new();
    let query = String::from_utf8_lossy(query);
    match Query::read(Some(&query)) {
        Err(p) => refused.push(p),
        Ok(query) => {
            refused.extend(input::item(&query).err());
            refused.extend(input::start(&query).err());
        }
    }
    refused.extend(input::name(&String::from_utf8_lossy(header)).err());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert(PREFER, value);
    }
    assert!(input::wait(&headers).as_secs() <= 600);
    match input::claim(body) {
        Err(p) => refused.push(p),
        Ok(claim) => {
            assert!((1..=16).contains(&claim.items.len()));
            assert!(claim.items.iter().all(|i| i.seats.get() > 0));
        }
    }
    refused
}
