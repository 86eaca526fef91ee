//! Reading the file, and what its values must keep to.

use crate::Config;
use mooring_core::audit;
use mooring_core::client_token::check_subject;
use mooring_core::ledger::MOST_CLAIMS_PER_HOLDER;
use mooring_core::license::MAX_LICENSES;
use mooring_core::time::{MAX_LEASE, MIN_LEASE};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

const FEWEST_AND_MOST_CONNECTIONS: RangeInclusive<u32> = 16..=100_000;

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path}: {error}")]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    /// It is no such YAML.
    #[error("configuration {path}: {}", located(.error))]
    Yaml {
        path: PathBuf,
        /// Field, line, and what was expected.
        error: serde_path_to_error::Error<serde_yaml::Error>,
    },
    /// A value is out of its range.
    #[error("configuration field {field}: {value}; {expected}")]
    Value {
        field: &'static str,
        value: String,
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
        let read = serde_path_to_error::deserialize(yaml);
        let this: Self = read.map_err(|error| ConfigError::Yaml { path, error })?;
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
        self.check_audit()?;
        if self.lease.grace_secs < d {
            let expected = "expected at least lease.durationSecs";
            return Err(bad("lease.graceSecs", &self.lease.grace_secs, expected));
        }
        let files = self.licenses.len();
        if !(1..=MAX_LICENSES).contains(&files) {
            let expected = format!("expected 1 to {MAX_LICENSES} files");
            return Err(bad("licenses", &files, expected));
        }
        let mut files = self.licenses.iter().enumerate();
        let twice = files.find(|(i, f)| self.licenses.iter().take(*i).any(|g| g == *f));
        if let Some((_, twice)) = twice {
            let expected = "is there twice; expected each file once";
            return Err(bad("licenses", &twice.display(), expected));
        }
        let claims = self.lease.claims_per_holder;
        if !(1..=MOST_CLAIMS_PER_HOLDER).contains(&claims) {
            let expected = format!("expected 1 to {MOST_CLAIMS_PER_HOLDER}");
            return Err(bad("lease.claimsPerHolder", &claims, expected));
        }
        let connections = self.connections;
        if !FEWEST_AND_MOST_CONNECTIONS.contains(&connections.most) {
            let expected = "expected 16 to 100000";
            return Err(bad("connections.most", &connections.most, expected));
        }
        if !(1..=connections.most).contains(&connections.per_address) {
            let expected = "expected 1 to connections.most";
            let field = "connections.perAddress";
            return Err(bad(field, &connections.per_address, expected));
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
        if self.state_secret.is_some() && self.namespace.is_none() {
            let expected = "stateSecret needs it: the Secret is in the server's namespace";
            return Err(bad("namespace", &"absent", expected));
        }
        let clients = self.clients.as_ref();
        let known_clients = clients.is_some_and(|c| c.keys.is_some() || c.issuers.is_some());
        if !self.token_review && !known_clients && self.tls.client_ca.is_none() {
            let expected = "nobody could prove who they are: set at least one of tls.clientCa, clients.keys, clients.issuers and tokenReview";
            return Err(bad("tls.clientCa", &"absent", expected));
        }
        if let Some(a) = self.admins.iter().find(|a| check_subject(a).is_err()) {
            let expected = "expected the subject of a client certificate or client token (not mooring-operator, which is one anyway)";
            return Err(bad("admins", &format!("{a:?}"), expected));
        }
        Ok(())
    }

    fn check_audit(&self) -> Result<(), ConfigError> {
        let (size, files) = (self.audit.max_file_size, self.audit.files);
        if !audit::FILE_SIZES.contains(&size) {
            let (least, most) = (audit::FILE_SIZES.start(), audit::FILE_SIZES.end());
            let expected = format!("expected {least} to {most} bytes");
            return Err(bad("audit.maxFileSize", &size, expected));
        }
        if !audit::FILE_COUNTS.contains(&files) {
            let (least, most) = (audit::FILE_COUNTS.start(), audit::FILE_COUNTS.end());
            let expected = format!("expected {least} to {most}");
            return Err(bad("audit.files", &files, expected));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
