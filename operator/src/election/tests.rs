#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn held_by(who: &str) -> LeaseSpec {
    claim(None, who, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_lease_is_free_only_after_its_holder_was_silent_for_its_length() {
    let at = BootTime::from_millis;
    let b = held_by("b");
    assert_eq!(judge(&b, at(0), "a", at(14_999)), Verdict::Taken);
    assert_eq!(judge(&b, at(0), "a", at(15_000)), Verdict::Free);
    assert_eq!(judge(&b, at(0), "b", at(99_000)), Verdict::Ours);
    assert_eq!(
        judge(&held_by(""), at(0), "a", at(0)),
        Verdict::Free,
        "given up"
    );
    let long = LeaseSpec {
        lease_duration_seconds: Some(60),
        ..held_by("b")
    };
    assert_eq!(
        judge(&long, at(0), "a", at(59_000)),
        Verdict::Taken,
        "its holder's word counts"
    );
}

#[test]
fn a_renewal_keeps_when_it_was_acquired_and_a_takeover_counts() {
    let later = Timestamp::from_second(100).unwrap();
    let first = held_by("a");
    let renewed = claim(Some(&first), "a", later);
    assert_eq!(
        (renewed.acquire_time.clone(), renewed.lease_transitions),
        (first.acquire_time, Some(0))
    );
    assert_eq!(renewed.renew_time, Some(MicroTime(later)));
    let taken = claim(Some(&renewed), "b", later);
    assert_eq!(
        (taken.acquire_time, taken.lease_transitions),
        (Some(MicroTime(later)), Some(1))
    );
}
