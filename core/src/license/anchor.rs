//! Anchors as a license lists them: a key each, and for those whose key is software what must be
//! present beside it.

use super::keys::PublicKey;
use crate::policy::words;
use crate::secret::sha256;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest that a standby anchor may serve, in days.
pub const MAX_STANDBY_DAYS: u32 = 365;
/// A USB string descriptor holds no longer serial number (USB 2.0, 9.6.7: 255 bytes, two of them
/// the head, UTF-16).
pub const MAX_USB_SERIAL: usize = 126;
/// The most items a machine is known by.
pub const MAX_HWID_ITEMS: usize = 64;
/// The least that a salt is, in bytes.
const MIN_SALT: usize = 16;

/// Kinds of anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum AnchorKind {
    /// A token that signs.
    Pkcs11,
    /// A USB device that is there, and a software key.
    Usb,
    /// A machine's identity, and a software key.
    Hwid,
}

words!(AnchorKind: Pkcs11 = "pkcs11", Usb = "usb", Hwid = "hwid");

/// A piece of hardware, by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AnchorKey {
    /// Its kind.
    pub kind: AnchorKind,
    /// Its public key.
    pub key: PublicKey,
    /// The key can leave the token (SoftHSM and the like): allowed by the vendor by name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub software: bool,
    /// Words for people: a serial number, a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Of `usb`: the device that must be plugged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usb: Option<UsbDevice>,
    /// Of `hwid`: what the machine is known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hwid: Option<HwidItems>,
    /// Set if it may serve only when the first cannot, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Standby>,
}

/// How long a standby anchor may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Standby {
    /// Days.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 365)))]
    pub days: u32,
}

fn is_lower_hex(s: &str, digits: usize) -> bool {
    s.len() == digits && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A USB device, by what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsbDevice {
    /// Who made it: four hexadecimal digits, lower case.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[0-9a-f]{4}$")))]
    pub vendor_id: String,
    /// What it is: four hexadecimal digits, lower case.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[0-9a-f]{4}$")))]
    pub product_id: String,
    /// Which one of them.
    pub serial: String,
}

impl fmt::Display for UsbDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{} serial {:?}",
            self.vendor_id, self.product_id, self.serial
        )
    }
}

impl UsbDevice {
    /// Whether `s` is a vendor's or product's id as it is written here.
    pub fn is_id(s: &str) -> bool {
        is_lower_hex(s, 4)
    }

    fn check(&self) -> Result<(), Wrong> {
        let (vendor, product) = (&self.vendor_id, &self.product_id);
        for (field, id) in [("vendorId", vendor), ("productId", product)] {
            if !Self::is_id(id) {
                let p = "expected four hexadecimal digits in lower case, such as 096e";
                return Err((field.to_owned(), format!("{id:?}, {p}")));
            }
        }
        let s = &self.serial;
        let fits = s.chars().count() <= MAX_USB_SERIAL && !s.chars().any(char::is_control);
        if s.trim().is_empty() || !fits {
            let p =
                format!("expected the device's serial number, 1 to {MAX_USB_SERIAL} characters");
            return Err(("serial".to_owned(), format!("{s:?}, {p}")));
        }
        Ok(())
    }
}

/// What a machine is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum HwidItem {
    /// The UUID that the firmware tells (DMI, SMBIOS).
    ProductUuid,
    /// The mainboard's serial number.
    BoardSerial,
    /// A disk's serial number.
    DiskSerial,
    /// A network card's own address.
    Mac,
    /// What the operating system calls itself: `/etc/machine-id`. Not hardware.
    MachineId,
}

// In the order in which they are written.
words!(HwidItem: ProductUuid = "productUuid", BoardSerial = "boardSerial",
    DiskSerial = "diskSerial", Mac = "mac", MachineId = "machineId");

impl HwidItem {
    /// Whether it belongs to the hardware: of those that match, one must.
    pub const fn is_hardware(self) -> bool {
        !matches!(self, Self::MachineId)
    }
}

