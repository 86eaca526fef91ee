//! The anchor and the license: lost and back, wrong PINs, bad licenses. What people see of it.

use crate::rig::{PIN, Rig, Setup, TestClaim, Token, license, renew, until, whole};
use mooring_core::license::{AnchorKind, SigningKey};
use mooring_core::time::Timestamp;
use mooring_core::wire::{ProblemType, Renewed, ServerState};
use mooring_net::client::Client;
use mooring_testkit::{sealed, vendor};
use std::time::Duration;

async fn server(rig: &Rig, c: &Client) -> ServerState {
    rig.products(c).await.server
}

async fn until_anchor(rig: &Rig, c: &Client, reason: &str) -> ServerState {
    until(reason, async || {
        server(rig, c).await.anchor.reason.name() == reason
    })
    .await;
    server(rig, c).await
}

async fn until_license(rig: &Rig, c: &Client, reason: &str) -> ServerState {
    until(reason, async || {
        server(rig, c).await.license_reason.name() == reason
    })
    .await;
    server(rig, c).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_anchor_stops_new_leases_at_once_and_all_recovers_by_itself() {
    let rig = Rig::start(Setup::default()).await;
    let c = rig.client("a");
    let mut first = TestClaim::new("pod");
    let g = first.claim(&c, None).await.granted();

    // Pulled out.
    let away = rig.path("away");
    std::fs::rename(&rig.token.store, &away).unwrap();
    let begin = std::time::Instant::now();
    until("the loss is seen", async || {
        !server(&rig, &c).await.anchor.present
    })
    .await;
    println!("the loss was seen after {:?}", begin.elapsed());
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    let mut second = TestClaim::new("other");
    let p = second
        .claim(&c, None)
        .await
        .problem(ProblemType::AnchorLost);
    assert!(p.retry_after_secs.is_some() && p.status == 503, "{p:?}");
    // Renewals go on.
    assert!(matches!(
        &renew(&c, vec![first.renewal(g.lease)]).await[0],
        Renewed::Ok { .. }
    ));
    let s = server(&rig, &c).await;
    assert!(
        s.license_valid && s.anchor.message.contains("token"),
        "{s:?}"
    );
    assert!(rig.metrics().await.contains("mooring_anchor_present 0"));

    // Plugged in again.
    std::fs::rename(&away, &rig.token.store).unwrap();
    let begin = std::time::Instant::now();
    until_anchor(&rig, &c, "Present").await;
    println!("it was back after {:?}", begin.elapsed());
    until("leases are granted", async || {
        matches!(
            second.claim(&c, None).await,
            crate::rig::Outcome::Granted(_)
        )
    })
    .await;
    let r = renew(&c, vec![first.renewal(g.lease)]).await;
    assert!(matches!(&r[0], Renewed::Ok { .. }), "{r:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_tried_once_also_over_a_restart_and_the_right_one_is_taken() {
    let mut rig = Rig::prepare(Setup {
        pin: "stork-99",
        ..Setup::default()
    });
    rig.run();
    let c = rig.client("a");
    let s = until_anchor(&rig, &c, "PinRejected").await;
    assert!(
        s.anchor
            .message
            .contains("no further login is made before the PIN changes"),
        "{}",
        s.anchor.message
    );
    let p = TestClaim::new("pod")
        .claim(&c, None)
        .await
        .problem(ProblemType::AnchorLost);
    assert!(p.detail.starts_with("PinRejected"), "{p}");

    // It looks again and again, and logs in no more: the anchor is opened anew at most every five
    // seconds.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(rig.logged("logging in to the token"), 1);
    assert_eq!(
        rig.metric("mooring_anchor_logins_total{outcome=\"rejected\"}")
            .await,
        Some(1.0)
    );

    // A container that restarts logs in no more, either.
    rig.kill();
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "PinRejected").await;
    assert_eq!(rig.logged("logging in to the token"), 1);

    rig.write("pin", &format!("{PIN}\n"));
    until_anchor(&rig, &c, "Present").await;
    assert_eq!(rig.logged("logging in to the token"), 2);
    until("leases are granted", async || {
        matches!(
            TestClaim::new("pod").claim(&c, None).await,
            crate::rig::Outcome::Granted(_)
        )
    })
    .await;
    let kept = std::fs::read_to_string(rig.path("state/state.json")).unwrap();
    assert!(!kept.contains(PIN) && !kept.contains("stork-99"), "{kept}");
    assert_eq!(
        rig.logged(PIN) + rig.logged("stork-99"),
        0,
        "a PIN is in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_module_token_or_key_says_what_to_do() {
    let mut rig = Rig::prepare(Setup::default());
    let config = std::fs::read_to_string(rig.path("config.yaml")).unwrap();
    for (from, to, reason, words) in [
        (
            "libsofthsm2.so",
            "nowhere.so",
            "ModuleNotFound",
            "check anchor.pkcs11.module",
        ),
        (
            "tokenLabel: mooring",
            "tokenLabel: other",
            "TokenNotFound",
            "the module sees \"mooring\"",
        ),
        (
            "/pin}",
            "/nopin}",
            "PinMissing",
            "check anchor.pkcs11.pinFile",
        ),
    ] {
        rig.write("config.yaml", &config.replace(from, to));
        rig.run();
        let c = rig.client("a");
        let s = until_anchor(&rig, &c, reason).await;
        assert!(
            s.anchor.message.contains(words) && !s.anchor.present,
            "{}",
            s.anchor.message
        );
        rig.kill();
    }
    assert_eq!(rig.logged("logging in to the token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_or_hangs_is_replaced() {
    let rig = Rig::start(Setup::default()).await;
    let c = rig.client("a");
    let worker = || {
        let out = std::process::Command::new("pgrep")
            .args(["-P", &rig.pid().to_string()])
            .output()
            .unwrap();
        String::from_utf8(out.stdout)
            .unwrap()
            .trim()
            .parse::<u32>()
            .ok()
    };
    for signal in ["-KILL", "-STOP"] {
        let pid = worker().expect("a worker");
        let status = std::process::Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap();
        assert!(status.success());
        until("the loss is seen", async || {
            !server(&rig, &c).await.anchor.present
        })
        .await;
        let reason = server(&rig, &c).await.anchor.reason;
        assert!(
            ["Hung", "ModuleFailed", "Present"].contains(&reason.name()),
            "{reason}"
        );
        until_anchor(&rig, &c, "Present").await;
        assert_ne!(worker(), Some(pid));
    }
    assert_eq!(
        rig.metric("mooring_anchor_losses_total{kind=\"pkcs11\",reason=\"Hung\"}")
            .await,
        Some(1.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_licenses_are_refused_with_the_field_and_a_good_one_stays_in_force() {
    let rig = Rig::start(Setup::default()).await;
    let c = rig.client("a");
    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&c, None).await.granted();
    let good = std::fs::read_to_string(rig.path("license")).unwrap();

    // One byte changed.
    let mut bytes = good.clone().into_bytes();
    let i = bytes.len() / 2;
    bytes[i] = if bytes[i] == b'A' { b'B' } else { b'A' };
    rig.write("license", &String::from_utf8(bytes).unwrap());
    let s = until_license(&rig, &c, "NewLicenseRefused").await;
    assert!(
        s.license_valid && s.license_message.contains("the new file is refused"),
        "{}",
        s.license_message
    );

    // For another token.
    let other = SigningKey::from_seed(&[5; 32]).unwrap().public();
    rig.write("license", &sealed(&license(other, 50), &vendor()));
    until("the other token's license is refused", async || {
        server(&rig, &c)
            .await
            .license_message
            .contains("license field anchors")
    })
    .await;
    assert!(matches!(
        &renew(&c, vec![claim.renewal(g.lease)]).await[0],
        Renewed::Ok { .. }
    ));
    assert_eq!(rig.products(&c).await.pools[0].seats, 2);

    // More seats, without a restart.
    rig.write("license", &sealed(&license(rig.token.key, 5), &vendor()));
    until("five seats", async || {
        rig.products(&c).await.pools[0].seats == 5
    })
    .await;
    assert_eq!(server(&rig, &c).await.license_reason.name(), "Valid");
    let token = whole(renew(&c, vec![claim.renewal(g.lease)]).await.remove(0));
    let product = "render".parse().unwrap();
    let now = mooring_core::license::AppClock::at(Timestamp::now());
    let demand = mooring_core::license::Demand::of(&product);
    mooring_core::license::verify(&token, &[vendor().public()], &demand, &now).unwrap();

    // One that ends while the server runs: nothing new, no renewals, and a fresh one heals.
    let mut ending = license(rig.token.key, 5);
    ending.expires = Some(
        Timestamp::now()
            .checked_add(Duration::from_secs(5))
            .unwrap(),
    );
    rig.write("license", &sealed(&ending, &vendor()));
    let s = until_license(&rig, &c, "Expired").await;
    assert!(
        !s.license_valid && s.license_message.contains("license field expires"),
        "{}",
        s.license_message
    );
    let r = renew(&c, vec![claim.renewal(g.lease)]).await;
    assert!(
        matches!(&r[0], Renewed::Problem { problem, .. } if problem.kind == ProblemType::LicenseInvalid),
        "{r:?}"
    );
    TestClaim::new("late")
        .claim(&c, None)
        .await
        .problem(ProblemType::LicenseInvalid);
    rig.write("license", &good);
    until_license(&rig, &c, "Valid").await;
    until("renewals go on", async || {
        matches!(&renew(&c, vec![claim.renewal(g.lease)]).await[0], Renewed::Ok { lease, .. } if *lease == g.lease)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_with_a_bad_license_says_so_where_people_look() {
    let mut rig = Rig::prepare(Setup::default());
    let mut expired = license(rig.token.key, 2);
    expired.expires = Some(
        Timestamp::now()
            .checked_sub(Duration::from_secs(3600))
            .unwrap(),
    );
    let mut unissued = license(rig.token.key, 2);
    unissued.issued = Timestamp::now()
        .checked_add(Duration::from_secs(3600))
        .unwrap();
    let other = Token::new(rig.dir.path(), "b").key;
    for (text, reason, words, anchor) in [
        (
            sealed(&expired, &vendor()),
            "Expired",
            "license field expires",
            "Present",
        ),
        (
            sealed(&license(other, 2), &vendor()),
            "NotForThisAnchor",
            "license field anchors",
            "KeyNotInLicense",
        ),
        (
            sealed(
                &license(rig.token.key, 2),
                &SigningKey::from_seed(&[1; 32]).unwrap(),
            ),
            "SignatureInvalid",
            "not signed",
            "Present",
        ),
        (
            "hello".to_owned(),
            "Malformed",
            "BEGIN MOORING LICENSE",
            "Present",
        ),
    ] {
        rig.write("license", &text);
        rig.run();
        let c = rig.client("a");
        let s = until_anchor(&rig, &c, anchor).await;
        assert_eq!((s.license_valid, s.license_reason.name()), (false, reason));
        assert!(s.license_message.contains(words), "{}", s.license_message);
        let p = TestClaim::new("pod")
            .claim(&c, None)
            .await
            .problem(ProblemType::LicenseInvalid);
        assert!(p.detail.starts_with(reason), "{p}");
        // Ready means listening.
        assert_eq!(rig.health(&["--ready"]), (true, "ready\n".into()));
        rig.kill();
    }
    // A clock before the license's issue.
    rig.write("license", &sealed(&unissued, &vendor()));
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    let p = TestClaim::new("pod")
        .claim(&c, None)
        .await
        .problem(ProblemType::LicenseInvalid);
    assert!(p.detail.contains("before its license was issued"), "{p}");
    // The right one heals it without a restart.
    rig.write("license", &sealed(&license(rig.token.key, 2), &vendor()));
    until("a lease", async || {
        matches!(
            TestClaim::new("pod").claim(&c, None).await,
            crate::rig::Outcome::Granted(_)
        )
    })
    .await;
    assert_eq!(
        AnchorKind::Pkcs11.to_string(),
        server(&rig, &c).await.anchor.kind
    );
}
