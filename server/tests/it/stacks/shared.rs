//! One card and many: leases by the thousand, and two servers.

use super::alike::{renewed, state, until_anchor};
use super::stack::{Piv, Stack, prepare, prepare_with};
use crate::rig::{Rig, Setup, TestClaim};
use std::time::{Duration, Instant};

/// Thousands of claims, renewals and releases are served under one delegation: one signature by the
/// card.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_leases_cost_the_card_one_signature_for_each_delegation() {
    let piv = Piv::new();
    let mut rig = prepare_with(
        &piv,
        piv.pin(),
        Setup {
            seats: 64,
            lease_secs: 300,
            ..Setup::default()
        },
    );
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    let begin = Instant::now();
    let before = piv.card.counted().signatures_9a;
    let holders = (0..32).map(|i| {
        let c = rig.client(&format!("holder-{i}"));
        tokio::spawn(async move {
            let mut served = 0;
            for n in 0..25 {
                let mut claim = TestClaim::new(&format!("claim-{n}"));
                let g = claim.claim(&c, None).await.granted();
                for _ in 0..4 {
                    renewed(&c, &mut claim, &g).await;
                }
                claim.release(&c, g.lease).await;
                served += 6;
            }
            served
        })
    });
    let mut served = 0;
    for h in holders.collect::<Vec<_>>() {
        served += h.await.unwrap();
    }
    let secs = begin.elapsed().as_secs_f64();
    let signatures = piv.card.counted().signatures_9a - before;
    let made = rig.metric("mooring_delegations_total").await;
    println!(
        "{served} calls in {secs:.1} s ({:.0}/s, {} build): {signatures} further signatures by the card",
        f64::from(served) / secs,
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "optimized"
        }
    );
    assert_eq!(served, 32 * 25 * 6);
    assert!(
        before == 1 && signatures == 0,
        "{before} + {signatures}, {made:?}"
    );
}

/// What it lost so far, by reason.
async fn losses(rig: &Rig) -> Vec<String> {
    let text = rig.metrics().await;
    let lines = text.lines().map(str::to_owned);
    lines
        .filter(|l| l.starts_with("mooring_anchor_losses_total{"))
        .collect()
}

/// Two servers on one card, as two processes of one machine: both sign, since neither reads the
/// card exclusively. The second one is noticed by its instance in the tokens, not prevented
/// (docs/operate.md).
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_card_do_not_disturb_each_other() {
    let mut piv = Piv::new();
    let mut one = prepare(&piv);
    let mut two = prepare(&piv);
    one.run();
    two.run();
    let (a, b) = (one.client("a"), two.client("b"));
    until_anchor(&one, &a, "Present").await;
    until_anchor(&two, &b, "Present").await;
    let (mut mine, mut yours) = (TestClaim::new("mine"), TestClaim::new("yours"));
    let g = mine.claim(&a, None).await.granted();
    yours.claim(&b, None).await.granted();

    // One may have looked before its card was there.
    let before = losses(&one).await;
    // One ends, killed in the midst of whatever it does: the other goes on.
    two.kill();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(state(&one, &a).await.anchor.present);
    assert_eq!(losses(&one).await, before);
    renewed(&a, &mut mine, &g).await;
    two.run();
    let b = two.client("b");
    until_anchor(&two, &b, "Present").await;

    // Both see it go and come.
    piv.unplug();
    for (rig, c) in [(&one, &a), (&two, &b)] {
        until_anchor(rig, c, "TokenNotFound").await;
    }
    piv.plug();
    for (rig, c) in [(&one, &a), (&two, &b)] {
        until_anchor(rig, c, "Present").await;
    }
    renewed(&a, &mut mine, &g).await;
    let counted = piv.card.counted();
    assert_eq!(counted.refused, 0, "{counted:?}");
}
