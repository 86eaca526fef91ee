//! How often the webhook allocates for one review, exactly: what a review costs is mostly that, and
//! it is the same on each machine. A number that has grown was worse before; one that has shrunk is
//! written down here.
#![allow(clippy::unwrap_used)]

use mooring_bench_webhook::{Desk, Kind, body};

#[test]
fn a_review_allocates_so_often() {
    let desk = Desk::of_one_server();
    let count = |kind, verdict| {
        let body = body(kind);
        // What is made once, at the first.
        desk.answer(&body);
        let info = allocation_counter::measure(|| {
            let answered = desk.answer(&body);
            assert_eq!(answered.verdict, verdict);
            assert!(!answered.bytes.is_empty());
        });
        info.count_total
    };
    let injected = count(Kind::OptedIn, "injected");
    let refused = count(Kind::Refused, "refused");
    let foreign = count(Kind::Foreign, "unchanged");
    // Most of them are the tree that the request is read as, and the typed pod.
    assert_eq!((injected, refused, foreign), (1942, 741, 718));
}
