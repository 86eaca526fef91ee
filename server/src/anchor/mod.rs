//! Anchors: the hardware that a licence is bound to. One trait: who am I, sign this, am I present.
//!
//! Any error of an anchor means that it is lost. Whoever uses it closes it, waits a little and opens it anew;
//! nothing is repaired in place.

pub(crate) mod pin;
pub(crate) mod pkcs11;
pub(crate) mod protocol;
pub(crate) mod worker;

use mooring_core::license::{AnchorKind, PublicKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an anchor does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Reason {
    /// It is being opened for the first time.
    Starting,
    /// The PKCS#11 module cannot be loaded.
    ModuleNotFound,
    /// The module is there and does not work.
    ModuleFailed,
    /// No token with this label.
    TokenNotFound,
    /// Several tokens with this label.
    TokenAmbiguous,
    /// The PIN file cannot be read.
    PinMissing,
    /// A login failed; there will be no other before the PIN changes.
    PinRejected,
    /// The token has no key that could sign.
    KeyNotFound,
    /// The token's keys are not those of the licence.
    KeyNotInLicence,
    /// It did not answer in time.
    Hung,
    /// It failed to sign, or signed wrongly.
    SignFailed,
    /// It was pulled out, or broke.
    TokenLost,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An anchor that is lost: why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub(crate) struct Lost {
    /// A short reason.
    pub(crate) reason: Reason,
    /// What happened, and what to do.
    pub(crate) message: String,
}

impl Lost {
    /// With these words.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// A piece of hardware with a key.
pub(crate) trait Anchor: Send + 'static {
    /// Its kind.
    fn kind(&self) -> AnchorKind;

    /// Opens it, if it is not open, and lists the keys that it signs with.
    fn open(&mut self) -> impl Future<Output = Result<Vec<PublicKey>, Lost>> + Send;

    /// Signs with one of its keys. The signature has been verified.
    fn sign(
        &mut self,
        key: PublicKey,
        message: &[u8],
    ) -> impl Future<Output = Result<Vec<u8>, Lost>> + Send;

    /// Whether it is still there. Cheap: asked each second.
    fn present(&mut self) -> impl Future<Output = Result<(), Lost>> + Send;

    /// Lets go of everything.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}
