//! How many operations a second the ledger alone does, and whether that stays flat as leases grow.
//! Ratios of one run are what counts: machines differ.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use mooring_core::identity::Holder;
use mooring_core::ledger::{Capacity, Claim, Claimed, Ledger, Limits, Settings};
use mooring_core::license::{Digest, License};
use mooring_core::names::{ClaimName, InstanceId, LeaseId, RequestId};
use mooring_core::policy::Reclaim;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::wire::{Renewal, Standing};
use std::time::{Duration, Instant};

fn main() {
    println!("{:>9}  {:>12}", "leases", "bytes each");
    let n = 1_000_000;
    let before = resident();
    let mut l = ledger(n);
    for i in 0..n {
        enter(&mut l, claim(i));
    }
    println!(
        "{n:>9}  {:>12.0}",
        (resident() - before) as f64 / f64::from(n)
    );
    drop(l);

    println!(
        "{:>9}  {:>12}  {:>12}  {:>12}",
        "leases", "claims/s", "renewals/s", "releases/s"
    );
    for n in [1_000u32, 10_000, 100_000, 1_000_000] {
        let (claims, renewals, releases) = rate(n);
        println!("{n:>9}  {claims:>12.0}  {renewals:>12.0}  {releases:>12.0}");
    }
    println!("{:>9}  {:>12}  {:>12}", "in line", "enter/s", "ask again/s");
    for n in [2_000u32, 10_000, 100_000] {
        let (enters, asks) = line(n);
        println!("{n:>9}  {enters:>12.0}  {asks:>12.0}");
    }
}

/// What this process has in memory, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn ledger(seats: u32) -> Ledger {
    let license: License = serde_json::from_value(serde_json::json!({
        "schema": 1, "id": "bench", "customer": "bench", "issued": "2026-01-01T00:00:00Z",
        "pools": [{"name": "p", "seats": seats}], "products": [{"name": "p", "from": [[{"pool": "p"}]]}], "anchors": []
    }))
    .unwrap();
    let settings = Settings {
        instance: InstanceId::from_bytes([0; 16]),
        generation: 1,
        lease_for: Duration::from_secs(300),
        settle: Duration::ZERO,
        reclaim: Reclaim::Any,
        grace: Duration::from_secs(600),
        outsiders: false,
        limits: Limits {
            per_namespace: usize::MAX,
            ..Limits::default()
        },
    };
    Ledger::new(
        settings,
        Capacity::of([(&license, &Digest(String::new()))]),
        NOW,
    )
}

const NOW: BootTime = BootTime::from_millis(1);

fn claim(i: u32) -> Claim {
    Claim {
        holder: Holder::External {
            subject: i.to_string(),
        },
        name: ClaimName::pod(),
        items: mooring_core::request::parse("p").unwrap(),
        secret_hash: Secret::from_bytes(bytes(i)).hash(),
        bind: None,
        new_id: id(i),
        standing: Standing::Seeking,
        runs_for: None,
        counter: None,
        request_id: RequestId::from_bytes([0; 16]),
        others: vec![],
        heard: None,
        ticket: None,
        held: None,
        claims: None,
        call_back: None,
        priority: 0,
    }
}

fn enter(l: &mut Ledger, c: Claim) -> Claimed {
    let claimed = l.claim(c, NOW).unwrap();
    while l.next_event().is_some() {}
    claimed
}

/// Claims that enter a line that is there, and that ask again, wherever they stand in it.
fn line(n: u32) -> (f64, f64) {
    let mut l = ledger(1);
    for i in 0..n {
        enter(&mut l, claim(i));
    }
    // At the bound of the line the last thousand go out for those that are measured.
    let tries = 1_000;
    for i in n - tries..n {
        let secret = Secret::from_bytes(bytes(i));
        l.release(&ClaimName::pod(), id(i), &secret, None, NOW)
            .unwrap();
    }
    let news: Vec<Claim> = (n..n + tries).map(claim).collect();
    let t = Instant::now();
    for c in news {
        assert!(matches!(enter(&mut l, c), Claimed::Waiting(_)));
    }
    let enters = f64::from(tries) / t.elapsed().as_secs_f64();
    // Claims from all over the line; the first has the seat.
    let there = n - tries - 1;
    let again: Vec<Claim> = (0..tries)
        .map(|i| claim(1 + i * (there / tries).max(1) % there))
        .collect();
    let t = Instant::now();
    for c in again {
        enter(&mut l, c);
    }
    (enters, f64::from(tries) / t.elapsed().as_secs_f64())
}

fn rate(n: u32) -> (f64, f64, f64) {
    let now = NOW;
    let mut l = ledger(n);
    let secrets: Vec<Secret> = (0..n).map(|i| Secret::from_bytes(bytes(i))).collect();
    let claims: Vec<Claim> = (0..n).map(claim).collect();
    let per_second = |t: Instant| f64::from(n) / t.elapsed().as_secs_f64();
    let t = Instant::now();
    for c in claims {
        assert!(matches!(enter(&mut l, c), Claimed::Granted(_)));
    }
    let claimed = per_second(t);
    let renewals: Vec<Renewal> = (0..n)
        .map(|i| {
            let secret = secrets[i as usize].clone();
            Renewal {
                lease: id(i),
                secret,
                counter: 1,
                request_id: RequestId::from_bytes([1; 16]),
                have: None,
            }
        })
        .collect();
    let t = Instant::now();
    for r in &renewals {
        l.renew(r, now).unwrap();
    }
    let renewed = per_second(t);
    let t = Instant::now();
    for (i, s) in (0..n).zip(&secrets) {
        assert_eq!(l.release(&ClaimName::pod(), id(i), s, None, now), Ok(true));
        while l.next_event().is_some() {}
    }
    (claimed, renewed, per_second(t))
}

fn bytes(i: u32) -> [u8; 32] {
    let mut b = [7; 32];
    b[..4].copy_from_slice(&i.to_le_bytes());
    b
}

fn id(i: u32) -> LeaseId {
    let mut b = [0; 16];
    b[..4].copy_from_slice(&i.to_le_bytes());
    LeaseId::from_bytes(b)
}
