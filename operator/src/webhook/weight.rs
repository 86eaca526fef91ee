//! How much memory an admission review takes while it is judged, told before it is read: JSON of
//! two bytes (`{}`) may become an object of kilobytes. And how much of it there is.
//!
//! What is counted was measured, and a test measures it again: a review never takes more than its
//! weight.

use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A typed object and its two forms as JSON: a container is the largest.
const OBJECT: usize = 3500;
/// A field of an object, in each form: its node, its name.
const FIELD: usize = 600;
/// An item of a list, in each form, with the room that a list keeps to grow.
const ITEM: usize = 400;
/// A byte of a text, in each form: the body, the review, the pod, the answer and its patch.
const BYTE: usize = 12;

/// The bytes that a review of this body takes at most. It need not be JSON.
pub fn weigh(body: &[u8]) -> usize {
    let (mut within, mut escaped) = (false, false);
    let structure = body.iter().map(|byte| match (within, byte) {
        (true, _) if escaped => {
            escaped = false;
            0
        }
        (true, b'\\') => {
            escaped = true;
            0
        }
        (_, b'"') => {
            within = !within;
            0
        }
        (true, _) => 0,
        (false, b'{') => OBJECT,
        (false, b':') => FIELD,
        (false, b'[' | b',') => ITEM,
        (false, _) => 0,
    });
    structure.sum::<usize>() + body.len() * BYTE
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// What all reviews may take at once, of each kind: those that weigh less than [`SMALL`], as the
/// pods do that people make, and the others, so that none waits behind a stranger's large ones.
const ALL: usize = 48 * MIB;
const SMALL: usize = 4 * MIB;

/// Why a review is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Whatever ends: it would need more than there is.
    #[error("it would take {} MiB of memory to read; expected at most {}", weight / MIB, ALL / MIB)]
    TooLarge {
        /// Its weight, in bytes.
        weight: usize,
    },
    /// Others have it all now.
    #[error("too many reviews at once")]
    Crowded,
}

/// The memory that reviews take while they are judged.
#[derive(Debug)]
pub struct Rooms {
    small: Semaphore,
    large: Semaphore,
}

impl Default for Rooms {
    fn default() -> Self {
        let room = || Semaphore::new(ALL / KIB);
        Self {
            small: room(),
            large: room(),
        }
    }
}

impl Rooms {
    /// Takes room for a review of this weight, first come first served, or gives up after `patience`.
    pub async fn take(
        &self,
        weight: usize,
        patience: Duration,
    ) -> Result<SemaphorePermit<'_>, NoRoom> {
        if weight > ALL {
            return Err(NoRoom::TooLarge { weight });
        }
        let room = if weight < SMALL {
            &self.small
        } else {
            &self.large
        };
        let amount = u32::try_from(weight.div_ceil(KIB)).unwrap_or(u32::MAX);
        let taken = tokio::time::timeout(patience, room.acquire_many(amount)).await;
        taken.ok().and_then(Result::ok).ok_or(NoRoom::Crowded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_ones_wait_for_each_other_and_small_ones_for_none_of_them() {
        let (rooms, patience) = (Rooms::default(), Duration::from_millis(50));
        let weight = ALL + 1;
        let refused = rooms.take(weight, patience).await.unwrap_err();
        assert_eq!(refused, NoRoom::TooLarge { weight });
        let first = rooms.take(ALL, patience).await.unwrap();
        let second = rooms.take(SMALL, patience).await;
        assert_eq!(second.unwrap_err(), NoRoom::Crowded);
        let small = rooms.take(SMALL - 1, patience).await;
        assert!(small.is_ok());
        drop(first);
        assert!(rooms.take(ALL, patience).await.is_ok());
    }

    #[test]
    fn structure_counts_and_texts_are_texts() {
        let plain = |text: &str| weigh(text.as_bytes()) - text.len() * BYTE;
        assert_eq!(plain(r#"{"a":[1,2]}"#), OBJECT + FIELD + 2 * ITEM);
        assert_eq!(plain(r#""{[,:{""#), 0);
        assert_eq!(plain(r#""\"{[,:{""#), 0);
        assert_eq!(plain(r#""\\"{"#), OBJECT);
        assert_eq!(plain(r#""never closed {{{"#), 0);
    }
}
