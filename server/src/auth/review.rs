//! Service-account tokens, verified by the API server (TokenReview, authentication.k8s.io/v1).
//!
//! The audience is checked on both sides; a token that is not bound to a pod is refused; the pod's
//! identity, its node included, comes from the token's claims and never from the client.

use super::cache::{Verdict, Verdicts, hash};
use super::review_limiter::ReviewLimiter;
use crate::kubernetes::{ApiServer, NoApiServer, unsuccessful};
use crate::metrics::{Metrics, count};
use http::Method;
use mooring_core::identity::Holder;
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::client::Call;
use mooring_net::clock;
use mooring_net::sync::lock;
use serde::Deserialize;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

/// How long a review may take, waiting for its turn included: a holder must be told that it is not
/// done before it takes the wait for silence.
const TIME: Duration = Duration::from_secs(3);
const MAX_TOKEN: usize = 16 * 1024;

pub(crate) struct Reviewer {
    api: ApiServer,
    audience: String,
    cache: Mutex<Verdicts>,
    limiter: ReviewLimiter,
}

impl Reviewer {
    /// One that uses the pod's own service account.
    pub(crate) fn in_cluster(audience: String) -> Result<Self, NoApiServer> {
        Ok(Self {
            api: ApiServer::in_cluster("tokenReview")?,
            audience,
            cache: Mutex::default(),
            limiter: ReviewLimiter::new(),
        })
    }

    pub(crate) async fn review(
        &self,
        token: &str,
        from: IpAddr,
        metrics: &Metrics,
    ) -> Result<Holder, Problem> {
        let count = |outcome: &str| count(&metrics.token_reviews, &[outcome]);
        if token.len() > MAX_TOKEN {
            count("refused");
            return Err(refused("the token is longer than any"));
        }
        let key = hash(token);
        let known = lock(&self.cache).get(&key, clock::boot()).cloned();
        if let Some(v) = known {
            count("cached");
            return v.map_err(|e| refused(&e));
        }
        let asked = async {
            let Some(_permit) = self.limiter.take(from).await else {
                return Ok(None);
            };
            self.ask(token).await.map(Some)
        };
        let answer = tokio::time::timeout(TIME, asked).await;
        match answer.unwrap_or_else(|_| Err(format!("no answer within {TIME:?}"))) {
            Ok(None) => {
                count("too-many");
                let detail =
                    format!("too many tokens of {from} are being verified at once; ask again");
                Err(Problem::new(ProblemType::Overloaded, detail).retry_after(1))
            }
            Ok(Some(verdict)) => {
                match &verdict {
                    Ok(_) => count("accepted"),
                    Err(e) => {
                        count("refused");
                        tracing::debug!(reason = %e, "a token is refused");
                    }
                }
                lock(&self.cache).put(key, verdict.clone(), clock::boot());
                verdict.map_err(|e| refused(&e))
            }
            Err(e) => {
                count("failed");
                tracing::warn!(error = %e, "the API server does not review tokens");
                // Not `unauthenticated`: nothing is known of this token.
                let detail = format!(
                    "the token cannot be verified now, the Kubernetes API server does not answer: {e}"
                );
                Err(Problem::new(ProblemType::Overloaded, detail).retry_after(5))
            }
        }
    }

    async fn ask(&self, token: &str) -> Result<Verdict, String> {
        let body = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self.audience]},
        });
        let call = Call::new(Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews")
            .json(&body)
            .map_err(|e| e.to_string())?;
        let answer = self.api.call(call, TIME).await?;
        if !answer.status.is_success() {
            let todo = "may this service account create tokenreviews?";
            return Err(unsuccessful(&answer, todo));
        }
        let review: TokenReview = answer.json().map_err(|e| e.to_string())?;
        Ok(judge(review.status, &self.audience))
    }
}

fn refused(why: &str) -> Problem {
    let detail = format!("the service-account token is refused: {why}");
    Problem::new(ProblemType::Unauthenticated, detail)
}

#[derive(Debug, Deserialize)]
struct TokenReview {
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    audiences: Vec<String>,
    user: User,
    error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    extra: HashMap<String, Vec<String>>,
}

/// Who the API server says it is. The keys in `extra` are those of bound tokens (KEP-1205,
/// KEP-4193).
fn judge(s: Status, audience: &str) -> Verdict {
    if !s.authenticated {
        let expired = || "not authenticated; it may have expired".into();
        return Err(s.error.unwrap_or_else(expired));
    }
    // An API server that does not know audiences leaves the field empty: then the token was for the
    // API server itself.
    if !s.audiences.iter().any(|a| a == audience) {
        let found = s.audiences;
        return Err(format!(
            "it is for audience {found:?}, expected {audience:?}"
        ));
    }
    let User { username, extra } = s.user;
    let account = username.strip_prefix("system:serviceaccount:");
    let Some((namespace, account)) = account.and_then(|a| a.split_once(':')) else {
        let start: String = username.chars().take(100).collect();
        return Err(format!("user {start:?} is no service account"));
    };
    let extra = |name: &str| {
        let v = extra.get(&format!("authentication.kubernetes.io/{name}"))?;
        v.first().filter(|v| !v.is_empty()).cloned()
    };
    let (Some(uid), Some(pod)) = (extra("pod-uid"), extra("pod-name")) else {
        return Err("it is not bound to a pod; use a projected token of the pod".into());
    };
    Ok(Holder::Pod {
        namespace: namespace.to_owned(),
        pod,
        uid,
        service_account: account.to_owned(),
        node: extra("node-name"),
    })
}

#[cfg(test)]
mod tests;
