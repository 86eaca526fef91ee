//! What the ledger alone does in a second, and what a lease takes in memory: at 100 leases and at a
//! million. Ratios of one run are what counts: machines differ.
//!
//! Holders are pods as a cluster has them: many share a namespace, a service account, a node. Each
//! of them renews at every third of D, so time goes on as fast as the number of leases demands, and
//! deadlines come. Who renews after whom, and who ends, has nothing to do with the order in which
//! they came: what a step touches is cold in the caches, as it would be.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use mooring_core::identity::Holder;
use mooring_core::ledger::{Capacity, Claim, Claimed, Ledger, Limits, Settings};
use mooring_core::license::{Digest, License};
use mooring_core::names::{ClaimName, InstanceId, LeaseId, RequestId};
use mooring_core::policy::Reclaim;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::wire::{Renewal, Standing};
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::time::Duration;

/// D.
const LEASE: Duration = Duration::from_secs(300);

const SIZES: [u32; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

fn main() {
    let (bytes, at_most) = memory();
    let (small, large) = operations();
    let (shared, plain) = in_line();
    result("ledger_ops", small, "ops/s", "1,000 leases");
    let held_to = format!("{large:.0} ops/s at 1,000,000 leases, {small:.0} at 1,000");
    result("ledger_flat", large / small, "ratio", &held_to);
    let held_to = at_most.map_or_else(String::new, |b| format!("{b:.0} at most"));
    result("ledger_bytes_per_lease", bytes, "bytes", &held_to);
    let held_to = format!("{plain:.0} claims/s that nobody counts as one, {shared:.0} by node");
    result("countby_ops", plain / shared, "times slower", &held_to);
}

/// A line for `e2e/bench`; `against` is what the figure is held to, or made of.
fn result(name: &str, value: f64, unit: &str, against: &str) {
    let value = (value * 1000.0).round() / 1000.0;
    let line = serde_json::json!({
        "name": name, "value": value, "unit": unit, "against": against,
    });
    println!("RESULT {line}");
}

/// A line for `e2e/bench` that it draws.
fn point(curve: &str, series: &str, leases: u32, y: f64) {
    let line = serde_json::json!({"curve": curve, "series": series, "x": leases, "y": y.round()});
    println!("POINT {line}");
}

/// What a lease takes, at each size; the one at the largest.
fn memory() -> (f64, Option<f64>) {
    println!("{:>9}  {:>12}", "leases", "bytes each");
    let mut last = 0.0;
    // Each stays: what was given back would be had again, and not be seen.
    let mut kept: Vec<Books> = Vec::new();
    for n in SIZES {
        // One small ledger is less than what a process has spare: many of them are not.
        let many = (100_000 / n).max(1);
        let before = resident();
        kept.extend((0..many).map(|_| Books::with(n)));
        let new = kept.iter().rev().take(many as usize);
        let own: usize = new.map(|b| b.holders.capacity() * 8).sum();
        let taken = resident() as f64 - before as f64 - own as f64;
        last = taken / f64::from(many * n);
        println!("{n:>9}  {last:>12.0}");
        point("ledger_bytes", "a lease", n, last);
    }
    println!();
    (last, None)
}

/// What this process has in memory, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Claims, renewals and releases in equal parts, at each size; the rate at 1,000 and at the
/// largest. The sizes take turns, and the median of the turns counts: whatever else the machine
/// does falls on all of them.
fn operations() -> (f64, f64) {
    let mut books: Vec<(Books, Vec<[f64; 4]>)> = SIZES
        .into_iter()
        .map(|n| (Books::with(n), Vec::new()))
        .collect();
    for _ in 0..9 {
        for (b, turns) in &mut books {
            turns.push(b.turn());
        }
    }
    println!(
        "{:>9}  {:>12}  {:>12}  {:>12}  {:>12}",
        "leases", "claims/s", "renewals/s", "releases/s", "all/s"
    );
    let mut all = Vec::new();
    for (n, (_, turns)) in SIZES.into_iter().zip(&books) {
        let [claims, renewals, releases, each] = [0, 1, 2, 3].map(|i| median(turns, i));
        println!("{n:>9}  {claims:>12.0}  {renewals:>12.0}  {releases:>12.0}  {each:>12.0}");
        let series = [
            ("claims", claims),
            ("renewals", renewals),
            ("releases", releases),
        ];
        for (name, rate) in series.into_iter().chain([("all in equal parts", each)]) {
            point("ledger", name, n, rate);
        }
        all.push(each);
    }
    println!();
    (all[1], all[4])
}

fn median(turns: &[[f64; 4]], of: usize) -> f64 {
    let mut v: Vec<f64> = turns.iter().map(|t| t[of]).collect();
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

/// What this thread has had of a core. What others do on this machine at the same time is not in
/// it, but for what they push out of the caches.
fn cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.try_into().unwrap(), t.tv_nsec.try_into().unwrap())
}

