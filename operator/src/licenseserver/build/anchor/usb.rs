//! A USB device: its key. An ordinary container sees the node's devices in `/sys`.

use super::needs::Needs;
use crate::licenseserver::build::paths::mounted;
use mooring_api::Usb;
use mooring_config::{AnchorConfig, UsbConfig};

pub(super) fn needs<'a>(spec: &'a Usb, folder: &str) -> Needs<'a> {
    let key = format!("{folder}anchor/key");
    Needs {
        config: AnchorConfig::Usb(UsbConfig::new(mounted(&key))),
        secret: (&spec.key_secret.name, &spec.key_secret.key, key),
        device: None,
        pcscd: None,
        host: &[],
        user: None,
    }
}
