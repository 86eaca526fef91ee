//! What the operator says of its CA, and what it is asked: annotations of Secret `mooring-ca`.

use serde::{Deserialize, Serialize};

/// Asks for the next CA, whatever its text; the operator takes it away.
pub const ROTATE: &str = "mooring.dev/rotate-ca";
/// A [`CaStatus`] as JSON.
pub const STATUS: &str = "mooring.dev/ca-status";

/// How the CA stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaStatus {
    /// The CA that signs.
    pub name: String,
    /// Its end, RFC 3339.
    pub not_after: String,
    pub phase: CaPhase,
    /// What is so, and what to do.
    pub message: String,
    /// License servers that do not show a certificate of this CA yet, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// How many running pods do not trust this CA.
    pub pods: usize,
    /// Some of them, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub some_pods: Vec<String>,
}

/// How far a change of CAs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaPhase {
    /// All pods trust it.
    Settled,
    /// The next CA is asked for, or due, and waits for pods that would be cut off.
    Pending,
    /// License servers are taking the new CA's certificates in.
    Switching,
    /// All license servers show the new CA's certificates; pods that trust only the one before
    /// verify them by its word.
    Bridging,
}
