//! Issuers of client tokens: subjects of their own, so many claims in all, and administrators of
//! nobody else.

use crate::rig::{Outcome, Rig, Setup, TestClaim, ask, problem, renew, until};
use mooring_core::client_token::ClientToken;
use mooring_core::license::SigningKey;
use mooring_core::time::Timestamp;
use mooring_core::wire::{Leases, Problem, ProblemType, Products, Renewed, RevokedHolders};
use mooring_net::client::{Answer, Call, Client};
use serde_json::{Value, json};
use std::time::Duration;

/// The plain list has the first; the others are issuers'.
fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

fn token(n: u8, subject: &str) -> String {
    let now = Timestamp::now();
    let t = ClientToken {
        id: format!("{n}-{}", subject.len()),
        subject: subject.into(),
        server: "rig".into(),
        issued_at: now,
        expires: now.checked_add(Duration::from_secs(3600)).unwrap(),
        claims: None,
    };
    t.seal(&key(n)).unwrap()
}

fn issuers(claims: u32) -> String {
    let one = |name: &str, n: u8| {
        let key = key(n).public();
        json!({ "name": name, "keys": [key], "subjects": format!("pod:{name}/"), "claims": claims })
    };
    json!([one("a", 6), one("b", 7)]).to_string()
}

async fn rig() -> Rig {
    let mut rig = Rig::prepare(Setup {
        seats: 8,
        ..Setup::default()
    });
    rig.write("keys", &key(5).public().to_string());
    rig.write("issuers", &issuers(2));
    let d = rig.dir.path().display();
    rig.setup.more = format!("clients: {{keys: {d}/keys, issuers: {d}/issuers}}\nadmins: [root]\n");
    rig.configure();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    rig
}

async fn call(
    c: &Client,
    token: &str,
    (method, path): (http::Method, &str),
    body: Option<Value>,
) -> Answer {
    let call = Call::new(method, path.to_owned())
        .header(http::header::AUTHORIZATION, &format!("Bearer {token}"));
    let call = match body {
        Some(body) => call.json(&body).unwrap(),
        None => call,
    };
    ask(c, call).await
}

