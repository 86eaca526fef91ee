//! The description of an anchor: what the file says, its reading and writing.

use crate::license::file;
use crate::output::{self, Data};
use anyhow::Context as _;
use mooring_core::license::{AnchorKey, AnchorKind, HwidItems, PublicKey, Standby, UsbDevice};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;

/// An anchor, as its description names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Description {
    /// Its kind.
    pub kind: AnchorKind,
    /// Its public key.
    pub key: PublicKey,
    /// The key can leave the token.
    #[serde(default)]
    pub software: bool,
    /// Words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Of `usb`: the device that must be plugged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usb: Option<UsbDevice>,
    /// Of `hwid`: what the machine is known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hwid: Option<HwidItems>,
    /// Set by the vendor if it may serve only when the first cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Standby>,
    /// Certificates (PEM) in which the device says that the key was made in it: the key's own, the
    /// device's, and those above. For the vendor; not part of the license.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestation: Vec<String>,
}

impl Description {
    /// Of an anchor whose key is software.
    pub(super) fn software(kind: AnchorKind, key: PublicKey) -> Self {
        Self {
            kind,
            key,
            software: true,
            label: None,
            usb: None,
            hwid: None,
            standby: None,
            attestation: Vec::new(),
        }
    }
}

impl From<Description> for AnchorKey {
    fn from(d: Description) -> Self {
        Self {
            kind: d.kind,
            key: d.key,
            software: d.software,
            label: d.label,
            usb: d.usb,
            hwid: d.hwid,
            standby: d.standby,
        }
    }
}

/// Reads a description's file (YAML or JSON).
pub fn read(path: &Path) -> anyhow::Result<Description> {
    let text = file::read_public(path)?;
    serde_yaml::from_str(&text).with_context(|| {
        format!(
            "{}: no anchor description; expected what `mooring license anchor` printed",
            path.display()
        )
    })
}

/// Writes a description with the reasons for what it says: as comments in YAML; JSON has none.
pub(super) fn print(
    d: &Description,
    notes: &[String],
    form: Data,
    out: Option<&Path>,
) -> anyhow::Result<()> {
    let mut text = String::new();
    if form == Data::Yaml {
        for n in notes {
            let _ = writeln!(text, "# {}", one_line(n));
        }
    }
    text.push_str(&form.render(d)?);
    match out {
        Some(path) => {
            file::create(path, &text, 0o644).context("--out")?;
            eprintln!(
                "Anchor {} ({}) described in {}; send it to the vendor",
                d.key.id(),
                d.kind,
                path.display()
            );
        }
        None => output::print(&text)?,
    }
    Ok(())
}

/// A token's own words must not end the comment they stand in.
fn one_line(s: &str) -> String {
    s.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_description_is_yaml_or_json_and_nothing_else() {
        let key = format!("p256:04{}", "ab".repeat(64));
        let yaml = format!("kind: pkcs11\nkey: \"{key}\"\nsoftware: true\n");
        let d: Description = serde_yaml::from_str(&yaml).unwrap();
        assert!(d.software);
        let json = Data::Json.render(&d).unwrap();
        assert_eq!(serde_yaml::from_str::<Description>(&json).unwrap(), d);
        let e = serde_yaml::from_str::<Description>(&format!("{yaml}soft: true\n"))
            .unwrap_err()
            .to_string();
        assert!(e.contains("soft"), "{e}");
    }
}
