//! The webhook's serving certificate: made in memory, 30 days, renewed at two thirds without
//! dropping connections.

use super::metrics::{WebhookMetrics, seconds};
use crate::certs::{Ca, CertError, CertRequest, IssuedCert, Usage};
use mooring_net::tls::{ServerIdentity, TlsError, certified_key};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

const VALIDITY: Duration = Duration::from_secs(30 * 86_400);
/// Looked at so often, by the wall clock: a machine that slept wakes with an old certificate.
const CHECK: Duration = Duration::from_secs(600);

/// The names that the API server and people call it by.
#[derive(Debug)]
pub(super) struct Names {
    common_name: String,
    dns_names: Vec<String>,
}

impl Names {
    pub(super) fn new(service: &str, namespace: &str) -> Self {
        let short = format!("{service}.{namespace}.svc");
        let long = format!("{short}.cluster.local");
        Self {
            common_name: service.to_owned(),
            dns_names: vec![short, long],
        }
    }

    /// And of another Service with the same replicas behind it.
    pub(super) fn also(mut self, service: &str, namespace: &str) -> Self {
        self.dns_names
            .extend(Self::new(service, namespace).dns_names);
        self
    }
}

/// The certificate in use.
pub(super) struct Serving {
    ca: Arc<Ca>,
    names: Names,
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
    pub(super) fn start(ca: Arc<Ca>, names: Names) -> Result<Self, IdentityError> {
        let first = issue(&ca, &names)?;
        let identity = ServerIdentity::new(certified_key(&first.cert_pem, &first.key_pem)?);
        Ok(Self {
            ca,
            names,
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
            let not_after = *self
                .not_after
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
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
        let next = issue(&self.ca, &self.names)?;
        self.identity
            .replace(certified_key(&next.cert_pem, &next.key_pem)?);
        *self
            .not_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = next.not_after;
        Ok(next.not_after)
    }
}

fn issue(ca: &Ca, names: &Names) -> Result<IssuedCert, CertError> {
    ca.issue(&CertRequest {
        common_name: names.common_name.clone(),
        dns_names: names.dns_names.clone(),
        usages: vec![Usage::Server],
        validity: VALIDITY,
    })
}

/// In the last third of its life, or when it has ended.
fn is_due(now: SystemTime, not_after: SystemTime) -> bool {
    not_after
        .duration_since(now)
        .is_ok_and(|left| left < VALIDITY / 3)
        || not_after <= now
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
