//! Starting: with no server in reach, with nothing to show, with a configuration that cannot work.

use crate::lab::{Gate, Server, Sidecar, eventually, secs};
use mooring_client::{Error, HoldState};
use mooring_core::time::Timestamp;
use mooring_testkit::Ca;

#[test]
fn with_no_server_in_reach_the_application_may_start_and_holds_later() {
    let mut server = Server::switched_off(1, 3);
    let pod = Sidecar::of(&server, "a")
        .with("MOORING_CONTACT_TIMEOUT", "2s")
        .started();
    assert_eq!(
        pod.events().next().unwrap().unwrap().state,
        HoldState::Seeking
    );
    let mut gate = Gate::of(&pod);
    assert!(gate.ends().success(), "optimistic counts as licensed");
    let status = pod.is(HoldState::Optimistic, secs(1));
    assert!(
        status.claims[0]
            .message
            .as_deref()
            .is_some_and(|m| m.contains("cannot connect")),
        "{status:?}"
    );
    match pod.mooring().verify("render").unwrap_err() {
        Error::Unproven {
            state: HoldState::Optimistic,
            remaining,
            ..
        } => assert!(remaining > secs(60)),
        e => panic!("{e}"),
    }
    server.switch_on();
    pod.is(HoldState::Held, secs(15));
    assert!(pod.mooring().verify("render").unwrap().fresh);
}

#[test]
fn told_to_start_licensed_it_waits_for_the_server() {
    let server = Server::switched_off(1, 3);
    let pod = Sidecar::of(&server, "a")
        .with("MOORING_CONTACT_TIMEOUT", "1s")
        .with("MOORING_START", "licensed")
        .started();
    let mut gate = Gate::of(&pod);
    gate.says("waiting for render: cannot connect to licenses.test");
    std::thread::sleep(secs(2));
    assert!(gate.is_shut(), "an optimistic start was due after a second");
}

#[test]
fn a_missing_token_is_no_missing_server() {
    let server = Server::new(1, 3);
    let mut pod = Sidecar::of(&server, "a").with("MOORING_CONTACT_TIMEOUT", "8s");
    let token = pod.dir.path().join("token");
    let kept = std::fs::read(&token).unwrap();
    std::fs::remove_file(&token).unwrap();
    pod.start();
    std::thread::sleep(secs(10));
    let status = pod.status().unwrap();
    assert_eq!(status.state, HoldState::Seeking, "not optimistic");
    let message = status.claims[0].message.clone().unwrap();
    assert!(
        message.contains("the token file") && message.contains("No such file"),
        "{message}"
    );
    // It is read anew for each use.
    std::fs::write(&token, kept).unwrap();
    pod.is(HoldState::Held, secs(12));
}

#[test]
fn a_certificate_of_its_own_that_has_ended_is_no_missing_server() {
    let server = Server::switched_off(1, 3);
    let mut pod = Sidecar::of(&server, "a")
        .with("MOORING_CONTACT_TIMEOUT", "1s")
        .without("MOORING_TOKEN_FILE");
    let (cert, key) = Ca::new().issue_ended("a");
    for (variable, name, text) in [
        ("MOORING_CLIENT_CERT", "a.crt", cert),
        ("MOORING_CLIENT_KEY", "a.key", key),
    ] {
        let file = pod.dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        pod = pod.with(variable, file.to_str().unwrap());
    }
    pod.start();
    eventually("it says what is wrong", secs(10), || {
        message_of(&pod).filter(|m| m.contains("a.crt ended 2020-01-01"))
    });
    // For longer than silence would have to last.
    let mut gate = Gate::of(&pod);
    std::thread::sleep(secs(3));
    assert!(gate.is_shut());
}

