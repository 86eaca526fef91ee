//! Several license files on one dongle, and pools that end while leases draw on them; all for real:
//! the server's process, a PKCS#11 module, the clock.

use crate::rig::{Rig, Setup, TestClaim, license, renew, until, whole};
use mooring_core::license::{AppClock, Bundle, Demand, License, Pool, Verified, verify};
use mooring_core::names::ProductName;
use mooring_core::request;
use mooring_core::time::Timestamp;
use mooring_core::wire::{Grant, ProblemType, Renewed, WaitReason};
use mooring_net::client::Client;
use mooring_testkit::{sealed, vendor};
use std::time::Duration;

/// A second file of the same dongle: seats of `render` and of `denoise`.
fn second(rig: &Rig) -> License {
    let mut l = license(rig.token.key, 1);
    l.id = "test-b".into();
    let mut denoise = l.products[0].clone();
    denoise.name = "denoise".parse().unwrap();
    l.products.push(denoise);
    l
}

async fn two_files(first_seats: u32) -> Rig {
    let mut rig = Rig::prepare(Setup {
        seats: first_seats,
        ..Setup::default()
    });
    rig.write("second", &sealed(&second(&rig), &vendor()));
    let config = std::fs::read_to_string(rig.path("config.yaml")).unwrap();
    let d = rig.dir.path().display().to_string();
    let both = format!("licenses: [{d}/license, {d}/second]");
    rig.write(
        "config.yaml",
        &config.replace(&format!("licenses: [{d}/license]"), &both),
    );
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    rig
}

fn verified(bundle: &Bundle, product: &str) -> Result<Verified, &'static str> {
    let product = ProductName::new(product).unwrap();
    let demand = Demand::of(&product);
    let clock = AppClock::at(Timestamp::now());
    verify(bundle, &[vendor().public()], &demand, &clock).map_err(|e| e.reason())
}

async fn claims(c: &Client, name: &str, what: &str) -> (TestClaim, Grant) {
    let mut claim = TestClaim::new(name);
    claim.items = request::parse(what).unwrap();
    let grant = claim.claim(c, None).await.granted();
    (claim, grant)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_on_one_dongle_add_up_and_each_proves_its_own() {
    let rig = two_files(2).await;
    let c = rig.client("a");
    // One claim of two products, out of two files: two licenses in its bundle, one signature.
    let (_, both) = claims(&c, "both", "render,denoise").await;
    assert_eq!(both.token.licenses.len(), 2);
    for (product, license) in [("render", "test-1"), ("denoise", "test-b")] {
        assert_eq!(verified(&both.token, product).unwrap().license_id, license);
    }
    let (_, one) = claims(&c, "one", "render").await;
    assert_eq!(verified(&one.token, "render").unwrap().license_id, "test-1");
    assert_eq!(verified(&one.token, "denoise"), Err("LeaseProduct"));
    // The one that is left of the second file is taken by denoise's pool.
    let mut third = TestClaim::new("third");
    let waits = third.claim(&c, None).await.waiting();
    assert_eq!(waits.reason, WaitReason::Full);
    let p = rig.products(&c).await;
    let seats: Vec<(&str, u32)> = p
        .products
        .iter()
        .map(|p| (p.name.as_str(), p.seats))
        .collect();
    assert_eq!(seats, [("render", 3), ("denoise", 1)]);
    let used = "mooring_seats_used{license=\"test-b\",pool=\"seats\"}";
    assert_eq!(rig.metric(used).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_taken_away_takes_its_leases_to_the_other_or_ends_them() {
    let rig = two_files(1).await;
    let c = rig.client("a");
    let (mut first, g1) = claims(&c, "first", "render").await;
    let (second, g2) = claims(&c, "second", "render").await;
    assert_eq!(verified(&g2.token, "render").unwrap().license_id, "test-b");
    // Another license in the first one's place that does not say that it replaces it.
    let mut other = license(rig.token.key, 1);
    other.id = "test-c".into();
    other.products[0].name = "denoise".parse().unwrap();
    rig.write("license", &sealed(&other, &vendor()));
    let answer =
        async |claim: &mut TestClaim, lease| renew(&c, vec![claim.renewal(lease)]).await.remove(0);
    until("the first one's seat has ended, and there is no room", async || {
        matches!(answer(&mut first, g1.lease).await, Renewed::Problem { problem, .. } if problem.kind == ProblemType::LicenseInvalid)
    })
    .await;
    second.release(&c, g2.lease).await;
    until("it moves as soon as there is room", async || {
        matches!(answer(&mut first, g1.lease).await, ok @ Renewed::Ok { .. } if verified(&whole(ok.clone()), "render").unwrap().license_id == "test-b")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_license_of_three_ends_is_passed_through_by_the_clock() {
    let rig = Rig::start(Setup::default()).await;
    let c = rig.client("a");
    let mut l = license(rig.token.key, 1);
    l.id = "three-ends".into();
    l.supersedes = vec!["test-1".into()];
    let after = |secs| {
        let end = Timestamp::now()
            .checked_add(Duration::from_secs(secs))
            .unwrap();
        Some(Timestamp::from_second(end.as_second()).unwrap())
    };
    let pool = |name: &str, expires| Pool {
        name: name.parse().unwrap(),
        expires,
        ..l.pools[0].clone()
    };
    l.pools = vec![
        pool("a", after(8)),
        pool("b", after(14)),
        pool("c", after(20)),
    ];
    l.expires = after(20);
    l.products[0].from = serde_json::from_value(
        serde_json::json!([[{"pool": "a"}], [{"pool": "b"}], [{"pool": "c"}]]),
    )
    .unwrap();
    rig.write("license", &sealed(&l, &vendor()));
    until("it is in force", async || {
        rig.products(&c).await.pools.len() == 4
    })
    .await;
    let mut live = Vec::new();
    for name in ["one", "two", "three"] {
        live.push(claims(&c, name, "render").await);
    }
    // Whoever's seat ends goes on until nobody has one: each end costs one lease.
    let held = async |live: &mut Vec<(TestClaim, Grant)>| {
        let mut held = 0;
        for (claim, g) in live.iter_mut() {
            match renew(&c, vec![claim.renewal(g.lease)]).await.remove(0) {
                ok @ (Renewed::Ok { .. } | Renewed::Same { .. }) => {
                    let token = whole(ok);
                    assert_eq!(verified(&token, "render").unwrap().license_id, "three-ends");
                    held += 1;
                }
                Renewed::Problem { problem, .. } => {
                    assert_eq!(problem.kind, ProblemType::LicenseInvalid, "{problem:?}");
                }
            }
        }
        held
    };
    assert_eq!(held(&mut live).await, 3);
    for left in [2, 1, 0] {
        until(&format!("{left} seats are left"), async || {
            held(&mut live).await <= left
        })
        .await;
        assert_eq!(held(&mut live).await, left, "never two at once");
    }
}
