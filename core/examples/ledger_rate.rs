//! How many operations a second the ledger alone does, and whether that stays flat as leases grow.
//! Ratios of one run are what counts: machines differ.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use mooring_core::ledger::{Capacity, Claim, Claimed, Ledger, Limits, Settings};
use mooring_core::license::{Licence, Reclaim};
use mooring_core::names::{ClaimName, InstanceId, LeaseId, RequestId};
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::wire::{Holder, Renewal, Standing};
use std::time::{Duration, Instant};

fn main() {
    println!(
        "{:>9}  {:>12}  {:>12}  {:>12}",
        "leases", "claims/s", "renewals/s", "releases/s"
    );
    for n in [1_000u32, 10_000, 100_000, 1_000_000] {
        let (claims, renewals, releases) = rate(n);
        println!("{n:>9}  {claims:>12.0}  {renewals:>12.0}  {releases:>12.0}");
    }
}

fn rate(n: u32) -> (f64, f64, f64) {
    let licence: Licence = serde_json::from_value(serde_json::json!({
        "schema": 1, "id": "bench", "customer": "bench", "issued": "2026-01-01T00:00:00Z",
        "pools": [{"name": "p", "seats": n}], "products": [{"name": "p", "from": [[{"pool": "p"}]]}], "anchors": []
    }))
    .unwrap();
    let settings = Settings {
        instance: InstanceId::from_bytes([0; 16]),
        generation: 1,
        lease_for: Duration::from_secs(300),
        settle: Duration::ZERO,
        reclaim: Reclaim::Any,
        grace: Duration::from_secs(600),
        limits: Limits {
            per_namespace: usize::MAX,
            ..Limits::default()
        },
    };
    let now = BootTime::from_millis(1);
    let mut l = Ledger::new(settings, Capacity::of(&licence), now);
    let items = mooring_core::request::parse("p").unwrap();
    let secrets: Vec<Secret> = (0..n).map(|i| Secret::from_bytes(bytes(i))).collect();
    let claims: Vec<Claim> = (0..n)
        .map(|i| Claim {
            holder: Holder::External {
                subject: i.to_string(),
            },
            name: ClaimName::pod(),
            items: items.clone(),
            secret_hash: secrets[i as usize].hash(),
            new_id: id(i),
            standing: Standing::Seeking,
            runs_for: None,
            counter: None,
            request_id: RequestId::from_bytes([0; 16]),
            others: vec![],
            heard: None,
            ticket: None,
            held: None,
            priority: 0,
        })
        .collect();
    let per_second = |t: Instant| f64::from(n) / t.elapsed().as_secs_f64();
    let t = Instant::now();
    for c in claims {
        assert!(matches!(l.claim(c, now), Ok(Claimed::Granted(_))));
        while l.next_event().is_some() {}
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
        assert_eq!(
            l.release(&mooring_core::names::ClaimName::pod(), id(i), s, None, now),
            Ok(true)
        );
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
