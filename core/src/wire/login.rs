//! What became of the logins to a server's tokens: the server keeps it, and the operator keeps it
//! for the server's next pod.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of the logins to a server's tokens, by anchor: it must outlive the pod, so that a
/// wrong PIN does not cost a token one of its few tries for each pod.
pub type Logins = BTreeMap<AnchorRole, Login>;

/// Which of a server's anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum AnchorRole {
    /// The first.
    Anchor,
    /// The one that serves while the first cannot.
    Standby,
}

/// What became of the logins with the PIN that was shown last. Only this one is kept: another is
/// worth a try, also one that was there before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Login {
    /// The content of the PIN's file, as an HMAC under the server's identity key; absent if what
    /// was kept could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Logins since the last that was accepted that were not answered, or not clearly. One under
    /// way counts.
    pub unclear: u8,
    /// The token's last clear word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<PinVerdict>,
    /// The serial number of the token that accepted it, as such an HMAC; absent if none has, or it
    /// has no number. To another token of the same label it is no right PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
}

/// What a token said of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PinVerdict {
    /// It opened the token.
    Accepted,
    /// The token refused it, or did not say that it is right twice.
    Rejected,
}
