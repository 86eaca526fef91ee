//! The two clocks, read at the edge and handed to the core as data.

use mooring_core::names::BootId;
use mooring_core::time::{BootTime, Now, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The boot clock (CLOCK_BOOTTIME): runs through a suspend, unmoved by the wall clock.
/// `std::time::Instant` is CLOCK_MONOTONIC, which stands still in a suspend.
pub fn boot() -> BootTime {
    let t = clock_gettime(ClockId::Boottime);
    BootTime::from_millis(t.tv_sec.unsigned_abs() * 1000 + t.tv_nsec.unsigned_abs() / 1_000_000)
}

pub fn now() -> Now {
    Now {
        boot: boot(),
        wall: Timestamp::now(),
    }
}

/// Sleeps until the boot clock reads `t`. Tokio's timers stand still in a suspend, so the rest is
/// looked at anew at least each second.
pub async fn sleep_until(t: BootTime) {
    loop {
        let left = boot().until(t);
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(Duration::from_secs(1))).await;
    }
}

/// This boot's name: the kernel's boot id, hashed, so that it means nothing elsewhere.
/// [`BootId::UNKNOWN`] if it cannot be read.
pub fn boot_id() -> BootId {
    let Ok(id) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else {
        return BootId::UNKNOWN;
    };
    let text = format!("mooring boot {}", id.trim());
    let d = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let first = d.as_ref().first_chunk().copied();
    BootId::from_bytes(first.unwrap_or_default())
}
