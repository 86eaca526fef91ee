//! What the pod's containers have in common.

use k8s_openapi::api::core::v1::{
    Capabilities, ResourceRequirements, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// Nothing to gain, nothing to write, no capability.
pub(super) fn confined() -> SecurityContext {
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

/// Requests and limits.
pub(super) fn amounts(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
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
pub(super) fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}
