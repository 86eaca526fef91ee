//! The lines of an audit log, in their order: out of its folder, of files, or of a log in which
//! they stand among others, marked.

use anyhow::{Context as _, bail};
use mooring_core::audit::{LogPlace, MARKER};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// What each record begins with.
const BEGIN: &str = "{\"v\":";

/// The longest line that is read, in bytes: far above any record.
const LONGEST: u64 = 1024 * 1024;

/// Hands on each line that is a record, or should be one. It is an error if there is none.
pub fn read(
    paths: &[PathBuf],
    mut take: impl FnMut(LogPlace, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(files_of(path)?);
    }
    let mut records = 0;
    for file in &files {
        let name = file.display().to_string();
        let lines: Box<dyn BufRead> = if file == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            let opened = File::open(file).with_context(|| format!("cannot read {name}"))?;
            Box::new(BufReader::new(opened))
        };
        records += of_file(&name, lines, &mut take)?;
    }
    if records == 0 {
        let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        bail!(
            "no record of an audit log in {}: expected the files of a license server's stateDir/audit, or its standard output \
             with lines that begin with {MARKER:?}",
            names.join(", ")
        );
    }
    Ok(files.len() as u64)
}

/// A folder's files in the order of their first records, which their names begin with.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "jsonl") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!(
            "{}: expected files audit-….jsonl, as in a license server's stateDir/audit",
            path.display()
        );
    }
    Ok(files)
}

fn of_file(
    name: &str,
    mut lines: Box<dyn BufRead + '_>,
    take: &mut impl FnMut(LogPlace, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let (mut records, mut number, mut is_plain) = (0, 0, false);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read.with_context(|| format!("cannot read {name}"))? == 0 {
            return Ok(records);
        }
        number += 1;
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST {
            bail!("{name}: line {number} is longer than 1 MiB, which no record is");
        }
        // Of the last line of a file that is being written the newline may be missing.
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A log's own file has nothing but records; in others they are marked.
        is_plain |= number == 1 && line.starts_with(BEGIN.as_bytes());
        if let Some(record) = marked(line).or(is_plain.then_some(line)) {
            records += 1;
            let file = name.to_owned();
            take(LogPlace { file, line: number }, record)?;
        }
    }
}

/// What stands behind the marker in a line; before it may be what a log's collector puts there.
fn marked(line: &[u8]) -> Option<&[u8]> {
    if line.starts_with(b"{") {
        return None;
    }
    let begin = format!("{MARKER}{BEGIN}").into_bytes();
    let at = line.windows(begin.len()).position(|w| *w == *begin)?;
    line.get(at + MARKER.len()..)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(text: &str) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        let lines: Box<dyn BufRead> = Box::new(std::io::Cursor::new(text.to_owned()));
        of_file("f", lines, &mut |place, line| {
            found.push((place.line, String::from_utf8(line.to_vec()).unwrap()));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn marked_lines_are_picked_out_of_a_log() {
        let text = "{\"timestamp\":\"x\",\"message\":\"audit {\\\"v\\\":1}\"}\n\
            audit {\"v\":1}\nan audit of something\n\
            2026-11-29T10:00:00Z stdout F audit {\"v\":1,\"a\":\"audit {\"}\n\
            [pod/main-0/server] audit {\"v\":2}\r\n";
        let want = ["{\"v\":1}", "{\"v\":1,\"a\":\"audit {\"}", "{\"v\":2}"];
        let lines: Vec<(u64, String)> = [2, 4, 5]
            .into_iter()
            .zip(want.map(ToOwned::to_owned))
            .collect();
        assert_eq!(found(text), lines);
    }

    #[test]
    fn in_a_logs_own_file_each_line_should_be_a_record() {
        let text = "{\"v\":1}\nwhat is this\n{\"v\":1}";
        let lines: Vec<u64> = found(text).into_iter().map(|(n, _)| n).collect();
        assert_eq!(lines, [1, 2, 3]);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let lines: Box<dyn BufRead> = Box::new(std::io::Cursor::new(vec![b'x'; 2 << 20]));
        let e = of_file("f", lines, &mut |_, _| Ok(())).unwrap_err();
        assert!(e.to_string().contains("f: line 1"), "{e}");
    }
}
