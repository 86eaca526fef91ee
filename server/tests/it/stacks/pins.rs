//! PINs, counted by the card: a wrong one locks it after three tries, so the server makes one; two
//! where the card does not say that it is wrong.

use super::alike::{state, until_anchor};
use super::card::Slot;
use super::programs::{library, printed};
use super::stack::{PIN, Piv, Stack, prepare, prepare_with};
use crate::rig::{Outcome, Rig, Setup, TestClaim, until};
use mooring_net::client::Client;
use std::time::Duration;

const WRONG: &str = "111111";

/// How long a server with a wrong PIN is watched; the ten minutes of the promise with
/// MOORING_PIN_SECS=600.
fn long() -> Duration {
    let secs = std::env::var("MOORING_PIN_SECS").ok();
    Duration::from_secs(secs.map_or(12, |s| s.parse().expect("MOORING_PIN_SECS: seconds")))
}

async fn stays(rig: &Rig, c: &Client, reason: &str, time: Duration) {
    let end = std::time::Instant::now() + time;
    while std::time::Instant::now() < end {
        let s = state(rig, c).await;
        assert_eq!(s.anchor.reason.name(), reason, "{}", s.anchor.message);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn logins(mut piv: Piv, n: u64) {
    let mut rig = prepare_with(&piv, WRONG, Setup::default());
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "PinRejected").await;
    let message = state(&rig, &c).await.anchor.message;
    println!("{message}");
    assert!(
        message.contains("no further login is made before the PIN changes"),
        "{message}"
    );
    stays(&rig, &c, "PinRejected", long()).await;
    assert_eq!(piv.card.counted().logins, n, "the card's own count");

    // Neither after a restart of the server, nor when the card was out.
    rig.kill();
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "PinRejected").await;
    piv.unplug();
    piv.plug();
    stays(&rig, &c, "PinRejected", long() / 2).await;
    let counted = piv.card.counted();
    assert_eq!(
        (counted.logins, counted.refused, counted.tries_left),
        (n, n, 3 - u8::try_from(n).unwrap())
    );
    if n == 2 {
        // Its last try is not the server's: as the message says, one login by hand.
        by_hand(&piv);
    }

    rig.write("pin", &format!("{PIN}\n"));
    until_anchor(&rig, &c, "Present").await;
    let mut claim = TestClaim::new("pod");
    until("leases are granted", async || {
        matches!(claim.claim(&c, None).await, Outcome::Granted(_))
    })
    .await;
    let counted = piv.card.counted();
    assert_eq!(
        (counted.logins, counted.refused, counted.tries_left),
        (n + n, n, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_costs_the_card_one_login_for_good_and_the_right_one_heals_it() {
    logins(Piv::new(), 1).await;
}

/// The card has three tries: the last one is not the server's.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_calls_a_wrong_pin_a_general_error_is_asked_twice_and_no_oftener() {
    let general = ["--wrong-pin", "general-error"];
    logins(Piv::with(Slot::Authentication, &general), 2).await;
}

fn by_hand(piv: &Piv) {
    let module = library("opensc-pkcs11.so");
    printed(
        &[
            "pkcs11-tool",
            "--module",
            &module,
            "--login",
            "--pin",
            PIN,
            "--list-objects",
        ],
        &piv.env(),
    );
}

/// The PIN was changed on the card and changed back, and so was the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_pin_changed_there_and_back_is_tried_again() {
    let piv = Piv::new();
    let mut rig = prepare(&piv);
    for (pin, reason, counted) in [
        (PIN, "Present", (1, 0)),
        (WRONG, "PinRejected", (2, 1)),
        (PIN, "Present", (3, 1)),
        (WRONG, "PinRejected", (4, 2)),
    ] {
        rig.write("pin", pin);
        rig.run();
        let c = rig.client("a");
        until_anchor(&rig, &c, reason).await;
        rig.kill();
        let card = piv.card.counted();
        assert_eq!((card.logins, card.refused), counted, "{pin}");
    }
}

/// A pod that is made anew remembers nothing: the card itself says that its tries come to an end.
#[tokio::test(flavor = "multi_thread")]
async fn servers_without_memory_do_not_lock_the_card() {
    let piv = Piv::new();
    let mut rig = prepare_with(&piv, WRONG, Setup::default());
    for n in [1, 2, 2, 2] {
        rig.run();
        let c = rig.client("a");
        until_anchor(&rig, &c, "PinRejected").await;
        let message = state(&rig, &c).await.anchor.message;
        assert_eq!(piv.card.counted().refused, n, "{message}");
        rig.kill();
        std::fs::remove_dir_all(rig.path("state")).unwrap();
    }
    assert_eq!(piv.card.counted().tries_left, 1);
    assert_eq!(rig.logged("logging in to the token"), 2);
    // As the message says: the right PIN, and one login by hand.
    rig.run();
    let c = rig.client("a");
    rig.write("pin", PIN);
    until_anchor(&rig, &c, "PinRejected").await;
    let message = state(&rig, &c).await.anchor.message;
    assert!(message.contains("one try is left"), "{message}");
    by_hand(&piv);
    until_anchor(&rig, &c, "Present").await;
    assert_eq!(piv.card.counted().tries_left, 3);
}

/// Its PIN is another, and would be spent.
#[tokio::test(flavor = "multi_thread")]
async fn another_card_is_not_shown_the_pin() {
    let mut piv = Piv::new();
    piv.unplug();
    piv.plug_another();
    let mut rig = prepare(&piv);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "KeyNotInLicense").await;
    println!("{}", state(&rig, &c).await.anchor.message);
    stays(&rig, &c, "KeyNotInLicense", Duration::from_secs(3)).await;
    assert_eq!(piv.another.counted().logins, 0);
    piv.unplug();
    piv.plug();
    until_anchor(&rig, &c, "Present").await;
    assert_eq!(
        (piv.card.counted().logins, piv.another.counted().logins),
        (1, 0)
    );
}

/// A right PIN is shown again at each replug, and costs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_pin_is_shown_once_for_each_time_that_the_card_is_plugged_in() {
    let mut piv = Piv::new();
    let mut rig = prepare(&piv);
    rig.run();
    let c = rig.client("a");
    for n in 1..=3 {
        until_anchor(&rig, &c, "Present").await;
        let counted = piv.card.counted();
        assert_eq!((counted.logins, counted.refused), (n, 0));
        piv.unplug();
        until_anchor(&rig, &c, "TokenLost").await;
        piv.plug();
    }
}

/// Slot 9E: nothing to be locked, nothing to be logged in to.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_signs_without_a_pin_needs_no_pin_file() {
    let piv = Piv::with(Slot::Card, &[]);
    let mut rig = prepare(&piv);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    TestClaim::new("pod").claim(&c, None).await.granted();
    let counted = piv.card.counted();
    assert_eq!((counted.logins, counted.signatures_9a), (0, 0));
    assert!(counted.signatures_9e > 0);
}
