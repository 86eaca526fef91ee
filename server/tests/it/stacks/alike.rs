//! What all stacks do alike: pulled out, plugged in again, another in its place, hanging.

use super::stack::{Piv, Soft, Stack, TpmStack, prepare};
use crate::rig::{Outcome, Rig, TestClaim, renew, until};
use mooring_core::license::{AnchorKind, AppClock, Demand, verify};
use mooring_core::time::Timestamp;
use mooring_core::wire::{Grant, ProblemType, Renewed, ServerState};
use mooring_net::client::Client;
use mooring_testkit::vendor;
use std::time::{Duration, Instant};

/// What the issue promises of a token that is pulled out, and of one that is plugged in again.
const SEEN: Duration = Duration::from_secs(3);
const BACK: Duration = Duration::from_secs(5);

pub async fn state(rig: &Rig, c: &Client) -> ServerState {
    rig.products(c).await.server
}

/// Waits until the anchor stands so; returns how long that took.
pub async fn until_anchor(rig: &Rig, c: &Client, reason: &str) -> Duration {
    let begin = Instant::now();
    until(reason, async || {
        state(rig, c).await.anchor.reason.name() == reason
    })
    .await;
    begin.elapsed()
}

/// Waits until it is there, or is not.
async fn until_present(rig: &Rig, c: &Client, present: bool) -> Duration {
    let begin = Instant::now();
    until("the anchor comes or goes", async || {
        state(rig, c).await.anchor.present == present
    })
    .await;
    begin.elapsed()
}

