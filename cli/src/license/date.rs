//! Dates as vendors write them: a day in UTC (`2027-01-01`), or an instant (RFC 3339).

use jiff::civil;
use mooring_core::time::Timestamp;
use std::fmt;

/// What is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?}: expected a day such as 2027-01-01 (UTC), or an instant such as 2027-01-01T12:00:00Z (RFC 3339)"
)]
pub struct BadDate(String);

/// A day, or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Date {
    /// A day in UTC.
    Day(civil::Date),
    /// An instant.
    Instant(Timestamp),
}

impl Date {
    /// Reads a date.
    pub fn parse(s: &str) -> Result<Self, BadDate> {
        let bad = || BadDate(s.chars().take(60).collect());
        // By shape first: jiff alone would read the day out of `2027-01-01T12:00` and drop the
        // time.
        let is_day = s.len() == 10 && s.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if is_day {
            s.parse().map(Self::Day).map_err(|_| bad())
        } else {
            s.parse().map(Self::Instant).map_err(|_| bad())
        }
    }

    /// The instant; of a day its first one.
    pub fn start(self) -> Option<Timestamp> {
        match self {
            Self::Day(d) => Some(d.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()),
            Self::Instant(t) => Some(t),
        }
    }

    /// The instant; of a day its last second.
    pub fn end(self) -> Option<Timestamp> {
        match self {
            Self::Day(d) => Self::Instant(
                d.at(23, 59, 59, 0)
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .ok()?
                    .timestamp(),
            )
            .start(),
            Self::Instant(t) => Some(t),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(d) => d.fmt(f),
            Self::Instant(t) => t.fmt(f),
        }
    }
}

/// For a flag that names an instant.
pub fn start(s: &str) -> Result<Timestamp, BadDate> {
    Date::parse(s)?.start().ok_or_else(|| BadDate(s.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_is_utc_and_an_instant_is_itself() {
        let d = Date::parse("2027-01-01").unwrap();
        assert_eq!(d.start().unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(d.end().unwrap().to_string(), "2027-01-01T23:59:59Z");
        let t = Date::parse("2027-01-01T12:00:00+02:00").unwrap();
        assert_eq!(t.start().unwrap().to_string(), "2027-01-01T10:00:00Z");
        assert_eq!(t.end(), t.start());
    }

    #[test]
    fn anything_else_is_refused_with_what_was_expected() {
        for bad in [
            "",
            "2027",
            "2027-1-1",
            "01.01.2027",
            "2027-02-30",
            "2027-01-01T12:00",
            "tomorrow",
            "2027-13-01",
        ] {
            let e = Date::parse(bad).unwrap_err().to_string();
            assert!(e.contains("2027-01-01T12:00:00Z"), "{bad}: {e}");
        }
    }
}
