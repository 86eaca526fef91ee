//! Dates as vendors write them: a day in UTC (`2027-01-01`), or an instant (RFC 3339).

use jiff::civil;
use jiff::tz::TimeZone;
use mooring_core::time::Timestamp;

/// What is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?}: expected a day such as 2027-01-01 (UTC), or an instant such as 2027-01-01T12:00:00Z (RFC 3339)"
)]
pub struct BadDate(String);

/// Reads a date: an instant, or of a day in UTC its first second or its `end`, the last. `None` is
/// beyond the end of time.
pub fn parse(s: &str, end: bool) -> Result<Option<Timestamp>, BadDate> {
    let bad = || BadDate(s.chars().take(60).collect());
    // By shape first: jiff alone would read the day out of `2027-01-01T12:00` and drop the time.
    if s.len() != 10 || !s.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return s.parse().map(Some).map_err(|_| bad());
    }
    let day: civil::Date = s.parse().map_err(|_| bad())?;
    let at = if end {
        day.at(23, 59, 59, 0)
    } else {
        day.at(0, 0, 0, 0)
    };
    Ok(TimeZone::UTC.to_timestamp(at).ok())
}

/// For a flag that names an instant.
pub fn start(s: &str) -> Result<Timestamp, BadDate> {
    parse(s, false)?.ok_or_else(|| BadDate(s.to_owned()))
}

/// Nobody reads more than whole seconds, and every client can read those.
pub fn whole_seconds(t: Timestamp) -> Timestamp {
    Timestamp::from_second(t.as_second()).unwrap_or(t)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_is_utc_and_an_instant_is_itself() {
        let read = |s, end| parse(s, end).unwrap().unwrap().to_string();
        assert_eq!(read("2027-01-01", false), "2027-01-01T00:00:00Z");
        assert_eq!(read("2027-01-01", true), "2027-01-01T23:59:59Z");
        for end in [false, true] {
            assert_eq!(
                read("2027-01-01T12:00:00+02:00", end),
                "2027-01-01T10:00:00Z"
            );
        }
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
            let e = parse(bad, false).unwrap_err().to_string();
            assert!(e.contains("2027-01-01T12:00:00Z"), "{bad}: {e}");
        }
    }
}
