//! How often the ledger's hot paths allocate, exactly: what an operation costs is mostly that, and
//! it is the same on each machine. A number that has grown was worse before; one that has shrunk is
//! written down here.
//!
//! Counted is what each single operation does, and taken is what most of them do: now and then a
//! table grows.
#![allow(clippy::unwrap_used)]

use mooring_core::identity::Holder;
use mooring_core::ledger::{Capacity, Claim, Claimed, Ledger, Limits, Settings};
use mooring_core::license::{Digest, License};
use mooring_core::names::{ClaimName, InstanceId, LeaseId, RequestId};
use mooring_core::policy::Reclaim;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::wire::{Renewal, Standing};
use std::collections::BTreeMap;
use std::time::Duration;

/// Leases that are there, and operations that are counted.
const LEASES: u8 = 100;
const COUNTED: u8 = 100;

fn now() -> BootTime {
    BootTime::from_millis(1)
}

fn ledger() -> Ledger {
    let license: License = serde_json::from_value(serde_json::json!({
        "schema": 1, "id": "one", "customer": "c", "issued": "2026-01-01T00:00:00Z",
        "pools": [{"name": "render", "seats": 1000}],
        "products": [{"name": "render", "from": [[{"pool": "render"}]]}], "anchors": [],
    }))
    .unwrap();
    let settings = Settings {
        instance: InstanceId::from_bytes([0; 16]),
        generation: 1,
        lease_for: Duration::from_secs(30),
        settle: Duration::ZERO,
        reclaim: Reclaim::Any,
        grace: Duration::from_secs(600),
        outsiders: false,
        limits: Limits::default(),
    };
    let digest = Digest("sha256:00".to_owned());
    let mut l = Ledger::new(settings, Capacity::of([(&license, &digest)]), now());
    for i in 0..LEASES {
        enter(&mut l, claim(i));
    }
    l
}

/// A claim for one product, of a pod whose namespace, service account and node others have, too.
fn claim(i: u8) -> Claim {
    Claim {
        holder: Holder::Pod {
            namespace: "team-7-simulation".into(),
            pod: format!("solver-7d9c5b6f4d-{i:05}"),
            uid: format!("0c5b1d0e-9d4b-4f0a-8a30-0000000000{i:02x}"),
            service_account: "solver".into(),
            node: Some("ip-10-12-0-1.eu-central-1.compute.internal".into()),
        },
        name: ClaimName::pod(),
        items: mooring_core::request::parse("render").unwrap(),
        secret_hash: secret(i).hash(),
        bind: None,
        new_id: LeaseId::from_bytes([i; 16]),
        standing: Standing::Seeking,
        runs_for: None,
        counter: Some(1),
        request_id: RequestId::from_bytes([i; 16]),
        others: vec![],
        heard: None,
        ticket: None,
        held: None,
        claims: None,
        family: None,
        rests: false,
        call_back: None,
    }
}

fn secret(i: u8) -> Secret {
    Secret::from_bytes([i; 32])
}

fn enter(l: &mut Ledger, c: Claim) {
    let claimed = l.claim(c, now()).unwrap();
    assert!(matches!(claimed, Claimed::Granted(_)));
    while l.next_event().is_some() {}
}

/// How often most of these allocate.
fn mostly(each: impl Iterator<Item = u64>) -> u64 {
    let mut often = BTreeMap::<u64, usize>::new();
    each.for_each(|n| *often.entry(n).or_default() += 1);
    let (n, _) = often.into_iter().max_by_key(|(_, often)| *often).unwrap();
    n
}

/// In one test: tests of one binary that run at once would not mind each other, but what one
/// leaves is what the next begins with.
#[test]
fn a_claim_a_renewal_and_a_release_allocate_so_often() {
    let mut l = ledger();
    let new = LEASES..LEASES + COUNTED;
    let claims: Vec<Claim> = new.clone().map(claim).collect();
    let mut claims = claims.into_iter();
    let claims = claims.by_ref().map(|c| {
        let l = &mut l;
        allocation_counter::measure(move || enter(l, c)).count_total
    });
    let claims = mostly(claims);
    let renewals = mostly(new.clone().map(|i| {
        let renewal = Renewal {
            lease: LeaseId::from_bytes([i; 16]),
            secret: secret(i),
            counter: 2,
            request_id: RequestId::from_bytes([0; 16]),
            have: None,
        };
        let renew = || drop(l.renew(&renewal, now()).unwrap());
        allocation_counter::measure(renew).count_total
    }));
    let name = ClaimName::pod();
    let releases = mostly(new.map(|i| {
        let (lease, secret) = (LeaseId::from_bytes([i; 16]), secret(i));
        let release = || {
            l.release(&name, lease, &secret, Some(3), now()).unwrap();
            while l.next_event().is_some() {}
        };
        allocation_counter::measure(release).count_total
    }));
    // A holder that is told of is five texts; an answer has its license's digest and three lists.
    assert_eq!((claims, renewals, releases), (23, 10, 6));
}
