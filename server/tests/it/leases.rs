//! Claims, renewals, waiting, releases: the server as a process, its clients outside Kubernetes.

use crate::rig::{Outcome, Rig, Setup, TestClaim, ask, items, problem, release, renew, until};
use mooring_core::license::{AppClock, Demand, verify};
use mooring_core::names::ProductName;
use mooring_core::time::Timestamp;
use mooring_core::wire::{ProblemType, Renewed, TokenResponse, ViewState, WaitReason};
use mooring_net::client::Call;
use mooring_testkit::vendor;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_granted_renewed_verified_and_given_back() {
    let rig = Rig::start(Setup::default()).await;
    let c = rig.client("farm-1");
    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&c, None).await.granted();
    assert_eq!(g.lease_for, Duration::from_secs(10));
    assert_eq!(g.run_for, Duration::from_secs(3600));

    // The same again: the same lease.
    assert_eq!(claim.claim(&c, None).await.granted().lease, g.lease);

    // What the application verifies, with the vendor's key alone.
    let product = ProductName::new("render").unwrap();
    let nonce = "0123456789abcdefXYZ";
    let now = AppClock::at(Timestamp::now());
    let demand = Demand {
        nonce: Some(nonce),
        ..Demand::of(&product)
    };
    let body = serde_json::json!({"nonce": nonce, "secret": String::from(claim.secret.clone())});
    let call = Call::new(http::Method::POST, format!("/v1/leases/{}/token", g.lease))
        .json(&body)
        .unwrap();
    let fresh: TokenResponse = ask(&c, call).await.json().unwrap();
    let fresh = fresh.token.complete(None).unwrap();
    let v = verify(&fresh, &[vendor().public()], &demand, &now).unwrap();
    assert!(v.fresh && v.test && v.seats == 1 && v.lease == g.lease);
    let stale = verify(&g.token, &[vendor().public()], &Demand::of(&product), &now).unwrap();
    assert!(!stale.fresh);

    // Renewals need the secret, and no identity.
    let stranger = rig.stranger();
    let first = claim.renewal(g.lease);
    for _ in 0..2 {
        let r = renew(&stranger, vec![first.clone()]).await;
        assert!(
            matches!(&r[0], Renewed::Ok { counter: 1, lease, .. } if *lease == g.lease),
            "{r:?}"
        );
    }
    // Another request with the same counter is a copy of the holder.
    let copy = mooring_core::wire::Renewal {
        request_id: crate::rig::request_id(),
        ..first
    };
    let r = renew(&stranger, vec![copy]).await;
    assert!(
        matches!(&r[0], Renewed::Problem { problem, .. } if problem.kind == ProblemType::Cloned),
        "{r:?}"
    );

    assert_eq!(
        rig.metric("mooring_seats_used{license=\"test-1\",pool=\"seats\"}")
            .await,
        Some(1.0)
    );
    assert_eq!(claim.release(&stranger, g.lease).await.status, 204);
    assert_eq!(
        rig.metric("mooring_seats_used{license=\"test-1\",pool=\"seats\"}")
            .await,
        Some(0.0)
    );
    let r = renew(&stranger, vec![claim.renewal(g.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Problem { problem, .. } if problem.kind == ProblemType::UnknownLease),
        "{r:?}"
    );
    assert!(
        rig.metric("mooring_renewals_total{outcome=\"renewed\"}")
            .await
            .is_some_and(|n| n >= 2.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_claim_is_answered_the_moment_a_seat_is_free() {
    let rig = Rig::start(Setup {
        seats: 1,
        ..Setup::default()
    })
    .await;
    let (a, b) = (rig.client("a"), rig.client("b"));
    let (mut first, mut second) = (TestClaim::new("pod"), TestClaim::new("pod"));
    let g = first.claim(&a, None).await.granted();
    let w = second.claim(&b, None).await.waiting();
    assert_eq!((w.place, w.reason), (1, WaitReason::Full));

    // Held open for half a lease at most.
    let begin = Instant::now();
    assert_eq!(second.claim(&b, Some(60)).await.waiting().lease, w.lease);
    let waited = begin.elapsed();
    assert!(
        waited >= Duration::from_millis(4900) && waited < Duration::from_secs(9),
        "{waited:?}"
    );

    let mut third = second.clone();
    let held_open =
        tokio::spawn(async move { (third.claim(&b, Some(60)).await.granted(), Instant::now()) });
    until("the request is held open", async || {
        rig.logged("\"state\":\"Waiting\"") > 0
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begin = Instant::now();
    assert_eq!(first.release(&a, g.lease).await.status, 204);
    let (granted, at) = held_open.await.unwrap();
    assert_eq!(granted.lease, w.lease);
    let woken = at.duration_since(begin);
    assert!(woken < Duration::from_millis(500), "woken after {woken:?}");
    println!("woken {woken:?} after the release was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_claim_leaves_the_line_and_silence_frees_after_d_and_m() {
    let rig = Rig::start(Setup {
        seats: 1,
        ..Setup::default()
    })
    .await;
    let (a, b) = (rig.client("a"), rig.client("b"));
    let mut first = TestClaim::new("pod");
    first.claim(&a, None).await.granted();
    let begin = Instant::now();
    let mut second = TestClaim::new("pod");
    let w = second.claim(&b, None).await.waiting();
    assert_eq!(second.release(&b, w.lease).await.status, 204);
    until("the line is empty", async || {
        rig.metric("mooring_queue").await == Some(0.0)
    })
    .await;

    // Given up, its secret is spent: a late copy of the message brings nothing back.
    second.ticket = None;
    second.claim(&b, None).await.problem(ProblemType::GivenBack);
    let mut anew = TestClaim::new("pod");
    let granted = loop {
        match anew.claim(&b, Some(5)).await {
            Outcome::Granted(g) => break g,
            Outcome::Waiting(_) => {}
            Outcome::Problem(p) => panic!("{p}"),
        }
    };
    let freed = begin.elapsed();
    // D + M = 11.01 s after the receipt, which was a little before `begin`.
    assert!(
        freed > Duration::from_millis(10_700) && freed < Duration::from_secs(13),
        "{freed:?}"
    );
    assert_eq!(granted.items, items(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_touches_anothers_claim_and_bounds_hold() {
    let rig = Rig::start(Setup {
        seats: 100,
        ..Setup::default()
    })
    .await;
    let (a, b) = (rig.client("a"), rig.client("b"));
    let mut mine = TestClaim::new("pod");
    let g = mine.claim(&a, None).await.granted();

    // Another's secret, another's name, no secret.
    let thief = TestClaim::new("pod");
    let r = release(&b, &mine.name, g.lease, &thief.secret).await;
    assert_eq!(problem(&r).kind, ProblemType::Unauthenticated);
    assert_eq!(
        release(&b, &"other".parse().unwrap(), g.lease, &mine.secret)
            .await
            .status,
        204
    );
    let call = Call::new(http::Method::DELETE, "/v1/claims/pod")
        .header(http::header::IF_MATCH, &format!("\"{}\"", g.lease));
    assert_eq!(problem(&ask(&b, call).await).kind, ProblemType::BadRequest);
    let mut r = mine.clone().renewal(g.lease);
    r.secret = thief.secret.clone();
    assert!(
        matches!(&renew(&b, vec![r]).await[0], Renewed::Problem { problem, .. } if problem.kind == ProblemType::Unauthenticated)
    );

    // Another's lease token, with and without its secret, under an own identity: a new claim of
    // one's own, and no more.
    let mut stolen = TestClaim {
        held: mine.held.clone(),
        holder: mine.holder.clone(),
        ..TestClaim::new("pod")
    };
    let other = stolen.claim(&b, None).await.granted();
    assert_ne!(other.lease, g.lease);
    // Without any identity: refused.
    let mut nobody = TestClaim {
        held: mine.held.clone(),
        holder: mine.holder.clone(),
        ..TestClaim::new("pod")
    };
    let p = nobody
        .claim(&rig.stranger(), None)
        .await
        .problem(ProblemType::Unauthenticated);
    assert!(
        p.detail
            .contains("does not count: it was given to another holder"),
        "{p}"
    );
    // The claim's owner is not harmed.
    assert!(matches!(
        &renew(&a, vec![mine.renewal(g.lease)]).await[0],
        Renewed::Ok { .. }
    ));

    // A 17th claim.
    for i in 1..16 {
        TestClaim::new(&format!("c{i}"))
            .claim(&a, None)
            .await
            .granted();
    }
    TestClaim::new("c16")
        .claim(&a, None)
        .await
        .problem(ProblemType::TooManyClaims);
    assert!(
        rig.metric("mooring_problems_total{type=\"too-many-claims\"}")
            .await
            == Some(1.0)
    );

    // A priority in the body has no effect; unknown fields are ignored.
    let mut v = serde_json::to_value(TestClaim::new("pod").body()).unwrap();
    v["priority"] = 1000.into();
    let call = Call::new(http::Method::PUT, "/v1/claims/pod")
        .json(&v)
        .unwrap();
    assert_eq!(ask(&rig.client("d"), call).await.status, 200);

    // Unknown products, too many seats, bodies too large, unknown paths.
    let mut c = TestClaim::new("x");
    c.items[0].product = ProductName::new("rendr").unwrap();
    let p = c.claim(&b, None).await.problem(ProblemType::UnknownProduct);
    assert_eq!(p.field.as_deref(), Some("items[0].product"));
    let mut c = TestClaim {
        items: items(101),
        ..TestClaim::new("y")
    };
    c.claim(&b, None).await.problem(ProblemType::ExceedsSeats);
    let big = Call::new(http::Method::PUT, "/v1/claims/z")
        .json(&"x".repeat(65 * 1024))
        .unwrap();
    assert_eq!(problem(&ask(&b, big).await).kind, ProblemType::TooLarge);
    assert_eq!(
        problem(&ask(&b, Call::new(http::Method::GET, "/v2/x")).await).kind,
        ProblemType::NotFound
    );
    let p = TestClaim::new("pod")
        .claim(&rig.stranger(), None)
        .await
        .problem(ProblemType::Unauthenticated);
    assert!(p.detail.contains("client certificate"), "{p}");
    for call in ["/v1/holders/gone", "/v1/holders/expected"] {
        let call = Call::new(http::Method::POST, call)
            .json(&serde_json::json!({"holders": []}))
            .unwrap();
        assert_eq!(
            problem(&ask(&b, call).await).kind,
            ProblemType::OperatorOnly
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_has_as_many_claims_as_the_configuration_says() {
    let rig = Rig::start(Setup {
        claims_per_holder: 1,
        ..Setup::default()
    })
    .await;
    let a = rig.client("a");
    TestClaim::new("pod").claim(&a, None).await.granted();
    let p = TestClaim::new("more")
        .claim(&a, None)
        .await
        .problem(ProblemType::TooManyClaims);
    assert!(p.detail.contains("has 1 claims"), "{p}");
    // The bound is each holder's own.
    let b = rig.client("b");
    TestClaim::new("pod").claim(&b, None).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_tells_each_change_and_goes_on_where_it_was() {
    let rig = Rig::start(Setup {
        seats: 1,
        ..Setup::default()
    })
    .await;
    let (operator, a) = (rig.client("mooring-operator"), rig.client("a"));
    let list: mooring_core::wire::Leases =
        ask(&operator, Call::new(http::Method::GET, "/v1/leases"))
            .await
            .json()
            .unwrap();
    assert!(list.leases.is_empty());
    let from = |p: &str| Call::new(http::Method::GET, format!("/v1/leases?watch&after={p}"));
    let mut lines = operator
        .lines(&from(&list.position.to_string()), crate::rig::SOON)
        .await
        .unwrap()
        .unwrap();
    let first: serde_json::Value =
        serde_json::from_slice(&lines.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(
        (
            first["event"].as_str(),
            first["state"]["anchor"]["reason"].as_str()
        ),
        (Some("server"), Some("Present"))
    );

    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&a, None).await.granted();
    claim.release(&a, g.lease).await;
    let mut states = Vec::new();
    let mut positions = Vec::new();
    while states.last() != Some(&ViewState::Ended) {
        let line = lines.next().await.unwrap().unwrap();
        if let Ok(mooring_core::wire::WatchEvent::Lease { position, lease }) =
            serde_json::from_slice(&line)
        {
            assert_eq!(lease.lease, g.lease);
            states.push(lease.state);
            positions.push(position);
        }
    }
    assert_eq!(
        states[states.len() - 2..],
        [ViewState::Held, ViewState::Ended]
    );

    // Going on in the middle: the rest, once.
    let mut again = operator
        .lines(
            &from(&positions[positions.len() - 2].to_string()),
            crate::rig::SOON,
        )
        .await
        .unwrap()
        .unwrap();
    let mut last = None;
    while last.is_none() {
        let line = again.next().await.unwrap().unwrap();
        if let Ok(mooring_core::wire::WatchEvent::Lease { lease, .. }) =
            serde_json::from_slice(&line)
        {
            last = Some(lease.state);
        }
    }
    assert_eq!(last, Some(ViewState::Ended));

    // A position of another run, or one that never was.
    for p in [
        format!("{}.0", "ab".repeat(16)),
        format!("{}.999", list.position.instance),
    ] {
        let a = operator
            .lines(&from(&p), crate::rig::SOON)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(
            (a.status.as_u16(), problem(&a).kind),
            (410, ProblemType::ResumeExpired)
        );
    }

    // A line says that the connection lives.
    while !matches!(
        serde_json::from_slice(&lines.next().await.unwrap().unwrap()),
        Ok(mooring_core::wire::WatchEvent::Alive)
    ) {}

    // Another holder sees nothing of it.
    let own: mooring_core::wire::Leases =
        ask(&rig.client("b"), Call::new(http::Method::GET, "/v1/leases"))
            .await
            .json()
            .unwrap();
    assert!(own.leases.is_empty());

    // The end comes quickly, and watches end with it.
    let mut rig = rig;
    let took = rig.terminate();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(lines.next().await.is_ok_and(|l| l.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_is_told_what_concerns_it_and_watches_once() {
    let rig = Rig::start(Setup::default()).await;
    let a = rig.client("a");
    TestClaim::new("pod").claim(&a, None).await.granted();
    let all = rig.products(&a).await.server;
    assert_eq!(all.licenses[0].id.as_deref(), Some("test-1"));
    let seen = ask(&a, Call::new(http::Method::GET, "/v1/products")).await;
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    for secret in ["test-1", "ACME", all.anchor.key_id.as_deref().unwrap()] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let seen: mooring_core::wire::Products = seen.json().unwrap();
    assert!(seen.server.license_valid && !seen.products.is_empty());

    let call = Call::new(http::Method::GET, "/v1/leases?watch");
    let watch = async || a.lines(&call, crate::rig::SOON).await.unwrap().unwrap();
    let mut first = watch().await;
    let line = first.next().await.unwrap().unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(
        line.contains("licenseValid") && !line.contains("ACME"),
        "{line}"
    );
    let mut other = rig
        .client("b")
        .lines(&call, crate::rig::SOON)
        .await
        .unwrap()
        .unwrap();
    let mut second = watch().await;
    let ended = tokio::time::timeout(crate::rig::SOON, first.next()).await;
    assert!(
        matches!(ended, Ok(Ok(None))),
        "the older one goes on: {ended:?}"
    );
    assert!(second.next().await.unwrap().is_some());
    assert!(
        other.next().await.unwrap().is_some(),
        "another's is its own"
    );
}
