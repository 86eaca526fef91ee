#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

#[test]
fn nobody_gets_the_lease_without_the_secret() {
    for (secret, promise) in [(1, None), (9, Some(11))] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10);
        let msg = s.send(
            1,
            Msg::Renew {
                lease: lease(1),
                secret: SecretNo(secret),
                counter: 1,
                request: 1,
            },
        );
        s.receive(msg).see(Fact::Answered { msg, reply: got(1) });
        assert_eq!(s.verdict(), promise);
    }
    for (says, promise) in [(Some(7), None), (Some(8), Some(11)), (None, Some(11))] {
        let mut s = Story::new(1);
        s.granted(2, 2);
        let mut asks = s.claim(1, None, None);
        if let Msg::Claim { bind, .. } = &mut asks {
            *bind = Some(SecretNo(7));
        }
        let msg = s.sends(1, asks);
        let mut reply = waiting(1, 1);
        if let Reply::Waiting { bind, .. } = &mut reply {
            *bind = says.map(SecretNo);
        }
        s.book(1, 1, Book::Waiting);
        s.see(Fact::Answered { msg, reply });
        assert_eq!(s.verdict(), promise, "{says:?}");
    }
    let mut s = Story::new(1);
    s.granted(1, 1).wait(10);
    s.begin_as(1, 9, false);
    let msg = s.sends(1, s.claim(1, None, None));
    s.see(Fact::Answered {
        msg,
        reply: Reply::Problem("claim-changed"),
    });
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().wrong_secrets, 1);
    s.sends(1, s.claim(1, None, None));
    s.ended(1, 1, "replaced");
    assert_eq!(s.verdict(), Some(2), "thrown out");
    let mut s = Story::new(1);
    s.granted(1, 1).waits(2, 2, 1).wait(10);
    s.begin_as(2, 9, false);
    s.sends(2, s.claim(2, None, None));
    s.ended(2, 2, "replaced");
    assert_eq!(s.verdict(), Some(11), "thrown out of the line");
}
