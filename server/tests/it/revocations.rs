//! Licenses that the vendor took back or replaced, with the real process: leases end being renewed,
//! and a restart forgets nothing.

use crate::rig::{Outcome, Rig, Setup, TestClaim, license, renew, until};
use mooring_core::license::{Envelope, Revocations, RevokedLicense, SigningKey, armour, types};
use mooring_core::time::Timestamp;
use mooring_core::wire::{ProblemType, Renewed, ServerState};
use mooring_net::client::Client;
use mooring_testkit::{sealed, vendor};

fn list(number: u64, revoked: &[&str], by: &SigningKey) -> String {
    let now = Timestamp::now();
    let one = |id: &&str| RevokedLicense {
        license: (*id).to_owned(),
        since: now,
        reason: "charged back".into(),
    };
    let list = Revocations {
        schema: 1,
        number,
        issued: now,
        next: None,
        revoked: revoked.iter().map(one).collect(),
    };
    armour(&Envelope::sign(types::REVOCATIONS, &list, by).unwrap()).unwrap()
}

async fn until_license(rig: &Rig, c: &Client, reason: &str) -> ServerState {
    until(reason, async || {
        rig.products(c).await.server.license_reason.name() == reason
    })
    .await;
    rig.products(c).await.server
}

/// A server that reads a revocation list, which is not there yet.
async fn start() -> Rig {
    let mut rig = Rig::prepare(Setup::default());
    rig.setup.more = format!("revocations: {}\n", rig.path("revocations").display());
    rig.configure();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_license_grants_and_renews_nothing_until_it_is_lifted() {
    let mut rig = start().await;
    let c = rig.client("a");
    let mut first = TestClaim::new("pod");
    let g = first.claim(&c, None).await.granted();

    rig.write("revocations", &list(1, &["test-1"], &vendor()));
    let s = until_license(&rig, &c, "Revoked").await;
    assert!(
        !s.license_valid
            && s.license_message.contains("\"test-1\" is revoked since 20")
            && s.license_message.contains("list number 1")
            && s.license_message.contains("charged back"),
        "{s:?}"
    );
    let mut other = TestClaim::new("other");
    let p = other
        .claim(&c, None)
        .await
        .problem(ProblemType::LicenseInvalid);
    assert!(p.detail.contains("charged back"), "{p}");
    let renewed = renew(&c, vec![first.renewal(g.lease)]).await;
    assert!(
        !matches!(&renewed[0], Renewed::Ok { .. }),
        "{:?}",
        renewed[0]
    );

    // Without the list, and after a restart: still.
    std::fs::remove_file(rig.path("revocations")).unwrap();
    rig.kill();
    rig.run();
    let c = rig.client("a");
    until_license(&rig, &c, "Revoked").await;
    // An older list, and one of somebody else, change nothing; a newer one lifts it.
    rig.write(
        "revocations",
        &list(9, &[], &SigningKey::from_seed(&[66; 32]).unwrap()),
    );
    until("the forged list is refused", async || {
        let s = rig.products(&c).await.server;
        !s.license_valid && s.license_message.contains("revocation list signature")
    })
    .await;
    rig.write("revocations", &list(2, &[], &vendor()));
    let s = until_license(&rig, &c, "Valid").await;
    assert!(s.license_message.contains("not revoked by list 2"), "{s:?}");
    until("leases are granted", async || {
        matches!(other.claim(&c, None).await, Outcome::Granted(_))
    })
    .await;
}

#[test]
fn the_configuration_is_checked_with_the_list() {
    let mut rig = Rig::prepare(Setup::default());
    rig.setup.more = format!("revocations: {}\n", rig.path("revocations").display());
    rig.configure();
    let check = || {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_mooring-server"))
            .args(["check-config", "--config"])
            .arg(rig.path("config.yaml"))
            .output()
            .unwrap();
        let text = [out.stdout, out.stderr].concat();
        (
            out.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (good, said) = check();
    assert!(
        good && said.contains("there is no revocation list"),
        "{said}"
    );
    rig.write("revocations", &list(3, &["other"], &vendor()));
    let (good, said) = check();
    assert!(good && said.contains("not revoked by list 3"), "{said}");
    rig.write("revocations", &list(4, &["test-1"], &vendor()));
    let (good, said) = check();
    assert!(
        !good && said.contains("Revoked: license field id"),
        "{said}"
    );
    // Looking keeps nothing.
    rig.write("revocations", &list(2, &[], &vendor()));
    let (good, said) = check();
    assert!(good && said.contains("not revoked by list 2"), "{said}");
    rig.write("revocations", "nonsense");
    let (good, said) = check();
    assert!(!good && said.contains("not a revocation list"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_license_put_back_is_refused_also_after_a_restart() {
    let mut rig = start().await;
    let c = rig.client("a");
    let old = license(rig.token.key, 2);
    let mut new = license(rig.token.key, 3);
    new.id = "rig-2".into();
    new.supersedes = vec!["test-1".into()];
    rig.write("license", &sealed(&new, &vendor()));
    until("the new license is in force", async || {
        let s = rig.products(&c).await;
        s.server.licenses[0].id.as_deref() == Some("rig-2") && s.pools.iter().any(|p| p.seats == 3)
    })
    .await;
    rig.write("license", &sealed(&old, &vendor()));
    let s = until_license(&rig, &c, "NewLicenseRefused").await;
    assert!(
        s.license_valid
            && s.licenses[0].id.as_deref() == Some("rig-2")
            && s.license_message
                .contains("license field id: \"test-1\" was superseded by license \"rig-2\""),
        "{s:?}"
    );
    rig.kill();
    rig.run();
    let c = rig.client("a");
    let s = until_license(&rig, &c, "Superseded").await;
    assert!(!s.license_valid, "{s:?}");
    rig.write("license", &sealed(&new, &vendor()));
    until_license(&rig, &c, "Valid").await;
}
