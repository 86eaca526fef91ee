//! What a watch reads of objects that anybody may write. All else is skipped while it is read, so
//! that an object takes as much memory as what is kept of it, whatever its maker put in: thousands
//! of containers of a few bytes each, or field managers nested a hundred thousand deep.

mod head;
mod kueue;
mod list;
mod pod;
mod root_object;

pub use head::Head;
pub use kueue::{ActiveCondition, AdmissionCheck, CheckParameters, CheckState, PodSet, Workload};
pub use pod::WatchedPod;
pub use root_object::{RollingUpdate, RootObject, RootSpec, RootStatus, Strategy};

/// What a watch reads of a pod.
#[cfg(test)]
pub(crate) fn watched(pod: &k8s_openapi::api::core::v1::Pod) -> k8s_openapi::api::core::v1::Pod {
    #![allow(clippy::unwrap_used)]
    let read = serde_json::from_value::<WatchedPod>(serde_json::to_value(pod).unwrap());
    read.unwrap().0
}

#[cfg(test)]
mod tests;
