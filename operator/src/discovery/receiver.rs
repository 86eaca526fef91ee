//! Takes agents' reports in: a token, reviewed by the API server; a list, checked. In every
//! replica, leading or not.

use super::authenticate::{BoundAgent, authenticate};
use super::sightings::Sightings;
use super::{AUDIENCE, PATH, Report};
use crate::pods::node_name;
use http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use mooring_core::cut::cut;
use mooring_core::time::BootTime;
use mooring_net::clock;
use mooring_net::head::bearer;
use mooring_net::http::{Body, Counted, no_content, read_body, with_type};
use mooring_net::serve::{Inbound, Peer};
use mooring_net::shares::{Bounds, Rank, Share, Shares};
use mooring_net::sync::lock;
use ring::digest::{SHA256, digest};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The largest report, and how long it may take.
const BODY: (usize, Duration) = (128 * 1024, Duration::from_secs(5));
/// How long a token's review is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long one may take.
const REVIEW: Duration = Duration::from_secs(5);
/// Tokens remembered; more than nodes.
const TOKENS: usize = 16 * 1024;
/// Reviews at once, and of one address: strangers in the cluster may post here, too, and an agent
/// must get in. So for the bytes of bodies, for each of which so many are counted before any came.
const REVIEWS: Bounds = Bounds::new(32, 4);
const BODIES: Bounds = Bounds::new(4 * 1024 * 1024, 256 * 1024);
const REPORT_BYTES: usize = 4096;
/// No token is longer.
const MAX_TOKEN: usize = 16 * 1024;

type Refused = (StatusCode, String);
type Hash = [u8; 32];
/// A token's node, or why the token is refused.
type Verdict = Result<String, String>;

pub struct ReportReceiver {
    client: Client,
    namespace: String,
    sightings: Arc<Sightings>,
    known: Mutex<HashMap<Hash, (Verdict, BootTime)>>,
    reviews: Shares,
    bodies: Shares,
}

impl ReportReceiver {
    /// One for the agents of this namespace.
    pub fn new(client: Client, namespace: &str, sightings: Arc<Sightings>) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            sightings,
            known: Mutex::default(),
            reviews: Shares::new(REVIEWS),
            bodies: Shares::new(BODIES),
        }
    }

    pub async fn answer(&self, request: Request<Inbound>) -> Response<Body> {
        match self.take(request).await {
            Ok(()) => no_content(),
            Err((status, why)) => with_type(status, "text/plain; charset=utf-8", why + "\n"),
        }
    }

    /// Within the peer's share.
    async fn take(&self, request: Request<Inbound>) -> Result<(), Refused> {
        let peer = request.extensions().get::<Peer>().map(|p| p.addr.ip());
        let address = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let crowded = || {
            let what = "too many reports at once; try again".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, what)
        };
        let share = self.bodies.take(address, REPORT_BYTES, Rank::Busy);
        let share = share.ok_or_else(crowded)?;
        tokio::select! {
            taken = self.take_in(request, address, &share) => taken,
            () = share.over() => Err(crowded()),
        }
    }

    async fn take_in(
        &self,
        request: Request<Inbound>,
        address: IpAddr,
        share: &Share,
    ) -> Result<(), Refused> {
        if request.method() != Method::POST {
            let expected = format!("expected POST {PATH}");
            return Err((StatusCode::METHOD_NOT_ALLOWED, expected));
        }
        let token = bearer(request.headers()).filter(|t| t.len() <= MAX_TOKEN);
        let token = token.map(str::to_owned);
        // Read before anything is judged: a refusal with the body still on its way would reach an
        // HTTP/2 client as a broken stream.
        let body = Counted::new(request.into_body(), share);
        let body = read_body(body, BODY.0, BODY.1).await;
        let body = body.map_err(|p| {
            let status = StatusCode::from_u16(p.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, p.to_string())
        })?;
        let Some(token) = token else {
            let what = "expected Authorization: Bearer with a service-account token".to_owned();
            return Err((StatusCode::UNAUTHORIZED, what));
        };
        let verdict = self.node(&token, address).await.map_err(|why| {
            tracing::debug!(error = %why, "whose device report it is cannot be said");
            (StatusCode::SERVICE_UNAVAILABLE, why)
        })?;
        let node = verdict.map_err(|why| {
            tracing::debug!(reason = %why, "a device report is refused");
            let what = format!("the service-account token is refused: {why}");
            (StatusCode::UNAUTHORIZED, what)
        })?;
        let report = serde_json::from_slice(&body).map_err(|e| cut(e.to_string()));
        let report = report.and_then(|r: Report| r.check().map(|()| r));
        let report = report.map_err(|why| {
            tracing::warn!(node, error = %why, "a device report cannot be read");
            (StatusCode::BAD_REQUEST, why)
        })?;
        let devices = report.devices.len();
        if self.sightings.report(&node, report.devices, clock::boot()) {
            tracing::info!(node, devices, "a node's devices changed");
        }
        Ok(())
    }

    /// The node that a token is bound to, or why it counts for nothing; the outer error: nothing is
    /// known of it.
    async fn node(&self, token: &str, address: IpAddr) -> Result<Verdict, String> {
        let mut key = Hash::default();
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let now = clock::boot();
        if let Some((verdict, at)) = lock(&self.known).get(&key)
            && now.since(*at) < BELIEVED
        {
            return Ok(verdict.clone());
        }
        let crowded = || "too many tokens are being verified at once; ask again".to_owned();
        let turn = self.reviews.take(address, 1, Rank::Busy);
        let turn = turn.ok_or_else(crowded)?;
        let asked = tokio::select! {
            asked = tokio::time::timeout(REVIEW, self.ask(token)) => asked,
            () = turn.over() => return Err(crowded()),
        };
        let verdict = asked
            .map_err(|_| format!("the Kubernetes API server did not answer within {REVIEW:?}"))?
            .map_err(|e| format!("the Kubernetes API server does not answer: {e}"))?;
        let mut known = lock(&self.known);
        if known.len() >= TOKENS {
            known.retain(|_, (_, at)| now.since(*at) < BELIEVED);
        }
        // Bad tokens cost whoever makes them up nothing: half of the room is for good ones.
        let room = if verdict.is_ok() { TOKENS } else { TOKENS / 2 };
        if known.len() < room {
            known.insert(key, (verdict.clone(), now));
        }
        Ok(verdict)
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
        match authenticate(&answer.status.unwrap_or_default(), &self.namespace) {
            Err(why) => Ok(Err(why)),
            Ok(agent) => match agent.node {
                Some(node) => Ok(Ok(node)),
                None => self.node_of(&agent).await,
            },
        }
    }

    /// API servers that do not put the node into tokens: the pod says it.
    async fn node_of(&self, agent: &BoundAgent) -> Result<Verdict, kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pod = api.get_opt(&agent.pod).await?;
        let pod = pod.filter(|p| p.metadata.uid.as_deref() == Some(&agent.uid));
        let node = pod.as_ref().and_then(node_name).map(str::to_owned);
        Ok(node.ok_or_else(|| format!("its pod {} is not there, or on no node", agent.pod)))
    }
}
