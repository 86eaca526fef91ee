//! Restarts: settling, leases reinstated, places restored, the roster.

use crate::rig::{Outcome, Rig, Setup, TestClaim, ask, renew, until};
use mooring_core::receipt::Sealed;
use mooring_core::wire::{HeldProof, ProblemType, Renewed, WaitReason};
use mooring_net::client::Call;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn leases_and_places_survive_a_crash() {
    let mut rig = Rig::start(Setup {
        seats: 2,
        ..Setup::default()
    })
    .await;
    let (mut one, mut two, mut three) = (
        TestClaim::new("pod"),
        TestClaim::new("pod"),
        TestClaim::new("pod"),
    );
    let (a, b, c) = (rig.client("a"), rig.client("b"), rig.client("c"));
    let (g1, g2) = (
        one.claim(&a, None).await.granted(),
        two.claim(&b, None).await.granted(),
    );
    let w = three.claim(&c, None).await.waiting();

    rig.kill();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    assert_eq!(rig.metric("mooring_settling").await, Some(1.0));
    // Neither certificate nor token: what was shown, with the secret, is enough.
    let stranger = rig.stranger();
    let newcomer = rig.client("newcomer");
    let n = TestClaim::new("pod").claim(&newcomer, None).await.waiting();
    assert_eq!(n.reason, WaitReason::Settling);
    // Unknown lease: repeats the claim with token and secret.
    let r = renew(&stranger, vec![one.renewal(g1.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Problem { problem, .. } if problem.kind == ProblemType::UnknownLease)
    );
    let (back1, back3) = (
        one.claim(&stranger, None).await.granted(),
        three.claim(&stranger, None).await.waiting(),
    );
    assert_eq!(
        (back1.lease, back1.holder.clone()),
        (g1.lease, g1.holder.clone())
    );
    // Its place is before the newcomer's.
    assert_eq!(
        (back3.lease, back3.place, back3.reason),
        (w.lease, 1, WaitReason::Settling)
    );
    let back2 = two.claim(&stranger, None).await.granted();
    assert_eq!(back2.lease, g2.lease);
    // Settling ends with Q, full pools or not; meanwhile all go on asking, as holders do.
    until("settling ends", async || {
        let renewals = vec![one.renewal(g1.lease), two.renewal(g2.lease)];
        let r = renew(&stranger, renewals).await;
        assert!(r.iter().all(|r| matches!(r, Renewed::Ok { .. })), "{r:?}");
        assert_eq!(three.claim(&stranger, None).await.waiting().lease, w.lease);
        rig.metric("mooring_settling").await == Some(0.0)
    })
    .await;
    one.counter += 1;
    let r = renew(&stranger, vec![one.renewal(g1.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Ok { lease, .. } if *lease == g1.lease),
        "{r:?}"
    );
    assert_eq!(two.release(&stranger, g2.lease).await.status, 204);
    let back3 = loop {
        match three.claim(&stranger, Some(5)).await {
            Outcome::Granted(g) => break g,
            Outcome::Waiting(_) => {}
            Outcome::Problem(p) => panic!("{p}"),
        }
    };
    assert_eq!(back3.lease, w.lease);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_takes_a_lease_in_under_the_key_of_before_and_none_that_is_anothers() {
    let mut rig = Rig::start(Setup::default()).await;
    let (mut one, mut two) = (TestClaim::new("pod"), TestClaim::new("pod"));
    let g1 = one.claim(&rig.client("a"), None).await.granted();
    let g2 = two.claim(&rig.client("b"), None).await.granted();
    rig.kill();
    // Another key comes in front of the one that there was.
    std::fs::write(rig.path("identity"), [[8; 32], [7; 32]].concat()).unwrap();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let stranger = rig.stranger();
    let own = two.held.clone();
    let forged = |receipt: Sealed| {
        let mut bytes = receipt.as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        Sealed::from_bytes(&bytes)
    };
    for receipt in [g1.receipt.clone(), forged(g2.receipt.clone())] {
        two.held = own.clone().map(|held| HeldProof { receipt, ..held });
        let p = two.claim(&stranger, None).await;
        let p = p.problem(ProblemType::Unauthenticated);
        assert!(p.detail.contains("another holder"), "{p}");
    }
    let metric = "mooring_bad_proofs_total{kind=\"receipt\"}";
    assert_eq!(rig.metric(metric).await, Some(2.0));
    two.held = own;
    let back = two.claim(&stranger, None).await.granted();
    assert_eq!(back.lease, g2.lease);
    assert_ne!(back.receipt, g2.receipt);
    assert_eq!(one.claim(&stranger, None).await.granted().lease, g1.lease);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_is_not_taken_in_and_nothing_new_is_granted_before_q() {
    let mut rig = Rig::start(Setup {
        seats: 2,
        ..Setup::default()
    })
    .await;
    let mut one = TestClaim::new("pod");
    one.claim(&rig.client("a"), None).await.granted();
    rig.kill();
    let begin = Instant::now();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    // Another pod shows the token, without its secret, with the holder's name and its own
    // certificate, and with none.
    let mut thief = TestClaim {
        held: one.held.clone(),
        holder: one.holder.clone(),
        ..TestClaim::new("pod")
    };
    thief
        .claim(&rig.stranger(), None)
        .await
        .problem(ProblemType::Unauthenticated);
    let b = rig.client("b");
    assert_eq!(
        thief.claim(&b, None).await.waiting().reason,
        WaitReason::Settling
    );
    assert!(
        rig.metric("mooring_bad_proofs_total{kind=\"lease\"}")
            .await
            .is_some_and(|n| n >= 2.0)
    );
    let granted = loop {
        match thief.claim(&b, Some(5)).await {
            Outcome::Granted(g) => break *g,
            Outcome::Waiting(_) => {}
            Outcome::Problem(p) => panic!("{p}"),
        }
    };
    let q = begin.elapsed();
    assert!(
        q >= Duration::from_secs(11) && q < Duration::from_secs(14),
        "{q:?}"
    );
    // The owner's lease has run out; its seat was not lost meanwhile, and it gets the other one.
    let again = one.claim(&rig.client("a"), None).await.granted();
    assert_ne!(again.lease, granted.lease);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roster_ends_settling_early_and_gone_frees_at_once() {
    // Nothing is known of earlier leases: five minutes, unless the operator knows.
    let rig = Rig::start(Setup {
        earlier: None,
        seats: 1,
        more: "operatorKnowsAll: true\n".into(),
        ..Setup::default()
    })
    .await;
    let operator = rig.client("mooring-operator");
    let (a, b) = (rig.client("a"), rig.client("b"));
    let (mut one, mut two) = (TestClaim::new("pod"), TestClaim::new("pod"));
    assert_eq!(
        one.claim(&a, None).await.waiting().reason,
        WaitReason::Settling
    );
    assert!(rig.products(&a).await.server.settling);
    let post = async |path: &str, holders: &[&str]| {
        let call = Call::new(http::Method::POST, path)
            .json(&serde_json::json!({"holders": holders}))
            .unwrap();
        assert_eq!(ask(&operator, call).await.status, 204);
    };
    post("/v1/holders/expected", &["external:missing"]).await;
    assert!(rig.products(&a).await.server.settling);
    post("/v1/holders/gone", &["external:missing"]).await;
    assert!(!rig.products(&a).await.server.settling);
    let g = one.claim(&a, None).await.granted();

    let w = two.claim(&b, None).await.waiting();
    let held_open = tokio::spawn(async move { two.claim(&b, Some(60)).await.granted() });
    post("/v1/holders/gone", &["external:a"]).await;
    assert_eq!(held_open.await.unwrap().lease, w.lease);
    let r = renew(&a, vec![one.renewal(g.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Problem { problem, .. } if problem.kind == ProblemType::UnknownLease),
        "{r:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_others_than_the_operator_knows_settles_whatever_the_roster_says() {
    let rig = Rig::start(Setup {
        earlier: None,
        ..Setup::default()
    })
    .await;
    let operator = rig.client("mooring-operator");
    let call = Call::new(http::Method::POST, "/v1/holders/expected");
    let call = call.json(&serde_json::json!({"holders": []})).unwrap();
    assert_eq!(ask(&operator, call).await.status, 204);
    let settling = rig.products(&rig.client("a")).await.server.settling;
    assert!(
        settling,
        "a holder of a certificate or token may hold a lease that no roster names"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_lease_is_kept_before_it_is_granted() {
    let mut rig = Rig::prepare(Setup {
        lease_secs: 20,
        ..Setup::default()
    });
    rig.run();
    let kept = || std::fs::read_to_string(rig.path("state/longest-lease.json")).unwrap();
    assert!(kept().contains("20"), "{}", kept());
    rig.kill();
    // Shorter leases from now on: Q is still counted from the longer.
    rig.setup.lease_secs = 10;
    rig.setup.earlier = Some(10);
    rig.configure();
    rig.run();
    assert_eq!(rig.logged("\"settling_ms\":\"21020\""), 1);
}
