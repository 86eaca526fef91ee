//! Where the server finds its files in the pod.

use std::path::PathBuf;

/// The key and file name of the configuration.
pub(super) const CONFIG_FILE: &str = "config.yaml";
/// The key and file name of the policies.
pub const POLICIES_FILE: &str = "policies.yaml";
/// The vendor's revocation list.
pub(super) const REVOCATIONS_FILE: &str = "license/revocations.mooring";
/// Whose client tokens count, and which do not.
pub(super) const CLIENT_KEYS_FILE: &str = "clients/keys";
pub(super) const ISSUERS_FILE: &str = "clients/issuers";
pub(super) const REVOKED_FILE: &str = "clients/revoked";
/// Where all that the server reads is mounted, but for the vendor's keys.
pub(super) const DIR: &str = "/etc/mooring";
/// Where the vendor's public keys are: a volume of their own, because each key of theirs is a file.
pub(super) const VENDOR_KEYS_DIR: &str = "/etc/mooring-vendor-keys";
/// Where the server keeps what outlasts a restart of its container, and not its pod.
pub(super) const STATE_DIR: &str = "/var/lib/mooring";

/// Where a program in the cluster looks for its service account.
pub(super) const SERVICE_ACCOUNT_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A file below [`DIR`].
pub(super) fn mounted(path: &str) -> PathBuf {
    PathBuf::from(format!("{DIR}/{path}"))
}
