//! The configuration file, as docs/contracts.md lays it down. Unknown fields are errors: a misspelt limit must not be no limit.

mod anchor;

pub(crate) use anchor::{AnchorConfig, HwidConfig, Pkcs11Config, UsbConfig};

use mooring_core::client_token::check_subject;
use mooring_core::policy::Reclaim;
use mooring_core::time::{DEFAULT_GRACE, DEFAULT_LEASE, MAX_LEASE, MIN_LEASE};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path}: {error}")]
    File {
        /// Where.
        path: PathBuf,
        /// The system's word.
        error: std::io::Error,
    },
    /// It is no such YAML.
    #[error("configuration {path}: {error}")]
    Yaml {
        /// Where.
        path: PathBuf,
        /// Field, line, and what was expected.
        error: serde_yaml::Error,
    },
    /// A value is out of its range.
    #[error("configuration field {field}: {value}; {expected}")]
    Value {
        /// Which.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// The LicenseServer's name.
    pub(crate) name: String,
    /// Its namespace; absent off Kubernetes.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// Where the API listens.
    #[serde(default = "listen")]
    pub(crate) listen: SocketAddr,
    /// Where health and metrics listen.
    #[serde(default = "health")]
    pub(crate) health: SocketAddr,
    /// Certificates.
    pub(crate) tls: Tls,
    /// The license file.
    pub(crate) license: PathBuf,
    /// A file or folder with the vendor's public keys; only to explain a forged file before applications do.
    #[serde(default)]
    pub(crate) vendor_keys: Option<PathBuf>,
    /// The vendor's revocation list, if it ever sends one: read anew like the license; there need not be such a file.
    #[serde(default)]
    pub(crate) revocations: Option<PathBuf>,
    /// The hardware.
    #[serde(deserialize_with = "anchor::first")]
    pub(crate) anchor: AnchorConfig,
    /// Other hardware, which serves while the first cannot.
    #[serde(default, deserialize_with = "anchor::standby")]
    pub(crate) standby: Option<AnchorConfig>,
    /// What leases are like.
    #[serde(default)]
    pub(crate) lease: Lease,
    /// The longest lease any earlier instance may have granted; absent: unknown.
    #[serde(default)]
    pub(crate) earlier_longest_lease_secs: Option<u64>,
    /// Where the few numbers live that outlast a restart.
    pub(crate) state_dir: PathBuf,
    /// 32 random bytes: the key that hides holders' names.
    pub(crate) identity_key: PathBuf,
    /// Who may use this server.
    #[serde(default)]
    pub(crate) policies: Option<PathBuf>,
    /// Whether pods are known by their service-account tokens.
    #[serde(default)]
    pub(crate) token_review: bool,
    /// Client tokens, and who is revoked.
    #[serde(default)]
    pub(crate) clients: Option<Clients>,
    /// Subjects of certificates or client tokens that see everything and may revoke.
    #[serde(default)]
    pub(crate) admins: Vec<String>,
}

/// Clients outside Kubernetes; both files are read anew when they change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Clients {
    /// Public keys whose client tokens count; without it no client token does.
    #[serde(default)]
    pub(crate) keys: Option<PathBuf>,
    /// Revoked client tokens and subjects, one a line.
    #[serde(default)]
    pub(crate) revoked: Option<PathBuf>,
}

fn listen() -> SocketAddr {
    (std::net::Ipv6Addr::UNSPECIFIED, 8443).into()
}

fn health() -> SocketAddr {
    (std::net::Ipv6Addr::UNSPECIFIED, 8081).into()
}

/// Certificates, read anew when they change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Tls {
    /// The server's chain.
    pub(crate) cert: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Whose client certificates count; without it nobody's.
    #[serde(default)]
    pub(crate) client_ca: Option<PathBuf>,
}

/// What leases are like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Lease {
    /// D in seconds.
    pub(crate) duration_secs: u64,
    /// The grace in seconds.
    pub(crate) grace_secs: u64,
    /// What proof a silent holder's seat needs.
    pub(crate) reclaim: Reclaim,
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            duration_secs: DEFAULT_LEASE.as_secs(),
            grace_secs: DEFAULT_GRACE.as_secs(),
            reclaim: Reclaim::default(),
        }
    }
}

