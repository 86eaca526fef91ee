//! What a seed means: servers of one product, pods that claim it at some, or a part of each of
//! several, and what will go wrong. A plan is
//! data, so that a failing one can be made smaller.

use super::history::ServerNo;
use crate::clock::MAX_DRIFT;
use crate::history::Ms;
use fastrand::Rng;

/// A world and its troubles.
#[derive(Clone, Debug)]
pub struct SitePlan {
    /// What all chance in the world comes from.
    pub seed: u64,
    pub servers: Vec<ServerPlan>,
    pub pods: Vec<PodPlan>,
    /// The grace that licenses give, and for how long who is contested may go on.
    pub grace: Ms,
    pub max_contested: Ms,
    /// The network's usual delay, at most.
    pub delay: Ms,
    pub faults: Vec<(Ms, Fault)>,
    /// From here on nothing goes wrong.
    pub quiet_at: Ms,
}

/// A server as it is planned.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    pub seats: u32,
    /// D.
    pub lease_for: Ms,
    /// Its machine's clock: base and drift.
    pub clock: (u64, i64),
}

/// A pod as it is planned.
#[derive(Clone, Debug)]
pub struct PodPlan {
    pub at: Ms,
    /// What it needs together: a part of each of these, in an order of its own. Each names the
    /// servers that may give it, in order.
    pub parts: Vec<Vec<ServerNo>>,
    /// Of each part.
    pub seats: u32,
    /// May start with no server in reach.
    pub optimistic: bool,
    /// Its machine's clock: base and drift.
    pub clock: (u64, i64),
}

impl PodPlan {
    /// Each server at which it claims, after the number of its part.
    pub(super) fn servers(&self) -> impl Iterator<Item = (usize, ServerNo)> {
        let parts = self.parts.iter().enumerate();
        parts.flat_map(|(i, servers)| servers.iter().map(move |s| (i, *s)))
    }
}

/// Something that goes wrong, or changes. `pod` is taken modulo those that live, `server` modulo
/// all that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A server is killed and started again.
    ServerCrash { server: usize, down: Ms },
    /// A server ends for good, if another is left.
    ServerEnds { server: usize },
    /// A server is cut off from everybody.
    CutServer { server: usize, lasts: Ms },
    /// Another license of it comes into force.
    License { server: usize, seats: u32 },
    /// A pod is cut off from one server: what it sends is lost, or what it is sent, or both.
    CutLine {
        pod: usize,
        server: usize,
        up: bool,
        down: bool,
        lasts: Ms,
    },
    /// A pod is cut off from all servers.
    CutPod { pod: usize, lasts: Ms },
    /// One message of three is lost.
    Loss { lasts: Ms },
    /// All releases are lost.
    ReleasesLost { lasts: Ms },
    /// Every message arrives twice, the second up to ten minutes later.
    Duplicates { lasts: Ms },
    /// Messages take up to this long, each for itself.
    Delays { lasts: Ms, up_to: Ms },
    /// A sidecar is killed and started again; `amid` its work: before its n-th save or request from
    /// now.
    SidecarCrash {
        pod: usize,
        amid: Option<u8>,
        down: Ms,
    },
    /// A sidecar is told to end, and started again in its pod.
    SidecarEnds { pod: usize, again: Ms },
    /// A pod is gone without a word; another takes its place.
    PodDies { pod: usize, back: Ms },
    /// A pod is ended in order: it gives back; another takes its place.
    PodEnds { pod: usize, back: Ms },
}

impl Fault {
    /// Its kind, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ServerCrash { .. } => "ServerCrash",
            Self::ServerEnds { .. } => "ServerEnds",
            Self::CutServer { .. } => "CutServer",
            Self::License { .. } => "License",
            Self::CutLine { .. } => "CutLine",
            Self::CutPod { .. } => "CutPod",
            Self::Loss { .. } => "Loss",
            Self::ReleasesLost { .. } => "ReleasesLost",
            Self::Duplicates { .. } => "Duplicates",
            Self::Delays { .. } => "Delays",
            Self::SidecarCrash { .. } => "SidecarCrash",
            Self::SidecarEnds { .. } => "SidecarEnds",
            Self::PodDies { .. } => "PodDies",
            Self::PodEnds { .. } => "PodEnds",
        }
    }
}

