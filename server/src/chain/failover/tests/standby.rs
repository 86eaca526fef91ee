//! A second anchor, for so many days.

use super::bench::{Bench, key, two};
use mooring_core::license::AnchorKey;

const DAY: u64 = 86_400;

fn signer(b: &Bench) -> usize {
    let id = b.authority.in_force.as_ref().unwrap().anchor.key_id.clone();
    (0..2).find(|i| key(*i).public().id() == id).unwrap()
}

#[tokio::test]
async fn a_standby_serves_only_while_the_first_cannot() {
    let mut b = Bench::new(&two(14));
    b.run(600).await;
    assert_eq!(
        (signer(&b), b.reason(), b.world.opened(1)),
        (0, "Present", 0),
        "it is not even opened"
    );

    // In the same second new leases go on, under the standby.
    b.world.plug(0, false);
    b.step().await;
    let state = b.authority.clone();
    assert_eq!(
        (
            signer(&b),
            b.reason(),
            state.anchor.present,
            state.lost_since
        ),
        (1, "StandbyInUse", true, None)
    );
    b.verified(&b.renew().unwrap()).unwrap();
    let said = state.anchor.message.clone();
    assert!(
        said.contains("until 2026-05-15T12:10Z")
            && said.contains("anchor 0 was pulled out")
            && said.contains("14 days"),
        "{said}"
    );
    // For hours, with the same words.
    b.run(3 * 3600).await;
    assert_eq!(b.authority.anchor.message, said);
    b.verified(&b.renew().unwrap()).unwrap();

    // The first is back: by itself, within the longest wait, and the standby may be taken out.
    b.world.plug(0, true);
    b.run(31).await;
    assert_eq!((signer(&b), b.reason()), (0, "Present"));
    b.world.plug(1, false);
    b.run(600).await;
    assert_eq!(b.reason(), "Present");

    // Both away, then the standby alone.
    b.world.plug(0, false);
    b.step().await;
    assert_eq!(b.reason(), "TokenLost");
    assert!(
        b.authority
            .anchor
            .message
            .contains("the other anchor: TokenLost: anchor 1")
    );
    b.world.plug(1, true);
    b.run(7).await;
    assert_eq!((signer(&b), b.reason()), (1, "StandbyInUse"));
}

#[tokio::test]
async fn its_days_are_counted_over_restarts_and_then_it_is_lost() {
    let mut b = Bench::new(&two(1));
    b.run(60).await;
    b.world.plug(0, false);
    // Ten hours, an hour with the first, and a restart; days go on where they were.
    b.run_by(10, 36_000).await;
    b.world.plug(0, true);
    b.run_by(10, 3600).await;
    assert_eq!(signer(&b), 0);
    b.world.plug(0, false);
    b.restart();
    let begin = b.world.ms();
    loop {
        b.run_by(10, 10).await;
        if b.reason() != "StandbyInUse" {
            break;
        }
        assert!(b.world.ms() - begin < 2 * DAY * 1000, "it never ends");
    }
    let served = 36_000 + (b.world.ms() - begin) / 1000;
    // The longest wait for the first one, and what the second time began with.
    assert!(
        (DAY - 400..=DAY + 40).contains(&served),
        "served {served} s"
    );
    assert_eq!(b.reason(), "StandbyExpired");
    let said = b.authority.anchor.message.clone();
    assert!(
        said.contains("has served its 1 day, the first time on 2026-05-01")
            && said.contains("repair the first anchor (anchor 0 was pulled out)"),
        "{said}"
    );
    // Renewals go on for the grace, as after any loss.
    assert!(b.renew().is_ok());
    b.run(601).await;
    assert!(b.renew().is_err());
    // A restart gives nothing anew, a license issued anew does, and the first one's return ends it
    // all.
    b.restart();
    b.run(10).await;
    assert_eq!(b.reason(), "StandbyExpired");
    let mut anew = two(1);
    anew.id = "test-2".into();
    b.issue(&anew);
    b.run(10).await;
    assert_eq!(b.reason(), "StandbyInUse");
    b.world.plug(0, true);
    b.run(31).await;
    assert_eq!(b.reason(), "Present");
}

