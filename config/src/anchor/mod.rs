//! Which hardware: exactly one kind. Each kind is a file here; this one only tells them apart.

mod hwid;
mod pkcs11;
mod usb;

pub use hwid::HwidConfig;
pub use pkcs11::Pkcs11Config;
pub use usb::UsbConfig;

use mooring_core::license::AnchorKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Exactly one kind of anchor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum AnchorConfig {
    Pkcs11(Pkcs11Config),
    Usb(UsbConfig),
    Hwid(HwidConfig),
}

/// As it stands in the file.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    /// A token that a PKCS#11 module reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs11: Option<Pkcs11Config>,
    /// A USB device that is there. Which one, the license says.
    #[serde(skip_serializing_if = "Option::is_none")]
    usb: Option<UsbConfig>,
    /// The machine itself. Which one, the license says.
    #[serde(skip_serializing_if = "Option::is_none")]
    hwid: Option<HwidConfig>,
}

impl TryFrom<Written> for AnchorConfig {
    type Error = String;
    fn try_from(w: Written) -> Result<Self, String> {
        match (w.pkcs11, w.usb, w.hwid) {
            (Some(c), None, None) => c.check().map(|()| Self::Pkcs11(c)),
            (None, Some(c), None) => Ok(Self::Usb(c)),
            (None, None, Some(c)) => Ok(Self::Hwid(c)),
            (p, u, h) => {
                let there = [p.map(|_| "pkcs11"), u.map(|_| "usb"), h.map(|_| "hwid")];
                let there: Vec<&str> = there.into_iter().flatten().collect();
                let found = match there.join(" and ") {
                    none if none.is_empty() => "none".into(),
                    several => several,
                };
                let expected = "expected exactly one of pkcs11, usb and hwid";
                Err(format!("{expected}, found {found}"))
            }
        }
    }
}

impl From<AnchorConfig> for Written {
    fn from(config: AnchorConfig) -> Self {
        let mut written = Self::default();
        match config {
            AnchorConfig::Pkcs11(c) => written.pkcs11 = Some(c),
            AnchorConfig::Usb(c) => written.usb = Some(c),
            AnchorConfig::Hwid(c) => written.hwid = Some(c),
        }
        written
    }
}

impl JsonSchema for AnchorConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AnchorConfig".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Written::json_schema(generator)
    }
}

impl AnchorConfig {
    /// Its kind.
    pub const fn kind(&self) -> AnchorKind {
        match self {
            Self::Pkcs11(_) => AnchorKind::Pkcs11,
            Self::Usb(_) => AnchorKind::Usb,
            Self::Hwid(_) => AnchorKind::Hwid,
        }
    }

    /// The software key, of those kinds that have one.
    pub fn key_file(&self) -> Option<&Path> {
        match self {
            Self::Pkcs11(_) => None,
            Self::Usb(c) => Some(&c.key_file),
            Self::Hwid(c) => Some(&c.key_file),
        }
    }

    /// Its PIN or its key.
    pub fn secret_file(&self) -> Option<&Path> {
        match self {
            Self::Pkcs11(c) => c.pin_file.as_deref(),
            Self::Usb(_) | Self::Hwid(_) => self.key_file(),
        }
    }

    /// Takes folders from flags or environment in the place of its own.
    pub fn rooted(&mut self, sysfs: Option<&Path>, host: Option<&Path>) {
        match (self, sysfs, host) {
            (Self::Usb(c), Some(p), _) => p.clone_into(&mut c.sysfs_root),
            (Self::Hwid(c), _, Some(p)) => p.clone_into(&mut c.host_root),
            _ => {}
        }
    }
}
