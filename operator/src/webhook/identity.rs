//! The webhook's serving certificate: made in memory, renewed at two thirds of its life, and when a
//! new CA takes over, without dropping connections.

use super::metrics::{WebhookMetrics, seconds};
use crate::certs::{Ca, CertError, CertRequest, Usage};
use mooring_net::sync::lock;
use mooring_net::tls::{ServerIdentity, TlsError, certified_key};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Looked at so often, by the wall clock: a machine that slept wakes with an old certificate.
const CHECK: Duration = Duration::from_secs(600);

/// A certificate for these Services, by the names that the API server and people call them by.
pub(super) fn request(services: &[&str], namespace: &str, validity: Duration) -> CertRequest {
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
        validity,
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
        let identity = ServerIdentity::new(certified_key(&first.cert_pem, &first.key_pem)?, vec![]);
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
        let mut successors = self.ca.follow();
        let mut succeeded = false;
        let check = CHECK.min(self.request.validity / 10);
        loop {
            let not_after = *lock(&self.not_after);
            metrics.certificate_until(not_after);
            if succeeded || self.ca.is_due(not_after, SystemTime::now()) {
                match self.renew() {
                    Ok(until) => {
                        tracing::info!(until = %seconds(until), "webhook's certificate renewed");
                    }
                    Err(e) => {
                        tracing::error!(error = %e, "webhook's certificate could not be renewed; tried again");
                    }
                }
            }
            succeeded = tokio::select! {
                () = tokio::time::sleep(check) => false,
                changed = successors.changed() => changed.is_ok(),
            };
        }
    }

    fn renew(&self) -> Result<SystemTime, IdentityError> {
        let next = self.ca.issue(&self.request)?;
        let key = certified_key(&next.cert_pem, &next.key_pem)?;
        self.identity.replace(key, vec![]);
        *lock(&self.not_after) = next.not_after;
        Ok(next.not_after)
    }
}
