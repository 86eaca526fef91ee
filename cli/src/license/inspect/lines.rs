//! Lines of names and values, for people.

use mooring_core::license::Envelope;
use std::fmt::Write as _;

/// Lines of a name and a value. The values come from a file that anyone may have written: no
/// control character of it reaches the terminal.
pub(super) struct Lines(pub(super) String);

impl Lines {
    pub(super) fn add(&mut self, name: &str, value: &str) {
        let value: String = value
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        let _ = writeln!(self.0, "{name:<13} {value}");
    }

    pub(super) fn each(&mut self, name: &str, values: impl Iterator<Item = String>) {
        let mut name = name;
        for v in values {
            self.add(name, &v);
            name = "";
        }
    }
}

pub(super) fn signature(envelope: &Envelope, verified: Option<&str>) -> String {
    let named: Vec<&str> = envelope
        .signatures
        .iter()
        .map(|s| s.keyid.0.as_str())
        .collect();
    match verified {
        Some(k) => format!("verified: signed by the vendor's key {k}"),
        None if named.is_empty() => "NOT VERIFIED: nobody signed it".to_owned(),
        None => format!(
            "NOT VERIFIED (give --vendor-key): it names {} {}",
            if named.len() == 1 { "key" } else { "keys" },
            named.join(", ")
        ),
    }
}