/// A sidecar that may start without the server hears this problem, and starts nothing: not while
/// the server says it, and not when it is gone after that.
fn starts_nothing(server: &mut Server, problem: &str) {
    let mut pod = Sidecar::of(server, "a")
        .with("MOORING_CONTACT_TIMEOUT", "1s")
        .started();
    eventually(problem, secs(20), || {
        message_of(&pod).filter(|m| m.starts_with(problem))
    });
    // For longer than silence would have to last.
    let mut gate = Gate::of(&pod);
    std::thread::sleep(secs(3));
    assert!(gate.is_shut(), "{problem}");
    assert_eq!(pod.status().unwrap().state, HoldState::Seeking, "{problem}");
    // A crash does not forget it, and silence is no way round.
    server.switch_off();
    pod.kill();
    pod.start();
    eventually("silence", secs(20), || {
        message_of(&pod).filter(|m| m.contains("cannot connect"))
    });
    let mut gate = Gate::of(&pod);
    std::thread::sleep(secs(3));
    assert!(gate.is_shut(), "{problem}, then silence");
    assert_eq!(pod.status().unwrap().state, HoldState::Seeking, "{problem}");
}

fn message_of(pod: &Sidecar) -> Option<String> {
    pod.status()?.claims[0].message.clone()
}

#[test]
fn what_the_server_answers_starts_no_new_application() {
    let ends = Timestamp::now().checked_add(secs(3)).unwrap();
    let mut expired = Server::licensed_by(1, 3, |l| l.expires = Some(ends));
    expired.switch_on();
    eventually("the license ends", secs(10), || {
        (Timestamp::now() > ends).then_some(())
    });
    starts_nothing(&mut expired, "license-invalid");

    let mut pulled = Server::new(1, 3);
    pulled.pull_anchor();
    starts_nothing(&mut pulled, "anchor-lost");
}

#[test]
fn a_refused_claim_keeps_asking_and_says_why() {
    let server = Server::new(1, 3);
    let mut pod = Sidecar::of(&server, "a")
        .with("MOORING_LICENSES", "rendr")
        .started();
    let status = pod.is(HoldState::Refused, secs(5));
    assert!(
        status.claims[0]
            .message
            .as_deref()
            .is_some_and(|m| m.contains("rendr")),
        "{status:?}"
    );
    let mut gate = Gate::of(&pod);
    gate.says("waiting for rendr: ");
    assert!(gate.is_shut());
    assert!(pod.lives(), "it never exits while it waits");
}

#[test]
fn a_server_that_is_not_the_one_named_is_not_believed() {
    let server = Server::new(1, 3);
    let other = Server::new(1, 3);
    let pod = Sidecar::of(&server, "a")
        .with("MOORING_ROOTS", other.roots.clone())
        .with("MOORING_START", "licensed")
        .started();
    let seeking = pod.is(HoldState::Seeking, secs(5));
    assert!(!seeking.licensed);
    std::thread::sleep(secs(1));
    let message = pod.status().unwrap().claims[0].message.clone().unwrap();
    assert!(
        message.contains("TLS with licenses.test") && message.contains("certificate"),
        "{message}"
    );
    assert!(server.asked("") < 1.0, "nothing was told to it");
}

#[test]
fn a_bad_configuration_ends_at_once_naming_the_variable() {
    let server = Server::switched_off(1, 3);
    let cases = [
        ("MOORING_LICENSES", "render:two", "character 8"),
        (
            "MOORING_ROOTS",
            "nonsense",
            "expected certificates as PEM text",
        ),
        ("MOORING_SERVER", "licenses.test", "expected https://"),
        ("MOORING_ADDRESSES", "somewhere", "expected ‹ip›:‹port›"),
        (
            "MOORING_START",
            "soon",
            "expected \"optimistic\" or \"licensed\"",
        ),
        ("MOORING_STATE_DIR", "/nowhere", "No such file"),
        ("MOORING_SOCKET", "/nowhere/mooring.sock", "No such file"),
    ];
    for (name, value, expected) in cases {
        let out = Sidecar::of(&server, "a").with(name, value).refused();
        let text = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(1), "{name}");
        assert!(
            text.contains(&format!("mooring-sidecar: {name}: ")) && text.contains(expected),
            "{name}: {text}"
        );
    }
}
