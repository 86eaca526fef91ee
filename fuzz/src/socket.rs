//! What applications say to the sidecar's socket: `METHOD path?query`, a `Prefer` header, a body, a
//! line each.

use crate::readable;
use http::{HeaderMap, HeaderValue};
use mooring_core::request::{MAX_ITEMS, MAX_SEATS};
use mooring_core::wire::Problem;
use mooring_core::wire::calls::{self, SOCKET, SocketCall};
use mooring_net::head::{PREFER, Query};
use mooring_sidecar::socket::input;

/// What is refused names a field, and its status is a caller's fault.
fn refused<T>(read: Result<T, Problem>) -> Option<T> {
    read.map_err(|p| {
        readable(&p);
        assert_eq!(p.status, 400, "{p}");
    })
    .ok()
}

/// A request, as text.
pub fn socket(data: &[u8]) {
    let mut parts = data.splitn(3, |b| *b == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (first, prefer, body) = (part(), part(), part());
    let first = String::from_utf8_lossy(first);
    let (method, target) = first.split_once(' ').unwrap_or((&first, ""));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let call = match calls::find(SOCKET, method, path) {
        Err(miss) => {
            readable(&miss.problem);
            let status = miss.problem.status;
            assert_eq!(status, if miss.allow.is_empty() { 404 } else { 405 });
            None
        }
        Ok((spec, arg)) => {
            assert_eq!((spec.method, spec.path_of(arg)), (method, path.to_owned()));
            if let Some(name) = refused(input::name(arg)) {
                assert_eq!(name.as_str(), arg);
            }
            Some(spec.call)
        }
    };
    if let Some(query) = refused(Query::read(query)) {
        if let Some(item) = refused(input::item(&query)) {
            assert!((1..=MAX_SEATS).contains(&item.seats.get()));
        }
        refused(input::start(&query));
    }
    let mut headers = HeaderMap::new();
    headers.extend(HeaderValue::from_bytes(prefer).ok().map(|v| (PREFER, v)));
    assert!(input::wait(&headers).as_secs() <= 600, "it waits for ever");
    if let None | Some(SocketCall::PutClaim) = call
        && let Some(claim) = refused(input::claim(body))
    {
        assert!((1..=MAX_ITEMS).contains(&claim.items.len()));
        for (i, item) in claim.items.iter().enumerate() {
            assert!((1..=MAX_SEATS).contains(&item.seats.get()));
            let later = &claim.items[i + 1..];
            assert!(later.iter().all(|l| l.product != item.product), "twice");
        }
        let sent = serde_json::to_vec(&claim).expect("it is written");
        assert_eq!(input::claim(&sent).as_ref(), Ok(&claim), "read otherwise");
    }
}
