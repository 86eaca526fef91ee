//! Audit logs: verified, and given to a vendor.

use super::common::Desk;
use mooring_core::audit::{AuditEvent, ChainEnd, Credential, Fact, Salt};
use mooring_core::names::InstanceId;
use mooring_core::time::Timestamp;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn at(n: u64) -> Timestamp {
    let begin = 1_764_400_000;
    Timestamp::from_second(begin + i64::try_from(n).unwrap()).unwrap()
}

/// A log of so many records.
fn log(records: u64) -> Vec<String> {
    let mut end = ChainEnd::default();
    let seal = |n| {
        let subject = "our-build-farm".to_owned();
        let fact = Fact {
            credential: Some(Credential::Certificate { subject }),
            claim: Some("our-claim".parse().unwrap()),
            ..Fact::of(AuditEvent::Claimed)
        };
        let run = InstanceId::from_bytes([u8::from(n > 3); 16]);
        let (line, next) = end.seal(at(n), run, fact).unwrap();
        end = next;
        line
    };
    (1..=records).map(seal).collect()
}

/// A desk with a log of six records in two files.
fn desk() -> (Desk, Vec<String>) {
    let (desk, lines) = (Desk::new(), log(6));
    fs::create_dir(desk.path("audit")).unwrap();
    desk.write("audit/lock", "");
    // The folder's order is that of the numbers, whichever was written first.
    desk.write("audit/audit-000000000005.jsonl", &text(&lines[4..]));
    desk.write("audit/audit-000000000001.jsonl", &text(&lines[..4]));
    (desk, lines)
}

fn text(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

#[test]
fn a_whole_log_says_from_where_to_where_it_goes() {
    let (desk, _) = desk();
    let said = desk.mooring(&["audit", "verify", "audit"]).good().stdout;
    for words in [
        "seq 1 (2025-11-29T07:06:41.000Z) to seq 6 (2025-11-29T07:06:46.000Z): 6 records of 2 runs",
        "begins with the first record",
        "ends with \"claimed\"",
        "Verified: 6 records in 2 files",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let args = ["audit", "verify", "audit", "-o", "json"];
    let json = desk.mooring(&args).good().stdout;
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&found["holds"], &found["chains"][0]["lastSeq"]),
        (&true.into(), &6.into())
    );
    // The oldest file is rotated away.
    fs::remove_file(desk.path("audit/audit-000000000001.jsonl")).unwrap();
    let said = desk.mooring(&["audit", "verify", "audit"]).good().stdout;
    assert!(
        said.contains("begins after seq 4") && said.contains("rotated away, or cut off"),
        "{said}"
    );
}

#[test]
fn a_break_is_told_with_file_line_and_what_was_expected() {
    let (desk, mut lines) = desk();
    let file = "audit/audit-000000000005.jsonl";
    lines.remove(4);
    desk.write(file, &text(&lines[4..]));
    let broken = desk.mooring(&["audit", "verify", "audit"]).bad();
    assert!(
        broken.stdout.contains(
            "BROKEN  audit/audit-000000000005.jsonl, line 1, seq 6: seq 6, expected 5: a record is missing"
        ) && !broken.stdout.contains("Verified"),
        "{}",
        broken.stdout
    );
    assert!(broken.stderr.contains("in one place"), "{}", broken.stderr);
    let changed = text(&log(6)[..4]).replacen("our-claim", "no-claim", 1);
    desk.write("changed", &changed);
    let broken = desk.mooring(&["audit", "verify", "changed"]).bad().stdout;
    assert!(
        broken.contains("changed, line 2, seq 2: prev is") && broken.contains("was changed"),
        "{broken}"
    );
    let json = desk.mooring(&["audit", "verify", "changed", "-o", "json"]);
    let found: serde_json::Value = serde_json::from_str(&json.bad().stdout).unwrap();
    assert_eq!(found["breaks"][0]["line"], 2);
}

#[test]
fn what_kubectl_logs_gives_is_verified_from_wherever_it_begins() {
    let (desk, lines) = desk();
    let mut mixed = "{\"level\":\"INFO\",\"message\":\"listening\"}\n".to_owned();
    for line in &lines[2..] {
        let _ = writeln!(mixed, "2026-11-29T10:00:00.0Z audit {line}\nsomething else");
    }
    let said = desk.run(&["audit", "verify", "-"], &mixed, &[]).good();
    assert!(
        said.stdout.contains("begins after seq 2") && said.stdout.contains("4 records"),
        "{}",
        said.stdout
    );
    // Beside the folder it is the same log twice, and a copy that differs is found.
    let both = |mixed: &str| desk.run(&["audit", "verify", "audit", "-"], mixed, &[]);
    let said = both(&mixed).good().stdout;
    assert!(said.contains("4 lines were there twice"), "{said}");
    both(&mixed.replacen("our-claim", "no-claim", 1)).bad();
    let nothing = desk.run(&["audit", "verify", "-"], "nothing\n", &[]).bad();
    assert!(nothing.stderr.contains("no record of an audit log"));
    fs::create_dir(desk.path("empty")).unwrap();
    desk.mooring(&["audit", "verify", "empty"]).bad();
    desk.mooring(&["audit", "verify", "none"]).bad();
}

#[test]
fn an_extract_hides_names_and_is_verified_as_a_log_is() {
    let (desk, lines) = desk();
    let args = ["audit", "extract", "audit", "--salt-file", "salt"];
    let first = desk.mooring(&args).good();
    assert!(
        !first.stdout.contains("our-") && first.stdout.lines().count() == 6,
        "{}",
        first.stdout
    );
    assert!(first.stderr.contains("A salt is made"), "{}", first.stderr);
    let mode = fs::metadata(desk.path("salt"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(Salt::read(&desk.read("salt")).is_ok());
    assert_eq!(
        desk.mooring(&args).good().stdout,
        first.stdout,
        "with the salt that was kept"
    );
    let other = desk.mooring(&["audit", "extract", "audit"]).good();
    assert!(
        other.stdout != first.stdout && other.stderr.contains("--salt-file"),
        "{}",
        other.stderr
    );
    desk.write("extract", &first.stdout);
    desk.mooring(&["audit", "verify", "extract"]).good();
    // The page of formats says how a line is shown later.
    desk.write("line", &lines[1]);
    let script = "openssl dgst -sha256 -binary line | basenc --base64url | tr -d =";
    let shell = desk.program("sh", &["-c", script], "", &[]).good();
    let second = first.stdout.lines().nth(1).unwrap();
    let of = format!("\"of\":{{\"seq\":2,\"hash\":\"{}\"}}", shell.stdout.trim());
    assert!(second.contains(&of), "{of}: {second}");

    desk.write("short", "abc");
    let args = ["audit", "extract", "audit", "--salt-file", "short"];
    let bad = desk.mooring(&args).bad().stderr;
    assert!(
        bad.contains("short") && bad.contains("43 characters"),
        "{bad}"
    );
}

#[test]
fn an_extract_of_a_broken_log_is_printed_and_says_so() {
    let (desk, mut lines) = desk();
    lines.remove(2);
    desk.write("cut", &text(&lines));
    let made = desk.mooring(&["audit", "extract", "cut"]).bad();
    assert_eq!(made.stdout.lines().count(), 5);
    assert!(
        made.stderr.contains("BROKEN  cut, line 3"),
        "{}",
        made.stderr
    );
    desk.write("extract", &made.stdout);
    let seen = desk.mooring(&["audit", "verify", "extract"]).bad().stdout;
    assert!(seen.contains("it is made of seq 4, expected 3"), "{seen}");
}
