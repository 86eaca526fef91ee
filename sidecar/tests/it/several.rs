//! Several license servers that have the same product: one pool to who asks.

use crate::lab::{Gate, Hold, Server, Sidecar, eventually, secs};
use mooring_client::{Error, HoldState};
use mooring_core::wire::{LeaseView, ViewState, WaitReason};

/// How many leases both have together: none of the servers knows of the other's.
fn leases(servers: [&Server; 2]) -> usize {
    servers.map(Server::holding).iter().sum()
}

fn settled(servers: [&Server; 2], held: usize) {
    // Of what a crash left nothing known about it lapses: after D and its margin.
    eventually("what was not chosen is given back", secs(8), || {
        let known = servers.map(|s| s.views().len()).iter().sum::<usize>();
        ((leases(servers), known) == (held, held)).then_some(())
    });
}

#[test]
fn two_fill_both_servers_and_the_third_has_the_first_seat_that_is_free_at_either() {
    let (a, b) = (Server::new(1, 3), Server::new(1, 3));
    let both = [&a, &b];
    let first = Sidecar::of_all(&both, "first").started();
    first.is(HoldState::Held, secs(5));
    settled([&a, &b], 1);
    let mut second = Sidecar::of_all(&both, "second").started();
    second.is(HoldState::Held, secs(5));
    assert_eq!((a.holding(), b.holding()), (1, 1));
    let third = Sidecar::of_all(&both, "third").started();
    let waits = third.is(HoldState::Waiting, secs(5));
    assert_eq!(waits.claims[0].place, Some(1));
    assert!(
        waits.server.contains(','),
        "it names both: {}",
        waits.server
    );
    eventually("it stands in both lines", secs(5), || {
        both.iter().all(|s| s.views().len() == 2).then_some(())
    });
    let there = second.status().unwrap().claims[0].server.clone();
    assert!(second.terminate().0.success());
    let held = third.is(HoldState::Held, secs(3));
    assert_eq!(held.claims[0].server, there);
    settled([&a, &b], 2);
    // What it proves is what that server gave.
    assert!(third.mooring().verify("render").unwrap().fresh);
}

#[test]
fn a_server_that_is_gone_takes_its_own_seats_away_alone() {
    let (mut a, mut b) = (Server::new(1, 3), Server::switched_off(2, 3));
    let first = Sidecar::of_all(&[&a, &b], "first");
    let first = first.with("MOORING_MAX_GRACE", "5s").started();
    let at_a = first.is(HoldState::Held, secs(5)).claims[0].server.clone();
    b.switch_on();
    let second = Sidecar::of_all(&[&b, &a], "second").started();
    let at_b = second.is(HoldState::Held, secs(5)).claims[0].server.clone();
    assert_ne!(at_a, at_b);
    a.switch_off();
    first.is(HoldState::Grace, secs(5));
    // While its application runs on, it asks for no second seat.
    assert_eq!(b.holding(), 1);
    let last = first.is(HoldState::Lost, secs(8));
    assert_eq!(last.claims[0].server, at_a);
    assert_eq!(first.is(HoldState::Held, secs(5)).claims[0].server, at_b);
    let third = Sidecar::of_all(&[&a, &b], "third").started();
    third.is(HoldState::Waiting, secs(5));
    assert_eq!(second.status().unwrap().state, HoldState::Held);
}

#[test]
fn killed_it_comes_back_with_its_lease_and_has_one_seat_of_all() {
    let (a, b) = (Server::new(2, 5), Server::new(2, 5));
    let mut pod = Sidecar::of_all(&[&a, &b], "a").started();
    let before = pod.is(HoldState::Held, secs(5));
    for _ in 0..3 {
        pod.kill();
        pod.start();
        let first = pod.events().next().unwrap().unwrap();
        assert_eq!((first.state, first.licensed), (HoldState::Held, true));
        assert_eq!(first.claims[0].lease, before.claims[0].lease);
        settled([&a, &b], 1);
    }
    assert!(pod.terminate().0.success());
    assert_eq!((a.views().len(), b.views().len()), (0, 0));
}

