//! What one seed means: a world, and what will go wrong in it, when. A plan is data, so that a
//! failing one can be made smaller.

use crate::clock::MAX_DRIFT;
use crate::history::{HolderNo, Items, License, Ms, Policy, Reclaim};
use fastrand::Rng;
use mooring_core::wire::ClaimKind;

mod owners;
mod policies;
mod projects;

pub use owners::{Owner, OwnerKind};

/// A world and its troubles.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What all chance in the world comes from.
    pub seed: u64,
    /// How many steps it shall have at least.
    pub steps: u64,
    pub pods: Vec<Pod>,
    /// The licenses that may come into force; the first does at the beginning.
    pub licenses: Vec<License>,
    /// The seat policies that may come into force, and the one that is at the beginning.
    pub policies: Vec<Policy>,
    pub policy: Option<usize>,
    /// What has pods run for which the operator claims.
    pub owners: Vec<Owner>,
    pub reclaim: Reclaim,
    /// D of the first run.
    pub lease_for: Ms,
    /// Whether the first run knows that no lease was granted before it.
    pub first_start_known: bool,
    /// The network's usual delay, at most.
    pub delay: Ms,
    /// Whether wall clocks jump in this world, or the server moves between machines (see
    /// docs/simulator.md).
    pub walls_jump: bool,
    pub faults: Vec<(Ms, Fault)>,
    /// From here on nothing does.
    pub quiet_at: Ms,
    pub end_at: Ms,
}

/// A pod as it is planned.
#[derive(Clone, Debug)]
pub struct Pod {
    pub at: Ms,
    /// Its machine's clock: base and drift.
    pub clock: (u64, i64),
    /// What it asks for, a claim each, and where that comes from.
    pub claims: Vec<(ClaimKind, Items)>,
    /// May start without contact.
    pub optimistic: bool,
    /// The longest grace on its side.
    pub max_grace: Ms,
    /// Its sidecar tells with a renewal what it has (`have`).
    pub says_what_it_has: bool,
    /// Which of the owners that came has it run.
    pub owner: Option<usize>,
    /// Whom it replaces there, and whether it never comes up.
    pub replaces: Option<(HolderNo, bool)>,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident { $($field:ident : $t:ty),* };)*) => {
        /// Something that goes wrong, or changes. Durations are in milliseconds; `pod` is taken
        /// modulo those that live.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Fault { $($(#[$doc])* $name { $($field: $t),* },)* }

        /// Kinds of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }

        impl Fault {
            pub fn kind(&self) -> Kind {
                match self { $(Self::$name { .. } => Kind::$name,)* }
            }
        }
    };
}

