//! On which node the anchor is: by labels that people or other tools set, or by the USB device that
//! our own agents see.

use crate::names::{ANCHOR_LABEL_PREFIX, short_hash};
use crate::schema;
use k8s_openapi::api::core::v1::Toleration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// On which node the anchor is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.nodeSelector) != has(self.device)",
    "message": "placement: expected exactly one of nodeSelector (labels of the node) and device (a USB device that the discovery agents look for)"
}]))]
pub struct Placement {
    /// Labels of that node; the server's pod follows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::node_selector")]
    pub node_selector: BTreeMap<String, String>,
    /// The USB device: the discovery agents (`discovery.enabled` in the chart) report where it is
    /// plugged in, the operator labels that node, and the server's pod follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Further taints the server's pod tolerates; unreachable and not-ready it always does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::tolerations")]
    pub tolerations: Vec<Toleration>,
}

impl Placement {
    /// That of a server outside of the cluster.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The labels that the node must carry.
    pub fn labels(&self) -> BTreeMap<String, String> {
        match &self.device {
            Some(d) => BTreeMap::from([(d.label(), PRESENT.to_owned())]),
            None => self.node_selector.clone(),
        }
    }
}

/// The value of a label that says that a device is plugged in.
pub const PRESENT: &str = "present";

/// A USB device, as `lsusb -v` shows it.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The vendor's id, four hex digits in lower case, such as `1050`.
    #[schemars(regex(pattern = "^[0-9a-f]{4}$"))]
    pub vendor_id: String,
    /// The product's id, four hex digits in lower case, such as `0407`.
    #[schemars(regex(pattern = "^[0-9a-f]{4}$"))]
    pub product_id: String,
    /// The serial, where the device has one. Without it any device with these ids is taken for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 126))]
    pub serial: Option<String>,
}

impl Device {
    /// The label of the node it is plugged into:
    /// `anchor.mooring.node-restriction.kubernetes.io/1050-0407`, or with a digest of the serial,
    /// which may hold characters that a label may not.
    pub fn label(&self) -> String {
        let (vendor, product) = (&self.vendor_id, &self.product_id);
        let ids = format!("{ANCHOR_LABEL_PREFIX}{vendor}-{product}");
        match &self.serial {
            None => ids,
            Some(serial) => format!("{ids}-{}", short_hash(serial, 10)),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.vendor_id, self.product_id)?;
        match &self.serial {
            Some(serial) => write!(f, " serial {serial}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