#[test]
fn one_answer_of_any_is_an_answer_and_all_must_be_silent_for_a_start_without() {
    let (a, b) = (Server::switched_off(1, 3), Server::new(1, 3));
    let other = Sidecar::of(&b, "other").started();
    other.is(HoldState::Held, secs(5));
    let both = [&a, &b];
    let waits = Sidecar::of_all(&both, "waits").with("MOORING_CONTACT_TIMEOUT", "1s");
    let waits = waits.started();
    let mut gate = Gate::of(&waits);
    waits.is(HoldState::Waiting, secs(5));
    std::thread::sleep(secs(3));
    assert!(gate.is_shut(), "one of them has said that it is to wait");
    let (a, b) = (Server::switched_off(1, 3), Server::switched_off(1, 3));
    let both = [&a, &b];
    let starts = Sidecar::of_all(&both, "starts").with("MOORING_CONTACT_TIMEOUT", "1s");
    let starts = starts.started();
    assert!(Gate::of(&starts).ends().success());
    starts.is(HoldState::Optimistic, secs(1));
}

#[test]
fn an_applications_own_seat_comes_from_whichever_server_has_one() {
    let (a, b) = (Server::new(1, 3), Server::new(1, 3));
    let all = Sidecar::of_all(&[&a, &b], "a");
    let agent = all.agent().without("MOORING_LICENSES").started();
    agent.events();
    let mut one = Hold::open(&agent.socket(), "product=render");
    one.is(HoldState::Held);
    let mut two = Hold::open(&agent.socket(), "product=render");
    two.is(HoldState::Held);
    assert_eq!((a.holding(), b.holding()), (1, 1));
    drop((one, two));
    settled([&a, &b], 0);
    eventually("nothing is left of them", secs(5), || {
        let left = std::fs::read_dir(agent.state_dir()).unwrap();
        let mut left = left.map(|e| e.unwrap().file_name());
        let claim = left.find(|n| n.to_string_lossy().contains("claim"));
        claim.is_none().then_some(())
    });
}

#[test]
fn a_bad_list_names_its_variable_and_what_was_expected() {
    let (a, b) = (Server::new(1, 3), Server::new(1, 3));
    let of = |name, value: &str| {
        let refused = Sidecar::of_all(&[&a, &b], "a").with(name, value).refused();
        assert!(!refused.status.success());
        String::from_utf8_lossy(&refused.stderr).into_owned()
    };
    let twice = format!("{0};{0}", a.url());
    let said = of("MOORING_SERVER", &twice);
    assert!(
        said.contains("MOORING_SERVER") && said.contains("each server once"),
        "{said}"
    );
    let said = of("MOORING_MAX_GRACE", "1h;2h;3h");
    assert!(said.contains("MOORING_MAX_GRACE: has 3 entries"), "{said}");
    let many: Vec<String> = (1..=9).map(|n| format!("https://s{n}:8443")).collect();
    let said = of("MOORING_SERVER", &many.join(";"));
    assert!(said.contains("9 servers, expected at most 8"), "{said}");
}

/// A server of another vendor's product, with an identity of its own.
fn vendors(product: &str, seats: u32, identity: &str) -> Server {
    let mut server = Server::licensed_by(seats, 3, |l| {
        l.products[0].name = product.parse().unwrap();
    });
    std::fs::write(server.dir().join("identity"), identity.repeat(32)).unwrap();
    server.switch_on();
    server
}

fn of_two_vendors(servers: [&Server; 2], licenses: &str, subject: &str) -> Sidecar {
    Sidecar::of_all(&servers, subject).with("MOORING_LICENSES", licenses)
}

