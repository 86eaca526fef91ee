//! Durations as people write them in a manifest: `30s`, `8h`, `1h30m`.
//!
//! The text is kept as a [`Duration`] of whole seconds; what is written back is the shortest
//! spelling.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration of whole seconds, written as hours, minutes and seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: expected a duration of whole hours, minutes and seconds, such as 30s, 8h or 1h30m")]
pub struct BadSpan(String);

/// What the API server checks the text against; [`Span::from_str`] takes the same.
const PATTERN: &str = "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$";

impl FromStr for Span {
    type Err = BadSpan;
    fn from_str(s: &str) -> Result<Self, BadSpan> {
        let bad = || BadSpan(s.chars().take(40).collect());
        let mut rest = s;
        let mut total = 0_u64;
        for (unit, secs) in [('h', 3600), ('m', 60), ('s', 1)] {
            if let Some((number, after)) = rest.split_once(unit) {
                if !(1..=6).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(bad());
                }
                total += number.parse::<u64>().map_err(|_| bad())? * secs;
                rest = after;
            }
        }
        if rest.is_empty() && !s.is_empty() {
            Ok(Self(Duration::from_secs(total)))
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        let parts = [(secs / 3600, 'h'), (secs / 60 % 60, 'm'), (secs % 60, 's')];
        if secs == 0 {
            return f.write_str("0s");
        }
        parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .try_for_each(|(n, unit)| write!(f, "{n}{unit}"))
    }
}

impl TryFrom<String> for Span {
    type Error = BadSpan;
    fn try_from(s: String) -> Result<Self, BadSpan> {
        s.parse()
    }
}

impl From<Span> for String {
    fn from(s: Span) -> String {
        s.to_string()
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 2, "maxLength": 21, "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests;
