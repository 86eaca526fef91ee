//! The token itself: sealing and opening.

use super::subject::{check_subject, is_id};
use crate::ledger::MOST_CLAIMS_PER_HOLDER;
use crate::license::{DsseError, Envelope, KeyError, KeyId, PublicKey, SigningKey, types};
use crate::time::{Timestamp, print_span};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What every client token begins with, so that one that leaked is found by a search.
pub const CLIENT_TOKEN_PREFIX: &str = "mct_";
/// The longest client token that is looked at, in bytes: far above any, and below every bound on
/// headers.
pub const MAX_CLIENT_TOKEN: usize = 4096;
/// The longest that a client token may be good: a leap year. One that never ends is never looked
/// after, and whoever finds it has it for good.
const MAX_LIFE: Duration = Duration::from_secs(366 * 24 * 3600);
/// How far the clock of who issues may be ahead of the license server's.
const AHEAD: Duration = Duration::from_secs(60);

/// Why a client token is not accepted. Nothing of the token is quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientTokenError {
    #[error(
        "no client token: {0}; expected \"mct_\" and base64url, as `mooring client issue` wrote it"
    )]
    Form(&'static str),
    #[error("client token: {0}")]
    Signature(#[from] DsseError),
    #[error("client key: {0}")]
    Key(#[from] KeyError),
    #[error("client token field {field}: {problem}")]
    Field {
        field: &'static str,
        problem: String,
    },
    #[error(
        "client token field subject: the key that signed it is issuer {issuer}'s, which may name subjects that begin with {subjects:?} alone"
    )]
    NotIssuers { issuer: String, subjects: String },
    #[error(
        "client token field server: it is for {named:?}, and this is {here:?}; have one issued for this server"
    )]
    OtherServer { named: String, here: String },
    #[error(
        "client token field expires: it ended {expires}, and now it is {now}; have a new one issued (mooring client issue)"
    )]
    Expired { expires: Timestamp, now: Timestamp },
    #[error(
        "client token field issuedAt: it was issued {issued_at}, and now it is {now}; expected at most {ahead} ahead: set the clocks of this machine and of the one that issues", ahead = print_span(AHEAD)
    )]
    NotYet {
        issued_at: Timestamp,
        now: Timestamp,
    },
}

impl ClientTokenError {
    /// A short name for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Form(_) => "malformed",
            Self::Signature(DsseError::WrongType { .. }) => "wrong-type",
            Self::Signature(DsseError::NotSigned { .. }) => "not-signed",
            Self::Signature(DsseError::Payload(_)) | Self::Key(_) | Self::Field { .. } => {
                "field-invalid"
            }
            Self::NotIssuers { .. } => "not-issuers",
            Self::OtherServer { .. } => "other-server",
            Self::Expired { .. } => "expired",
            Self::NotYet { .. } => "not-yet",
        }
    }
}

/// The document that a client key signs. Unknown fields are errors: a later version's restriction
/// must not be none here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientToken {
    /// Its own name, for revoking it: 1 to 64 of letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// Who has it; the holder is `external:‹subject›`.
    pub subject: String,
    /// The license server's configured name; no other takes it.
    pub server: String,
    pub issued_at: Timestamp,
    /// When it ends (exclusive).
    pub expires: Timestamp,
    /// How many claims its subject may have at once; without it as many as the server allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<u16>,
}

impl ClientToken {
    /// Whether everything it says fits together.
    pub fn check(&self) -> Result<(), ClientTokenError> {
        let bad = |field, problem: String| Err(ClientTokenError::Field { field, problem });
        if !is_id(&self.id) {
            let p = "expected 1 to 64 of letters, digits, '-', '_' and '.'";
            return bad("id", p.into());
        }
        if let Err(e) = check_subject(&self.subject) {
            return bad("subject", e.to_string());
        }
        if self.server.is_empty() || self.server.len() > 253 {
            let p = "expected the license server's name, 1 to 253 characters";
            return bad("server", p.into());
        }
        let most = MOST_CLAIMS_PER_HOLDER;
        if let Some(n) = self.claims.filter(|n| !(1..=most).contains(n)) {
            return bad("claims", format!("{n}, expected 1 to {most}"));
        }
        if self.expires <= self.issued_at {
            let problem = format!("{} is not after issuedAt, {}", self.expires, self.issued_at);
            return bad("expires", problem);
        }
        let last = self.issued_at.checked_add(MAX_LIFE);
        if last.is_ok_and(|last| self.expires > last) {
            let most = print_span(MAX_LIFE);
            let problem = format!(
                "{}, expected at most {most} after issuedAt, {}",
                self.expires, self.issued_at
            );
            return bad("expires", problem);
        }
        Ok(())
    }

