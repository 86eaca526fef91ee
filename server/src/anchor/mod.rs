//! Anchors: the hardware that a license is bound to. One trait: who am I, sign this, am I present.
//!
//! Any error of an anchor means that it is lost. Whoever uses it closes it, waits a little and
//! opens it anew; nothing is repaired in place.
//!
//! | module | what it does |
//! |---|---|
//! | `pkcs11`, `worker`, `protocol`, `pin` | a token behind a module, in a child process; its PIN |
//! | `usb` | a USB device that is there, and a key in a file |
//! | `hwid` | a machine that is the one, and a key in a file |
//! | `software` | that key |
//! | `any` | one of them, as configured |

pub(crate) mod any;
mod hwid;
pub(crate) mod pin;
pub(crate) mod pkcs11;
pub(crate) mod protocol;
mod software;
mod usb;
pub(crate) mod worker;

use mooring_core::license::{AnchorKey, AnchorKind, PublicKey};
use mooring_core::reason::AnchorReason;
use serde::{Deserialize, Serialize};

/// An anchor that is lost: why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub(crate) struct Lost {
    /// A short reason.
    pub(crate) reason: AnchorReason,
    /// What happened, and what to do.
    pub(crate) message: String,
}

impl Lost {
    /// With these words.
    pub(crate) fn new(reason: AnchorReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// A piece of hardware with a key.
///
/// Which of a license's anchors it serves is told with each question, by the license's own, signed
/// entry: what must be present besides the key stands there, not in the configuration.
pub(crate) trait Anchor: Send + 'static {
    /// Its kind.
    fn kind(&self) -> AnchorKind;

    /// Who am I: opens it, if it is not open, and lists the keys that it signs with. `wanted` are
    /// the license's keys, the best first, where they are known: they tell apart what looks alike.
    fn open(
        &mut self,
        wanted: &[PublicKey],
    ) -> impl Future<Output = Result<Vec<PublicKey>, Lost>> + Send;

    /// Sign this, as this entry of the license. It is present, and the signature has been verified.
    fn sign(
        &mut self,
        entry: &AnchorKey,
        message: &[u8],
    ) -> impl Future<Output = Result<Vec<u8>, Lost>> + Send;

    /// Am I present, as this entry of the license; none if there is no license. Cheap: asked each
    /// second.
    fn present(
        &mut self,
        entry: Option<&AnchorKey>,
    ) -> impl Future<Output = Result<(), Lost>> + Send;

    /// Lets go of everything.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// The license's entry has nothing to be present by: it is of another kind.
fn other_kind(entry: &AnchorKey, kind: AnchorKind) -> Lost {
    let m = format!(
        "the license lists key {} as an anchor of kind {}, and {kind} is configured; correct `anchor` in the configuration",
        entry.key.id(),
        entry.kind
    );
    Lost::new(AnchorReason::KeyNotInLicense, m)
}

#[cfg(test)]
mod tests;
