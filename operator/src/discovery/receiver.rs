//! Takes agents' reports in: a token, reviewed by the API server; a list, checked. In every
//! replica, leading or not.

use super::authenticate::{BoundAgent, authenticate};
use super::sightings::Sightings;
use super::{AUDIENCE, PATH, Report};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use mooring_core::time::BootTime;
use mooring_net::clock;
use mooring_net::head::bearer;
use mooring_net::http::{Body, no_content, read_body, with_type};
use ring::digest::{SHA256, digest};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The largest report, and how long it may take.
const BODY: (usize, Duration) = (128 * 1024, Duration::from_secs(5));
/// How long a token's review is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long one may take.
const REVIEW: Duration = Duration::from_secs(5);
/// Tokens remembered; more than nodes.
const TOKENS: usize = 16 * 1024;
/// Reviews at once: strangers in the cluster may post here, too.
const REVIEWS: usize = 8;
/// Bodies in memory at once.
const BODIES: usize = 64;
/// No token is longer.
const MAX_TOKEN: usize = 16 * 1024;

type Hash = [u8; 32];
/// A token's node, or why the token is refused.
type Verdict = Result<String, String>;

pub struct ReportReceiver {
    client: Client,
    namespace: String,
    sightings: Arc<Sightings>,
    known: Mutex<HashMap<Hash, (Verdict, BootTime)>>,
    reviews: Semaphore,
    bodies: Semaphore,
}

impl std::fmt::Debug for ReportReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReportReceiver({})", self.namespace)
    }
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    with_type(status, "text/plain; charset=utf-8", text + "\n")
}

impl ReportReceiver {
    /// One for the agents of this namespace.
    pub fn new(client: Client, namespace: &str, sightings: Arc<Sightings>) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            sightings,
            known: Mutex::default(),
            reviews: Semaphore::new(REVIEWS),
            bodies: Semaphore::new(BODIES),
        }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if request.method() != Method::POST {
            return plain(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("expected POST {PATH}"),
            );
        }
        let token = bearer(request.headers()).filter(|t| t.len() <= MAX_TOKEN);
        let token = token.map(str::to_owned);
        // Read before anything is judged: a refusal with the body still on its way would reach an
        // HTTP/2 client as a broken stream.
        let room = tokio::time::timeout(BODY.1, self.bodies.acquire()).await;
        let Ok(Ok(_room)) = room else {
            let what = "too many reports at once; try again".to_owned();
            return plain(StatusCode::SERVICE_UNAVAILABLE, what);
        };
        let body = match read_body(request.into_body(), BODY.0, BODY.1).await {
            Ok(b) => b,
            Err(p) => {
                let status = StatusCode::from_u16(p.status).unwrap_or(StatusCode::BAD_REQUEST);
                return plain(status, p.to_string());
            }
        };
        let Some(token) = token else {
            let what = "expected Authorization: Bearer with a service-account token".to_owned();
            return plain(StatusCode::UNAUTHORIZED, what);
        };
        let node = match self.node(&token).await {
            Ok(Ok(node)) => node,
            Ok(Err(why)) => {
                tracing::info!(reason = %why, "a device report is refused");
                return plain(
                    StatusCode::UNAUTHORIZED,
                    format!("the service-account token is refused: {why}"),
                );
            }
            Err(why) => {
                tracing::warn!(error = %why, "whose device report it is cannot be said");
                return plain(StatusCode::SERVICE_UNAVAILABLE, why);
            }
        };
        let report: Result<Report, String> =
            serde_json::from_slice(&body).map_err(|e| e.to_string());
        let report = report.and_then(|r| r.check().map(|()| r));
        match report {
            Ok(report) => {
                let devices = report.devices.len();
                if self.sightings.report(&node, report.devices, clock::boot()) {
                    tracing::info!(node, devices, "a node's devices changed");
                }
                no_content()
            }
            Err(why) => {
                tracing::warn!(node, error = %why, "a device report cannot be read");
                plain(StatusCode::BAD_REQUEST, why)
            }
        }
    }

    /// The node that a token is bound to, or why it counts for nothing; the outer error: nothing is
    /// known of it.
    async fn node(&self, token: &str) -> Result<Verdict, String> {
        let mut key = Hash::default();
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let now = clock::boot();
        if let Some((verdict, at)) = self.known().get(&key)
            && now.since(*at) < BELIEVED
        {
            return Ok(verdict.clone());
        }
        let Ok(_turn) = self.reviews.try_acquire() else {
            return Err("too many tokens are being verified at once; ask again".into());
        };
        let asked = tokio::time::timeout(REVIEW, self.ask(token)).await;
        let verdict = match asked {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(e)) => return Err(format!("the Kubernetes API server does not answer: {e}")),
            Err(_) => {
                return Err(format!(
                    "the Kubernetes API server did not answer within {REVIEW:?}"
                ));
            }
        };
        let mut known = self.known();
        if known.len() >= TOKENS {
            known.retain(|_, (_, at)| now.since(*at) < BELIEVED);
        }
        if known.len() < TOKENS {
            known.insert(key, (verdict.clone(), now));
        }
        Ok(verdict)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Hash, (Verdict, BootTime)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, token: &str) -> Result<Verdict, kube::Error> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![AUDIENCE.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await?;
        let agent = match authenticate(&answer.status.unwrap_or_default(), &self.namespace) {
            Ok(agent) => agent,
            Err(why) => return Ok(Err(why)),
        };
        match agent.node {
            Some(node) => Ok(Ok(node)),
            None => self.node_of(&agent).await,
        }
    }

    /// API servers that do not put the node into tokens: the pod says it.
    async fn node_of(&self, agent: &BoundAgent) -> Result<Verdict, kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pod = api.get_opt(&agent.pod).await?;
        let pod = pod.filter(|p| p.metadata.uid.as_deref() == Some(&agent.uid));
        let node = pod.and_then(|p| p.spec?.node_name);
        Ok(node.ok_or_else(|| format!("its pod {} is not there, or on no node", agent.pod)))
    }
}
