//! Client tokens: who a holder outside Kubernetes is, said by an administrator's *client key*.
//!
//! A token is a DSSE envelope around [`ClientToken`], written as `mct_‹base64url of the envelope's JSON›` and sent as
//! `Authorization: Bearer`. It names one license server and ends by itself; a list of revoked ones ([`RevokedList`]) ends it earlier.
//! Whoever has it is its subject: it is a secret. It proves who asks and nothing else; a lease is kept by its claim's secret.

use super::dsse::{DsseError, Envelope};
use super::keys::{KeyError, KeyId, PublicKey, SigningKey};
use super::types;
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What every client token begins with, so that one that leaked is found by a search.
pub const CLIENT_TOKEN_PREFIX: &str = "mct_";
/// The longest client token that is looked at, in bytes: far above any, and below every bound on headers.
pub const MAX_CLIENT_TOKEN: usize = 4096;
/// The longest subject, in bytes.
const MAX_SUBJECT: usize = 200;
/// The common name, and so the subject, that is the operator's alone.
pub const OPERATOR_SUBJECT: &str = "mooring-operator";

/// A subject that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "subject {0:?}: expected 1 to {MAX_SUBJECT} bytes in one line, without blanks around it, and not \"mooring-operator\""
)]
pub struct BadSubject(String);

/// Whether this may be the subject of an external holder. It goes into logs, objects and HMACs: one line of sane length. The rule
/// is the same for client certificates and client tokens.
pub fn check_subject(s: &str) -> Result<(), BadSubject> {
    let sane = !s.is_empty() && s.len() <= MAX_SUBJECT && !s.chars().any(char::is_control);
    if sane && s.trim() == s && s != OPERATOR_SUBJECT {
        Ok(())
    } else {
        Err(BadSubject(s.chars().take(80).collect()))
    }
}

/// Why a client token is not accepted. Nothing of the token is quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientTokenError {
    /// It has another form.
    #[error(
        "no client token: {0}; expected \"mct_\" and base64url, as `mooring client issue` wrote it"
    )]
    Form(&'static str),
    /// Type, signature or document.
    #[error("client token: {0}")]
    Signature(#[from] DsseError),
    /// The key that signs cannot be used.
    #[error("client key: {0}")]
    Key(#[from] KeyError),
    /// A field is wrong.
    #[error("client token field {field}: {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// It is for another license server.
    #[error(
        "client token field server: it is for {named:?}, and this is {here:?}; have one issued for this server"
    )]
    OtherServer {
        /// The one it names.
        named: String,
        /// This one.
        here: String,
    },
    /// Its time is over.
    #[error(
        "client token field expires: it ended {expires}, and now it is {now}; have a new one issued (mooring client issue)"
    )]
    Expired {
        /// When it ended.
        expires: Timestamp,
        /// The clock.
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
            Self::OtherServer { .. } => "other-server",
            Self::Expired { .. } => "expired",
        }
    }
}

/// The document that a client key signs. Unknown fields are errors: a later version's restriction must not be none here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientToken {
    /// Its own name, for revoking it: 1 to 64 of letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// Who has it; the holder is `external:‹subject›`.
    pub subject: String,
    /// The license server's configured name; no other takes it.
    pub server: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends (exclusive).
    pub expires: Timestamp,
}

fn is_id(s: &str) -> bool {
    let ok = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (1..=64).contains(&s.len()) && s.bytes().all(ok)
}

