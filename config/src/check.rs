//! Reading the file, and what its values must keep to.

use crate::Config;
use mooring_core::client_token::check_subject;
use mooring_core::time::{MAX_LEASE, MIN_LEASE};
use std::path::{Path, PathBuf};

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        error: std::io::Error,
    },
    /// It is no such YAML.
    #[error("configuration {path}: {}", located(.error))]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Field, line, and what was expected.
        error: serde_path_to_error::Error<serde_yaml::Error>,
    },
    /// A value is out of its range.
    #[error("configuration field {field}: {value}; {expected}")]
    Value {
        /// Which field.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        expected: String,
    },
}

/// An error with its field in front; `serde_yaml` has put it there already where it knew it.
fn located(e: &serde_path_to_error::Error<serde_yaml::Error>) -> String {
    let (field, text) = (e.path().to_string(), e.inner().to_string());
    if field == "." || text.starts_with(&field) {
        text
    } else {
        format!("{field}: {text}")
    }
}

fn bad(field: &'static str, value: &impl ToString, expected: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        field,
        value: value.to_string(),
        expected: expected.into(),
    }
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return Err(ConfigError::File { path, error }),
        };
        let yaml = serde_yaml::Deserializer::from_str(&text);
        let this: Self = serde_path_to_error::deserialize(yaml)
            .map_err(|error| ConfigError::Yaml { path, error })?;
        this.check()?;
        Ok(this)
    }

    /// What the types alone do not say.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (shortest, longest) = (MIN_LEASE.as_secs(), MAX_LEASE.as_secs());
        let d = self.lease.duration_secs;
        if !(shortest..=longest).contains(&d) {
            let expected = format!("expected {shortest} to {longest}");
            return Err(bad("lease.durationSecs", &d, expected));
        }
        if self.lease.grace_secs < d {
            let expected = "expected at least lease.durationSecs";
            return Err(bad("lease.graceSecs", &self.lease.grace_secs, expected));
        }
        if let Some(e) = self.earlier_longest_lease_secs.filter(|e| *e > longest) {
            let expected = format!(
                "expected 0 (no lease was ever granted) to {longest}, or leave it out if unknown"
            );
            return Err(bad("earlierLongestLeaseSecs", &e, expected));
        }
        if self.token_review && self.namespace.is_none() {
            let expected =
                "tokenReview needs it: the audience of a pod's token names the server's namespace";
            return Err(bad("namespace", &"absent", expected));
        }
        let known_clients = self.clients.as_ref().is_some_and(|c| c.keys.is_some());
        if !self.token_review && !known_clients && self.tls.client_ca.is_none() {
            let expected = "nobody could prove who they are: set at least one of tls.clientCa, clients.keys and tokenReview";
            return Err(bad("tls.clientCa", &"absent", expected));
        }
        if let Some(a) = self.admins.iter().find(|a| check_subject(a).is_err()) {
            let expected = "expected the subject of a client certificate or client token (not mooring-operator, which is one anyway)";
            return Err(bad("admins", &format!("{a:?}"), expected));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{AnchorConfig, Config};
    use std::path::Path;
    use std::time::Duration;

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
