//! Time as data. Durations go over the wire, never a clock's reading (design: protocol, "Time").
//!
//! Two clocks exist. [`BootTime`] is the machine's boot clock (`CLOCK_BOOTTIME`): it runs through a
//! suspend and no administrator moves it, so every limit of a lease is counted on it. The wall clock
//! ([`Timestamp`]) only dates signatures.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

pub use jiff::Timestamp;

/// A reading of one machine's boot clock, in milliseconds since it booted.
///
/// Readings of two machines cannot be compared; differences on one machine can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
        Self(self.0.saturating_add(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for BootTime {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
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
/// The longest lease duration D a server grants.
pub const MAX_LEASE: Duration = Duration::from_secs(300);
/// D where nobody says otherwise.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(30);
/// The grace where neither licence nor LicenseServer says less.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(8 * 3600);
/// How long a `Contested` holder may go on, where the licence says nothing.
pub const DEFAULT_MAX_CONTESTED: Duration = Duration::from_secs(15 * 60);

/// M, the margin by which the server waits longer than the holder: 1 s + D/1000.
pub fn margin(lease: Duration) -> Duration {
    Duration::from_secs(1) + lease / 1000
}

/// Q, how long a new instance settles when the longest lease any earlier instance may have granted is known;
/// with `None` (unknown) the longest there can be.
pub fn settling(longest: Option<Duration>) -> Duration {
    let d = longest.unwrap_or(MAX_LEASE);
    d + margin(d)
}

/// Durations as whole seconds in JSON (rounded down).
pub mod secs {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    /// Writes whole seconds.
    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(d.as_secs())
    }

    /// Reads whole seconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_secs)
    }
}

/// Durations as whole milliseconds in JSON.
pub mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    /// Writes whole milliseconds.
    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads whole milliseconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_a_second_and_a_thousandth() {
        assert_eq!(margin(Duration::from_secs(30)), Duration::from_millis(1030));
        assert_eq!(settling(Some(Duration::from_secs(30))), Duration::from_millis(31_030));
        assert_eq!(settling(None), Duration::from_millis(301_300));
    }
}
