//! The way to the license server: the holder's requests as HTTP, the server's answers as the holder
//! takes them. What an answer means is a pure function ([`read_claim`] and its like); only
//! [`ServerClient`] touches the network.

use crate::clock_skew::ClockSkew;
use crate::credentials::Credentials;
use http::header::{AUTHORIZATION, IF_MATCH, USER_AGENT};
use http::{HeaderMap, HeaderName, StatusCode};
use mooring_client::Bundle;
use mooring_core::holder::{Answer, Request};
use mooring_core::license::Envelope;
use mooring_core::names::{ClaimName, InstanceId, LeaseId};
use mooring_core::secret::Secret;
use mooring_core::wire::calls::server;
use mooring_core::wire::{
    COUNTER_HEADER, INSTANCE_HEADER, NonceRequest, Problem, ProblemType, RenewRequest,
    RenewResponse, Renewed, SECRET_HEADER, TokenResponse,
};
use mooring_net::client::{self, Call, Client, ClientError};
use mooring_net::clock;
use mooring_net::head::PREFER;
use std::time::{Duration, SystemTime};

/// The longest name of a claim at the server ([`ClaimName`]).
const MAX_NAME: usize = 63;

#[derive(Clone, Debug)]
pub(crate) struct ServerClient {
    client: Client,
    credentials: Credentials,
    /// Put before the claims' names at the server, where several sidecars show one credential.
    prefix: Option<ClaimName>,
    clock_skew: ClockSkew,
}

impl ServerClient {
    pub(crate) fn new(client: Client, credentials: Credentials, prefix: Option<ClaimName>) -> Self {
        Self {
            client,
            credentials,
            prefix,
            clock_skew: ClockSkew::default(),
        }
    }

    /// The longest name that a claim may have here.
    pub(crate) fn longest_name(&self) -> usize {
        let taken = self.prefix.as_ref().map_or(0, |p| p.as_str().len() + 1);
        MAX_NAME - taken
    }

    /// The claim's name at the server.
    fn name(&self, claim: &ClaimName) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}.{claim}"),
            None => claim.to_string(),
        }
    }

    pub(crate) fn server(&self) -> &str {
        self.client.server()
    }

    /// Sends what the holder wants sent, and says what came of it within `timeout`.
    pub(crate) async fn ask(
        &self,
        claim: &ClaimName,
        request: Request,
        timeout: Duration,
    ) -> Answer {
        let gives_back = matches!(request, Request::Release { .. });
        let (call, success): (_, fn(&client::Answer) -> Answer) = match request {
            Request::Claim {
                mut body,
                wait,
                bearer,
            } => {
                body.clock_ahead_secs = self.clock_skew.ahead_secs();
                let mut call = Call::of(&server::PUT_CLAIM, self.name(claim));
                if let Some(wait) = wait {
                    call = call.header(PREFER, &format!("wait={}", wait.as_secs().max(1)));
                }
                if bearer {
                    if self.credentials.refresh() {
                        self.client.disconnect();
                    }
                    match self.credentials.bearer() {
                        Ok(None) => {}
                        Ok(Some(t)) => call = call.header(AUTHORIZATION, &format!("Bearer {t}")),
                        Err(p) => return Answer::Unsent(p),
                    }
                }
                (call.json(&*body), read_claim)
            }
            Request::Renew(r) => {
                let body = RenewRequest {
                    renewals: vec![r],
                    clock_ahead_secs: self.clock_skew.ahead_secs(),
                };
                (Call::of(&server::RENEW, "").json(&body), read_renewal)
            }
            Request::Release {
                lease,
                secret,
                counter,
            } => {
                let name = HeaderName::from_static;
                let call = Call::of(&server::DELETE_CLAIM, self.name(claim))
                    .header(name(SECRET_HEADER), &String::from(secret))
                    .header(name(COUNTER_HEADER), &counter.to_string())
                    .header(IF_MATCH, &format!("\"{lease}\""));
                (Ok(call), read_release)
            }
        };
        match self.send(call, timeout).await {
            Ok(answer) => {
                let answer = read(&answer, success);
                if let Some(token) = token_of(&answer) {
                    self.clock_skew.note(token, clock::now().wall);
                }
                answer
            }
            Err(ClientError::Version(problem)) => Answer::Problem(*problem),
            Err(ClientError::Cut { headers, problem }) if is_the_servers(&headers) => {
                Answer::Unreadable(problem)
            }
            Err(e) => match self.credentials.fault(SystemTime::now()) {
                Some(p) if !gives_back => Answer::Unsent(p),
                _ => Answer::NoContact(e.to_string()),
            },
        }
    }

    /// A token bound to the application's nonce, with the chain that is here already as far as that
    /// is still the same.
    pub(crate) async fn nonce(
        &self,
        (lease, secret): (LeaseId, Secret),
        nonce: String,
        here: Option<&Bundle>,
        time: Duration,
    ) -> Result<Bundle, Problem> {
        let call = Call::of(&server::TOKEN, lease).json(&NonceRequest {
            nonce,
            secret,
            documents: here.map(Bundle::documents).unwrap_or_default(),
        });
        let answer = self.send(call, time).await.map_err(|e| no_contact(&e))?;
        if answer.status == StatusCode::OK {
            let read = answer.json::<TokenResponse>().map_err(|e| no_contact(&e))?;
            let whole = read.token.complete(here);
            return whole.ok_or_else(|| no_contact(&strange(&answer)));
        }
        let problem = answer.json();
        Err(problem.unwrap_or_else(|_| no_contact(&strange(&answer))))
    }

    async fn send(
        &self,
        call: Result<Call, ClientError>,
        time: Duration,
    ) -> Result<client::Answer, ClientError> {
        let me = concat!("mooring-sidecar/", env!("CARGO_PKG_VERSION"));
        self.client.call(&call?.header(USER_AGENT, me), time).await
    }
}

