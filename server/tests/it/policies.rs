//! Whose the seats are: a policy out of the server's file, two groups of pods, a loan that comes
//! back to its owner, and a policy that is tried out.

use crate::rig::{ApiServer, Outcome, Rig, Setup, TestClaim, ask, items, problem, renew, until};
use http::header::AUTHORIZATION;
use mooring_core::wire::{PolicyTest, ProblemType, Products, Renewed, UnderPolicy, WaitReason};
use mooring_net::client::{Call, Client};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FILE: &str = "
allowedNamespaces: All
seats:
  name: shares
  noticeSecs: 12
  groups:
  - name: film
    namespaces: [team-a]
    pools: {seats: {owned: 3}}
  - name: sim
    namespaces: [team-b]
    pools: {seats: {max: 3}}
";
const NOTICE: Duration = Duration::from_secs(12);

/// Four seats, under the policy of the file.
async fn shared() -> (Rig, Arc<ApiServer>) {
    let api = ApiServer::start().await;
    let mut rig = Rig::prepare(Setup {
        seats: 4,
        ..Setup::default()
    });
    api.has(&mut rig);
    rig.write("policies.yaml", FILE);
    let policies = rig.path("policies.yaml").display().to_string();
    rig.setup.more = format!("{}policies: {policies}\n", rig.setup.more);
    rig.configure();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    (rig, api)
}

async fn claimed(c: &Client, who: &str, seats: u32) -> (TestClaim, Outcome) {
    let mut claim = TestClaim::new("pod");
    claim.items = items(seats);
    let outcome = claim.claim_as(c, who).await;
    (claim, outcome)
}

fn test_of(policy: &Value) -> Call {
    let call = Call::new(http::Method::POST, "/v1/policies/test");
    call.json(policy).unwrap()
}

