#![allow(clippy::unwrap_used)]
use super::*;
use mooring_core::time::Timestamp;
use std::path::Path;

fn at(secs: u64) -> Now {
    Now {
        boot: BootTime::from_millis(secs * 1000),
        wall: Timestamp::from_second(i64::try_from(secs).unwrap()).unwrap(),
    }
}

fn open(dir: &Path) -> Served {
    Served::new(Keeper::in_file(dir.join("state.json")))
}

#[tokio::test]
async fn days_are_spent_once_over_all_runs_and_by_license_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let (key, other) = (KeyId("k".into()), KeyId("o".into()));
    let mut now = 1000;
    let mut delegations = 0;
    'days: loop {
        // Each run serves for a while, and is killed.
        let mut s = open(dir.path());
        for _ in 0..7 {
            if s.left("l", &key, 1, at(now).boot).is_zero() {
                break 'days;
            }
            s.spend("l", &key, 1, at(now)).await.unwrap();
            // A new license file in between costs nothing.
            s.spend("l", &key, 1, at(now + 10)).await.unwrap();
            delegations += 1;
            now += RENEW.as_secs();
        }
    }
    assert_eq!(delegations * RENEW.as_secs(), DAY, "a day is a day");
    let mut s = open(dir.path());
    let spent = s.spend("l", &key, 1, at(now)).await;
    assert_eq!(spent, Err(NotCommitted::Refused(AllSpent)));
    let used = s.so_far("l", &key).unwrap();
    assert_eq!(used.first, at(1000).wall, "the day of its first use");
    let (now, day) = (at(now).boot, Duration::from_secs(DAY));
    assert_eq!(s.left("l", &key, 2, now), day);
    assert_eq!(s.left("l", &other, 1, now), day);
    assert_eq!(s.left("anew", &key, 1, now), day);
}

#[tokio::test]
async fn what_is_left_counts_what_is_spent_in_advance_and_what_cannot_be_kept_is_not_spent() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyId("k".into());
    let mut s = open(dir.path());
    s.spend("l", &key, 1, at(0)).await.unwrap();
    let day = Duration::from_secs(DAY);
    assert_eq!(s.left("l", &key, 1, at(0).boot), day);
    let later = Duration::from_secs(DAY - 100);
    assert_eq!(s.left("l", &key, 1, at(100).boot), later);
    let mut s = open(&dir.path().join("nowhere"));
    for _ in 0..3 {
        let spent = s.spend("l", &key, 1, at(0)).await;
        assert!(matches!(spent, Err(NotCommitted::Unkept(_))), "{spent:?}");
    }
    assert_eq!(s.so_far("l", &key), None);
}
