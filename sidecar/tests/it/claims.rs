//! Claims that the application makes at run time, and holds.

use crate::lab::{Hold, Server, Sidecar, curl, eventually, secs};
use mooring_client::{ClaimKind, ClaimStatus, HoldState, Problem, ProblemType, boot};
use mooring_core::license::Envelope;
use mooring_core::secret::Secret;
use std::net::Shutdown;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn put(socket: &Path, name: &str, body: &str, wait: u64) -> (String, String) {
    let url = format!("http://mooring/v1/claims/{name}");
    let prefer = format!("Prefer: wait={wait}");
    curl(socket, &["-X", "PUT", &url, "-H", &prefer, "-d", body])
}

fn get(socket: &Path, path: &str) -> (String, String) {
    curl(socket, &[&format!("http://mooring{path}")])
}

fn delete(socket: &Path, name: &str) -> String {
    curl(
        socket,
        &["-X", "DELETE", &format!("http://mooring/v1/claims/{name}")],
    )
    .0
}

fn claim(body: &str) -> ClaimStatus {
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {body}"))
}

fn problem(body: &str) -> Problem {
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {body}"))
}

const ONE: &str = r#"{"items":[{"product":"render"}]}"#;
const TWO: &str = r#"{"items":[{"product":"render","seats":2}]}"#;

fn held(seats: u32) -> (Server, Sidecar) {
    let server = Server::new(seats, 5);
    let pod = Sidecar::of(&server, "a").started();
    pod.is(HoldState::Held, secs(5));
    (server, pod)
}

#[test]
fn a_claim_is_made_repeated_proven_and_given_back() {
    let (server, pod) = held(3);
    let socket = pod.socket();
    let (code, body) = put(&socket, "mine", TWO, 10);
    assert_eq!(code, "200", "{body}");
    let mine = claim(&body);
    assert_eq!(
        (mine.name.as_str(), mine.kind, mine.state),
        ("mine", ClaimKind::Claim, HoldState::Held)
    );
    let again = claim(&put(&socket, "mine", TWO, 0).1);
    assert_eq!(again.lease, mine.lease, "a repetition takes no second seat");
    assert_eq!(claim(&get(&socket, "/v1/claims/mine").1).lease, mine.lease);
    assert_eq!(server.holding(), 2);

    let status = pod.status().unwrap();
    let kinds: Vec<_> = status.claims.iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [ClaimKind::Pod, ClaimKind::Claim]);
    assert_ne!(status.claims[0].lease, mine.lease);

    let (code, body) = put(&socket, "mine", ONE, 0);
    assert_eq!(
        (code.as_str(), problem(&body).kind),
        ("409", ProblemType::ClaimChanged)
    );
    for (code, body) in [
        put(&socket, "pod", ONE, 0),
        curl(&socket, &["-X", "DELETE", "http://mooring/v1/claims/pod"]),
    ] {
        let p = problem(&body);
        assert_eq!((code.as_str(), p.kind), ("409", ProblemType::ClaimChanged));
        assert!(p.detail.contains("mooring.dev/licenses"), "{p}");
    }

    let bundle = |query: &str| get(&socket, &format!("/v1/token?{query}"));
    let (code, pods) = bundle("");
    let (_, mines) = bundle("claim=mine");
    assert!(code == "200" && mines.contains("payload") && pods != mines);
    assert_eq!(bundle("claim=mine&nonce=0123456789abcdef").0, "200");
    let (code, body) = bundle("claim=other");
    assert_eq!(
        (code.as_str(), problem(&body).kind),
        ("404", ProblemType::UnknownLease)
    );

    server.delay(Duration::from_millis(500));
    assert_eq!(delete(&socket, "mine"), "204");
    assert_eq!(server.holding(), 1, "answered after the server had it back");
    assert_eq!(get(&socket, "/v1/claims/mine").0, "404");
    assert_eq!(delete(&socket, "mine"), "204");
    let (code, body) = put(&socket, "mine", ONE, 10);
    assert!(code == "200" && claim(&body).lease != mine.lease, "{body}");
    assert_eq!(pod.status().unwrap().state, HoldState::Held);
}

