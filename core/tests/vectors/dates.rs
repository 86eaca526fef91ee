//! Bundles that are genuine, by an application whose clock is not the server's, or that have been
//! kept.

use super::make::{Cases, Chain, at, demand, good};
use super::model::{Demand, Expect, First, Good};
use std::time::Duration;

const DAY: u64 = 24 * 3600;

fn stale() -> Expect<Good> {
    Expect::Error("ClockOrStale".into())
}

fn right(fresh: bool, run_for_secs: u64) -> Expect<Good> {
    Expect::Ok(Good {
        run_for_secs,
        fresh,
        ..good()
    })
}

fn judged(
    c: &mut Cases,
    (name, why): (&str, &str),
    (now, first): (&str, Option<First>),
    (ask, expect): (impl FnOnce(&mut Demand), Expect<Good>),
    chain: impl FnOnce(&mut Chain),
) {
    let (mut made, mut d) = (Chain::new(&c.kept), demand());
    chain(&mut made);
    ask(&mut d);
    let bundle = made.sign();
    c.push(name, why, bundle, d, expect);
    if let Some(case) = c.all.last_mut() {
        (case.now, case.first) = (at(now), first);
    }
}

/// The token of all cases is dated 2026-06-01T12:05:00Z.
pub fn dates(c: &mut Cases) {
    fresh(c);
    unfresh(c);
    standing_still(c);
    before_what_the_vendor_dated(c);
    // What does not verify is never taken for a clock that is wrong.
    let long_after = ("2029-06-01T12:05:00Z", None);
    let forged = Expect::Error("LeaseNonce".into());
    let words = ("stale-and-replayed", "a replay is one in any year");
    let ask = |d: &mut Demand| d.nonce = Some("AAAAAAAAAAAAAAAAAAAAAA".into());
    judged(c, words, long_after, (ask, forged), |_| {});
}

fn fresh(c: &mut Cases) {
    for (name, why, now, expect) in [
        (
            "fresh-clock-behind",
            "the application's clock is 23 hours behind the server's",
            "2026-05-31T13:05:00Z",
            right(true, 8 * 3600),
        ),
        (
            "fresh-clock-ahead",
            "the application's clock is a day ahead, to the second",
            "2026-06-02T12:05:00Z",
            right(true, 8 * 3600),
        ),
        (
            "fresh-too-far-behind",
            "more than a day behind: a delegation signed in advance",
            "2026-05-31T12:04:59Z",
            stale(),
        ),
        (
            "fresh-too-far-ahead",
            "more than a day ahead: an old delegation, or a wrong clock",
            "2026-06-02T12:05:01Z",
            stale(),
        ),
        (
            "fresh-years-later",
            "a copied delegation, long after the license's end",
            "2031-01-01T00:00:00Z",
            stale(),
        ),
        (
            "fresh-1970",
            "a machine without a clock",
            "1970-01-01T00:00:07Z",
            stale(),
        ),
    ] {
        judged(c, (name, why), (now, None), (|_| {}, expect), |_| {});
    }
}

fn unfresh(c: &mut Cases) {
    let long = |ch: &mut Chain| {
        let grace = Duration::from_secs(14 * DAY);
        ch.license.policy.max_grace = Some(grace);
        ch.token.run_for = grace;
    };
    for (name, why, now, expect) in [
        (
            "kept-third-day",
            "restarted on the third day of a grace of fourteen",
            "2026-06-04T12:05:00Z",
            right(false, 14 * DAY),
        ),
        (
            "kept-last-second",
            "its grace ended almost a day ago",
            "2026-06-16T12:04:59Z",
            right(false, 14 * DAY),
        ),
        (
            "kept-too-long",
            "its grace ended a day ago",
            "2026-06-16T12:05:00Z",
            stale(),
        ),
        (
            "kept-from-the-future",
            "dated more than a day ahead",
            "2026-05-31T12:04:59Z",
            stale(),
        ),
    ] {
        let ask = |d: &mut Demand| d.nonce = None;
        judged(c, (name, why), (now, None), (ask, expect), long);
    }
}

fn standing_still(c: &mut Cases) {
    let now = "2026-06-01T12:06:00Z";
    for (name, why, issued_at, ago_secs, expect) in [
        (
            "process-right",
            "the process's first proof was three days ago by both clocks",
            "2026-05-29T12:05:00Z",
            3 * DAY,
            right(true, 8 * 3600),
        ),
        (
            "process-clock-set-back",
            "the server's clock was set an hour back since",
            "2026-06-01T13:05:00Z",
            60,
            right(true, 8 * 3600),
        ),
        (
            "process-paused",
            "the machine was paused for a month, and its boot clock with it",
            "2026-05-01T12:05:00Z",
            60,
            right(true, 8 * 3600),
        ),
        (
            "process-stood-a-day",
            "the dates have stood still for a day",
            "2026-06-01T12:05:00Z",
            DAY,
            right(true, 8 * 3600),
        ),
        (
            "process-stands-still",
            "the dates have stood still for more than a day",
            "2026-06-01T12:05:00Z",
            DAY + 1,
            stale(),
        ),
        (
            "process-goes-back",
            "dated more than a day before the process's first proof",
            "2026-06-02T12:05:01Z",
            0,
            stale(),
        ),
    ] {
        let first = Some(First {
            issued_at: at(issued_at),
            ago_secs,
        });
        judged(c, (name, why), (now, first), (|_| {}, expect), |_| {});
    }
    let first = Some(First {
        issued_at: at("2026-06-01T12:05:00Z"),
        ago_secs: 5 * DAY,
    });
    let words = ("process-kept", "a kept token is old, and may be");
    let ask = |d: &mut Demand| d.nonce = None;
    judged(
        c,
        words,
        (now, first),
        (ask, right(false, 8 * 3600)),
        |_| {},
    );
}

fn before_what_the_vendor_dated(c: &mut Cases) {
    let now = "2026-06-01T12:06:00Z";
    for (name, why, issued, expect) in [
        (
            "license-issued-later",
            "dated an hour before its license was issued: the server's clock is behind the vendor's",
            "2026-06-01T13:05:00Z",
            right(true, 8 * 3600),
        ),
        (
            "license-issued-a-day-later",
            "dated more than a day before its license was issued",
            "2026-06-02T12:05:01Z",
            stale(),
        ),
    ] {
        let expect = (|_: &mut Demand| {}, expect);
        judged(c, (name, why), (now, None), expect, |ch| {
            ch.license.issued = at(issued);
        });
    }
    for (name, why, now, built_on, expect) in [
        (
            "built-later",
            "dated half a day before the build",
            "2026-06-02T12:00:00Z",
            "2026-06-02T00:00:00Z",
            right(true, 8 * 3600),
        ),
        (
            "built-in-the-future",
            "a release day that the application's clock has not reached does not count",
            "2026-06-01T12:06:00Z",
            "2026-06-20T00:00:00Z",
            right(true, 8 * 3600),
        ),
    ] {
        let built_on = at(built_on);
        let ask = move |d: &mut Demand| d.built_on = Some(built_on);
        judged(c, (name, why), (now, None), (ask, expect), |_| {});
    }
    let words = (
        "kept-from-before-the-build",
        "a kept token of two days before the build",
    );
    let ask = |d: &mut Demand| {
        d.nonce = None;
        d.built_on = Some(at("2026-06-03T00:00:00Z"));
    };
    let now = "2026-06-04T00:00:00Z";
    judged(c, words, (now, None), (ask, stale()), |ch| {
        let grace = Duration::from_secs(14 * DAY);
        ch.license.policy.max_grace = Some(grace);
        ch.token.run_for = grace;
    });
}
