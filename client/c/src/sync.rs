//! What the gate's threads meet at: the standard library's, or loom's where the gate's model is
//! run (`--cfg loom`), which tries all orders of its threads.

#[cfg(loom)]
pub(crate) use loom::{
    sync::{Condvar, Mutex, MutexGuard},
    thread::{ThreadId, current},
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread::{ThreadId, current},
};
