//! The license server's configuration file: one type that the operator writes, `mooring-server
//! init` prints, the server reads, and `docs/contracts.md` shows.
//!
//! Unknown fields are errors: a misspelt limit must not be no limit. The comments of the fields are
//! the ones that people see in the file, so they speak to who runs a server.

#![cfg_attr(test, allow(clippy::too_many_lines))]

pub mod anchor;
mod check;
pub mod print;

pub use anchor::{AnchorConfig, HwidConfig, Pkcs11Config, UsbConfig};
pub use check::ConfigError;

use mooring_core::audit;
use mooring_core::ledger::CLAIMS_PER_HOLDER;
use mooring_core::policy::Reclaim;
use mooring_core::time::{DEFAULT_GRACE, DEFAULT_LEASE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where the API listens, if nothing else is said.
pub const API_PORT: u16 = 8443;
/// Where metrics are, if nothing else is said.
pub const METRICS_PORT: u16 = 8081;
/// Connections in sum, if nothing else is said: a sidecar has one.
pub const MOST_CONNECTIONS: u32 = 10_000;
/// And of one address.
pub const CONNECTIONS_PER_ADDRESS: u32 = 2500;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// The server's name: the LicenseServer's; client tokens name it (mooring client issue --server
    /// …).
    pub name: String,
    /// The LicenseServer's namespace; absent off Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The API, over TLS.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// /metrics, in plain HTTP: not for everybody's eyes.
    #[serde(default = "metrics")]
    pub metrics: SocketAddr,
    /// How many connections the API takes at once.
    #[serde(default)]
    pub connections: Connections,
    /// Certificates, PEM (off Kubernetes from mooring pki). Read anew when they change.
    pub tls: Tls,
    /// The license files, from the vendor, up to 16, in the order in which they are drawn on: seats
    /// add up. Read anew when they change: a new one needs no restart.
    pub licenses: Vec<PathBuf>,
    /// Optional: the vendor's revocation list, if it ever sends one. The file need not be there;
    /// read anew when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<PathBuf>,
    /// Optional: a file or folder with the vendor's public keys ("ed25519:‹hex›" a line, #
    /// comments). With it what none of them signed is refused here, and what is superseded or
    /// revoked is remembered over restarts; applications pin keys of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_keys: Option<PathBuf>,
    /// The hardware that the license is bound to: exactly one of pkcs11, usb and hwid.
    pub anchor: AnchorConfig,
    /// Optional, written as anchor is: serves while the first cannot, if the license lists it as a
    /// standby.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<AnchorConfig>,
    /// How long leases last, within what the license allows.
    #[serde(default)]
    pub lease: Lease,
    /// The longest lease that any earlier instance may have granted. Absent: unknown, and the
    /// server settles for five minutes after a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_longest_lease_secs: Option<u64>,
    /// Keeps the few things that outlast a restart. Keep it: a server that lost it grants nothing
    /// for five minutes after a start.
    pub state_dir: PathBuf,
    /// Optional: a Secret in namespace that keeps what must outlive the pod (state.json) in the
    /// place of stateDir. It must be there; the pod's own service account gets and updates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_secret: Option<String>,
    /// 32 random bytes (raw): what receipts and tickets are sealed with, and holders' names hidden
    /// in tokens. Keep it secret, and keep it. To change it, write the new one in front of the old
    /// one and take that away a day later: the first seals, up to four open.
    pub identity_key: PathBuf,
    /// Optional: which namespaces may use it, and whose its seats are (wire::Policies as YAML).
    /// Read anew when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<PathBuf>,
    /// Verify service-account tokens with the API server, by the pod's own service account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token_review: bool,
    /// Whether Mooring's operator knows every holder there can be: clientCa is its own, and there
    /// are no clients. Then its roster may end the time after a start in which nothing is granted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub operator_knows_all: bool,
    /// Optional: clients outside Kubernetes that show client tokens. The files are read anew when
    /// they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Clients>,
    /// Optional: subjects of certificates or client tokens that see all leases and may revoke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<String>,
    /// The audit log, in the folder audit of stateDir: who had what, and by which credential.
    #[serde(default)]
    pub audit: AuditLog,
}

/// How much of the audit log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AuditLog {
    /// How large a file becomes, in bytes, before the next one is begun. 16384 to 1073741824.
    pub max_file_size: u32,
    /// How many files there are at most; the oldest is deleted. 2 to 1000.
    pub files: u16,
}

impl Default for AuditLog {
    fn default() -> Self {
        Self {
            max_file_size: audit::FILE_SIZE,
            files: audit::FILES,
        }
    }
}

/// Clients outside Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Clients {
    /// Optional: public keys whose client tokens count (mooring client keygen); without it none
    /// does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
    /// Optional: who may issue client tokens for subjects that begin with a prefix of their own,
    /// and how many claims these may have in all (docs/without-kubernetes.md). The file need not be
    /// there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuers: Option<PathBuf>,
    /// Optional: revoked client tokens and subjects, one a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<PathBuf>,
}

fn listen() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, API_PORT).into()
}

fn metrics() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, METRICS_PORT).into()
}

/// How many connections the API takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Connections {
    /// In sum. Where all are taken, who has most gives way to who has less. 16 to 100000.
    pub most: u32,
    /// Of one address; of a /64 in IPv6 at most half of all. More, where many clients come through
    /// one address (NAT).
    pub per_address: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            most: MOST_CONNECTIONS,
            per_address: CONNECTIONS_PER_ADDRESS,
        }
    }
}

/// Certificates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// The server's chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Optional: further chains, each with its key behind it, that earlier CAs signed: shown to
    /// clients that trust only those. The file need not be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<PathBuf>,
    /// Optional: whose client certificates count; without it nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// How long leases last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Lease {
    /// D: how long a silent client keeps its seats. 10 to 300.
    pub duration_secs: u64,
    /// How long an application may go on after the last confirmed contact.
    pub grace_secs: u64,
    /// When a silent holder's seat is given away: Any (after its lease) or Confirmed (on proof that
    /// the pod is gone, or after its grace).
    #[schemars(with = "String")]
    pub reclaim: Reclaim,
    /// How many claims one holder may have at a time: a pod, or a subject, whatever the number of
    /// its machines. 1 to 1024.
    pub claims_per_holder: u16,
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            duration_secs: DEFAULT_LEASE.as_secs(),
            grace_secs: DEFAULT_GRACE.as_secs(),
            reclaim: Reclaim::default(),
            claims_per_holder: CLAIMS_PER_HOLDER,
        }
    }
}

impl Lease {
    /// D.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.duration_secs)
    }

    /// The grace.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_secs)
    }
}

impl Config {
    /// The anchor, and the standby if there is one.
    pub fn anchors_mut(&mut self) -> impl Iterator<Item = &mut AnchorConfig> {
        std::iter::once(&mut self.anchor).chain(&mut self.standby)
    }

    /// The LicenseServer's name, after its namespace where it has one.
    pub fn full_name(&self) -> String {
        let namespace = self.namespace.iter();
        let parts: Vec<&str> = namespace.chain([&self.name]).map(String::as_str).collect();
        parts.join("/")
    }

    /// The audience that a pod's token must be for; none off Kubernetes.
    pub fn audience(&self) -> Option<String> {
        let ns = self.namespace.as_ref()?;
        Some(format!("mooring.dev/{ns}"))
    }
}