#[test]
fn a_claim_in_line_is_answered_when_its_seat_is_free() {
    let (_server, pod) = held(3);
    let socket = pod.socket();
    let mut hold = Hold::open(&socket, "product=render&seats=2");
    hold.is(HoldState::Held);
    let (code, body) = put(&socket, "mine", ONE, 0);
    assert_eq!(code, "202", "{body}");
    let (code, body) = put(&socket, "mine", ONE, 1);
    let waiting = claim(&body);
    assert_eq!(
        (code.as_str(), waiting.state, waiting.place),
        ("202", HoldState::Waiting, Some(1))
    );
    std::thread::scope(|s| {
        let answer = s.spawn(|| put(&socket, "mine", ONE, 600));
        drop(hold);
        let (code, body) = answer.join().unwrap();
        assert_eq!((code.as_str(), claim(&body).lease), ("200", waiting.lease));
    });
}

#[test]
fn a_refused_claim_says_what_the_server_said_and_can_be_asked_anew() {
    let (server, pod) = held(2);
    let socket = pod.socket();
    let (code, body) = put(&socket, "mine", r#"{"items":[{"product":"rendr"}]}"#, 10);
    let p = problem(&body);
    assert_eq!(
        (code.as_str(), p.kind),
        ("422", ProblemType::UnknownProduct)
    );
    let seen = claim(&get(&socket, "/v1/claims/mine").1);
    assert_eq!((seen.state, seen.problem), (HoldState::Refused, Some(p)));
    let (code, _) = put(
        &socket,
        "mine",
        r#"{"items":[{"product":"render","seats":9}]}"#,
        10,
    );
    assert_eq!(code, "422");
    let (code, body) = put(&socket, "mine", ONE, 10);
    assert_eq!(code, "200", "{body}");
    assert_eq!(
        (server.holding(), pod.status().unwrap().claims.len()),
        (2, 2)
    );

    let mut hold = Hold::open(&socket, "product=rendr");
    let last = hold.is(HoldState::Refused);
    assert_eq!(last.problem.unwrap().kind, ProblemType::UnknownProduct);
    assert_eq!(hold.next(), None, "the stream ends");
    eventually("the hold is gone", secs(2), || {
        (pod.status()?.claims.len() == 2).then_some(())
    });
}

#[test]
fn a_hold_lives_as_long_as_its_connection() {
    let (server, pod) = held(2);
    let socket = pod.socket();
    let free = || {
        eventually("it was given back", secs(2), || {
            (server.views().len() == 1 && pod.status()?.claims.len() == 1).then_some(())
        });
    };
    let held = |hold: &mut Hold| {
        assert!(hold.head.contains("text/event-stream"), "{}", hold.head);
        let c = hold.is(HoldState::Held);
        assert_eq!(
            (c.kind, c.name.as_str().len()),
            (ClaimKind::Hold, "hold-".len() + 22)
        );
        assert!(c.licensed && server.holding() == 2);
    };
    // Closed.
    let mut hold = Hold::open(&socket, "product=render&version=2026.1&start=optimistic");
    held(&mut hold);
    // Each renewal moves the limit.
    let later = hold.next().unwrap();
    assert!(later.licensed && later.state == HoldState::Held);
    drop(hold);
    free();
    // Only its sending half.
    let mut hold = Hold::open(&socket, "product=render");
    held(&mut hold);
    hold.stream().shutdown(Shutdown::Write).unwrap();
    free();
    assert!(std::iter::from_fn(|| hold.next()).all(|c| c.state == HoldState::Held));
    // Behind bytes that nobody asked for.
    let mut hold = Hold::after(
        &socket,
        "product=render",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    held(&mut hold);
    hold.stream().shutdown(Shutdown::Write).unwrap();
    free();
    // By name.
    let mut hold = Hold::open(&socket, "product=render");
    let name = hold.is(HoldState::Held).name;
    assert_eq!(delete(&socket, name.as_str()), "204");
    hold.is(HoldState::Released);
    assert_eq!(hold.next(), None);
    free();
    // With its process.
    let url = "http://mooring/v1/hold?product=render";
    let mut curl = Command::new("curl")
        .args([
            "--silent",
            "--no-buffer",
            "-X",
            "POST",
            url,
            "--unix-socket",
        ])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the process holds", secs(5), || {
        (server.holding() == 2).then_some(())
    });
    curl.kill().unwrap();
    curl.wait().unwrap();
    free();
}

