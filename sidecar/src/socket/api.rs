//! The socket's paths (docs/contracts.md, "The sidecar's socket").

use super::input;
use super::limits::{Limit, Permit};
use super::peer::Peer;
use super::{events, hold_stream};
use crate::claims::{Claims, HOLD, pods_own};
use crate::registry::{ClaimId, Registry};
use crate::users::Asker;
use futures::future::{BoxFuture, Either, Ready, ready};
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use mooring_core::holder::drive::Drive;
use mooring_core::names::{ClaimName, ProductName};
use mooring_core::policy::Start;
use mooring_core::secret::Secret;
use mooring_core::wire::calls::{self, SOCKET, SocketCall};
use mooring_core::wire::{
    ClaimKind, ClaimStatus, HoldState, Problem, ProblemType, SocketClaim, is_nonce,
};
use mooring_net::clock;
use mooring_net::head::{Query, bad_field};
use mooring_net::http::{Body, allowing, json, no_content, problem, read_body, with_type};
use std::sync::Arc;
use std::time::Duration;

/// The description of this API, as it is served.
const OPENAPI: &str = include_str!("../../../docs/openapi/socket.json");

/// Connections that may follow events, hold, or wait for a claim: fewer than there are connections,
/// so that status and the gate stay reachable.
const FOLLOWERS: usize = 48;
const QUESTIONS: usize = 4;
/// How long the license server has for a fresh token, waiting for a turn included.
const QUESTION: Duration = Duration::from_secs(10);

const BODY: usize = 16 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long giving back may hold its answer.
const GIVE_BACK: Duration = Duration::from_secs(2);

pub(crate) struct Api {
    claims: Arc<Claims>,
    followers: Limit,
    questions: Limit,
}

impl Api {
    pub(crate) fn new(claims: Arc<Claims>) -> Self {
        Self {
            claims,
            followers: Limit::new(FOLLOWERS),
            questions: Limit::new(QUESTIONS),
        }
    }