impl ClientToken {
    /// Whether everything it says fits together.
    pub fn check(&self) -> Result<(), ClientTokenError> {
        let bad = |field, problem: String| Err(ClientTokenError::Field { field, problem });
        if !is_id(&self.id) {
            return bad(
                "id",
                "expected 1 to 64 of letters, digits, '-', '_' and '.'".into(),
            );
        }
        if let Err(e) = check_subject(&self.subject) {
            return bad("subject", e.to_string());
        }
        if self.server.is_empty() || self.server.len() > 253 {
            return bad(
                "server",
                "expected the license server's name, 1 to 253 characters".into(),
            );
        }
        if self.expires <= self.issued_at {
            let problem = format!("{} is not after issuedAt, {}", self.expires, self.issued_at);
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

    /// Reads one that a client sent to the license server `server`: signed by one of `keys`, for this server, not expired.
    /// Whether it is revoked is [`RevokedList`]'s to say. Tells which key signed.
    pub fn open(
        text: &str,
        keys: &[PublicKey],
        server: &str,
        now: Timestamp,
    ) -> Result<(Self, KeyId), ClientTokenError> {
        let (token, signer): (Self, PublicKey) = envelope(text)?.open(types::CLIENT, keys)?;
        token.check()?;
        if token.server != server {
            let here = server.to_owned();
            return Err(ClientTokenError::OtherServer {
                named: token.server,
                here,
            });
        }
        if now >= token.expires {
            let expires = token.expires;
            return Err(ClientTokenError::Expired { expires, now });
        }
        Ok((token, signer.id()))
    }

    /// Reads one WITHOUT looking at its signature, to show it. Also gives the ids of the keys that its signatures name.
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

/// A line of a list of revoked ones that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {value:?}: expected a client token's id, or \"subject:\" and a subject")]
pub struct BadRevoked {
    line: usize,
    value: String,
}

/// Which client tokens and which subjects are revoked: one a line, `#` begins a comment line.
///
/// A token's id ends that token: nobody claims with it any more. `subject:‹name›` ends the holder, whatever it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedList {
    tokens: HashSet<String>,
    subjects: HashSet<String>,
}

impl RevokedList {
    /// Reads the list. One bad line refuses it whole: a misspelt revocation must not be none.
    pub fn parse(text: &str) -> Result<Self, BadRevoked> {
        let mut out = Self::default();
        for (i, line) in text.lines().enumerate() {
            // A subject may hold a '#', so a comment is a line of its own, or stands after an id and a blank.
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || BadRevoked {
                line: i + 1,
                value: line.chars().take(80).collect(),
            };
            if let Some(s) = line.strip_prefix("subject:") {
                let s = s.trim();
                check_subject(s).map_err(|_| bad())?;
                out.subjects.insert(s.to_owned());
            } else {
                let id = line.split_once(" #").map_or(line, |(id, _)| id.trim_end());
                if !is_id(id) {
                    return Err(bad());
                }
                out.tokens.insert(id.to_owned());
            }
        }
        Ok(out)
    }

    /// Whether the token of this id is revoked.
    pub fn token(&self, id: &str) -> bool {
        self.tokens.contains(id)
    }

    /// Whether this subject is revoked.
    pub fn subject(&self, subject: &str) -> bool {
        self.subjects.contains(subject)
    }

    /// The revoked subjects, in no order.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.subjects.iter().map(String::as_str)
    }

    /// How many lines it has that mean something.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.subjects.len()
    }

