#![allow(clippy::unwrap_used)]
use super::*;

fn at(secs: u64) -> BootTime {
    BootTime::from_millis(secs * 1000)
}

#[test]
fn days_are_spent_once_over_all_runs_and_by_license_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("standby.json");
    let (key, other) = (KeyId("k".into()), KeyId("o".into()));
    let mut now = 1000;
    let mut delegations = 0;
    'days: loop {
        // Each run serves for a while, and is killed.
        let mut s = Served::open(path.clone());
        for _ in 0..7 {
            if s.left("l", &key, 1, at(now)).is_zero() {
                break 'days;
            }
            s.spend("l", &key, at(now)).unwrap();
            // A new license file in between costs nothing.
            s.spend("l", &key, at(now + 10)).unwrap();
            delegations += 1;
            now += RENEW.as_secs();
        }
    }
    assert_eq!(delegations * RENEW.as_secs(), DAY, "a day is a day");
    let s = Served::open(path.clone());
    let day = Duration::from_secs(DAY);
    assert_eq!(s.left("l", &key, 2, at(now)), day);
    assert_eq!(s.left("l", &other, 1, at(now)), day);
    assert_eq!(s.left("anew", &key, 1, at(now)), day);
}

#[test]
fn what_is_left_counts_what_is_spent_in_advance_and_what_cannot_be_kept_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyId("k".into());
    let mut s = Served::open(dir.path().join("standby.json"));
    s.spend("l", &key, at(0)).unwrap();
    let day = Duration::from_secs(DAY);
    assert_eq!(s.left("l", &key, 1, at(0)), day);
    assert_eq!(
        s.left("l", &key, 1, at(100)),
        Duration::from_secs(DAY - 100)
    );
    let mut s = Served::open(dir.path().join("nowhere/standby.json"));
    assert!(s.spend("l", &key, at(0)).is_err());
}
