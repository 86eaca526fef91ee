//! What one holder says to the license server, as bytes, and what it must remember of the answers
//! for what it says next. A change of the wire is a change here alone.

use crate::wire::Answer;
use anyhow::{Context as _, Result, bail};
use mooring_core::holder::TOKEN_AGE;
use mooring_core::identity::Holder;
use mooring_core::license::{Bundle, Digest};
use mooring_core::names::{ClaimName, LeaseId, RequestId, TermsId};
use mooring_core::receipt::Sealed;
use mooring_core::secret::Secret;
use mooring_core::wire::calls::server;
use mooring_core::wire::version::WIRE;
use mooring_core::wire::{
    COUNTER_HEADER, ClaimRequest, Have, HeldProof, Problem, ProblemType, RenewResponse, Renewed,
    SECRET_HEADER, Stance, Standing, WIRE_HEADER, Waiting,
};
use serde::Deserialize;
use std::io::Write as _;
use std::time::{Duration, Instant};

const AGENT: &str = concat!("mooring-sidecar/", env!("CARGO_PKG_VERSION"));

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Took {
    /// The claim is granted, or the lease renewed.
    Good,
    /// It stands in line, and is to ask again.
    Waits,
    /// The server does not know the lease: it is to be claimed with what shows it.
    Unknown,
    /// Anything else that the server says.
    Refused(Box<Problem>),
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Waits => f.write_str("it waits"),
            Self::Unknown => f.write_str("unknown lease"),
            Self::Refused(problem) => write!(f, "{}: {}", problem.kind.name(), problem.detail),
        }
    }
}

/// One claim of one holder.
#[derive(Debug)]
pub(crate) struct Seat {
    name: ClaimName,
    bearer: String,
    secret: Secret,
    /// The same as it is sent.
    secret_text: String,
    lease: Option<LeaseId>,
    counter: u64,
    papers: Option<Papers>,
    ticket: Option<Sealed>,
    holder: Option<Holder>,
    /// When the last confirmed contact was sent.
    contact: Option<Instant>,
}

/// What a holder keeps of answers.
#[derive(Debug)]
struct Papers {
    terms: TermsId,
    bundle: Box<Bundle>,
    documents: Vec<Digest>,
    /// When the request was sent that the token answered.
    token_sent: Instant,
    /// As it stands in the answer.
    receipt: String,
    /// When the request was sent that the receipt answered.
    sent: Instant,
}

/// What of a grant is looked at each time.
#[derive(Deserialize)]
struct Granted {
    lease: LeaseId,
    counter: u64,
    holder: Holder,
    terms: TermsId,
    receipt: String,
    token: Box<Bundle>,
}

impl Seat {
    /// A claim of `render` by the holder with this client token.
    pub(crate) fn new(bearer: String) -> Self {
        let mut seat = Self {
            name: ClaimName::pod(),
            bearer,
            secret: Secret::from_bytes([0; 32]),
            secret_text: String::new(),
            lease: None,
            counter: 0,
            papers: None,
            ticket: None,
            holder: None,
            contact: None,
        };
        seat.begin_anew();
        seat
    }

    /// As after a release: the next claim is another.
    pub(crate) fn begin_anew(&mut self) {
        self.secret = Secret::from_bytes(std::array::from_fn(|_| fastrand::u8(..)));
        self.secret_text = self.secret.clone().into();
        (self.lease, self.counter) = (None, 0);
        (self.papers, self.ticket, self.holder) = (None, None, None);
    }

    pub(crate) const fn lease(&self) -> Option<LeaseId> {
        self.lease
    }

    /// When its lease began: the sending of what was last confirmed.
    pub(crate) const fn contact(&self) -> Option<Instant> {
        self.contact
    }

    /// A claim: the first, the next from the line, or with what shows an earlier lease. With `wait`
    /// the server may hold the answer back for so long.
    pub(crate) fn claim(&mut self, out: &mut Vec<u8>, wait: Option<Duration>) -> Result<()> {
        let held = self.held()?;
        self.counter += 1;
        let vouched = (held.is_some() || self.ticket.is_some()) && self.holder.is_some();
        let standing = if held.is_some() {
            Standing::Held
        } else {
            Standing::Seeking
        };
        let body = ClaimRequest {
            items: mooring_core::request::parse("render")?,
            secret_hash: self.secret.hash(),
            bind: None,
            project: None,
            request_id: request_id(),
            standing,
            licensed_for: held.is_some().then_some(Duration::from_secs(3600)),
            counter: Some(self.counter),
            others: Vec::new(),
            heard: None,
            stance: Stance::Gathers,
            part: false,
            clock_ahead_secs: None,
            ticket: self.ticket.clone(),
            held,
            secret: vouched.then(|| self.secret.clone()),
            holder: self.holder.clone().filter(|_| vouched),
        };
        let body = serde_json::to_vec(&body)?;
        let spec = &server::PUT_CLAIM;
        out.clear();
        write!(
            out,
            "{} {} HTTP/1.1\r\nhost: localhost\r\n",
            spec.method,
            spec.path_of(&self.name)
        )?;
        if !vouched {
            write!(out, "authorization: Bearer {}\r\n", self.bearer)?;
        }
        if let Some(wait) = wait {
            write!(out, "prefer: wait={}\r\n", wait.as_secs().max(1))?;
        }
        with_body(out, &body)
    }