    /// Whether nobody is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn at(s: &str) -> Timestamp {
        s.parse().unwrap()
    }

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32]).unwrap()
    }

    fn token() -> ClientToken {
        ClientToken {
            id: "t-1".into(),
            subject: "build farm/7".into(),
            server: "main".into(),
            issued_at: at("2026-01-01T00:00:00Z"),
            expires: at("2026-04-01T00:00:00Z"),
        }
    }

    fn open(text: &str) -> Result<ClientToken, ClientTokenError> {
        let now = at("2026-02-01T00:00:00Z");
        ClientToken::open(text, &[key(9).public(), key(1).public()], "main", now).map(|(t, _)| t)
    }

    fn sealed(json: &serde_json::Value, payload_type: &'static str, key: &SigningKey) -> String {
        let e = Envelope::sign(payload_type, json, key).unwrap();
        let json = serde_json::to_vec(&e).unwrap();
        format!("{CLIENT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }

    #[test]
    fn a_token_is_read_as_it_was_sealed() {
        let text = token().seal(&key(1)).unwrap();
        assert!(
            text.starts_with("mct_") && text.len() < 800,
            "{}",
            text.len()
        );
        assert_eq!(open(&text), Ok(token()));
        let (seen, by) = ClientToken::read_unverified(&text).unwrap();
        assert_eq!((seen, by), (token(), vec![key(1).public().id()]));
    }

    #[test]
    fn each_bad_one_is_refused_for_its_reason() {
        let good = token().seal(&key(1)).unwrap();
        let json = serde_json::to_value(token()).unwrap();
        let with = |f: &str, v: serde_json::Value| {
            let mut j = json.clone();
            j[f] = v;
            sealed(&j, types::CLIENT, &key(1))
        };
        let cases = [
            (sealed(&json, types::LEASE, &key(1)), "wrong-type"),
            (token().seal(&key(2)).unwrap(), "not-signed"),
            (with("server", "other".into()), "other-server"),
            (with("expires", "2026-02-01T00:00:00Z".into()), "expired"),
            (
                with("expires", "2025-02-01T00:00:00Z".into()),
                "field-invalid",
            ),
            (with("subject", "mooring-operator".into()), "field-invalid"),
            (with("subject", "a\nb".into()), "field-invalid"),
            (with("subject", "x".repeat(201).into()), "field-invalid"),
            (with("id", "a b".into()), "field-invalid"),
            (with("onlyFrom", "10.0.0.0/8".into()), "field-invalid"),
            (good.replace("mct_", "mct-"), "malformed"),
            (good[..good.len() - 7].to_owned(), "malformed"),
            (format!("mct_{}", "A".repeat(MAX_CLIENT_TOKEN)), "malformed"),
            ("mct_".into(), "malformed"),
            (String::new(), "malformed"),
        ];
        for (text, want) in cases {
            let e = open(&text).unwrap_err();
            assert_eq!(e.reason(), want, "{e}");
        }
        // The last instant counts, and the one after does not.
        let until = |now| ClientToken::open(&good, &[key(1).public()], "main", at(now)).is_ok();
        assert!(until("2026-03-31T23:59:59Z") && !until("2026-04-01T00:00:00Z"));
        // Without any key nothing is signed.
        assert!(ClientToken::open(&good, &[], "main", at("2026-02-01T00:00:00Z")).is_err());
    }

    #[test]
    fn an_edited_document_is_not_the_signed_one() {
        let good = token().seal(&key(1)).unwrap();
        let mut e = envelope(&good).unwrap();
        let other = ClientToken {
            subject: "admin".into(),
            ..token()
        };
        e.payload = serde_json::to_vec(&other).unwrap();
        let json = serde_json::to_vec(&e).unwrap();
        let text = format!("{CLIENT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(json));
        assert_eq!(open(&text).unwrap_err().reason(), "not-signed");
    }

    #[test]
    fn nothing_is_sealed_that_would_not_open() {
        for bad in [
            ClientToken {
                id: String::new(),
                ..token()
            },
            ClientToken {
                subject: " farm".into(),
                ..token()
            },
            ClientToken {
                server: String::new(),
                ..token()
            },
            ClientToken {
                expires: token().issued_at,
                ..token()
            },
        ] {
            assert!(matches!(
                bad.seal(&key(1)),
                Err(ClientTokenError::Field { .. })
            ));
        }
    }

    #[test]
    fn the_list_of_revoked_ones_is_read_or_refused_whole() {
        let l = RevokedList::parse("# lost laptops\n\n t-1 # anna's\r\nsubject: build farm/7\n")
            .unwrap();
        assert!(l.token("t-1") && l.subject("build farm/7") && l.len() == 2);
        assert!(!l.token("build farm/7") && !l.subject("t-1") && !l.is_empty());
        assert_eq!(l.subjects().collect::<Vec<_>>(), ["build farm/7"]);
        assert!(RevokedList::parse("").unwrap().is_empty());
        for (bad, line) in [("a b", 1), ("t-1\nsubject:", 2), ("\n\nsubject:\u{7}x", 3)] {
            let e = RevokedList::parse(bad).unwrap_err();
            assert!(e.to_string().starts_with(&format!("line {line}: ")), "{e}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(s in any::<String>(), at in 0usize..600, with in any::<u8>()) {
            prop_assert!(open(&s).is_err());
            // One changed byte of a good one is never another good one.
            let good = token().seal(&key(1)).unwrap();
            let mut b = good.clone().into_bytes();
            let at = at % b.len();
            b[at] = with;
            let read = String::from_utf8(b).ok().filter(|t| *t != good).and_then(|t| open(&t).ok());
            if let Some(t) = read {
                prop_assert_eq!(t, token());
            }
        }
    }
}
