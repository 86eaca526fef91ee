//! A forked child has copies of its parent's memory and connections. For a seat both are wrong: the
//! child would go on as if licensed, with nobody to tell it otherwise; and a connection that gives
//! the seat back when its process dies would stay open as long as a child lives.
//!
//! Only a handler that runs in the child can see the first without a system call at each look, and
//! mend the second (POSIX `pthread_atfork`); registering it is `unsafe` in Rust, which is why this
//! crate is apart. It is all the global state there is: a counter of forks, and the numbers of at
//! most 64 open connections.
//!
//! Not seen: a child made by the bare system call `clone`, which runs no handlers.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// As many connections as a sidecar takes from a pod.
const SLOTS: usize = 64;
const FREE: i32 = -1;

/// Forks between the process that started and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// Descriptors that a child must not keep.
static GUARDED: [AtomicI32; SLOTS] = [const { AtomicI32::new(FREE) }; SLOTS];
/// What a child gets in their place: reads nothing, writes nowhere. `None` if there are no
/// handlers.
static HARMLESS: OnceLock<Option<File>> = OnceLock::new();

/// Runs in the child, right after the fork, where only what POSIX calls async-signal-safe may be
/// done.
extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    let Some(Some(harmless)) = HARMLESS.get() else {
        return;
    };
    for slot in &GUARDED {
        let fd = slot.load(Ordering::Relaxed);
        if fd != FREE {
            // SAFETY: both descriptors are open: the one is in a static, the other is guarded as
            // long as its owner has it. The number stays open, so whoever owns it in the child
            // still owns a descriptor of its own.
            unsafe { libc::dup3(harmless.as_raw_fd(), fd, libc::O_CLOEXEC) };
        }
    }
}

fn registered() -> bool {
    let begun = HARMLESS.get_or_init(|| {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .ok()?;
        // SAFETY: the handler is a function of this crate, and lives as long as the process.
        let done = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        (done == 0).then_some(file)
    });
    begun.is_some()
}

/// The process in which something was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    forks: u32,
    /// Where no handler could be registered: the process id, which costs a system call at each
    /// look.
    pid: Option<u32>,
}

impl Origin {
    /// This process.
    pub fn here() -> Self {
        let pid = (!registered()).then(std::process::id);
        Self {
            forks: FORKS.load(Ordering::Relaxed),
            pid,
        }
    }

    /// Whether this is another process: a child that was forked since.
    pub fn is_elsewhere(self) -> bool {
        let moved = self.pid.is_some_and(|p| p != std::process::id());
        moved || FORKS.load(Ordering::Relaxed) != self.forks
    }
}

/// Keeps a descriptor from children: in a forked one its number leads to `/dev/null`. Drop it
/// before the descriptor is closed.
#[derive(Debug)]
pub struct Guard(Option<(usize, RawFd)>);

impl Guard {
    /// Guards `fd`. With 64 guarded already, or without handlers, it does nothing.
    pub fn new(fd: impl AsFd) -> Self {
        let fd = fd.as_fd().as_raw_fd();
        if !registered() {
            return Self(None);
        }
        let taken = |s: &AtomicI32| {
            s.compare_exchange(FREE, fd, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        Self(GUARDED.iter().position(taken).map(|at| (at, fd)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(slot) = self.0.and_then(|(at, _)| GUARDED.get(at)) {
            slot.store(FREE, Ordering::Relaxed);
        }
    }
}