faults! {
    /// A sidecar is killed and started again; `amid` its work: before its n-th save or request from
    /// now.
    SidecarCrash { pod: usize, amid: Option<u8>, down: Ms };
    /// A pod is gone without a word; another takes its place.
    PodDies { pod: usize, back: Ms };
    /// A pod is ended in order: it gives back; another takes its place.
    PodEnds { pod: usize, back: Ms };
    /// An application gives its claim back and begins a new one, after that or `at_once`. The
    /// sidecar may `crash` before its n-th save or request from then.
    GivesBack { pod: usize, again: Ms, at_once: bool, crash: Option<u8> };
    /// The server is killed and started again on the same machine.
    ServerCrash { down: Ms };
    /// The server is killed and started on another machine.
    ServerMoves { down: Ms, wall_secs: i64 };
    /// The server is started again with another D.
    NewDuration { lease_for: Ms, down: Ms };
    /// What a pod sends is lost.
    CutUp { pod: usize, lasts: Ms };
    /// What is sent to a pod is lost.
    CutDown { pod: usize, lasts: Ms };
    /// A pod is cut off in both directions.
    CutBoth { pod: usize, lasts: Ms };
    /// The server is cut off from everybody.
    CutServer { lasts: Ms };
    /// One message of three is lost.
    Loss { lasts: Ms };
    /// Every message arrives twice, the second up to an hour later.
    Duplicates { lasts: Ms };
    /// Messages take up to this long, each for itself, so that they overtake each other.
    Delays { lasts: Ms, up_to: Ms };
    /// The wall clock of the server's machine jumps.
    WallJump { by_secs: i64 };
    /// A pod's machine is suspended.
    Suspend { pod: usize, lasts: Ms };
    /// The server's process stands still.
    ServerFreeze { lasts: Ms };
    /// A pod is copied with all its state.
    Copy { pod: usize };
    /// Somebody has a holder's token and not its secret, and tries it for a while.
    Thief { pod: usize, lasts: Ms };
    /// Another license comes into force.
    Reload { license: usize };
    /// The operator is away.
    OperatorDown { lasts: Ms };
    /// The anchor is lost.
    AnchorLost { lasts: Ms };
    /// A holder is revoked for a while.
    Revoke { pod: usize, lasts: Ms };
    /// Tokens of service accounts cannot be reviewed: the API server is down.
    ReviewDown { lasts: Ms };
    /// The server's edge answers everybody with this problem, whatever is asked, and is cut off
    /// from all after that.
    EdgeAnswers { problem: usize, lasts: Ms, then_silent: Ms };
    /// The file with a pod's token is not there, nor that of pods that start meanwhile.
    TokenMissing { pod: usize, lasts: Ms };
    /// The holders of a pod's group are not entitled for a while.
    Unentitled { pod: usize, lasts: Ms };
    /// An administrator takes a pod's lease back.
    TakeBack { pod: usize };
    /// Many pods come at once, and go again.
    Storm { pods: usize, stay: Ms };
    /// Another seat policy comes into force, or none is any more.
    Policy { policy: Option<usize> };
}

/// Leases of this length come up.
const LEASES: [Ms; 6] = [10_000, 15_000, 30_000, 30_000, 60_000, 300_000];

impl Plan {
    /// The world of a seed.
    pub fn of(seed: u64, steps: u64) -> Self {
        let mut r = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6d6f_6f72);
        // Most worlds are small, since most mistakes show in few parties; one in two hundred sees a
        // thousand pods at once.
        let size = match seed % 200 {
            7 => Size::Storm,
            n if n % 10 < 8 => Size::Small,
            _ => Size::Middle,
        };
        let count = match size {
            Size::Small => r.usize(2..=5),
            Size::Middle => r.usize(6..=24),
            Size::Storm => r.usize(3..=8),
        };
        let mut licenses = licenses(&mut r, size);
        let lease_for = pick(&mut r, &LEASES);
        let products = licenses[0].products.len();
        let seats = licenses[0].pools.iter().map(|p| p.0);
        let most = seats.max().unwrap_or(1).min(3);
        let mut pods: Vec<Pod> = (0..count)
            .map(|_| pod(&mut r, lease_for, (products, most), licenses[0].grace))
            .collect();
        // A renewal is about four steps; three quarters of the steps shall see trouble.
        let claims: u64 = pods.iter().map(|p| p.claims.len() as u64).sum();
        let whole = (steps * lease_for / (14 * claims.max(1))).clamp(4 * lease_for, 40 * 3_600_000);
        let quiet_at = whole * 3 / 4;
        // Of its own chance, as policies, so that all else in a world is as it is without.
        let mut days = Rng::with_seed(seed ^ 0x6461_7973);
        if days.u8(..4) == 0 {
            let quiet = i64::try_from(quiet_at).unwrap_or(0);
            seats_end(&mut days, &mut licenses, quiet);
        }
        let walls_jump = r.bool();
        let of = Setting {
            d: lease_for,
            licenses: licenses.len(),
            walls_jump,
            size,
        };
        let mut faults = faults(&mut r, quiet_at, of);
        let until = (quiet_at, lease_for);
        let (policies, policy) = match size {
            Size::Storm => Default::default(),
            _ => policies_of(seed, &licenses[0], (&mut pods, &mut faults), until),
        };
        let rest = policies.is_empty() && size != Size::Storm;
        let owners = if rest {
            owners_of(seed, &mut licenses, &mut faults, until)
        } else {
            Vec::new()
        };
        let confirmed = r.u8(..7) == 0 && owners.is_empty();
        Self {
            seed,
            steps,
            pods,
            reclaim: if confirmed {
                Reclaim::Confirmed
            } else {
                Reclaim::Any
            },
            licenses,
            policies,
            policy,
            owners,
            lease_for,
            first_start_known: r.u8(..4) != 0,
            delay: pick(&mut r, &[20, 100, 1000]),
            walls_jump,
            faults,
            quiet_at,
            end_at: whole,
        }
    }
}

