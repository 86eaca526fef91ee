//! The webhook's serving certificate: made in memory, 30 days, renewed at two thirds without
//! dropping connections.

use super::metrics::{WebhookMetrics, seconds};
use crate::certs::{Ca, CertError, CertRequest, Usage};
use mooring_net::sync::lock;
use mooring_net::tls::{ServerIdentity, TlsError, certified_key};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const VALIDITY: Duration = Duration::from_secs(30 * 86_400);
/// Looked at so often, by the wall clock: a machine that slept wakes with an old certificate.
const CHECK: Duration = Duration::from_secs(600);

/// A certificate for these Services, by the names that the API server and people call them by.
pub(super) fn request(services: &[&str], namespace: &str) -> CertRequest {
    let names = services.iter().flat_map(|service| {
        let short = format!("{service}.{namespace}.svc");
        let long = format!("{short}.cluster.local");
        [short, long]
    });
    CertRequest {
        common_name: services
            .first()
            .map_or_else(String::new, |s| (*s).to_owned()),
        dns_names: names.collect(),
        usages: vec![Usage::Server],
        validity: VALIDITY,
    }
}

/// The certificate in use.
pub(super) struct Serving {
    ca: Arc<Ca>,
    request: CertRequest,
    identity: Arc<ServerIdentity>,
    not_after: Mutex<SystemTime>,
}

/// What keeps a certificate from being made.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    #[error(transparent)]
    Cert(#[from] CertError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Serving {
    pub(super) fn start(ca: Arc<Ca>, request: CertRequest) -> Result<Self, IdentityError> {
        let first = ca.issue(&request)?;
        let identity = ServerIdentity::new(certified_key(&first.cert_pem, &first.key_pem)?);
        Ok(Self {
            ca,
            request,
            identity,
            not_after: Mutex::new(first.not_after),
        })
    }

    pub(super) fn resolver(&self) -> Arc<ServerIdentity> {
        self.identity.clone()
    }

    /// Renews it in time, until dropped.
    pub(super) async fn keep_fresh(&self, metrics: &WebhookMetrics) {
        loop {
            let not_after = *lock(&self.not_after);
            metrics.certificate_until(not_after);
            if is_due(SystemTime::now(), not_after) {
                match self.renew() {
                    Ok(until) => {
                        tracing::info!(until = %seconds(until), "webhook's certificate renewed");
                    }
                    Err(e) => {
                        tracing::error!(error = %e, "webhook's certificate could not be renewed; trying again in ten minutes");
                    }
                }
            }
            tokio::time::sleep(CHECK).await;
        }
    }

    fn renew(&self) -> Result<SystemTime, IdentityError> {
        let next = self.ca.issue(&self.request)?;
        self.identity
            .replace(certified_key(&next.cert_pem, &next.key_pem)?);
        *lock(&self.not_after) = next.not_after;
        Ok(next.not_after)
    }
}

/// In the last third of its life, or when it has ended.
fn is_due(now: SystemTime, not_after: SystemTime) -> bool {
    let left = not_after.duration_since(now).unwrap_or_default();
    left < VALIDITY / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewed_in_the_last_third() {
        let now = SystemTime::now();
        assert!(!is_due(now, now + VALIDITY));
        assert!(!is_due(now, now + VALIDITY / 3));
        assert!(is_due(now, now + VALIDITY / 3 - CHECK));
        assert!(is_due(now, now));
        assert!(is_due(now, now - CHECK));
    }
}
