//! The boot clock: what every limit of a lease is counted on. The wall clock, which what others
//! have dated is held against.

use mooring_core::license::{AppClock, FirstProof};
use mooring_core::time::{BootTime, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Reads the boot clock (CLOCK_BOOTTIME) of this machine. It runs through a suspend, no
/// administrator moves it, and the sidecar reads the same one, so its stamps can be compared.
pub fn boot() -> BootTime {
    let t = clock_gettime(ClockId::Boottime);
    BootTime::from_millis(t.tv_sec.unsigned_abs() * 1000 + t.tv_nsec.unsigned_abs() / 1_000_000)
}

/// Reads the wall clock: only for what a vendor or a license server has dated, and never for a
/// limit.
pub(crate) fn wall() -> Timestamp {
    let t = clock_gettime(ClockId::Realtime);
    let nanos = i32::try_from(t.tv_nsec).unwrap_or_default();
    // A clock beyond the year 9999 reads as the end of all time: everything is over by then.
    Timestamp::new(t.tv_sec, nanos).unwrap_or(Timestamp::MAX)
}

/// The first fresh proof of this process: its date, in milliseconds since 1970, and the boot clock
/// then. One for all seats, so that an application that takes one after another is no way round;
/// and no lock, which a fork could leave held for ever.
static FIRST: (AtomicI64, AtomicU64) = (AtomicI64::new(NONE), AtomicU64::new(0));
const NONE: i64 = i64::MIN;

/// This machine's clocks, as a token's date is judged by them.
pub(crate) fn app_clock() -> AppClock {
    let issued_at = Some(FIRST.0.load(Ordering::Acquire)).filter(|ms| *ms != NONE);
    let issued_at = issued_at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let first = issued_at.map(|issued_at| FirstProof {
        issued_at,
        ago: BootTime::from_millis(FIRST.1.load(Ordering::Relaxed)).until(boot()),
    });
    AppClock { now: wall(), first }
}

/// A fresh proof of this date was accepted.
pub(crate) fn proved(issued_at: Timestamp) {
    let (date, at) = (&FIRST.0, &FIRST.1);
    let now = boot().as_millis().max(1);
    if at
        .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed)
        .is_ok()
    {
        date.store(issued_at.as_millisecond(), Ordering::Release);
    }
}
