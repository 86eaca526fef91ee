//! Promise 13: the watch, replayed, equals the history, or says that it starts anew.

use super::Seen;
use super::measure::Verdict;
use super::model::Model;

/// The follower compares.
pub(super) fn followed(m: &Model, equal: bool, seen: &mut Seen) -> Verdict {
    seen.followed += 1;
    if equal {
        return Ok(());
    }
    let what = format!(
        "the follower of the watch has all events of {:?} and another list than the server",
        m.run.no
    );
    m.broken(13, what)
}

/// Changes of the books are numbered without a gap.
pub(super) fn booked(m: &Model, last: &mut u64, seq: u64) -> Verdict {
    let before = std::mem::replace(last, seq);
    if seq == before + 1 {
        return Ok(());
    }
    let what = format!(
        "in {:?} the change after number {before} has number {seq}",
        m.run.no
    );
    m.broken(13, what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::story::*;
    use crate::history::*;

    #[test]
    fn the_follower_has_what_the_server_has() {
        let mut s = Story::new(1);
        s.granted(1, 1).see(Fact::ListAnew);
        s.see(Fact::Followed { equal: true });
        assert_eq!(s.verdict(), None);
        assert_eq!(s.seen().followed, 1);
        s.see(Fact::Followed { equal: false });
        assert_eq!(s.verdict(), Some(13));
    }

    #[test]
    fn no_change_is_left_out() {
        let mut s = Story::new(1);
        s.granted(1, 1);
        s.see(Fact::Booked {
            seq: 3,
            lease: lease(1),
            holder: HolderNo(1),
            claim: ClaimNo(0),
            items: vec![(0, 1)],
            priority: 0,
            book: Book::Silent {
                draws: vec![(0, 1)],
            },
        });
        assert_eq!(s.verdict(), Some(13));
    }
}
