//! One anchor of those that can be configured.

use super::pin::PinGuard;
use super::pkcs11::Pkcs11Anchor;
use super::software::SoftwareAnchor;
use super::{Anchor, Lost};
use crate::metrics::Metrics;
use mooring_config::AnchorConfig;
use mooring_core::license::{AnchorKey, AnchorKind, PublicKey};
use std::path::PathBuf;
use std::sync::Arc;

/// One anchor of those that can be configured.
pub(crate) enum AnyAnchor {
    Pkcs11(Box<Pkcs11Anchor>),
    Software(SoftwareAnchor),
}

impl AnyAnchor {
    /// The configured one, not open yet. `pins` remembers what became of the token's PIN.
    /// `secrets` are the server's files that a token's module may not read.
    pub(crate) fn new(
        config: &AnchorConfig,
        secrets: Vec<PathBuf>,
        pins: PinGuard,
        metrics: Arc<Metrics>,
    ) -> Self {
        match config.clone() {
            AnchorConfig::Pkcs11(c) => {
                let token = Pkcs11Anchor::new(c, secrets, pins, metrics);
                Self::Pkcs11(Box::new(token))
            }
            AnchorConfig::Usb(c) => Self::Software(SoftwareAnchor::usb(c)),
            AnchorConfig::Hwid(c) => Self::Software(SoftwareAnchor::hwid(c)),
        }
    }
}

impl Anchor for AnyAnchor {
    fn kind(&self) -> AnchorKind {
        match self {
            Self::Pkcs11(a) => a.kind(),
            Self::Software(a) => a.kind(),
        }
    }

    async fn open(&mut self, wanted: &[PublicKey]) -> Result<Vec<PublicKey>, Lost> {
        match self {
            Self::Pkcs11(a) => a.open(wanted).await,
            Self::Software(a) => a.open(wanted).await,
        }
    }

    async fn sign(&mut self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        match self {
            Self::Pkcs11(a) => a.sign(entry, message).await,
            Self::Software(a) => a.sign(entry, message).await,
        }
    }

    async fn present(&mut self, entry: Option<&AnchorKey>) -> Result<(), Lost> {
        match self {
            Self::Pkcs11(a) => a.present(entry).await,
            Self::Software(a) => a.present(entry).await,
        }
    }

    fn note(&self) -> Option<&Lost> {
        match self {
            Self::Pkcs11(a) => a.note(),
            Self::Software(a) => a.note(),
        }
    }

    async fn close(&mut self) {
        match self {
            Self::Pkcs11(a) => a.close().await,
            Self::Software(a) => a.close().await,
        }
    }
}