async fn leases(c: &Client, token: &str) -> Vec<String> {
    let a = call(c, token, (http::Method::GET, "/v1/leases"), None).await;
    let all = a.json::<Leases>().unwrap().leases;
    let mut all: Vec<String> = all.iter().map(|l| l.holder.to_string()).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_names_its_own_subjects_and_these_have_so_many_claims() {
    let rig = rig().await;
    let c = rig.stranger();
    let claim =
        async |n: u8, subject: &str| TestClaim::new("pod").claim_as(&c, &token(n, subject)).await;
    claim(6, "pod:a/ns/1").await.granted();
    for stolen in ["pod:b/ns/1", "root", "pod:a"] {
        let p = claim(6, stolen).await.problem(ProblemType::Unauthenticated);
        assert!(
            p.detail.contains("issuer a") && p.detail.contains("pod:a/"),
            "{p}"
        );
    }
    claim(6, "pod:a/ns/2").await.granted();
    let p = claim(6, "pod:a/ns/3")
        .await
        .problem(ProblemType::TooManyClaims);
    assert!(p.detail.contains("issuer a have 2 claims"), "{p}");
    // Whoever names the subject: the books count by it.
    claim(5, "pod:a/ns/4")
        .await
        .problem(ProblemType::TooManyClaims);
    claim(7, "pod:b/ns/1").await.granted();
    claim(5, "anybody").await.granted();
    let p = claim(6, "pod:a/").await.problem(ProblemType::NotEntitled);
    assert!(p.detail.contains("holds no licenses"), "{p}");

    rig.write("issuers", &issuers(3));
    until("the larger bound is in force", async || {
        let t = token(6, "pod:a/ns/3");
        !matches!(
            TestClaim::new("pod").claim_as(&c, &t).await,
            Outcome::Problem(_)
        )
    })
    .await;
    // One that nobody could keep to is refused, and the good one stays.
    rig.write("issuers", &issuers(3).replace("pod:b/", "pod:a/x/"));
    until("the bad list is refused", async || {
        rig.logged("none begins with another") > 0
    })
    .await;
    claim(7, "pod:b/ns/2").await.granted();
    rig.write("issuers", "[]");
    until("the issuers are gone", async || {
        let got = claim(6, "pod:a/ns/2").await;
        matches!(
            got,
            Outcome::Problem(Problem {
                kind: ProblemType::Unauthenticated,
                ..
            })
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_sees_and_ends_what_its_subjects_have_and_nothing_else() {
    let rig = rig().await;
    let (c, me, root) = (rig.stranger(), token(6, "pod:a/"), token(5, "root"));
    let mut mine = TestClaim::new("pod");
    let own = token(6, "pod:a/ns/1");
    let g = mine.claim_as(&c, &own).await.granted();
    let mut theirs = TestClaim::new("pod");
    let o = theirs.claim_as(&c, &token(7, "pod:b/ns/1")).await.granted();
    assert_eq!(leases(&c, &me).await, ["pod:a/ns/1"]);
    assert_eq!(leases(&c, &root).await, ["pod:a/ns/1", "pod:b/ns/1"]);
    let a = call(&c, &me, (http::Method::GET, "/v1/products"), None).await;
    let all = a.json::<Products>().unwrap();
    assert!(all.server.licenses.is_empty() && all.pools.iter().all(|p| p.license.is_none()));

    let post = async |token: &str, path: &str, body: Value| {
        call(&c, token, (http::Method::POST, path), Some(body)).await
    };
    let no = |a: &Answer, kind| assert_eq!(problem(a).kind, kind);
    // Who is none of its subjects is not told of, and not touched.
    for path in ["revoke", "release"] {
        let path = format!("/v1/leases/{}/{path}", o.lease);
        no(
            &post(&me, &path, json!({})).await,
            ProblemType::UnknownLease,
        );
    }
    let revoke = |holder: &str| json!({"revoke": [{"holder": holder, "reason": "x", "at": "2026-01-01T00:00:00Z"}]});
    for (path, body) in [
        (
            "/v1/holders/gone",
            json!({"holders": ["external:pod:a/ns/1", "external:pod:b/ns/1"]}),
        ),
        (
            "/v1/holders/gone",
            json!({"holders": ["0b0e0b8c-0000-4000-8000-000000000000"]}),
        ),
        ("/v1/revocations", revoke("external:root")),
        ("/v1/revocations", json!({"lift": ["external:pod:b/ns/1"]})),
        (
            "/v1/policies/test",
            json!({"name": "p", "noticeSecs": 60, "groups": []}),
        ),
    ] {
        no(&post(&me, path, body).await, ProblemType::OperatorOnly);
    }
    // A subject of it is no issuer.
    let gone = json!({"holders": ["external:pod:a/ns/1"]});
    let a = post(&own, "/v1/holders/gone", gone.clone()).await;
    no(&a, ProblemType::OperatorOnly);
    assert_eq!(leases(&c, &root).await.len(), 2, "nobody was touched");

    let path = format!("/v1/leases/{}/revoke", o.lease);
    assert_eq!(post(&root, &path, json!({})).await.status, 204);
    let lift = (http::Method::DELETE, path.as_str());
    no(&call(&c, &me, lift, None).await, ProblemType::UnknownLease);
    assert_eq!(
        post(&me, "/v1/revocations", revoke("external:pod:a/ns/1"))
            .await
            .status,
        204
    );
    let a = call(&c, &me, (http::Method::GET, "/v1/revocations"), None).await;
    let seen = a.json::<RevokedHolders>().unwrap().revoked;
    assert_eq!(seen.len(), 1, "{seen:?}");
    let r = renew(&c, vec![mine.renewal(g.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Problem { problem, .. } if problem.kind == ProblemType::Revoked),
        "{r:?}"
    );
    let a = post(
        &me,
        "/v1/revocations",
        json!({"lift": ["external:pod:a/ns/1"]}),
    )
    .await;
    assert_eq!(a.status, 204);
    let again = TestClaim::new("again").claim_as(&c, &own).await.granted();
    let path = format!("/v1/leases/{}/release", again.lease);
    assert_eq!(post(&me, &path, json!({})).await.status, 204);
    assert_eq!(post(&me, "/v1/holders/gone", gone).await.status, 204);
    assert_eq!(leases(&c, &root).await, ["pod:b/ns/1"]);
}
