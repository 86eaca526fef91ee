//! What a customer gives to a vendor: the records with the customer's own names hidden. Products,
//! pools, seats, times and problems stay, and each record names the line that it was made of, so
//! that the customer can show that line later.
//!
//! A name becomes its HMAC under a salt that stays with the customer: one name is one hash within
//! an extract, and nobody without the salt can try names out. Whatever this version does not know
//! is left out.

use super::chain::ChainEnd;
use super::hash::LineHash;
use super::record::{AuditRecord, Credential, Fact, Original};
use crate::identity::{Holder, HolderKey};
use crate::license::KeyId;
use crate::names::{ClaimName, ProjectName};
use crate::secret::{BadBytes, bytes_of, text_of};
use ring::hmac;
use std::fmt;

/// Of what a hash keeps so many bytes: enough to tell all names apart.
const KEPT: usize = 16;

/// 32 random bytes that names are hidden under.
#[derive(Clone)]
pub struct Salt([u8; 32]);

impl Salt {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads what [`text`](Self::text) wrote.
    pub fn read(text: &str) -> Result<Self, BadBytes> {
        bytes_of(text.trim()).map(Self)
    }

    /// 43 characters of base64url.
    pub fn text(&self) -> String {
        text_of(&self.0)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a line cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[error("no record that this version of mooring understands: {0}")]
pub struct ExtractError(#[from] serde_json::Error);

/// Makes an extract, line by line. It is a chain of its own.
#[derive(Debug)]
pub struct Extract {
    key: hmac::Key,
    end: ChainEnd,
}

impl Extract {
    pub fn new(salt: &Salt) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &salt.0),
            end: ChainEnd::default(),
        }
    }

    /// The extract's line for a log's, both without newlines.
    pub fn line(&mut self, line: &[u8]) -> Result<String, ExtractError> {
        let record: AuditRecord = serde_json::from_slice(line)?;
        let of = Original {
            seq: record.seq,
            hash: LineHash::of(line),
        };
        let fact = self.hidden(record.fact)?;
        let (line, end) = self.end.seal_of(record.at, record.run, fact, Some(of))?;
        self.end = end;
        Ok(line)
    }

    fn hidden(&self, f: Fact) -> Result<Fact, serde_json::Error> {
        let claim = f
            .claim
            .map(|c| ClaimName::new(&self.hide("claim", c.as_str())));
        let claim = claim.transpose().map_err(serde::de::Error::custom)?;
        let project = f.project.as_ref();
        let project = project.map(|p| ProjectName::new(&self.hide("project", p.as_str())));
        let project = project.transpose().map_err(serde::de::Error::custom)?;
        Ok(Fact {
            project,
            holder: f.holder.map(|h| self.holder(h)),
            holder_key: f.holder_key.map(|k| self.holder_key(&k)),
            credential: f.credential.map(|c| self.credential(c)),
            claim,
            why: None,
            ..f
        })
    }

    /// The hash of a name; names of different kinds have different ones.
    fn hide(&self, kind: &str, name: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{kind}\n{name}").as_bytes());
        hex::encode(tag.as_ref().get(..KEPT).unwrap_or_default())
    }

    fn holder(&self, h: Holder) -> Holder {
        match h {
            Holder::Owner {
                namespace,
                owner,
                uid,
                service_account,
            } => Holder::Owner {
                namespace: self.hide("namespace", &namespace),
                owner: self.hide("owner", &owner),
                uid: self.hide("uid", &uid),
                service_account: self.hide("serviceAccount", &service_account),
            },
            Holder::Pod {
                namespace,
                pod,
                uid,
                service_account,
                node,
            } => Holder::Pod {
                namespace: self.hide("namespace", &namespace),
                pod: self.hide("pod", &pod),
                uid: self.hide("uid", &uid),
                service_account: self.hide("serviceAccount", &service_account),
                node: node.map(|n| self.hide("node", &n)),
            },
            Holder::External { subject } => Holder::External {
                subject: self.hide("subject", &subject),
            },
        }
    }

    fn holder_key(&self, key: &HolderKey) -> HolderKey {
        match key.subject() {
            Some(subject) => {
                let subject = self.hide("subject", subject);
                Holder::External { subject }.key()
            }
            None => HolderKey(self.hide("uid", &key.0)),
        }
    }

    fn credential(&self, c: Credential) -> Credential {
        match c {
            Credential::ClientToken { id, key, subject } => Credential::ClientToken {
                id: self.hide("token", &id),
                key: KeyId(self.hide("key", &key.0)),
                subject: self.hide("subject", &subject),
            },
            Credential::Certificate { subject } => Credential::Certificate {
                subject: self.hide("subject", &subject),
            },
            // They say nothing but their kind.
            Credential::ServiceAccountToken
            | Credential::Lease
            | Credential::Ticket
            | Credential::Secret
            | Credential::Operator => c,
        }
    }
}
