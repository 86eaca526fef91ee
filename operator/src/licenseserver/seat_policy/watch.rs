//! What makes LicensePolicies be looked at, and the look: gathers what license servers say, tries a
//! dry run out, and writes the status where it changed.
//!
//! Of the policies themselves only their heads are watched, and of namespaces a hash of their
//! labels is kept: a policy is read when it is looked at.

use super::agenda::Agenda;
use super::named::PolicyName;
use super::resolve::{resolved, selects};
use super::status::{OnServer, PolicyFacts, status};
use crate::cache::watches::PAGE;
use crate::kubernetes::{apply_params, unless};
use crate::licenseserver::context::ControllerContext;
use crate::watch::watch;
use crate::watched::Head;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Patch;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::Store;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource as _, ResourceExt as _};
use mooring_api::names::ServerRef;
use mooring_api::{BadPolicy, LicensePolicy, LicensePolicyStatus, LicenseServer, NamespacesFrom};
use mooring_core::annotation::PROJECTS;
use mooring_core::policy::SeatPolicy;
use mooring_core::wire::PolicyTest;
use serde_json::json;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until, timeout};

/// How long after a change of a policy its status is written: what license servers say of it goes
/// into the same write.
const AFTER_CHANGE: Duration = Duration::from_millis(1500);
/// How long after news of a license server.
const AFTER_NEWS: Duration = Duration::from_millis(500);
/// How long changes of namespaces are gathered.
const AFTER_LABELS: Duration = Duration::from_secs(1);
/// How often a policy is looked at without a reason, and a dry run tried out.
const LOOK: Duration = Duration::from_secs(60);
/// How long a look may take, and how long after a failed one it is tried again.
const PATIENCE: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_secs(5);

/// What of a policy's head says that it is another one.
type Mark = (Option<String>, Option<i64>);

/// What was made of a policy, until it or a namespace changes.
struct Known {
    made_of: (Mark, u64),
    selects: bool,
    seats: Result<SeatPolicy, BadPolicy>,
    /// By server, how a dry run was answered last, and when.
    tried: HashMap<String, (Instant, Result<PolicyTest, String>)>,
}

struct Desk {
    ctx: Arc<ControllerContext>,
    servers: Store<LicenseServer>,
    /// Has LicenseServers looked at.
    changed: UnboundedSender<ServerRef>,
    agenda: Agenda,
    marks: HashMap<PolicyName, Mark>,
    known: HashMap<PolicyName, Known>,
    /// By namespace a hash of its labels and of what it allows, and how often any has changed.
    labels: HashMap<String, u64>,
    labels_listed: bool,
    epoch: u64,
    labels_due: Option<Instant>,
}

/// Runs until dropped. `news`: policies of which a license server says something new.
pub(in crate::licenseserver) async fn run(
    ctx: Arc<ControllerContext>,
    servers: Store<LicenseServer>,
    changed: UnboundedSender<ServerRef>,
    mut news: UnboundedReceiver<PolicyName>,
) {
    let client = ctx.client().clone();
    let config = || watcher::Config::default().page_size(PAGE);
    let policies: Api<Head<LicensePolicy>> = Api::all(client.clone());
    let mut policies = Box::pin(watch(policies, config()));
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    let mut namespaces = Box::pin(watch(namespaces, config()));
    let mut desk = Desk {
        ctx,
        servers,
        changed,
        agenda: Agenda::default(),
        marks: HashMap::new(),
        known: HashMap::new(),
        labels: HashMap::new(),
        labels_listed: false,
        epoch: 0,
        labels_due: None,
    };
    let (mut policies_listed, mut namespaces_listed) = (HashSet::new(), HashSet::new());
    loop {
        let far = Instant::now() + LOOK;
        let due = desk.agenda.next().unwrap_or(far);
        let labels_due = desk.labels_due.unwrap_or(far);
        tokio::select! {
            event = policies.try_next() => match event {
                Ok(Some(event)) => desk.policy(event, &mut policies_listed),
                Ok(None) => return,
                Err(e) => tracing::warn!(error = %e, "watching LicensePolicies"),
            },
            event = namespaces.try_next() => match event {
                Ok(Some(event)) => desk.namespace(event, &mut namespaces_listed),
                Ok(None) => return,
                Err(e) => tracing::warn!(error = %e, "watching namespaces"),
            },
            Some(policy) = news.recv() => desk.soon(policy, AFTER_NEWS),
            () = sleep_until(labels_due), if desk.labels_due.is_some() => desk.labels_changed(),
            () = sleep_until(due) => {
                if let Some(policy) = desk.agenda.take(Instant::now()) {
                    desk.look(policy).await;
                }
            }
        }
    }
}

