//! The owners of a world, and when their pods come and go.

use crate::history::{Index, License, Ms};
use fastrand::Rng;

/// What has pods run, as it is planned.
#[derive(Clone, Debug)]
pub struct Owner {
    pub at: Ms,
    pub kind: OwnerKind,
    /// What each of its pods asks for a seat of, and how many pods it has.
    pub product: Index,
    pub pods: u32,
    /// How long a pod of it stays, and how long after its end another owner like it comes.
    pub stays: Ms,
    pub idle: Ms,
    /// For how long none of its pods lives while it waits.
    pub rests: Ms,
    /// When it goes though its pods run on, if it does.
    pub leaves: Option<Ms>,
    /// Its pods' sidecars: see [`Pod`](super::Pod).
    pub max_grace: Ms,
    /// Its pods are replaced by others that come first: once one has been `Held` for so long the
    /// one before it goes.
    pub ready: Option<Ms>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// Its pods start together, once there are seats for all; each ends by itself.
    Gang,
    /// Its pods start at once; each is replaced when it ends.
    Standing,
}

/// One to three, of products that draw on one alternative.
pub(super) fn some(
    r: &mut Rng,
    license: &License,
    (quiet_at, d): (Ms, Ms),
    max_grace: Ms,
) -> Vec<Owner> {
    let count = r.usize(1..=3);
    let one = |r: &mut Rng| {
        let product = r.usize(..license.products.len());
        let draws = license.products[product].iter().flatten();
        let most = draws.map(|(p, w)| license.pools[*p].0 / w.max(&1)).min();
        let kind = if r.u8(..3) == 0 {
            OwnerKind::Standing
        } else {
            OwnerKind::Gang
        };
        Owner {
            at: r.u64(0..quiet_at / 2),
            kind,
            product,
            pods: r.u32(1..=most.unwrap_or(1).clamp(1, 4)),
            stays: r.u64(d..d * 8),
            idle: r.u64(0..d * 4),
            rests: if r.u8(..3) == 0 { r.u64(d..d * 6) } else { 0 },
            leaves: (r.u8(..4) == 0).then(|| r.u64(d..d * 10)),
            max_grace,
            ready: None,
        }
    };
    (0..count).map(|_| one(r)).collect()
}

/// The vendor allows handovers, and most owners make use of that.
pub(super) fn roll_out(r: &mut Rng, owners: &mut [Owner], licenses: &mut [License]) {
    let most = [20_000, 60_000, 180_000][r.usize(..3)];
    for l in licenses.iter_mut() {
        l.max_handover = if r.u8(..6) == 0 { 0 } else { most };
    }
    licenses[0].max_handover = most;
    for o in owners.iter_mut() {
        if r.u8(..4) == 0 {
            continue;
        }
        o.kind = OwnerKind::Standing;
        o.ready = Some(r.u64(1_000..most * 3 / 2));
        o.stays /= r.u64(1..=4);
        o.leaves = o.leaves.filter(|_| r.bool());
    }
}