    /// Signs it, and writes it as clients send it.
    pub fn seal(&self, key: &SigningKey) -> Result<String, ClientTokenError> {
        self.check()?;
        let envelope = Envelope::sign(types::CLIENT, self, key)?;
        let json = serde_json::to_vec(&envelope).map_err(|e| DsseError::payload(&e))?;
        let text = format!("{CLIENT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(json));
        if text.len() > MAX_CLIENT_TOKEN {
            return Err(ClientTokenError::Form("it would be too long"));
        }
        Ok(text)
    }

    /// Reads one that a client sent to the license server `server`: signed by one of `keys`, for
    /// this server, issued, not expired. Whether it is revoked is
    /// [`RevokedList`](super::RevokedList)'s to say. Tells which key signed.
    pub fn open(
        text: &str,
        keys: &[PublicKey],
        server: &str,
        now: Timestamp,
    ) -> Result<(Self, KeyId), ClientTokenError> {
        let (token, signer) = Self::open_signed(text, keys)?;
        token.counts(server, now)?;
        Ok((token, signer))
    }

    /// Reads one that is signed by one of `keys`, whatever it is for: that does not change while
    /// the keys do not. Whether it counts at some moment is [`counts`](Self::counts)'s to say.
    pub fn open_signed(text: &str, keys: &[PublicKey]) -> Result<(Self, KeyId), ClientTokenError> {
        let (token, signer): (Self, PublicKey) = envelope(text)?.open(types::CLIENT, keys)?;
        token.check()?;
        Ok((token, signer.id()))
    }

    /// Whether it is for this server, issued, and not expired.
    pub fn counts(&self, server: &str, now: Timestamp) -> Result<(), ClientTokenError> {
        if self.server != server {
            let (named, here) = (self.server.clone(), server.to_owned());
            return Err(ClientTokenError::OtherServer { named, here });
        }
        if now >= self.expires {
            let expires = self.expires;
            return Err(ClientTokenError::Expired { expires, now });
        }
        let latest = now.checked_add(AHEAD);
        if latest.is_ok_and(|latest| self.issued_at > latest) {
            let issued_at = self.issued_at;
            return Err(ClientTokenError::NotYet { issued_at, now });
        }
        Ok(())
    }

    /// Reads one WITHOUT looking at its signature, to show it. Also gives the ids of the keys that
    /// its signatures name.
    pub fn read_unverified(text: &str) -> Result<(Self, Vec<KeyId>), ClientTokenError> {
        let e = envelope(text)?;
        let token: Self = e.read_unverified(types::CLIENT)?;
        token.check()?;
        Ok((token, e.signatures.into_iter().map(|s| s.keyid).collect()))
    }
}

fn envelope(text: &str) -> Result<Envelope, ClientTokenError> {
    if text.len() > MAX_CLIENT_TOKEN {
        return Err(ClientTokenError::Form("it is longer than 4096 bytes"));
    }
    let body = text
        .strip_prefix(CLIENT_TOKEN_PREFIX)
        .ok_or(ClientTokenError::Form("it does not begin with \"mct_\""))?;
    let json = URL_SAFE_NO_PAD
        .decode(body)
        .map_err(|_| ClientTokenError::Form("it is not base64url; is it cut off?"))?;
    serde_json::from_slice(&json).map_err(|_| ClientTokenError::Form("there is no envelope in it"))
}

#[cfg(test)]
mod tests;