/// The seat policies of a world, and the one at its beginning.
fn policies_of(
    seed: u64,
    license: &License,
    (pods, faults): (&mut [Pod], &mut Vec<(Ms, Fault)>),
    until: (Ms, Ms),
) -> (Vec<Policy>, Option<usize>) {
    let mut shares = Rng::with_seed(seed ^ 0x7368_6172_6573);
    if shares.u8(..3) != 0 {
        return Default::default();
    }
    let times: Vec<Ms> = faults.iter().map(|(t, _)| *t).collect();
    let mut policies = policies::some(&mut shares, license, &times, until);
    let come = |(t, policy)| (t, Fault::Policy { policy });
    faults.extend(policies.come.into_iter().map(come));
    faults.sort_by_key(|(t, _)| *t);
    let mut fill = Rng::with_seed(seed ^ 0x6669_6c6c);
    if fill.bool() {
        policies::fill(&mut fill, &mut policies.all, license, until.1);
        let churn = policies::churn(&mut fill, license, &policies.all, until.0);
        if let Some(churn) = churn {
            churns(churn, pods, faults);
        }
    }
    // Of their own chance, and last: all else in a world is as it is without.
    let mut named = Rng::with_seed(seed ^ 0x7072_6f6a);
    if named.u8(..3) == 0 {
        projects::taken(&mut named, &mut policies.all, license);
    }
    (policies.all, policies.first)
}

fn churns(c: policies::Churn, pods: &mut [Pod], faults: &mut Vec<(Ms, Fault)>) {
    // It comes last, so that it is none of the others.
    let at = pods.iter().map(|p| p.at + 1).max().unwrap_or(0);
    let rest = pods.len().saturating_sub(1).max(1);
    if let Some(pod) = pods.last_mut() {
        pod.at = at;
        pod.claims.truncate(1);
        pod.claims[0].1 = vec![(0, c.all)];
    }
    let others = pods.iter_mut().rev().skip(1).flat_map(|p| &mut p.claims);
    others.for_each(|(_, items)| *items = vec![(0, 1)]);
    // A clock that went back may be followed by no more restarts than there are.
    let clocks = |(_, f): &(Ms, Fault)| matches!(f.kind(), Kind::WallJump | Kind::ServerMoves);
    let crash = c.crash.filter(|_| !faults.iter().any(clocks));
    faults.extend(crash.map(|(at, down)| (at, Fault::ServerCrash { down })));
    let back = |(at, (pod, again, at_once))| {
        let crash = None;
        let back = Fault::GivesBack {
            pod: pod % rest,
            again,
            at_once,
            crash,
        };
        (at, back)
    };
    faults.extend(c.backs.into_iter().map(back));
    faults.sort_by_key(|(t, _)| *t);
}

/// The owners of a world, in some of those where each product has one alternative and no seats end:
/// what its judge knows of.
fn owners_of(
    seed: u64,
    licenses: &mut [License],
    faults: &mut Vec<(Ms, Fault)>,
    until: (Ms, Ms),
) -> Vec<Owner> {
    let license = &licenses[0];
    let mut r = Rng::with_seed(seed ^ 0x006f_776e_6572);
    let plain = license.dates.is_empty() && license.products.iter().all(|p| p.len() == 1);
    if !plain || r.u8(..5) >= 2 {
        return Vec::new();
    }
    faults.retain(|(_, f)| !matches!(f.kind(), Kind::WallJump | Kind::ServerMoves));
    let mut owners = owners::some(&mut r, license, until, license.grace);
    // Of their own chance: worlds without are as they were before there were any.
    let mut r = Rng::with_seed(seed ^ 0x726f_6c6c);
    if r.bool() {
        owners::roll_out(&mut r, &mut owners, licenses);
    }
    owners
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Middle,
    Storm,
}

