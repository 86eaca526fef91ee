//! What the thread that writes does with each record: in the file first, then in the process' own
//! log. A folder that cannot be written is tried again with each record.

use super::folder::Folder;
use mooring_core::audit::Fact;
use mooring_core::names::InstanceId;
use mooring_core::time::Timestamp;
use prometheus::IntCounter;
use std::io;

/// What the process' own log calls these lines (mooring_net::log).
const TARGET: &str = mooring_net::log::AUDIT;

/// A record on its way to the writer.
pub(super) struct Queued {
    pub(super) at: Timestamp,
    pub(super) fact: Fact,
    /// So many before it found no room in the queue.
    pub(super) missed: u64,
}

pub(super) struct Writer {
    folder: Folder,
    run: InstanceId,
    counter: IntCounter,
    /// Since the last record that was written.
    lost: u64,
    /// Why, as it was said last.
    told: Option<String>,
    /// It was said that the disk does not confirm what is written.
    unsynced: bool,
}

impl Writer {
    pub(super) fn new(folder: Folder, run: InstanceId, counter: IntCounter) -> Self {
        Self {
            folder,
            run,
            counter,
            lost: 0,
            told: None,
            unsynced: false,
        }
    }

    pub(super) fn take(&mut self, q: Queued) {
        self.lost += q.missed;
        let written = self.write(q.at, q.fact);
        if written.is_err() {
            self.lost += 1;
            self.counter.inc();
        }
        self.tell(written);
    }

    /// Makes what was written last over a loss of power.
    pub(super) fn sync(&mut self) {
        if let Err(e) = self.folder.sync()
            && !std::mem::replace(&mut self.unsynced, true)
        {
            tracing::warn!(error = %e, "a loss of power may cost records of the audit log");
        }
    }

    fn write(&mut self, at: Timestamp, fact: Fact) -> io::Result<()> {
        let opened = self.folder.open()?;
        // The process' log may have lost the line that this run goes on from: then it is there now.
        if let Some(last) = opened.last {
            tracing::info!(target: TARGET, line = last);
        }
        if opened.torn > 0 {
            self.append(at, Fact::torn(opened.torn))?;
            self.folder.torn_is_told();
        }
        if self.lost > 0 {
            self.append(at, Fact::lost(self.lost))?;
            self.lost = 0;
        }
        self.append(at, fact)
    }

    fn append(&mut self, at: Timestamp, fact: Fact) -> io::Result<()> {
        let line = self.folder.append(at, self.run, fact)?;
        tracing::info!(target: TARGET, line);
        Ok(())
    }

    /// Says once that it does not work, and why; and once that it does again.
    fn tell(&mut self, written: io::Result<()>) {
        let why = written.err().map(|e| e.to_string());
        if why == self.told {
            return;
        }
        if let Some(why) = &why {
            tracing::warn!(
                folder = %self.folder.path().display(),
                "records of the audit log are lost, leases go on: {why}"
            );
        } else {
            tracing::info!("the audit log is written again");
        }
        self.told = why;
    }
}