fn hash(labelled: &impl kube::Resource) -> u64 {
    let mut hasher = DefaultHasher::new();
    labelled.labels().hash(&mut hasher);
    labelled.annotations().get(PROJECTS).hash(&mut hasher);
    hasher.finish()
}

fn name_of(policy: &Head<LicensePolicy>) -> PolicyName {
    PolicyName::new(policy.namespace().unwrap_or_default(), policy.name_any())
}

impl Desk {
    fn soon(&mut self, policy: PolicyName, after: Duration) {
        self.agenda.at(policy, Instant::now() + after);
    }

    fn policy(&mut self, event: Event<Head<LicensePolicy>>, listed: &mut HashSet<PolicyName>) {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(p) => {
                listed.insert(name_of(&p));
                self.policy_seen(&p);
            }
            Event::InitDone => {
                let marks = self.marks.keys();
                let gone: Vec<_> = marks.filter(|p| !listed.contains(*p)).cloned().collect();
                for p in gone {
                    self.policy_gone(&p);
                }
            }
            Event::Apply(p) => self.policy_seen(&p),
            Event::Delete(p) => self.policy_gone(&name_of(&p)),
        }
    }

    /// A status alone is no news.
    fn policy_seen(&mut self, policy: &Head<LicensePolicy>) {
        let (name, mark) = (name_of(policy), (policy.uid(), policy.meta().generation));
        if self.marks.insert(name.clone(), mark.clone()) != Some(mark) {
            self.wake(&name);
            self.soon(name, AFTER_CHANGE);
        }
    }

    fn policy_gone(&mut self, name: &PolicyName) {
        self.marks.remove(name);
        self.known.remove(name);
        self.wake(name);
    }

    fn namespace(
        &mut self,
        event: Event<PartialObjectMeta<Namespace>>,
        listed: &mut HashSet<String>,
    ) {
        let differs = match event {
            Event::Init => {
                listed.clear();
                false
            }
            Event::InitApply(n) => {
                listed.insert(n.name_any());
                self.labelled_otherwise(&n)
            }
            Event::InitDone => {
                let before = self.labels.len();
                self.labels.retain(|n, _| listed.contains(n));
                // At the start each LicenseServer is looked at anyway.
                let again = std::mem::replace(&mut self.labels_listed, true);
                again && self.labels.len() < before
            }
            Event::Apply(n) => self.labelled_otherwise(&n),
            Event::Delete(n) => self.labels.remove(&n.name_any()).is_some(),
        };
        if differs && self.labels_listed {
            let due = Instant::now() + AFTER_LABELS;
            self.labels_due.get_or_insert(due);
        }
    }

    /// Keeps a namespace's labels; tells whether they are others than before.
    fn labelled_otherwise(&mut self, namespace: &PartialObjectMeta<Namespace>) -> bool {
        let labels = hash(namespace);
        self.labels.insert(namespace.name_any(), labels) != Some(labels)
    }

    /// Whatever selects namespaces is looked at.
    fn labels_changed(&mut self) {
        self.labels_due = None;
        self.epoch += 1;
        let selects = |(p, k): (&PolicyName, &Known)| k.selects.then(|| p.clone());
        let policies: Vec<PolicyName> = self.known.iter().filter_map(selects).collect();
        for p in policies {
            self.wake(&p);
            self.soon(p, AFTER_CHANGE);
        }
        self.wake_those(|s| s.spec.allowed_namespaces.from == NamespacesFrom::Selector);
    }

    /// Has the LicenseServers looked at that name a policy.
    fn wake(&self, policy: &PolicyName) {
        self.wake_those(|s| policy.is_named_by(s));
    }

    fn wake_those(&self, those: impl Fn(&LicenseServer) -> bool) {
        for server in self.servers.state().iter().filter(|s| those(s)) {
            let server = server.reference();
            self.ctx.remember(&server, |m| m.dirty = true);
            let _ = self.changed.send(server);
        }
    }

    async fn look(&mut self, name: PolicyName) {
        let looked = timeout(PATIENCE, self.looked(&name)).await;
        let again = match looked {
            Ok(Ok(true)) => LOOK,
            Ok(Ok(false)) => return,
            Ok(Err(e)) => {
                tracing::warn!(policy = ?name, error = %e, "looking at a LicensePolicy; tried again");
                AGAIN
            }
            Err(_) => {
                tracing::warn!(policy = ?name, "looking at a LicensePolicy takes too long; tried again");
                AGAIN
            }
        };
        self.soon(name, again);
    }

    /// One look; whether the policy is there.
    async fn looked(&mut self, name: &PolicyName) -> Result<bool, kube::Error> {
        let client = self.ctx.client().clone();
        let api: Api<LicensePolicy> = Api::namespaced(client.clone(), &name.namespace);
        let Some(policy) = api.get_opt(&name.name).await? else {
            self.known.remove(name);
            return Ok(false);
        };
        let made_of = ((policy.uid(), policy.metadata.generation), self.epoch);
        if self.known.get(name).is_none_or(|k| k.made_of != made_of) {
            let known = Known {
                made_of,
                selects: selects(&policy.spec),
                seats: resolved(&policy, &client).await?,
                tried: HashMap::new(),
            };
            self.known.insert(name.clone(), known);
        }
        let mut servers = self.of(name, &policy);
        let Some(known) = self.known.get_mut(name) else {
            return Ok(true);
        };
        if policy.spec.dry_run {
            try_out(&self.ctx, name, known, &mut servers).await;
        }
        let now = status(&PolicyFacts {
            policy: &policy,
            seats: &known.seats,
            servers: &servers,
            now: mooring_net::clock::now().wall,
        });
        if policy.status.as_ref() != Some(&now) {
            write(&api, &policy, &now).await?;
        }
        Ok(true)
    }

    /// The LicenseServers that name it, and those that it is to be tried out on, by name.
    fn of(&self, name: &PolicyName, policy: &LicensePolicy) -> Vec<OnServer> {
        let all = self.servers.state();
        let named = all.iter().filter(|s| name.is_named_by(s));
        let mut names: Vec<String> = named.map(|s| s.name_any()).collect();
        names.extend(policy.spec.dry_run_on.iter().cloned());
        names.sort();
        names.dedup();
        let on = |server: String| {
            let reference = ServerRef::new(&name.namespace, &server);
            let facts = self.ctx.recall(&reference).facts;
            let is_there = |s: &&Arc<LicenseServer>| s.reference() == reference;
            OnServer {
                is_there: all.iter().any(|s| is_there(&s)),
                named: facts.named,
                policies: facts.policies,
                snapshot: self.ctx.connections.snapshot(&reference),
                tried: None,
                name: server,
            }
        };
        names.into_iter().map(on).collect()
    }
}