/// What a world's faults are made by.
#[derive(Clone, Copy)]
struct Setting {
    d: Ms,
    licenses: usize,
    walls_jump: bool,
    size: Size,
}

/// A pod that comes early on.
fn pod(r: &mut Rng, lease_for: Ms, (products, most): (usize, u32), grace: Ms) -> Pod {
    Pod {
        at: if r.bool() { 0 } else { r.u64(0..lease_for * 2) },
        clock: (r.u64(1_000_000..500_000_000), r.i64(-MAX_DRIFT..=MAX_DRIFT)),
        claims: (0..if r.u8(..5) == 0 { 2 } else { 1 })
            .map(|_| (claim_kind(r), items(r, products, most)))
            .collect(),
        optimistic: r.u8(..3) == 0,
        max_grace: pick(r, &[8 * 3_600_000, 120_000, 600_000]).min(grace),
        says_what_it_has: says_what_it_has(r),
        owner: None,
        replaces: None,
    }
}

/// Whether a pod's sidecar does.
fn says_what_it_has(r: &mut Rng) -> bool {
    // Pods had priorities once: worlds are as they were with them.
    if r.u8(..4) == 0 {
        r.u8(..4);
    }
    r.u8(..6) != 0
}

/// One of several.
fn pick<T: Copy>(r: &mut Rng, of: &[T]) -> T {
    of[r.usize(..of.len())]
}

fn claim_kind(r: &mut Rng) -> ClaimKind {
    match r.u8(..4) {
        0 => ClaimKind::Claim,
        1 => ClaimKind::Hold,
        _ => ClaimKind::Pod,
    }
}

fn items(r: &mut Rng, products: usize, most: u32) -> Items {
    let product = r.usize(..products);
    let seats = if r.bool() { 1 } else { r.u32(1..=most) };
    let (mut items, other) = (vec![(product, seats)], r.usize(..products));
    if r.u8(..4) == 0 && other != product {
        items.push((other, 1));
    }
    items
}

/// The first license, and others of the same shape with more or fewer seats.
fn licenses(r: &mut Rng, size: Size) -> Vec<License> {
    let seats = |r: &mut Rng| match size {
        Size::Small => r.u32(1..=3),
        Size::Middle => r.u32(2..=10),
        Size::Storm => r.u32(20..=400),
    };
    let (pools, products) = match r.u8(..8) {
        // A suite: its own pool first, then the parts' pools.
        0 => (
            3,
            vec![
                vec![vec![(0, 1)], vec![(2, 1)]],
                vec![vec![(1, 1)], vec![(2, 1)]],
                vec![vec![(0, 1), (1, 1)]],
            ],
        ),
        // Token licensing: a weight.
        1 => (1, vec![vec![vec![(0, 1)]], vec![vec![(0, 2)]]]),
        2 | 3 => (2, vec![vec![vec![(0, 1)]], vec![vec![(1, 1)]]]),
        _ => (1, vec![vec![vec![(0, 1)]]]),
    };
    let grace = pick(r, &[60_000, 300_000, 1_800_000, 28_800_000]);
    let max_contested = pick(r, &[20_000, 120_000, 900_000]);
    let first: Vec<(u32, u32)> = (0..pools)
        .map(|_| {
            let n = seats(r);
            let n = if n == 1 && products.len() > 1 { 2 } else { n };
            (n, u32::from(r.u8(..8) == 0))
        })
        .collect();
    let anchor_grace = pick(r, &[600_000, 600_000, 120_000, 0]);
    let license = |pools| License {
        pools,
        dates: Vec::new(),
        products: products.clone(),
        grace,
        max_contested,
        // Beyond the world's end, unless the clock is set by days.
        ends: 47 * 3_600_000,
        anchor_grace,
        max_handover: 0,
    };
    let mut all = vec![license(first.clone())];
    for _ in 0..2 {
        let other = first.iter().map(|(n, o)| {
            let more = r.bool();
            let by = r.u32(..=if more { 2 } else { *n.min(&2) });
            (if more { n + by } else { n - by }, *o)
        });
        all.push(license(other.collect()));
    }
    all
}