    /// The status, which is asked for most, is there at once; each other call has a future, which
    /// is too large for the connection to carry.
    pub(super) fn answer(
        self: &Arc<Self>,
        req: Request<Incoming>,
        peer: &Arc<Peer>,
    ) -> Either<Ready<Response<Body>>, BoxFuture<'static, Response<Body>>> {
        let found = calls::find(SOCKET, req.method().as_str(), req.uri().path());
        let is_status = found.is_ok_and(|(spec, _)| spec.call == SocketCall::Status);
        if is_status && req.uri().query().is_none() {
            return Either::Left(ready(unstored(self.status(peer.asker))));
        }
        let (api, peer) = (self.clone(), peer.clone());
        let answer = async move { unstored(api.find_and_call(req, &peer).await) };
        Either::Right(Box::pin(answer))
    }

    async fn find_and_call(&self, req: Request<Incoming>, peer: &Arc<Peer>) -> Response<Body> {
        let (parts, body) = req.into_parts();
        match calls::find(SOCKET, parts.method.as_str(), parts.uri.path()) {
            Err(miss) => allowing(problem(&miss.problem), &miss.allow),
            Ok((spec, arg)) => {
                let answered = self.call(spec.call, arg, &parts, body, peer).await;
                answered.unwrap_or_else(|p| problem(&p))
            }
        }
    }

    async fn call(
        &self,
        call: SocketCall,
        name: &str,
        head: &Parts,
        body: Incoming,
        peer: &Arc<Peer>,
    ) -> Result<Response<Body>, Problem> {
        let query = &Query::read(head.uri.query())?;
        let asker = peer.asker;
        match call {
            SocketCall::Status => Ok(self.status(asker)),
            SocketCall::Events => {
                let permit = self.follower(asker)?;
                Ok(events::follow(self.registry(), asker, permit))
            }
            SocketCall::OpenApi => Ok(with_type(StatusCode::OK, "application/json", OPENAPI)),
            SocketCall::Token => {
                let (nonce, product) = (nonce(query)?, input::product(query)?);
                let of = (self.claim_of(query, asker)?, product);
                match nonce {
                    None => self.last_token(&of),
                    Some(nonce) => self.fresh_token(of, nonce, asker).await,
                }
            }
            SocketCall::Voucher => match self.claims.servers.voucher() {
                Ok(v) => Ok(json(StatusCode::OK, &v.envelope)),
                Err(e) => Err(Problem::new(ProblemType::NotFound, e.to_string())),
            },
            SocketCall::GetClaim => {
                let name = input::name(name)?;
                let found = self.registry().find(name.as_str(), asker, clock::boot());
                let status = found.and_then(|f| self.registry().claim(f.id, clock::boot()));
                let status = status.ok_or_else(|| {
                    let detail = format!("there is no claim \"{name}\"; PUT makes one");
                    Problem::new(ProblemType::NotFound, detail)
                })?;
                Ok(json(StatusCode::OK, &status))
            }
            SocketCall::PutClaim => {
                let name = input::name(name)?;
                if name.as_str().starts_with(HOLD) {
                    let made = format!(
                        "names that begin with \"{HOLD}\" are made by POST /v1/hold; take another"
                    );
                    return Err(bad_field("name", made));
                }
                let asked = input::claim(&read_body(body, BODY, BODY_TIME).await?)?;
                self.put(name, asked, input::wait(&head.headers), asker)
                    .await
            }
            SocketCall::DeleteClaim => {
                let secret = input::secret(&head.headers)?;
                self.delete(&input::name(name)?, secret.as_ref(), asker)
                    .await
            }
            SocketCall::Hold if body.is_end_stream() => {
                let secret = input::secret(&head.headers)?;
                self.hold(query, secret.as_ref(), peer)
            }
            SocketCall::Hold => {
                let detail = "POST /v1/hold takes no body: ?product=render&seats=2";
                Err(Problem::new(ProblemType::BadRequest, detail))
            }
        }
    }

    fn registry(&self) -> &Arc<Registry> {
        &self.claims.registry
    }

    fn status(&self, asker: Asker) -> Response<Body> {
        let now = clock::boot();
        match self.registry().printed(asker, now) {
            Ok(text) => with_type(StatusCode::OK, "application/json", text),
            // The same fails again there, and is said there.
            Err(_) => json(StatusCode::OK, &self.registry().status(asker, now)),
        }
    }

    fn follower(&self, asker: Asker) -> Result<Permit, Problem> {
        let permit = self.followers.take(asker.owner);
        permit.ok_or_else(|| {
            let what = "follow events, hold or wait for a claim";
            self.followers.problem(asker.owner, what)
        })
    }

    fn hold(
        &self,
        query: &Query,
        secret: Option<&Secret>,
        peer: &Arc<Peer>,
    ) -> Result<Response<Body>, Problem> {
        let permit = self.follower(peer.asker)?;
        let id = if let Some(name) = query.get("resume")? {
            self.claims.resume(name, secret, peer.asker)?
        } else {
            let start = input::start(query)?.unwrap_or(Start::Licensed);
            let (items, bind) = (vec![input::item(query)?], input::bind(query)?);
            self.claims.hold(items, start, bind, peer.asker)?
        };
        let (claims, peer) = (self.claims.clone(), peer.clone());
        Ok(hold_stream::follow(claims, id, peer, permit))
    }

    async fn put(
        &self,
        name: ClaimName,
        asked: SocketClaim,
        wait: Duration,
        asker: Asker,
    ) -> Result<Response<Body>, Problem> {
        // Before the claim is made: one that waits for its answer counts among the followers.
        let _permit = (!wait.is_zero())
            .then(|| self.follower(asker))
            .transpose()?;
        let start = asked.start.unwrap_or(Start::Licensed);
        let id = self.claims.ask(name, asked.items, start, asker)?;
        let until = tokio::time::Instant::now() + wait;
        let (_, mut changes) = self.registry().subscribe(clock::boot());
        loop {
            let Some(claim) = self.registry().claim(id, clock::boot()) else {
                let detail = "the claim was given back while this call waited for it";
                return Err(Problem::new(ProblemType::ClaimChanged, detail));
            };
            match outcome(&claim) {
                Outcome::Licensed => return Ok(json(StatusCode::OK, &claim)),
                Outcome::Refused(p) => return Err(p),
                Outcome::Pending => {}
            }
            let changed = tokio::time::timeout_at(until, changes.next());
            if changed.await.is_err() {
                return Ok(json(StatusCode::ACCEPTED, &claim));
            }
        }
    }

    async fn delete(
        &self,
        name: &ClaimName,
        secret: Option<&Secret>,
        asker: Asker,
    ) -> Result<Response<Body>, Problem> {
        let Some(found) = self.registry().find(name.as_str(), asker, clock::boot()) else {
            return Ok(no_content());
        };
        if found.kind == ClaimKind::Pod {
            return Err(pods_own(name));
        }
        self.claims.give_back_of(&found, secret, asker)?;
        // Past this time it goes on by itself.
        let _ = tokio::time::timeout(GIVE_BACK, self.registry().gone(found.id)).await;
        Ok(no_content())
    }

    /// The claim that `?claim=` names, or the pod's own.
    fn claim_of(&self, query: &Query, asker: Asker) -> Result<ClaimId, Problem> {
        let unknown = |detail: String| Problem::new(ProblemType::UnknownLease, detail);
        let Some(name) = query.get("claim")? else {
            let none =
                "this sidecar has no claim of its own; name one of the application's with ?claim=";
            return self.registry().pod().ok_or_else(|| unknown(none.into()));
        };
        let found = self
            .registry()
            .find(name, asker, clock::boot())
            .map(|f| f.id);
        found.ok_or_else(|| {
            let clipped: String = name.chars().take(80).collect();
            unknown(format!("there is no claim {clipped:?}")).field("claim")
        })
    }

    fn last_token(&self, of: &(ClaimId, Option<ProductName>)) -> Result<Response<Body>, Problem> {
        let bundle = |_, d: &Drive| d.holder().bundle().cloned();
        let (id, product) = of;
        let now = clock::boot();
        let bundle = self
            .registry()
            .licensing(*id, product.as_ref(), now, bundle);
        let bundle = bundle.flatten().ok_or_else(|| self.no_lease(*id))?;
        Ok(json(StatusCode::OK, &bundle))
    }

    async fn fresh_token(
        &self,
        (id, product): (ClaimId, Option<ProductName>),
        nonce: String,
        asker: Asker,
    ) -> Result<Response<Body>, Problem> {
        let lease = |server, d: &Drive| {
            let (lease, secret) = d.holder().lease()?;
            Some((
                server,
                (lease, secret.clone()),
                d.holder().bundle().cloned(),
            ))
        };
        let now = clock::boot();
        let lease = self.registry().licensing(id, product.as_ref(), now, lease);
        let lease = lease.flatten();
        let (server, lease, here) = lease.ok_or_else(|| self.no_lease(id))?;
        let busy = || {
            let detail = "too many questions to the license server at once";
            Problem::new(ProblemType::Overloaded, detail).retry_after(1)
        };
        let asked = async {
            let _turn = self.questions.turn(asker.owner).await.ok_or_else(busy)?;
            let here = here.as_ref();
            let client = &self.claims.servers.get(server).client;
            client.nonce(lease, nonce, here, QUESTION).await
        };
        let bundle = tokio::time::timeout(QUESTION, asked).await;
        Ok(json(StatusCode::OK, &bundle.map_err(|_| busy())??))
    }

    fn no_lease(&self, id: ClaimId) -> Problem {
        let now = clock::boot();
        let claim = self.registry().claim(id, now);
        let how = claim.map(|c| crate::status::explain_claim(&c, now));
        let how = how.unwrap_or_else(|| "it was given back".into());
        let detail = format!("there is no lease to prove now: {how}");
        Problem::new(ProblemType::UnknownLease, detail)
    }
}

