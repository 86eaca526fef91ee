//! The lines that the scenarios read.

#![allow(clippy::too_many_lines)] // a list of cases, or a scenario, is read from its top to its end
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mooring_client::boot;
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::serve::{Limits, serve};
use mooring_net::{http as web, shutdown::Shutdown, tls};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

fn app(args: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_mooring-e2e-app"));
    c.args(args).env_clear().stdout(Stdio::piped());
    c
}

fn lines(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect()
}

/// A socket that tells one event and has no token.
fn sidecar(dir: &Path) -> PathBuf {
    let socket = dir.join("mooring.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let n = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..n]).into_owned();
            let status = json!({"state": "Held", "licensed": true, "bootMs": 1, "seq": 1, "server": "s", "forMs": 5000,
                "claims": [{"name": "pod", "state": "Held", "licensed": true, "items": [], "heldUntilBootMs": 9}]});
            let problem =
                serde_json::to_string(&Problem::new(ProblemType::UnknownLease, "none")).unwrap();
            let answer = if request.starts_with("GET /v1/events") {
                format!("HTTP/1.1 200 OK\r\n\r\nevent: status\ndata: {status}\n\n")
            } else if request.starts_with("GET /v1/status") {
                format!("HTTP/1.1 200 OK\r\n\r\n{status}")
            } else {
                format!("HTTP/1.1 404 x\r\n\r\n{problem}")
            };
            stream.write_all(answer.as_bytes()).unwrap();
            if request.starts_with("GET /v1/events") {
                kept.push(stream);
            }
        }
    });
    socket
}

#[test]
fn it_writes_what_it_is_told_that_it_lives_and_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = app(&["run"]);
    run.env("MOORING_SOCKET", sidecar(dir.path()))
        .env("POD_NAME", "a");
    run.env("MOORING_E2E_VENDOR_KEY", "ab".repeat(32))
        .env("MOORING_E2E_PRODUCT", "render");
    let before = boot().as_millis();
    let process = run.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let asked = boot();
    assert!(
        Command::new("kill")
            .args(["-TERM", &process.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let out = process.wait_with_output().unwrap();
    assert!(out.status.success() && asked.until(boot()) < Duration::from_millis(500));
    let lines = lines(&out.stdout);
    let times: Vec<u64> = lines
        .iter()
        .map(|l| l["bootMs"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted() && times[0] >= before, "{times:?}");
    assert_eq!(lines[0]["pod"], "a");
    let event = lines.iter().find(|l| l["event"].is_object()).unwrap();
    let claim = &event["event"]["claims"][0];
    assert_eq!(
        (&event["event"]["state"], &claim["heldUntilBootMs"]),
        (&json!("Held"), &json!(9))
    );
    assert!(event["boot"].as_str().is_some_and(|b| b.len() == 16) && event["wall"].is_string());
    assert!(
        lines.iter().filter(|l| l["beat"] == "Held").count() >= 3,
        "{lines:?}"
    );
    let unproven = |l: &Value| {
        l["verifyError"]
            .as_str()
            .is_some_and(|e| e.contains("nothing to verify yet"))
    };
    assert!(lines.iter().any(unproven), "{lines:?}");
    assert_eq!(lines.last().unwrap()["end"], true);
}

#[test]
fn as_a_job_it_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let out = app(&["run", "--for", "1s"])
        .env("MOORING_SOCKET", sidecar(dir.path()))
        .output()
        .unwrap();
    assert!(out.status.success());
    assert_eq!(lines(&out.stdout).last().unwrap()["end"], true);
    // Without a sidecar, too, and it says so.
    let out = app(&["run", "--for", "1s"])
        .env("MOORING_SOCKET", "/nowhere/x")
        .output()
        .unwrap();
    assert!(
        lines(&out.stdout)
            .iter()
            .any(|l| l["sidecarError"].is_string())
    );
    let out = app(&["verify"])
        .env("MOORING_SOCKET", "/nowhere/x")
        .output()
        .unwrap();
    assert!(!out.status.success() && lines(&out.stdout)[0]["verifyError"].is_string());
}

#[test]
fn a_rogue_writes_down_each_answer() {
    let cert = rcgen::generate_simple_self_signed(vec!["licenses.test".to_owned()]).unwrap();
    let (roots, key) = (cert.cert.pem(), cert.signing_key.serialize_pem());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let at = listener.local_addr().unwrap();
    let identity = tls::ServerIdentity::new(tls::certified_key(&roots, &key).unwrap(), vec![]);
    let acceptor = tls::server_config(identity, None, tls::Http::Two)
        .unwrap()
        .into();
    let (_tx, stop) = Shutdown::channel();
    // The answer shows what arrived.
    let mirror = |req: http::Request<_>| async move {
        let bearer = req
            .headers()
            .get("authorization")
            .map_or(String::new(), |v| v.to_str().unwrap().to_owned());
        let body = web::read_body(req.into_body(), 16_384, Duration::from_secs(5))
            .await
            .unwrap();
        let detail = format!("{bearer} {}", String::from_utf8_lossy(&body));
        web::problem(&Problem::new(ProblemType::NotEntitled, detail))
    };
    runtime.spawn(serve(
        listener,
        Some(acceptor),
        Limits::of(100, 100),
        stop,
        mirror,
    ));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "me\n").unwrap();
    let rogue = |args: &[&str]| {
        let mut c = app(&["rogue"]);
        c.args(args).env(
            "MOORING_SERVER",
            format!("https://licenses.test:{}", at.port()),
        );
        c.env("MOORING_ADDRESSES", at.to_string())
            .env("MOORING_ROOTS", &roots);
        c.env("MOORING_TOKEN_FILE", dir.path().join("token"));
        let out = c.stderr(Stdio::inherit()).output().unwrap();
        assert!(out.status.success());
        lines(&out.stdout)
    };
    let all = rogue(&["flood", "render", "17"]);
    assert_eq!(all.len(), 17);
    let answer = &all[16]["answer"];
    assert_eq!(
        (&answer["status"], &answer["type"]),
        (&json!(403), &json!("not-entitled"))
    );
    assert!(
        answer["call"]
            .as_str()
            .unwrap()
            .ends_with("PUT /v1/claims/rogue-17")
    );
    let told = |args: &[&str]| {
        rogue(args)[0]["answer"]["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let body = told(&["claim", "render:2", "mine", "--with", "{\"priority\": 9}"]);
    assert!(
        body.starts_with("Bearer me ")
            && body.contains("\"priority\":9")
            && body.contains("secretHash"),
        "{body}"
    );
    let lease = "0123456789abcdef0123456789abcdef";
    assert!(told(&["renew", lease]).contains(lease));
    assert_eq!(
        rogue(&["release", "pod", "--lease", lease])[0]["answer"]["status"],
        403
    );
    assert_eq!(
        rogue(&["call", "POST", "/v1/holders/gone", "{\"holders\":[]}"])[0]["answer"]["status"],
        403
    );
    std::fs::write(dir.path().join("bundle"), bundle().to_string()).unwrap();
    let path = dir.path().join("bundle");
    let shown = told(&["present", "render", "pod", path.to_str().unwrap()]);
    assert!(shown.contains("\"held\"") && !shown.contains("\"secret\":"));
}

fn bundle() -> Value {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../core/testdata/vectors.json")).unwrap();
    let of = |n: &str| vectors["envelopes"][n].clone();
    json!({"licenses": [of("ed25519.license")], "delegation": of("ed25519.delegation"), "lease": of("ed25519.lease")})
}
