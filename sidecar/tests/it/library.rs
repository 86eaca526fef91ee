//! The client library's seats against the real sidecar: crashes, hangs and ends of each party.

use crate::lab::{Server, Sidecar, eventually, secs, vendor};
use mooring_client::{
    ClaimName, Error, HoldState, Item, ProductName, Seat, Seats, SocketClaim, State,
    UnverifiedStart, Why, boot,
};
use mooring_core::license::{Envelope, SigningKey, Voucher, armour, types};
use mooring_core::time::Timestamp;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn fully(seat: &Seat) -> Option<()> {
    matches!(seat.check(), State::Licensed { .. }).then_some(())
}

fn ending(seat: &Seat, expected: Why) -> Option<()> {
    matches!(seat.check(), State::Ending { why, .. } if why == expected).then_some(())
}

/// An agent: a sidecar whose own claim takes one of the seats.
fn agent(seats: u32) -> (Server, Sidecar) {
    let server = Server::new(seats + 1, 3);
    let pod = Sidecar::of(&server, "a").started();
    pod.is(HoldState::Held, secs(5));
    (server, pod)
}

fn signal(pod: &Sidecar, name: &str) {
    let pid = pod.pid().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(sent.success());
}

/// Looks without a pause whether the seat is licensed, until it is told to stop; gives how often it
/// was, and was not.
fn watched<T>(seat: &Seat, during: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        let watcher = s.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert!(seat.is_licensed(), "{seat:?}: {:?}", seat.details());
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let result = during();
        stop.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
        result
    })
}

#[test]
fn a_seat_is_taken_proved_renewed_and_given_back() {
    let (server, pod) = agent(2);
    let seat = pod.mooring().claim("render").seats(2).hold().unwrap();
    let State::Licensed { until, .. } = seat.check() else {
        panic!("{seat:?}")
    };
    assert_eq!(server.holding(), 2);
    let proof = seat.details().proof.unwrap();
    assert!(proof.fresh && proof.seats == 2 && proof.test);
    let e = pod.mooring().claim("render").hold().unwrap_err();
    assert!(
        matches!(
            e,
            Error::NotLicensed {
                state: HoldState::Waiting,
                ..
            }
        ),
        "{e}"
    );
    watched(&seat, || {
        eventually("it moves on", secs(20), || match seat.check() {
            State::Licensed { until: u, .. } => (u > until).then_some(()),
            _ => None,
        });
    });
    drop(seat);
    eventually("the seats are back", secs(2), || {
        (server.holding() == 1).then_some(())
    });
}

#[test]
fn who_waits_gets_the_seat_when_it_is_given_back() {
    let (_server, pod) = agent(1);
    let mooring = pod.mooring();
    let first = mooring.claim("render").hold().unwrap();
    std::thread::scope(|s| {
        let second = s.spawn(|| mooring.claim("render").wait(secs(30)).hold());
        eventually("it waits", secs(5), || {
            let claims = pod.status()?.claims;
            let waits = |c: &mooring_client::ClaimStatus| c.state == HoldState::Waiting;
            claims.iter().any(waits).then_some(())
        });
        drop(first);
        assert!(second.join().unwrap().unwrap().is_licensed());
    });
}

#[test]
fn a_killed_sidecar_costs_nothing() {
    let (server, mut pod) = agent(1);
    let seat = pod.mooring().claim("render").hold().unwrap();
    let lease = seat.details().proof.unwrap().lease;
    watched(&seat, || {
        for _ in 0..3 {
            pod.kill();
            pod.start();
            let name = seat.details().claim.unwrap();
            eventually("it is there again", secs(5), || {
                pod.client().claim(&name).ok().filter(|c| c.licensed)
            });
            eventually("and in force", secs(5), || fully(&seat));
        }
        // Longer than a hold that nobody takes up again is kept.
        std::thread::sleep(secs(12));
    });
    assert_eq!(server.holding(), 2);
    assert_eq!(seat.details().proof.unwrap().lease, lease);
}

