//! The process itself: its configuration, its certificates, its end, its help.

use crate::rig::{Rig, SERVER, Setup, TestClaim, until};
use mooring_testkit::Ca;
use std::process::Command;
use std::time::Duration;

fn run(args: &[&str]) -> (bool, String) {
    let out = Command::new(SERVER).args(args).output().unwrap();
    let text = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn the_configuration_is_checked_before_anything_is_touched() {
    let rig = Rig::prepare(Setup::default());
    let path = rig.path("config.yaml").display().to_string();
    let (ok, text) = run(&["check-config", "--config", &path]);
    assert!(ok && text.contains("license test-1 of ACME"), "{text}");
    let good = std::fs::read_to_string(rig.path("config.yaml")).unwrap();
    let short = rig.path("short");
    std::fs::write(&short, "too short").unwrap();
    for (from, to, words) in [
        ("stateDir", "stateDri", "unknown field `stateDri`"),
        ("/tls.crt", "/nowhere", "configuration field tls"),
        ("/identity", "/short", "9 bytes, expected 32 random ones"),
        (
            "/license",
            "/pin",
            "configuration field licenses: Malformed",
        ),
        (
            "durationSecs: 10",
            "durationSecs: 9",
            "lease.durationSecs: 9; expected 10 to 300",
        ),
    ] {
        rig.write("config.yaml", &good.replace(from, to));
        let (ok, text) = run(&["check-config", "--config", &path]);
        assert!(!ok && text.contains(words), "{text}");
    }
    let (ok, text) = run(&["--help"]);
    assert!(
        ok && text.contains("check-config") && !text.contains("anchor-worker"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_quickly_while_requests_are_held_open() {
    let mut rig = Rig::start(Setup {
        seats: 1,
        ..Setup::default()
    })
    .await;
    let (a, b) = (rig.client("a"), rig.client("b"));
    TestClaim::new("pod").claim(&a, None).await.granted();
    let mut second = TestClaim::new("pod");
    second.claim(&b, None).await.waiting();
    let held_open = tokio::spawn(async move { second.claim(&b, Some(60)).await.waiting() });
    until("it is held open", async || {
        rig.metric("mooring_queue").await == Some(1.0)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let took = rig.terminate();
    assert!(took < Duration::from_secs(2), "{took:?}");
    // Answered with its ticket, good for the next run.
    held_open.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificates_are_taken_without_a_restart_and_bad_ones_refused() {
    let mut rig = Rig::start(Setup::default()).await;
    let old = rig.client("a");
    TestClaim::new("one").claim(&old, None).await.granted();
    // A broken pair: the key of another certificate.
    let (_, other_key) = rig.ca.issue("server");
    let good_key = std::fs::read_to_string(rig.path("tls.key")).unwrap();
    rig.write("tls.key", &other_key);
    until("the bad pair is refused", async || {
        rig.logged("new certificates refused") > 0
    })
    .await;
    let still = rig.client("b");
    TestClaim::new("pod").claim(&still, None).await.granted();
    rig.write("tls.key", &good_key);

    // A new CA for server and clients.
    let ca = Ca::new();
    let (cert, key) = ca.issue("server");
    rig.write("tls.crt", &cert);
    rig.write("tls.key", &key);
    rig.write("ca.crt", &ca.pem);
    let old_ca = std::mem::replace(&mut rig.ca, ca);
    until("new certificates", async || {
        rig.logged("certificates read anew") > 0
    })
    .await;
    let new = rig.client("c");
    until("a client of the new CA is taken", async || {
        new.call(&TestClaim::new("x").call(None), crate::rig::SOON)
            .await
            .is_ok_and(|a| a.status.as_u16() < 300)
    })
    .await;
    // The old certificate counts no more: neither on the old connection, which has ended, nor on a
    // new one.
    let (cert, key) = old_ca.issue("d");
    for refused in [old, rig.connect(Some((&cert, &key)))] {
        let answer = refused
            .call(&TestClaim::new("x").call(None), crate::rig::SOON)
            .await;
        assert!(answer.is_err(), "{answer:?}");
    }
}

/// Seconds of processor time that a process has used.
fn processor_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |i: usize| fields[i].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_is_idle() {
    let rig = Rig::start(Setup::default()).await;
    TestClaim::new("pod")
        .claim(&rig.client("a"), None)
        .await
        .granted();
    let before = processor_seconds(rig.pid());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let used = processor_seconds(rig.pid()) - before;
    assert!(used < 0.3, "{used} s of processor time in 3 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_alive_and_ready_whoever_fills_its_ports() {
    let mut rig = Rig::start(Setup::default()).await;
    assert!(rig.get("/healthz").await.starts_with("HTTP/1.1 404"));
    let mut silent = Vec::new();
    for to in [&rig.metrics_port, &rig.api] {
        for _ in 0..400 {
            silent.push(tokio::net::TcpStream::connect(to).await.unwrap());
        }
    }
    assert_eq!(rig.health(&[]), (true, "ready\n".into()));
    assert_eq!(rig.health(&["--ready"]), (true, "ready\n".into()));
    assert!(rig.get("/metrics").await.starts_with("HTTP/1.1 200"));
    TestClaim::new("pod")
        .claim(&rig.client("a"), None)
        .await
        .granted();
    drop(silent);
    rig.terminate();
    let (alive, said) = rig.health(&[]);
    assert!(!alive && said.contains("health.sock"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_is_told_when_it_is_ready_and_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::rig::SOON)).unwrap();
    let heard = || {
        let mut buf = [0; 64];
        let n = socket.recv(&mut buf).unwrap();
        String::from_utf8(buf[..n].to_vec()).unwrap()
    };
    let mut rig = Rig::prepare(Setup {
        env: vec![("NOTIFY_SOCKET".into(), path.display().to_string())],
        ..Setup::default()
    });
    rig.run();
    assert_eq!(heard(), "READY=1");
    // Ready means listening, whatever the anchor says.
    assert_eq!(rig.health(&["--ready"]), (true, "ready\n".into()));
    rig.terminate();
    assert_eq!(heard(), "STOPPING=1");
}
