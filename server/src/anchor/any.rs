//! One anchor of those that can be configured.

use super::hwid::HwidAnchor;
use super::pin::PinGuard;
use super::pkcs11::Pkcs11Anchor;
use super::usb::UsbAnchor;
use super::{Anchor, Lost};
use crate::metrics::Metrics;
use mooring_config::AnchorConfig;
use mooring_core::license::{AnchorKey, AnchorKind, PublicKey};
use std::sync::Arc;

/// One anchor of those that can be configured.
pub(crate) enum AnyAnchor {
    /// A token.
    Pkcs11(Box<Pkcs11Anchor>),
    /// A USB device.
    Usb(UsbAnchor),
    /// A machine.
    Hwid(HwidAnchor),
}

impl AnyAnchor {
    /// The configured one, not open yet. `pins` remembers what became of the token's PIN.
    pub(crate) fn new(config: &AnchorConfig, pins: PinGuard, metrics: Arc<Metrics>) -> Self {
        match config {
            AnchorConfig::Pkcs11(c) => {
                Self::Pkcs11(Box::new(Pkcs11Anchor::new(c.clone(), pins, metrics)))
            }
            AnchorConfig::Usb(c) => Self::Usb(UsbAnchor::new(c.clone())),
            AnchorConfig::Hwid(c) => Self::Hwid(HwidAnchor::new(c.clone())),
        }
    }
}

impl Anchor for AnyAnchor {
    fn kind(&self) -> AnchorKind {
        match self {
            Self::Pkcs11(a) => a.kind(),
            Self::Usb(a) => a.kind(),
            Self::Hwid(a) => a.kind(),
        }
    }

    async fn open(&mut self, wanted: &[PublicKey]) -> Result<Vec<PublicKey>, Lost> {
        match self {
            Self::Pkcs11(a) => a.open(wanted).await,
            Self::Usb(a) => a.open(wanted).await,
            Self::Hwid(a) => a.open(wanted).await,
        }
    }

    async fn sign(&mut self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        match self {
            Self::Pkcs11(a) => a.sign(entry, message).await,
            Self::Usb(a) => a.sign(entry, message).await,
            Self::Hwid(a) => a.sign(entry, message).await,
        }
    }

    async fn present(&mut self, entry: Option<&AnchorKey>) -> Result<(), Lost> {
        match self {
            Self::Pkcs11(a) => a.present(entry).await,
            Self::Usb(a) => a.present(entry).await,
            Self::Hwid(a) => a.present(entry).await,
        }
    }

    async fn close(&mut self) {
        match self {
            Self::Pkcs11(a) => a.close().await,
            Self::Usb(a) => a.close().await,
            Self::Hwid(a) => a.close().await,
        }
    }
}
