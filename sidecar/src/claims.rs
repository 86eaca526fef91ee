//! The claims' lives: the pod's from start to end, the application's own from a call to a call or
//! as long as a connection, and all of them over a crash.
//!
//! Everything here happens between two awaits of a runtime with one thread: what was checked stays
//! true until it is used.

use crate::alarm::Alarm;
use crate::driver::Driver;
use crate::registry::{ClaimId, Found, LineId, Registry};
use crate::servers::Servers;
use crate::store::{About, Document, Folder, Store, StoreError};
use crate::users::{Asker, Uid, Users, looks_like_a_users, name_at_server};
use mooring_core::holder::drive::Drive;
use mooring_core::holder::{Saved, Spec};
use mooring_core::names::{ClaimName, ProjectName};
use mooring_core::policy::Start;
use mooring_core::request::{self, Item};
use mooring_core::secret::{Secret, SecretHash};
use mooring_core::wire::{ClaimKind, HoldState, Problem, ProblemType, SECRET_HEADER};
use mooring_net::head::bad_field;
use mooring_net::sync::lock;
use mooring_net::{clock, random, shutdown::Shutdown};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// Run-time claims and holds at once; with the pod's own they are what a server takes from one
/// holder.
pub(crate) const RUN_TIME: usize = 15;
/// Of them, one user's of the machine.
const RUN_TIME_OF_ONE: usize = RUN_TIME / 2;
/// Those that are being given back at once: each is bounded in time, a loop of claiming and giving
/// back needs a bound, too.
const LEAVING: usize = 32;
/// How long a hold that a crash left waits for its connection to come back.
const ORPHANED: Duration = Duration::from_secs(10);
/// The pause before a claim's task is started again.
const AFTER_A_DEFECT: Duration = Duration::from_secs(1);
/// What holds' names begin with.
pub(crate) const HOLD: &str = "hold-";

/// What all claims of this sidecar have in common.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) contact: Duration,
    /// What the seats of all its claims are used for.
    pub(crate) project: Option<ProjectName>,
}

pub(crate) struct Claims {
    pub(crate) registry: Arc<Registry>,
    pub(crate) servers: Servers,
    folder: Folder,
    terms: Terms,
    /// Whether its askers are strangers to each other.
    apart: bool,
    stop: Shutdown,
    /// Each claim's task has a copy; `None` once the sidecar ends.
    alive: Mutex<Option<mpsc::Sender<()>>>,
}

impl Claims {
    /// With no claim yet. Each task that lives keeps the receiver's other end: it says when all
    /// have ended.
    pub(crate) fn new(
        servers: Servers,
        folder: Folder,
        terms: Terms,
        users: Users,
        stop: Shutdown,
    ) -> (Arc<Self>, mpsc::Receiver<()>) {
        let (alive, all_ended) = mpsc::channel(1);
        let registry = Registry::new(servers.names());
        let this = Self {
            registry,
            servers,
            folder,
            terms,
            apart: users != Users::Together,
            stop,
            alive: Mutex::new(Some(alive)),
        };
        (Arc::new(this), all_ended)
    }

    pub(crate) fn close(&self) {
        *lock(&self.alive) = None;
    }

    /// The pod's own claim, going on from what was saved if a crash came before.
    pub(crate) fn pod(&self, items: Vec<Vec<Item>>, start: Start) -> Result<(), StoreError> {
        let about = About {
            name: ClaimName::pod(),
            kind: ClaimKind::Pod,
            items,
            start,
            owner: None,
            bind: None,
            project: self.terms.project.clone(),
        };
        let store = self.folder.pod(&about.name);
        let saved = store.load()?.map(|d| d.lines).unwrap_or_default();
        if !saved.is_empty() {
            tracing::info!(claim = %about.name, "going on with the lease of before the restart");
        }
        let drives = self.lines(&about, saved);
        // Said now rather than at the first renewal: a state directory that cannot be written is a
        // wrong configuration.
        let names = self.servers.iter().map(|s| s.client.server());
        store.save(&about, names.zip(drives.iter().map(Drive::saved)))?;
        self.live(&about, &store, drives);
        Ok(())
    }

