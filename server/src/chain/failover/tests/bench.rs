//! A failover over simulated anchors and a simulated clock, with a license file of its own.

use super::super::*;
use crate::keeper::Keeper;
use crate::license::{LicenseFiles, Memory};
use crate::tests::chain::{at, chain, state_of};
use crate::tests::license;
use mooring_core::frontend::{Clock, answer};
use mooring_core::identity::Holder;
use mooring_core::ledger::{Granted, Part, SeatDates};
use mooring_core::license::{
    AnchorKind, AppClock, Bundle, Demand, Envelope, License, SigningKey, Standby, armour, types,
    verify,
};
use mooring_core::names::{ClaimName, LeaseId, ProductName, Seats};
use mooring_core::request::Item;
use mooring_core::secret::Secret;
use mooring_core::wire::Problem;
use mooring_testkit::vendor;
use std::sync::Mutex;

pub(super) const NOON: &str = "2026-05-01T12:00:00Z";
/// What the boot clock reads at noon, in milliseconds.
const BOOT: u64 = 1_000_000;

/// The simulated world: one clock, and which anchors are plugged in.
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<Inner>>);

struct Inner {
    /// Milliseconds since noon.
    ms: u64,
    /// How far the wall clock was set off.
    wall_off: i64,
    plugged: [bool; 2],
    /// Another token than the license's is plugged in, in the place of each.
    foreign: [bool; 2],
    /// How long a signature takes.
    sign_ms: u64,
    /// How often each was opened, and what they signed.
    opened: [usize; 2],
    signed: [usize; 2],
}

impl World {
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }

    pub(super) fn now(&self) -> Now {
        self.with(|w| {
            let wall = at(NOON).as_millisecond() + i64::try_from(w.ms).unwrap() + w.wall_off;
            Now {
                boot: BootTime::from_millis(BOOT + w.ms),
                wall: mooring_core::time::Timestamp::from_millisecond(wall).unwrap(),
            }
        })
    }

    pub(super) fn ms(&self) -> u64 {
        self.with(|w| w.ms)
    }

    pub(super) fn pass(&self, ms: u64) {
        self.with(|w| w.ms += ms);
    }

    pub(super) fn plug(&self, anchor: usize, is: bool) {
        self.with(|w| w.plugged[anchor] = is);
    }

    pub(super) fn exchange(&self, anchor: usize, foreign: bool) {
        self.with(|w| w.foreign[anchor] = foreign);
    }

    pub(super) fn set_wall_off(&self, ms: i64) {
        self.with(|w| w.wall_off = ms);
    }

    pub(super) fn set_sign_ms(&self, ms: u64) {
        self.with(|w| w.sign_ms = ms);
    }

    pub(super) fn opened(&self, anchor: usize) -> usize {
        self.with(|w| w.opened[anchor])
    }

    pub(super) fn signed(&self, anchor: usize) -> usize {
        self.with(|w| w.signed[anchor])
    }
}

/// A simulated anchor.
pub(super) struct SimAnchor {
    world: World,
    index: usize,
    open: bool,
    /// Which token was opened.
    foreign: bool,
}

pub(super) fn key(anchor: usize) -> SigningKey {
    SigningKey::from_seed(&[5 + u8::try_from(anchor).unwrap(); 32]).unwrap()
}

impl SimAnchor {
    fn there(&self) -> Result<(), Lost> {
        if self.world.with(|w| w.plugged[self.index]) {
            Ok(())
        } else {
            Err(Lost::new(
                AnchorReason::TokenLost,
                format!("anchor {} was pulled out", self.index),
            ))
        }
    }
}

impl Anchor for SimAnchor {
    fn kind(&self) -> AnchorKind {
        AnchorKind::Pkcs11
    }

    async fn open(&mut self, _wanted: &[PublicKey]) -> Result<Vec<PublicKey>, Lost> {
        self.there()?;
        self.world.with(|w| w.opened[self.index] += 1);
        self.open = true;
        self.foreign = self.world.with(|w| w.foreign[self.index]);
        let index = if self.foreign { 7 } else { self.index };
        Ok(vec![key(index).public()])
    }

    async fn sign(&mut self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        self.there()?;
        assert!(self.open && entry.key == key(self.index).public());
        // Time passes while it signs, and it may be pulled meanwhile.
        self.world.with(|w| w.ms += w.sign_ms);
        self.there()?;
        self.world.with(|w| w.signed[self.index] += 1);
        Ok(key(self.index).sign(message))
    }

    async fn present(&mut self, _entry: Option<&AnchorKey>) -> Result<(), Lost> {
        assert!(self.open);
        if self.foreign != self.world.with(|w| w.foreign[self.index]) {
            return Err(Lost::new(AnchorReason::TokenLost, "it was exchanged"));
        }
        self.there()
    }

    async fn close(&mut self) {
        self.open = false;
    }
}

/// What outlives a run.
fn keeper(dir: &tempfile::TempDir) -> Arc<Keeper> {
    Keeper::in_file(dir.path().join("state.json"))
}

/// Everything that a run needs.
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) failover: Failover<SimAnchor>,
    pub(super) file: LicenseFiles,
    pub(super) chain: Arc<Chain>,
    /// What license and anchor allow, as the last step left it.
    pub(super) authority: Arc<Authority>,
    pub(super) dir: tempfile::TempDir,
    pub(super) license: License,
}

