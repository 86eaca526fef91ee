//! What an anchor adds to the server's pod: the device, pcscd beside the server, the machine's identity. Nothing is privileged.

use super::Inputs;
use super::workload::{self, amounts, confined};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, HostPathVolumeSource, ResourceRequirements, SecurityContext,
    Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use mooring_api::{LicenseServerSpec, Pcscd};

/// pcscd's container.
pub const PCSCD: &str = "pcscd";
/// Where pcscd and its clients meet: compiled into both.
const PCSCD_DIR: &str = "/run/pcscd";
/// Below it an `hwid` anchor reads the node.
pub(super) const HOST_ROOT: &str = "/host";

/// What an `hwid` anchor reads of the node: volume, path, and which type it must be of, so that a missing one is said and not made.
/// Not the whole of `/sys`: cgroups are mounted below it, where root could write.
const MACHINE: [(&str, &str, &str); 4] = [
    ("machine-id", "/etc/machine-id", "File"),
    ("sys-class", "/sys/class", "Directory"),
    ("sys-block", "/sys/block", "Directory"),
    ("sys-devices", "/sys/devices", "Directory"),
];

/// A container that may need the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The server's.
    Server,
    /// pcscd's.
    Pcscd,
}

/// The user that the kind of anchor needs: the files of `/sys/class/dmi/id` with the machine's serials are for root's eyes.
pub(super) fn user(spec: &LicenseServerSpec) -> Option<i64> {
    spec.anchors().any(|a| a.hwid.is_some()).then_some(0)
}

/// What is asked of pcscd, by the first that asks for it: anchor and standby share one.
fn asked(spec: &LicenseServerSpec) -> Option<&Pcscd> {
    spec.anchors()
        .find_map(|a| a.pkcs11.as_ref()?.pcscd.as_ref())
}

/// The device goes to the one container that opens it.
pub(super) fn with_device(
    spec: &LicenseServerSpec,
    place: Place,
    mut resources: ResourceRequirements,
) -> ResourceRequirements {
    for pkcs11 in spec.anchors().filter_map(|a| a.pkcs11.as_ref()) {
        let needs = if pkcs11.pcscd.is_some() {
            Place::Pcscd
        } else {
            Place::Server
        };
        if let Some(device) = pkcs11.device_resource.clone()
            && place == needs
        {
            // The request of such a resource is its limit.
            let limits = resources.limits.get_or_insert_default();
            limits.insert(device, Quantity("1".into()));
        }
    }
    resources
}

/// pcscd as a native sidecar: it is there before the server starts, and starts again when it ends.
pub(super) fn pcscd(i: &Inputs<'_>) -> Option<Container> {
    let p = asked(&i.server.spec)?;
    let defaults = amounts(&[("cpu", "10m"), ("memory", "16Mi")], &[("memory", "64Mi")]);
    let resources = p.resources.clone().unwrap_or(defaults);
    let uid = p.run_as_user.unwrap_or_else(|| workload::user(i));
    Some(Container {
        name: PCSCD.into(),
        image: Some(
            p.image
                .clone()
                .unwrap_or_else(|| i.defaults.pcscd_image.clone()),
        ),
        image_pull_policy: Some("IfNotPresent".into()),
        restart_policy: Some("Always".into()),
        resources: Some(with_device(&i.server.spec, Place::Pcscd, resources)),
        security_context: Some(SecurityContext {
            run_as_user: Some(uid),
            run_as_non_root: Some(uid != 0),
            ..confined()
        }),
        volume_mounts: Some(vec![mount("pcscd", PCSCD_DIR, false)]),
        ..Container::default()
    })
}

/// Further mounts of the server's container.
pub(super) fn mounts(spec: &LicenseServerSpec) -> Vec<VolumeMount> {
    let mut all = Vec::new();
    if asked(spec).is_some() {
        all.push(mount("pcscd", PCSCD_DIR, false));
    }
    if spec.anchors().any(|a| a.hwid.is_some()) {
        all.extend(MACHINE.iter().map(|(name, path, _)| VolumeMount {
            recursive_read_only: Some("IfPossible".into()),
            ..mount(name, &format!("{HOST_ROOT}{path}"), true)
        }));
    }
    all
}

/// Their volumes.
pub(super) fn volumes(spec: &LicenseServerSpec) -> Vec<Volume> {
    let mut all = Vec::new();
    if asked(spec).is_some() {
        all.push(Volume {
            name: "pcscd".into(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".into()),
                size_limit: Some(Quantity("1Mi".into())),
            }),
            ..Volume::default()
        });
    }
    if spec.anchors().any(|a| a.hwid.is_some()) {
        all.extend(MACHINE.iter().map(|(name, path, kind)| Volume {
            name: (*name).into(),
            host_path: Some(HostPathVolumeSource {
                path: (*path).into(),
                type_: Some((*kind).into()),
            }),
            ..Volume::default()
        }));
    }
    all
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}