/// No cache keeps it.
fn unstored(mut response: Response<Body>) -> Response<Body> {
    let never = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, never);
    response
}

/// What a claim's state means to who asked for it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Licensed,
    Pending,
    Refused(Problem),
}

fn outcome(claim: &ClaimStatus) -> Outcome {
    let said = || claim.problem.clone();
    match claim.state {
        s if s.is_licensed() => Outcome::Licensed,
        HoldState::Refused => Outcome::Refused(said().unwrap_or_else(|| {
            let why = claim.message.clone().unwrap_or_default();
            Problem::new(ProblemType::NotEntitled, why)
        })),
        // Taken away for good, or until an administrator lifts it. What is lost by time alone is
        // asked for again.
        HoldState::Lost => match said() {
            Some(p) if matches!(p.kind, ProblemType::Cloned | ProblemType::Revoked) => {
                Outcome::Refused(p)
            }
            _ => Outcome::Pending,
        },
        _ => Outcome::Pending,
    }
}

/// The nonce of `?nonce=…`.
fn nonce(query: &Query) -> Result<Option<String>, Problem> {
    match query.get("nonce")? {
        None => Ok(None),
        Some(n) if is_nonce(n) => Ok(Some(n.to_owned())),
        Some(_) => {
            let expected = "expected 16 to 64 characters of base64url (A-Z, a-z, 0-9, '-', '_')";
            Err(bad_field("nonce", expected))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_nonce_is_checked_before_anyone_is_asked() {
        let read = |q: &str| nonce(&Query::read(Some(q))?);
        let good = "abcDEF-_0123456789";
        assert_eq!(
            read(&format!("x=1&nonce={good}")),
            Ok(Some(good.to_owned()))
        );
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("other=1"), Ok(None));
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
                read(&format!("nonce={bad}")).unwrap_err().field.as_deref(),
                Some("nonce"),
                "{bad}"
            );
        }
    }
}