    /// The next renewal of its lease.
    pub(crate) fn renewal(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let lease = self.lease.context("no lease")?;
        self.counter += 1;
        let (secret, counter, id) = (&self.secret_text, self.counter, request_id());
        let have = self.papers.as_ref().map(|p| {
            let old = p.token_sent.elapsed() >= TOKEN_AGE;
            Have {
                terms: p.terms,
                documents: old.then(|| p.documents.clone()),
            }
        });
        let have = serde_json::to_string(&have)?;
        let body = format!(
            r#"{{"renewals":[{{"lease":"{lease}","secret":"{secret}","counter":{counter},"requestId":"{id}","have":{have}}}]}}"#
        );
        let spec = &server::RENEW;
        out.clear();
        write!(
            out,
            "{} {} HTTP/1.1\r\nhost: localhost\r\n",
            spec.method, spec.path
        )?;
        with_body(out, body.as_bytes())
    }

    /// Gives it back.
    pub(crate) fn release(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let lease = self.lease.context("no lease")?;
        self.counter += 1;
        let spec = &server::DELETE_CLAIM;
        let (path, secret, counter) = (spec.path_of(&self.name), &self.secret_text, self.counter);
        out.clear();
        write!(
            out,
            "{} {path} HTTP/1.1\r\nhost: localhost\r\n{SECRET_HEADER}: {secret}\r\n\
             {COUNTER_HEADER}: {counter}\r\nif-match: \"{lease}\"\r\nuser-agent: {AGENT}\r\n{WIRE_HEADER}: {WIRE}\r\n\r\n",
            spec.method
        )?;
        Ok(())
    }

    /// Takes the answer to a claim that was sent then.
    pub(crate) fn took_claim(&mut self, answer: Answer<'_>, sent: Instant) -> Result<Took> {
        match answer.status {
            200 => {
                let granted: Granted = serde_json::from_slice(answer.body)?;
                self.lease = Some(granted.lease);
                self.counter = self.counter.max(granted.counter);
                self.holder = Some(granted.holder);
                self.ticket = None;
                self.papers = Some(Papers {
                    terms: granted.terms,
                    documents: granted.token.documents(),
                    bundle: granted.token,
                    token_sent: sent,
                    receipt: granted.receipt,
                    sent,
                });
                self.contact = Some(sent);
                Ok(Took::Good)
            }
            202 => {
                let waiting: Waiting = serde_json::from_slice(answer.body)?;
                self.lease = Some(waiting.lease);
                self.holder = Some(waiting.holder);
                self.ticket = Some(waiting.ticket);
                Ok(Took::Waits)
            }
            _ => refused(answer),
        }
    }

    /// Takes the answer to a renewal that was sent then.
    pub(crate) fn took_renewal(&mut self, answer: Answer<'_>, sent: Instant) -> Result<Took> {
        if answer.status != 200 {
            return refused(answer);
        }
        let papers = self.papers.as_mut().context("renewed without a lease")?;
        if let Some(receipt) = receipt_alone(answer.body) {
            papers.receipt.clear();
            papers.receipt.push_str(receipt);
            papers.sent = sent;
            self.contact = Some(sent);
            return Ok(Took::Good);
        }
        let said: RenewResponse = serde_json::from_slice(answer.body)?;
        match said.results.into_iter().next() {
            Some(Renewed::Ok {
                terms,
                receipt,
                token,
                ..
            }) => {
                let bundle = token.complete(Some(&papers.bundle));
                *papers.bundle = bundle.context("a token without its chain")?;
                papers.documents = papers.bundle.documents();
                papers.receipt = receipt.into();
                (papers.terms, papers.token_sent, papers.sent) = (terms, sent, sent);
                self.contact = Some(sent);
                Ok(Took::Good)
            }
            Some(Renewed::Problem { problem, .. }) => Ok(match problem.kind {
                ProblemType::UnknownLease => Took::Unknown,
                _ => Took::Refused(Box::new(problem)),
            }),
            _ => bail!("not understood: {}", String::from_utf8_lossy(answer.body)),
        }
    }

    /// Takes the answer to a release.
    pub(crate) fn took_release(&mut self, answer: Answer<'_>) -> Result<Took> {
        if answer.status != 204 {
            return refused(answer);
        }
        self.begin_anew();
        Ok(Took::Good)
    }

    fn held(&self) -> Result<Option<HeldProof>> {
        let Some(papers) = &self.papers else {
            return Ok(None);
        };
        let receipt = Sealed::try_from(papers.receipt.clone());
        Ok(Some(HeldProof {
            receipt: receipt.map_err(anyhow::Error::msg)?,
            sent_ago: Some(papers.sent.elapsed()),
            delegation: papers.bundle.delegation.clone(),
            lease: papers.bundle.lease.clone(),
            counter: self.counter,
        }))
    }
}

