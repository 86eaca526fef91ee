//! The machine itself: its key, and what is read of the node, as root without any capability.

use super::needs::{HOST_ROOT, HostPath, Needs};
use crate::licenseserver::build::paths::mounted;
use mooring_api::Hwid;
use mooring_config::{AnchorConfig, HwidConfig};

/// What is read of the node, with the type that it must be of, so that a missing one is said and
/// not made. Not the whole of `/sys`: cgroups are mounted below it, where root could write.
const MACHINE: [HostPath; 4] = [
    path("machine-id", "/etc/machine-id", "File"),
    path("sys-class", "/sys/class", "Directory"),
    path("sys-block", "/sys/block", "Directory"),
    path("sys-devices", "/sys/devices", "Directory"),
];

const fn path(volume: &'static str, path: &'static str, kind: &'static str) -> HostPath {
    HostPath { volume, path, kind }
}

pub(super) fn needs<'a>(spec: &'a Hwid, folder: &str) -> Needs<'a> {
    let key = format!("{folder}anchor/key");
    Needs {
        config: AnchorConfig::Hwid(HwidConfig::new(mounted(&key), HOST_ROOT)),
        secret: (&spec.key_secret.name, &spec.key_secret.key, key),
        device: None,
        pcscd: None,
        host: &MACHINE,
        // The files of /sys/class/dmi/id with the machine's serials are for root's eyes.
        user: Some(0),
    }
}