impl Lease {
    /// D.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.duration_secs)
    }

    /// The grace.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_secs)
    }
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            error,
        })?;
        let this: Self = serde_yaml::from_str(&text).map_err(|error| ConfigError::Yaml {
            path: path.to_owned(),
            error,
        })?;
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |field, value: String, expected| {
            Err(ConfigError::Value {
                field,
                value,
                expected,
            })
        };
        let d = self.lease.duration();
        if !(MIN_LEASE..=MAX_LEASE).contains(&d) {
            return bad(
                "lease.durationSecs",
                d.as_secs().to_string(),
                "expected 10 to 300",
            );
        }
        if self.lease.grace() < d {
            let expected = "expected at least lease.durationSecs";
            return bad(
                "lease.graceSecs",
                self.lease.grace_secs.to_string(),
                expected,
            );
        }
        if let Some(e) = self
            .earlier_longest_lease_secs
            .filter(|e| *e > MAX_LEASE.as_secs())
        {
            let expected =
                "expected 0 (no lease was ever granted) to 300, or leave it out if unknown";
            return bad("earlierLongestLeaseSecs", e.to_string(), expected);
        }
        if self.token_review && self.namespace.is_none() {
            let expected =
                "tokenReview needs it: the audience of a pod's token names the server's namespace";
            return bad("namespace", "absent".into(), expected);
        }
        let known_clients = self.clients.as_ref().is_some_and(|c| c.keys.is_some());
        if !self.token_review && !known_clients && self.tls.client_ca.is_none() {
            let expected = "nobody could prove who they are: set at least one of tls.clientCa, clients.keys and tokenReview";
            return bad("tls.clientCa", "absent".into(), expected);
        }
        if let Some(a) = self.admins.iter().find(|a| check_subject(a).is_err()) {
            let expected = "expected the subject of a client certificate or client token (not mooring-operator, which is one anyway)";
            return bad("admins", format!("{a:?}"), expected);
        }
        Ok(())
    }

    /// The audience that a pod's token must be for; none off Kubernetes.
    pub(crate) fn audience(&self) -> Option<String> {
        self.namespace
            .as_ref()
            .map(|ns| format!("mooring.dev/{ns}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "
name: main
namespace: licensing
listen: '[::]:8443'
health: '[::]:8081'
tls: {cert: /c, key: /k, clientCa: /a}
license: /l
anchor: {pkcs11: {module: /m.so, tokenLabel: mooring, pinFile: /p}}
lease: {durationSecs: 30, graceSecs: 28800, reclaim: Any}
earlierLongestLeaseSecs: 30
stateDir: /s
identityKey: /i
tokenReview: true
";

    fn load(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn the_contracts_file_is_read() {
        let c = load(GOOD).unwrap();
        assert_eq!(c.audience().as_deref(), Some("mooring.dev/licensing"));
        assert_eq!(c.lease.duration(), Duration::from_secs(30));
    }

    #[test]
    fn each_kind_of_anchor_is_read_with_its_defaults() {
        let of = |anchor: &str| {
            let c = load(&format!("{GOOD}\nstandby: {anchor}\n")).unwrap();
            c.standby.unwrap()
        };
        let AnchorConfig::Usb(u) = of("{usb: {keyFile: /k}}") else {
            unreachable!()
        };
        assert_eq!((u.key_file, u.sysfs_root), ("/k".into(), "/sys".into()));
        let AnchorConfig::Hwid(h) = of("{hwid: {keyFile: /k}}") else {
            unreachable!()
        };
        assert_eq!((h.key_file, h.host_root), ("/k".into(), "/".into()));
        let mut a = of("{usb: {keyFile: /k, sysfsRoot: /host/sys}}");
        a.rooted(None, Some("/h".as_ref()));
        assert!(matches!(&a, AnchorConfig::Usb(u) if u.sysfs_root == Path::new("/host/sys")));
        a.rooted(Some("/t".as_ref()), None);
        assert!(matches!(&a, AnchorConfig::Usb(u) if u.sysfs_root == Path::new("/t")));
    }

    #[test]
    fn somebody_must_be_able_to_prove_who_they_are() {
        let nobody = GOOD
            .replace(", clientCa: /a", "")
            .replace("tokenReview: true", "");
        let e = load(&nobody).unwrap_err();
        assert!(
            e.contains("tls.clientCa") && e.contains("clients.keys"),
            "{e}"
        );
        load(&format!("{nobody}clients: {{keys: /k, revoked: /r}}\n")).unwrap();
        load(&format!("{nobody}clients: {{revoked: /r}}\n")).unwrap_err();
    }

    #[test]
    fn every_refusal_names_the_field_and_what_was_expected() {
        for (from, to, want) in [
            ("stateDir: /s", "stateDri: /s", "unknown field `stateDri`"),
            (
                "clientCa",
                "clientCA",
                "tls: unknown field `clientCA`, expected one of",
            ),
            (
                "durationSecs: 30",
                "durationSecs: 5",
                "lease.durationSecs: 5; expected 10 to 300",
            ),
            (
                "graceSecs: 28800",
                "graceSecs: 20",
                "lease.graceSecs: 20; expected at least",
            ),
            ("namespace: licensing", "", "field namespace: absent"),
            (
                "earlierLongestLeaseSecs: 30",
                "earlierLongestLeaseSecs: 900",
                "earlierLongestLeaseSecs: 900",
            ),
            (
                "pkcs11:",
                "pcks11:",
                "anchor: unknown field `pcks11`, expected one of `pkcs11`, `usb`, `hwid`",
            ),
            (
                "pinFile: /p}}",
                "pinFile: /p}, usb: {keyFile: /k}}",
                "anchor: expected exactly one of pkcs11, usb and hwid, found pkcs11 and usb",
            ),
            (
                "anchor: {pkcs11: {module: /m.so, tokenLabel: mooring, pinFile: /p}}",
                "anchor: {}",
                "anchor: expected exactly one of pkcs11, usb and hwid, found none",
            ),
            (
                "tokenLabel: mooring",
                "tokenLabel: ' '",
                "anchor: pkcs11.tokenLabel is empty",
            ),
            (
                "stateDir: /s",
                "stateDir: /s\nstandby: {usb: {key: /k}}",
                "standby.usb: unknown field `key`, expected `keyFile` or `sysfsRoot`",
            ),
            (
                "reclaim: Any",
                "reclaim: any",
                "unknown variant `any`, expected `Any` or `Confirmed`",
            ),
            ("license: /l", "", "missing field `license`"),
            (
                "tokenReview: true",
                "clients: {key: /k}",
                "clients: unknown field `key`, expected `keys` or `revoked`",
            ),
            (
                "tokenReview: true",
                "admins: [root, '']",
                "field admins: \"\"; expected the subject",
            ),
        ] {
            let e = load(&GOOD.replace(from, to)).unwrap_err();
            assert!(e.contains(want), "{e}");
        }
    }
}
