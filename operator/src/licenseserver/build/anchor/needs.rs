//! What one anchor needs of configuration and pod, as data.

use mooring_api::Pcscd;
use mooring_config::AnchorConfig;

/// Below it a server sees what it reads of its node.
pub(super) const HOST_ROOT: &str = "/host";
/// What one anchor needs.
pub(in super::super) struct Needs<'a> {
    /// Its part of the configuration.
    pub(in super::super) config: AnchorConfig,
    /// PIN or key: the Secret, the key in it, and where it is mounted below `/etc/mooring`.
    pub(in super::super) secret: (&'a str, &'a str, String),
    /// A device, as a resource of the node.
    pub(super) device: Option<&'a str>,
    /// A pcscd beside the server, which then opens the device.
    pub(super) pcscd: Option<&'a Pcscd>,
    /// What is read of the node.
    pub(super) host: &'static [HostPath],
    /// The user that the server must be.
    pub(super) user: Option<i64>,
}

/// A path of the node, which the server sees below [`HOST_ROOT`].
pub(super) struct HostPath {
    pub(super) volume: &'static str,
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
}