    /// A claim's line at each server: of before a crash as far as it was saved then.
    fn lines(&self, about: &About, mut saved: BTreeMap<String, Saved>) -> Vec<Drive> {
        let now = clock::boot();
        let line = |n: usize| {
            let (spec, server) = (self.spec(about, n), self.servers.get(n));
            match saved.remove(server.client.server()) {
                Some(saved) => Drive::restore(spec, about.kind, saved, now),
                None => Drive::new(spec, about.kind, random::secret(), now),
            }
        };
        (0..self.servers.count()).map(line).collect()
    }

    /// The application's claims of before a crash. Holds whose connection does not come back are
    /// given back.
    pub(crate) fn restore(self: &Arc<Self>) -> Result<(), StoreError> {
        for (store, Document { about, lines, .. }) in self.folder.left_behind()? {
            let leaving = lines.values().any(Saved::is_leaving);
            tracing::info!(claim = %about.name, leaving, "going on with the lease of before the restart");
            let mut drives = self.lines(&about, lines);
            if leaving {
                // Nothing is claimed for it any more, also not at a server that is new here.
                let now = clock::boot();
                for drive in &mut drives {
                    // It was saved that it leaves.
                    let _ = drive.leave(now);
                }
            }
            self.live(&about, &store, drives);
        }
        let mut orphans = self.registry.orphans();
        if !orphans.is_empty() {
            let (this, until) = (self.clone(), clock::boot() + ORPHANED);
            tokio::spawn(async move {
                clock::sleep_until(until).await;
                let still = this.registry.orphans();
                orphans.retain(|id| still.contains(id));
                for id in orphans {
                    tracing::info!("a hold's connection did not come back after the restart");
                    this.give_back(id);
                }
            });
        }
        Ok(())
    }

    /// `PUT /v1/claims/{name}`: a new claim, or the one there is.
    pub(crate) fn ask(
        &self,
        name: ClaimName,
        items: Vec<Item>,
        start: Start,
        asker: Asker,
    ) -> Result<ClaimId, Problem> {
        let found = self.registry.find(name.as_str(), asker, clock::boot());
        let own = |f: &Found| f.kind == ClaimKind::Pod || f.owner == asker.owner;
        if let Some(found) = found.filter(own) {
            match found.kind {
                ClaimKind::Pod => return Err(pods_own(&name)),
                // Asked again: by a new claim, since a refused one asks by itself only after a
                // while.
                ClaimKind::Claim if found.state == HoldState::Refused => self.give_back(found.id),
                _ if found.items == items => return Ok(found.id),
                _ => {
                    let (state, has) = (found.state, request::print(&found.items));
                    let wanted = request::print(&items);
                    let detail = format!(
                        "claim \"{name}\" is {state} for {has}; give it back first (DELETE) to claim {wanted}"
                    );
                    return Err(Problem::new(ProblemType::ClaimChanged, detail).field("items"));
                }
            }
        }
        self.begin(&About {
            name,
            kind: ClaimKind::Claim,
            items: vec![items],
            start,
            owner: asker.owner,
            bind: None,
            project: self.terms.project.clone(),
        })
    }

    /// `POST /v1/hold`: a new claim under a name that nobody can guess. The caller sees to it that
    /// it is given back.
    pub(crate) fn hold(
        &self,
        items: Vec<Item>,
        start: Start,
        bind: Option<SecretHash>,
        asker: Asker,
    ) -> Result<ClaimId, Problem> {
        let id = self.begin(&About {
            name: hold_name()?,
            kind: ClaimKind::Hold,
            items: vec![items],
            start,
            owner: asker.owner,
            bind,
            project: self.terms.project.clone(),
        })?;
        self.registry.follow(id);
        Ok(id)
    }

