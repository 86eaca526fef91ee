//! The anchor of a LicenseServer: a token, a USB device, or the machine itself, and how it comes
//! into the pod.

use crate::schema;
use k8s_openapi::api::core::v1::ResourceRequirements;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The hardware anchor: exactly one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.pkcs11), has(self.usb), has(self.hwid)].filter(x, x).size() == 1",
    "message": "anchor: expected exactly one of pkcs11 (a dongle, a TPM or SoftHSM through its PKCS#11 module), usb (a USB device by its ids and serial) and hwid (the machine itself)"
}]))]
pub struct Anchor {
    /// A token that a PKCS#11 module reaches: a smart card or USB token, a TPM, SoftHSM in trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkcs11: Option<Pkcs11>,
    /// A USB device that is there, by its vendor id, product id and serial in the license, with a
    /// key in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usb: Option<Usb>,
    /// The machine itself, by hashes in the license, with a key in a Secret. The weak tier: whoever
    /// can clone the machine can clone it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hwid: Option<Hwid>,
}

/// A kind of anchor, in the words of the license file and of the server's configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnchorKind<'a> {
    Pkcs11(&'a Pkcs11),
    Usb(&'a Usb),
    Hwid(&'a Hwid),
}

impl Anchor {
    /// That of a server outside of the cluster: it is that server's business.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Its kind, if there is exactly one.
    pub fn kind(&self) -> Option<AnchorKind<'_>> {
        match (&self.pkcs11, &self.usb, &self.hwid) {
            (Some(p), None, None) => Some(AnchorKind::Pkcs11(p)),
            (None, Some(u), None) => Some(AnchorKind::Usb(u)),
            (None, None, Some(h)) => Some(AnchorKind::Hwid(h)),
            _ => None,
        }
    }
}

impl From<Pkcs11> for Anchor {
    fn from(pkcs11: Pkcs11) -> Self {
        Self {
            pkcs11: Some(pkcs11),
            ..Self::default()
        }
    }
}

impl From<Usb> for Anchor {
    fn from(usb: Usb) -> Self {
        Self {
            usb: Some(usb),
            ..Self::default()
        }
    }
}

impl From<Hwid> for Anchor {
    fn from(hwid: Hwid) -> Self {
        Self {
            hwid: Some(hwid),
            ..Self::default()
        }
    }
}

impl<'a> AnchorKind<'a> {
    /// Its PIN or key: the field below the anchor's, the Secret, and the key in it.
    pub fn secret(&self) -> (&'static str, &'a str, &'a str) {
        match self {
            Self::Pkcs11(p) => ("pkcs11.pinSecret", &p.pin_secret.name, &p.pin_secret.key),
            Self::Usb(u) => ("usb.keySecret", &u.key_secret.name, &u.key_secret.key),
            Self::Hwid(h) => ("hwid.keySecret", &h.key_secret.name, &h.key_secret.key),
        }
    }
}

/// A token that a PKCS#11 module reaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pkcs11 {
    /// The module's path in the server's image, such as `/usr/lib/softhsm/libsofthsm2.so`.
    #[schemars(length(max = 4096), regex(pattern = "^/.+"))]
    pub module: String,
    /// The token's label, as `pkcs11-tool --list-token-slots` shows it.
    #[schemars(length(min = 1, max = 32))]
    pub token_label: String,
    /// The user PIN. A login that failed is not tried again until this Secret changes: a retry
    /// could lock the token.
    pub pin_secret: PinRef,
    /// The dongle as a resource that a device plugin of the node offers, such as
    /// `vendor.example/dongle`. One of it goes to the container that needs the device: pcscd's
    /// where there is one, the server's otherwise. Nothing is privileged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 253),
        regex(
            pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
        )
    )]
    pub device_resource: Option<String>,
    /// Runs pcscd in the same pod, for modules that reach smart cards through it (OpenSC's and most
    /// vendors'). Without it such a module needs the node's pcscd, by its socket in
    /// `template.hostPaths`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcscd: Option<Pcscd>,
}

/// pcscd in the server's pod: a container of its own, which starts before the server's and shares
/// `/run/pcscd` with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pcscd {
    /// Its image; without it the one the operator was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::resources")]
    pub resources: Option<ResourceRequirements>,
    /// The user it runs as; the server's without it. 0 where the node's device file is root's
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
}

/// A USB device that is there. Which one, the license says. An ordinary container sees the node's
/// devices in `/sys`: nothing is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usb {
    /// The key that `mooring license anchor usb` made.
    pub key_secret: KeyRef,
}

/// The machine itself. Which one, the license says. The server runs as root without any capability
/// and reads `/etc/machine-id` and parts of `/sys` of the node: the namespace must allow host paths
/// and root (the Pod Security level `privileged`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hwid {
    /// The key that `mooring license anchor hwid` made.
    pub key_secret: KeyRef,
}

/// Where a software key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// A Secret in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[serde(default = "anchor_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn anchor_key() -> String {
    "anchor.key".to_owned()
}

/// Where the PIN is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinRef {
    /// A Secret in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[serde(default = "pin_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn pin_key() -> String {
    "pin".to_owned()
}
