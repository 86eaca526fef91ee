//! Holders outside Kubernetes by client token; administrators; revoking.

use crate::rig::{Rig, Setup, TestClaim, ask, problem, renew};
use http::HeaderName;
use mooring_core::client_token::ClientToken;
use mooring_core::license::SigningKey;
use mooring_core::names::InstanceId;
use mooring_core::time::Timestamp;
use mooring_core::wire::version::WIRE;
use mooring_core::wire::{
    INSTANCE_HEADER, Leases, Problem, ProblemType, Renewed, RevokedHolders, Versions, WIRE_HEADER,
};
use mooring_net::client::{Answer, Call, Client};
use std::time::Duration;

fn key() -> SigningKey {
    SigningKey::from_seed(&[5; 32]).unwrap()
}

pub(crate) fn token(subject: &str, id: &str) -> String {
    let now = Timestamp::now();
    let day = Duration::from_secs(86_400);
    let t = ClientToken {
        id: id.into(),
        subject: subject.into(),
        server: "rig".into(),
        issued_at: now,
        expires: now.checked_add(day).unwrap(),
        claims: None,
    };
    t.seal(&key()).unwrap()
}

/// A server that takes client tokens alone, with one administrator.
pub(crate) async fn rig(seats: u32) -> Rig {
    let mut rig = Rig::prepare(Setup {
        seats,
        ..Setup::default()
    });
    rig.write("keys", &key().public().to_string());
    rig.write("revoked", "# nobody\n");
    let d = rig.dir.path().display();
    rig.setup.more = format!("clients: {{keys: {d}/keys, revoked: {d}/revoked}}\nadmins: [root]\n");
    rig.configure();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    rig
}

async fn call(c: &Client, method: http::Method, path: &str, token: &str) -> Answer {
    let call = Call::new(method, path.to_owned())
        .header(http::header::AUTHORIZATION, &format!("Bearer {token}"));
    ask(c, call).await
}