    /// `POST /v1/hold?resume=…`: the hold that a crash left, for who took it.
    pub(crate) fn resume(
        &self,
        name: &str,
        secret: Option<&Secret>,
        asker: Asker,
    ) -> Result<ClaimId, Problem> {
        let found = self.registry.find(name, asker, clock::boot());
        let own = |f: &Found| f.kind == ClaimKind::Hold && f.owner == asker.owner;
        let Some(found) = found.filter(own) else {
            let detail = "no hold of this name is left: it was given back when its connection ended, or 10 s after \
                          the sidecar's restart; take a new one";
            return Err(Problem::new(ProblemType::NotFound, detail).field("resume"));
        };
        may_touch(&found, secret)?;
        if self.registry.follow(found.id) {
            return Ok(found.id);
        }
        let detail = "this hold's connection is there; a hold has one";
        Err(Problem::new(ProblemType::ClaimChanged, detail).field("resume"))
    }

    /// `DELETE /v1/claims/{name}` of a claim that was found: of a hold only by who took it, and at
    /// an agent by who sees to all of them.
    pub(crate) fn give_back_of(
        &self,
        found: &Found,
        secret: Option<&Secret>,
        asker: Asker,
    ) -> Result<(), Problem> {
        if !(self.apart && asker.all && found.owner != asker.owner) {
            may_touch(found, secret)?;
        }
        self.give_back(found.id);
        Ok(())
    }

    /// Gives a run-time claim back. Its name is free at once; the release goes on by itself.
    pub(crate) fn give_back(&self, id: ClaimId) {
        self.registry.leave(id, clock::boot());
    }

    fn begin(&self, about: &About) -> Result<ClaimId, Problem> {
        if about.owner.is_some_and(Uid::is_nobody) {
            let detail = "the kernel does not say which user of this machine asks (65534, as of a container with users of its own): \
                          what is whose could not be told apart; ask from a user that the machine knows";
            return Err(Problem::new(ProblemType::NotEntitled, detail));
        }
        if about.owner.is_none() && self.apart && looks_like_a_users(&about.name) {
            let expected = "expected a name that does not begin with u, digits and a point: such are other users' at the license server";
            return Err(bad_field("name", expected));
        }
        let whole = name_at_server(about.owner, &about.name);
        let taken = whole.as_ref().map_or(usize::MAX, |n| n.as_str().len());
        if taken > self.servers.longest_name() {
            let prefix = taken.saturating_sub(about.name.as_str().len());
            let longest = self.servers.longest_name().saturating_sub(prefix);
            let expected = format!("expected at most {longest} characters outside Kubernetes");
            return Err(bad_field("name", expected));
        }
        let of_one = self.registry.count(Some(about.owner));
        if about.owner.is_some() && of_one.live >= RUN_TIME_OF_ONE {
            let detail = format!(
                "this user has {RUN_TIME_OF_ONE} claims and holds at this agent already; give some back first"
            );
            return Err(Problem::new(ProblemType::TooManyClaims, detail));
        }
        let count = self.registry.count(None);
        if count.live >= RUN_TIME {
            let detail = format!(
                "this sidecar has {RUN_TIME} claims and holds of its application already; give some back first"
            );
            return Err(Problem::new(ProblemType::TooManyClaims, detail));
        }
        if count.leaving >= LEAVING {
            let detail = format!(
                "{LEAVING} claims are still being given back to the license server; ask again later"
            );
            return Err(Problem::new(ProblemType::TooManyClaims, detail).retry_after(2));
        }
        let unique = hex::encode(random::bytes::<4>());
        let store = self.folder.run_time(&about.name, &unique);
        let drives = self.lines(about, BTreeMap::new());
        self.live(about, &store, drives).ok_or_else(|| {
            let detail = "the sidecar is ending; it takes no new claim";
            Problem::new(ProblemType::Overloaded, detail)
        })
    }