fn metric(group: &str, kind: &str) -> String {
    format!("mooring_policy_seats{{group=\"{group}\",kind=\"{kind}\",pool=\"seats\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loan_is_called_back_and_comes_to_its_owner() {
    let (rig, _api) = shared().await;
    let c = rig.stranger();
    let mut borrowed = Vec::new();
    for n in 0..3 {
        let (claim, outcome) = claimed(&c, &format!("team-b/sim-{n}"), 1).await;
        borrowed.push((claim, outcome.granted().lease));
        // The youngest is told by its time.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // A denial says which policy, and why.
    let (_, outcome) = claimed(&c, "team-b/sim-3", 1).await;
    let waits = outcome.waiting();
    assert_eq!(waits.reason, WaitReason::Policy);
    for words in [
        "policy shares: ",
        "group sim has 3 of the 3 seats of seats that it may have",
    ] {
        assert!(waits.message.contains(words), "{}", waits.message);
    }
    let (_, outcome) = claimed(&c, "team-b/sim-4", 4).await;
    let refused = outcome.problem(ProblemType::ExceedsSeats);
    let never = "policy shares never lets group sim have so many seats at a time";
    assert_eq!(refused.detail, never);

    // One of the two seats that the owner wants is free: one loan is called back, the youngest.
    let (mut owner, outcome) = claimed(&c, "team-a/film-0", 2).await;
    let begun = Instant::now();
    outcome.waiting();
    let mut asked = Vec::new();
    for (claim, lease) in &mut borrowed {
        asked.push(claim.renewal(*lease));
    }
    let told = renew(&c, asked).await;
    let why = |r: &Renewed| match r {
        Renewed::Ok {
            called_back,
            run_for,
            ..
        } => (called_back.as_ref().map(|p| p.detail.clone()), *run_for),
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&told[0]).0, None);
    assert_eq!(why(&told[1]).0, None);
    let (called_back, left) = why(&told[2]);
    let text = "policy shares: its seats are lent by group film, which wants them now";
    assert_eq!(called_back.as_deref(), Some(text));
    assert!(left <= NOTICE, "{left:?}");

    // Up to its notice it is renewed, and not beyond, however it asks on.
    let mut granted = None;
    let mut ended = None;
    until("the owner has its seats", async || {
        let mut asked = Vec::new();
        for (claim, lease) in &mut borrowed {
            asked.push(claim.renewal(*lease));
        }
        let told = renew(&c, asked).await;
        assert!(matches!(told[0], Renewed::Ok { .. }), "{:?}", told[0]);
        if let Renewed::Problem { problem, .. } = &told[2] {
            ended.get_or_insert((problem.clone(), begun.elapsed()));
        }
        if let Outcome::Granted(g) = owner.claim_as(&c, "team-a/film-0").await {
            granted = Some((g, begun.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        granted.is_some()
    })
    .await;
    let (_, after) = granted.unwrap();
    assert!(after >= NOTICE, "{after:?}");
    assert!(after < NOTICE + Duration::from_secs(5), "{after:?}");
    let (p, after) = ended.unwrap();
    assert_eq!(p.kind, ProblemType::CalledBack, "{p}");
    assert!(after + Duration::from_millis(200) >= NOTICE, "{after:?}");
    for (group, kind, n) in [
        ("film", "owned", 3.0),
        ("film", "used", 2.0),
        ("sim", "used", 2.0),
        ("sim", "max", 3.0),
        ("(none)", "used", 0.0),
    ] {
        assert_eq!(rig.metric(&metric(group, kind)).await, Some(n), "{group}");
    }
    assert_eq!(rig.metric(&metric("film", "max")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_tried_out_and_nothing_changes() {
    let (rig, _api) = shared().await;
    let (c, operator) = (rig.stranger(), rig.client("mooring-operator"));
    let (_, outcome) = claimed(&c, "team-b/sim-0", 3).await;
    outcome.granted();
    let (mut held, outcome) = claimed(&c, "team-a/film-0", 1).await;
    let lease = outcome.granted().lease;
    let (_, outcome) = claimed(&c, "team-c/other-0", 1).await;
    outcome.waiting();
    let numbers = |p: Products| (p.products, p.pools, p.policy);
    let before = numbers(rig.products(&c).await);

    let group = |name: &str, of: &str, pools: Value| json!({ "name": name, "namespaces": [of], "pools": pools });
    let policy = json!({
        "name": "next", "noticeSecs": 600,
        "groups": [
            group("other", "team-c", json!({ "seats": { "owned": 2 }, "cfd": { "owned": 1 } })),
            { "name": "rest", "namespaces": ["*"], "pools": { "seats": { "max": 2 } } },
        ]
    });
    let a = ask(&operator, test_of(&policy)).await;
    assert_eq!(a.status, 200, "{:?}", a.body);
    let test: PolicyTest = a.json().unwrap();
    let told: Vec<_> = test
        .changes
        .iter()
        .map(|c| (c.holder.to_string(), c.now, c.then))
        .collect();
    // One seat is wanted: the youngest lease of one seat gives it.
    let called = (
        "team-a/film-0".to_owned(),
        UnderPolicy::Holds,
        UnderPolicy::CalledBack,
    );
    assert_eq!(told, [called]);
    let why = test.changes.iter().find_map(|c| c.message.clone()).unwrap();
    assert!(why.starts_with("policy next: "), "{why}");
    assert_eq!(test.unknown_pools.len(), 1);
    assert_eq!(test.groups.iter().filter(|g| g.used > 0).count(), 1);

    // Nothing of it is so.
    assert_eq!(numbers(rig.products(&c).await), before);
    let told = renew(&c, vec![held.renewal(lease)]).await;
    assert!(
        matches!(
            &told[0],
            Renewed::Ok {
                called_back: None,
                ..
            }
        ),
        "{told:?}"
    );

    // It is for administrators.
    let call = test_of(&policy).header(AUTHORIZATION, "Bearer team-b/sim-0");
    let p = problem(&ask(&c, call).await);
    assert_eq!(p.kind, ProblemType::OperatorOnly, "{p}");
    let p = problem(&ask(&operator, test_of(&json!({ "name": "x" }))).await);
    assert_eq!(p.kind, ProblemType::BadRequest, "{p}");
}