fn since(t: Duration) -> Duration {
    cpu().saturating_sub(t)
}

/// How much time goes by between two renewals of `n` leases, in microseconds.
fn step(n: u32) -> u64 {
    let third = LEASE.as_micros() / 3;
    u64::try_from(third).unwrap() / u64::from(n)
}

/// A ledger in which a number of leases comes and goes and stays the same.
struct Books {
    ledger: Ledger,
    /// Whose leases there are, who renews next first, and the number of its next request.
    holders: VecDeque<(u32, u32)>,
    next: u32,
    /// In microseconds.
    now: u64,
    random: Random,
}

impl Books {
    /// One with `n` leases, granted at the speed at which they will be renewed.
    fn with(n: u32) -> Self {
        let mut b = Self {
            ledger: ledger(n + 1_000, "claim"),
            holders: VecDeque::with_capacity(n as usize + 1_000),
            next: n,
            now: 1_000_000,
            random: Random(1),
        };
        let step = step(n);
        for i in 0..n {
            assert!(matches!(b.enter(mixed(i)), Claimed::Granted(_)));
            b.now += step;
        }
        b.holders.extend((0..n).map(|i| (i, 1)));
        // Holders shuffled: by now each of them has begun at another time.
        for i in (1..n as usize).rev() {
            let j = b.random.below(i + 1);
            b.holders.swap(i, j);
        }
        b
    }

    fn boot(&self) -> BootTime {
        BootTime::from_millis(self.now / 1000)
    }

    fn enter(&mut self, c: Claim) -> Claimed {
        let claimed = self.ledger.claim(c, self.boot()).unwrap();
        while self.ledger.next_event().is_some() {}
        claimed
    }

    /// How many claims, renewals, releases, and operations of all kinds it does in a second.
    fn turn(&mut self) -> [f64; 4] {
        let n = self.holders.len();
        let some = (n / 10).clamp(10, 100);
        let (mut times, mut done) = ([Duration::ZERO; 3], 0);
        while done < 20_000 {
            for (time, t) in times.iter_mut().zip(self.batch(some)) {
                *time += t;
            }
            done += some;
        }
        let [c, r, e] = times.map(|t| done as f64 / t.as_secs_f64());
        [c, r, e, 3.0 / (1.0 / c + 1.0 / r + 1.0 / e)]
    }

    /// So many claims, then renewals, then releases, and what each kind took.
    fn batch(&mut self, some: usize) -> [Duration; 3] {
        let step = step(u32::try_from(self.holders.len()).unwrap());
        let news = self.next..self.next + u32::try_from(some).unwrap();
        self.next = news.end;
        let claims: Vec<Claim> = news.clone().map(mixed).collect();
        let t = cpu();
        for c in claims {
            assert!(matches!(self.enter(c), Claimed::Granted(_)));
        }
        let claimed = since(t);
        let renewals: Vec<Renewal> = (0..some).map(|_| self.renewal()).collect();
        let t = cpu();
        for r in &renewals {
            self.ledger.renew(r, self.boot()).unwrap();
            while self.ledger.next_event().is_some() {}
            self.now += step;
        }
        let renewed = since(t);
        self.holders.extend(news.map(|i| (i, 1)));
        let over: Vec<(u32, u32)> = (0..some).map(|_| self.ends()).collect();
        let over: Vec<(LeaseId, Secret, u64)> = over
            .into_iter()
            .map(|(i, n)| (id(i), secret(i), n.into()))
            .collect();
        let name = ClaimName::pod();
        let t = cpu();
        for (lease, secret, counter) in &over {
            let released = self
                .ledger
                .release(&name, *lease, secret, Some(*counter), self.boot());
            assert_eq!(released, Ok(true));
            while self.ledger.next_event().is_some() {}
        }
        [claimed, renewed, since(t)]
    }

