//! Time as data. Durations go over the wire, never a clock's reading (docs/protocol.md, "Time").
//!
//! Two clocks exist. [`BootTime`] is the machine's boot clock (`CLOCK_BOOTTIME`): it runs through a
//! suspend and no administrator moves it, so every limit of a lease is counted on it. The wall
//! clock ([`Timestamp`]) only dates signatures.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

pub use jiff::Timestamp;

/// A reading of one machine's boot clock, in milliseconds since it booted.
///
/// Readings of two machines cannot be compared; differences on one machine can.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BootTime(u64);

impl BootTime {
    /// The end of time: later than any reading.
    pub const NEVER: Self = Self(u64::MAX);

    /// A reading from milliseconds since boot.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since boot.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// How long until `later`; zero if it has passed.
    pub fn until(self, later: Self) -> Duration {
        later.since(self)
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(d)))
    }
}

impl Sub<Duration> for BootTime {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(d)))
    }
}

/// Whether something that is there `from` one instant on `to` another is at `at`: the first counts,
/// the second does not, and where there is none it has no such end.
pub(crate) fn is_within(from: Option<Timestamp>, to: Option<Timestamp>, at: Timestamp) -> bool {
    from.is_none_or(|t| t <= at) && to.is_none_or(|t| at < t)
}

/// Its milliseconds, rounded down.
pub(crate) fn whole_millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for BootTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1000, self.0 % 1000)
    }
}

/// Both clocks, read together at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The boot clock: what limits are counted on.
    pub boot: BootTime,
    /// The wall clock: what signatures are dated with.
    pub wall: Timestamp,
}

/// The shortest lease duration D a server grants.
pub const MIN_LEASE: Duration = Duration::from_secs(10);
/// The same under a license for tests, which need not wait for so long.
pub const MIN_TEST_LEASE: Duration = Duration::from_secs(1);
/// The longest lease duration D a server grants.
pub const MAX_LEASE: Duration = Duration::from_secs(300);
/// D where nobody says otherwise.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(30);
/// The grace where neither license nor LicenseServer says less.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(8 * 3600);
/// The longest grace that a license may give; far above any use.
pub const LONGEST_GRACE: Duration = Duration::from_secs(30 * 86_400);
/// How long a `Contested` holder may go on, where the license says nothing.
pub const DEFAULT_MAX_CONTESTED: Duration = Duration::from_secs(15 * 60);

/// The longest handover that a license may allow.
pub const LONGEST_HANDOVER: Duration = Duration::from_secs(15 * 60);

/// M, the margin by which the server waits longer than the holder: 1 s + D/1000.
pub fn margin(lease: Duration) -> Duration {
    Duration::from_secs(1) + lease / 1000
}

/// Q, how long a new instance settles when the longest lease any earlier instance may have granted
/// is known; with `None` (unknown) the longest there can be.
pub fn settling(longest: Option<Duration>) -> Duration {
    let d = longest.unwrap_or(MAX_LEASE);
    d + margin(d)
}

/// Durations as whole seconds in JSON (rounded down).
#[derive(Debug)]
pub struct Secs;

impl Secs {
    pub(crate) fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(d.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        crate::whole::read(d).map(Duration::from_secs)
    }
}

/// Durations as whole milliseconds in JSON.
#[derive(Debug)]
pub struct Millis;

impl Millis {
    pub(crate) fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(whole_millis(*d))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        crate::whole::read(d).map(Duration::from_millis)
    }
}

/// The same, where they may be absent.
pub(crate) mod millis_option {
    use super::{Deserializer, Duration, Serialize as _, Serializer, whole_millis};

    #[allow(clippy::ref_option)] // serde's signature
    pub(crate) fn serialize<S: Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        d.map(whole_millis).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(crate::whole::read_option(d)?.map(Duration::from_millis))
    }
}

/// A duration as people write it: `30s`, `15m`, `8h`, `14d`, or several (`1h30m`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "duration {0:?}: expected whole numbers with the units d, h, m, s, such as \"30s\", \"8h\" or \"1h30m\""
)]
pub struct BadSpan(String);

/// The units, the largest first.
const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];

/// Reads a duration as people write it.
pub fn parse_span(s: &str) -> Result<Duration, BadSpan> {
    let (mut rest, mut total) = (s, Some(0u64));
    // In the units' order and each once, so that "30m1h" is not read as something else than meant.
    for (unit, name) in UNITS {
        if let Some((digits, after)) = rest.split_once(name) {
            let is_number = digits.bytes().all(|b| b.is_ascii_digit());
            let n = digits.parse::<u64>().ok().filter(|_| is_number);
            total = total.and_then(|t| n?.checked_mul(unit)?.checked_add(t));
            rest = after;
        }
    }
    let sane = |t: &u64| !s.is_empty() && rest.is_empty() && *t <= 100 * 366 * 86_400;
    let total = total.filter(sane).map(Duration::from_secs);
    total.ok_or_else(|| BadSpan(s.chars().take(40).collect()))
}

/// Writes a duration as people write it, in whole seconds.
pub fn print_span(d: Duration) -> String {
    use std::fmt::Write as _;
    let mut rest = d.as_secs();
    let mut out = String::new();
    for (unit, name) in UNITS {
        if rest >= unit {
            let _ = write!(out, "{}{name}", rest / unit);
            rest %= unit;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

/// Durations as people write them (`8h`), where they may be absent, in JSON and YAML.
pub(crate) mod span {
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};
    use std::time::Duration;

    #[allow(clippy::ref_option)] // serde's signature
    pub(crate) fn serialize<S: Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        d.map(super::print_span).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Duration>, D::Error> {
        let s = Option::<String>::deserialize(d)?;
        let read = s.map(|s| super::parse_span(&s)).transpose();
        read.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_a_second_and_a_thousandth() {
        assert_eq!(margin(Duration::from_secs(30)), Duration::from_millis(1030));
        assert_eq!(
            settling(Some(Duration::from_secs(30))),
            Duration::from_millis(31_030)
        );
        assert_eq!(settling(None), Duration::from_millis(301_300));
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        let secs = |s| parse_span(s).map(|d| d.as_secs()).ok();
        assert_eq!(secs("30s"), Some(30));
        assert_eq!(secs("1h30m"), Some(5400));
        assert_eq!(secs("14d"), Some(14 * 86_400));
        for bad in [
            "",
            "30",
            "s",
            "30m1h",
            "1h1h",
            "-1s",
            "1.5h",
            "1w",
            "99999999999d",
            "30s ",
        ] {
            assert_eq!(secs(bad), None, "{bad}");
        }
        assert_eq!(print_span(Duration::from_secs(5400)), "1h30m");
        assert_eq!(print_span(Duration::ZERO), "0s");
    }
}