fn is_revoked(r: &[Renewed]) -> bool {
    matches!(r, [Renewed::Problem { problem, .. }] if problem.kind == ProblemType::Revoked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_token_claims_and_a_bad_one_is_told_what_to_do() {
    let rig = rig(1).await;
    let c = rig.stranger();
    let g = TestClaim::new("a")
        .claim_as(&c, &token("farm", "t-1"))
        .await
        .granted();
    assert_eq!(g.holder.key().0, "external:farm");
    let none = TestClaim::new("b").claim(&c, None).await;
    let p = none.problem(ProblemType::Unauthenticated);
    assert!(
        p.detail.contains("client certificate") && p.detail.contains("mct_"),
        "{p}"
    );
    for (bad, words) in [
        ("mct_abc".to_owned(), "mooring client issue"),
        (token("farm", "t-1") + "A", "client token"),
        ("eyJhbGciOi".to_owned(), "tokenReview is off"),
    ] {
        let p = TestClaim::new("b").claim_as(&c, &bad).await;
        let p = p.problem(ProblemType::Unauthenticated);
        assert!(p.detail.contains(words), "{p}");
    }
    let metric = async |outcome: &str| {
        let name = format!("mooring_client_tokens_total{{outcome=\"{outcome}\"}}");
        rig.metric(&name).await
    };
    assert_eq!(metric("accepted").await, Some(1.0));
    assert_eq!(metric("malformed").await, Some(2.0));
    assert_eq!(rig.logged("mct_ey"), 0, "tokens are not logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_subject_gets_nothing_whatever_it_shows() {
    let rig = rig(2).await;
    let (c, farm) = (rig.stranger(), token("farm", "t-1"));
    let mut claim = TestClaim::new("a");
    let g = claim.claim_as(&c, &farm).await.granted();
    let mut other = TestClaim::new("a");
    let o = other.claim_as(&c, &token("barn", "t-2")).await.granted();

    // The token alone: what is held goes on, and nothing new is claimed with it.
    rig.write("revoked", "t-1\n");
    rig.until_metric("mooring_revoked 1").await;
    let p = TestClaim::new("b").claim_as(&c, &farm).await;
    let p = p.problem(ProblemType::Revoked);
    assert!(p.status == 403 && p.detail.contains("\"t-1\""), "{p}");
    let r = renew(&c, vec![claim.renewal(g.lease)]).await;
    assert!(matches!(r[0], Renewed::Ok { .. }), "{r:?}");

    // The subject: nothing is renewed, taken in, or claimed with another token or a certificate.
    rig.write("revoked", "subject:farm\n");
    crate::rig::until("the renewal is refused", async || {
        is_revoked(&renew(&c, vec![claim.clone().renewal(g.lease)]).await)
    })
    .await;
    claim.claim(&c, None).await.problem(ProblemType::Revoked);
    for name in ["b", "c"] {
        let p = TestClaim::new(name)
            .claim_as(&c, &token("farm", name))
            .await;
        p.problem(ProblemType::Revoked);
    }
    let by_certificate = TestClaim::new("d").claim(&rig.client("farm"), None).await;
    by_certificate.problem(ProblemType::Revoked);
    let list = call(&c, http::Method::GET, "/v1/leases", &token("farm", "t-9")).await;
    assert_eq!(problem(&list).kind, ProblemType::Revoked);
    // Its seat is free a lease after its last good renewal, though it goes on asking; the others'
    // leases are untouched.
    crate::rig::until("the seat is free", async || {
        let r = renew(&c, vec![claim.renewal(g.lease)]).await;
        assert!(matches!(r[0], Renewed::Problem { .. }), "{r:?}");
        let r = renew(&c, vec![other.renewal(o.lease)]).await;
        assert!(matches!(r[0], Renewed::Ok { .. }), "{r:?}");
        rig.metric("mooring_seats_used{license=\"test-1\",pool=\"seats\"}")
            .await
            == Some(1.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_all_and_revokes_over_a_restart() {
    let mut rig = rig(2).await;
    let (c, root) = (rig.stranger(), token("root", "r-1"));
    let (farm, barn) = (token("farm", "f-1"), token("barn", "b-1"));
    let mut claim = TestClaim::new("a");
    let g = claim.claim_as(&c, &farm).await.granted();
    TestClaim::new("a").claim_as(&c, &barn).await.granted();
    let seen = async |c: &Client, token: &str| {
        let a = call(c, http::Method::GET, "/v1/leases", token).await;
        a.json::<Leases>().unwrap().leases.len()
    };
    assert_eq!((seen(&c, &farm).await, seen(&c, &root).await), (1, 2));

    // A holder is no administrator.
    let path = format!("/v1/leases/{}/revoke", g.lease);
    for (token, kind) in [
        (farm.as_str(), ProblemType::OperatorOnly),
        ("mct_", ProblemType::Unauthenticated),
    ] {
        for p in [path.as_str(), "/v1/holders/gone"] {
            let a = call(&c, http::Method::POST, p, token).await;
            assert_eq!(problem(&a).kind, kind, "{p}");
        }
    }
    let nothing = format!("/v1/leases/{}/revoke", "0".repeat(32));
    for m in [http::Method::POST, http::Method::DELETE] {
        let a = call(&c, m, &nothing, &root).await;
        assert_eq!(problem(&a).kind, ProblemType::UnknownLease);
    }
    let with = async |body: serde_json::Value| {
        let call = Call::new(http::Method::POST, path.clone())
            .json(&body)
            .unwrap()
            .header(http::header::AUTHORIZATION, &format!("Bearer {root}"));
        ask(&c, call).await
    };
    for bad in [
        serde_json::json!({"reason": "a\nb"}),
        serde_json::json!({"until": "2020-01-01T00:00:00Z"}),
        serde_json::json!({"untill": "2090-01-01T00:00:00Z"}),
    ] {
        assert_eq!(problem(&with(bad).await).kind, ProblemType::BadRequest);
    }
    assert_eq!(
        with(serde_json::json!({"reason": "lost laptop"}))
            .await
            .status,
        204
    );
    assert!(is_revoked(&renew(&c, vec![claim.renewal(g.lease)]).await));

    rig.kill();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.stranger();
    let p = claim.claim(&c, None).await.problem(ProblemType::Revoked);
    assert!(p.detail.contains("lost laptop"), "{p}");
    let a = call(&c, http::Method::DELETE, &path, &root).await;
    assert_eq!(a.status, 204);
    claim.claim(&c, None).await.granted();
    let gone = Call::new(http::Method::POST, "/v1/holders/gone")
        .json(&serde_json::json!({"holders": ["external:farm"]}))
        .unwrap()
        .header(http::header::AUTHORIZATION, &format!("Bearer {root}"));
    assert_eq!(ask(&c, gone).await.status, 204);
    assert_eq!(seen(&c, &farm).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_takes_one_lease_back_and_bars_nobody() {
    let rig = rig(2).await;
    let (c, root, farm) = (rig.stranger(), token("root", "r-1"), token("farm", "f-1"));
    let mut claim = TestClaim::new("a");
    let g = claim.claim_as(&c, &farm).await.granted();
    let path = format!("/v1/leases/{}/release", g.lease);
    let a = call(&c, http::Method::POST, &path, &farm).await;
    assert_eq!(problem(&a).kind, ProblemType::OperatorOnly);
    let nothing = format!("/v1/leases/{}/release", "0".repeat(32));
    let a = call(&c, http::Method::POST, &nothing, &root).await;
    assert_eq!(problem(&a).kind, ProblemType::UnknownLease);

    let a = call(&c, http::Method::POST, &path, &root).await;
    assert_eq!(a.status, 204);
    let r = renew(&c, vec![claim.renewal(g.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Problem { problem, .. } if problem.kind == ProblemType::GivenBack),
        "{r:?}"
    );
    let again = claim.claim_as(&c, &farm).await;
    again.problem(ProblemType::GivenBack);
    TestClaim::new("b").claim_as(&c, &farm).await.granted();
    let a = call(&c, http::Method::GET, "/v1/revocations", &root).await;
    assert_eq!(a.json::<RevokedHolders>().unwrap().revoked.len(), 0);
    let a = call(&c, http::Method::GET, "/v1/revocations", &farm).await;
    assert_eq!(problem(&a).kind, ProblemType::OperatorOnly);
    // The operator has the same calls.
    let operator = rig.client("mooring-operator");
    let b = ask(&operator, Call::new(http::Method::GET, "/v1/leases")).await;
    let leases = b.json::<Leases>().unwrap().leases;
    let b = leases.iter().find(|l| l.claim.as_str() == "b").unwrap();
    let revoke = format!("/v1/leases/{}/revoke", b.lease);
    let answer = ask(&operator, Call::new(http::Method::POST, revoke)).await;
    assert_eq!(answer.status, 204);
    let list = ask(&operator, Call::new(http::Method::GET, "/v1/revocations")).await;
    let list = list.json::<RevokedHolders>().unwrap().revoked;
    assert_eq!(list.len(), 1);
    assert_eq!(
        (list[0].lease, list[0].holder.clone()),
        (Some(b.lease), b.holder.key())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_revokes_by_holder_who_was_not_heard_yet() {
    let rig = rig(1).await;
    let (c, root, farm) = (rig.stranger(), token("root", "r-1"), token("farm", "f-1"));
    let operator = rig.client("mooring-operator");
    let post = |body: serde_json::Value| {
        let call = Call::new(http::Method::POST, "/v1/revocations");
        call.json(&body).unwrap()
    };
    let revoke = |reason: &str| {
        let one = serde_json::json!({"holder": "external:farm", "reason": reason, "at": "2026-01-01T00:00:00Z"});
        post(serde_json::json!({"revoke": [one]}))
    };
    let by_root = revoke("x").header(http::header::AUTHORIZATION, &format!("Bearer {root}"));
    let a = ask(&c, by_root).await;
    assert_eq!(problem(&a).kind, ProblemType::OperatorOnly);
    let a = ask(&operator, revoke("two\nlines")).await;
    let p = problem(&a);
    assert_eq!(p.field.as_deref(), Some("revoke[0].reason"), "{p}");

    assert_eq!(ask(&operator, revoke("stolen")).await.status, 204);
    let mut claim = TestClaim::new("a");
    let p = claim
        .claim_as(&c, &farm)
        .await
        .problem(ProblemType::Revoked);
    assert!(p.detail.contains("stolen"), "{p}");
    let list = ask(&operator, Call::new(http::Method::GET, "/v1/revocations")).await;
    let list = list.json::<RevokedHolders>().unwrap().revoked;
    assert_eq!((list.len(), list[0].lease), (1, None));

    let lift = serde_json::json!({"lift": ["external:farm"]});
    assert_eq!(ask(&operator, post(lift)).await.status, 204);
    claim.claim_as(&c, &farm).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_response_says_which_run_it_is_of_and_its_version_errors_included() {
    let rig = rig(1).await;
    let c = rig.stranger();
    let claim = TestClaim::new("a").call(None);
    let broken = Call {
        body: Some("{".into()),
        ..claim.clone()
    };
    let get = |path: &str| Call::new(http::Method::GET, path.to_owned());
    let mut runs = Vec::new();
    for call in [
        claim,
        broken,
        get("/v1/versions"),
        get("/v1/leases"),
        get("/nothing"),
        Call::new(http::Method::PUT, "/v1/leases/renew"),
    ] {
        let answer = ask(&c, call).await;
        let run = answer.headers.get(INSTANCE_HEADER).unwrap();
        runs.push(run.to_str().unwrap().parse::<InstanceId>().unwrap());
        assert_eq!(answer.headers.get(WIRE_HEADER).unwrap(), &*WIRE.to_string());
    }
    assert!(runs.iter().all(|r| *r == runs[0]), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_in_another_version_is_counted_and_one_that_is_too_old_told_what_to_do() {
    let rig = rig(1).await;
    let c = rig.stranger();
    let asked = async |said: Option<&str>| {
        let call = Call::new(http::Method::GET, "/v1/versions");
        let name = HeaderName::from_static(WIRE_HEADER);
        let call = said
            .into_iter()
            .fold(call, |c, v| c.header(name.clone(), v));
        ask(&c, call).await
    };
    let own = WIRE.to_string();
    for said in [None, Some("1"), Some(&*own), Some("999")] {
        let answer = asked(said).await;
        assert_eq!(answer.json::<Versions>().unwrap(), Versions::own());
    }
    for (version, times) in [("1", 2.0), (&*own, 1.0), ("later", 1.0)] {
        let metric = format!("mooring_wire_requests_total{{version=\"{version}\"}}");
        assert_eq!(rig.metric(&metric).await, Some(times), "{metric}");
    }
    for (said, kind, words) in [
        ("0", ProblemType::UpgradeRequired, "upgrade what asks"),
        ("two", ProblemType::BadRequest, "expected a whole number"),
    ] {
        let p = asked(Some(said)).await.json::<Problem>().unwrap();
        assert!(p.kind == kind && p.detail.contains(words), "{p}");
    }
}
