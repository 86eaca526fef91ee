//! A license server outside of the cluster: the operator is one of its issuers of client tokens, by
//! a key of its own. A pod is `‹prefix›‹namespace›/‹UID›` there.

use super::error::ConnectionError;
use mooring_core::client_token::{ClientToken, ClientTokenError, check_prefix};
use mooring_core::license::{KeyError, SigningKey};
use mooring_core::time::Timestamp;
use mooring_net::client::Client;
use mooring_net::{clock, random};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use std::time::Duration;

/// How long a token is good. A thief has it for so long; an operator that is away for half of it
/// harms nobody, and one write is due in half of it for each pod.
pub(super) const LIFE: Duration = Duration::from_secs(4 * 3600);
/// How far before its making a token begins, so that the server's clock may be behind.
const BACKDATED: Duration = Duration::from_secs(60);

/// Why the operator is no issuer for it.
#[derive(Debug, thiserror::Error)]
pub enum BadOutside {
    #[error("expected an Ed25519 private key as PKCS#8 PEM, as `mooring client keygen` writes it")]
    Pem,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("expected {0}")]
    Subjects(String),
}

/// What is needed to reach it, and to issue tokens for it.
pub struct Outside {
    /// Its address, `https://‹name›:‹port›`.
    url: String,
    /// Whom it is known by, PEM.
    roots: String,
    /// What it calls itself.
    server: String,
    /// What the subjects of this cluster's pods begin with.
    subjects: String,
    key: SigningKey,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outside({}, {})", self.url, self.subjects)
    }
}

impl PartialEq for Outside {
    fn eq(&self, other: &Self) -> bool {
        let all = |o: &Self| {
            let texts = [&o.url, &o.roots, &o.server, &o.subjects].map(String::clone);
            (texts, o.key.public())
        };
        all(self) == all(other)
    }
}

impl Eq for Outside {}

impl Outside {
    /// With the issuer's private key, PEM.
    pub fn new(
        (url, roots): (String, String),
        server: String,
        subjects: String,
        key: &str,
    ) -> Result<Self, BadOutside> {
        check_prefix(&subjects).map_err(BadOutside::Subjects)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes());
        let der = der.map_err(|_| BadOutside::Pem)?;
        Ok(Self {
            url,
            roots,
            server,
            subjects,
            key: SigningKey::from_pkcs8(der.secret_pkcs8_der())?,
        })
    }

    /// A client that shows who the issuer is.
    pub(super) fn client(&self, addresses: Vec<String>) -> Result<Client, ConnectionError> {
        let tls = mooring_net::tls::client_config(&self.roots, None)?;
        let client = Client::new(&self.url, addresses, tls)?;
        self.authorize(&client)?;
        Ok(client)
    }

    /// Has it show a token that was made now.
    pub(super) fn authorize(&self, client: &Client) -> Result<(), ConnectionError> {
        let (token, _) = self.token(self.subjects.clone(), clock::now().wall)?;
        Ok(client.authorize(&token)?)
    }

    /// A pod's token, and when it ends.
    pub(super) fn token_for(
        &self,
        (namespace, uid): (&str, &str),
        now: Timestamp,
    ) -> Result<(String, Timestamp), ClientTokenError> {
        self.token(self.subject(namespace, uid), now)
    }

    fn token(
        &self,
        subject: String,
        now: Timestamp,
    ) -> Result<(String, Timestamp), ClientTokenError> {
        let before = now.checked_sub(BACKDATED).unwrap_or(now);
        let whole = |t: Timestamp| Timestamp::from_second(t.as_second()).unwrap_or(t);
        let expires = whole(now.checked_add(LIFE).unwrap_or(now));
        let token = ClientToken {
            id: hex::encode(random::bytes::<8>()),
            subject,
            server: self.server.clone(),
            issued_at: whole(before),
            expires,
            claims: None,
        };
        Ok((token.seal(&self.key)?, expires))
    }

    /// When a token ends that it has made for this pod; nothing if it has not.
    pub(super) fn ends(&self, text: &str, (namespace, uid): (&str, &str)) -> Option<Timestamp> {
        let (token, _) = ClientToken::open_signed(text, &[self.key.public()]).ok()?;
        let ours = token.server == self.server && token.subject == self.subject(namespace, uid);
        ours.then_some(token.expires)
    }

    pub(super) fn subject(&self, namespace: &str, uid: &str) -> String {
        format!("{}{namespace}/{uid}", self.subjects)
    }

    /// The pod that a subject is.
    pub(super) fn pod<'a>(&self, subject: &'a str) -> Option<(&'a str, &'a str)> {
        let (namespace, uid) = subject.strip_prefix(&self.subjects)?.split_once('/')?;
        let is = !namespace.is_empty() && !uid.is_empty() && !uid.contains(['/', ':']);
        is.then_some((namespace, uid))
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As `mooring client keygen` writes it.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";

    pub(in super::super) fn outside(subjects: &str) -> Outside {
        with(subjects, KEY).unwrap()
    }

    fn with(subjects: &str, key: &str) -> Result<Outside, BadOutside> {
        let url = "https://license.example.com:8443".to_owned();
        Outside::new((url, "PEM".into()), "main".into(), subjects.into(), key)
    }

    #[test]
    fn a_pods_token_is_for_that_pod_at_that_server_and_ends_within_hours() {
        let o = outside("pod:a/");
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let (text, ends) = o.token_for(("team", "u-1"), now).unwrap();
        let key = SigningKey::from_seed(&[7; 32]).unwrap().public();
        let (token, _) = ClientToken::open(&text, &[key], "main", now).unwrap();
        assert_eq!(token.subject, "pod:a/team/u-1");
        assert_eq!(
            (token.expires, ends),
            (ends, now.checked_add(LIFE).unwrap())
        );
        assert_eq!(o.ends(&text, ("team", "u-1")), Some(ends));
        assert_eq!(o.ends(&text, ("team", "u-2")), None, "another pod's");
        assert_eq!(outside("pod:b/").ends(&text, ("team", "u-1")), None);
        assert_eq!(o.ends("mct_x", ("team", "u-1")), None);
        assert_eq!(
            format!("{o:?}"),
            "Outside(https://license.example.com:8443, pod:a/)"
        );
    }

    #[test]
    fn a_subject_is_a_pod_of_this_cluster_or_none() {
        let o = outside("pod:a/");
        assert_eq!(o.pod("pod:a/team/u-1"), Some(("team", "u-1")));
        for other in [
            "pod:a/",
            "pod:a/team",
            "pod:a//u",
            "pod:a/team/",
            "pod:a/t/u/v",
            "pod:b/t/u",
            "pod:a/t/external:x",
        ] {
            assert_eq!(o.pod(other), None, "{other}");
        }
        assert!(matches!(with("pod:a", KEY), Err(BadOutside::Subjects(_))));
        assert!(matches!(with("pod:a/", "PEM"), Err(BadOutside::Pem)));
    }
}
