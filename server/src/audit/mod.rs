//! The audit log of this server: files in `stateDir/audit`, and the same lines in the process' own
//! log under the target `audit`. What is recorded is `core`'s to say
//! ([`Trail`](mooring_core::audit::Trail)).
//!
//! Writing holds nobody up: a step hands its records to a queue, and a thread writes them. Those
//! that the queue or the folder does not take are counted, told, and named in the log itself.
//!
//! | file | idea |
//! |---|---|
//! | `folder` | the files: going on after a crash, the next one, which are deleted |
//! | `writer` | what cannot be written is counted, and said once |

mod folder;
#[cfg(test)]
mod tests;
mod writer;

use mooring_core::audit::Fact;
use mooring_core::names::InstanceId;
use mooring_core::time::Timestamp;
use mooring_net::sync::lock;
use prometheus::IntCounter;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use folder::Folder;
use mooring_config::AuditLog;
use writer::{Queued, Writer};

/// How many records wait to be written at most.
const QUEUE: usize = 4096;
/// How long the end waits for what is not written yet.
const FLUSH: Duration = Duration::from_secs(3);

/// Takes records, and never waits.
pub(crate) struct Audit {
    queue: Mutex<Option<SyncSender<Queued>>>,
    missed: AtomicU64,
    lost: IntCounter,
    writes: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Writes below `state_dir`; `lost` counts what could not be written.
    pub(crate) fn open(
        state_dir: &Path,
        config: AuditLog,
        run: InstanceId,
        lost: IntCounter,
    ) -> std::io::Result<Self> {
        let folder = Folder::new(&state_dir.join("audit"), config);
        let writer = Writer::new(folder, run, lost.clone());
        let (queue, records) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name("audit".into());
        let writes = thread.spawn(move || write(writer, &records))?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            missed: AtomicU64::new(0),
            lost,
            writes: Mutex::new(Some(writes)),
        })
    }

    /// Takes a record of what happened at `at`.
    pub(crate) fn note(&self, at: Timestamp, fact: Fact) {
        let queue = lock(&self.queue);
        let Some(queue) = queue.as_ref() else { return };
        let missed = self.missed.swap(0, Ordering::Relaxed);
        match queue.try_send(Queued { at, fact, missed }) {
            Ok(()) => {}
            Err(TrySendError::Full(q) | TrySendError::Disconnected(q)) => {
                self.missed.fetch_add(q.missed + 1, Ordering::Relaxed);
                self.lost.inc();
            }
        }
    }

    /// Takes no more, and waits a while until all is written.
    pub(crate) async fn close(&self) {
        lock(&self.queue).take();
        let Some(writes) = lock(&self.writes).take() else {
            return;
        };
        let joined = tokio::task::spawn_blocking(|| writes.join());
        if tokio::time::timeout(FLUSH, joined).await.is_err() {
            tracing::warn!("the audit log could not be written to its end");
        }
    }
}

fn write(mut writer: Writer, records: &Receiver<Queued>) {
    while let Ok(first) = records.recv() {
        writer.take(first);
        // What waits is written before it is made to last, all at once.
        while let Ok(next) = records.try_recv() {
            writer.take(next);
        }
        writer.sync();
    }
}
