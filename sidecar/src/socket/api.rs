//! The socket's paths (design: protocol, "The sidecar's socket").

use super::events;
use crate::board::Board;
use crate::link::Link;
use http::header::{ALLOW, CACHE_CONTROL};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use mooring_core::wire::{Problem, ProblemType, Status, is_nonce};
use mooring_net::clock;
use mooring_net::http::{Body, json, problem, with_type};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The answer to a connection too many; a whole HTTP answer, since nothing of the request is read.
pub(super) const FULL: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nConnection: close\r\n",
    "Retry-After: 1\r\nContent-Length: 185\r\n\r\n",
    r#"{"type":"https://mooring.dev/problems/overloaded","title":"Too many connections","status":503,"#,
    r#""detail":"this pod has 64 connections to its sidecar; close some","retryAfterSecs":1}"#,
    "      "
);

/// Connections that may follow events: fewer than there are connections, so that status and the probe stay reachable.
const FOLLOWERS: usize = 48;
/// Questions to the license server at once.
const QUESTIONS: usize = 4;
/// How long the license server has for a fresh token, waiting for a turn included.
const QUESTION: Duration = Duration::from_secs(10);

/// What the socket answers from.
pub(crate) struct Api {
    board: Arc<Board>,
    link: Link,
    followers: Arc<Semaphore>,
    questions: Semaphore,
}

impl Api {
    pub(crate) fn new(board: Arc<Board>, link: Link) -> Self {
        Self {
            board,
            link,
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            questions: Semaphore::new(QUESTIONS),
        }
    }

