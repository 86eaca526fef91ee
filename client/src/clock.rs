//! The boot clock: what every limit of a lease is counted on.

use mooring_core::time::{BootTime, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Reads the boot clock (CLOCK_BOOTTIME) of this machine. It runs through a suspend, no
/// administrator moves it, and the sidecar reads the same one, so its stamps can be compared.
pub fn boot() -> BootTime {
    let t = clock_gettime(ClockId::Boottime);
    BootTime::from_millis(t.tv_sec.unsigned_abs() * 1000 + t.tv_nsec.unsigned_abs() / 1_000_000)
}

/// Reads the wall clock: only for what a vendor has dated, and never for a limit.
pub(crate) fn wall() -> Timestamp {
    let t = clock_gettime(ClockId::Realtime);
    let nanos = i32::try_from(t.tv_nsec).unwrap_or_default();
    // A clock beyond the year 9999 reads as the end of all time: everything is over by then.
    Timestamp::new(t.tv_sec, nanos).unwrap_or(Timestamp::MAX)
}