impl SitePlan {
    /// The world of a seed.
    pub fn of(seed: u64) -> Self {
        let mut r = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6c69_6e65);
        let servers: Vec<ServerPlan> = (0..r.usize(2..=3)).map(|_| server(&mut r)).collect();
        let d = servers.iter().map(|s| s.lease_for).max().unwrap_or(0);
        let most = servers.iter().map(|s| s.seats).max().unwrap_or(1).min(3);
        let in_parts = r.bool();
        let pods = (0..r.usize(2..=5)).map(|_| pod(&mut r, (servers.len(), in_parts), (most, d)));
        let pods: Vec<PodPlan> = pods.collect();
        let quiet_at = d * r.u64(10..=20);
        let mut faults = Vec::new();
        // Faults come in bursts.
        for _ in 0..r.usize(1..=5) {
            let begins = r.u64(0..quiet_at);
            for _ in 0..r.usize(1..=5) {
                let at = begins + r.u64(0..d);
                faults.push((at.min(quiet_at - 1), fault(&mut r, d)));
            }
        }
        faults.sort_by_key(|(at, _)| *at);
        Self {
            seed,
            servers,
            pods,
            grace: pick(&mut r, &[d, 2 * d, 600_000, 3_600_000]),
            max_contested: pick(&mut r, &[d / 2, 2 * d, 300_000]),
            delay: pick(&mut r, &[5, 100, 2_000]),
            faults,
            quiet_at,
        }
    }
}

fn pick<T: Copy>(r: &mut Rng, all: &[T]) -> T {
    all[r.usize(0..all.len())]
}

fn clock(r: &mut Rng) -> (u64, i64) {
    (r.u64(1_000_000..900_000_000), r.i64(-MAX_DRIFT..=MAX_DRIFT))
}

fn server(r: &mut Rng) -> ServerPlan {
    ServerPlan {
        seats: r.u32(1..=3),
        lease_for: pick(r, &[10_000, 15_000, 30_000]),
        clock: clock(r),
    }
}

/// The servers of a pod, by the parts of its claim.
fn parts(r: &mut Rng, servers: usize, in_parts: bool) -> Vec<Vec<ServerNo>> {
    let one = r.u8(..6) == 0;
    if one {
        return vec![vec![r.usize(0..servers)]];
    }
    let mut all: Vec<ServerNo> = (0..servers).collect();
    if !in_parts || r.u8(..4) == 0 {
        return vec![all];
    }
    r.shuffle(&mut all);
    let mut parts: Vec<Vec<ServerNo>> = all.into_iter().map(|s| vec![s]).collect();
    // The third server is one of a pool, a part of its own, or none of this pod's.
    if parts.len() > 2 {
        match (r.u8(..4), parts.pop()) {
            (0, Some(third)) => parts[0].extend(third),
            (1 | 2, Some(third)) => parts.push(third),
            _ => {}
        }
    }
    parts
}

fn pod(r: &mut Rng, (servers, in_parts): (usize, bool), (most, d): (u32, Ms)) -> PodPlan {
    let parts = parts(r, servers, in_parts);
    PodPlan {
        // Most are there from the beginning.
        at: if r.bool() {
            r.u64(0..500)
        } else {
            r.u64(0..6 * d)
        },
        parts,
        seats: if r.bool() { 1 } else { r.u32(1..=most) },
        optimistic: r.bool(),
        clock: clock(r),
    }
}

fn fault(r: &mut Rng, d: Ms) -> Fault {
    let (pod, server) = (r.usize(0..8), r.usize(0..6));
    // From a moment to several leases.
    let lasts = pick(r, &[d / 10, d / 2, d, 2 * d, 4 * d]);
    let lasts = 1 + r.u64(0..lasts);
    match r.u8(0..18) {
        0 | 1 => Fault::ServerCrash {
            server,
            down: lasts,
        },
        2 => Fault::ServerEnds { server },
        3 => Fault::CutServer { server, lasts },
        4 => Fault::License {
            server,
            seats: r.u32(0..=4),
        },
        5 | 6 => {
            let way = r.u8(0..3);
            Fault::CutLine {
                pod,
                server,
                up: way != 1,
                down: way != 0,
                lasts,
            }
        }
        7 => Fault::CutPod { pod, lasts },
        8 => Fault::Loss { lasts },
        9 => Fault::ReleasesLost { lasts },
        10 => Fault::Duplicates { lasts },
        11 => Fault::Delays {
            lasts,
            up_to: pick(r, &[2_000, 20_000, 120_000]),
        },
        12..=14 => Fault::SidecarCrash {
            pod,
            amid: (r.u8(..4) > 0).then(|| r.u8(0..8)),
            down: lasts / 4,
        },
        15 => Fault::SidecarEnds {
            pod,
            again: lasts / 4,
        },
        16 => Fault::PodDies { pod, back: lasts },
        _ => Fault::PodEnds { pod, back: lasts },
    }
}
