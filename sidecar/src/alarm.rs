//! A timer on the boot clock itself (timerfd_create(2) with CLOCK_BOOTTIME): it goes off on time
//! after a suspend, and an idle sidecar need not look at the clock each second.

use mooring_core::time::BootTime;
use rustix::io::read;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// One timer; who waits last sets it.
#[derive(Debug)]
pub(crate) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// A timer that is not set. Call it inside a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Boottime, flags)?;
        // Deprecated for types that might change the number of their descriptor, which an OwnedFd
        // cannot; what replaces it is unsafe to call.
        #[allow(deprecated)]
        let fd = AsyncFd::new(fd)?;
        Ok(Self(fd))
    }

    /// Waits until the boot clock reads `t`.
    pub(crate) async fn until(&self, t: BootTime) -> io::Result<()> {
        let ms = i64::try_from(t.as_millis()).unwrap_or(i64::MAX);
        // Zero would mean never.
        let value = Timespec {
            tv_sec: ms / 1000,
            tv_nsec: (ms % 1000 * 1_000_000).max(1),
        };
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: value,
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut count = [0; 8];
            // What is readable of an earlier setting is not this one's time.
            if let Ok(n) = ready.try_io(|fd| Ok(read(fd.get_ref(), &mut count)?)) {
                return n.map(drop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use mooring_net::clock::boot;
    use std::time::Duration;

    #[tokio::test(flavor = "current_thread")]
    async fn it_goes_off_at_its_last_setting_and_not_before() {
        let alarm = Alarm::new().unwrap();
        let soon = boot() + Duration::from_millis(30);
        let given_up = tokio::time::timeout(Duration::from_millis(5), alarm.until(soon)).await;
        assert!(given_up.is_err());
        tokio::time::sleep(Duration::from_millis(40)).await;
        let later = boot() + Duration::from_millis(50);
        alarm.until(later).await.unwrap();
        assert!(boot() >= later && boot() < later + Duration::from_secs(1));
        alarm.until(BootTime::from_millis(0)).await.unwrap();
        alarm.until(boot()).await.unwrap();
    }
}
