#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;
use mooring_core::audit::{AuditEvent, AuditRecord, AuditReport, LogPlace, Verifier};
use proptest::prelude::*;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

const SMALL: AuditLog = AuditLog {
    max_file_size: 1000,
    files: 3,
};

fn run(n: u8) -> InstanceId {
    InstanceId::from_bytes([n; 16])
}

fn counter() -> IntCounter {
    IntCounter::new("lost", "lost").unwrap()
}

fn writer(dir: &Path, limits: AuditLog, n: u8) -> (Writer, IntCounter) {
    let lost = counter();
    let folder = Folder::new(dir, limits);
    (Writer::new(folder, run(n), lost.clone()), lost)
}

fn record(fact: Fact) -> Queued {
    Queued {
        at: Timestamp::now(),
        fact,
        missed: 0,
    }
}

fn noted(w: &mut Writer, n: u64) {
    for _ in 0..n {
        w.take(record(Fact::of(AuditEvent::Stopped)));
    }
    w.sync();
}

/// The files of a log, oldest first.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    files
}

fn lines(dir: &Path) -> Vec<String> {
    let text: String = files(dir)
        .iter()
        .map(|f| fs::read_to_string(f).unwrap())
        .collect();
    text.lines().map(ToOwned::to_owned).collect()
}

fn facts(dir: &Path) -> Vec<Fact> {
    let read = |l: String| serde_json::from_str::<AuditRecord>(&l).unwrap().fact;
    lines(dir).into_iter().map(read).collect()
}

fn verified(dir: &Path) -> AuditReport {
    let mut v = Verifier::default();
    for (i, line) in lines(dir).iter().enumerate() {
        let (file, number) = (String::new(), i as u64 + 1);
        v.line(LogPlace { file, line: number }, line.as_bytes());
    }
    v.end()
}

#[test]
fn the_chain_goes_over_files_and_over_restarts_and_its_files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("audit");
    for n in 1..=3 {
        noted(&mut writer(&dir, SMALL, n).0, 8);
    }
    let report = verified(&dir);
    assert!(report.breaks.is_empty() && files(&dir).len() == 3);
    assert_eq!((report.chains[0].last_seq, report.chains[0].runs), (24, 3));
    assert!(report.chains[0].before.is_some(), "the oldest file is gone");
    for path in files(&dir).iter().chain([&dir.join("lock")]) {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn what_a_crash_left_half_written_is_cut_off_and_said() {
    let dir = tempfile::tempdir().unwrap();
    noted(&mut writer(dir.path(), AuditLog::default(), 1).0, 3);
    let newest = files(dir.path()).pop().unwrap();
    let mut half = fs::File::options().append(true).open(&newest).unwrap();
    half.write_all(b"{\"v\":1,\"seq\":4,\"a").unwrap();
    noted(&mut writer(dir.path(), AuditLog::default(), 2).0, 1);
    let found = facts(dir.path());
    assert_eq!((found.len(), found[3].event), (5, AuditEvent::Torn));
    assert_eq!(found[3].bytes, Some(17));
    let report = verified(dir.path());
    assert_eq!((report.breaks.len(), report.chains[0].torn), (0, 1));
}

#[test]
fn a_file_without_a_record_is_no_beginning_of_another_chain() {
    let dir = tempfile::tempdir().unwrap();
    noted(&mut writer(dir.path(), AuditLog::default(), 1).0, 3);
    for left in ["", "{\"v\""] {
        let next = dir.path().join("audit-000000000004.jsonl");
        fs::write(&next, left).unwrap();
        noted(&mut writer(dir.path(), AuditLog::default(), 2).0, 1);
    }
    let report = verified(dir.path());
    assert_eq!((report.breaks.len(), report.chains.len()), (0, 1));
    assert_eq!(report.chains[0].torn, 1);
}

#[test]
fn whatever_stands_in_the_newest_file_is_no_reason_to_write_nothing() {
    for bytes in [vec![0; 100], vec![b'\n'; 100], vec![b'x'; 600_000]] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("audit-000000000001.jsonl"), bytes).unwrap();
        let (mut w, lost) = writer(dir.path(), AuditLog::default(), 1);
        noted(&mut w, 2);
        assert_eq!(lost.get(), 0);
        let text = fs::read(files(dir.path()).pop().unwrap()).unwrap();
        assert!(text.ends_with(b"}\n"));
    }
}

