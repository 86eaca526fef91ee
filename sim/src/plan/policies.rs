//! The seat policies of a world, and when they come and go.

use crate::history::{AccountNo, GroupNo, License, Ms, Policy, PolicyGroup, Rights};
use fastrand::Rng;

/// The policies of a world: which of them is in force from the beginning, and which, or none, comes
/// when.
pub(super) struct Policies {
    pub(super) all: Vec<Policy>,
    pub(super) first: Option<usize>,
    pub(super) come: Vec<(Ms, Option<usize>)>,
}

/// Some; they come mostly where something else goes wrong, at the times of `before`.
pub(super) fn some(
    r: &mut Rng,
    license: &License,
    before: &[Ms],
    (quiet_at, d): (Ms, Ms),
) -> Policies {
    let weights = r.u8(..4) == 0;
    let all: Vec<Policy> = (0..r.usize(1..=3))
        .map(|_| policy(r, license, weights, d))
        .collect();
    let first = (r.u8(..3) != 0).then_some(0);
    let mut come = Vec::new();
    for _ in 0..if first.is_some() {
        r.usize(0..=4)
    } else {
        r.usize(1..=4)
    } {
        let near = (r.u8(..4) != 0 && !before.is_empty()).then(|| before[r.usize(..before.len())]);
        let at = match near {
            Some(t) if r.bool() => t + r.u64(0..d),
            Some(t) => t.saturating_sub(r.u64(0..d)),
            None => r.u64(0..quiet_at),
        };
        let policy = (r.u8(..5) != 0).then(|| r.usize(..all.len()));
        if at < quiet_at {
            come.push((at, policy));
        }
    }
    Policies { all, first, come }
}

fn policy(r: &mut Rng, license: &License, weights: bool, d: Ms) -> Policy {
    let notice = match r.u8(..4) {
        0 => r.u64(1_000..d),
        1 => d + r.u64(0..2_000),
        _ => r.u64(d..d * 5),
    };
    let of_all = r.bool();
    let pools: Vec<usize> = (0..license.pools.len())
        .filter(|_| of_all || r.u8(..3) != 0)
        .collect();
    let mut namespaces: Vec<u32> = (0..GroupNo::COUNT).collect();
    r.shuffle(&mut namespaces);
    let by_account = r.u8(..4) == 0;
    let groups = namespaces.into_iter().take(r.usize(1..=3)).map(|n| {
        let account = AccountNo(r.u32(..AccountNo::COUNT));
        let namespace = GroupNo(n);
        let by_account = by_account && r.bool();
        PolicyGroup {
            namespaces: if by_account { vec![] } else { vec![namespace] },
            accounts: if by_account {
                vec![(namespace, account)]
            } else {
                vec![]
            },
            projects: Vec::new(),
            priority: priority(r),
            weight: (weights && r.u8(..3) != 0).then(|| r.u32(1..=4)),
            pools: pools
                .iter()
                .map(|p| (*p, rights(r, license.pools[*p])))
                .collect(),
        }
    });
    Policy {
        notice,
        groups: groups.collect(),
        backfill: Vec::new(),
        allows: Vec::new(),
    }
}

/// Mostly that of all others.
pub(super) fn priority(r: &mut Rng) -> i32 {
    if r.u8(..3) == 0 { r.i32(-1..=2) } else { 0 }
}

/// Has claims that fit pass those that do not, by some of the policies; some of those say nothing
/// else of seats.
pub(super) fn fill(r: &mut Rng, policies: &mut [Policy], license: &License, d: Ms) {
    for policy in policies {
        let (all, alone) = (r.u8(..3) != 0, r.bool());
        for pool in 0..license.pools.len() {
            if all || r.bool() {
                policy.backfill.push((pool, patience(r, d)));
            }
        }
        if alone {
            for group in &mut policy.groups {
                group.pools.clear();
            }
        }
    }
}

/// What has a claim passed again and again: one pod asks for all there is, and others come and go.
pub(super) struct Churn {
    /// What the one asks for.
    pub(super) all: u32,
    /// When some pod gives back and asks again: which, after how long, and whether at once.
    pub(super) backs: Vec<(Ms, (usize, Ms, bool))>,
    /// When the server crashes amid that, and for how long.
    pub(super) crash: Option<(Ms, Ms)>,
}

/// Some of that, if a policy has claims passed.
pub(super) fn churn(
    r: &mut Rng,
    license: &License,
    policies: &[Policy],
    quiet_at: Ms,
) -> Option<Churn> {
    let (_, patience) = policies.iter().flat_map(|p| &p.backfill).next()?;
    if r.u8(..4) == 0 {
        return None;
    }
    let mut at = r.u64(0..quiet_at / 2);
    let crash = (at + r.u64(..patience * 2), r.u64(200..1_000));
    let crash = r.bool().then_some(crash);
    let mut backs = Vec::new();
    for _ in 0..r.usize(4..16) {
        at += r.u64(patience / 8..patience / 2);
        backs.push((at, (r.usize(..1000), r.u64(0..2_000), r.bool())));
    }
    backs.retain(|(at, _)| *at < quiet_at);
    Some(Churn {
        all: license.pools.first().map_or(1, |p| p.0 + p.1).max(2),
        backs,
        crash: crash.filter(|(at, _)| *at < quiet_at),
    })
}

/// From below a lease to several.
fn patience(r: &mut Rng, d: Ms) -> Ms {
    match r.u8(..3) {
        0 => r.u64(1_000..d),
        _ => r.u64(d..d * 6),
    }
}

/// Owned, a limit, or both; of a pool that has so many seats.
pub(super) fn rights(r: &mut Rng, (seats, over): (u32, u32)) -> Rights {
    let there = seats + over;
    let kind = r.u8(..6);
    let owned = if kind < 4 { r.u32(1..=there) } else { 0 };
    let limited = kind == 4 || r.u8(..4) == 0;
    Rights {
        owned,
        max: limited.then(|| {
            (owned + r.u32(0..=1))
                .max([1, 1, 2][r.usize(..3)])
                .min(there.max(1))
        }),
        lend: (owned > 0 && r.u8(..3) == 0).then(|| r.u32(0..=owned)),
    }
}
