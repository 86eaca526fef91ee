//! A USB device, which the license names, and a key in a file.

use mooring_hardware::usb::SYSFS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A USB device, which the license names, and a key in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UsbConfig {
    /// The key: Ed25519 (PKCS#8, PEM), for owner and group alone.
    pub key_file: PathBuf,
    /// Where sysfs is mounted, if not at /sys.
    #[serde(default = "sysfs", skip_serializing_if = "is_sysfs")]
    pub sysfs_root: PathBuf,
}

impl UsbConfig {
    /// With this key, and sysfs where it usually is.
    pub fn new(key_file: impl Into<PathBuf>) -> Self {
        Self {
            key_file: key_file.into(),
            sysfs_root: sysfs(),
        }
    }
}

fn sysfs() -> PathBuf {
    SYSFS.into()
}

fn is_sysfs(path: &Path) -> bool {
    path == Path::new(SYSFS)
}
