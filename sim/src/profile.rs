//! How much of the seats is used, and how long claims wait, under a load that others publish
//! figures for: the baseline of Kueue's performance tests (15,000 workloads of 30 queues in 5
//! cohorts, `test/performance/scheduler/configs/baseline` there), lived through on the ledger
//! itself in simulated time.
//!
//! A cohort is a pool of 120 seats; each of its 6 queues is a group of the policy that owns 20 and
//! may have them all. A workload is a pod that asks for 1, 5 or 20 seats, and ends 0.2, 0.5 or 1 s
//! after its grant. Nothing else takes time here: what is measured is the rules alone.

use anyhow::{Context as _, ensure};
use mooring_core::identity::Holder;
use mooring_core::ledger::{Backfilled, Capacity, Claim, Ledger, Limits, Settings};
use mooring_core::license::{Digest, License};
use mooring_core::names::{ClaimName, InstanceId, LeaseId, PoolName};
use mooring_core::policy::{Backfill, PolicyGroup, PoolRights, Reclaim, SeatPolicy};
use mooring_core::request;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::wire::ViewState;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

const COHORTS: usize = 5;
const QUEUES: usize = 6;
const OWNED: u32 = 20;
const BORROWED: u32 = 100;

/// The patience that the figures are given for: five times as long as the longest workload.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A kind of workload.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    count: u64,
    every_ms: u64,
    seats: u32,
    runs_ms: u64,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "small",
        count: 350,
        every_ms: 100,
        seats: 1,
        runs_ms: 200,
    },
    Kind {
        name: "medium",
        count: 100,
        every_ms: 500,
        seats: 5,
        runs_ms: 500,
    },
    Kind {
        name: "large",
        count: 50,
        every_ms: 1200,
        seats: 20,
        runs_ms: 1000,
    },
];

/// What came of it.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How many workloads ran.
    pub ran: usize,
    /// From the first arrival to the last end.
    pub lasted: Duration,
    /// Seats in use, over all that there are, until then.
    pub used: f64,
    /// By kind, how long its workloads waited: the mean, and the longest.
    pub waited: Vec<(&'static str, Duration, Duration)>,
    /// What passing won and cost.
    pub backfilled: Backfilled,
}

/// A workload that comes.
#[derive(Clone, Copy, Debug)]
struct Workload {
    at: u64,
    queue: usize,
    kind: usize,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.lasted.as_secs_f64();
        write!(
            f,
            "{:.1} % used over {secs:.1} s; waited",
            self.used * 100.0
        )?;
        for (kind, mean, most) in &self.waited {
            write!(f, " {kind} {mean:?} ({most:?} at most)")?;
        }
        let Backfilled {
            grants,
            seats_won,
            delayed,
        } = self.backfilled;
        write!(
            f,
            "; {grants} passed: {seats_won:?} of seats won, {delayed:?} of others' delay"
        )
    }
}

/// Lives through it; with patience those that fit may pass one that does not, for that time.
///
/// # Errors
/// If the ledger loses a workload, or has more out than there is.
pub fn run(patience: Option<Duration>) -> anyhow::Result<Profile> {
    let mut books = Books::new(patience)?;
    let mut now = 0;
    let all = workloads();
    let mut coming = all.iter().enumerate().peekable();
    loop {
        while let Some((i, w)) = coming.next_if(|(_, w)| w.at <= now) {
            books.comes(i, *w, now)?;
        }
        let next = coming.peek().map(|(_, w)| w.at);
        let ends = books.ends.first().map(|(t, _)| *t);
        let Some(t) = [next, ends].into_iter().flatten().min() else {
            break;
        };
        now = t;
        books.end_those_due(now)?;
    }
    ensure!(books.ran == all.len(), "{} of {} ran", books.ran, all.len());
    Ok(books.profile(now))
}

/// All that come, in the order in which they do.
fn workloads() -> Vec<Workload> {
    let mut all = Vec::new();
    for queue in 0..COHORTS * QUEUES {
        for (kind, k) in KINDS.iter().enumerate() {
            let each = (0..k.count).map(|n| Workload {
                at: n * k.every_ms,
                queue,
                kind,
            });
            all.extend(each);
        }
    }
    all.sort_by_key(|w| w.at);
    all
}

struct Books {
    ledger: Ledger,
    /// When it was asked for, or granted, and by what.
    asked: BTreeMap<LeaseId, (Workload, u64)>,
    ends: BTreeSet<(u64, LeaseId)>,
    ran: usize,
    out: u32,
    seat_ms: u64,
    looked: u64,
    waits: [Vec<u64>; KINDS.len()],
}

impl Books {
    fn new(patience: Option<Duration>) -> anyhow::Result<Self> {
        let license = license()?;
        let digest = Digest("sha256:".to_owned() + &"5e".repeat(32));
        let settings = Settings {
            instance: InstanceId::from_bytes([1; 16]),
            generation: 1,
            // Nobody waits for so long that it must ask again.
            lease_for: Duration::from_secs(300),
            settle: Duration::ZERO,
            reclaim: Reclaim::Any,
            grace: Duration::from_secs(600),
            outsiders: false,
            limits: Limits::default(),
        };
        let capacity = Capacity::of([(&license, &digest)]);
        let mut ledger = Ledger::new(settings, capacity, at(0));
        ledger.set_policy(Some(policy(patience)?.into()), at(0));
        Ok(Self {
            ledger,
            asked: BTreeMap::new(),
            ends: BTreeSet::new(),
            ran: 0,
            out: 0,
            seat_ms: 0,
            looked: 0,
            waits: std::array::from_fn(|_| Vec::new()),
        })
    }

