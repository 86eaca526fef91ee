//! Why a pod is refused at admission. Each text names the field, the value, what was expected and what to do.

use super::server::NoServer;
use mooring_core::annotation::{CONTAINERS, LICENSES};
use mooring_core::request::BadRequest;

/// Why a pod is refused.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The request's grammar (docs/pods.md).
    #[error("annotation {key}: {problem}", key = LICENSES)]
    Licenses {
        /// Where, and what was expected.
        problem: BadRequest,
    },
    /// Another annotation's value.
    #[error("annotation {key}: character {at}: {found}, expected {expected}")]
    Value {
        /// The annotation.
        key: &'static str,
        /// The character, counted from 1.
        at: usize,
        /// What stood there.
        found: String,
        /// What was expected instead.
        expected: String,
    },
    /// A value that is right, but this version does not do it yet.
    #[error(
        "annotation {key}: {value:?} is not supported by this version of Mooring yet: {instead}"
    )]
    NotYet {
        /// The annotation.
        key: &'static str,
        /// Its value.
        value: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// A name in `containers` that no container has.
    #[error("annotation {key}: character {at}: {name:?}, expected a container of this pod ({known})", key = CONTAINERS)]
    NoSuchContainer {
        /// Where the name begins, counted from 1.
        at: usize,
        /// The name.
        name: String,
        /// The containers there are.
        known: String,
    },
    /// No LicenseServer to be chosen.
    #[error("{0}")]
    Server(NoServer),
    /// The user's own container has the sidecar's name.
    #[error(
        "{field}[{index}].name: \"{name}\" is the name of Mooring's sidecar: give your container another name"
    )]
    NameTaken {
        /// `spec.containers` or `spec.initContainers`.
        field: &'static str,
        /// Which one.
        index: usize,
        /// The name.
        name: &'static str,
    },
    /// A container mounts what is the sidecar's alone.
    #[error(
        "container {container:?} mounts the volume {volume:?}, which is the Mooring sidecar's alone: remove that mount"
    )]
    PrivateVolume {
        /// The container.
        container: String,
        /// The volume.
        volume: String,
    },
    /// A container mounts something else where the socket goes.
    #[error(
        "container {container:?} mounts the volume {volume:?} at {path}, where Mooring's socket goes: mount it elsewhere, or leave \
         the container out by the annotation {}",
        CONTAINERS
    )]
    SocketPathTaken {
        /// The container.
        container: String,
        /// Its volume.
        volume: String,
        /// The path.
        path: &'static str,
    },
    /// A pod for Windows.
    #[error(
        "spec.os.name: \"windows\": the Mooring sidecar runs on Linux nodes only; remove the annotation {}",
        LICENSES
    )]
    Windows,
    /// The pod could not be read or changed: not the user's fault.
    #[error("Mooring could not read this pod ({0}); please report it")]
    Internal(String),
}
