//! USB devices as the kernel lists them: `‹sysfs›/bus/usb/devices/*/{idVendor,idProduct,serial}`.

use super::{Unreadable, text};
use mooring_core::license::UsbDevice;
use std::path::Path;

/// Where sysfs is.
pub const SYSFS: &str = "/sys";

/// A device that is plugged in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plugged {
    /// Where: the kernel's name of the port, such as `1-1.4`.
    pub port: String,
    /// Four hexadecimal digits.
    pub vendor_id: String,
    /// Four hexadecimal digits.
    pub product_id: String,
    /// Its serial number; many devices have none.
    pub serial: Option<String>,
    /// What it calls its maker and itself.
    pub name: String,
}

impl Plugged {
    /// Whether it is the device that is meant.
    pub fn is(&self, device: &UsbDevice) -> bool {
        self.vendor_id == device.vendor_id
            && self.product_id == device.product_id
            && self.serial.as_deref() == Some(device.serial.trim())
    }

    /// As a license names it; a device without a serial number cannot be told from another.
    pub fn device(&self) -> Option<UsbDevice> {
        Some(UsbDevice {
            vendor_id: self.vendor_id.clone(),
            product_id: self.product_id.clone(),
            serial: self.serial.clone()?,
        })
    }
}

/// All devices, by port.
pub fn devices(sysfs: &Path) -> Result<Vec<Plugged>, Unreadable> {
    let mut all = each(sysfs, |_, _| true)?;
    all.sort();
    Ok(all)
}

/// How many devices there are like this one: 0 or 1, and more only if somebody has made two alike.
/// Asked each second, so it reads no more than it must.
pub fn count(sysfs: &Path, device: &UsbDevice) -> Result<usize, Unreadable> {
    let same_ids =
        |vendor: &str, product: &str| (vendor, product) == (&device.vendor_id, &device.product_id);
    let alike = each(sysfs, same_ids)?;
    Ok(alike.iter().filter(|p| p.is(device)).count())
}

fn each(sysfs: &Path, wanted: impl Fn(&str, &str) -> bool) -> Result<Vec<Plugged>, Unreadable> {
    let dir = sysfs.join("bus/usb/devices");
    let entries = std::fs::read_dir(&dir).map_err(|e| Unreadable::new(&dir, e))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Unreadable::new(&dir, e))?;
        let at = entry.path();
        // Interfaces (1-1:1.0) are listed beside devices and have no ids.
        let Some(vendor_id) = text(&at.join("idVendor"))? else {
            continue;
        };
        let Some(product_id) = text(&at.join("idProduct"))? else {
            continue;
        };
        let (vendor_id, product_id) = (vendor_id.to_lowercase(), product_id.to_lowercase());
        if !wanted(&vendor_id, &product_id) {
            continue;
        }
        let said = |name: &str| text(&at.join(name)).map(|t| t.filter(|t| !t.is_empty()));
        let name = [said("manufacturer")?, said("product")?];
        found.push(Plugged {
            port: entry.file_name().to_string_lossy().into_owned(),
            vendor_id,
            product_id,
            serial: said("serial")?,
            name: name.into_iter().flatten().collect::<Vec<_>>().join(" "),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