#[test]
fn what_cannot_be_written_is_counted_and_the_log_says_how_many_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    // In the folder's place: not even root can write there.
    fs::write(&path, "").unwrap();
    let (mut w, lost) = writer(&path, SMALL, 1);
    noted(&mut w, 3);
    assert_eq!(lost.get(), 3);
    fs::remove_file(&path).unwrap();
    let missed = Queued {
        missed: 4,
        ..record(Fact::of(AuditEvent::Stopped))
    };
    w.take(missed);
    let found = facts(&path);
    assert_eq!((found.len(), found[0].event), (2, AuditEvent::Lost));
    assert_eq!(found[0].count, Some(7));
    noted(&mut w, 1);
    assert_eq!(facts(&path).len(), 3, "it is said once");
    assert_eq!(verified(&path).chains[0].lost, 7);
}

#[test]
fn on_a_full_disk_nothing_is_half_there_and_it_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let newest = dir.path().join("audit-000000000001.jsonl");
    std::os::unix::fs::symlink("/dev/full", &newest).unwrap();
    let (mut w, lost) = writer(dir.path(), SMALL, 1);
    noted(&mut w, 3);
    assert_eq!(lost.get(), 3);
    fs::remove_file(&newest).unwrap();
    noted(&mut w, 1);
    let found = facts(dir.path());
    assert_eq!((found.len(), found[0].count), (2, Some(3)));
    assert_eq!(verified(dir.path()).breaks, []);
}

#[test]
fn no_second_process_writes_the_same_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _) = writer(dir.path(), SMALL, 1);
    noted(&mut first, 1);
    let (mut second, lost) = writer(dir.path(), SMALL, 2);
    noted(&mut second, 1);
    assert_eq!(lost.get(), 1);
    drop(first);
    noted(&mut second, 1);
    assert_eq!(verified(dir.path()).breaks, []);
    assert_eq!(facts(dir.path())[1].event, AuditEvent::Lost);
}

#[test]
fn a_full_queue_holds_nobody_up_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let lost = counter();
    let (queue, records) = sync_channel(2);
    let audit = Audit {
        queue: Mutex::new(Some(queue)),
        missed: AtomicU64::new(0),
        lost: lost.clone(),
        writes: Mutex::new(None),
    };
    let note = || audit.note(Timestamp::now(), Fact::of(AuditEvent::Stopped));
    (0..5).for_each(|_| note());
    assert_eq!(lost.get(), 3);
    records.recv().unwrap();
    note();
    lock(&audit.queue).take();
    let (w, _) = writer(dir.path(), SMALL, 1);
    write(w, &records);
    let found = facts(dir.path());
    assert_eq!(found.len(), 3);
    assert_eq!(
        (found[1].event, found[1].count),
        (AuditEvent::Lost, Some(3))
    );
}

proptest! {
    /// However large files and records are, and however often it is started anew: there are no more
    /// files than allowed, none larger, and what is there is one chain to its end.
    #[test]
    fn rotation_keeps_the_chain_and_the_bounds(
        max_file_size in 400_u32..3000,
        files_most in 2_u16..6,
        runs in prop::collection::vec(prop::collection::vec(0_usize..200, 0..20), 1..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let limits = AuditLog { max_file_size, files: files_most };
        let mut written = 0;
        for (n, sizes) in runs.iter().enumerate() {
            let (mut w, lost) = writer(dir.path(), limits, n as u8);
            for size in sizes {
                w.take(record(Fact::started(&"x".repeat(*size))));
                written += 1;
                prop_assert!(files(dir.path()).len() <= usize::from(files_most));
            }
            prop_assert_eq!(lost.get(), 0);
        }
        for file in files(dir.path()) {
            let text = fs::read_to_string(file).unwrap();
            prop_assert!(text.len() <= max_file_size as usize || text.lines().count() == 1);
        }
        let report = verified(dir.path());
        prop_assert_eq!(&report.breaks, &[]);
        let last = report.chains.last().map_or(0, |c| c.last_seq);
        prop_assert_eq!((report.chains.len(), last), (usize::from(written > 0), written));
    }
}
