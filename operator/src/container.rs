//! What the pods that the operator makes or changes have in common.

use k8s_openapi::api::core::v1::{
    Capabilities, EmptyDirVolumeSource, HostPathVolumeSource, ResourceRequirements, SeccompProfile,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// Nothing to gain, nothing to write, no capability.
pub(crate) fn confined() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".into()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

/// The system calls that the container runtime allows by default.
pub(crate) fn seccomp() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".into(),
        ..SeccompProfile::default()
    }
}

/// Requests and limits.
pub(crate) fn amounts(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let of = |pairs: &[(&str, &str)]| {
        let one = |(k, v): &(&str, &str)| ((*k).to_owned(), Quantity((*v).to_owned()));
        Some(pairs.iter().map(one).collect::<BTreeMap<_, _>>())
    };
    ResourceRequirements {
        requests: of(requests),
        limits: of(limits),
        ..ResourceRequirements::default()
    }
}

/// A volume in a container.
pub(crate) fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}

/// A volume that ends with its pod: on the node's disk, or in memory.
pub(crate) fn empty_dir(name: &str, in_memory: bool, limit: Option<&str>) -> Volume {
    Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: in_memory.then(|| "Memory".into()),
            size_limit: limit.map(|l| Quantity(l.into())),
        }),
        ..Volume::default()
    }
}

/// A path of the node, of this type if one is given.
pub(crate) fn host_path(name: &str, path: &str, kind: Option<&str>) -> Volume {
    Volume {
        name: name.into(),
        host_path: Some(HostPathVolumeSource {
            path: path.into(),
            type_: kind.map(Into::into),
        }),
        ..Volume::default()
    }
}
