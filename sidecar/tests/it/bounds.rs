//! What strangers in the pod can do to the socket: nothing that harms the others.

use crate::lab::{Server, Sidecar, curl, raw, secs};
use mooring_client::{HoldState, Problem, boot};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

const ONE: &str = r#"{"items":[{"product":"render"}]}"#;

fn held() -> (Server, Sidecar) {
    let server = Server::new(2, 5);
    let pod = Sidecar::of(&server, "a").started();
    pod.is(HoldState::Held, secs(5));
    (server, pod)
}

#[test]
fn malformed_requests_are_answered_and_do_no_harm() {
    let (_server, pod) = held();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let long = "a".repeat(40_000);
    let cases = [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET /v1/status HTTP/1.1\r\nX: {long}\r\n\r\n"), "431"),
        (get(&format!("/{long}")), "4"),
        (get("/v1/nothing"), "404"),
        (get("/../etc/passwd"), "404"),
        (get("/v1/token?nonce=short"), "400"),
        (get("/v1/token?nonce=%00%00%00%00%00%00%00%00"), "400"),
        ("POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc".to_owned(), "405"),
        ("PUT /v1/claims/mine HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(), "400"),
        (format!("PUT /v1/claims/mine HTTP/1.1\r\nHost: x\r\nContent-Length: 17000\r\nConnection: close\r\n\r\n{{{:>17000}", ""), "413"),
        ("POST /v1/hold?product=render HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}".to_owned(), "400"),
        ("POST /v1/hold?product=render HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
    ];
    for (bytes, status) in cases {
        let answer = raw(&pod.socket(), bytes.as_bytes());
        let start: String = bytes.chars().take(60).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) || status.is_empty(),
            "{start:?}: {answer}"
        );
    }
    let fields = [
        ("POST", "/v1/hold", "", "product"),
        ("POST", "/v1/hold?product=render&seats=0", "", "seats"),
        ("PUT", "/v1/claims/Mine", ONE, "name"),
        ("PUT", "/v1/claims/hold-mine", ONE, "name"),
        ("PUT", "/v1/claims/mine", r#"{"items":[]}"#, "items"),
        (
            "PUT",
            "/v1/claims/mine",
            r#"{"items":[{"product":"render","seats":0}]}"#,
            "items[0].seats",
        ),
        ("GET", "/v1/status?x=%zz", "", "x"),
    ];
    for (method, path, body, field) in fields {
        let url = format!("http://mooring{path}");
        let mut args = vec!["-X", method, &url];
        if !body.is_empty() {
            args.extend(["-d", body]);
        }
        let (code, answer) = curl(&pod.socket(), &args);
        let p: Problem = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (code.as_str(), p.field.as_deref()),
            ("400", Some(field)),
            "{p}"
        );
        assert!(p.detail.contains("expected") || field == "name", "{p}");
    }
    assert_eq!(pod.status().unwrap().claims.len(), 1, "nothing was claimed");
    assert_eq!(pod.status().unwrap().state, HoldState::Held);
}

#[test]
fn many_and_slow_clients_leave_room_for_the_status() {
    let (_server, mut pod) = held();
    // Followers that never read, more than are let follow.
    let mut followers = Vec::new();
    for _ in 0..60 {
        let mut s = UnixStream::connect(pod.socket()).unwrap();
        s.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        followers.push(s);
    }
    let (code, body) = curl(&pod.socket(), &["http://mooring/v1/events"]);
    assert!(
        code == "503" && body.contains("48 connections follow events"),
        "{code} {body}"
    );
    assert_eq!(pod.status().unwrap().state, HoldState::Held);

    // Then connections that never say anything, up to the bound: one more is told so at once.
    let idle: Vec<_> = (0..40)
        .map(|_| UnixStream::connect(pod.socket()).unwrap())
        .collect();
    let answer = raw(&pod.socket(), b"");
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("64 connections"),
        "{answer}"
    );
    drop(idle);
    drop(followers);
    let begun = boot();
    pod.is(HoldState::Held, secs(2));
    assert!(begun.until(boot()) < secs(1));
    let (status, took) = pod.terminate();
    assert!(status.success() && took < secs(1), "{took:?}");
}

#[test]
fn half_a_body_claims_nothing_and_holds_up_nobody() {
    let (server, pod) = held();
    let head = "PUT /v1/claims/mine HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"items\":";
    let begin = || {
        let mut s = UnixStream::connect(pod.socket()).unwrap();
        s.set_read_timeout(Some(secs(20))).unwrap();
        s.write_all(head.as_bytes()).unwrap();
        s
    };
    // Twenty that never send the rest, and some that close their sending half, or all of it.
    let slow: Vec<_> = (0..20).map(|_| begin()).collect();
    for how in [Shutdown::Write, Shutdown::Both] {
        begin().shutdown(how).unwrap();
    }
    let begun = boot();
    assert_eq!(pod.status().unwrap().state, HoldState::Held);
    let (code, _) = curl(
        &pod.socket(),
        &[
            "-X",
            "PUT",
            "http://mooring/v1/claims/other",
            "-H",
            "Prefer: wait=5",
            "-d",
            ONE,
        ],
    );
    assert_eq!(code, "200");
    assert!(
        begun.until(boot()) < secs(5),
        "the others are served meanwhile"
    );
    for mut s in slow {
        let mut answer = String::new();
        let _ = s.read_to_string(&mut answer);
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("took too long"),
            "{answer}"
        );
    }
    assert_eq!(
        (server.views().len(), pod.status().unwrap().claims.len()),
        (2, 2)
    );
}

#[test]
fn a_repeated_request_claims_once() {
    let (server, pod) = held();
    let put = format!(
        "PUT /v1/claims/mine HTTP/1.1\r\nHost: x\r\nPrefer: wait=5\r\nContent-Length: {}\r\n\r\n{ONE}",
        ONE.len()
    );
    // On one connection one after the other, and on several at once.
    let last = "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let many = format!("{}{last}", put.repeat(5));
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                let answers = raw(&pod.socket(), many.as_bytes());
                assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 6, "{answers}");
            });
        }
    });
    assert_eq!(
        (server.views().len(), pod.status().unwrap().claims.len()),
        (2, 2)
    );
}

#[test]
fn the_status_is_quick() {
    let (_server, pod) = held();
    let mut times: Vec<u128> = Vec::new();
    for _ in 0..300 {
        let begun = std::time::Instant::now();
        pod.status().unwrap();
        times.push(begun.elapsed().as_micros());
    }
    times.sort_unstable();
    println!(
        "status over the socket, a connection each: median {} µs, p99 {} µs",
        times[150], times[297]
    );
    assert!(times[150] < 20_000, "{times:?}");
}