/// Gives the products of a pool a second one as an alternative, before or after it: one of them
/// ends, the other may begin, before `until`.
fn seats_end(r: &mut Rng, licenses: &mut [License], until: i64) {
    let date = |r: &mut Rng| Some(r.i64(0..until));
    let (ends, begins) = (date(r), if r.bool() { date(r) } else { None });
    let (old, first) = (r.usize(..licenses[0].pools.len()), r.bool());
    let more = r.u32(1..=3);
    for license in licenses {
        let new = license.pools.len();
        license.pools.push((more, 0));
        license.dates = vec![(None, None); new + 1];
        // Which of them is drawn first decides whether leases are in the one that ends.
        let (early, late) = if first { (old, new) } else { (new, old) };
        (license.dates[early].1, license.dates[late].0) = (ends, begins);
        for product in &mut license.products {
            let other = |a: &Vec<(usize, u32)>| -> Vec<(usize, u32)> {
                let swap = |(p, w): &(usize, u32)| (if *p == old { new } else { *p }, *w);
                a.iter().map(swap).collect()
            };
            let more: Vec<_> = product.iter().map(other).collect();
            let is_new = more.into_iter().filter(|a| !product.contains(a));
            let is_new: Vec<_> = is_new.collect();
            product.extend(is_new);
        }
    }
}

fn faults(r: &mut Rng, quiet_at: Ms, of: Setting) -> Vec<(Ms, Fault)> {
    let mut all = Vec::new();
    let bursts = r.usize(3..=8);
    for _ in 0..bursts {
        // Faults that come together find more than faults that come alone.
        let from = r.u64(0..quiet_at);
        for _ in 0..r.usize(1..=5) {
            all.push((from + r.u64(0..of.d), one(r, of)));
        }
    }
    // What a claim hears first decides whether it may ever start without the server.
    if r.u8(..5) == 0 {
        let lasts = r.u64(1_000..of.d * 2);
        let edge = Fault::EdgeAnswers {
            problem: r.usize(..1000),
            lasts,
            then_silent: r.u64(15_000..60_000),
        };
        all.push((r.u64(0..of.d), edge));
        for _ in 0..r.usize(1..5) {
            let (pod, down) = (r.usize(..1000), r.u64(200..5_000));
            let crash = Fault::SidecarCrash {
                pod,
                amid: r.bool().then(|| r.u8(..6)),
                down,
            };
            all.push((r.u64(0..of.d * 3), crash));
        }
    }
    if r.u8(..8) == 0 {
        let (pod, lasts) = (r.usize(..1000), r.u64(of.d..of.d * 4));
        all.push((0, Fault::TokenMissing { pod, lasts }));
    }
    all.retain(|(t, _)| *t < quiet_at);
    all.sort_by_key(|(t, _)| *t);
    no_two_restarts_after_a_clock_went_back(&mut all);
    all
}

/// What is known and not mended (docs/simulator.md) would hide what is not known: such a clock goes
/// forward.
fn no_two_restarts_after_a_clock_went_back(all: &mut [(Ms, Fault)]) {
    let mut restarts = 0;
    let moves = |(_, f): &&(Ms, Fault)| matches!(f, Fault::ServerMoves { .. });
    let moves = all.iter().filter(moves).count();
    for (_, fault) in all.iter_mut().rev() {
        match fault {
            Fault::ServerCrash { .. } | Fault::NewDuration { .. } => restarts += 1,
            Fault::ServerMoves { wall_secs, .. } => {
                if restarts > 0 || moves > 1 {
                    *wall_secs = 0;
                }
                restarts += 1;
            }
            Fault::WallJump { by_secs } if restarts > 1 => *by_secs = by_secs.abs(),
            _ => {}
        }
    }
}

