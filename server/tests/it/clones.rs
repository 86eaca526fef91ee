//! A second server on the same license: noticed where their holders meet, and shown.

use crate::rig::{Rig, Setup, TestClaim, until};

/// A server with the first one's token and license, and everything else its own.
async fn second(first: &Rig) -> Rig {
    let conf = first.token.conf.display().to_string();
    let mut rig = Rig::prepare(Setup {
        env: vec![("SOFTHSM2_CONF".into(), conf)],
        ..Setup::default()
    });
    let license = std::fs::read_to_string(first.path("license")).unwrap();
    rig.write("license", &license);
    std::fs::write(rig.path("identity"), [8; 32]).unwrap();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_license_is_noticed_and_shown() {
    let one = Rig::start(Setup::default()).await;
    let c1 = one.client("a");
    let mut early = TestClaim::new("pod");
    early.claim(&c1, None).await.granted();

    let two = second(&one).await;
    let c2 = two.client("a");
    // What was given before this run is no sign of anybody beside it.
    early.claim(&c2, None).await;
    assert_eq!(two.products(&c2).await.server.second_server, None);

    // The tokens of both cross. Those of the first seconds could be a predecessor's.
    until("the first sees the second", async || {
        let mut late = TestClaim::new("late");
        let lease = late.claim(&c2, None).await.granted().lease;
        // The second one's holder is nobody here: its lease counts for nothing, and yet it tells.
        late.claim(&c1, None).await;
        assert_eq!(late.release(&c2, lease).await.status, 204);
        one.products(&c1).await.server.second_server.is_some()
    })
    .await;
    let seen = one.products(&c1).await.server.second_server.unwrap();
    assert_eq!(
        seen.instance,
        two.products(&c2).await.server.instance,
        "it names the other run"
    );
    assert_eq!(one.logged("a second license server serves this license"), 1);
    assert_eq!(one.metric("mooring_second_server_seen").await, Some(1.0));
    assert_eq!(two.metric("mooring_second_server_seen").await, Some(0.0));
}
