//! The operator's certificate authority, kept in the Secret `mooring-ca` of its own namespace.
//!
//! Promises: made once, where `create` decides between replicas, so that all of them sign with one
//! key; replaced by a successor that it vouches for and by nothing else; a Secret that cannot be
//! read as a CA is an error that says so, never silently replaced, because every license server and
//! sidecar trusts the old one. The rules of X.509 live in [`mooring_pki`].
//!
//! | module | |
//! |---|---|
//! | [`stored`] | what the Secret holds, and the changes of it |
//! | [`keeper`] | each replica's watch on the Secret: follows a successor, puts back what was deleted, ends on a stranger |
//! | [`lives`] | how long certificates live |
//! | [`error`] | why there is no CA, or why it did not sign |

pub mod error;
pub mod keeper;
pub mod lives;
#[cfg(test)]
mod race;
pub mod stored;

pub use error::CertError;
pub use mooring_pki::{CertRequest, IssuedCert, Usage};

use crate::kubernetes::unless;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use lives::Lives;
use mooring_api::names::CA_SECRET as SECRET;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use stored::StoredCa;
use tokio::sync::watch;

/// Mooring's CA, ready to sign. Whoever holds it follows its successors.
#[derive(Debug)]
pub struct Ca {
    current: watch::Sender<Arc<StoredCa>>,
    pub lives: Lives,
}

impl Ca {
    /// Reads the CA of this namespace; makes it first if there is none.
    ///
    /// Between replicas that start together `create` decides: who comes second reads what the first
    /// one made.
    pub async fn load_or_create(
        client: &Client,
        namespace: &str,
        lives: Lives,
    ) -> Result<Self, CertError> {
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let failed = |e| CertError::Api {
            namespace: namespace.to_owned(),
            source: Box::new(e),
        };
        let mut secret = api.get_opt(SECRET).await.map_err(failed)?;
        if secret.is_none() {
            let new = stored::new_secret(lives.ca(), SystemTime::now())?;
            let made = api.create(&PostParams::default(), &new).await;
            secret = unless(made, &[409]).map_err(failed)?;
            if secret.is_some() {
                tracing::info!(namespace, secret = SECRET, "made a new CA");
            }
        }
        let secret = match secret {
            Some(s) => s,
            None => api.get(SECRET).await.map_err(failed)?,
        };
        Ok(Self::of(StoredCa::read(secret)?, lives))
    }

    fn of(stored: StoredCa, lives: Lives) -> Self {
        let current = watch::Sender::new(Arc::new(stored));
        Self { current, lives }
    }

    /// A CA that lives in memory only.
    #[cfg(test)]
    pub fn ephemeral(now: SystemTime) -> Result<Self, CertError> {
        let lives = Lives::default();
        let stored = StoredCa::read(stored::new_secret(lives.ca(), now)?)?;
        Ok(Self::of(stored, lives))
    }

    /// Its successor, as if the Secret had been changed.
    #[cfg(test)]
    pub fn succeed(&self, patch: &serde_json::Value) {
        let mut value = serde_json::to_value(self.get().restored()).unwrap_or_default();
        json_patch::merge(&mut value, patch);
        let secret = serde_json::from_value(value).unwrap_or_default();
        if let Ok(stored) = StoredCa::read(secret) {
            self.take(stored);
        }
    }

    pub fn get(&self) -> Arc<StoredCa> {
        self.current.borrow().clone()
    }

    /// Hears of changes of what is signed with, of who is trusted, and of requests for a successor.
    pub fn follow(&self) -> watch::Receiver<Arc<StoredCa>> {
        self.current.subscribe()
    }

    /// Signs and trusts by this from now on.
    fn take(&self, stored: StoredCa) {
        self.current.send_if_modified(|current| {
            let news = !current.is_like(&stored);
            *current = Arc::new(stored);
            news
        });
    }

    /// Signs a new key pair for this request, valid from five minutes ago. Who trusts only the CA
    /// before this one verifies it, too: by the bridge behind it.
    pub fn issue(&self, request: &CertRequest) -> Result<IssuedCert, CertError> {
        let ca = self.get();
        let mut cert = ca.authority.issue(request, SystemTime::now())?;
        if let Some(bridge) = &ca.bridge {
            cert.cert_pem = format!("{}\n{}\n", cert.cert_pem.trim_end(), bridge.trim());
        }
        Ok(cert)
    }

    /// Whether a certificate with this end is to be made anew: it is in its last third, and a new
    /// one would last longer.
    pub fn is_due(&self, not_after: SystemTime, now: SystemTime) -> bool {
        let left = not_after.duration_since(now).unwrap_or_default();
        let end = self.get().authority.not_after();
        left < self.lives.certificate() / 3 && not_after + Duration::from_secs(1) < end
    }

    /// What others must trust, as PEM: this CA, and the one before it while servers may still show
    /// what that one signed.
    pub fn roots_pem(&self) -> String {
        let ca = self.get();
        let ours = ca.authority.cert_pem().trim_end();
        match &ca.previous {
            Some(previous) => format!("{ours}\n{}\n", previous.trim()),
            None => format!("{ours}\n"),
        }
    }
}

#[cfg(test)]
mod tests;