/// Walls jump, or the server moves: never both in one world.
fn kind(r: &mut Rng, walls_jump: bool) -> Kind {
    loop {
        // Policies have a chance of their own.
        let k = Kind::ALL[r.usize(..Kind::ALL.len() - 1)];
        match k {
            Kind::WallJump if !walls_jump => {}
            Kind::ServerMoves if walls_jump => {}
            _ => break k,
        }
    }
}

/// Often about as long as the lease: there the edges are.
fn length(r: &mut Rng, d: Ms) -> Ms {
    match r.u8(..4) {
        0 => r.u64(100..5_000),
        1 => r.u64(d / 2..d * 2),
        2 => d + r.u64(0..2_500),
        _ => r.u64(d..d * 6),
    }
}

fn edge_answers(r: &mut Rng, lasts: Ms) -> Fault {
    Fault::EdgeAnswers {
        problem: r.usize(..1000),
        lasts,
        then_silent: if r.bool() { r.u64(15_000..60_000) } else { 0 },
    }
}

fn one(r: &mut Rng, of: Setting) -> Fault {
    let d = of.d;
    let pod = r.usize(..1000);
    let lasts = length(r, d);
    let down = r.u64(200..d * 2);
    match kind(r, of.walls_jump) {
        Kind::SidecarCrash => Fault::SidecarCrash {
            pod,
            amid: r.bool().then(|| r.u8(..6)),
            down,
        },
        Kind::PodDies => Fault::PodDies { pod, back: down },
        Kind::PodEnds => Fault::PodEnds { pod, back: down },
        Kind::GivesBack => Fault::GivesBack {
            pod,
            again: r.u64(0..d),
            at_once: r.bool(),
            crash: (r.u8(..3) == 0).then(|| r.u8(..4)),
        },
        Kind::ServerCrash => Fault::ServerCrash {
            down: if r.bool() { r.u64(50..2_000) } else { down },
        },
        Kind::ServerMoves => Fault::ServerMoves {
            down,
            wall_secs: pick(r, &[0, 0, -50, -20, 20, 50, -600, 600]),
        },
        Kind::NewDuration => Fault::NewDuration {
            lease_for: pick(r, &LEASES),
            down: r.u64(50..3_000),
        },
        Kind::CutUp => Fault::CutUp { pod, lasts },
        Kind::CutDown => Fault::CutDown { pod, lasts },
        Kind::CutBoth => Fault::CutBoth { pod, lasts },
        Kind::CutServer => Fault::CutServer { lasts },
        Kind::Loss => Fault::Loss { lasts },
        Kind::Duplicates => Fault::Duplicates { lasts },
        Kind::Delays => Fault::Delays {
            lasts,
            up_to: pick(r, &[2_000, 20_000, d, 3_600_000]),
        },
        Kind::WallJump => Fault::WallJump {
            by_secs: pick(r, &[-172_800, -3_600, -20, 20, 3_600, 172_800]),
        },
        Kind::Suspend => Fault::Suspend { pod, lasts },
        Kind::ServerFreeze => Fault::ServerFreeze { lasts },
        Kind::Copy => Fault::Copy { pod },
        Kind::Thief => Fault::Thief { pod, lasts },
        Kind::Reload => Fault::Reload {
            license: r.usize(..of.licenses),
        },
        Kind::OperatorDown => Fault::OperatorDown { lasts },
        Kind::AnchorLost => Fault::AnchorLost { lasts },
        Kind::Revoke => Fault::Revoke { pod, lasts },
        Kind::ReviewDown => Fault::ReviewDown { lasts },
        Kind::EdgeAnswers => edge_answers(r, lasts),
        Kind::TokenMissing => Fault::TokenMissing { pod, lasts },
        Kind::Unentitled => Fault::Unentitled {
            pod,
            lasts: if r.bool() { lasts } else { r.u64(d..1_200_000) },
        },
        Kind::TakeBack => Fault::TakeBack { pod },
        Kind::Storm => Fault::Storm {
            pods: match of.size {
                Size::Storm => 1000,
                _ => r.usize(5..=12),
            },
            stay: r.u64(d / 2..d * 2),
        },
        Kind::Policy => Fault::Policy { policy: None },
    }
}
