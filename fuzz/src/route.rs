//! What stands in a request besides its body, of both APIs: `METHOD path?query`, then headers, a
//! line each. (Bodies are the target `message`.)

use crate::readable;
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::wire::WatchPosition;
use mooring_core::wire::calls::{self, CallSpec, SERVER, SOCKET};
use mooring_core::wire::is_nonce;
use mooring_net::head::{PREFER, Query, bearer, prefer_wait};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// The parameters of both APIs.
const NAMES: [&str; 9] = [
    "watch", "after", "claim", "nonce", "product", "seats", "version", "start", "resume",
];

fn routed<C>(table: &'static [CallSpec<C>], method: &str, path: &str) {
    match calls::find(table, method, path) {
        Err(miss) => {
            readable(&miss.problem);
            assert!(matches!(miss.problem.status, 404 | 405));
        }
        Ok((spec, arg)) => {
            assert_eq!((spec.method, spec.path_of(arg)), (method, path.to_owned()));
            if let Err(e) = arg.parse::<ClaimName>() {
                readable(&e);
            }
            if let Err(e) = arg.parse::<LeaseId>() {
                readable(&e);
            }
        }
    }
}

/// A request's head, as text.
pub fn route(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let (method, target) = first.split_once(' ').unwrap_or((first, ""));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    routed(SERVER, method, path);
    routed(SOCKET, method, path);
    match Query::read(query) {
        Err(p) => readable(&p),
        Ok(query) => {
            for name in NAMES {
                match query.get(name) {
                    Err(p) => readable(&p),
                    Ok(None) => {}
                    Ok(Some(value)) => {
                        is_nonce(value);
                        if let Err(e) = value.parse::<WatchPosition>() {
                            readable(&e);
                        }
                    }
                }
            }
        }
    }
    let mut headers = HeaderMap::new();
    for (line, name) in lines.zip([AUTHORIZATION, PREFER, PREFER]) {
        if let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) {
            headers.append(name, value);
        }
    }
    if let Some(token) = bearer(&headers) {
        assert!(!token.is_empty());
    }
    prefer_wait(&headers);
}
