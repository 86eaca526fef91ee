//! Who asks. Nobody is anonymous: a client certificate, a client token, a pod's token, or a proof
//! that an earlier answer was given to this holder.

pub(crate) mod cache;
pub(crate) mod clients;
pub(crate) mod known;
pub(crate) mod policy;
pub(crate) mod review;
mod review_limiter;
pub(crate) mod revoked;

use crate::engine::Engine;
use crate::metrics::Metrics;
use clients::ClientTokens;
use known::{Known, Rejected};
use mooring_config::Config;
use mooring_core::audit::Credential;
use mooring_core::client_token::{CLIENT_TOKEN_PREFIX, OPERATOR_SUBJECT, check_subject};
pub(crate) use mooring_core::frontend::Who;
use mooring_core::identity::Holder;
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::clock;
use mooring_net::head::bearer;
use mooring_net::serve::Peer;
use mooring_net::shutdown::Shutdown;
use mooring_net::tls::common_name;
use review::Reviewer;
use revoked::Revoked;
use std::sync::Arc;
use std::time::Duration;

/// How often files are looked at, and revocations that end in time.
const LOOK: Duration = Duration::from_secs(2);

pub(crate) fn of_certificate(name: &str) -> Option<Who> {
    if name == OPERATOR_SUBJECT {
        return Some(Who::Operator);
    }
    check_subject(name).ok()?;
    let subject = name.to_owned();
    Some(Who::Holder(Holder::External { subject }))
}

pub(crate) struct Auth {
    /// Whether client certificates are asked for (`tls.clientCa`).
    certificates: bool,
    clients: Option<ClientTokens>,
    /// For service-account tokens (`tokenReview`).
    reviewer: Option<Reviewer>,
    pub(crate) revoked: Arc<Revoked>,
    /// Subjects that see everything.
    admins: Vec<String>,
    metrics: Arc<Metrics>,
}

impl Auth {
    /// With the ways to know who asks that are configured.
    pub(crate) fn open(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Self> {
        let audience = config.audience().filter(|_| config.token_review);
        let reviewer = audience.map(Reviewer::in_cluster).transpose()?;
        let revoked = Revoked::open(&config.state_dir)
            .map_err(|e| anyhow::anyhow!("configuration field stateDir: {e}"))?;
        let revoked = Arc::new(revoked);
        let clients = config.clients.as_ref().map(|files| {
            let (files, revoked) = (files.clone(), revoked.clone());
            let server = (&*config.name, &*config.admins);
            ClientTokens::load(server, files, revoked, metrics.clone())
        });
        Ok(Self {
            certificates: config.tls.client_ca.is_some(),
            clients: clients.transpose()?,
            reviewer,
            revoked,
            admins: config.admins.clone(),
            metrics: metrics.clone(),
        })
    }

    /// Who the connection's certificate is for. The TLS layer has verified it.
    pub(crate) fn by_certificate(peer: &Peer) -> Option<Who> {
        of_certificate(&common_name(peer.cert.as_deref()?)?)
    }

    /// Who asks, by certificate or token. Nobody who is revoked.
    pub(crate) async fn identify(
        &self,
        peer: &Peer,
        headers: &http::HeaderMap,
    ) -> Result<Who, Problem> {
        let known = self.known(peer, headers).await;
        known.map(|k| k.who).map_err(|rejected| rejected.why)
    }

    /// The same, and by which credential.
    pub(crate) async fn known(
        &self,
        peer: &Peer,
        headers: &http::HeaderMap,
    ) -> Result<Known, Rejected> {
        let known = match Self::by_certificate(peer) {
            Some(who) => Known::by_certificate(who),
            None => self.by_token(peer, headers).await?,
        };
        if let Who::Holder(h) = &known.who
            && let Err(why) = self.revoked.check(h, clock::now().wall)
        {
            let known = Some(Box::new(known));
            return Err(Rejected { why, known });
        }
        Ok(known)
    }

    async fn by_token(&self, peer: &Peer, headers: &http::HeaderMap) -> Result<Known, Rejected> {
        let refused = |why: &str| {
            let detail = format!("{why}; {}", self.ways());
            Err(Problem::new(ProblemType::Unauthenticated, detail).into())
        };
        let Some(token) = bearer(headers) else {
            return refused("no credential");
        };
        let clients = self.clients.as_ref().filter(|c| c.takes_tokens());
        match (clients, &self.reviewer) {
            (Some(c), _) if token.starts_with(CLIENT_TOKEN_PREFIX) => {
                c.verify(token, clock::now().wall)
            }
            (None, _) if token.starts_with(CLIENT_TOKEN_PREFIX) => {
                refused("this license server takes no client tokens (clients.keys is not set)")
            }
            (_, Some(r)) => {
                let review = r.review(token, peer.addr.ip(), &self.metrics);
                let pod = Box::pin(review).await?;
                Ok(Known {
                    who: Who::Holder(pod),
                    credential: Credential::ServiceAccountToken,
                    claims: None,
                })
            }
            (_, None) => {
                refused("this license server takes no service-account tokens (tokenReview is off)")
            }
        }
    }

    /// What a client can do to be known here.
    fn ways(&self) -> String {
        let mut ways = Vec::new();
        if self.certificates {
            ways.push("use a client certificate that chains to its clientCa");
        }
        let clients = self.clients.as_ref();
        if clients.is_some_and(ClientTokens::takes_tokens) {
            ways.push(
                "send a client token (Authorization: Bearer mct_…, from mooring client issue)",
            );
        }
        if self.reviewer.is_some() {
            ways.push("send a pod's service-account token (Authorization: Bearer)");
        }
        ways.join(", or ")
    }

    /// Whether this one sees everything, and may end what others have: the operator, and the
    /// configured administrators.
    pub(crate) fn is_admin(&self, who: &Who) -> bool {
        match who {
            Who::Operator => true,
            Who::Holder(Holder::External { subject }) => self.admins.contains(subject),
            Who::Holder(Holder::Pod { .. } | Holder::Owner { .. }) | Who::Issuer { .. } => false,
        }
    }

    /// Tells the ledger whose subjects have so many claims in all.
    pub(crate) fn bound(&self, engine: &Engine) {
        if let Some(clients) = &self.clients {
            let issuers = clients.issuers();
            engine.act(|l, _| l.set_issuers(&issuers));
        }
    }

    /// Keeps client keys, the list of revoked ones and what the ledger was told of them up to date:
    /// files change, and revocations end in time.
    pub(crate) async fn follow(&self, engine: &Engine, shutdown: &Shutdown) {
        let mut files = self.clients.as_ref().map(|c| (c, c.watched()));
        loop {
            if let Some((clients, watched)) = &mut files
                && clients.look(watched)
            {
                self.bound(engine);
            }
            self.bar(engine);
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.asked() => return,
            }
        }
    }

    /// Tells the ledger what has changed about who is revoked.
    pub(crate) fn bar(&self, engine: &Engine) {
        self.revoked.bar(clock::now().wall, |holder, why, by| {
            engine.revoke(holder, why, by);
        });
    }
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
        assert_eq!(of_certificate(&"x".repeat(201)), None);
    }
}
