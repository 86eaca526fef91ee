#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_wrap
)]
use super::*;
use crate::names::InstanceId;
use crate::time::Timestamp;
use proptest::prelude::*;

mod extracts;
mod trails;

pub(super) fn run(n: u8) -> InstanceId {
    InstanceId::from_bytes([n; 16])
}

pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp::from_millisecond(1_764_400_000_000 + secs * 1000 + 7).unwrap()
}

/// A log of so many records.
fn log(records: u64) -> Vec<String> {
    let mut end = ChainEnd::default();
    let of = |n| {
        let (line, next) = end.seal(at(n as i64), run(1), Fact::torn(n)).unwrap();
        end = next;
        line
    };
    (1..=records).map(of).collect()
}

pub(super) fn verified(lines: &[impl AsRef<[u8]>]) -> AuditReport {
    let mut verifier = Verifier::default();
    for (i, line) in lines.iter().enumerate() {
        let place = LogPlace {
            file: "f".into(),
            line: i as u64 + 1,
        };
        verifier.line(place, line.as_ref());
    }
    verifier.end()
}

/// The lines and faults of the breaks of a log.
fn breaks(lines: &[impl AsRef<[u8]>]) -> Vec<(u64, String)> {
    let breaks = verified(lines).breaks.into_iter();
    breaks
        .map(|b| (b.place.line, b.fault.to_string()))
        .collect()
}

#[test]
fn a_whole_log_is_one_chain_and_says_from_where_to_where() {
    let report = verified(&log(20));
    assert_eq!(report.breaks, []);
    let [chain] = &report.chains[..] else {
        panic!("{report:?}")
    };
    assert_eq!(
        (chain.first_seq, chain.last_seq, chain.records, chain.runs),
        (1, 20, 20, 1)
    );
    assert_eq!(chain.before, None);
    assert_eq!((chain.first_at, chain.last_at), (at(1), at(20)));
}

#[test]
fn a_line_is_written_as_the_page_of_formats_says() {
    let (first, end) = ChainEnd::default()
        .seal(at(0), run(1), Fact::started("1.0"))
        .unwrap();
    assert_eq!(
        first,
        r#"{"v":1,"seq":1,"at":"2025-11-29T07:06:40.007Z","run":"01010101010101010101010101010101","event":"started","version":"1.0"}"#
    );
    let (second, _) = end.seal(at(1), run(1), Fact::lost(3)).unwrap();
    // printf %s "$first" | openssl dgst -sha256 -binary | basenc --base64url | tr -d =
    assert_eq!(
        second,
        r#"{"v":1,"seq":2,"at":"2025-11-29T07:06:41.007Z","run":"01010101010101010101010101010101","event":"lost","count":3,"prev":"EcY3A1lJGRvkRFGiJyAmhIF4Rf-_PIlJKm8ojrqV_yE"}"#
    );
    let read: AuditRecord = serde_json::from_str(&second).unwrap();
    assert_eq!(read.prev, Some(LineHash::of(first.as_bytes())));
}

#[test]
fn a_changed_line_shows_in_the_next_one() {
    let mut lines = log(5);
    lines[2] = lines[2].replace("\"bytes\":3", "\"bytes\":4");
    let found = breaks(&lines);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].0 == 4 && found[0].1.contains("one of the two was changed"),
        "{found:?}"
    );
}

#[test]
fn a_missing_line_a_moved_one_and_one_put_in_are_told() {
    let mut lines = log(6);
    let third = lines.remove(2);
    assert_eq!(
        breaks(&lines),
        [(3, "seq 4, expected 3: a record is missing".into())]
    );
    lines.push(third);
    assert!(breaks(&lines).iter().any(|b| b.0 == 6), "put elsewhere");
    let mut lines = log(6);
    lines.drain(1..4);
    assert_eq!(
        breaks(&lines),
        [(2, "seq 5, expected 2: 3 records are missing".into())]
    );
    let mut lines = log(6);
    let (forged, _) = ChainEnd {
        seq: 2,
        hash: Some(LineHash::of(lines[1].as_bytes())),
    }
    .seal(at(3), run(1), Fact::lost(1))
    .unwrap();
    lines.insert(2, forged);
    assert!(!breaks(&lines).is_empty());
}

#[test]
fn what_was_cut_off_at_the_front_is_said_and_the_end_is_shown() {
    let lines = log(6);
    let report = verified(&lines[3..]);
    assert_eq!(report.breaks, []);
    assert_eq!(report.chains[0].first_seq, 4);
    assert_eq!(
        report.chains[0].before,
        Some(LineHash::of(lines[2].as_bytes()))
    );
    let report = verified(&lines[..4]);
    assert_eq!(
        (report.chains[0].last_seq, report.chains[0].last_at),
        (4, at(4))
    );
    assert_eq!(report.chains[0].last_event, "torn");
}