    /// Answers one request. Bodies are never read: no call here has one.
    pub(super) async fn answer<B>(&self, req: &Request<B>) -> Response<Body> {
        let answered = match route(req.method(), req.uri().path()) {
            Err(p) => Err(p),
            Ok(Path::Status) => self.status().map(|s| json(StatusCode::OK, &s)),
            Ok(Path::Events) => self.events(),
            Ok(Path::Token) => match nonce(req.uri().query()) {
                Err(p) => Err(p),
                Ok(None) => self.last_token(),
                Ok(Some(nonce)) => self.fresh_token(nonce).await,
            },
        };
        let mut response = answered.unwrap_or_else(|p| {
            let mut r = problem(&p);
            if p.kind == ProblemType::MethodNotAllowed {
                r.headers_mut()
                    .insert(ALLOW, HeaderValue::from_static("GET"));
            }
            r
        });
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn status(&self) -> Result<Status, Problem> {
        self.board.status(clock::boot()).ok_or_else(no_claim)
    }

    fn events(&self) -> Result<Response<Body>, Problem> {
        let busy = || {
            let detail = format!("{FOLLOWERS} connections follow the events already; close some");
            Problem::new(ProblemType::Overloaded, detail).retry_after(1)
        };
        let permit = self
            .followers
            .clone()
            .try_acquire_owned()
            .map_err(|_| busy())?;
        let (first, changes) = self.board.subscribe(clock::boot());
        let body = events::body(
            self.board.clone(),
            first.ok_or_else(no_claim)?,
            changes,
            permit,
        );
        let mut r = with_type(StatusCode::OK, "text/event-stream", Vec::new());
        *r.body_mut() = body;
        Ok(r)
    }

    fn last_token(&self) -> Result<Response<Body>, Problem> {
        let bundle = self.board.first(|h| h.bundle().cloned()).flatten();
        match bundle {
            Some(b) => Ok(json(StatusCode::OK, &b)),
            None => Err(self.no_lease()),
        }
    }

    async fn fresh_token(&self, nonce: String) -> Result<Response<Body>, Problem> {
        let lease = self
            .board
            .first(|h| h.lease().map(|(l, s)| (l, s.clone())))
            .flatten();
        let (lease, secret) = lease.ok_or_else(|| self.no_lease())?;
        let asked = async {
            let _turn = self.questions.acquire().await;
            self.link.nonce(lease, secret, nonce, QUESTION).await
        };
        let busy = || {
            Problem::new(
                ProblemType::Overloaded,
                "too many questions to the license server at once",
            )
            .retry_after(1)
        };
        let bundle = tokio::time::timeout(QUESTION, asked)
            .await
            .map_err(|_| busy())??;
        Ok(json(StatusCode::OK, &bundle))
    }

    fn no_lease(&self) -> Problem {
        let detail = match self.status() {
            Ok(s) => format!(
                "there is no lease to prove now: {}",
                crate::probe::explain(&s)
            ),
            Err(p) => p.detail,
        };
        Problem::new(ProblemType::UnknownLease, detail)
    }
}

fn no_claim() -> Problem {
    Problem::new(ProblemType::UnknownLease, "this sidecar has no claim")
}

#[derive(Debug, PartialEq, Eq)]
enum Path {
    Status,
    Events,
    Token,
}

fn route(method: &Method, path: &str) -> Result<Path, Problem> {
    let found = match path {
        "/v1/status" => Path::Status,
        "/v1/events" => Path::Events,
        "/v1/token" => Path::Token,
        p if p == "/v1/hold" || p.starts_with("/v1/claims/") => {
            let version = env!("CARGO_PKG_VERSION");
            return Err(Problem::new(
                ProblemType::NotFound,
                format!(
                    "claims at run time are not in sidecar {version}; the pod's claim is the annotation mooring.dev/licenses"
                ),
            ));
        }
        _ => {
            return Err(Problem::new(
                ProblemType::NotFound,
                "expected GET /v1/status, /v1/events or /v1/token",
            ));
        }
    };
    if method == Method::GET {
        return Ok(found);
    }
    Err(Problem::new(
        ProblemType::MethodNotAllowed,
        format!("{method} {path}: expected GET"),
    ))
}

/// The nonce of `?nonce=…`; other parameters are ignored, as unknown fields are.
fn nonce(query: Option<&str>) -> Result<Option<String>, Problem> {
    let mut nonces = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|p| p.strip_prefix("nonce="));
    let Some(nonce) = nonces.next() else {
        return Ok(None);
    };
    if is_nonce(nonce) && nonces.next().is_none() {
        return Ok(Some(nonce.to_owned()));
    }
    let expected = "expected once, with 16 to 64 characters of base64url (A-Z, a-z, 0-9, '-', '_')";
    Err(Problem::new(ProblemType::BadRequest, format!("nonce: {expected}")).field("nonce"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn the_answer_to_a_connection_too_many_is_well_formed() {
        let (head, body) = FULL.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{}",
            body.len()
        );
        let p: Problem = serde_json::from_str(body).unwrap();
        assert_eq!(p.kind, ProblemType::Overloaded);
        assert!(p.detail.contains(&super::super::CONNECTIONS.to_string()));
    }

    #[test]
    fn paths_methods_and_what_comes_later_are_told_apart() {
        assert_eq!(route(&Method::GET, "/v1/token"), Ok(Path::Token));
        let kind = |m: Method, p: &str| route(&m, p).unwrap_err().kind;
        assert_eq!(
            kind(Method::POST, "/v1/status"),
            ProblemType::MethodNotAllowed
        );
        assert_eq!(kind(Method::GET, "/v1/status/"), ProblemType::NotFound);
        assert_eq!(kind(Method::GET, "/"), ProblemType::NotFound);
        let later = route(&Method::PUT, "/v1/claims/mine").unwrap_err();
        assert!(
            later
                .detail
                .contains("claims at run time are not in sidecar"),
            "{later}"
        );
    }

    #[test]
    fn a_nonce_is_checked_before_anyone_is_asked() {
        let good = "abcDEF-_0123456789";
        assert_eq!(
            nonce(Some(&format!("x=1&nonce={good}"))),
            Ok(Some(good.to_owned()))
        );
        assert_eq!(nonce(None), Ok(None));
        assert_eq!(nonce(Some("other=1")), Ok(None));
        let long = "a".repeat(65);
        for bad in [
            "",
            "short",
            "with space aaaaaaaaaa",
            "pad=================",
            &long,
            "aaaaaaaaaaaaaaaa&nonce=aaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(
                nonce(Some(&format!("nonce={bad}")))
                    .unwrap_err()
                    .field
                    .as_deref(),
                Some("nonce"),
                "{bad}"
            );
        }
    }
}
