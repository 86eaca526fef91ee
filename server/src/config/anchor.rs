//! Which hardware: exactly one kind.

use mooring_core::license::AnchorKind;
use mooring_hardware::key::KeyFileError;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::path::{Path, PathBuf};

/// Exactly one kind of anchor.
#[derive(Clone, Debug)]
pub(crate) enum AnchorConfig {
    /// A token behind a PKCS#11 module.
    Pkcs11(Pkcs11Config),
    /// A USB device, and a key in a file.
    Usb(UsbConfig),
    /// A machine, and a key in a file.
    Hwid(HwidConfig),
}

/// A token behind a PKCS#11 module.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Pkcs11Config {
    /// The module, a shared library.
    pub(crate) module: PathBuf,
    /// The token's label.
    pub(crate) token_label: String,
    /// Where its PIN is; absent for tokens that sign without one.
    #[serde(default)]
    pub(crate) pin_file: Option<PathBuf>,
}

/// A USB device, which the license names, and a key in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UsbConfig {
    /// The key: PKCS#8, PEM, for owner and group alone.
    pub(crate) key_file: PathBuf,
    /// Where sysfs is mounted.
    #[serde(default = "sysfs")]
    pub(crate) sysfs_root: PathBuf,
}

/// A machine, which the license knows, and a key in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct HwidConfig {
    /// The key: PKCS#8, PEM, for owner and group alone.
    pub(crate) key_file: PathBuf,
    /// Where the machine's root is mounted.
    #[serde(default = "root")]
    pub(crate) host_root: PathBuf,
}

fn sysfs() -> PathBuf {
    mooring_hardware::usb::SYSFS.into()
}

fn root() -> PathBuf {
    "/".into()
}

/// As it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    pkcs11: Option<Pkcs11Config>,
    usb: Option<UsbConfig>,
    hwid: Option<HwidConfig>,
}

impl TryFrom<Written> for AnchorConfig {
    type Error = String;
    fn try_from(w: Written) -> Result<Self, String> {
        match (w.pkcs11, w.usb, w.hwid) {
            (Some(c), None, None) if c.token_label.trim().is_empty() => {
                Err("pkcs11.tokenLabel is empty; expected the token's label, as pkcs11-tool -L shows it".into())
            }
            (Some(c), None, None) => Ok(Self::Pkcs11(c)),
            (None, Some(c), None) => Ok(Self::Usb(c)),
            (None, None, Some(c)) => Ok(Self::Hwid(c)),
            (p, u, h) => {
                let there = [("pkcs11", p.is_some()), ("usb", u.is_some()), ("hwid", h.is_some())];
                let there: Vec<&str> = there.into_iter().filter(|(_, is)| *is).map(|(n, _)| n).collect();
                let found = if there.is_empty() { "none".into() } else { there.join(" and ") };
                Err(format!("expected exactly one of pkcs11, usb and hwid, found {found}"))
            }
        }
    }
}

/// Reads the field `anchor`.
pub(super) fn first<'de, D: Deserializer<'de>>(d: D) -> Result<AnchorConfig, D::Error> {
    let config = AnchorConfig::try_from(Written::deserialize(d)?);
    config.map_err(|e| D::Error::custom(format!("anchor: {e}")))
}

/// Reads the field `standby`.
pub(super) fn standby<'de, D: Deserializer<'de>>(d: D) -> Result<Option<AnchorConfig>, D::Error> {
    let Some(w) = Option::<Written>::deserialize(d)? else {
        return Ok(None);
    };
    let config = AnchorConfig::try_from(w);
    config
        .map(Some)
        .map_err(|e| D::Error::custom(format!("standby: {e}")))
}

impl AnchorConfig {
    /// Its kind.
    pub(crate) fn kind(&self) -> AnchorKind {
        match self {
            Self::Pkcs11(_) => AnchorKind::Pkcs11,
            Self::Usb(_) => AnchorKind::Usb,
            Self::Hwid(_) => AnchorKind::Hwid,
        }
    }

    /// Whether the software key can be used, of those kinds that have one.
    pub(crate) fn check_key(&self) -> Result<(), KeyFileError> {
        match self {
            Self::Pkcs11(_) => Ok(()),
            Self::Usb(UsbConfig { key_file, .. }) | Self::Hwid(HwidConfig { key_file, .. }) => {
                mooring_hardware::key::read(key_file).map(|_| ())
            }
        }
    }

    /// Takes folders from flags or environment in the place of its own.
    pub(crate) fn rooted(&mut self, sysfs: Option<&Path>, host: Option<&Path>) {
        match (self, sysfs, host) {
            (Self::Usb(c), Some(p), _) => p.clone_into(&mut c.sysfs_root),
            (Self::Hwid(c), _, Some(p)) => p.clone_into(&mut c.host_root),
            _ => {}
        }
    }
}
