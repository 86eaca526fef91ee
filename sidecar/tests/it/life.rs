//! A lease's ordinary life.

use crate::lab::{Gate, Server, Sidecar, curl, eventually, secs};
use mooring_client::{Error, HoldState, WaitReason, boot};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

#[test]
fn it_holds_says_so_and_proves_it() {
    let server = Server::new(2, 3);
    let pod = Sidecar::of(&server, "a")
        .with("MOORING_LICENSES", "render:2")
        .started();
    assert!(Gate::of(&pod).ends().success());

    let status = pod.is(HoldState::Held, secs(1));
    let claim = &status.claims[0];
    assert!(status.licensed && claim.lease.is_some());
    assert_eq!(claim.until_boot_ms, status.until_boot_ms);
    assert!(
        claim.held_until_boot_ms < status.until_boot_ms,
        "the lease ends before the grace"
    );
    assert!(status.server.starts_with("licenses.test:"));

    let (code, body) = curl(&pod.socket(), &["http://mooring/v1/status"]);
    assert_eq!(code, "200");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["state"],
        "Held"
    );
    let mode = std::fs::metadata(pod.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o666, "every user of the pod may ask");
    let saved = std::fs::metadata(pod.state_dir().join("claim-pod.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(saved & 0o777, 0o600, "the secret is for the sidecar alone");
    assert!(!body.contains("secret"));

    let asked = boot();
    let licensed = pod.mooring().verify("render").unwrap();
    assert!(licensed.fresh && licensed.test && licensed.software);
    assert_eq!((licensed.seats, Some(licensed.lease)), (2, claim.lease));
    assert!(licensed.until >= asked + secs(120) && licensed.remaining() <= secs(120));
    let e = pod.mooring().verify("denoise").unwrap_err().to_string();
    assert!(e.contains("product \"denoise\" is not in it"), "{e}");

    let shown = pod.exec(&["status"]);
    assert!(shown.status.success());
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.starts_with("render:2 Held, licensed for "), "{text}");

    // Renewed each second; each renewal moves the limit, and no state.
    let mut events = pod.events();
    let first = events.next().unwrap().unwrap();
    let later = events.next().unwrap().unwrap();
    assert_eq!(
        (first.state, later.state, later.seq),
        (HoldState::Held, HoldState::Held, first.seq + 1)
    );
    assert!(later.until_boot_ms > first.until_boot_ms);
}

#[test]
fn one_too_many_waits_and_holds_as_soon_as_a_seat_is_free() {
    let server = Server::new(1, 5);
    let mut first = Sidecar::of(&server, "a").started();
    first.is(HoldState::Held, secs(5));
    let second = Sidecar::of(&server, "b").started();
    let waiting = second.is(HoldState::Waiting, secs(5));
    let claim = &waiting.claims[0];
    assert_eq!(
        (claim.place, claim.reason, waiting.licensed),
        (Some(1), Some(WaitReason::Full), false)
    );

    let shown = second.exec(&["status"]);
    assert_eq!(shown.status.code(), Some(1));
    let why = String::from_utf8(shown.stdout).unwrap();
    assert!(
        why.contains("Waiting, place 1 in line: the only seat of render is taken"),
        "{why}"
    );
    match second.mooring().verify("render").unwrap_err() {
        Error::NotLicensed {
            state: HoldState::Waiting,
            why,
        } => assert!(why.contains("place 1"), "{why}"),
        e => panic!("{e}"),
    }
    let (code, body) = curl(&second.socket(), &["http://mooring/v1/token"]);
    assert_eq!(code, "404", "{body}");

    // SIGTERM with a follower connected: gone within a second, the seat with it.
    let mut followed = first.events();
    assert_eq!(followed.next().unwrap().unwrap().state, HoldState::Held);
    let (status, took) = first.terminate();
    assert!(
        status.success() && took < secs(1),
        "{status:?} after {took:?}"
    );
    assert!(!first.socket().exists());
    second.is(HoldState::Held, secs(1));
    let last = followed.filter_map(Result::ok).last().unwrap();
    assert_eq!((last.state, last.licensed), (HoldState::Released, false));
    let e = second.mooring().verify("render").unwrap();
    assert_eq!(
        Some(e.lease),
        waiting.claims[0].lease,
        "the lease it waited for is the lease it holds"
    );
}

#[test]
fn one_who_waits_leaves_the_line_when_it_ends() {
    let server = Server::new(1, 5);
    let first = Sidecar::of(&server, "a").started();
    first.is(HoldState::Held, secs(5));
    let mut second = Sidecar::of(&server, "b").started();
    second.is(HoldState::Waiting, secs(5));
    // Its next request is held open at the server by now.
    std::thread::sleep(Duration::from_millis(300));
    let (status, took) = second.terminate();
    assert!(
        status.success() && took < secs(1),
        "{status:?} after {took:?}"
    );
    assert_eq!(server.views().len(), 1);
}

#[test]
fn a_server_that_is_gone_is_graced_by_time_alone_and_found_again() {
    let mut server = Server::new(1, 3);
    let pod = Sidecar::of(&server, "a").started();
    let held = pod.is(HoldState::Held, secs(5));
    let mut events = pod.events();
    server.switch_off();
    let grace = events
        .find(|e| e.as_ref().is_ok_and(|s| s.state == HoldState::Grace))
        .unwrap()
        .unwrap();
    assert!(grace.licensed);
    let until = held.claims[0].held_until_boot_ms.unwrap();
    assert!(grace.boot_ms >= until, "never before its lease is over");
    let licensed = pod.mooring().verify("render").unwrap();
    assert!(
        !licensed.fresh,
        "the last token still verifies, and says that it is not fresh"
    );
    let (code, body) = curl(
        &pod.socket(),
        &["http://mooring/v1/token?nonce=0123456789abcdef"],
    );
    assert!(
        code == "503" && body.contains("problems/overloaded"),
        "{code} {body}"
    );
    server.switch_on();
    pod.is(HoldState::Held, secs(15));
    assert!(pod.mooring().verify("render").unwrap().fresh);
}

#[test]
fn a_restarted_server_takes_the_lease_in_and_no_application_notices() {
    let mut server = Server::new(1, 5);
    let pod = Sidecar::of(&server, "a").started();
    let held = pod.is(HoldState::Held, secs(5));
    let waiter = Sidecar::of(&server, "b").started();
    let place = waiter.is(HoldState::Waiting, secs(5));
    let mut events = pod.events();
    server.restart();
    eventually("both are in the new books", secs(10), || {
        (server.views().len() == 2).then_some(())
    });
    let end = boot() + secs(8);
    while let Some(s) = events.next_before(end).unwrap() {
        assert_eq!(
            (s.state, s.claims[0].lease),
            (HoldState::Held, held.claims[0].lease)
        );
    }
    let after = waiter.is(HoldState::Waiting, secs(1));
    assert_eq!(
        after.claims[0].lease, place.claims[0].lease,
        "the place is the same"
    );
    assert_eq!(server.holding(), 1);
}
