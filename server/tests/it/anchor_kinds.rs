//! Anchors that are no tokens, the anchor grace and standby anchors, with the real process.

use crate::rig::{ApiServer, MODULE, Outcome, Rig, Setup, TestClaim, license, renew, until};
use mooring_core::license::{
    AnchorKey, AnchorKind, HwidHash, HwidItem, HwidItems, License, SigningKey, Standby, UsbDevice,
};
use mooring_core::wire::{ProblemType, Renewed, ServerState};
use mooring_net::client::Client;
use mooring_testkit::{sealed, vendor};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// PKCS#8 of the seed of sevens.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";

fn software() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn usb() -> AnchorKey {
    AnchorKey {
        kind: AnchorKind::Usb,
        key: software().public(),
        software: true,
        label: Some("the old dongle".into()),
        usb: Some(UsbDevice {
            vendor_id: "096e".into(),
            product_id: "0006".into(),
            serial: "A1".into(),
        }),
        hwid: None,
        standby: None,
    }
}

fn put(rig: &Rig, path: &str, text: &str) {
    let path = rig.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const PORT: &str = "sys/bus/usb/devices/1-1";

fn plug(rig: &Rig) {
    // In one step, as the kernel does.
    for (name, says) in [
        ("idVendor", "096e"),
        ("idProduct", "0006"),
        ("serial", "A1"),
    ] {
        put(rig, &format!("aside/{name}"), says);
    }
    std::fs::create_dir_all(rig.path(PORT).parent().unwrap()).unwrap();
    std::fs::rename(rig.path("aside"), rig.path(PORT)).unwrap();
}

fn unplug(rig: &Rig) {
    std::fs::rename(rig.path(PORT), rig.path("away")).unwrap();
    std::fs::remove_dir_all(rig.path("away")).unwrap();
}

fn key_file(rig: &Rig, mode: u32) {
    rig.write("anchor.key", PEM);
    std::fs::set_permissions(
        rig.path("anchor.key"),
        std::fs::Permissions::from_mode(mode),
    )
    .unwrap();
}

/// A server with this instead of its token's configuration, and this license.
fn prepare(l: impl FnOnce(&Rig) -> License, config: impl FnOnce(&str, &str) -> String) -> Rig {
    let rig = Rig::prepare(Setup::default());
    let dir = rig.dir.path().display().to_string();
    let token = format!(
        "anchor: {{pkcs11: {{module: {MODULE}, tokenLabel: mooring, pinFile: {dir}/pin}}}}"
    );
    let before = std::fs::read_to_string(rig.path("config.yaml")).unwrap();
    let after = before.replace(&token, &config(&token, &dir));
    assert_ne!(before, after);
    rig.write("config.yaml", &after);
    rig.write("license", &sealed(&l(&rig), &vendor()));
    key_file(&rig, 0o600);
    rig
}

fn usb_alone() -> Rig {
    let license = |_: &Rig| {
        let mut l = license(usb().key, 2);
        l.anchors = vec![usb()];
        l
    };
    prepare(license, |_, dir| {
        format!("anchor: {{usb: {{keyFile: {dir}/anchor.key, sysfsRoot: {dir}/sys}}}}")
    })
}

async fn state(rig: &Rig, c: &Client) -> ServerState {
    rig.products(c).await.server
}

async fn until_reason(rig: &Rig, c: &Client, reason: &str) -> ServerState {
    until(reason, async || {
        state(rig, c).await.anchor.reason.name() == reason
    })
    .await;
    state(rig, c).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usb_device_pulled_is_seen_within_seconds_and_all_recovers_by_itself() {
    let mut rig = usb_alone();
    plug(&rig);
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.client("a");
    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&c, None).await.granted();

    unplug(&rig);
    let begin = Instant::now();
    let s = until_reason(&rig, &c, "DeviceNotFound").await;
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
    assert!(
        s.anchor.kind == "usb"
            && s.anchor.message.contains("096e:0006 serial \"A1\"")
            && s.anchor.message.contains("lost since"),
        "{s:?}"
    );
    let mut other = TestClaim::new("other");
    other.claim(&c, None).await.problem(ProblemType::AnchorLost);
    let r = renew(&c, vec![claim.renewal(g.lease)]).await;
    assert!(matches!(&r[0], Renewed::Ok { .. }), "{r:?}");
    assert_eq!(
        rig.metric("mooring_anchor_losses_total{kind=\"usb\",reason=\"DeviceNotFound\"}")
            .await,
        Some(1.0)
    );

    plug(&rig);
    let begin = Instant::now();
    until_reason(&rig, &c, "Present").await;
    assert!(
        begin.elapsed() < Duration::from_secs(7),
        "{:?}",
        begin.elapsed()
    );
    until("leases are granted", async || {
        matches!(other.claim(&c, None).await, Outcome::Granted(_))
    })
    .await;
    assert!(rig.logged("lost_for_secs") > 0);

    // A key that everybody may read is not used; the right one is, without a restart.
    rig.kill();
    let check = || {
        let mut c = std::process::Command::new(crate::rig::SERVER);
        c.args(["check-config", "--config"])
            .arg(rig.path("config.yaml"));
        let out = c.output().unwrap();
        (out.status.success(), String::from_utf8(out.stderr).unwrap())
    };
    assert_eq!(check(), (true, String::new()));
    key_file(&rig, 0o644);
    let (good, said) = check();
    assert!(
        !good && said.contains("configuration field anchor") && said.contains("mode 0644"),
        "{said}"
    );
    rig.run();
    let c = rig.client("a");
    let s = until_reason(&rig, &c, "KeyFileUnusable").await;
    assert!(s.anchor.message.contains("mode 0644"), "{s:?}");
    key_file(&rig, 0o600);
    until_reason(&rig, &c, "Present").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_end_with_the_anchor_grace_that_the_license_allows() {
    let mut rig = prepare(
        |_| {
            let mut l = license(usb().key, 2);
            l.anchors = vec![usb()];
            l.policy.max_anchor_grace = Some(Duration::from_secs(5));
            l
        },
        |_, dir| format!("anchor: {{usb: {{keyFile: {dir}/anchor.key, sysfsRoot: {dir}/sys}}}}"),
    );
    plug(&rig);
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.client("a");
    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&c, None).await.granted();
    unplug(&rig);
    let pulled = Instant::now();
    let (mut last_good, first_bad) = loop_until_refused(&c, &mut claim, g.lease, pulled).await;
    println!("renewed until {last_good:?}, refused from {first_bad:?} after it was pulled");
    // Seen within a second of the pull, then five seconds; the rest is what a busy machine takes.
    last_good += Duration::from_millis(500);
    assert!(last_good >= Duration::from_secs(4), "{last_good:?}");
    assert!(
        (Duration::from_millis(4900)..Duration::from_secs(8)).contains(&first_bad),
        "{first_bad:?}"
    );
    plug(&rig);
    until("renewals go on", async || {
        matches!(
            &renew(&c, vec![claim.renewal(g.lease)]).await[0],
            Renewed::Ok { .. }
        )
    })
    .await;
}

async fn loop_until_refused(
    c: &Client,
    claim: &mut TestClaim,
    lease: mooring_core::names::LeaseId,
    pulled: Instant,
) -> (Duration, Duration) {
    let mut last = Duration::ZERO;
    loop {
        let asked = pulled.elapsed();
        match &renew(c, vec![claim.renewal(lease)]).await[0] {
            Renewed::Ok { .. } | Renewed::Same { .. } => last = asked,
            Renewed::Problem { problem, .. } => {
                assert_eq!(problem.kind, ProblemType::AnchorLost, "{problem}");
                return (last, pulled.elapsed());
            }
        }
        assert!(asked < Duration::from_secs(30), "renewals never end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A token, and a USB device as its standby for 14 days, both plugged in.
fn with_standby() -> Rig {
    let mut rig = prepare(
        |rig| {
            let mut l = license(rig.token.key, 2);
            l.anchors.push(AnchorKey {
                standby: Some(Standby { days: 14 }),
                ..usb()
            });
            l
        },
        // The flag's folder counts over the file's.
        |token, dir| {
            format!(
                "{token}\nstandby: {{usb: {{keyFile: {dir}/anchor.key, sysfsRoot: {dir}/nowhere}}}}"
            )
        },
    );
    rig.setup.env.push((
        "MOORING_SYSFS_ROOT".into(),
        rig.path("sys").display().to_string(),
    ));
    plug(&rig);
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_serves_while_the_token_is_away() {
    let mut rig = with_standby();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.client("a");
    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&c, None).await.granted();
    assert_eq!(state(&rig, &c).await.anchor.reason.name(), "Present");

    let away = rig.path("away-token");
    std::fs::rename(&rig.token.store, &away).unwrap();
    let s = until_reason(&rig, &c, "StandbyInUse").await;
    assert!(
        s.anchor.present
            && s.anchor.kind == "usb"
            && s.anchor.message.contains("of its 14 days are left")
            && s.anchor.message.contains("the old dongle"),
        "{s:?}"
    );
    let other = TestClaim::new("other").claim(&c, None).await;
    assert!(matches!(other, Outcome::Granted(_)));
    let r = renew(&c, vec![claim.renewal(g.lease)]).await;
    assert!(matches!(&r[0], Renewed::Ok { .. }), "{r:?}");
    let kept = std::fs::read_to_string(rig.path("state/state.json")).unwrap();
    assert!(kept.contains("\"servedSecs\":270"), "{kept}");

    std::fs::rename(&away, &rig.token.store).unwrap();
    let s = until_reason(&rig, &c, "Present").await;
    assert_eq!(s.anchor.kind, "pkcs11");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standbys_days_go_on_in_the_next_pod_and_none_is_served_uncounted() {
    let api = ApiServer::start().await;
    let mut rig = with_standby();
    api.has(&mut rig);
    std::fs::rename(&rig.token.store, rig.path("away-token")).unwrap();
    let use_of_it =
        || api.state()["kept"]["standbys"][format!("test-1/{}", usb().key.id())].clone();
    rig.run();
    let c = rig.client("a");
    until_reason(&rig, &c, "StandbyInUse").await;
    let first = use_of_it();
    assert_eq!(first["servedSecs"], 270);
    rig.kill_pod();
    rig.run();
    until_reason(&rig, &rig.client("a"), "StandbyInUse").await;
    let second = use_of_it();
    assert_eq!(second["servedSecs"], 540);
    assert_eq!(second["first"], first["first"], "the day of its first use");

    rig.kill_pod();
    api.down.store(true, Ordering::Relaxed);
    rig.run();
    let c = rig.client("a");
    let s = until_reason(&rig, &c, "StandbyUncounted").await;
    assert!(s.anchor.message.contains("etcd is down"), "{s:?}");
    assert!(
        !s.renews && rig.logged("the standby anchor serves") == 2,
        "{s:?}"
    );
    api.down.store(false, Ordering::Relaxed);
    until_reason(&rig, &c, "StandbyInUse").await;
    assert_eq!(use_of_it()["servedSecs"], 810);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_has_changed_is_lost_and_what_changed_is_named() {
    let salt = "5a".repeat(16);
    let hash = |item, value: &str| HwidHash {
        item,
        hash: HwidItems::hash(&salt, item, value),
    };
    let anchor = AnchorKey {
        kind: AnchorKind::Hwid,
        usb: None,
        hwid: Some(HwidItems {
            k: 2,
            items: vec![
                hash(HwidItem::ProductUuid, "4c4c-1"),
                hash(HwidItem::BoardSerial, "B-1"),
                hash(HwidItem::MachineId, "0f1e"),
            ],
            salt: salt.clone(),
        }),
        ..usb()
    };
    let mut rig = prepare(
        |_| {
            let mut l = license(anchor.key, 2);
            l.anchors = vec![anchor];
            l
        },
        |_, dir| format!("anchor: {{hwid: {{keyFile: {dir}/anchor.key, hostRoot: {dir}/host}}}}"),
    );
    put(&rig, "host/sys/class/dmi/id/product_uuid", "4C4C-1\n");
    put(&rig, "host/sys/class/dmi/id/board_serial", "B-1\n");
    put(&rig, "host/etc/machine-id", "0f1e\n");
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.client("a");
    put(&rig, "host/etc/machine-id", "ffff\n");
    until("the change is told", async || {
        rig.logged("the machine has changed, and is still the license's") == 1
    })
    .await;
    assert_eq!(state(&rig, &c).await.anchor.reason.name(), "Present");
    put(&rig, "host/sys/class/dmi/id/board_serial", "B-2\n");
    let s = until_reason(&rig, &c, "HostChanged").await;
    assert!(
        s.anchor
            .message
            .contains("not found: boardSerial, machineId")
            && !s.anchor.message.contains("B-"),
        "{s:?}"
    );
    put(&rig, "host/sys/class/dmi/id/board_serial", "B-1\n");
    until_reason(&rig, &c, "Present").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tokens_with_one_label_the_licenses_key_decides() {
    let mut rig = Rig::prepare(Setup::default());
    rig.token.twin();
    rig.run();
    let c = rig.client("a");
    let s = until_reason(&rig, &c, "Present").await;
    assert!(
        s.anchor.message.contains(&rig.token.key.id().to_string()),
        "{s:?}"
    );
    assert_eq!(rig.logged("logging in to the token"), 1);
    // No license says which one is meant.
    rig.kill();
    rig.write("license", "none");
    rig.run();
    let c = rig.client("a");
    let s = until_reason(&rig, &c, "TokenAmbiguous").await;
    assert!(s.anchor.message.contains("different labels"), "{s:?}");
    assert_eq!(
        rig.logged("logging in to the token"),
        1,
        "nobody's PIN is tried"
    );
}
