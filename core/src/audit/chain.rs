//! Lines that name each other by hash: each record carries its number and the SHA-256 of the line
//! before it, so that none can be changed, taken out or put elsewhere without the next one showing
//! it.

use super::hash::LineHash;
use super::record::{AuditRecord, Fact, Original, VERSION};
use crate::names::InstanceId;
use crate::time::Timestamp;

/// What stands before a record's line where it is one of many in a log.
pub const MARKER: &str = "audit ";

/// Where a chain goes on: the number and the hash of its last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainEnd {
    /// 0: there is none yet.
    pub seq: u64,
    pub hash: Option<LineHash>,
}

impl ChainEnd {
    /// The next line, without a newline, and where the chain goes on after it.
    pub fn seal(
        self,
        at: Timestamp,
        run: InstanceId,
        fact: Fact,
    ) -> Result<(String, Self), serde_json::Error> {
        self.seal_of(at, run, fact, None)
    }

    pub(super) fn seal_of(
        self,
        at: Timestamp,
        run: InstanceId,
        fact: Fact,
        of: Option<Original>,
    ) -> Result<(String, Self), serde_json::Error> {
        let record = AuditRecord {
            v: VERSION,
            seq: self.seq.saturating_add(1),
            at,
            run,
            fact,
            of,
            prev: self.hash,
        };
        let line = serde_json::to_string(&record)?;
        let end = Self {
            seq: record.seq,
            hash: Some(LineHash::of(line.as_bytes())),
        };
        Ok((line, end))
    }
}

/// What a log's newest file says of where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub end: ChainEnd,
    /// The last line, if it is a record.
    pub last: Option<String>,
    /// So many bytes behind the last line are none: a crash has left them.
    pub torn: usize,
}

/// Where to go on after `tail`, the end of the newest file, which begins with a whole line;
/// `before`: the number before that line's.
///
/// A line that is no record (somebody edited it) is gone on from all the same: its bytes have a
/// hash, and its number follows from its place. That it is none is for verifying to tell.
pub fn recover(before: u64, tail: &[u8]) -> Recovered {
    let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let torn = tail.len() - whole;
    let mut recovered = Recovered {
        end: ChainEnd {
            seq: before,
            hash: None,
        },
        last: None,
        torn,
    };
    let lines = tail.get(..whole).unwrap_or_default();
    for line in lines.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let read = serde_json::from_slice::<AuditRecord>(line).ok();
        let end = &mut recovered.end;
        end.seq = read.as_ref().map_or(end.seq.saturating_add(1), |r| r.seq);
        end.hash = Some(LineHash::of(line));
        recovered.last = read.map(|_| String::from_utf8_lossy(line).into_owned());
    }
    recovered
}