    fn comes(&mut self, no: usize, w: Workload, now: u64) -> anyhow::Result<()> {
        let claim = claim(no, w)?;
        self.asked.insert(claim.new_id, (w, now));
        self.ledger.claim(claim, at(now))?;
        self.hears(now)
    }

    fn end_those_due(&mut self, now: u64) -> anyhow::Result<()> {
        while let Some((end, id)) = self.ends.pop_first() {
            if end > now {
                self.ends.insert((end, id));
                break;
            }
            let Some((w, _)) = self.asked.remove(&id) else {
                continue;
            };
            self.count(now);
            self.out -= KINDS[w.kind].seats;
            self.ran += 1;
            let gone = self
                .ledger
                .release(&ClaimName::pod(), id, &secret(id), None, at(now));
            ensure!(gone == Ok(true), "{gone:?}");
            self.hears(now)?;
        }
        Ok(())
    }

    /// Who has been granted something begins to run.
    fn hears(&mut self, now: u64) -> anyhow::Result<()> {
        while let Some(e) = self.ledger.next_event() {
            let began = self.asked.get(&e.view.lease).copied();
            let Some((w, asked)) = began.filter(|_| e.view.state == ViewState::Held) else {
                continue;
            };
            let kind = KINDS[w.kind];
            self.count(now);
            self.out += kind.seats;
            let total = OWNED * (QUEUES * COHORTS) as u32;
            ensure!(self.out <= total, "{} of {total} are out", self.out);
            self.waits[w.kind].push(now - asked);
            self.ends.insert((now + kind.runs_ms, e.view.lease));
        }
        Ok(())
    }

    fn count(&mut self, now: u64) {
        self.seat_ms += u64::from(self.out) * (now - self.looked);
        self.looked = now;
    }

    #[allow(clippy::cast_precision_loss)] // both are far below 2^52
    fn profile(self, now: u64) -> Profile {
        let all = u64::from(OWNED) * (QUEUES * COHORTS) as u64 * now;
        let waited = KINDS.iter().zip(&self.waits).map(|(k, w)| {
            let mean = w.iter().sum::<u64>() / (w.len() as u64).max(1);
            let most = w.iter().max().copied().unwrap_or(0);
            (
                k.name,
                Duration::from_millis(mean),
                Duration::from_millis(most),
            )
        });
        Profile {
            ran: self.ran,
            lasted: Duration::from_millis(now),
            used: self.seat_ms as f64 / all as f64,
            waited: waited.collect(),
            backfilled: self.ledger.backfilled(),
        }
    }
}

fn at(ms: u64) -> BootTime {
    BootTime::from_millis(1_000 + ms)
}

fn pool(cohort: usize) -> anyhow::Result<PoolName> {
    Ok(format!("cohort-{cohort}").parse()?)
}

fn license() -> anyhow::Result<License> {
    let each = (0..COHORTS).map(|c| format!("cohort-{c}"));
    let seats = OWNED * QUEUES as u32;
    let pools: Vec<_> = each
        .clone()
        .map(|name| serde_json::json!({"name": name, "seats": seats}))
        .collect();
    let products: Vec<_> = each
        .map(|name| serde_json::json!({"name": name, "from": [[{"pool": name}]]}))
        .collect();
    let license = serde_json::json!({
        "schema": 1, "id": "profile", "customer": "none", "issued": "2026-01-01T00:00:00Z",
        "pools": pools, "products": products, "anchors": [],
    });
    serde_json::from_value(license).context("the profile's license")
}

fn policy(patience: Option<Duration>) -> anyhow::Result<SeatPolicy> {
    let group = |queue: usize| -> anyhow::Result<PolicyGroup> {
        let rights = PoolRights {
            owned: OWNED,
            max: Some(OWNED + BORROWED),
            lend: None,
        };
        Ok(PolicyGroup {
            name: namespace(queue),
            namespaces: vec![namespace(queue)],
            pools: [(pool(queue / QUEUES)?, rights)].into(),
            ..PolicyGroup::default()
        })
    };
    let mut backfill = BTreeMap::new();
    if let Some(patience) = patience {
        for cohort in 0..COHORTS {
            backfill.insert(pool(cohort)?, Backfill { patience });
        }
    }
    let groups = (0..COHORTS * QUEUES).map(group);
    Ok(SeatPolicy {
        name: "cohorts".into(),
        notice: Duration::from_secs(60),
        groups: groups.collect::<anyhow::Result<_>>()?,
        backfill,
        ..SeatPolicy::default()
    })
}

fn namespace(queue: usize) -> String {
    format!("queue-{queue}")
}

fn claim(no: usize, w: Workload) -> anyhow::Result<Claim> {
    let kind = KINDS[w.kind];
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(no as u64 + 1).to_be_bytes());
    let id = LeaseId::from_bytes(id);
    let asks = format!("{}:{}", pool(w.queue / QUEUES)?, kind.seats);
    let holder = Holder::Pod {
        namespace: namespace(w.queue),
        pod: format!("{}-{no}", kind.name),
        uid: format!("uid-{no}"),
        service_account: "default".into(),
        node: None,
    };
    let items = request::parse(&asks)?;
    let known = (secret(id).hash(), id);
    Ok(Claim::new(holder, ClaimName::pod(), items, known))
}

fn secret(id: LeaseId) -> Secret {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&id.to_bytes());
    Secret::from_bytes(bytes)
}
