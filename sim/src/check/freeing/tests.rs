#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

#[test]
fn a_release_frees_in_its_step() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(10).gives_back(1, 1);
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().released, 1);
    let mut s = Story::new(1);
    s.granted(1, 1).wait(10);
    s.sends(1, s.release(1, 1));
    assert_eq!(s.verdict(), Some(2));
}

#[test]
fn gone_frees_in_its_step() {
    for frees in [true, false] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10).dies(1);
        s.see(Fact::Gone(vec![HolderNo(1)]));
        if frees {
            s.ended(1, 1, "gone");
        }
        assert_eq!(s.verdict(), if frees { None } else { Some(2) });
    }
    let mut s = Story::new(1);
    s.granted(1, 1).wait(10).ended(1, 1, "gone");
    assert_eq!(s.verdict(), Some(2), "nobody said so");
}

#[test]
fn silence_frees_at_d_and_m() {
    for (after, promise) in [
        (D, Some(2)),
        (D + M - 100, Some(2)),
        (D + M - 4, None),
        (D + M, None),
        (D + M + 1000, None),
        (D + M + 1020, Some(2)),
    ] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(3000).renews(1, 1).dies(1);
        s.wait(after).ended(1, 1, "expired");
        assert_eq!(s.verdict(), promise, "after {after} ms");
    }
    let mut s = Story::new(1);
    s.granted(1, 1).dies(1).wait(D + M + 1020);
    assert_eq!(s.verdict(), Some(2), "it is never freed");
}

#[test]
fn a_frozen_server_frees_when_it_thaws() {
    for frees in [true, false] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10).dies(1);
        s.see(Fact::Frozen).wait(5 * D).see(Fact::Thawed);
        if frees {
            s.ended(1, 1, "expired");
        }
        s.wait(1);
        assert_eq!(s.verdict(), if frees { None } else { Some(2) });
    }
}

#[test]
fn confirmed_waits_for_proof_or_the_grace() {
    for (after, promise) in [(D + M, Some(2)), (G + M, None)] {
        let mut s = Story::new(1);
        s.see(Fact::Crashed);
        s.start(2, 0, Reclaim::Confirmed, license(1));
        s.granted(1, 1).wait(10).dies(1);
        s.wait(after).ended(1, 1, "expired");
        assert_eq!(s.verdict(), promise, "after {after} ms");
    }
}

#[test]
fn a_renewal_without_the_secret_counts_for_nothing() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(3000);
    s.sends(
        2,
        Msg::Renew {
            lease: lease(1),
            secret: SecretNo(9),
            counter: 9,
            request: 9,
        },
    );
    s.dies(1).wait(D + M - 1500);
    assert_eq!(s.verdict(), Some(2));
}

#[test]
fn who_waits_and_asks_is_not_dropped() {
    for (after, promise) in [(D / 2, Some(6)), (D + M, None)] {
        let mut s = Story::new(1);
        s.granted(1, 1).waits(2, 2, 1).wait(after);
        if promise.is_none() {
            s.ended(1, 1, "expired");
        }
        s.ended(2, 2, "leftQueue");
        assert_eq!(s.verdict(), promise);
    }
}

#[test]
fn a_release_needs_the_secret() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(10);
    s.sends(
        1,
        Msg::Release {
            lease: lease(1),
            secret: SecretNo(9),
        },
    );
    assert_eq!(s.verdict(), None, "nothing happens");
    assert_eq!(s.seen().wrong_secrets, 1);
    s.sends(
        1,
        Msg::Release {
            lease: lease(1),
            secret: SecretNo(9),
        },
    );
    s.ended(1, 1, "released");
    assert_eq!(s.verdict(), Some(11));
}

#[test]
fn a_late_release_touches_no_newer_lease() {
    let late = |touches: bool| {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10).gives_back(1, 1).wait(10);
        s.begin_as(1, 7, false);
        let msg = s.sends(1, s.claim(1, None, None));
        s.held(1, 2).answer(msg, got(2)).held_now(1, 2);
        s.wait(10).receive(MsgNo(1));
        if touches {
            s.ended(1, 2, "released");
        }
        s.verdict()
    };
    assert_eq!(late(false), None);
    assert_eq!(late(true), Some(6));
}
