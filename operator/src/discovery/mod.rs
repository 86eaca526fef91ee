//! Which nodes hold a license's dongle: small agents report what is plugged in, the operator labels
//! the nodes.
//!
//! It promises: an agent needs no rights and speaks for its own node alone; one that falls silent
//! changes nothing, since a server that works is not given up because a process beside it died. A
//! label goes when its node says that the device is gone, or when another node says that it has it.

pub mod agent;
pub mod authenticate;
pub mod label;
pub mod plan;
pub mod receiver;
pub mod roots;
pub mod sightings;

use mooring_api::Device;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where reports are posted, at the webhook's port.
pub const PATH: &str = "/v1/devices";
/// The headless Service by which agents find every replica; the name in the certificate.
pub const SERVICE: &str = "mooring-discovery";
/// The agents' service account, in the operator's namespace.
pub const ACCOUNT: &str = "mooring-discovery";
/// Whom the agents' tokens are for.
pub const AUDIENCE: &str = "mooring.dev/discovery";
/// How old a report may be before its node counts as silent.
pub const SILENT: Duration = Duration::from_secs(60);

/// What an agent posts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// All USB devices of the node.
    pub devices: Vec<Device>,
}

/// More devices than a machine has.
const MAX_DEVICES: usize = 512;
/// USB's own bound is 126 characters.
const MAX_SERIAL: usize = 512;

impl Report {
    /// Why it is not taken in.
    pub fn check(&self) -> Result<(), String> {
        if self.devices.len() > MAX_DEVICES {
            let n = self.devices.len();
            return Err(format!("devices: {n}, expected at most {MAX_DEVICES}"));
        }
        let is_id = |s: &str| {
            s.len() == 4
                && s.bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        for d in &self.devices {
            let serial = d.serial.as_deref().unwrap_or("x");
            if !is_id(&d.vendor_id) || !is_id(&d.product_id) {
                let ids: String = format!("{}:{}", d.vendor_id, d.product_id);
                let ids: String = ids.chars().take(40).collect();
                return Err(format!(
                    "devices: {ids:?}, expected vendorId and productId of four hex digits in lower case"
                ));
            }
            if serial.is_empty() || serial.len() > MAX_SERIAL {
                return Err(format!(
                    "devices: a serial of {} bytes, expected 1 to {MAX_SERIAL}, or none",
                    serial.len()
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_report_is_bounded_and_each_refusal_says_what_was_expected() {
        let read = |text: &str| {
            let report: Report = serde_json::from_str(text).map_err(|e| e.to_string())?;
            report.check()
        };
        assert_eq!(read(r#"{"devices":[]}"#), Ok(()));
        let good = r#"{"devices":[{"vendorId":"1050","productId":"0407","serial":"1"},{"vendorId":"1d6b","productId":"0002"}]}"#;
        assert_eq!(read(good), Ok(()));
        for (text, why) in [
            (r#"{"devices":[],"node":"other"}"#, "unknown field `node`"),
            (r#"{"devices":[{"vendorId":"1050"}]}"#, "productId"),
            (
                r#"{"devices":[{"vendorId":"105G","productId":"0407"}]}"#,
                "four hex digits",
            ),
            (
                r#"{"devices":[{"vendorId":"1050","productId":"407"}]}"#,
                "four hex digits",
            ),
            (
                r#"{"devices":[{"vendorId":"1050","productId":"0407","serial":""}]}"#,
                "serial",
            ),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.contains(why), "{text}: {e}");
        }
        let one = r#"{"vendorId":"1050","productId":"0407"}"#;
        let many = format!(r#"{{"devices":[{}]}}"#, vec![one; 513].join(","));
        assert!(read(&many).unwrap_err().contains("at most 512"));
    }
}
