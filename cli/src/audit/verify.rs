//! `mooring audit verify`.

use super::log;
use crate::output::{self, Form};
use anyhow::bail;
use mooring_core::audit::{AuditEvent, AuditReport, Break, ChainSpan, Verifier};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Takes the folder stateDir/audit of a license server, its files in their order, or a server's log in which
the records stand among other lines (kubectl logs), from wherever it begins; also an extract. It finds records that
were changed, taken out, put in or moved. It says, and cannot judge, where a log begins and ends: older files are
deleted by the server, and what was cut off at the end leaves no trace. Whoever can write all of a log can make
another one: what counts is a copy elsewhere, given along or beside it.
Exit code 1 where the log does not hang together.

Examples:
  mooring audit verify /var/lib/mooring/audit
  kubectl -n licensing logs main-0 | mooring audit verify -
  mooring audit verify collected.log -o json"
)]
pub struct VerifyLogArgs {
    /// Folders and files, in the order of their records (- for standard input)
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// What was found, for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    holds: bool,
    files: u64,
    records: u64,
    repeated: u64,
    chains: &'a [ChainSpan],
    breaks: Vec<FoundBreak<'a>>,
}

#[derive(Serialize)]
struct FoundBreak<'a> {
    file: &'a str,
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    problem: String,
}

impl<'a> FoundBreak<'a> {
    fn of(b: &'a Break) -> Self {
        Self {
            file: &b.place.file,
            line: b.place.line,
            seq: b.seq,
            problem: b.fault.to_string(),
        }
    }
}

pub fn run(args: &VerifyLogArgs) -> anyhow::Result<()> {
    let mut verifier = Verifier::default();
    let files = log::read(&args.files, |place, line| {
        verifier.line(place, line);
        Ok(())
    })?;
    let report = verifier.end();
    let found = Found {
        holds: report.breaks.is_empty(),
        files,
        records: report.chains.iter().map(|c| c.records).sum(),
        repeated: report.repeated,
        chains: &report.chains,
        breaks: report.breaks.iter().map(FoundBreak::of).collect(),
    };
    output::show(args.output.data(), &found, || text(&found))?;
    holds(&report)
}

/// An error if a log does not hang together.
pub(super) fn holds(report: &AuditReport) -> anyhow::Result<()> {
    match report.breaks.len() {
        0 => Ok(()),
        1 => bail!("the log does not hang together in one place"),
        n => bail!("the log does not hang together in {n} places"),
    }
}

/// The lines that say where a log does not hang together.
pub(super) fn breaks(report: &AuditReport) -> String {
    let breaks = report.breaks.iter().map(FoundBreak::of);
    breaks.map(|b| broken(&b)).collect()
}

fn broken(b: &FoundBreak<'_>) -> String {
    let seq = b.seq.map(|n| format!(", seq {n}")).unwrap_or_default();
    format!("BROKEN  {}, line {}{seq}: {}\n", b.file, b.line, b.problem)
}

fn text(f: &Found<'_>) -> String {
    let mut out = String::new();
    for c in f.chains {
        out += &chain(c);
    }
    for b in &f.breaks {
        out += &broken(b);
    }
    if f.repeated > 0 {
        let _ = writeln!(
            out,
            "{} lines were there twice, each counted once.",
            f.repeated
        );
    }
    let (records, files) = (f.records, f.files);
    if f.holds {
        let _ = writeln!(
            out,
            "Verified: {records} records in {files} files hang together."
        );
    }
    out
}

fn chain(c: &ChainSpan) -> String {
    let mut out = format!(
        "seq {} ({:.3}) to seq {} ({:.3}): {} records of {} runs\n",
        c.first_seq, c.first_at, c.last_seq, c.last_at, c.records, c.runs
    );
    let mut say = |text: String| {
        let _ = writeln!(out, "  {text}");
    };
    match &c.before {
        None => say("begins with the first record of its chain".into()),
        Some(hash) => say(format!(
            "begins after seq {}, which is not here: rotated away, or cut off; its line has the hash {hash}",
            c.first_seq.saturating_sub(1)
        )),
    }
    if c.last_event == AuditEvent::Stopped.as_str() {
        say("ends with a server that stopped in order".into());
    } else {
        say(format!(
            "ends with {:?}: the server ran on, crashed, or the end is cut off; the last line has the hash {}",
            c.last_event, c.hash
        ));
    }
    if c.lost > 0 {
        say(format!(
            "{} records are missing that could not be written, as the log says itself",
            c.lost
        ));
    }
    if c.torn > 0 {
        say(format!(
            "{} half-written records were cut off after crashes",
            c.torn
        ));
    }
    if c.set_back > 0 {
        say(format!(
            "{} times the server's clock was set back",
            c.set_back
        ));
    }
    out
}
