//! The operator's calls, and those it shares with the configured administrators.

use crate::identity::HolderKey;
use crate::names::LeaseId;
use crate::policy::SeatPolicy;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// `POST /v1/holders/gone`: pods proven gone; their seats are free in that step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Gone {
    /// The pods' UIDs.
    pub holders: Vec<HolderKey>,
}

/// `POST /v1/holders/expected`: the roster, all holders of this server not proven gone.
/// Settling ends early once each of them is in or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The pods' UIDs: a superset, since one too few would give a seat away.
    pub holders: Vec<HolderKey>,
    /// Those of them that are waited for past Q, where a silent holder keeps its seat for its grace
    /// (`reclaim: Confirmed`): who held, or may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lasting: Vec<HolderKey>,
}

/// `PUT /v1/policies`: who may use this server, also mounted as a file so that it holds without the
/// operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policies {
    /// Grows with each change: what has a lower one than those in force is older, and is not taken.
    #[serde(default, deserialize_with = "crate::whole::read")]
    pub generation: u64,
    /// Namespaces whose pods may use it; absent: none.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Licenses that it must not serve: another server on its anchor serves what replaced them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<ReplacedElsewhere>,
    /// Whose its seats are; absent: whoever comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<SeatPolicy>,
}

/// A license whose successor another server serves on the same anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplacedElsewhere {
    /// The license's id.
    pub id: String,
    /// The successor's.
    pub by: String,
    /// Who serves that: the LicenseServer, as `namespace/name`.
    pub server: String,
}

/// Namespaces whose pods may use a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum AllowedNamespaces {
    /// `All`, spelled.
    Every(Every),
    /// These, and no others.
    These(Vec<String>),
}

/// The word for all namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Every {
    /// All of them.
    All,
}

impl Default for AllowedNamespaces {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl AllowedNamespaces {
    /// All of them.
    pub const ALL: Self = Self::Every(Every::All);

    /// Whether pods of this namespace may.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::Every(Every::All) => true,
            Self::These(list) => list.iter().any(|n| n == namespace),
        }
    }
}

/// `GET /v1/revocations`: who is revoked by the call, for the operator and the administrators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RevokedHolders {
    /// One for each holder. Those of the server's own list (`clients.revoked`) are not here.
    pub revoked: Vec<RevokedHolder>,
}

/// A holder that an administrator has revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RevokedHolder {
    /// Who.
    pub holder: HolderKey,
    /// The lease by which an administrator revoked it, and lifts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    /// Why, for the holder to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when (exclusive); without it until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub until: Option<Timestamp>,
    /// When it was revoked.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub at: Timestamp,
}

/// `POST /v1/revocations`: the operator's word of who is revoked and who is not any more, by
/// holder, whether or not this run has heard of it yet. Who is not named stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeRevocations {
    /// Revoked from now on, or for another reason or time than before. One whose time is over
    /// already is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoke: Vec<RevokedHolder>,
    /// Revoked no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lift: Vec<HolderKey>,
}

/// `POST /v1/leases/{id}/revoke`: the lease's holder gets nothing here any more; a body is
/// optional. `DELETE` on the same path lifts it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revoke {
    /// Why, for the holder to read: at most 200 characters in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{0,200}$"))
    )]
    pub reason: Option<String>,
    /// Until when (RFC 3339, the server's clock); without it until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub until: Option<Timestamp>,
}
