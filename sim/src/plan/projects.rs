//! Groups of a world's policies that take projects, and what the namespaces allow of those.

use super::policies::{priority, rights};
use crate::history::{GroupNo, Index, License, Policy, PolicyGroup, ProjectNo};
use fastrand::Rng;

/// Most of the policies have one or two, mostly before the others: who names no such project, or
/// one that its namespace does not allow, is in one of those, or in none.
pub(super) fn taken(r: &mut Rng, policies: &mut [Policy], license: &License) {
    for policy in policies {
        if r.u8(..4) == 0 {
            continue;
        }
        let namespaces = (0..GroupNo::COUNT).map(GroupNo);
        let all = namespaces.flat_map(|n| (0..ProjectNo::COUNT).map(move |p| (n, ProjectNo(p))));
        policy.allows = all.filter(|_| r.u8(..3) != 0).collect();
        for _ in 0..r.usize(1..=2) {
            let group = group(r, policy, license);
            let last = policy.groups.len();
            let at = if r.u8(..4) == 0 { r.usize(..=last) } else { 0 };
            policy.groups.insert(at, group);
        }
    }
}

/// One that takes a project of some namespaces; it has rights where the policy's others have some.
fn group(r: &mut Rng, policy: &Policy, license: &License) -> PolicyGroup {
    let project = ProjectNo(r.u32(..ProjectNo::COUNT));
    let mut namespaces: Vec<u32> = (0..GroupNo::COUNT).collect();
    r.shuffle(&mut namespaces);
    let namespaces = namespaces.into_iter().take(r.usize(1..=3)).map(GroupNo);
    let weights = policy.groups.iter().any(|g| g.weight.is_some());
    let ruled = policy.groups.iter().flat_map(|g| &g.pools);
    let mut pools: Vec<Index> = ruled.map(|(p, _)| *p).collect();
    pools.sort_unstable();
    pools.dedup();
    PolicyGroup {
        projects: namespaces.map(|n| (n, project)).collect(),
        priority: priority(r),
        weight: (weights && r.u8(..3) != 0).then(|| r.u32(1..=4)),
        pools: pools
            .into_iter()
            .map(|p| (p, rights(r, license.pools[p])))
            .collect(),
        ..PolicyGroup::default()
    }
}
