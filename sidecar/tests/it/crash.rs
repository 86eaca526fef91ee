//! Crashes and copies of the sidecar.

use crate::lab::{Server, Sidecar, eventually, secs};
use mooring_client::HoldState;
use std::time::Duration;

#[test]
fn killed_it_comes_back_with_its_lease_and_takes_no_second_seat() {
    let server = Server::new(2, 5);
    let mut pod = Sidecar::of(&server, "a").started();
    let before = pod.is(HoldState::Held, secs(5));
    let counter = eventually("it has renewed", secs(5), || {
        Some(server.renewals()).filter(|c| *c > 0.0)
    });
    for _ in 0..3 {
        pod.kill();
        assert!(pod.socket().exists(), "the crash left its socket behind");
        pod.start();
        let first = pod.events().next().unwrap().unwrap();
        assert_eq!(
            (first.state, first.licensed),
            (HoldState::Held, true),
            "known before anybody was asked"
        );
        let after = pod.is(HoldState::Held, secs(5));
        assert_eq!(after.claims[0].lease, before.claims[0].lease);
        assert_eq!(server.views().len(), 1);
    }
    eventually("it renews on", secs(5), || {
        (server.renewals() > counter).then_some(())
    });
    assert_eq!(
        (server.holding(), pod.is(HoldState::Held, secs(1)).licensed),
        (1, true)
    );
}

#[test]
fn killed_while_it_waits_it_keeps_its_place() {
    let server = Server::new(1, 5);
    let first = Sidecar::of(&server, "a").started();
    first.is(HoldState::Held, secs(5));
    let mut second = Sidecar::of(&server, "b").started();
    let before = second.is(HoldState::Waiting, secs(5));
    let third = Sidecar::of(&server, "c").started();
    third.is(HoldState::Waiting, secs(5));
    second.kill();
    second.start();
    let after = eventually("it is told its place", secs(5), || {
        second.status().filter(|s| s.claims[0].place.is_some())
    });
    assert_eq!(
        (after.claims[0].place, after.claims[0].lease),
        (Some(1), before.claims[0].lease)
    );
}

#[test]
fn a_crash_does_not_restart_the_grace() {
    let mut server = Server::new(1, 3);
    let mut pod = Sidecar::of(&server, "a").started();
    pod.is(HoldState::Held, secs(5));
    server.switch_off();
    let before = pod.is(HoldState::Grace, secs(5));
    pod.kill();
    std::thread::sleep(Duration::from_millis(500));
    pod.start();
    let after = pod.is(HoldState::Grace, secs(5));
    assert_eq!(after.until_boot_ms, before.until_boot_ms);
}

#[test]
fn of_two_live_copies_one_is_held_and_one_is_told() {
    let server = Server::new(2, 3);
    let original = Sidecar::of(&server, "a").started();
    original.is(HoldState::Held, secs(5));
    let copy = Sidecar::of(&server, "a");
    let file = "claim-pod.json";
    std::fs::copy(original.state_dir().join(file), copy.state_dir().join(file)).unwrap();
    let copy = copy.started();
    let states = || [&original, &copy].map(|p| p.status().map(|s| s.state));
    let lost =
        |s: &[Option<HoldState>; 2]| s.iter().filter(|s| **s == Some(HoldState::Lost)).count();
    eventually("one of them is lost", secs(5), || {
        (lost(&states()) == 1).then_some(())
    });
    std::thread::sleep(secs(3));
    assert_eq!(lost(&states()), 1, "and the other is not: {:?}", states());
    let told = [&original, &copy]
        .into_iter()
        .find_map(|p| p.status().filter(|s| s.state == HoldState::Lost))
        .unwrap();
    assert!(
        told.claims[0]
            .message
            .as_deref()
            .is_some_and(|m| m.contains("another copy")),
        "{told:?}"
    );
    assert_eq!(server.holding(), 1);
}
