//! What must outlive the license server's pod, in a Secret of a small API server of the test's own:
//! each new pod begins with an empty folder.

use crate::rig::{ApiServer, PIN, Rig, Setup, TestClaim, license, until};
use mooring_core::wire::ServerState;
use mooring_testkit::{sealed, vendor};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WRONG: &str = "shrike-17";

/// A server in a cluster, prepared, whose PIN's file says this.
async fn prepare(pin: &'static str) -> (Rig, Arc<ApiServer>) {
    let api = ApiServer::start().await;
    let mut rig = Rig::prepare(Setup {
        pin,
        ..Setup::default()
    });
    api.has(&mut rig);
    (rig, api)
}

async fn until_state(rig: &Rig, what: &str, is: impl Fn(&ServerState) -> bool) -> ServerState {
    let c = rig.client("a");
    until(what, async || is(&rig.products(&c).await.server)).await;
    rig.products(&c).await.server
}

async fn until_anchor(rig: &Rig, reason: &str) -> ServerState {
    until_state(rig, reason, |s| s.anchor.reason.name() == reason).await
}

async fn until_license(rig: &Rig, reason: &str) -> ServerState {
    until_state(rig, reason, |s| s.license_reason.name() == reason).await
}

fn logins(rig: &Rig) -> usize {
    rig.logged("logging in to the token")
}

/// What is known of the one PIN.
fn pin(api: &ApiServer) -> Value {
    let state = api.state();
    let pins = state["kept"]["logins"]["anchor"].as_object().unwrap();
    assert_eq!(pins.len(), 1, "{state}");
    pins.values().next().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_over_ten_pods_costs_the_token_one_login() {
    let (mut rig, api) = prepare(WRONG).await;
    for _ in 0..10 {
        rig.run();
        until_anchor(&rig, "PinRejected").await;
        rig.kill_pod();
    }
    assert_eq!(logins(&rig), 1);
    assert!(!api.state().to_string().contains(WRONG));
    rig.write("pin", PIN);
    rig.run();
    until_anchor(&rig, "Present").await;
    until("it is written that the PIN is right", async || {
        api.state().to_string().contains("accepted\"")
    })
    .await;
    assert_eq!(logins(&rig), 2);

    // A PIN that is known to be right costs the API server nothing.
    let writes = api.writes.load(Ordering::Relaxed);
    for n in 3..=5 {
        rig.kill_pod();
        rig.run();
        until_anchor(&rig, "Present").await;
        assert_eq!(logins(&rig), n);
    }
    assert_eq!(api.writes.load(Ordering::Relaxed), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_api_server_no_login_is_made_and_with_it_all_goes_on() {
    let (mut rig, api) = prepare(PIN).await;
    api.down.store(true, Ordering::Relaxed);
    rig.run();
    let s = until_anchor(&rig, "LoginUnnoted").await;
    for words in [
        "no login is made",
        "Secret licensing/rig-state",
        "etcd is down",
    ] {
        assert!(s.anchor.message.contains(words), "{}", s.anchor.message);
    }
    // That it knows nothing of superseded licenses stops no license.
    assert!(
        s.license_valid && s.license_reason.name() == "StateNotKept",
        "{s:?}"
    );
    until("several attempts", async || {
        rig.metric("mooring_state_failures_total").await >= Some(3.0)
    })
    .await;
    assert_eq!(logins(&rig), 0);
    api.down.store(false, Ordering::Relaxed);
    let s = until_anchor(&rig, "Present").await;
    assert_eq!(s.license_reason.name(), "Valid");
    TestClaim::new("pod")
        .claim(&rig.client("a"), None)
        .await
        .granted();
    assert_eq!(logins(&rig), 1);
}

/// The container alone: its folder is the pod's.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_starts_again_without_the_api_server_knows_its_pods_words() {
    let (mut rig, api) = prepare(PIN).await;
    rig.run();
    until_anchor(&rig, "Present").await;
    until("it is known to be right", async || {
        pin(&api)["verdict"] == "accepted"
    })
    .await;
    // Also of a pod that has written nothing itself.
    rig.kill_pod();
    rig.run();
    until_anchor(&rig, "Present").await;
    until("the copy", async || rig.path("state/state.json").exists()).await;
    rig.kill();
    api.down.store(true, Ordering::Relaxed);
    rig.run();
    until_anchor(&rig, "Present").await;
    assert_eq!(logins(&rig), 3);
    rig.kill();
    // Another PIN is nobody's word; and a new pod has none.
    rig.write("pin", WRONG);
    rig.run();
    until_anchor(&rig, "LoginUnnoted").await;
    rig.kill_pod();
    rig.write("pin", PIN);
    rig.run();
    until_anchor(&rig, "LoginUnnoted").await;
    assert_eq!(logins(&rig), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_no_login_and_bars_none() {
    let (mut rig, api) = prepare(PIN).await;
    api.lose_answer.store(true, Ordering::Relaxed);
    rig.run();
    until_anchor(&rig, "Present").await;
    assert!(rig.logged("no login is made") > 0);
    until("the answer is written", async || pin(&api)["answered"] == 1).await;
    assert_eq!((logins(&rig), &pin(&api)["tried"]), (1, &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_server_writes_meanwhile_is_merged() {
    let (mut rig, api) = prepare(PIN).await;
    let superseded = json!({"test-1": {"by": "test-2", "issued": "2026-01-01T00:00:00Z"}});
    let standbys = json!({"test-0/k": {"first": "2026-01-01T00:00:00Z", "last": "2026-01-01T00:00:00Z", "servedSecs": 270}});
    let theirs = json!({"writtenBy": "00".repeat(16), "kept": {"superseded": superseded, "standbys": standbys}});
    *api.meanwhile.lock().unwrap() = Some(theirs);
    rig.run();
    // Heard with the conflict, after the license was read.
    let s = until_license(&rig, "Superseded").await;
    assert!(
        s.license_message
            .contains("superseded by license \"test-2\""),
        "{s:?}"
    );
    until("both are there", async || {
        let kept = &api.state()["kept"];
        kept["superseded"] == superseded
            && kept["standbys"] == standbys
            && !kept["logins"].is_null()
    })
    .await;
    assert_eq!(logins(&rig), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_license_that_was_superseded_is_refused_by_the_next_pod_too() {
    let (mut rig, api) = prepare(PIN).await;
    let mut newer = license(rig.token.key, 2);
    newer.id = "test-2".into();
    newer.supersedes = vec!["test-1".into()];
    let old = std::fs::read_to_string(rig.path("license")).unwrap();
    rig.write("license", &sealed(&newer, &vendor()));
    rig.run();
    until_anchor(&rig, "Present").await;
    until("it is written", async || {
        !api.state()["kept"]["superseded"].is_null()
    })
    .await;
    rig.kill_pod();
    rig.write("license", &old);
    rig.run();
    let s = until_license(&rig, "Superseded").await;
    assert!(!s.license_valid, "{s:?}");
}