#[test]
fn a_new_chain_is_told_apart_from_a_broken_one() {
    let (one, two) = (log(3), {
        let mut end = ChainEnd::default();
        [5, 6].map(|n| {
            let (line, next) = end.seal(at(n), run(2), Fact::lost(1)).unwrap();
            end = next;
            line
        })
    });
    let report = verified(&[&one[..], &two[..]].concat());
    assert_eq!((report.breaks.len(), report.chains.len()), (0, 2));
    assert_eq!((report.chains[1].records, report.chains[1].lost), (2, 2));
    // A first record that claims to follow another, and a later one that claims to be the first.
    let forged = one[2].replace("\"seq\":3", "\"seq\":1");
    assert!(breaks(&[forged])[0].1.contains("expected none"));
    let cut = one[2].split(",\"prev\"").next().unwrap().to_owned() + "}";
    assert!(breaks(&[cut])[0].1.contains("expected one"));
}

#[test]
fn what_is_put_before_what_it_follows_is_told() {
    let lines = log(5);
    let found = breaks(&[&lines[3..], &lines[..3]].concat());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == 1 && found[0].1.contains("comes later"));
}

#[test]
fn lines_that_are_shown_twice_are_the_same_records() {
    let lines = log(6);
    let report = verified(&[&lines[..4], &lines[2..]].concat());
    assert_eq!((report.breaks.len(), report.repeated), (0, 2));
    assert_eq!(report.chains[0].records, 6);
}

#[test]
fn what_is_no_record_and_what_is_of_a_later_version_is_told() {
    let mut lines = log(3);
    lines[1] = "nonsense".into();
    let found = breaks(&lines);
    assert!(found[0].1.contains("no record") && found[0].0 == 2 && found[1].0 == 3);
    let mut lines = log(3);
    lines[2] = lines[2].replace("\"v\":1", "\"v\":2");
    assert!(breaks(&lines)[0].1.contains("later version"));
}

#[test]
fn a_log_goes_on_where_it_ended_whatever_a_crash_left() {
    let lines = log(3);
    let whole = lines.join("\n") + "\n";
    let end = ChainEnd {
        seq: 3,
        hash: Some(LineHash::of(lines[2].as_bytes())),
    };
    let after = |tail: &str| recover(0, tail.as_bytes());
    let found = after(&whole);
    assert_eq!(
        (found.end, found.last.as_ref(), found.torn),
        (end, Some(&lines[2]), 0)
    );
    let found = after(&format!("{whole}{{\"v\":1,\"se"));
    assert_eq!((found.end, found.torn), (end, 10));
    let found = recover(0, &[whole.as_bytes(), &[0; 700]].concat());
    assert_eq!((found.end, found.torn), (end, 700), "a block of zeros");
    assert_eq!(after("{\"v\":1").end, ChainEnd::default());
    assert_eq!(recover(6, b"").end.seq, 6, "a file that is still empty");
    // Somebody edited the last line: it is gone on from, and told when it is verified.
    let edited = format!("{}\nedited\n", lines[0]);
    let found = after(&edited);
    assert_eq!((found.end.seq, found.last, found.torn), (2, None, 0));
    assert_eq!(found.end.hash, Some(LineHash::of(b"edited")));
    // A number at its end is no reason to end.
    let last = lines[2].replace("\"seq\":3", &format!("\"seq\":{}", u64::MAX));
    let found = after(&format!("{last}\n"));
    found.end.seal(at(9), run(1), Fact::lost(1)).unwrap();
}

proptest! {
    /// Nothing that is done to a log in its middle stays unseen.
    #[test]
    fn whatever_is_done_to_a_log_is_found(n in 3_usize..12, what in 0..4, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good: Vec<Vec<u8>> = log(n as u64).into_iter().map(String::into_bytes).collect();
        let mut lines = good.clone();
        let (i, j) = (a.index(n), b.index(n));
        match what {
            // Any line but the last, whose successor is not there to show it.
            0 => { let i = a.index(n - 1); let at = b.index(lines[i].len()); lines[i][at] = byte; }
            1 => { lines.swap(i, j); }
            2 => { lines.remove(1 + a.index(n - 2)); }
            _ => { let line = lines.remove(i); lines.insert(j.min(n - 1), line); }
        }
        let report = verified(&lines);
        prop_assert_eq!(lines != good, !report.breaks.is_empty(), "{:?}", report);
    }
}