    /// Of who is next.
    fn renewal(&mut self) -> Renewal {
        let (i, n) = self.holders.pop_front().unwrap();
        self.holders.push_back((i, n + 1));
        Renewal {
            lease: id(i),
            secret: secret(i),
            counter: n.into(),
            request_id: RequestId::from_bytes(half(bytes(i ^ n))),
            have: None,
        }
    }

    /// Somebody.
    fn ends(&mut self) -> (u32, u32) {
        let any = self.random.below(self.holders.len());
        self.holders.swap_remove_back(any).unwrap()
    }
}

/// Claims that enter a line, that ask again there, and those that come to seats which others have;
/// with seats counted by node the last, and plain claims.
fn in_line() -> (f64, f64) {
    println!("{:>9}  {:>12}  {:>12}", "in line", "enter/s", "ask again/s");
    for n in [2_000, 10_000, 20_000, 100_000] {
        let mut l = line(n, "claim");
        let (enters, asks) = (enters(&mut l, n), asks_again(&mut l, n));
        println!("{n:>9}  {enters:>12.0}  {asks:>12.0}");
    }
    let mut plain = Books::with(1_000);
    let mut waits = line(20_000, "claim");
    let mut shared = line(20_000, "node");
    let mut rates = [const { Vec::new() }; 4];
    for turn in 0..9 {
        rates[0].push(plain.turn()[0]);
        rates[1].push(enters(&mut waits, 20_000 + 1_000 * turn));
        rates[2].push(enters(&mut shared, 20_000 + 1_000 * turn));
        rates[3].push(comes_to_others(&mut shared, turn));
    }
    let [plain, waits, enters, comes] = rates.map(|mut r| {
        r.sort_by(f64::total_cmp);
        r[r.len() / 2]
    });
    // Half of them on nodes that have a seat.
    let both = 2.0 / (1.0 / enters + 1.0 / comes);
    println!("\nclaims a second, 20,000 in line");
    println!("{plain:>12.0}  nobody in line, granted");
    println!("{waits:>12.0}  counted by claim: enters the line");
    println!("{enters:>12.0}  counted by node: enters the line");
    println!("{comes:>12.0}  counted by node: its node has a seat");
    println!("{both:>12.0}  counted by node: each second one\n");
    (both, plain)
}

/// All seats are out, one for each of the first nodes, and `n` claims of other nodes wait.
fn line(n: u32, count_by: &str) -> Ledger {
    let mut l = ledger(FIRST_NODES, count_by);
    for i in 0..FIRST_NODES {
        let granted = enter(&mut l, pod(i));
        assert!(matches!(granted, Claimed::Granted(_)));
    }
    for i in 0..n {
        let waits = enter(&mut l, elsewhere(i));
        assert!(matches!(waits, Claimed::Waiting(_)));
    }
    l
}

/// On so many nodes there are seats, where these are counted by node.
const FIRST_NODES: u32 = 500;

/// A pod on another node than those.
fn elsewhere(i: u32) -> Claim {
    let others = NODES - FIRST_NODES;
    pod(1_000_000_000 + (i / others) * NODES + FIRST_NODES + i % others)
}

fn enters(l: &mut Ledger, there: u32) -> f64 {
    let tries = 1_000;
    // At the bound of the line the last go out for those that are measured.
    if there == 100_000 {
        for i in there - tries..there {
            leaves(l, &elsewhere(i));
        }
    }
    let news: Vec<Claim> = (there..there + tries).map(elsewhere).collect();
    let rate = rate(tries, || {
        for c in news.iter().cloned() {
            assert!(matches!(enter(l, c), Claimed::Waiting(_)));
        }
    });
    for c in &news {
        leaves(l, c);
    }
    rate
}

/// Claims from all over the line.
fn asks_again(l: &mut Ledger, there: u32) -> f64 {
    let tries = 1_000;
    let all = there - tries;
    let step = (all / tries).max(1);
    let again: Vec<Claim> = (0..tries).map(|i| elsewhere(i * step % all)).collect();
    rate(tries, || {
        for c in again {
            enter(l, c);
        }
    })
}

/// Claims of pods whose nodes have a seat.
fn comes_to_others(l: &mut Ledger, turn: u32) -> f64 {
    let tries = 1_000;
    let on_first = |i| pod(NODES * (1 + i / FIRST_NODES) + i % FIRST_NODES);
    let news = turn * tries..(turn + 1) * tries;
    let news: Vec<Claim> = news.map(on_first).collect();
    let rate = rate(tries, || {
        for c in news.iter().cloned() {
            assert!(matches!(enter(l, c), Claimed::Granted(_)));
        }
    });
    for c in &news {
        leaves(l, c);
    }
    rate
}

