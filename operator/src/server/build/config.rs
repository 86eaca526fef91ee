//! `config.yaml` and `policies.yaml` of a license server (docs/contracts.md).

use super::Inputs;
use super::anchor::HOST_ROOT;
use mooring_api::names::{API_PORT, HEALTH_PORT};
use mooring_api::{self as crd, AnchorKind};
use ring::digest::{SHA256, digest};
use serde::Serialize;
use std::collections::BTreeMap;

/// The key and file name of the configuration.
pub const CONFIG_FILE: &str = "config.yaml";
/// The key and file name of the policies.
pub const POLICIES_FILE: &str = "policies.yaml";

/// Where the vendor's public keys are mounted: beside the one volume of `/etc/mooring`, because each key of theirs is a file.
pub(super) const VENDOR_KEYS_DIR: &str = "/etc/mooring-vendor-keys";

/// The PIN below `/etc/mooring`.
pub(super) const PIN_FILE: &str = "pin/pin";
/// The key of a `usb` or `hwid` anchor below `/etc/mooring`.
pub(super) const ANCHOR_KEY_FILE: &str = "anchor/key";

/// Where the files of the anchor and of the standby are, below `/etc/mooring`.
pub(super) const ANCHOR_FOLDERS: [&str; 2] = ["", "standby/"];

/// What the server reads at its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerConfig {
    name: String,
    namespace: String,
    listen: String,
    health: String,
    tls: Tls,
    license: &'static str,
    revocations: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_keys: Option<&'static str>,
    anchor: BTreeMap<&'static str, Anchor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    standby: BTreeMap<&'static str, Anchor>,
    lease: Lease,
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier_longest_lease_secs: Option<u64>,
    state_dir: &'static str,
    identity_key: &'static str,
    policies: &'static str,
    token_review: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tls {
    cert: &'static str,
    key: &'static str,
    client_ca: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Anchor {
    Pkcs11 {
        module: String,
        token_label: String,
        pin_file: String,
    },
    Usb {
        key_file: String,
    },
    Hwid {
        key_file: String,
        host_root: &'static str,
    },
}

/// The anchor, under the name of its kind.
fn anchor(of: Option<&crd::Anchor>, folder: &str) -> BTreeMap<&'static str, Anchor> {
    let file = |path: &str| format!("/etc/mooring/{folder}{path}");
    let Some(kind) = of.and_then(crd::Anchor::kind) else {
        return BTreeMap::new();
    };
    BTreeMap::from([match kind {
        AnchorKind::Pkcs11(p) => (
            "pkcs11",
            Anchor::Pkcs11 {
                module: p.module.clone(),
                token_label: p.token_label.clone(),
                pin_file: file(PIN_FILE),
            },
        ),
        AnchorKind::Usb(_) => (
            "usb",
            Anchor::Usb {
                key_file: file(ANCHOR_KEY_FILE),
            },
        ),
        AnchorKind::Hwid(_) => (
            "hwid",
            Anchor::Hwid {
                key_file: file(ANCHOR_KEY_FILE),
                host_root: HOST_ROOT,
            },
        ),
    }])
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Lease {
    duration_secs: u64,
    grace_secs: u64,
    reclaim: mooring_core::policy::Reclaim,
}

/// The configuration that a LicenseServer asks for.
pub fn server_config(i: &Inputs<'_>) -> ServerConfig {
    let spec = &i.server.spec;
    ServerConfig {
        name: i.reference.name.clone(),
        namespace: i.reference.namespace.clone(),
        listen: format!("[::]:{API_PORT}"),
        health: format!("[::]:{HEALTH_PORT}"),
        tls: Tls {
            cert: "/etc/mooring/tls/tls.crt",
            key: "/etc/mooring/tls/tls.key",
            client_ca: "/etc/mooring/tls/ca.crt",
        },
        license: "/etc/mooring/license/license.mooring",
        revocations: "/etc/mooring/license/revocations.mooring",
        vendor_keys: spec.vendor_keys.as_ref().map(|_| VENDOR_KEYS_DIR),
        anchor: anchor(Some(&spec.anchor), ANCHOR_FOLDERS[0]),
        standby: anchor(spec.standby.as_ref(), ANCHOR_FOLDERS[1]),
        lease: Lease {
            duration_secs: spec.lease.duration.0.as_secs(),
            grace_secs: spec.lease.grace.0.as_secs(),
            reclaim: spec.lease.reclaim,
        },
        earlier_longest_lease_secs: Some(i.in_force.as_secs()),
        state_dir: "/var/lib/mooring",
        identity_key: "/etc/mooring/identity/key",
        policies: "/etc/mooring/policies.yaml",
        token_review: true,
    }
}

/// A digest of all that only a restart takes in. The longest earlier lease is read at a start and never needs one of its own.
pub fn config_hash(config: &ServerConfig) -> Result<String, serde_yaml::Error> {
    let still = ServerConfig {
        earlier_longest_lease_secs: None,
        ..config.clone()
    };
    let text = serde_yaml::to_string(&still)?;
    let hash = hex::encode(digest(&SHA256, text.as_bytes()).as_ref());
    Ok(hash.chars().take(16).collect())
}
