//! Keeps what must outlive this run, and on Kubernetes its pod: one document
//! ([`Kept`]) in a file of `stateDir`, or in a Secret of the license server's.
//!
//! What must be written before it is done (a login, a standby's delegation) is a
//! [`Keeper::commit`]: it holds once it is written, or not at all. Everything else holds at once
//! and is written as soon as that works ([`Keeper::change`], [`Keeper::flush`]). Where somebody
//! else has written meanwhile, both are merged, and what was to be committed is judged anew.
//!
//! Beside a Secret there is a copy in `stateDir`, for a container that starts again in its pod
//! while the API server is away: what it bars is barred, and a PIN that it knows to be right is
//! one.
//!
//! | file | idea |
//! |---|---|
//! | `document` | what is written |
//! | `place`, `secret` | where it lies |

mod document;
mod place;
mod secret;

pub(crate) use place::{Place, state_file};

use crate::metrics::Metrics;
use document::{Document, NotWritten, Stored};
use mooring_core::kept::Kept;
use mooring_core::names::InstanceId;
use mooring_core::time::BootTime;
use mooring_net::sync::lock;
use mooring_net::{clock, durable};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a conflict is merged and written anew, in one go.
const CONFLICTS: usize = 5;
/// The first and the longest wait before an API server that did not answer is asked again.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Why something was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotCommitted<E> {
    /// What is known forbids it.
    Refused(E),
    /// It cannot be kept, in words that say what to do.
    Unkept(String),
}

pub(crate) struct Keeper {
    /// Held over a write.
    place: tokio::sync::Mutex<Place>,
    /// The copy beside a Secret.
    copy: Option<PathBuf>,
    known: Mutex<Known>,
    run: InstanceId,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Known {
    kept: Kept,
    /// Whether the place was ever read.
    read: bool,
    /// Whether `kept` has what the place may not have.
    unwritten: bool,
    /// How often somebody else's words were merged in.
    merges: u64,
    /// What the copy says.
    copied: Kept,
    trouble: Option<Trouble>,
}

impl Known {
    /// What the place has is known, and it has what is known.
    const fn is_well(&self) -> bool {
        self.read && !self.unwritten
    }
}

struct Trouble {
    words: String,
    back_off: Duration,
    again_at: BootTime,
}

impl Keeper {
    /// Knows nothing but the copy's words before the first [`Keeper::flush`].
    pub(crate) fn new(place: Place, run: InstanceId, metrics: Arc<Metrics>) -> Self {
        Self {
            place: place.into(),
            copy: None,
            known: Mutex::default(),
            run,
            metrics,
        }
    }

    /// With a copy in this file, if it is kept elsewhere. A damaged one is none.
    pub(crate) fn with_copy(mut self, file: PathBuf) -> Self {
        if !self.place.get_mut().is_shared() {
            return self;
        }
        let copy = durable::read_json::<Document>(&file).unwrap_or_else(|e| {
            tracing::warn!(file = %file.display(), error = %e, "the copy of what is kept is damaged");
            None
        });
        let kept = copy.map(|d| d.kept).unwrap_or_default();
        self.known = Mutex::new(Known {
            copied: kept.clone(),
            kept,
            ..Known::default()
        });
        self.copy = Some(file);
        self
    }

    fn write_copy(&self) {
        let Some(file) = &self.copy else { return };
        let mut known = lock(&self.known);
        if known.copied == known.kept {
            return;
        }
        let document = Document {
            written_by: self.run,
            kept: known.kept.clone(),
        };
        if let Err(e) = durable::replace_json(file, &document) {
            tracing::warn!(file = %file.display(), error = %e, "what is kept has no copy here");
        }
        // Told once for each change.
        known.copied = document.kept;
    }

    /// Looks at what is known.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&Kept) -> R) -> R {
        f(&lock(&self.known).kept)
    }

    /// How often somebody else's words were merged in: what was concluded before may not hold.
    pub(crate) fn merges(&self) -> u64 {
        lock(&self.known).merges
    }

    /// What is not kept, or was not read, and what to do; none if all is well.
    pub(crate) fn trouble(&self) -> Option<String> {
        let known = lock(&self.known);
        let trouble = known.trouble.as_ref();
        trouble
            .filter(|_| !known.is_well())
            .map(|t| t.words.clone())
    }

    /// Something happened: it holds at once, and is written by the next [`Keeper::flush`].
    pub(crate) fn change(&self, f: impl FnOnce(&mut Kept)) {
        let mut known = lock(&self.known);
        let before = known.kept.clone();
        f(&mut known.kept);
        known.unwritten |= known.kept != before;
    }

    /// Reads what was not read, and writes what was not written. A failure is told; it is tried
    /// again by the next one, after a while.
    pub(crate) async fn flush(&self) {
        let well = lock(&self.known).is_well();
        if well {
            self.write_copy();
        } else {
            let _ = self.commit(|_| Ok::<(), Infallible>(())).await;
        }
    }

