//! How much memory an admission review takes while it is judged, told before it is read: JSON of
//! two bytes (`{}`) may become an object of kilobytes. And how much of it there is.
//!
//! What is counted was measured, and a test measures it again: a review never takes more than its
//! weight.

use crate::inject::MAX_CONTAINERS;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What any takes: our containers, their patch, the answer around them.
const OURS: usize = 256 * KIB;
/// An object: as JSON, as a typed one, with the room that a list of them keeps to grow.
const OBJECT: usize = 2000;
/// The same in one of these lists, whose objects are the largest that a pod has.
const LARGE: usize = 9000;
const LISTS_OF_LARGE: [&[u8]; 4] = [
    b"containers",
    b"initContainers",
    b"ephemeralContainers",
    b"volumes",
];
/// What is added to a container, and the patch that says so. Of more than [`MAX_CONTAINERS`] none
/// is changed.
const PATCHED: usize = 6500;
/// A field of an object, in each form: its node, its name.
const FIELD: usize = 600;
/// An item of a list, in each form.
const ITEM: usize = 400;
/// A byte of a text, in each form: the body, the review, the pod, the answer and its patch.
const BYTE: usize = 12;

/// The bytes that a review of this body takes at most. It need not be JSON.
pub fn weigh(body: &[u8]) -> usize {
    let mut weight = OURS + body.len() * BYTE;
    let mut large = 0;
    // Of each object and list that is open, whether its items are large ones.
    let mut open = Vec::new();
    // The text that was read last, and whether a field by that name is about to come.
    let (mut text, mut named) = (0..0, false);
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => {
                text = at + 1..end_of_text(body, at + 1);
                at = text.end;
                named = false;
            }
            b':' => {
                weight += FIELD;
                named = true;
            }
            b'[' => {
                weight += ITEM;
                open.push(named && holds_large(body.get(text.clone()).unwrap_or_default()));
                named = false;
            }
            b'{' => {
                let is_large = open.last() == Some(&true);
                large += usize::from(is_large);
                weight += if is_large { LARGE } else { OBJECT };
                open.push(false);
                named = false;
            }
            b']' | b'}' => {
                open.pop();
            }
            b',' => weight += ITEM,
            _ => {}
        }
        at += 1;
    }
    weight + large.min(MAX_CONTAINERS) * PATCHED
}

/// Where a text that begins here has its closing quote.
fn end_of_text(body: &[u8], begin: usize) -> usize {
    let mut at = begin;
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    body.len()
}

/// A name that is written with escapes may be any.
fn holds_large(name: &[u8]) -> bool {
    LISTS_OF_LARGE.contains(&name) || name.contains(&b'\\')
}

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
    /// Takes room for a review of this weight, first come first served, or gives up after
    /// `patience`.
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
    #![allow(clippy::unwrap_used)]
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
        let plain = |text: &str| weigh(text.as_bytes()) - OURS - text.len() * BYTE;
        assert_eq!(plain(r#"{"a":[1,2]}"#), OBJECT + FIELD + 2 * ITEM);
        assert_eq!(plain(r#""{[,:{""#), 0);
        assert_eq!(plain(r#""\"{[,:{""#), 0);
        assert_eq!(plain(r#""\\"{"#), OBJECT);
        assert_eq!(plain(r#""never closed {{{\"#), 0);
    }

    #[test]
    fn containers_and_volumes_weigh_most_however_their_list_is_written() {
        let more = |text: &str, than: &str| weigh(text.as_bytes()) - weigh(than.as_bytes());
        let other = r#"{"xontainers":[{},{"a":{}}]}"#;
        let each = LARGE + PATCHED - OBJECT;
        assert_eq!(more(r#"{"containers":[{},{"a":{}}]}"#, other), 2 * each);
        assert_eq!(
            more(r#"{"containers" : [{},{"a":{}}]}"#, other),
            2 * each + 2 * BYTE
        );
        let escaped = r#"{"\u0063ontainers":[{},{"a":{}}]}"#;
        assert_eq!(more(escaped, other), 2 * each + 5 * BYTE);
        let far = r#"{"containers":["x",[{}]]}"#;
        assert_eq!(more(far, r#"{"xontainers":["x",[{}]]}"#), 0);
    }
}