pub async fn renewed(c: &Client, claim: &mut TestClaim, g: &Grant) {
    let r = renew(c, vec![claim.renewal(g.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Ok { lease, .. } if *lease == g.lease),
        "{r:?}"
    );
}

/// As an application does that insists on an anchor.
fn verified(g: &Grant) {
    let product = "render".parse().unwrap();
    let demand = Demand::of(&product);
    let v = verify(
        &g.token,
        &[vendor().public()],
        &demand,
        &AppClock::at(Timestamp::now()),
    )
    .unwrap();
    assert_eq!(v.anchor, AnchorKind::Pkcs11);
}

async fn pulled_out_and_plugged_in(mut stack: impl Stack) {
    let mut rig = prepare(&stack);
    rig.run();
    let c = rig.client("a");
    println!(
        "first signature after {:?}",
        until_anchor(&rig, &c, "Present").await
    );
    let mut first = TestClaim::new("pod");
    let g = first.claim(&c, None).await.granted();
    verified(&g);

    stack.unplug();
    let seen = until_present(&rig, &c, false).await;
    println!(
        "pulled out: seen after {seen:?}: {}",
        state(&rig, &c).await.anchor.message
    );
    assert!(seen < SEEN, "seen after {seen:?}");
    let mut second = TestClaim::new("other");
    let p = second
        .claim(&c, None)
        .await
        .problem(ProblemType::AnchorLost);
    assert_eq!(p.status, 503, "{p:?}");
    renewed(&c, &mut first, &g).await;
    // However long it is away: here, until the server waits as long as it ever does.
    tokio::time::sleep(Duration::from_secs(9)).await;
    let s = state(&rig, &c).await;
    assert!(
        !s.anchor.present && s.anchor.message.contains("lost since"),
        "{s:?}"
    );

    stack.plug();
    let back = until_present(&rig, &c, true).await;
    println!("plugged in: back after {back:?}");
    assert!(back < BACK, "back after {back:?}");
    renewed(&c, &mut first, &g).await;
    let g = second.claim(&c, None).await.granted();
    verified(&g);
    // Out and in again before anybody looks.
    stack.unplug();
    stack.plug();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let back = until_present(&rig, &c, true).await;
    println!("out and in at once: back after {back:?} and 2 s");
    assert!(back < BACK, "back after {back:?}");
    renewed(&c, &mut second, &g).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn softhsm_pulled_out_is_seen_in_3_s_and_back_in_5_s() {
    pulled_out_and_plugged_in(Soft::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_pulled_out_is_seen_in_3_s_and_back_in_5_s() {
    pulled_out_and_plugged_in(Piv::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tpm_gone_is_seen_in_3_s_and_back_in_5_s() {
    pulled_out_and_plugged_in(TpmStack::new()).await;
}

/// Another token with the same label signs for nobody; the right one heals it.
async fn exchanged(mut stack: impl Stack) {
    let mut rig = prepare(&stack);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&c, None).await.granted();
    stack.unplug();
    until_present(&rig, &c, false).await;
    stack.plug_another();
    until_anchor(&rig, &c, "KeyNotInLicense").await;
    println!("another token: {}", state(&rig, &c).await.anchor.message);
    let mut other = TestClaim::new("other");
    other.claim(&c, None).await.problem(ProblemType::AnchorLost);
    stack.unplug();
    stack.plug();
    let back = until_anchor(&rig, &c, "Present").await;
    println!("the right token: back after {back:?}");
    assert!(back < BACK, "{back:?}");
    renewed(&c, &mut claim, &g).await;
    other.claim(&c, None).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_softhsm_token_with_the_same_label_does_not_serve() {
    exchanged(Soft::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_card_with_the_same_label_does_not_serve() {
    exchanged(Piv::new()).await;
}

/// tpm2-pkcs11 keeps its keys in a file, wrapped by the TPM: with another TPM not even the login
/// works.
#[tokio::test(flavor = "multi_thread")]
async fn a_tpm_store_copied_to_another_tpm_does_not_serve() {
    let mut first = TpmStack::new();
    let mut copied = first.copied();
    let mut rig = prepare(&copied);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "PinRejected").await;
    println!("copied: {}", state(&rig, &c).await.anchor.message);
    let mut claim = TestClaim::new("pod");
    claim.claim(&c, None).await.problem(ProblemType::AnchorLost);
    // It is the TPM that was missing, and nothing else: with its secrets the same store serves.
    rig.kill();
    std::fs::remove_dir_all(rig.path("state")).unwrap();
    copied.tpm.become_the_same(&mut first.tpm);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
}

/// While it hangs, everybody else is answered: as long as the delegation lasts and nobody has
/// noticed, even with new leases.
async fn hanging(mut stack: impl Stack) {
    let mut rig = prepare(&stack);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&c, None).await.granted();

    stack.hang(true);
    let begin = Instant::now();
    let (mut longest, mut answered, mut seen) = (Duration::ZERO, 0, None);
    let mut other = TestClaim::new("other");
    // Longer than it takes to notice, to kill the worker, and to have the next one hang, too.
    while begin.elapsed() < Duration::from_secs(12) {
        let asked = Instant::now();
        renewed(&c, &mut claim, &g).await;
        match other.claim(&c, None).await {
            Outcome::Granted(g) => {
                other.release(&c, g.lease).await;
                other = TestClaim::new("other");
            }
            Outcome::Problem(p) => {
                assert_eq!(p.kind, ProblemType::AnchorLost, "{p}");
                seen.get_or_insert(begin.elapsed());
            }
            Outcome::Waiting(w) => panic!("{w:?}"),
        }
        longest = longest.max(asked.elapsed());
        answered += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let s = state(&rig, &c).await;
    println!(
        "hangs: seen after {seen:?}; {answered} renewals and claims answered, the slowest after {longest:?}; {}",
        s.anchor.message
    );
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert!(
        !s.anchor.present && s.anchor.reason.name() == "Hung",
        "{s:?}"
    );
    assert!(seen.is_some_and(|t| t < Duration::from_secs(8)), "{seen:?}");

    stack.hang(false);
    let back = until_present(&rig, &c, true).await;
    println!("goes on: back after {back:?}");
    assert!(back < BACK, "{back:?}");
    renewed(&c, &mut claim, &g).await;
    other.claim(&c, None).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_hangs_blocks_nothing_but_the_anchor() {
    hanging(Piv::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tpm_that_hangs_blocks_nothing_but_the_anchor() {
    hanging(TpmStack::new()).await;
}