#[test]
fn of_two_vendors_both_are_there_or_nothing_is_told_shown_or_proven() {
    let (a, b) = (vendors("matlab", 1, "1"), vendors("fluent", 1, "2"));
    let other = Sidecar::of(&b, "other").with("MOORING_LICENSES", "fluent");
    let mut other = other.started();
    other.is(HoldState::Held, secs(5));
    let pod = of_two_vendors([&a, &b], "matlab;fluent", "pod").started();
    let waits = pod.is(HoldState::Waiting, secs(5));
    let items: Vec<&str> = waits.claims[0]
        .items
        .iter()
        .map(|i| i.product.as_str())
        .collect();
    assert_eq!(items, ["matlab", "fluent"]);
    // It is the first in both lines. Which comes first is the servers' ids' word: it has its part of
    // the other reserved, or waits for this one first.
    eventually("it takes its parts", secs(5), || {
        let reserved = a.views().first()?.state == ViewState::Reserved;
        let waits = |v: &LeaseView| v.reason == Some(WaitReason::Full);
        (reserved || b.views().iter().any(waits)).then_some(())
    });
    let mut gate = Gate::of(&pod);
    for product in ["matlab", "fluent"] {
        let nothing = pod.mooring().verify(product).unwrap_err();
        assert!(matches!(nothing, Error::NotLicensed { .. }), "{nothing:?}");
    }
    let shown = pod.status().unwrap();
    assert!(!shown.licensed && gate.is_shut(), "{shown:?}");
    assert!(other.terminate().0.success());
    pod.is(HoldState::Held, secs(5));
    for product in ["matlab", "fluent"] {
        assert!(pod.mooring().verify(product).unwrap().fresh, "{product}");
    }
    eventually("both servers know that it runs", secs(5), || {
        let held = |s: &Server| {
            s.views()
                .first()
                .is_some_and(|v| v.state == ViewState::Held)
        };
        (held(&a) && held(&b)).then_some(())
    });
    assert!(gate.ends().success());
}

#[test]
fn who_asks_two_vendors_in_either_order_has_both_in_the_end() {
    let (a, b) = (vendors("matlab", 1, "1"), vendors("fluent", 1, "2"));
    let pod = |n: usize| {
        let subject = format!("pod{n}");
        let pod = match n % 2 {
            0 => of_two_vendors([&a, &b], "matlab;fluent", &subject),
            _ => of_two_vendors([&b, &a], "fluent;matlab", &subject),
        };
        pod.started()
    };
    let mut pods: Vec<Sidecar> = (0..6).map(pod).collect();
    while !pods.is_empty() {
        let held = eventually("one of them has both", secs(20), || {
            let is = |p: &Sidecar| p.status().is_some_and(|s| s.state == HoldState::Held);
            pods.iter().position(is)
        });
        let licensed = pods
            .iter()
            .filter_map(Sidecar::status)
            .filter(|s| s.licensed);
        assert_eq!(licensed.count(), 1);
        assert!(pods.remove(held).terminate().0.success());
    }
}

#[test]
fn killed_it_comes_back_with_both_parts_or_asks_for_both() {
    let (a, b) = (vendors("matlab", 1, "1"), vendors("fluent", 1, "2"));
    let mut pod = of_two_vendors([&a, &b], "matlab;fluent", "pod").started();
    for _ in 0..6 {
        std::thread::sleep(std::time::Duration::from_millis(40));
        pod.kill();
        pod.start();
    }
    pod.is(HoldState::Held, secs(20));
    pod.kill();
    pod.start();
    let first = pod.events().next().unwrap().unwrap();
    assert_eq!((first.state, first.licensed), (HoldState::Held, true));
    eventually("both servers know that it runs", secs(5), || {
        ((a.holding(), b.holding()) == (1, 1)).then_some(())
    });
}

#[test]
fn lost_at_one_vendors_server_it_is_given_back_at_the_others() {
    let (a, b) = (vendors("matlab", 1, "1"), vendors("fluent", 1, "2"));
    let pod = of_two_vendors([&a, &b], "matlab;fluent", "pod").started();
    pod.is(HoldState::Held, secs(5));
    a.revoke("pod");
    eventually("it is not licensed", secs(8), || {
        pod.status().filter(|s| !s.licensed)
    });
    eventually("the other vendor's seat is free", secs(5), || {
        (b.holding() == 0).then_some(())
    });
}
