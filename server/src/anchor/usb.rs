//! The anchor `usb`: the device that the license names is plugged in.

use super::{Lost, other_kind};
use mooring_config::UsbConfig;
use mooring_core::license::{AnchorKey, AnchorKind};
use mooring_core::reason::AnchorReason;
use mooring_hardware::usb;

/// A USB device, as it was last seen.
pub(super) struct Device {
    pub(super) config: UsbConfig,
    /// Whether two devices that look alike were told of.
    told_of_two: bool,
}

impl Device {
    pub(super) fn new(config: UsbConfig) -> Self {
        Self {
            config,
            told_of_two: false,
        }
    }

    pub(super) fn look_for(&mut self, entry: &AnchorKey) -> Result<(), Lost> {
        let device = entry.usb.as_ref();
        let device = device.ok_or_else(|| other_kind(entry, AnchorKind::Usb))?;
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