#[test]
fn a_hold_belongs_to_who_took_it() {
    let (server, mut pod) = held(3);
    let socket = pod.socket();
    let (mine, other) = (Secret::from_bytes([7; 32]), Secret::from_bytes([8; 32]));
    let query = format!("product=render&bind={}", String::from(mine.hash()));
    let mut hold = Hold::open(&socket, &query);
    let name = hold.is(HoldState::Held).name;
    let token = |socket: &Path| {
        let (code, body) = get(socket, &format!("/v1/token?claim={name}"));
        assert_eq!(code, "200", "{body}");
        let bundle: serde_json::Value = serde_json::from_str(&body).unwrap();
        let payload = bundle["lease"]["payload"].as_str().unwrap();
        let token: serde_json::Value = serde_json::from_slice(&base64(payload)).unwrap();
        token["bind"].as_str().map(str::to_owned)
    };
    assert_eq!(token(&socket), Some(String::from(mine.hash())));

    let url = format!("http://mooring/v1/claims/{name}");
    let call = |method: &str, url: &str, secret: Option<&Secret>| {
        let header = secret.map(|s| format!("mooring-secret: {}", String::from(s.clone())));
        let mut args = vec!["-X", method, url, "--max-time", "1"];
        args.extend(header.iter().flat_map(|h| ["-H", h]));
        let (code, body) = curl(&socket, &args);
        (
            code,
            serde_json::from_str::<Problem>(&body)
                .ok()
                .and_then(|p| p.field),
        )
    };
    let refused = ("409".to_owned(), Some("mooring-secret".to_owned()));
    assert_eq!(call("DELETE", &url, None), refused);
    assert_eq!(call("DELETE", &url, Some(&other)), refused);
    assert_eq!(server.holding(), 2);

    // After a crash of the sidecar it is taken up by who took it, and by nobody else.
    pod.kill();
    pod.start();
    eventually("the sidecar is back", secs(5), || pod.status());
    let resume = format!("http://mooring/v1/hold?resume={name}");
    assert_eq!(call("POST", &resume, None), refused);
    assert_eq!(call("POST", &resume, Some(&other)), refused);
    let shown = format!(
        "resume={name} HTTP/1.1\r\nmooring-secret: {}\r\nx: ?",
        String::from(mine.clone())
    );
    let mut hold = Hold::open(&socket, &shown);
    hold.is(HoldState::Held);
    assert_eq!(
        token(&socket),
        Some(String::from(mine.hash())),
        "still its own"
    );
    assert_eq!(call("DELETE", &url, Some(&mine)).0, "204");
    hold.is(HoldState::Released);

    let (code, body) = curl(
        &socket,
        &["-X", "POST", "http://mooring/v1/hold?product=render&bind=x"],
    );
    assert_eq!(
        (code.as_str(), problem(&body).field.as_deref()),
        ("400", Some("bind"))
    );
}

fn base64(text: &str) -> Vec<u8> {
    let envelope = serde_json::json!({"payloadType": "", "payload": text, "signatures": []});
    serde_json::from_value::<Envelope>(envelope)
        .unwrap()
        .payload
}

#[test]
fn there_are_at_most_fifteen_and_others_are_told() {
    let (server, mut pod) = held(32);
    let socket = pod.socket();
    let mut holds: Vec<_> = (0..14)
        .map(|_| Hold::open(&socket, "product=render"))
        .collect();
    for h in &mut holds {
        h.is(HoldState::Held);
    }
    assert_eq!(put(&socket, "mine", ONE, 10).0, "200");
    let (code, body) = put(&socket, "more", ONE, 10);
    assert_eq!(
        (code.as_str(), problem(&body).kind),
        ("429", ProblemType::TooManyClaims)
    );
    let (code, _) = curl(
        &socket,
        &["-X", "POST", "http://mooring/v1/hold?product=render"],
    );
    assert_eq!(code, "429");
    assert_eq!(
        put(&socket, "mine", ONE, 0).0,
        "200",
        "what is there can still be asked for"
    );
    assert_eq!(server.holding(), 16);
    // All are given back within a second of SIGTERM, and each is told.
    let (status, took) = pod.terminate();
    assert!(
        status.success() && took < secs(1),
        "{status:?} after {took:?}"
    );
    assert_eq!(server.views().len(), 0);
    for h in &mut holds {
        h.is(HoldState::Released);
    }
}

