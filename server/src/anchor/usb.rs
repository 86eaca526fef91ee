//! The anchor `usb`: the device that the license names is plugged in, and a software key signs.

use super::software::SoftwareKey;
use super::{Anchor, Lost, other_kind};
use mooring_config::UsbConfig;
use mooring_core::license::{AnchorKey, AnchorKind, PublicKey, UsbDevice};
use mooring_core::reason::AnchorReason;
use mooring_hardware::usb;

/// A USB device and a key in a file.
pub(crate) struct UsbAnchor {
    config: UsbConfig,
    key: SoftwareKey,
    /// Whether two devices that look alike were told of.
    told_of_two: bool,
}

impl UsbAnchor {
    /// One that is not open yet.
    pub(super) fn new(config: UsbConfig) -> Self {
        Self {
            config,
            key: SoftwareKey::default(),
            told_of_two: false,
        }
    }

    fn look_for(&mut self, device: &UsbDevice) -> Result<(), Lost> {
        let n = usb::count(&self.config.sysfs_root, device).map_err(|e| {
            let todo = "the server must see the machine's sysfs: check anchor.usb.sysfsRoot (--sysfs-root), and that /sys is mounted";
            Lost::new(AnchorReason::DevicesUnreadable, format!("the USB devices cannot be read: {e}; {todo}"))
        })?;
        if n == 0 {
            let todo = "plug it in, the server goes on by itself";
            let m = format!("the USB device {device} is not plugged in; {todo}");
            return Err(Lost::new(AnchorReason::DeviceNotFound, m));
        }
        if n > 1 && !self.told_of_two {
            tracing::warn!(%device, n, "several USB devices have the license's ids and serial number; one is enough");
        }
        self.told_of_two = n > 1;
        Ok(())
    }
}

impl Anchor for UsbAnchor {
    fn kind(&self) -> AnchorKind {
        AnchorKind::Usb
    }

    async fn open(&mut self, _wanted: &[PublicKey]) -> Result<Vec<PublicKey>, Lost> {
        self.key.open(&self.config.key_file, "anchor.usb.keyFile")
    }

    async fn sign(&mut self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        self.present(Some(entry)).await?;
        self.key.sign(entry, message)
    }

    async fn present(&mut self, entry: Option<&AnchorKey>) -> Result<(), Lost> {
        let Some(entry) = entry else { return Ok(()) };
        let device = entry.usb.clone();
        self.look_for(&device.ok_or_else(|| other_kind(entry, AnchorKind::Usb))?)
    }

    async fn close(&mut self) {
        self.key.close();
    }
}
