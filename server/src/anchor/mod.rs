//! Anchors: the hardware that a license is bound to. One trait: who am I, sign this, am I present.
//!
//! Any error of an anchor means that it is lost. Whoever uses it closes it, waits a little and
//! opens it anew; nothing is repaired in place.
//!
//! | module | what it does |
//! |---|---|
//! | `pkcs11`, `pin` | a token behind a module; its PIN |
//! | `child`, `protocol`, `worker` | the process in which the module lives: from outside, between, inside |
//! | `chatter` | what that process prints, into the log |
//! | `verdict` | what the answer to a login means |
//! | `sandbox` | what that process may not read |
//! | `hints` | what is wrong around a well-known module |
//! | `software` | a key in a file, and what must be there beside it |
//! | `usb`, `hwid` | a USB device that is plugged in; a machine that is the one |
//! | `any` | one of them, as configured |

pub(crate) mod any;
mod chatter;
mod child;
mod hints;
mod hwid;
pub(crate) mod pin;
pub(crate) mod pkcs11;
pub mod protocol;
mod sandbox;
mod software;
mod usb;
mod verdict;
pub(crate) mod worker;

use mooring_core::license::{AnchorKey, AnchorKind, PublicKey};
use mooring_core::reason::AnchorReason;
use serde::{Deserialize, Serialize};

/// An anchor that is lost: why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Lost {
    pub reason: AnchorReason,
    pub message: String,
}

impl Lost {
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

    /// What is to be told of it although it is there.
    fn note(&self) -> Option<&Lost> {
        None
    }

    /// Lets go of everything.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// The license's entry has nothing to be present by: it is of another kind.
fn other_kind(entry: &AnchorKey, kind: AnchorKind) -> Lost {
    let (id, listed) = (entry.key.id(), entry.kind);
    let m = format!(
        "the license lists key {id} as an anchor of kind {listed}, and {kind} is configured; correct `anchor` in the configuration"
    );
    Lost::new(AnchorReason::KeyNotInLicense, m)
}

#[cfg(test)]
mod tests;
