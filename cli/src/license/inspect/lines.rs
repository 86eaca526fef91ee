//! Lines of names and values, for people.

use crate::output::list;
use mooring_core::license::{Envelope, KeyId};
use std::fmt::{Display, Write as _};

/// Lines of a name and a value. The values come from a file that anyone may have written: no
/// control character of it reaches the terminal.
#[derive(Default)]
pub(super) struct Lines(pub(super) String);

impl Lines {
    pub(super) fn add(&mut self, name: &str, value: impl Display) {
        let value = value.to_string().replace(char::is_control, "\u{fffd}");
        let _ = writeln!(self.0, "{name:<13} {value}");
    }

    /// A line for each, the first of them named.
    pub(super) fn each<T>(&mut self, name: &str, values: &[T], words: impl Fn(&T) -> String) {
        for (i, v) in values.iter().enumerate() {
            self.add(if i == 0 { name } else { "" }, words(v));
        }
    }
}

pub(super) fn signature(envelope: &Envelope, verified: Option<&KeyId>) -> String {
    let named = &envelope.signatures;
    match verified {
        Some(k) => format!("verified: signed by the vendor's key {k}"),
        None if named.is_empty() => "NOT VERIFIED: nobody signed it".to_owned(),
        None => {
            let keys = if named.len() == 1 { "key" } else { "keys" };
            let names = list(named.iter().map(|s| &s.keyid));
            format!("NOT VERIFIED (give --vendor-key): it names {keys} {names}")
        }
    }
}
