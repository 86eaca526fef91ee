//! The anchors `usb` and `hwid`: a key in a file that was made on that machine, bound in the
//! license with what must be there beside it.

use super::hwid::Machine;
use super::usb::Device;
use super::{Anchor, Lost};
use mooring_config::{HwidConfig, UsbConfig};
use mooring_core::license::{AnchorKey, AnchorKind, PublicKey, SigningKey};
use mooring_core::reason::AnchorReason;
use mooring_net::key_file;

/// A key in a file, and what must be there.
pub(crate) struct SoftwareAnchor {
    beside: Beside,
    /// None while it is closed.
    key: Option<SigningKey>,
}

enum Beside {
    Usb(Device),
    Hwid(Machine),
}

impl SoftwareAnchor {
    pub(super) fn usb(config: UsbConfig) -> Self {
        let beside = Beside::Usb(Device::new(config));
        Self { beside, key: None }
    }

    pub(super) fn hwid(config: HwidConfig) -> Self {
        let beside = Beside::Hwid(Machine::new(config));
        Self { beside, key: None }
    }
}

impl Anchor for SoftwareAnchor {
    fn kind(&self) -> AnchorKind {
        match self.beside {
            Beside::Usb(_) => AnchorKind::Usb,
            Beside::Hwid(_) => AnchorKind::Hwid,
        }
    }

    async fn open(&mut self, _wanted: &[PublicKey]) -> Result<Vec<PublicKey>, Lost> {
        let (file, field) = match &self.beside {
            Beside::Usb(device) => (&device.config.key_file, "anchor.usb.keyFile"),
            Beside::Hwid(machine) => (&machine.config.key_file, "anchor.hwid.keyFile"),
        };
        let key = key_file::read(file).map_err(|e| {
            let todo = format!("check {field}, or the Secret that is mounted there");
            Lost::new(AnchorReason::KeyFileUnusable, format!("{e}; {todo}"))
        })?;
        Ok(vec![self.key.insert(key).public()])
    }

    async fn sign(&mut self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        self.present(Some(entry)).await?;
        match &self.key {
            Some(k) if k.public() == entry.key => Ok(k.sign(message)),
            _ => {
                let m = format!("the key file does not hold the key {}", entry.key.id());
                Err(Lost::new(AnchorReason::KeyNotFound, m))
            }
        }
    }

    async fn present(&mut self, entry: Option<&AnchorKey>) -> Result<(), Lost> {
        match (&mut self.beside, entry) {
            (_, None) => Ok(()),
            (Beside::Usb(device), Some(entry)) => device.look_for(entry),
            (Beside::Hwid(machine), Some(entry)) => machine.judge(entry),
        }
    }

    async fn close(&mut self) {
        self.key = None;
    }
}
