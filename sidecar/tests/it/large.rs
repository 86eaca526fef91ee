//! A license of ten thousand products, from the license server to the application.

use crate::lab::{Server, Sidecar, eventually, secs};
use mooring_client::HoldState;
use mooring_core::license::{Draw, License};
use mooring_core::names::{PoolName, ProductName};
use std::time::Instant;

/// The most memory that a process has had, in KiB, as the kernel says it.
fn peak(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace()
        .skip(1)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Products of these names, each with a pool of its own.
fn sell(l: &mut License, names: impl Iterator<Item = String>) {
    let (pool, product) = (l.pools.remove(0), l.products.remove(0));
    for name in names {
        let mut pool = pool.clone();
        pool.name = PoolName::new(&name).unwrap();
        let mut product = product.clone();
        product.name = ProductName::new(&name).unwrap();
        product.from = vec![vec![Draw {
            pool: pool.name.clone(),
            weight: 1,
        }]];
        l.pools.push(pool);
        l.products.push(product);
    }
}

#[test]
fn a_license_of_ten_thousand_products_is_served_and_verified() {
    let begun = Instant::now();
    let mut server = Server::licensed_by(2, 10, |l| {
        sell(l, (0..10_000).map(|i| format!("Acme_Suite_{i:05}")));
    });
    println!("signed and armored: {:?}", begun.elapsed());
    let begun = Instant::now();
    server.switch_on();
    let pod = Sidecar::of(&server, "a")
        .with("MOORING_LICENSES", "acme_suite_09999,Acme_Suite_00000:2")
        .started();
    pod.is(HoldState::Held, secs(60));
    println!(
        "the server started, the pod's claim held: {:?}",
        begun.elapsed()
    );
    let begun = Instant::now();
    let mooring = pod.mooring();
    let seat = mooring.claim("ACME_SUITE_05000").hold().unwrap();
    println!("a seat taken and proved: {:?}", begun.elapsed());
    assert!(seat.is_licensed());
    let sidecar = mooring_client::Sidecar::at(pod.socket());
    let bundle = serde_json::to_string(&sidecar.token(None, None, None).unwrap()).unwrap();
    println!("a proof has {} bytes", bundle.len());
    println!(
        "most memory: {} of this process with the server, {} of the sidecar",
        peak(std::process::id()),
        peak(pod.pid())
    );
    // What the books show has a bound, or is the license's own size.
    let e = mooring.claim("zbrush").hold().unwrap_err().to_string();
    assert!(e.contains("Acme_Suite_00019 and 9980 more"), "{e}");
    let e = pod.mooring().claim("Acme_Suite_00000").hold().unwrap_err();
    assert!(e.to_string().contains("all 2 seats"), "{e}");
    // The first thousand pools have series of their own; 5000 and 9999 are in the others'.
    let of = |name: &str, label: &str| server.metric(name, label) as u64;
    assert_eq!(of("mooring_seats", "(others)"), 18_000);
    assert_eq!(of("mooring_seats_used", "(others)"), 2);
    assert_eq!(of("mooring_seats_used", "Acme_Suite_00000"), 2);
}

#[test]
fn a_claim_of_sixty_four_long_names_is_made_waits_and_comes_back_after_a_restart() {
    let names: Vec<String> = (0..64)
        .map(|i| format!("{i:02}-{}", "x".repeat(61)))
        .collect();
    let mut server = Server::licensed_by(1, 10, |l| {
        sell(l, names.iter().cloned());
        for p in &mut l.products {
            (p.versions.from, p.versions.to) = ("1".repeat(32).parse().ok(), None);
        }
    });
    server.switch_on();
    let version = "2".repeat(32);
    let items: Vec<String> = names.iter().map(|n| format!("{n}@{version}:1")).collect();
    let pod = |subject| {
        Sidecar::of(&server, subject)
            .with("MOORING_LICENSES", items.join(","))
            .started()
    };
    let (first, second) = (pod("a"), pod("b"));
    let is_held = |p: &Sidecar| p.status().is_some_and(|s| s.state == HoldState::Held);
    let (held, waits) = eventually("one holds and one waits", secs(10), || {
        match (is_held(&first), is_held(&second)) {
            (true, false) => Some((&first, &second)),
            (false, true) => Some((&second, &first)),
            _ => None,
        }
    });
    waits.is(HoldState::Waiting, secs(10));
    server.restart();
    let renewed = server.renewals();
    eventually("it is renewed by the new run", secs(60), || {
        (server.renewals() > renewed).then_some(())
    });
    held.is(HoldState::Held, secs(20));
    waits.is(HoldState::Waiting, secs(20));
}
