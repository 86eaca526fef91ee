#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

fn revoked() -> Story {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(10);
    s.see(Fact::Revoked(HolderNo(1), true)).wait(10);
    s
}

#[test]
fn the_next_contact_tells_it() {
    let mut s = revoked();
    let renewal = s.renewal(1, 1);
    let msg = s.sends(1, renewal);
    s.answer(msg, Reply::Problem("revoked")).says(1, Says::Lost);
    assert_eq!(s.verdict(), None);
    assert_eq!(
        (s.seen().contacts_of_revoked, s.seen().heard_revoked),
        (1, 1)
    );
    s.says_grace(1, 1, 1000);
    assert!(s.verdict().is_some(), "not licensed again");
    let mut s = revoked();
    s.renews(1, 1);
    assert_eq!(s.verdict(), Some(12));
    let mut s = revoked();
    let renewal = s.renewal(1, 1);
    let msg = s.sends(1, renewal);
    s.answer(msg, Reply::Problem("revoked"));
    assert_eq!(s.verdict(), Some(12), "it goes on");
}

#[test]
fn nothing_new_until_it_is_lifted() {
    for lifted in [true, false] {
        let mut s = revoked();
        s.ended(1, 1, "revoked").dies(1).wait(10);
        if lifted {
            s.see(Fact::Revoked(HolderNo(1), false));
        }
        s.begin_as(1, 5, false);
        let msg = s.sends(1, s.claim(1, None, None));
        s.held(1, 2).answer(msg, got(2));
        assert_eq!(s.verdict(), if lifted { None } else { Some(12) });
    }
}