/// Asks each server what a policy would change, once in a while.
async fn try_out(
    ctx: &ControllerContext,
    policy: &PolicyName,
    known: &mut Known,
    servers: &mut [OnServer],
) {
    let Ok(seats) = &known.seats else { return };
    let there: HashSet<&str> = servers.iter().map(|s| s.name.as_str()).collect();
    known.tried.retain(|s, _| there.contains(s.as_str()));
    for s in servers.iter_mut().filter(|s| s.is_there && !s.is_untried()) {
        let earlier = known.tried.get(&s.name);
        // A little early rather than at the next look.
        let is_fresh = |(at, answer): &&(Instant, Result<PolicyTest, String>)| {
            answer.is_ok() && at.elapsed() + AGAIN < LOOK
        };
        let answer = if let Some((_, answer)) = earlier.filter(is_fresh) {
            answer.clone()
        } else {
            let server = ServerRef::new(&policy.namespace, &s.name);
            let asked = ctx.connections.try_policy(&server, seats, &ctx.connection);
            let answer = asked.await;
            let at = Instant::now();
            known.tried.insert(s.name.clone(), (at, answer.clone()));
            answer
        };
        s.tried = Some(answer);
    }
}

async fn write(
    api: &Api<LicensePolicy>,
    policy: &LicensePolicy,
    status: &LicensePolicyStatus,
) -> Result<(), kube::Error> {
    let name = policy.name_any();
    let body = json!({
        "apiVersion": LicensePolicy::api_version(&()), "kind": LicensePolicy::kind(&()),
        "metadata": { "name": name, "uid": policy.uid() }, "status": status
    });
    let written = api
        .patch_status(&name, &apply_params(), &Patch::Apply(&body))
        .await;
    // Gone, or another one of its name.
    unless(written, &[404, 409]).map(drop)
}
