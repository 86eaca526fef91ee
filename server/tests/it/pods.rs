//! Pods: service-account tokens reviewed by an API server (a small one of the test's own),
//! namespaces, proofs in place of tokens.

use crate::rig::{ApiServer, Rig, Setup, TestClaim, ask, problem, renew, until};
use http::header::AUTHORIZATION;
use mooring_core::identity::Holder;
use mooring_core::license::{LeaseToken, types};
use mooring_core::time::DEFAULT_MAX_CONTESTED;
use mooring_core::wire::{ProblemType, Renewed, ViewState};
use mooring_net::client::Call;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A rig whose server is in namespace `licensing` of a cluster with this API server.
pub(crate) async fn in_cluster(seats: u32, more: &str) -> (Rig, Arc<ApiServer>) {
    let setup = Setup {
        seats,
        more: more.to_owned(),
        ..Setup::default()
    };
    let api = ApiServer::start().await;
    let mut rig = Rig::prepare(setup);
    api.has(&mut rig);
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    (rig, api)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_known_by_its_token_and_by_what_it_was_given_while_the_api_server_is_down() {
    let (mut rig, api) = in_cluster(1, "").await;
    let c = rig.stranger();
    let mut one = TestClaim::new("pod");
    let g = one.claim_as(&c, "licensing/render-0").await.granted();
    let want = Holder::Pod {
        namespace: "licensing".into(),
        pod: "render-0".into(),
        uid: "uid-render-0".into(),
        service_account: "default".into(),
        node: Some("node-a".into()),
    };
    assert_eq!(g.holder, want);
    // Asked again within moments, the API server is spared; a good proof needs no review at all.
    one.held = None;
    assert_eq!(
        one.claim_as(&c, "licensing/render-0").await.granted().lease,
        g.lease
    );
    assert_eq!(
        one.claim_as(&c, "licensing/render-0").await.granted().lease,
        g.lease
    );
    assert_eq!(api.reviews.load(Ordering::Relaxed), 1);

    let mut two = TestClaim::new("pod");
    let w = two.claim_as(&c, "licensing/render-1").await.waiting();
    api.down.store(true, Ordering::Relaxed);
    // No contact: nothing is known of this token, so it is not refused.
    let p = TestClaim::new("pod")
        .claim_as(&c, "licensing/render-2")
        .await
        .problem(ProblemType::Overloaded);
    assert!(p.detail.contains("API server does not answer"), "{p}");
    // The ticket and the secret are enough.
    assert_eq!(two.claim(&c, None).await.waiting().lease, w.lease);
    // So they are over a restart.
    rig.kill();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.stranger();
    assert_eq!(one.claim(&c, None).await.granted().lease, g.lease);
    assert_eq!(two.claim(&c, None).await.waiting().lease, w.lease);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tokens_and_other_namespaces_are_refused() {
    let (rig, _api) = in_cluster(2, "").await;
    let c = rig.stranger();
    for (token, words) in [
        ("forged", "invalid bearer token"),
        ("unbound", "not bound to a pod"),
        ("other-audience", "expected \"mooring.dev/licensing\""),
    ] {
        let p = TestClaim::new("pod")
            .claim_as(&c, token)
            .await
            .problem(ProblemType::Unauthenticated);
        assert!(p.detail.contains(words), "{p}");
    }
    assert_eq!(
        rig.metric("mooring_token_reviews_total{outcome=\"refused\"}")
            .await,
        Some(3.0)
    );

    // Only the server's own namespace, where nobody says otherwise; nor is another told anything.
    for path in ["/v1/products", "/v1/leases", "/v1/leases?watch"] {
        let bearer = "Bearer team-a/render-0";
        let call = Call::new(http::Method::GET, path).header(AUTHORIZATION, bearer);
        let p = problem(&ask(&c, call).await);
        assert_eq!(p.kind, ProblemType::NotEntitled, "{path}: {p}");
    }
    let mut foreign = TestClaim::new("pod");
    let p = foreign
        .claim_as(&c, "team-a/render-0")
        .await
        .problem(ProblemType::NotEntitled);
    assert_eq!(p.field.as_deref(), Some("spec.allowedNamespaces"));
    assert!(p.detail.contains("\"team-a\""), "{p}");
    // The mirror shows it.
    let operator = rig.client("mooring-operator");
    let list: mooring_core::wire::Leases =
        ask(&operator, Call::new(http::Method::GET, "/v1/leases"))
            .await
            .json()
            .unwrap();
    assert_eq!(
        list.leases
            .iter()
            .filter(|l| l.state == ViewState::Refused)
            .count(),
        1
    );

    let put = Call::new(http::Method::PUT, "/v1/policies")
        .json(&serde_json::json!({"allowedNamespaces": ["team-a"]}))
        .unwrap();
    assert_eq!(ask(&c, put.clone()).await.status, 403);
    assert_eq!(ask(&operator, put).await.status, 204);
    foreign.claim_as(&c, "team-a/render-0").await.granted();
    TestClaim::new("pod")
        .claim_as(&c, "licensing/render-0")
        .await
        .problem(ProblemType::NotEntitled);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_entitled_no_more_is_called_back_until_it_is_again() {
    let (rig, _api) = in_cluster(2, "").await;
    let (c, operator) = (rig.stranger(), rig.client("mooring-operator"));
    let put = async |generation: u64, allowed: serde_json::Value| {
        let body = serde_json::json!({"generation": generation, "allowedNamespaces": allowed});
        let put = Call::new(http::Method::PUT, "/v1/policies").json(&body);
        assert_eq!(ask(&operator, put.unwrap()).await.status, 204);
    };
    put(5, serde_json::json!(["team-a"])).await;
    let mut claim = TestClaim::new("pod");
    let g = claim.claim_as(&c, "team-a/render-0").await.granted();
    assert_eq!(g.called_back, None);
    put(6, serde_json::json!([])).await;
    // An older word changes nothing.
    put(5, serde_json::json!(["team-a"])).await;
    let r = renew(&c, vec![claim.renewal(g.lease)]).await;
    let Renewed::Ok {
        called_back: Some(why),
        run_for,
        token,
        ..
    } = &r[0]
    else {
        panic!("{r:?}")
    };
    assert_eq!(why.kind, ProblemType::NotEntitled);
    assert!(why.detail.contains("\"team-a\""), "{why}");
    assert!(*run_for <= DEFAULT_MAX_CONTESTED, "{run_for:?}");
    let token: LeaseToken = token.lease.read_unverified(types::LEASE).unwrap();
    assert_eq!(token.run_for, *run_for, "applications go by it");
    TestClaim::new("pod")
        .claim_as(&c, "team-a/render-1")
        .await
        .problem(ProblemType::NotEntitled);
    put(7, serde_json::json!("All")).await;
    let r = renew(&c, vec![claim.renewal(g.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Ok { called_back: None, run_for, .. } if *run_for > DEFAULT_MAX_CONTESTED),
        "{r:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_come_from_a_file_that_is_read_anew() {
    let (mut rig, _api) = in_cluster(2, "").await;
    rig.kill();
    rig.write("policies.yaml", "allowedNamespaces: [team-a]\n");
    let policies = rig.path("policies.yaml").display().to_string();
    rig.setup.more = format!("{}policies: {policies}\n", rig.setup.more);
    rig.configure();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.stranger();
    let mut claim = TestClaim::new("pod");
    until("the file counts", async || {
        !matches!(
            TestClaim::new("pod").claim_as(&c, "team-b/x").await,
            crate::rig::Outcome::Waiting(_) | crate::rig::Outcome::Granted(_)
        )
    })
    .await;
    claim
        .claim_as(&c, "team-b/y")
        .await
        .problem(ProblemType::NotEntitled);
    // A bad file is refused, and the good one stays.
    rig.write("policies.yaml", "allowedNamespace: [team-b]\n");
    until("the bad file is refused", async || {
        rig.logged("policies refused") > 0
    })
    .await;
    claim
        .claim_as(&c, "team-b/y")
        .await
        .problem(ProblemType::NotEntitled);
    rig.write("policies.yaml", "allowedNamespaces: [team-a, team-b]\n");
    until("the good file counts", async || {
        !matches!(
            claim.claim_as(&c, "team-b/y").await,
            crate::rig::Outcome::Problem(_)
        )
    })
    .await;
}
