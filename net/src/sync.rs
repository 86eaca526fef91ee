//! What threads share. A lock is taken also after a panic of its holder: what it guards is whole
//! between two statements, and going on serves more than ending.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is replaced as a whole while others read it.
#[derive(Debug)]
pub struct Current<T: ?Sized>(RwLock<Arc<T>>);

impl<T: ?Sized> Current<T> {
    pub fn new(first: impl Into<Arc<T>>) -> Self {
        Self(RwLock::new(first.into()))
    }

    pub fn get(&self) -> Arc<T> {
        let now = self.0.read().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    pub fn set(&self, next: impl Into<Arc<T>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next.into();
    }
}