    /// Makes sure that what earlier pods have written is known.
    pub(crate) async fn read(&self) -> Result<(), String> {
        if lock(&self.known).read {
            return Ok(());
        }
        match self.commit(|_| Ok::<(), Infallible>(())).await {
            Ok(()) => Ok(()),
            Err(NotCommitted::Unkept(e)) => Err(e),
            Err(NotCommitted::Refused(never)) => match never {},
        }
    }

    /// Changes what is known and writes it; otherwise nothing has happened. `change` is judged on
    /// what everybody has written, and may be judged several times.
    pub(crate) async fn commit<E>(
        &self,
        change: impl FnMut(&mut Kept) -> Result<(), E>,
    ) -> Result<(), NotCommitted<E>> {
        let done = self.try_commit(change).await;
        self.write_copy();
        done
    }

    async fn try_commit<E>(
        &self,
        mut change: impl FnMut(&mut Kept) -> Result<(), E>,
    ) -> Result<(), NotCommitted<E>> {
        let mut place = self.place.lock().await;
        if let Some(words) = self.backing_off() {
            return Err(NotCommitted::Unkept(words));
        }
        let mut must_read = !lock(&self.known).read;
        for _ in 0..CONFLICTS {
            if must_read {
                let found = place.read().await;
                let found = found.map_err(|e| self.failed(&place, "read", &e))?;
                self.merge(&place, found);
            }
            let (before, unwritten) = {
                let known = lock(&self.known);
                (known.kept.clone(), known.unwritten)
            };
            let mut kept = before.clone();
            change(&mut kept).map_err(NotCommitted::Refused)?;
            if kept == before && !unwritten {
                self.well();
                return Ok(());
            }
            let document = Document {
                written_by: self.run,
                kept,
            };
            match place.write(&document).await {
                Ok(()) => {
                    self.written(document.kept, &before);
                    return Ok(());
                }
                Err(NotWritten::Conflict) => must_read = true,
                Err(NotWritten::Failed(e)) => return Err(self.failed(&place, "written", &e)),
            }
        }
        Err(self.failed(
            &place,
            "written",
            "others write it all the time; is there a second server of this name?",
        ))
    }

    fn backing_off(&self) -> Option<String> {
        let known = lock(&self.known);
        let trouble = known.trouble.as_ref();
        let waits = trouble.filter(|t| clock::boot() < t.again_at);
        waits.map(|t| t.words.clone())
    }

    /// Takes in what was found. What this run wrote itself it knows, and more: what it had begun to
    /// write, and then not done because no answer came, is no word of anybody else's.
    fn merge(&self, place: &Place, found: Stored) {
        let mut known = lock(&self.known);
        known.read = true;
        let theirs = match found {
            Stored::Nothing => {
                known.unwritten |= known.kept != Kept::default();
                return;
            }
            Stored::Document(d) if d.written_by == self.run => {
                known.unwritten |= d.kept != known.kept;
                return;
            }
            Stored::Document(d) => d.kept,
            Stored::Damaged(e) => {
                tracing::error!(place = place.name(), error = %e,
                    "what earlier runs kept is damaged: standby days are counted anew, superseded licenses and the revocation list are forgotten");
                Kept::damaged()
            }
        };
        let merged = std::mem::take(&mut known.kept).merged(theirs.clone());
        known.unwritten |= merged != theirs;
        known.kept = merged;
        known.merges += 1;
    }

    /// `written` lies there; what was changed since `before` does not.
    fn written(&self, written: Kept, before: &Kept) {
        let mut known = lock(&self.known);
        known.unwritten = known.kept != *before;
        let now = std::mem::take(&mut known.kept);
        known.kept = if known.unwritten {
            written.merged(now)
        } else {
            written
        };
        known.trouble = None;
    }

    fn well(&self) {
        lock(&self.known).trouble = None;
    }

    fn failed<E>(&self, place: &Place, what: &str, error: &str) -> NotCommitted<E> {
        let words = format!("{} cannot be {what}: {error}", place.name());
        self.metrics.state_failures.inc();
        let mut known = lock(&self.known);
        let before = known.trouble.take();
        if before.as_ref().map(|t| &t.words) != Some(&words) {
            tracing::error!("what must outlive this server is not kept: {words}");
        }
        let (first, longest) = BACK_OFF;
        let back_off = before.map_or(first, |t| (t.back_off * 2).min(longest));
        // A file costs nothing to try.
        let wait = if place.is_shared() {
            back_off
        } else {
            Duration::ZERO
        };
        known.trouble = Some(Trouble {
            words: words.clone(),
            back_off,
            again_at: clock::boot() + wait,
        });
        NotCommitted::Unkept(words)
    }
}

#[cfg(test)]
mod tests;