    /// A claim's line at the n-th server.
    fn spec(&self, about: &About, n: usize) -> Spec {
        let server = self.servers.get(n);
        let (offline_start, items) = (&server.offline_start, about.items_of(n));
        let start = offline_start.start(about.start, items, clock::now().wall);
        Spec {
            contact: self.terms.contact,
            max_grace: server.max_grace,
            is_a_line: self.servers.count() > 1,
            is_a_part: about.parts(self.servers.count()).iter().any(|p| *p > 0),
            bind: about.bind,
            project: about.project.clone(),
            ..Spec::new(about.name_at_server(), items.to_vec(), start)
        }
    }

    /// Puts it on the registry and starts its lines' tasks; not any more once the sidecar ends.
    fn live(&self, about: &About, store: &Store, drives: Vec<Drive>) -> Option<ClaimId> {
        let alive = lock(&self.alive).clone()?;
        let alarms: std::io::Result<Vec<Alarm>> = drives.iter().map(|_| Alarm::new()).collect();
        let alarms =
            alarms.inspect_err(|e| tracing::error!(error = %e, "a timer on the boot clock"));
        let (of_slot, lies_in, now) = (about.clone(), store.clone(), clock::boot());
        let alarms = alarms.ok()?;
        let (claim, wakes) = self.registry.add(of_slot, lies_in, drives, now);
        for (server, (alarm, wake)) in alarms.into_iter().zip(wakes).enumerate() {
            let driver = Driver {
                id: LineId { claim, server },
                about: about.clone(),
                registry: self.registry.clone(),
                client: self.servers.get(server).client.clone(),
                store: store.clone(),
                alarm: Arc::new(alarm),
                wake,
            };
            tokio::spawn(supervise(driver, self.stop.clone(), alive.clone()));
        }
        Some(claim)
    }
}

/// Keeps a line's task alive until the line was given back.
async fn supervise(driver: Driver, stop: Shutdown, alive: mpsc::Sender<()>) {
    loop {
        let task = tokio::spawn(driver.clone().run(stop.clone()));
        let Err(error) = task.await else { break };
        // Only a defect ends it. To exit would not help: under some restart policies that hangs the
        // pod.
        tracing::error!(%error, "a claim's task ended; going on from what was saved");
        if stop.is_asked() {
            break;
        }
        tokio::time::sleep(AFTER_A_DEFECT).await;
        driver.begin_again();
    }
    if driver.registry.is_leaving(driver.id.claim) {
        driver.registry.remove(driver.id, clock::boot());
    }
    drop(alive);
}

/// The problem with asking for, or giving back, a claim that the annotation makes.
pub(crate) fn pods_own(name: &ClaimName) -> Problem {
    let detail = format!(
        "claim \"{name}\" is the pod's own, from the annotation mooring.dev/licenses (or --licenses); it lives as long as \
         the sidecar. Take another name"
    );
    Problem::new(ProblemType::ClaimChanged, detail).field("name")
}

/// Whether who shows this secret took the hold, if that is known.
fn may_touch(found: &Found, secret: Option<&Secret>) -> Result<(), Problem> {
    let Some(bind) = found.bind else {
        return Ok(());
    };
    let detail = match secret {
        Some(s) if bind.matches(s) => return Ok(()),
        Some(_) => "the secret is not that of the application that took this hold",
        None => {
            "this hold is its application's own; expected its secret, whose hash was sent with it (?bind=)"
        }
    };
    Err(Problem::new(ProblemType::ClaimChanged, detail).field(SECRET_HEADER))
}

fn hold_name() -> Result<ClaimName, Problem> {
    // 88 random bits: nobody else in the pod takes up a hold that is not theirs.
    let name = format!("{HOLD}{}", hex::encode(random::bytes::<11>()));
    ClaimName::new(&name).map_err(|e| Problem::new(ProblemType::BadRequest, e.to_string()))
}