/// What a machine is known by, as salted hashes: at least `k` of them must be found, one of
/// hardware among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HwidItems {
    /// How many must be found.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub k: u32,
    /// Random bytes in hexadecimal digits, at least 16: the same machine is not known again in
    /// another license.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^([0-9a-fA-F]{2}){16,64}$"))
    )]
    pub salt: String,
    /// The hashes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub items: Vec<HwidHash>,
}

/// One thing that a machine is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HwidHash {
    /// What it is.
    pub item: HwidItem,
    /// [`HwidItems::hash`] of its value, in hexadecimal digits.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub hash: String,
}

impl HwidItems {
    /// The hash of one value: SHA-256 over `mooring-hwid\n‹salt›\n‹item›\n‹value›`.
    pub fn hash(salt: &str, item: HwidItem, value: &str) -> String {
        hex::encode(sha256(
            format!("mooring-hwid\n{salt}\n{item}\n{value}").as_bytes(),
        ))
    }

    fn check(&self) -> Result<(), Wrong> {
        let bad = |field: &str, problem: String| Err((field.to_owned(), problem));
        let salt = hex::decode(&self.salt).unwrap_or_default();
        if salt.len() < MIN_SALT || salt.len() > 64 {
            let start: String = self.salt.chars().take(130).collect();
            let p = format!("{start:?}, expected 32 to 128 hexadecimal digits");
            return bad("salt", p);
        }
        let n = self.items.len();
        if n == 0 || n > MAX_HWID_ITEMS {
            let p = format!("{n} items, expected 1 to {MAX_HWID_ITEMS}");
            return bad("items", p);
        }
        for (i, it) in self.items.iter().enumerate() {
            if !is_lower_hex(&it.hash, 64) {
                let p = "expected a SHA-256, 64 hexadecimal digits in lower case".to_owned();
                return bad(&format!("items[{i}].hash"), p);
            }
            // Twice the same would count twice towards k.
            if self.items.iter().take(i).any(|o| o.hash == it.hash) {
                return bad(&format!("items[{i}].hash"), "it is there twice".to_owned());
            }
        }
        if !self.items.iter().any(|i| i.item.is_hardware()) {
            let hardware = HwidItem::ALL.iter().filter(|i| i.is_hardware());
            let names: Vec<&str> = hardware.map(|i| i.as_str()).collect();
            let names = names.join(", ");
            let p = format!("none of hardware, expected at least one of {names}");
            return bad("items", p);
        }
        if self.k == 0 || self.k as usize > n {
            let p = format!("{}, expected 1 to the number of items, {n}", self.k);
            return bad("k", p);
        }
        Ok(())
    }
}

/// The field that is wrong, and why.
type Wrong = (String, String);

impl AnchorKey {
    /// Whether what only an anchor of kind `of` has (`checked`, if it is there) is there exactly if
    /// this is one, and right.
    fn part(
        &self,
        of: AnchorKind,
        checked: Option<Result<(), Wrong>>,
        what: &str,
    ) -> Result<(), Wrong> {
        let wrong = |problem: String| Err((of.to_string(), problem));
        match checked {
            Some(c) if self.kind == of => c.map_err(|(f, p)| (format!("{of}.{f}"), p)),
            None if self.kind == of => {
                wrong(format!("missing; an anchor of kind {of} needs {what}"))
            }
            Some(_) => wrong(format!(
                "does not belong to an anchor of kind {}",
                self.kind
            )),
            None => Ok(()),
        }
    }

    pub(super) fn check(&self) -> Result<(), Wrong> {
        let device = "vendorId, productId and serial of its device";
        let machine = "k, salt and items of its machine";
        self.part(
            AnchorKind::Usb,
            self.usb.as_ref().map(UsbDevice::check),
            device,
        )?;
        self.part(
            AnchorKind::Hwid,
            self.hwid.as_ref().map(HwidItems::check),
            machine,
        )?;
        match self.standby {
            Some(s) if !(1..=MAX_STANDBY_DAYS).contains(&s.days) => Err((
                "standby.days".to_owned(),
                format!("{}; expected 1 to {MAX_STANDBY_DAYS}", s.days),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
