//! Who asks. Nobody is anonymous: a client certificate, a pod's token, or a proof that an earlier answer was given to this holder.

pub(crate) mod cache;
pub(crate) mod policy;
pub(crate) mod review;
mod turns;

use crate::metrics::Metrics;
use mooring_core::wire::{Holder, Problem, ProblemType};
use mooring_net::http::Peer;
use mooring_net::tls::common_name;
use review::Reviewer;
use std::sync::Arc;

/// The common name of the operator's client certificate.
const OPERATOR: &str = "mooring-operator";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The operator.
    Operator,
    /// A holder.
    Holder(Holder),
}

/// Who a verified certificate belongs to.
pub(crate) fn of_certificate(name: &str) -> Option<Who> {
    match name {
        OPERATOR => Some(Who::Operator),
        // The subject goes into logs, objects and HMACs: it must be one line of sane length.
        n if n.is_empty() || n.len() > 200 || n.chars().any(char::is_control) => None,
        n => Some(Who::Holder(Holder::External {
            subject: n.to_owned(),
        })),
    }
}

/// Authenticates requests.
pub(crate) struct Auth {
    reviewer: Option<Reviewer>,
    metrics: Arc<Metrics>,
}

impl Auth {
    /// With or without service-account tokens.
    pub(crate) fn new(reviewer: Option<Reviewer>, metrics: Arc<Metrics>) -> Self {
        Self { reviewer, metrics }
    }

    /// Who the connection's certificate is for. The TLS layer has verified it.
    pub(crate) fn by_certificate(peer: &Peer) -> Option<Who> {
        let name = common_name(peer.cert.as_deref()?)?;
        of_certificate(&name)
    }

    /// Who asks, by certificate or token.
    pub(crate) async fn identify(
        &self,
        peer: &Peer,
        headers: &http::HeaderMap,
    ) -> Result<Who, Problem> {
        if let Some(who) = Self::by_certificate(peer) {
            return Ok(who);
        }
        let refused = |detail: &str| Err(Problem::new(ProblemType::Unauthenticated, detail));
        let Some(token) = bearer(headers) else {
            return refused(match self.reviewer {
                Some(_) => {
                    "no credential: send a service-account token (Authorization: Bearer) or use a client certificate"
                }
                None => {
                    "no credential: use a client certificate that chains to this server's clientCa"
                }
            });
        };
        let Some(reviewer) = &self.reviewer else {
            return refused(
                "this server does not take service-account tokens (tokenReview is off); use a client certificate",
            );
        };
        reviewer
            .review(token, peer.addr.ip(), &self.metrics)
            .await
            .map(Who::Holder)
    }
}

fn bearer(headers: &http::HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_the_operators_or_an_external_holders() {
        assert_eq!(of_certificate("mooring-operator"), Some(Who::Operator));
        let render = Holder::External {
            subject: "render-farm".into(),
        };
        assert_eq!(of_certificate("render-farm"), Some(Who::Holder(render)));
        assert_eq!(of_certificate(""), None);
        assert_eq!(of_certificate("a\nb"), None);
    }

    #[test]
    fn the_bearers_token_is_found() {
        let mut h = http::HeaderMap::new();
        assert_eq!(bearer(&h), None);
        h.insert(
            "authorization",
            http::HeaderValue::from_static("bearer  abc "),
        );
        assert_eq!(bearer(&h), Some("abc"));
        h.insert("authorization", http::HeaderValue::from_static("Basic abc"));
        assert_eq!(bearer(&h), None);
    }
}