#[test]
fn a_sidecar_that_hangs_and_goes_on_costs_nothing() {
    let (_server, pod) = agent(1);
    let seat = pod.mooring().claim("render").hold().unwrap();
    watched(&seat, || {
        signal(&pod, "-STOP");
        eventually("it should have renewed", secs(5), || {
            ending(&seat, Why::NoSidecar)
        });
        std::thread::sleep(secs(3));
        signal(&pod, "-CONT");
        // The server has freed the lease meanwhile, so this may be another one.
        eventually("it goes on", secs(10), || fully(&seat));
    });
}

#[test]
fn a_sidecar_that_has_forgotten_the_hold_is_asked_for_a_new_one() {
    let (server, mut pod) = agent(1);
    let seat = pod.mooring().claim("render").hold().unwrap();
    let before = seat.details().claim.unwrap();
    watched(&seat, || {
        pod.kill();
        for f in std::fs::read_dir(pod.state_dir()).unwrap() {
            std::fs::remove_file(f.unwrap().path()).unwrap();
        }
        pod.start();
        eventually("the seat is another", secs(15), || {
            let now = seat.details().claim?;
            (now != before).then_some(())
        });
        eventually("and is held", secs(15), || fully(&seat));
    });
    drop(seat);
    drop(server);
}

#[test]
fn without_the_server_it_ends_at_the_grace_and_not_before() {
    let mut server = Server::new(2, 3);
    let pod = Sidecar::of(&server, "a")
        .with("MOORING_MAX_GRACE", "8s")
        .started();
    pod.is(HoldState::Held, secs(5));
    let seat = pod.mooring().claim("render").hold().unwrap();
    server.switch_off();
    eventually("the sidecar has no contact", secs(8), || {
        ending(&seat, Why::NoServer)
    });
    let name = seat.details().claim.unwrap();
    let told = pod.client().claim(&name).unwrap();
    let until = told.until_boot_ms.unwrap();
    let mut last = 0;
    let ended = loop {
        let now = boot().as_millis();
        if !seat.is_licensed() {
            break now;
        }
        last = now;
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(
        last < until && boot().as_millis() >= until,
        "licensed at {last}, ended at {ended}, told {until}"
    );
    server.switch_on();
    eventually("it comes back", secs(30), || fully(&seat));
}

#[test]
fn a_start_with_no_server_in_reach_is_the_applications_choice() {
    let mut server = Server::switched_off(2, 3);
    let pod = Sidecar::of(&server, "a")
        .with("MOORING_CONTACT_TIMEOUT", "2s")
        .started();
    eventually("the socket is there", secs(5), || pod.status());
    let claim = |m: &mooring_client::Mooring| m.claim("render").wait(secs(6)).hold();
    let e = claim(&pod.mooring()).unwrap_err();
    assert!(
        matches!(
            e,
            Error::Unproven { .. }
                | Error::NotLicensed {
                    state: HoldState::Seeking,
                    ..
                }
        ),
        "{e}"
    );
    let accepts = pod
        .builder()
        .allow_unverified_start(true)
        .connect()
        .unwrap();
    let seat = claim(&accepts).unwrap();
    assert!(ending(&seat, Why::Unproven).is_some(), "{seat:?}");
    watched(&seat, || {
        server.switch_on();
        eventually("it is proved", secs(20), || fully(&seat));
    });
}

/// A voucher for `render` until tomorrow.
fn voucher(by: &SigningKey) -> String {
    let now = Timestamp::now();
    let v = Voucher {
        schema: 1,
        license: "L-1".into(),
        products: vec![ProductName::new("render").unwrap()],
        issued: now,
        not_before: None,
        expires: now.checked_add(secs(86_400)).unwrap(),
    };
    armour(&Envelope::sign(types::VOUCHER, &v, by).unwrap()).unwrap()
}

#[test]
fn where_the_license_asks_for_a_voucher_only_one_of_the_vendors_permits_the_start() {
    let server = Server::switched_off(2, 3);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("voucher");
    let claim = |pod: &Sidecar, start: UnverifiedStart| {
        let m = pod.builder().unverified_start(start).connect().unwrap();
        m.claim("render").wait(secs(6)).hold()
    };
    let sidecar = |uid: &str| {
        let pod = Sidecar::of(&server, uid)
            .with("MOORING_CONTACT_TIMEOUT", "2s")
            .with("MOORING_OPTIMISTIC_START", "voucher")
            .with("MOORING_VOUCHER", file.to_str().unwrap())
            .started();
        eventually("the socket is there", secs(5), || pod.status());
        pod
    };

    // Without one the sidecar waits, whatever the application accepts.
    let none = sidecar("a");
    let e = claim(&none, UnverifiedStart::Allow).unwrap_err();
    assert!(
        matches!(
            e,
            Error::NotLicensed {
                state: HoldState::Seeking,
                ..
            }
        ),
        "{e}"
    );
    let e = claim(&none, UnverifiedStart::Voucher)
        .unwrap_err()
        .to_string();
    assert!(e.contains("No such file"), "{e}");

    // With the vendor's the application starts, if it takes vouchers at all.
    std::fs::write(&file, voucher(&vendor())).unwrap();
    let pod = sidecar("b");
    let seat = claim(&pod, UnverifiedStart::Voucher).unwrap();
    assert!(ending(&seat, Why::Unproven).is_some(), "{seat:?}");
    claim(&pod, UnverifiedStart::Deny).unwrap_err();

    // The sidecar has no key to tell a forged one; the application has.
    std::fs::write(&file, voucher(&SigningKey::from_seed(&[66; 32]).unwrap())).unwrap();
    let pod = sidecar("c");
    let e = claim(&pod, UnverifiedStart::Voucher)
        .unwrap_err()
        .to_string();
    assert!(e.contains("voucher signature: not signed by"), "{e}");
}

#[test]
fn the_pods_own_claim_and_one_by_name_are_followed() {
    let (server, mut pod) = agent(1);
    let mooring = pod.mooring();
    let own = mooring.pod("render").hold().unwrap();
    fully(&own).unwrap();
    let name = ClaimName::new("nightly").unwrap();
    let item = Item {
        product: ProductName::new("render").unwrap(),
        seats: Seats::ONE,
        version: None,
    };
    let asked = SocketClaim {
        items: vec![item],
        start: None,
    };
    let client = pod.client();
    assert!(client.put_claim(&name, &asked, secs(10)).unwrap().licensed);
    let nightly = mooring.named("nightly", "render").hold().unwrap();
    assert_ne!(
        nightly.details().proof.unwrap().lease,
        own.details().proof.unwrap().lease
    );
    watched(&own, || {
        pod.kill();
        pod.start();
        eventually("both are followed", secs(5), || {
            fully(&own).and(fully(&nightly))
        });
        eventually("the socket is there", secs(5), || pod.status());
    });
    client.delete_claim(&name).unwrap();
    client.delete_claim(&name).unwrap();
    eventually("it is told", secs(5), || {
        (!nightly.is_licensed()).then_some(())
    });
    assert!(matches!(client.claim(&name), Err(Error::Problem(_))));
    drop(own);
    assert_eq!(server.holding(), 1, "the pod's seat stays");
}

#[test]
fn a_killed_application_gives_its_seat_back() {
    let (server, pod) = agent(1);
    let me = std::env::current_exe().unwrap();
    for signal in ["-KILL", "-TERM", "-ABRT"] {
        let mut app = Command::new(&me)
            .args(["--exact", "library::as_an_application", "--ignored"])
            .env("MOORING_SOCKET", pod.socket())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("it holds", secs(10), || {
            (server.holding() == 2).then_some(())
        });
        let pid = app.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        app.wait().unwrap();
        eventually("the seat is back", secs(2), || {
            (server.holding() == 1).then_some(())
        });
    }
}

/// Run by the test above, in a process of its own.
#[test]
#[ignore = "a program for another test"]
fn as_an_application() {
    let mooring = crate::lab::builder().connect().unwrap();
    let seat = Arc::new(mooring.claim("render").hold().unwrap());
    while seat.is_licensed() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