/// What the application is told when the server does not answer its question; the type that
/// holders, too, take as no contact.
fn no_contact(why: &ClientError) -> Problem {
    let detail = format!("the license server gives no fresh token now: {why}");
    let mut p = Problem::new(ProblemType::Overloaded, detail);
    p.title = "The license server cannot be reached".into();
    p.retry_after(5)
}

fn strange(answer: &client::Answer) -> ClientError {
    let body = String::from_utf8_lossy(&answer.body);
    let start: String = body.chars().take(120).collect();
    ClientError::Answer(format!("status {} with {start:?}", answer.status.as_u16()))
}

/// Whether a license server says this, and not somebody in front of it: a proxy that ends TLS and
/// answers for a server that is away.
fn is_the_servers(headers: &HeaderMap) -> bool {
    let run = headers.get(INSTANCE_HEADER).map(|v| v.to_str().ok());
    run.flatten()
        .is_some_and(|v| v.parse::<InstanceId>().is_ok())
}

/// Errors alike for every request: by the problem's type, never by the status. What is no problem
/// that this version knows changes no state; it is the server's answer all the same.
fn read(answer: &client::Answer, success: fn(&client::Answer) -> Answer) -> Answer {
    if !is_the_servers(&answer.headers) {
        let why = strange(answer);
        let not_its = format!("no answer of the license server (no header {INSTANCE_HEADER})");
        return Answer::NoContact(format!("{not_its}: {why}"));
    }
    if answer.status.is_success() {
        return success(answer);
    }
    match answer.json::<Problem>() {
        Ok(p) => Answer::Problem(p),
        Err(_) => Answer::Unreadable(strange(answer).to_string()),
    }
}

fn understood<T>(parsed: Result<T, ClientError>, then: impl FnOnce(T) -> Answer) -> Answer {
    match parsed {
        Ok(t) => then(t),
        Err(e) => Answer::Unreadable(e.to_string()),
    }
}

fn read_claim(answer: &client::Answer) -> Answer {
    match answer.status {
        StatusCode::OK => understood(answer.json(), |g| Answer::Granted(Box::new(g))),
        StatusCode::ACCEPTED => understood(answer.json(), |w| Answer::Waiting(Box::new(w))),
        _ => Answer::Unreadable(strange(answer).to_string()),
    }
}

fn read_renewal(answer: &client::Answer) -> Answer {
    understood(answer.json::<RenewResponse>(), |r| {
        match r.results.into_iter().next() {
            Some(r) => Answer::Renewed(Box::new(r)),
            None => Answer::Unreadable("a renewal was answered with no result".into()),
        }
    })
}

/// What a server dated just now.
fn token_of(answer: &Answer) -> Option<&Envelope> {
    match answer {
        Answer::Granted(g) => Some(&g.token.lease),
        Answer::Renewed(r) => match &**r {
            Renewed::Ok { token, .. } => Some(&token.lease),
            Renewed::Same { .. } | Renewed::Problem { .. } => None,
        },
        _ => None,
    }
}

fn read_release(_: &client::Answer) -> Answer {
    Answer::Released
}

#[cfg(test)]
mod tests;