/// The two anchors; the second as the standby of so many days, if there are any.
pub(super) fn two(days: u32) -> License {
    let mut l = license(key(0).public());
    l.expires = Some(at("2027-03-01T00:00:00Z"));
    if days > 0 {
        let first = l.anchors[0].clone();
        l.anchors.push(AnchorKey {
            key: key(1).public(),
            standby: Some(Standby { days }),
            ..first
        });
    }
    l
}

impl Bench {
    pub(super) fn new(license: &License) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = World(Arc::new(Mutex::new(Inner {
            ms: 0,
            wall_off: 0,
            plugged: [true; 2],
            foreign: [false; 2],
            sign_ms: 0,
            opened: [0; 2],
            signed: [0; 2],
        })));
        let chain = Arc::new(chain(1, NOON));
        let config = mooring_config::Config {
            licenses: vec![dir.path().join("license")],
            vendor_keys: Some(dir.path().join("keys")),
            revocations: None,
            ..mooring_config::print::example()
        };
        let file = LicenseFiles::new(&config, Memory::new(keeper(&dir)));
        std::fs::write(dir.path().join("keys"), vendor().public().to_string()).unwrap();
        let failover = Self::start(&world, &chain, &dir, license);
        let mut this = Self {
            world,
            failover,
            file,
            chain,
            authority: Arc::new(state_of(1, NOON)),
            dir,
            license: license.clone(),
        };
        this.issue(license);
        this
    }

    fn start(
        world: &World,
        chain: &Arc<Chain>,
        dir: &tempfile::TempDir,
        license: &License,
    ) -> Failover<SimAnchor> {
        let anchors = (0..license.anchors.len()).map(|index| SimAnchor {
            world: world.clone(),
            index,
            open: false,
            foreign: false,
        });
        let served = Served::new(keeper(dir));
        let time = world.clone();
        let metrics = Arc::new(Metrics::new().unwrap());
        Failover::new(
            anchors.collect(),
            served,
            chain.clone(),
            metrics,
            Lease::default(),
            Box::new(move || time.now()),
            state_of(1, NOON).anchor,
        )
    }

    /// The process dies and comes back.
    pub(super) fn restart(&mut self) {
        self.failover = Self::start(&self.world, &self.chain, &self.dir, &self.license);
    }

    /// A new license file.
    pub(super) fn issue(&mut self, license: &License) {
        let envelope = Envelope::sign(types::LICENSE, license, &vendor()).unwrap();
        std::fs::write(self.dir.path().join("license"), armour(&envelope).unwrap()).unwrap();
        let wall = self.world.now().wall;
        self.file.look(wall, self.failover.keys().as_deref());
        self.license = license.clone();
    }

    /// What the anchor task does each second.
    pub(super) async fn step(&mut self) {
        self.failover.step(&mut self.file).await;
        self.authority = Arc::new(self.failover.authority(&self.file, self.world.now()));
    }

    /// Steps, a second each, until this much has passed.
    pub(super) async fn run(&mut self, secs: u64) {
        self.run_by(1, secs).await;
    }

    /// The same by longer steps.
    pub(super) async fn run_by(&mut self, step: u64, secs: u64) {
        let end = self.world.ms() + secs * 1000;
        while self.world.ms() < end {
            self.step().await;
            self.world.pass(step * 1000);
        }
    }

    /// The reason that people see.
    pub(super) fn reason(&self) -> &'static str {
        self.authority.anchor.reason.name()
    }

    /// Asks for a renewal, as a request does: the rule, then a signature.
    pub(super) fn renew(&self) -> Result<Bundle, Problem> {
        let now = self.world.now();
        let f = self.authority.may_sign(now, clock())?;
        Ok(self.sign(&f))
    }

    /// Signs, whatever the rule says.
    pub(super) fn sign(&self, f: &InForce) -> Bundle {
        let now = self.world.now();
        answer::token(&mut &*self.chain, f, &granted(now.boot, f), now, None).unwrap()
    }

    /// What an application makes of it.
    pub(super) fn verified(&self, bundle: &Bundle) -> Result<(), String> {
        let product = ProductName::new("render").unwrap();
        let demand = Demand::of(&product);
        verify(
            bundle,
            &[vendor().public()],
            &demand,
            &AppClock::at(self.world.now().wall),
        )
        .map(|_| ())
        .map_err(|e| e.to_string())
    }
}

/// Of a run that began at noon.
pub(super) fn clock() -> Clock {
    let started = Now {
        boot: BootTime::from_millis(BOOT),
        wall: at(NOON),
    };
    Clock {
        started,
        echoed: None,
    }
}

fn granted(received: BootTime, f: &InForce) -> Granted {
    let items = vec![Item {
        product: ProductName::new("render").unwrap(),
        seats: Seats::new(1).unwrap(),
        version: None,
    }];
    let secret = Secret::from_bytes([3; 32]);
    Granted {
        lease: LeaseId::from_bytes([2; 16]),
        claim: ClaimName::new("pod").unwrap(),
        holder: Holder::External {
            subject: "a".into(),
        },
        parts: vec![Part {
            license: f.delegation.licenses[0].clone(),
            items: items.clone(),
            draws: Vec::new(),
        }],
        items,
        counter: 1,
        received,
        dates: SeatDates::default(),
        overdraft: 0,
        secret_hash: secret.hash(),
        bind: None,
        claims: None,
        family: None,
        called_back: None,
        handover: None,
        handed: None,
    }
}
