//! Links of the chain that travel together.

use super::dsse::Envelope;
use serde::{Deserialize, Serialize};

/// All that verifying a lease needs, besides the vendor's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bundle {
    /// The vendor's word.
    pub license: Envelope,
    /// The anchor's word.
    pub delegation: Envelope,
    /// The server's word.
    pub lease: Envelope,
}

/// A place in the queue, and the anchor's word for the key that signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketBundle {
    /// The anchor's word.
    pub delegation: Envelope,
    /// The server's word.
    pub ticket: Envelope,
}
