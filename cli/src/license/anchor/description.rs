//! The description of an anchor: what the file says, its reading and writing.

use crate::license::file;
use crate::output::{self, Data};
use anyhow::Context as _;
use mooring_core::license::{AnchorKey, AnchorKind, HwidItems, PublicKey, Standby, UsbDevice};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// An anchor, as its description names it: an [`AnchorKey`], and what the vendor alone needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Description {
    pub kind: AnchorKind,
    pub key: PublicKey,
    #[serde(default)]
    pub software: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usb: Option<UsbDevice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hwid: Option<HwidItems>,
    /// Set by the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Standby>,
    /// Certificates (PEM) in which the device says that the key was made in it: the key's own, the
    /// device's, and those above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestation: Vec<String>,
}

impl Description {
    /// Of an anchor whose key is software, if nothing else is said.
    pub(super) fn of(kind: AnchorKind, key: PublicKey) -> Self {
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
        let path = path.display();
        format!("{path}: no anchor description; expected what `mooring license anchor` printed")
    })
}

/// How a description is written, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct Destination {
    /// The form of the description
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Data,
    /// Write it to a file instead of standard output; never overwritten
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Destination {
    /// Looked at before a key is made.
    pub(super) fn must_be_new(&self) -> anyhow::Result<()> {
        let new = self.out.as_deref().map_or(Ok(()), file::must_be_new);
        new.context("--out")
    }

    /// Writes a description with the reasons for what it says: as comments in YAML; JSON has none.
    pub(super) fn print(&self, d: &Description, notes: &[String]) -> anyhow::Result<()> {
        let mut text = String::new();
        if self.output == Data::Yaml {
            for n in notes {
                let _ = writeln!(text, "# {}", one_line(n));
            }
        }
        text.push_str(&self.output.render(d)?);
        let Some(path) = &self.out else {
            return Ok(output::print(&text)?);
        };
        file::create(path, &text, 0o644).context("--out")?;
        let (id, kind, path) = (d.key.id(), d.kind, path.display());
        eprintln!("Anchor {id} ({kind}) described in {path}; send it to the vendor");
        Ok(())
    }
}

/// A token's own words must not end the comment they stand in.
fn one_line(s: &str) -> String {
    s.replace(char::is_control, " ")
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