fn rate(tries: u32, what: impl FnOnce()) -> f64 {
    let t = cpu();
    what();
    f64::from(tries) / since(t).as_secs_f64()
}

fn enter(l: &mut Ledger, c: Claim) -> Claimed {
    let claimed = l.claim(c, BootTime::from_millis(1)).unwrap();
    while l.next_event().is_some() {}
    claimed
}

fn leaves(l: &mut Ledger, c: &Claim) {
    let i = u32::from_le_bytes(c.new_id.to_bytes()[..4].try_into().unwrap());
    let now = BootTime::from_millis(1);
    let left = l.release(&c.name, c.new_id, &secret(i), None, now);
    assert_eq!(left, Ok(true));
    while l.next_event().is_some() {}
}

fn ledger(seats: u32, count_by: &str) -> Ledger {
    let license: License = serde_json::from_value(serde_json::json!({
        "schema": 1, "id": "ORD-2026-004711", "customer": "Example Aerospace",
        "issued": "2026-01-01T00:00:00Z",
        "pools": [{"name": "crash-solver", "seats": seats}],
        "products": [{
            "name": "crash-solver", "countBy": count_by, "from": [[{"pool": "crash-solver"}]],
        }],
        "anchors": [],
    }))
    .unwrap();
    let settings = Settings {
        instance: InstanceId::from_bytes([0; 16]),
        generation: 1,
        lease_for: LEASE,
        settle: Duration::ZERO,
        reclaim: Reclaim::Any,
        grace: Duration::from_secs(8 * 3600),
        outsiders: false,
        limits: Limits {
            per_namespace: usize::MAX,
            ..Limits::default()
        },
    };
    let digest = Digest("sha256:".to_owned() + &"5e".repeat(32));
    Ledger::new(
        settings,
        Capacity::of([(&license, &digest)]),
        BootTime::from_millis(1),
    )
}

const NAMESPACES: u32 = 200;
const NODES: u32 = 2_500;

/// A claim of a pod; of a workstation each hundredth.
fn mixed(i: u32) -> Claim {
    let mut c = pod(i);
    if i % 100 == 99 {
        let subject = format!("workstation-{i:07}.engineering.example.com");
        c.holder = Holder::External { subject };
    }
    c
}

fn pod(i: u32) -> Claim {
    let r = bytes(i);
    let (team, node) = (i / 7 % NAMESPACES, i % NODES);
    let holder = Holder::Pod {
        namespace: format!("team-{team:03}-simulation"),
        pod: format!("crash-{:010x}-{:05x}", i / 7, u16::from(r[0]) | 0x1000),
        uid: uuid(half(r)),
        service_account: format!("solver-runner-{}", i % 3),
        node: Some(format!(
            "ip-10-12-{}-{}.eu-central-1.compute.internal",
            node / 250,
            node % 250
        )),
    };
    Claim {
        holder,
        name: ClaimName::pod(),
        items: mooring_core::request::parse("crash-solver").unwrap(),
        secret_hash: secret(i).hash(),
        bind: None,
        new_id: id(i),
        standing: Standing::Seeking,
        runs_for: None,
        counter: Some(0),
        request_id: RequestId::from_bytes(half(r)),
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

fn uuid(b: [u8; 16]) -> String {
    let h = format!("{:032x}", u128::from_be_bytes(b));
    format!(
        "{}-{}-{}-{}-{}",
        &h[..8],
        &h[8..12],
        &h[12..16],
        &h[16..20],
        &h[20..]
    )
}

fn secret(i: u32) -> Secret {
    Secret::from_bytes(bytes(i))
}

/// Its first bytes say whose it is.
fn id(i: u32) -> LeaseId {
    let mut b = half(bytes(!i));
    b[..4].copy_from_slice(&i.to_le_bytes());
    LeaseId::from_bytes(b)
}

fn half(b: [u8; 32]) -> [u8; 16] {
    b[..16].try_into().unwrap()
}

fn bytes(i: u32) -> [u8; 32] {
    let mut random = Random(u64::from(i) + 1);
    let mut b = [0; 32];
    for part in b.chunks_mut(8) {
        part.copy_from_slice(&random.next().to_le_bytes());
    }
    b
}

/// SplitMix64: the same numbers in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap();
        usize::try_from(self.next() % n).unwrap()
    }
}
