//! Why a pod is refused at admission. Each text names the field, the value, what was expected and
//! what to do.

use super::server::NoServer;
use mooring_api::names::{GATE, ServerRef};
use mooring_core::annotation::{CONTAINERS, GATE_AFTER, GROUP, LICENSES, PLACE, WAIT};
use mooring_core::request::BadRequest;

/// The most that the API server takes, keys and values together.
pub(super) const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Containers of a pod, init containers with them. Each is changed, and a pod with more than some
/// dozens is nobody's.
pub const MAX_CONTAINERS: usize = 1000;

/// Why a pod is refused.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The request's grammar (docs/pods.md).
    #[error("annotation {key}: {problem}", key = LICENSES)]
    Licenses { problem: BadRequest },
    /// Another annotation's value.
    #[error("annotation {key}: character {at}: {found}, expected {expected}")]
    Value {
        key: &'static str,
        /// The character, counted from 1.
        at: usize,
        found: String,
        expected: String,
    },
    /// One of two annotations that go together.
    #[error("annotation {key}: there is no {other}, expected both or neither")]
    Alone {
        key: &'static str,
        other: &'static str,
    },
    /// A group whose pods are scheduled before they have seats.
    #[error(
        "annotation {GROUP}: expected with {WAIT}: \"scheduling\" only, since pods that are scheduled at once do not wait for each other"
    )]
    GroupAtStartup,
    /// Of a license server at which the operator holds nothing for pods to come.
    #[error(
        "annotation {WAIT}: \"scheduling\" is not for LicenseServer {0}, which is outside of the cluster: expected \"startup\" or \"none\""
    )]
    NotReservedOutside(ServerRef),
    /// A place of a pod that waits nowhere.
    #[error(
        "annotation {PLACE}: expected with {WAIT}: \"startup\" or \"scheduling\" only, since a pod that waits nowhere has no place in line"
    )]
    PlaceNowhere,
    /// A name that no container has, or no init container.
    #[error("annotation {key}: character {at}: {name:?}, expected {kind} of this pod ({known})")]
    NoSuchContainer {
        key: &'static str,
        /// `a container`, or `an init container`.
        kind: &'static str,
        /// Where the name begins, counted from 1.
        at: usize,
        name: String,
        known: String,
    },
    /// A container that is to have the socket, and has ended before there is one.
    #[error(
        "annotation {}: character {at}: {name:?} ends before the Mooring sidecar starts (it stands before {}, or what the annotation {} names), so there is no \
         socket for it: leave it out here, or have it run behind the gate",
        CONTAINERS,
        GATE,
        GATE_AFTER
    )]
    EndsBefore {
        /// Where the name begins, counted from 1.
        at: usize,
        name: String,
    },
    /// No LicenseServer to be chosen.
    #[error("{0}")]
    Server(NoServer),
    /// The user's own container has the name of one of ours.
    #[error(
        "{field}[{index}].name: {name:?} is the name of a container of Mooring's: give yours another name"
    )]
    NameTaken {
        /// `spec.containers` or `spec.initContainers`.
        field: &'static str,
        index: usize,
        name: String,
    },
    /// A container mounts what is the sidecar's alone.
    #[error(
        "container {container:?} mounts the volume {volume:?}, which is the Mooring sidecar's alone: remove that mount"
    )]
    PrivateVolume { container: String, volume: String },
    /// A container mounts something else where the socket goes.
    #[error(
        "container {container:?} mounts the volume {volume:?} at {path}, where Mooring's socket goes: mount it elsewhere, or leave \
         the container out by the annotation {}",
        CONTAINERS
    )]
    SocketPathTaken {
        container: String,
        volume: String,
        path: &'static str,
    },
    /// A container's own volume stands where the socket's folder would have to be made.
    #[error(
        "container {container:?} mounts the volume {volume:?} at {at}, and Mooring's socket goes to {path}: the volume {why}. Mount it \
         elsewhere, or only what you need of it, or leave the container out by the annotation {}",
        CONTAINERS
    )]
    SocketParent {
        container: String,
        volume: String,
        at: String,
        path: &'static str,
        why: &'static str,
    },
    /// Annotations have an end.
    #[error(
        "metadata.annotations: {size} bytes with Mooring's own, and Kubernetes allows {MAX_ANNOTATIONS}: make them {} bytes shorter",
        .size - MAX_ANNOTATIONS
    )]
    Annotations { size: usize },
    /// More containers than a pod is taken with.
    #[error(
        "spec: {count} containers, expected at most {MAX_CONTAINERS} in a pod with a license: make several pods of it"
    )]
    TooManyContainers { count: usize },
    #[error(
        "{field}: \"windows\": the Mooring sidecar runs on Linux nodes only; remove the annotation {}",
        LICENSES
    )]
    Windows { field: &'static str },
    /// The pod could not be read or changed: not the user's fault.
    #[error("Mooring could not read this pod ({0}); please report it")]
    Internal(String),
}

impl From<json_patch::PatchError> for Refusal {
    fn from(e: json_patch::PatchError) -> Self {
        Self::Internal(e.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(e: serde_json::Error) -> Self {
        Self::Internal(e.to_string())
    }
}