/// The receipt of an answer that says nothing else, by where it stands: reading all of it each time
/// would make the loader slower than what it measures.
fn receipt_alone(body: &[u8]) -> Option<&str> {
    const BEFORE: usize = r#"{"results":[{"same":true,"lease":"","#.len() + 32;
    let start = body.strip_prefix(br#"{"results":[{"same":true,"lease":""#)?;
    let rest = body.get(BEFORE..).filter(|_| start.len() > 32)?;
    let rest = std::str::from_utf8(rest.strip_prefix(br#""counter":"#)?).ok()?;
    let (_, rest) = rest.split_once(r#","receipt":""#)?;
    rest.strip_suffix(r#""}]}"#).filter(|r| !r.contains('"'))
}

fn refused(answer: Answer<'_>) -> Result<Took> {
    let said = || String::from_utf8_lossy(answer.body).into_owned();
    let problem: Problem = serde_json::from_slice(answer.body).with_context(said)?;
    Ok(match problem.kind {
        ProblemType::UnknownLease => Took::Unknown,
        _ => Took::Refused(Box::new(problem)),
    })
}

fn with_body(out: &mut Vec<u8>, body: &[u8]) -> Result<()> {
    write!(
        out,
        "user-agent: {AGENT}\r\n{WIRE_HEADER}: {WIRE}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )?;
    out.extend_from_slice(body);
    Ok(())
}

fn request_id() -> RequestId {
    RequestId::from_bytes(fastrand::u128(..).to_be_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mooring_core::license::FreshToken;
    use mooring_core::names::InstanceId;
    use mooring_core::policy::OptimisticStart;
    use mooring_core::wire::True;

    fn renewed(result: Renewed) -> Vec<u8> {
        let results = vec![result];
        serde_json::to_vec(&RenewResponse { results }).unwrap()
    }

    #[test]
    fn a_receipt_that_comes_alone_is_found_by_where_it_stands() {
        let lease = LeaseId::from_bytes([7; 16]);
        let receipt = Sealed::from_bytes(b"what the server reads");
        let text = String::from(receipt.clone());
        let alone = Renewed::Same {
            same: True,
            lease,
            counter: 5,
            receipt: receipt.clone(),
        };
        assert_eq!(receipt_alone(&renewed(alone)), Some(text.as_str()));
        let all = Renewed::Ok {
            lease,
            instance: InstanceId::from_bytes([8; 16]),
            lease_for: Duration::from_secs(30),
            run_for: Duration::from_secs(60),
            max_contested: Duration::from_secs(90),
            optimistic_start: OptimisticStart::default(),
            counter: 5,
            called_back: None,
            terms: TermsId::from_bytes([1; 8]),
            receipt,
            token: FreshToken::of(mooring_testkit::sidecar::bundle(), &[]),
        };
        assert_eq!(receipt_alone(&renewed(all)), None);
        let problem = Problem::new(ProblemType::UnknownLease, "x");
        assert_eq!(
            receipt_alone(&renewed(Renewed::Problem { lease, problem })),
            None
        );
        assert_eq!(receipt_alone(b"{}"), None);
    }

    #[test]
    fn a_lease_that_a_server_does_not_know_is_claimed_with_what_shows_it() {
        let mut seat = Seat::new("mct_x".to_owned());
        let (mut first, mut again) = (Vec::new(), Vec::new());
        seat.claim(&mut first, None).unwrap();
        let first = String::from_utf8(first).unwrap();
        assert!(first.contains("authorization: Bearer mct_x\r\n"), "{first}");
        seat.holder = Some(Holder::External {
            subject: "h".to_owned(),
        });
        let grant = serde_json::json!({
            "lease": LeaseId::from_bytes([7; 16]), "claim": "pod", "instance": InstanceId::from_bytes([8; 16]),
            "items": [{"product": "render", "seats": 1}], "leaseForSecs": 30, "runForSecs": 60, "maxContestedSecs": 90,
            "optimisticStart": OptimisticStart::default(), "counter": 1,
            "holder": seat.holder, "token": mooring_testkit::sidecar::bundle(), "terms": TermsId::from_bytes([1; 8]), "receipt": "AAAA",
        });
        let body = serde_json::to_vec(&grant).unwrap();
        let answer = Answer {
            status: 200,
            head: &[],
            body: &body,
        };
        let took = seat.took_claim(answer, Instant::now()).unwrap();
        assert!(matches!(took, Took::Good));
        seat.claim(&mut again, None).unwrap();
        let again = String::from_utf8(again).unwrap();
        assert!(!again.contains("authorization"), "{again}");
        let (_, body) = again.split_once("\r\n\r\n").unwrap();
        let body: ClaimRequest = serde_json::from_str(body).unwrap();
        assert_eq!(body.standing, Standing::Held);
        assert!(body.held.is_some() && body.secret.is_some() && body.holder.is_some());
    }
}
