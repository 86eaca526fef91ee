#![allow(clippy::unwrap_used)]
use super::*;
use crate::tests::chain::{at, instance};

fn started() -> Now {
    Now {
        boot: BootTime::from_millis(100_000),
        wall: at("2026-05-01T12:00:00Z"),
    }
}

fn sign(run: u8, issued_at: &str, boot: Option<&BootStamp>) -> bool {
    let s = Sign {
        instance: instance(run),
        issued_at: at(issued_at),
        issued_boot: boot,
    };
    s.of_a_second_server(instance(1), started(), HERE)
}

const HERE: BootId = BootId::from_bytes([1; 8]);

fn stamp(boot: BootId, secs: u64) -> BootStamp {
    BootStamp {
        boot,
        ms: BootTime::from_millis(secs * 1000),
    }
}

#[test]
fn a_younger_token_of_another_run_is_a_sign_and_the_run_before_is_none() {
    assert!(!sign(1, "2026-05-01T13:00:00Z", None), "its own");
    assert!(!sign(2, "2026-05-01T11:59:59Z", None), "the one before");
    assert!(!sign(2, "2026-05-01T12:01:00Z", None), "clocks differ");
    assert!(sign(2, "2026-05-01T12:01:01Z", None));
}

#[test]
fn on_the_same_boot_its_clock_decides_whatever_the_wall_clock_said() {
    // The run before had a wall clock that ran an hour ahead.
    let before = stamp(HERE, 99);
    assert!(!sign(2, "2026-05-01T13:00:00Z", Some(&before)));
    let overlap = stamp(HERE, 105);
    assert!(!sign(2, "2026-05-01T13:00:00Z", Some(&overlap)));
    let beside = stamp(HERE, 106);
    assert!(sign(2, "2026-05-01T11:00:00Z", Some(&beside)));
    // Another machine's boot clock says nothing here.
    let elsewhere = stamp(BootId::from_bytes([2; 8]), 10_000);
    assert!(!sign(2, "2026-05-01T12:00:30Z", Some(&elsewhere)));
}

#[test]
fn it_is_news_once_and_shown_for_an_hour_after_the_last_sign() {
    let mut seen = Sighting::default();
    let t = |secs: u64| BootTime::from_millis(secs * 1000);
    let s = |run, issued_at| Sign {
        instance: instance(run),
        issued_at: at(issued_at),
        issued_boot: None,
    };
    assert!(seen.shown(t(1)).is_none());
    assert!(seen.note(s(2, "2026-05-01T12:30:00Z"), t(1)));
    assert!(!seen.note(s(2, "2026-05-01T12:20:00Z"), t(1800)));
    let shown = seen.shown(t(1800)).unwrap();
    assert_eq!(shown.issued_at, at("2026-05-01T12:30:00Z"));
    assert!(seen.shown(t(5399)).is_some() && seen.shown(t(5400)).is_none());
    assert!(seen.note(s(2, "2026-05-01T14:00:00Z"), t(5400)));
    assert!(seen.note(s(3, "2026-05-01T14:00:00Z"), t(5401)));
}
