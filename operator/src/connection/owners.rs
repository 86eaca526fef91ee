//! Tells the license server what is claimed for pods that wait before they are scheduled, and does
//! what comes of it to the pods: gates go, Events say why one waits.

use super::error::ConnectionError;
use super::server::Connection;
use super::session::made;
use crate::cache::own::Controller;
use crate::leases::{Note, publish};
use crate::owners::{Act, Due, JobName, JobSize, OwnPod, OwnersSight, Root, goes_on, wants};
use crate::watched::{RootObject, WatchedPod};
use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{ApiResource, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use mooring_api::names::{FIELD_MANAGER, SCHEDULING_GATE};
use mooring_core::frontend::entitled;
use mooring_core::identity::HolderKey;
use mooring_core::wire::calls::server;
use mooring_core::wire::{LeaseView, MAX_OWNERS, Owners, OwnersAnswer};
use mooring_net::client::{Call, Client};
use mooring_net::clock;
use mooring_net::sync::lock;
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// What a grant brings about is done in the same look.
const ROUNDS: usize = 3;
/// How much of an answer is read for each claim: a receipt or ticket, and a text.
const PER_OWNER: usize = 8 * 1024;
/// How many acts are done at once, and how long one may take.
const AT_ONCE: usize = 8;
const ACT: Duration = Duration::from_secs(30);

impl Connection {
    /// At the beginning of a session, before the roster: what owners have is not to be given away.
    pub(super) async fn begin_owners(&self, client: &Client) -> Result<(), ConnectionError> {
        let all = lock(&self.owners).all(clock::boot());
        self.ask_owners(client, all).await
    }

    /// Says what is due, and has done what follows.
    pub(super) async fn tell_owners(&self, client: &Client) -> Result<(), ConnectionError> {
        for _ in 0..ROUNDS {
            let due = self.look_at_owners();
            if due.is_empty() {
                break;
            }
            self.ask_owners(client, due).await?;
        }
        Ok(())
    }

    fn look_at_owners(&self) -> Due {
        let (held, waiting) = self.lease_cache().pods();
        let pods = self.own_pods(&held);
        if pods.is_empty() && lock(&self.owners).is_empty() {
            return Due::new();
        }
        let listed: Vec<LeaseView> = self.lease_cache().owners().cloned().collect();
        let now = clock::boot();
        let mut owners = lock(&self.owners);
        let sight = OwnersSight {
            server: &self.server,
            pods,
            held: &held,
            waiting: &waiting,
            listed: &listed,
        };
        for act in owners.look(sight, now) {
            let _ = self.acts.send(act);
        }
        self.touch(owners.news(now));
        owners.due(now)
    }

    /// The pods that the rules of owners are about, and that may use this server.
    fn own_pods(&self, held: &HashSet<HolderKey>) -> Vec<OwnPod> {
        let policies = self.target.borrow().policies.clone();
        let mut pods = self.context.writer.cache.owned(&self.server);
        pods.retain_mut(|pod| {
            pod.leased = held.contains(&pod.key);
            let at = Some(self.server.namespace.as_str());
            entitled(&pod.holder(), Some(&policies), at).is_ok()
        });
        pods
    }

    async fn ask_owners(&self, client: &Client, all: Due) -> Result<(), ConnectionError> {
        for owners in all.chunks(MAX_OWNERS) {
            let sent = clock::boot();
            let body = Owners {
                owners: owners.to_vec(),
            };
            let most = PER_OWNER.saturating_mul(owners.len() + 1);
            let call = Call::of(&server::OWNERS, "").json(&body)?.at_most(most);
            match made(client, call).await {
                Ok(answer) => {
                    let answer: OwnersAnswer = answer.json()?;
                    lock(&self.owners).answered(owners, sent, answer);
                    self.context.owners.answers.notify_one();
                }
                Err(e) => {
                    lock(&self.owners).failed(owners, sent);
                    self.refused("owners", Err(e))?;
                }
            }
        }
        Ok(())
    }

    /// Does to pods what comes up, until dropped.
    pub(super) async fn hands(&self, mut acts: UnboundedReceiver<Act>) {
        let mut batch = Vec::new();
        while acts.recv_many(&mut batch, 64).await > 0 {
            let all = futures::stream::iter(std::mem::take(&mut batch));
            let done = all.for_each_concurrent(AT_ONCE, |act| async move {
                match timeout(ACT, self.act(&act)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(e)) => {
                        tracing::warn!(server = %self.server, error = %e, ?act, "not done; tried again if it is still due");
                    }
                    Err(_) => {
                        tracing::warn!(server = %self.server, ?act, "the API server takes too long");
                    }
                }
            });
            done.await;
        }
    }

    async fn act(&self, act: &Act) -> Result<(), kube::Error> {
        match act {
            Act::Open(key, note) => self.open(key, note.as_ref()).await,
            Act::Say(key, note) => {
                if let Some(pod) = self.context.writer.cache.pod(key) {
                    self.say_on(&pod, note).await;
                }
                Ok(())
            }
            Act::AskForJob(name) => self.ask_for_job(name).await,
            Act::AskForRoot(controller) => self.ask_for_root(controller).await,
            Act::AskWhatItWants(root) => self.ask_what_it_wants(root).await,
        }
    }

    /// Takes the gate of this pod away, and of no other of its name.
    async fn open(&self, key: &HolderKey, note: Option<&Note>) -> Result<(), kube::Error> {
        let writer = &self.context.writer;
        let Some(pod) = writer.cache.pod(key) else {
            return Ok(());
        };
        let namespace = pod.namespace().unwrap_or_default();
        let api: Api<WatchedPod> = Api::namespaced(writer.client.clone(), &namespace);
        let gate = json!({ "name": SCHEDULING_GATE, "$patch": "delete" });
        let patch = json!({ "metadata": { "uid": key }, "spec": { "schedulingGates": [gate] } });
        let params = PatchParams::apply(FIELD_MANAGER);
        let name = pod.name_any();
        api.patch(&name, &params, &Patch::Strategic(&patch)).await?;
        tracing::info!(server = %self.server, pod = %name, namespace = %namespace, uid = %key, "its seats are reserved: it may be scheduled");
        if let Some(note) = note {
            self.say_on(&pod, note).await;
        }
        Ok(())
    }

    async fn say_on(&self, pod: &Pod, note: &Note) {
        let regarding: ObjectReference = kube::Resource::object_ref(pod, &());
        publish(&self.context.writer.recorder, note, &regarding).await;
    }

    async fn ask_for_job(&self, name: &JobName) -> Result<(), kube::Error> {
        let client = self.context.writer.client.clone();
        let api: Api<Job> = Api::namespaced(client, &name.0);
        let job = api.get_opt(&name.1).await?;
        let size = job.and_then(|j| j.spec).map(|spec| {
            let count = |n: i32| u32::try_from(n).unwrap_or(0);
            let parallelism = spec.parallelism.map_or(1, count);
            let completions = spec.completions.map_or(parallelism, count);
            JobSize {
                parallelism: parallelism.min(completions),
                completions,
            }
        });
        lock(&self.owners).set_job(name.clone(), size);
        self.owners_news.notify_one();
        Ok(())
    }

    /// Finds what has the pods of a controller run: it, or what has it run. One that may not be
    /// read is none.
    async fn ask_for_root(&self, controller: &Root) -> Result<(), kube::Error> {
        let seen = self.root_object(controller).await?;
        let there = seen.filter(|w| w.metadata.uid.as_ref() == Some(&controller.uid));
        let owners = there
            .as_ref()
            .map(|w| w.metadata.owner_references.as_deref());
        let owner = owners.and_then(|o| Controller::among(o?));
        let above = owner.as_ref();
        let above = above.and_then(|owner| Root::named(&controller.namespace, owner));
        let mut root = there.is_some().then(|| controller.clone());
        if let Some(root) = root.as_mut().filter(|_| above.is_none()) {
            root.above = owner.map(|o| o.uid);
        }
        if let Some(above) = above
            && let Some(w) = self.root_object(&above).await?
            && w.metadata.uid.as_ref() == Some(&above.uid)
            && goes_on(&above, &w)
        {
            root = Some(above);
        }
        lock(&self.owners).set_root(&controller.uid, root);
        self.owners_news.notify_one();
        Ok(())
    }

    async fn ask_what_it_wants(&self, root: &Root) -> Result<(), kube::Error> {
        let asked = clock::boot();
        let seen = self.root_object(root).await?;
        let wants = wants(root, seen.as_ref());
        lock(&self.owners).set_wants(root, wants, asked);
        self.owners_news.notify_one();
        Ok(())
    }

    /// `None`: it is not there, or may not be read.
    async fn root_object(&self, root: &Root) -> Result<Option<RootObject>, kube::Error> {
        let (group, kind) = (root.kind.group(), root.kind.as_str());
        let of = ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version: format!("{group}/v1"),
            kind: kind.to_owned(),
            plural: root.kind.plural().to_owned(),
        };
        let client = self.context.writer.client.clone();
        let api: Api<RootObject> = Api::namespaced_with(client, &root.namespace, &of);
        match api.get_opt(&root.name).await {
            Err(kube::Error::Api(status)) if status.code == 403 => {
                tracing::warn!(%kind, name = %root.name, namespace = %root.namespace, "it may not be read: the seats of its pods are kept for nobody");
                Ok(None)
            }
            other => other,
        }
    }
}
