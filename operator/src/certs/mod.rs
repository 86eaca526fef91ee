//! The operator's certificate authority, kept in the Secret `mooring-ca` of its own namespace.
//!
//! Promises: made once, where `create` decides between replicas, so that all of them sign with one
//! key; never overwritten; a Secret that cannot be read as a CA is an error that says so, never
//! silently replaced, because every license server and sidecar trusts the old one. The rules of
//! X.509 live in [`mooring_pki`]; this file only reads and writes the Secret.

#[cfg(test)]
mod race;

pub use mooring_pki::{Authority, AuthorityError, CertRequest, IssuedCert, Usage};

use crate::kubernetes::unless;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use mooring_api::names::APP_NAME;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// The Secret that keeps the CA.
pub const SECRET: &str = "mooring-ca";
/// Its type: a reader sees what it is, and nothing mistakes it for a serving certificate.
pub const SECRET_TYPE: &str = "mooring.dev/ca";
/// From this much before the CA's end on, each start warns.
const EXPIRY_WARNING: Duration = Duration::from_secs(365 * 24 * 3600);

const CERT: &str = "ca.crt";
const KEY: &str = "ca.key";
const NEXT_CERT: &str = "next.crt";

/// Why there is no CA, or why it did not sign.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The API server did not let us read or create the Secret.
    #[error("Secret {namespace}/{SECRET}, which keeps Mooring's CA: {source}")]
    Api {
        namespace: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret is there, but a key of it is not.
    #[error(
        "Secret {namespace}/{SECRET} has no key `{key}`: restore it from a backup. If you delete the Secret instead, the operator makes a new CA at its next start, \
         and pods that already run trust the old one until they are created anew"
    )]
    Incomplete {
        namespace: String,
        key: &'static str,
    },
    /// The Secret's content is no CA, or it did not sign.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// Mooring's CA, ready to sign.
#[derive(Debug)]
pub struct Ca {
    authority: Authority,
    /// Further roots to trust: the CA that takes over, while it is being rolled out.
    next: Option<String>,
}

impl Ca {
    /// Reads the CA of this namespace; makes it first if there is none.
    ///
    /// Between replicas that start together `create` decides: who comes second reads what the first
    /// one made.
    pub async fn load_or_create(client: &Client, namespace: &str) -> Result<Self, CertError> {
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let failed = |e| CertError::Api {
            namespace: namespace.to_owned(),
            source: Box::new(e),
        };
        let mut secret = api.get_opt(SECRET).await.map_err(failed)?;
        if secret.is_none() {
            let new = new_secret(SystemTime::now())?;
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
        let ca = Self::from_secret(&secret, namespace)?;
        let now = SystemTime::now();
        if let Some(left) = ca.authority.expires_within(EXPIRY_WARNING, now) {
            let days_left = left.as_secs() / 86_400;
            tracing::warn!(namespace, secret = SECRET, days_left, "the CA ends soon");
        }
        Ok(ca)
    }

    fn from_secret(secret: &Secret, namespace: &str) -> Result<Self, CertError> {
        let text = |key: &'static str| {
            let bytes = secret.data.as_ref().and_then(|d| d.get(key));
            bytes.map(|b| String::from_utf8_lossy(&b.0).into_owned())
        };
        let need = |key| {
            text(key).ok_or(CertError::Incomplete {
                namespace: namespace.to_owned(),
                key,
            })
        };
        let authority = Authority::from_pem(&need(CERT)?, &need(KEY)?)?;
        Ok(Self {
            authority,
            next: text(NEXT_CERT),
        })
    }

    /// A CA that lives in memory only.
    #[cfg(test)]
    pub fn ephemeral(now: SystemTime) -> Result<Self, CertError> {
        Ok(Self {
            authority: Authority::generate(now)?.0,
            next: None,
        })
    }

    /// Signs a new key pair for this request, valid from five minutes ago.
    pub fn issue(&self, request: &CertRequest) -> Result<IssuedCert, CertError> {
        Ok(self.authority.issue(request, SystemTime::now())?)
    }

    /// What others must trust, as PEM: this CA, and its successor while one is being rolled out.
    pub fn roots_pem(&self) -> String {
        let ours = self.authority.cert_pem().trim_end();
        match &self.next {
            Some(next) => format!("{ours}\n{}\n", next.trim()),
            None => format!("{ours}\n"),
        }
    }
}

fn new_secret(now: SystemTime) -> Result<Secret, AuthorityError> {
    let (authority, key_pem) = Authority::generate(now)?;
    let entry = |key: &str, pem: &str| (key.to_owned(), ByteString(pem.as_bytes().to_vec()));
    let data = [entry(CERT, authority.cert_pem()), entry(KEY, &key_pem)];
    let labels = [(APP_NAME, "mooring"), ("app.kubernetes.io/component", "ca")];
    let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned()));
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            labels: Some(BTreeMap::from(labels)),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some(BTreeMap::from(data)),
        ..Secret::default()
    })
}

#[cfg(test)]
mod tests;
