//! The gate: shut until the pod is licensed, whatever becomes of the sidecar meanwhile.

use crate::lab::{Gate, Server, Sidecar, eventually, secs};
use mooring_client::HoldState;

#[test]
fn the_gate_stays_shut_over_the_sidecars_restarts_and_opens_when_a_seat_is_free() {
    let server = Server::new(1, 5);
    let mut first = Sidecar::of(&server, "a").started();
    first.is(HoldState::Held, secs(5));
    let mut second = Sidecar::of(&server, "b").started();
    let mut gate = Gate::of(&second);
    let waits = "mooring-sidecar: waiting for render, place 1: the only seat of render is taken";
    gate.says(waits);

    second.kill();
    gate.says("waiting for the sidecar, container mooring: ");
    assert!(gate.is_shut());
    second.start();
    second.is(HoldState::Waiting, secs(5));
    let again = || gate.lines().iter().filter(|l| *l == waits).count() == 2;
    eventually("it says anew what it waits for", secs(5), || {
        again().then_some(())
    });
    first.terminate();
    assert!(gate.ends().success());
    let lines = gate.lines();
    assert_eq!(lines.first().map(String::as_str), Some(waits));
    assert_eq!(
        lines.last().map(String::as_str),
        Some("mooring-sidecar: render is held"),
        "{lines:?}"
    );
}

#[test]
fn with_no_sidecar_the_gate_waits_and_sigterm_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut gate = Gate::at(&dir.path().join("mooring.sock"));
    gate.says("waiting for the sidecar, container mooring: ");
    assert!(gate.is_shut());
    gate.terminate();
    assert_eq!(gate.ends().code(), Some(143), "not a success");
}