#[test]
fn a_crash_keeps_claims_and_the_holds_that_come_back() {
    let server = Server::new(8, 5);
    let mut pod = Sidecar::of(&server, "a").started();
    pod.is(HoldState::Held, secs(5));
    let socket = pod.socket();
    let mine = claim(&put(&socket, "mine", ONE, 10).1);
    let mut stays = Hold::open(&socket, "product=render");
    let stays_as = stays.is(HoldState::Held);
    let mut goes = Hold::open(&socket, "product=render");
    goes.is(HoldState::Held);
    assert_eq!(server.holding(), 4);
    pod.kill();
    assert!(
        std::iter::from_fn(|| stays.next()).all(|c| c.licensed),
        "the connection breaks"
    );
    let crashed = boot();
    pod.start();
    let query = format!("resume={}", stays_as.name);
    let mut stays = eventually("the socket is there", secs(5), || {
        std::os::unix::net::UnixStream::connect(&socket).ok()?;
        Some(Hold::open(&socket, &query))
    });
    assert!(stays.head.starts_with("HTTP/1.1 200"), "{}", stays.head);
    let first = stays.next().unwrap();
    assert_eq!(
        (first.state, first.lease),
        (HoldState::Held, stays_as.lease)
    );
    let (code, body) = curl(
        &socket,
        &["-X", "POST", &format!("http://mooring/v1/hold?{query}")],
    );
    assert_eq!(
        (code.as_str(), problem(&body).kind),
        ("409", ProblemType::ClaimChanged)
    );
    let (code, body) = curl(
        &socket,
        &["-X", "POST", "http://mooring/v1/hold?resume=hold-x"],
    );
    assert_eq!(
        (code.as_str(), problem(&body).kind),
        ("404", ProblemType::NotFound)
    );
    assert_eq!(claim(&put(&socket, "mine", ONE, 10).1).lease, mine.lease);
    assert_eq!(pod.status().unwrap().claims.len(), 4);

    eventually(
        "the hold whose client is gone is given back",
        secs(12),
        || (server.holding() == 3).then_some(()),
    );
    assert!(
        crashed.until(boot()) >= secs(10),
        "and not before its ten seconds"
    );
    let next = stays.next().unwrap();
    assert_eq!((next.state, next.lease), (HoldState::Held, stays_as.lease));
    assert_eq!(pod.status().unwrap().claims.len(), 3);
    drop(stays);
    eventually(
        "a hold that came back still lives by its connection",
        secs(2),
        || (server.holding() == 2).then_some(()),
    );
}

#[test]
fn what_was_being_given_back_is_given_back_after_a_crash() {
    let mut server = Server::new(8, 20);
    let mut pod = Sidecar::of(&server, "a").started();
    pod.is(HoldState::Held, secs(5));
    let socket = pod.socket();
    let mine = claim(&put(&socket, "mine", ONE, 10).1);
    server.switch_off();
    let asked = boot();
    assert_eq!(
        delete(&socket, "mine"),
        "204",
        "the name is free whatever the server does"
    );
    assert!(asked.until(boot()) < secs(4));
    pod.kill();
    server.switch_on();
    pod.start();
    eventually(
        "it is given back, long before it would lapse",
        secs(10),
        || (server.views().len() == 1).then_some(()),
    );
    let again = eventually("the socket is there", secs(5), || {
        Some(put(&socket, "mine", ONE, 10)).filter(|(code, _)| code == "200")
    });
    assert_ne!(claim(&again.1).lease, mine.lease);
}