#[tokio::test]
async fn days_that_cannot_be_kept_are_not_served_and_what_is_delegated_lasts() {
    let mut b = Bench::new(&two(14));
    b.run(10).await;
    let blocked = b.dir.path().join("state.new");
    std::fs::create_dir(&blocked).unwrap();
    b.world.plug(0, false);
    b.run(3).await;
    let anchor = b.authority.anchor.clone();
    assert!(!anchor.present && b.reason() == "StandbyUncounted");
    for words in [
        "state.json cannot be written",
        "make stateDir writable",
        "anchor 0 was pulled out",
    ] {
        assert!(anchor.message.contains(words), "{}", anchor.message);
    }
    assert_eq!(b.world.signed(1), 0);
    b.run(60).await;
    // Each opening of a token is a login, and the token is not to blame.
    assert_eq!(b.world.opened(1), 1);
    std::fs::remove_dir(&blocked).unwrap();
    b.run(2).await;
    assert_eq!(b.reason(), "StandbyInUse");
    let kept = std::fs::read_to_string(b.dir.path().join("state.json")).unwrap();
    assert!(kept.contains("\"servedSecs\":270"), "{kept}");

    // While it serves: what is spent is served, nothing more is signed, and holders go on.
    std::fs::create_dir(&blocked).unwrap();
    b.run(200).await;
    assert_eq!((b.reason(), b.world.signed(1)), ("StandbyInUse", 1));
    b.run(200).await;
    assert_eq!((b.reason(), b.world.signed(1)), ("StandbyUncounted", 1));
    b.verified(&b.renew().unwrap()).unwrap();
    let after = std::fs::read_to_string(b.dir.path().join("state.json")).unwrap();
    assert_eq!(kept, after);
    std::fs::remove_dir(&blocked).unwrap();
    b.run(2).await;
    assert_eq!((b.reason(), b.world.signed(1)), ("StandbyInUse", 2));
}

#[tokio::test]
async fn which_is_the_standby_is_the_licenses_word_not_the_configurations() {
    // Configured first, and a standby in the license.
    let mut l = two(14);
    let standby = l.anchors[1].standby;
    let both: &mut [AnchorKey] = &mut l.anchors;
    (both[0].standby, both[1].standby) = (standby, None);
    let mut b = Bench::new(&l);
    b.run(10).await;
    assert_eq!((signer(&b), b.reason()), (1, "Present"));
    b.world.plug(1, false);
    b.step().await;
    assert_eq!((signer(&b), b.reason()), (0, "StandbyInUse"));
}

#[tokio::test]
async fn a_license_without_a_standby_is_not_served_by_the_second_anchor() {
    let mut b = Bench::new(&two(14));
    b.run(10).await;
    let mut l = two(14);
    l.anchors.truncate(1);
    l.id = "test-2".into();
    b.issue(&l);
    b.run(3).await;
    b.world.plug(0, false);
    b.run(10).await;
    let said = b.authority.anchor.message.clone();
    assert!(
        b.reason() == "TokenLost" && said.contains("the other anchor: KeyNotInLicense"),
        "{said}"
    );
    b.world.plug(0, true);
    b.run(8).await;
    assert_eq!((signer(&b), b.reason()), (0, "Present"));
}

#[tokio::test]
async fn another_token_in_the_anchors_place_is_told_and_the_right_one_serves_again() {
    let mut b = Bench::new(&two(0));
    b.run(10).await;
    b.world.exchange(0, true);
    b.run(5).await;
    assert_eq!(b.reason(), "KeyNotInLicense");
    let opened = b.world.opened(0);
    b.run(60).await;
    assert_eq!(b.world.opened(0), opened, "each opening is a login");
    b.world.exchange(0, false);
    b.run(5).await;
    assert_eq!((signer(&b), b.reason()), (0, "Present"));
}
