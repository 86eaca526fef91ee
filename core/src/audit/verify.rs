//! Whether the lines of a log are a chain, and where they are not.
//!
//! What is found: a line that was changed, taken out, put in or put elsewhere, by the number and
//! the hash that the next one has. What can only be said: that a log begins later than with its
//! first record (older files are deleted by rotation), and with which record it ends (what was cut
//! off behind that leaves no trace in what is left).

use super::hash::LineHash;
use super::record::{AuditEvent, Original, VERSION};
use crate::names::InstanceId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Where a line is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogPlace {
    pub file: String,
    /// From 1.
    pub line: u64,
}

/// What of a record verifying needs; a later version's records may say more.
#[derive(Debug, Deserialize)]
struct Head {
    v: u32,
    seq: u64,
    at: Timestamp,
    run: InstanceId,
    event: String,
    count: Option<u64>,
    of: Option<Original>,
    prev: Option<LineHash>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("no record of an audit log: {0}")]
    NoRecord(String),
    #[error("a record of version {0}, expected {VERSION}: a later version of mooring reads it")]
    Version(u32),
    #[error("seq {found}, expected {expected}: {}", missing(*.expected, *.found))]
    Seq { expected: u64, found: u64 },
    #[error(
        "prev is {}, expected {expected}, the hash of the line before: one of the two was changed",
        found.map_or("absent".into(), |f| f.to_string())
    )]
    Prev {
        expected: LineHash,
        found: Option<LineHash>,
    },
    #[error("seq 1 with a prev ({found}), expected none: it is the first of its chain")]
    First { found: LineHash },
    #[error("seq {found} without a prev, expected one: it is not the first of its chain")]
    NotFirst { found: u64 },
    #[error("the line that it follows, {before}, comes later: is the order of the files right?")]
    Order { before: LineHash },
    #[error("it is made of seq {found}, expected {expected}: {}", missing(*.expected, *.found))]
    Original { expected: u64, found: u64 },
}

fn missing(expected: u64, found: u64) -> String {
    match found.checked_sub(expected) {
        None | Some(0) => "it is not in its place".into(),
        Some(1) => "a record is missing".into(),
        Some(n) => format!("{n} records are missing"),
    }
}

/// A place where a log does not hang together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    pub place: LogPlace,
    /// The number that the line has, if it can be read.
    pub seq: Option<u64>,
    pub fault: Fault,
}

/// One chain of a log, from its first to its last line that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainSpan {
    pub first_seq: u64,
    pub first_at: Timestamp,
    pub last_seq: u64,
    pub last_at: Timestamp,
    /// The event of the last record.
    pub last_event: String,
    /// The last line's.
    pub hash: LineHash,
    /// What the first one names, if it is not its chain's first: what came before is not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<LineHash>,
    pub records: u64,
    /// How many runs of the server.
    pub runs: usize,
    /// How many records the log itself says it has lost.
    pub lost: u64,
    /// How often a half-written record was cut off.
    pub torn: u64,
    /// How often the wall clock was set back between two records.
    pub set_back: u64,
}

/// What was found in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    pub chains: Vec<ChainSpan>,
    pub breaks: Vec<Break>,
    /// Lines that were shown more than once.
    pub repeated: u64,
}

/// Hears the lines of a log in their order.
#[derive(Debug, Default)]
pub struct Verifier {
    report: AuditReport,
    runs: HashSet<InstanceId>,
    seen: HashSet<LineHash>,
    /// Where each chain began.
    began: Vec<LogPlace>,
    /// Of an extract: the number of the record that the last one was made of.
    original: Option<u64>,
}

impl Verifier {
    /// Takes the next line, without its newline; tells whether it was not shown before.
    pub fn line(&mut self, place: LogPlace, line: &[u8]) -> bool {
        let hash = LineHash::of(line);
        // A copy that overlaps another, or what a run says again that it goes on from.
        if !self.seen.insert(hash) {
            self.report.repeated += 1;
            return false;
        }
        match serde_json::from_slice::<Head>(line) {
            Ok(head) if head.v == VERSION => self.record(place, &head, hash),
            Ok(head) => self.break_at(place, Some(head.seq), Fault::Version(head.v)),
            Err(e) => self.break_at(place, None, Fault::NoRecord(e.to_string())),
        }
        true
    }

    fn record(&mut self, place: LogPlace, head: &Head, hash: LineHash) {
        if self.begins(head) {
            let fault = match (head.seq, head.prev) {
                (0 | 1, Some(found)) => Some(Fault::First { found }),
                (found @ 2.., None) => Some(Fault::NotFirst { found }),
                _ => None,
            };
            self.began.push(place.clone());
            if let Some(fault) = fault {
                self.break_at(place, Some(head.seq), fault);
            }
            self.begin(head, hash);
        } else {
            if let Some(fault) = self.fault(head) {
                self.break_at(place, Some(head.seq), fault);
            }
            self.go_on(head, hash);
        }
        self.original = head.of.as_ref().map(|o| o.seq);
    }

    pub fn end(mut self) -> AuditReport {
        for (chain, place) in self.report.chains.iter().zip(self.began) {
            if let Some(before) = chain.before.filter(|b| self.seen.contains(b)) {
                self.report.breaks.push(Break {
                    place,
                    seq: Some(chain.first_seq),
                    fault: Fault::Order { before },
                });
            }
        }
        self.report
    }

    /// Whether a record begins a chain: the very first one that is shown does, and each that says
    /// it is its chain's first.
    fn begins(&self, head: &Head) -> bool {
        self.report.chains.is_empty() || (head.seq == 1 && head.prev.is_none())
    }

    fn fault(&self, head: &Head) -> Option<Fault> {
        let last = self.report.chains.last()?;
        let (expected, found) = (last.last_seq.saturating_add(1), head.seq);
        if found != expected {
            return Some(Fault::Seq { expected, found });
        }
        if head.prev != Some(last.hash) {
            let (expected, found) = (last.hash, head.prev);
            return Some(Fault::Prev { expected, found });
        }
        let before = self.original?;
        let (expected, found) = (before.saturating_add(1), head.of.as_ref()?.seq);
        (found != expected && found != 1).then_some(Fault::Original { expected, found })
    }

    fn break_at(&mut self, place: LogPlace, seq: Option<u64>, fault: Fault) {
        self.report.breaks.push(Break { place, seq, fault });
    }

    fn begin(&mut self, head: &Head, hash: LineHash) {
        self.runs = HashSet::from([head.run]);
        self.report.chains.push(ChainSpan {
            first_seq: head.seq,
            first_at: head.at,
            last_seq: head.seq,
            last_at: head.at,
            last_event: head.event.clone(),
            hash,
            before: head.prev,
            records: 0,
            runs: 1,
            lost: 0,
            torn: 0,
            set_back: 0,
        });
        self.go_on(head, hash);
    }

    fn go_on(&mut self, head: &Head, hash: LineHash) {
        self.runs.insert(head.run);
        let Some(span) = self.report.chains.last_mut() else {
            return;
        };
        span.runs = self.runs.len();
        span.records += 1;
        span.set_back += u64::from(head.at < span.last_at);
        if head.event == AuditEvent::Lost.as_str() {
            span.lost += head.count.unwrap_or(0);
        }
        span.torn += u64::from(head.event == AuditEvent::Torn.as_str());
        (span.last_seq, span.last_at, span.hash) = (head.seq, head.at, hash);
        span.last_event.clone_from(&head.event);
    }
}
