//! What the anchors add to the server's pod and configuration. Each kind says it as data in a file
//! of its own; the rest of `build` folds over that and knows no kind. Nothing is privileged.

mod hwid;
mod needs;
mod pkcs11;
mod usb;

use super::inputs::Inputs;
use crate::container::{amounts, confined, empty_dir, host_path, mount};
use k8s_openapi::api::core::v1::{
    Container, ResourceRequirements, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use mooring_api::{Anchor, AnchorKind, LicenseServerSpec, Pcscd};
use needs::{HOST_ROOT, HostPath, Needs};

/// pcscd's container.
const PCSCD: &str = "pcscd";
/// Where pcscd and its clients meet: compiled into both.
const PCSCD_DIR: &str = "/run/pcscd";
/// Where the files of the anchor and of the standby are, below `/etc/mooring`.
const FOLDERS: [&str; 2] = ["", "standby/"];

/// What the anchor needs, and the standby if there is one; none if one of them is not one kind.
pub(super) fn needs(spec: &LicenseServerSpec) -> Option<Vec<Needs<'_>>> {
    let anchors = spec.anchors().zip(FOLDERS);
    anchors.map(|(anchor, folder)| of(anchor, folder)).collect()
}

fn of<'a>(anchor: &'a Anchor, folder: &str) -> Option<Needs<'a>> {
    Some(match anchor.kind()? {
        AnchorKind::Pkcs11(a) => pkcs11::needs(a, folder),
        AnchorKind::Usb(a) => usb::needs(a, folder),
        AnchorKind::Hwid(a) => hwid::needs(a, folder),
    })
}

fn all(spec: &LicenseServerSpec) -> Vec<Needs<'_>> {
    needs(spec).unwrap_or_default()
}

/// The user that an anchor needs.
pub(super) fn user(spec: &LicenseServerSpec) -> Option<i64> {
    all(spec).iter().find_map(|n| n.user)
}

/// What is asked of pcscd, by the first that asks for it: anchor and standby share one.
fn asked(spec: &LicenseServerSpec) -> Option<&Pcscd> {
    all(spec).iter().find_map(|n| n.pcscd)
}

/// The device goes to the one container that opens it: pcscd where there is one, else the server.
pub(super) fn with_device(
    spec: &LicenseServerSpec,
    for_pcscd: bool,
    mut resources: ResourceRequirements,
) -> ResourceRequirements {
    let opens = |n: &Needs<'_>| n.pcscd.is_some() == for_pcscd;
    let needs = all(spec);
    for device in needs.iter().filter(|n| opens(n)).filter_map(|n| n.device) {
        // The request of such a resource is its limit.
        let limits = resources.limits.get_or_insert_default();
        limits.insert(device.to_owned(), Quantity("1".into()));
    }
    resources
}

/// pcscd as a native sidecar: it is there before the server starts, and starts again when it ends.
pub(super) fn pcscd(i: &Inputs<'_>, server_user: Option<i64>) -> Option<Container> {
    let p = asked(&i.server.spec)?;
    let defaults = amounts(&[("cpu", "10m"), ("memory", "16Mi")], &[("memory", "64Mi")]);
    let resources = p.resources.clone().unwrap_or(defaults);
    let uid = p.run_as_user.or(server_user);
    let image = p.image.as_ref().unwrap_or(&i.defaults.pcscd_image);
    Some(Container {
        name: PCSCD.into(),
        image: Some(image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        restart_policy: Some("Always".into()),
        resources: Some(with_device(&i.server.spec, true, resources)),
        security_context: Some(SecurityContext {
            run_as_user: uid,
            run_as_non_root: Some(uid != Some(0)),
            ..confined()
        }),
        volume_mounts: Some(vec![mount(PCSCD, PCSCD_DIR, false)]),
        ..Container::default()
    })
}

/// What the server reads of the node, each once.
fn host_paths(spec: &LicenseServerSpec) -> Vec<&'static HostPath> {
    let mut paths: Vec<&HostPath> = all(spec).iter().flat_map(|n| n.host).collect();
    paths.sort_by_key(|p| p.volume);
    paths.dedup_by_key(|p| p.volume);
    paths
}

/// Further mounts of the server's container.
pub(super) fn mounts(spec: &LicenseServerSpec) -> Vec<VolumeMount> {
    let pcscd = asked(spec).map(|_| mount(PCSCD, PCSCD_DIR, false));
    let host = host_paths(spec).into_iter().map(|p| VolumeMount {
        recursive_read_only: Some("IfPossible".into()),
        ..mount(p.volume, &format!("{HOST_ROOT}{}", p.path), true)
    });
    pcscd.into_iter().chain(host).collect()
}

/// Their volumes.
pub(super) fn volumes(spec: &LicenseServerSpec) -> Vec<Volume> {
    let pcscd = asked(spec).map(|_| empty_dir(PCSCD, true, Some("1Mi")));
    let host = host_paths(spec);
    let host = host
        .into_iter()
        .map(|p| host_path(p.volume, p.path, Some(p.kind)));
    pcscd.into_iter().chain(host).collect()
}
