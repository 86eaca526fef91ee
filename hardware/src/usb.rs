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
        |vendor: &str, product: &str| vendor == device.vendor_id && product == device.product_id;
    Ok(each(sysfs, same_ids)?
        .iter()
        .filter(|p| p.is(device))
        .count())
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plug(sysfs: &Path, port: &str, files: &[(&str, &str)]) {
        let at = sysfs.join("bus/usb/devices").join(port);
        std::fs::create_dir_all(&at).unwrap();
        for (name, says) in files {
            std::fs::write(at.join(name), format!("{says}\n")).unwrap();
        }
    }

    fn dongle() -> UsbDevice {
        UsbDevice {
            vendor_id: "096e".into(),
            product_id: "0006".into(),
            serial: "A1".into(),
        }
    }

    #[test]
    fn a_device_is_found_by_ids_and_serial_and_by_nothing_less() {
        let dir = tempfile::tempdir().unwrap();
        let sysfs = dir.path();
        plug(
            sysfs,
            "usb1",
            &[("idVendor", "1d6b"), ("idProduct", "0002")],
        );
        plug(sysfs, "1-0:1.0", &[("bInterfaceClass", "09")]);
        assert_eq!(count(sysfs, &dongle()).unwrap(), 0);
        for (vendor, product, serial) in [
            ("096e", "0006", "A2"),
            ("096e", "0007", "A1"),
            ("096f", "0006", "A1"),
            ("096e", "0006", "A"),
            ("096e", "0006", ""),
        ] {
            plug(
                sysfs,
                "1-1",
                &[
                    ("idVendor", vendor),
                    ("idProduct", product),
                    ("serial", serial),
                ],
            );
            assert_eq!(
                count(sysfs, &dongle()).unwrap(),
                0,
                "{vendor} {product} {serial}"
            );
        }
        plug(
            sysfs,
            "1-1",
            &[
                ("idVendor", "096E"),
                ("idProduct", "0006"),
                ("serial", "A1"),
                ("manufacturer", "Feitian"),
                ("product", "Key"),
            ],
        );
        assert_eq!(count(sysfs, &dongle()).unwrap(), 1);
        plug(
            sysfs,
            "1-2",
            &[
                ("idVendor", "096e"),
                ("idProduct", "0006"),
                ("serial", "A1"),
            ],
        );
        assert_eq!(count(sysfs, &dongle()).unwrap(), 2);
        let all = devices(sysfs).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(
            (all[0].name.as_str(), all[0].device()),
            ("Feitian Key", Some(dongle()))
        );
        assert_eq!((all[2].port.as_str(), all[2].device()), ("usb1", None));
        std::fs::remove_dir_all(sysfs.join("bus/usb/devices/1-1")).unwrap();
        std::fs::remove_dir_all(sysfs.join("bus/usb/devices/1-2")).unwrap();
        assert_eq!(count(sysfs, &dongle()).unwrap(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_no_device_that_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let e = count(dir.path(), &dongle()).unwrap_err();
        assert!(e.path.ends_with("bus/usb/devices"), "{e}");
        // A folder where a file should be: an error that is not "gone".
        plug(dir.path(), "1-1", &[("idProduct", "0006")]);
        std::fs::create_dir(dir.path().join("bus/usb/devices/1-1/idVendor")).unwrap();
        let e = devices(dir.path()).unwrap_err();
        assert!(e.path.ends_with("1-1/idVendor"), "{e}");
    }
}
