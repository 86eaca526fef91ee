//! What Secret `mooring-ca` holds, read and made. Pure.
//!
//! | key | |
//! |---|---|
//! | `ca.crt`, `ca.key` | the CA that signs |
//! | `bridge.crt` | its key, signed by the CA before it: shown behind what it signs |
//! | `previous.crt` | the CA before it, trusted besides until every license server shows the new one's certificate |

use super::error::CertError;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use mooring_api::ca::ROTATE;
use mooring_api::names::{APP_NAME, CA_SECRET as SECRET};
use mooring_pki::{Authority, AuthorityError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// Its type: a reader sees what it is, and nothing mistakes it for a serving certificate.
const SECRET_TYPE: &str = "mooring.dev/ca";

const CERT: &str = "ca.crt";
const KEY: &str = "ca.key";
const BRIDGE: &str = "bridge.crt";
const PREVIOUS: &str = "previous.crt";

/// A CA as its Secret has it.
#[derive(Debug)]
pub struct StoredCa {
    pub authority: Authority,
    pub bridge: Option<String>,
    pub previous: Option<String>,
    secret: Secret,
}

/// What a change of the Secret means to a replica that runs.
#[derive(Debug)]
pub(super) enum News {
    /// The same CA, or its successor.
    Ours(Box<StoredCa>),
    /// Another one.
    Foreign(Box<StoredCa>),
    Unreadable(CertError),
}

impl StoredCa {
    pub(super) fn read(secret: Secret) -> Result<Self, CertError> {
        let text = |key: &str| {
            let bytes = secret.data.as_ref().and_then(|d| d.get(key));
            bytes.map(|b| String::from_utf8_lossy(&b.0).into_owned())
        };
        let need = |key| {
            text(key).ok_or(CertError::Incomplete {
                namespace: secret.namespace().unwrap_or_default(),
                key,
            })
        };
        Ok(Self {
            authority: Authority::from_pem(&need(CERT)?, &need(KEY)?)?,
            bridge: text(BRIDGE),
            previous: text(PREVIOUS),
            secret,
        })
    }

    /// Whether somebody has asked for the next CA.
    pub fn is_requested(&self) -> bool {
        self.secret.annotations().contains_key(ROTATE)
    }

    /// The annotation of this name.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.secret.annotations().get(name).map(String::as_str)
    }

    /// Whether what it signs and whom it has trusted is the same, and whether it was asked for.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.secret.data == other.secret.data && self.is_requested() == other.is_requested()
    }

    pub(super) fn news(&self, secret: &Secret) -> News {
        let stored = match Self::read(secret.clone()) {
            Ok(s) => Box::new(s),
            Err(e) => return News::Unreadable(e),
        };
        let ours = certificates(self.authority.cert_pem());
        let same = certificates(stored.authority.cert_pem()) == ours;
        let follows = stored.previous.as_deref().map(certificates) == Some(ours);
        if same || follows {
            News::Ours(stored)
        } else {
            News::Foreign(stored)
        }
    }

    /// The Secret to make anew where it was deleted.
    pub(super) fn restored(&self) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: self.secret.metadata.name.clone(),
                labels: self.secret.metadata.labels.clone(),
                annotations: self.secret.metadata.annotations.clone(),
                ..ObjectMeta::default()
            },
            ..self.secret.clone()
        }
    }

    /// The change of the Secret by which a new CA takes over. The old one's key is not kept: the
    /// bridge is all that is still needed of it.
    pub fn succession(&self, validity: Duration, now: SystemTime) -> Result<Value, AuthorityError> {
        let (next, key) = Authority::generate(validity, now)?;
        let bridge = self.authority.vouch_for(&next)?;
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let data = json!({
            CERT: bytes(next.cert_pem()), KEY: bytes(&key),
            BRIDGE: bytes(&bridge), PREVIOUS: bytes(self.authority.cert_pem()),
        });
        Ok(self.patch(&json!({ ROTATE: null }), &data))
    }

    /// The change by which the CA before this one is no longer trusted by what is made from now on.
    pub fn farewell(&self) -> Value {
        self.patch(&json!({}), &json!({ PREVIOUS: null }))
    }

    /// The change that writes an annotation.
    pub fn annotated(&self, name: &str, text: &str) -> Value {
        self.patch(&json!({ name: text }), &json!({}))
    }

    /// As a merge patch on the Secret as it was read: of two writers one gets a conflict.
    fn patch(&self, annotations: &Value, data: &Value) -> Value {
        let version = self.secret.resource_version();
        json!({ "metadata": { "resourceVersion": version, "annotations": annotations }, "data": data })
    }
}

/// A Secret with a new CA.
pub(super) fn new_secret(validity: Duration, now: SystemTime) -> Result<Secret, AuthorityError> {
    let (authority, key_pem) = Authority::generate(validity, now)?;
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

/// The certificates in a PEM text, whatever its line ends and their order.
pub fn certificates(pem: &str) -> BTreeSet<Vec<u8>> {
    let all = x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes());
    let certificates = all.filter_map(Result::ok);
    let certificates = certificates.filter(|p| p.label == "CERTIFICATE");
    certificates.map(|p| p.contents).collect()
}

#[cfg(test)]
mod tests;
