//! What is known of one license server, and who is told when that changes.

use super::book::OwnersBook;
use super::lease_cache::LeaseCache;
use super::outside::Outside;
use super::snapshot::{Notice, Snapshot};
use super::touched::Touched;
use crate::certs::Ca;
use crate::leases::{Known, Service, Writer};
use crate::owners::{Act, OwnersMemory, is_for_successors, kept_for, times};
use crate::pods::{Standing, is_group, standing};
use k8s_openapi::api::core::v1::Pod;
use mooring_api::names::ServerRef;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::LeaseId;
use mooring_core::time::{BootTime, Timestamp};
use mooring_core::wire::{Policies, RevokedHolder};
use mooring_net::clock;
use mooring_net::sync::lock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// Where a server is, and who may use it: what the controller hands to its connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// `ip:port` of its Service, both families; none while it is not known.
    pub addresses: Vec<String>,
    pub port: u16,
    pub policies: Policies,
    /// Set where it is outside of the cluster: then it may be found by its name alone.
    pub outside: Option<Arc<Outside>>,
}

impl Endpoint {
    /// Whether it is known where it is.
    pub(super) fn is_known(&self) -> bool {
        !self.addresses.is_empty() || self.outside.is_some()
    }

    /// Whether it is at another place, or is known by something else.
    pub(super) fn moved(&self, before: &Self) -> bool {
        let place = |e: &Self| (e.addresses.clone(), e.port, e.outside.clone());
        place(self) != place(before)
    }
}

/// What every connection needs.
#[derive(Clone)]
pub struct ConnectionContext {
    /// Signs the operator's client certificates, and says which roots to trust.
    pub ca: Arc<Ca>,
    pub writer: Writer,
    /// What is claimed for owners of pods, at all license servers.
    pub owners: Arc<OwnersBook>,
}

/// One connection.
pub(super) struct Connection {
    pub(super) server: ServerRef,
    pub(super) context: ConnectionContext,
    pub(super) target: watch::Receiver<Endpoint>,
    pub(super) snapshot: watch::Sender<Snapshot>,
    /// When the last word of it came.
    pub(super) heard: Mutex<Timestamp>,
    /// What the controller says of it.
    pub(super) notice: watch::Receiver<Notice>,
    pub(super) changed: mpsc::UnboundedSender<ServerRef>,
    pub(super) lease_cache: Mutex<LeaseCache>,
    /// Hears of holders to look at, for [`super::mirrors`].
    pub(super) touched: Touched,
    /// Hears what is to be told to the server.
    pub(super) words: mpsc::UnboundedSender<Word>,
    /// Who is revoked by the server's list; `None` while there is no session.
    pub(super) revoked: Mutex<Option<BTreeMap<HolderKey, RevokedHolder>>>,
    /// What is claimed for pods that wait before they are scheduled. Never locked before the
    /// leases.
    pub(super) owners: Arc<Mutex<OwnersMemory>>,
    /// Hears that something about them may have changed.
    pub(super) owners_news: Arc<Notify>,
    /// Hears what is to be done to pods.
    pub(super) acts: mpsc::UnboundedSender<Act>,
}

/// What a session tells its server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// This holder is proven gone.
    Gone(HolderKey),
    /// Something is due about whether this holder is revoked.
    Revocation(HolderKey),
    /// This lease is taken back.
    TakeBack(LeaseId),
}

impl Connection {
    pub(super) fn lease_cache(&self) -> MutexGuard<'_, LeaseCache> {
        lock(&self.lease_cache)
    }

    pub(super) fn settled(&self) -> bool {
        self.snapshot.borrow().settled()
    }

    /// How it serves its holders.
    pub(super) fn service(&self) -> Service {
        let snapshot = self.snapshot.borrow();
        snapshot.service(&self.notice.borrow())
    }

    /// What a holder is to this server, by its pod that is in sight.
    pub(super) fn standing(&self, key: &HolderKey, pod: Option<&Pod>) -> Standing {
        if is_group(key) {
            // Of groups only those are shown that were claimed for here.
            return match self.group(key) {
                Some(_) => Standing::External,
                None => Standing::OutOfSight,
            };
        }
        // Of an owner it is shown that seats are kept for pods to come, and nothing else.
        match lock(&self.owners).parked(key, clock::boot()) {
            Some(parked) if parked.is_empty() => return Standing::Foreign,
            Some(_) => return Standing::External,
            None => {}
        }
        standing(key, pod, &self.server, &self.target.borrow().policies)
    }

    /// What an owner's claim keeps for pods to come, as its mirror shows it.
    pub(super) fn keeps(&self, key: &HolderKey, claims: &mut [Known]) {
        let now = clock::now();
        let owners = lock(&self.owners);
        let Some(parked) = owners.parked(key, now.boot).filter(|p| !p.is_empty()) else {
            return;
        };
        let items = owners.items_of(key).unwrap_or_default();
        for c in claims {
            c.view.items = times(items, parked.len());
            c.view.message = Some(kept_for(&parked, now));
        }
    }

    /// A group that was claimed for here.
    fn group(&self, key: &HolderKey) -> Option<Holder> {
        self.owner(key).filter(|_| is_group(key))
    }

    /// An owner that was claimed for here, and has no pod's key.
    pub(super) fn owner(&self, key: &HolderKey) -> Option<Holder> {
        let of_pods = is_group(key) || is_for_successors(key);
        lock(&self.owners).owner(key).filter(|_| of_pods).cloned()
    }

    /// Has the server told.
    pub(super) fn say(&self, word: Word) {
        let _ = self.words.send(word);
    }

    pub(super) fn touch(&self, keys: impl IntoIterator<Item = HolderKey>) {
        self.touched.add(keys);
    }

    /// Changes the snapshot, and says so if that changed anything.
    pub(super) fn show(&self, change: impl FnOnce(&mut Snapshot)) {
        let was_settled = self.settled();
        let differs = self.snapshot.send_if_modified(|s| {
            let before = s.clone();
            change(s);
            *s != before
        });
        if differs {
            let _ = self.changed.send(self.server.clone());
        }
        if self.settled() && !was_settled {
            // Now its silence says something: look at every holder again.
            self.touch(self.everyone());
        }
    }

    /// Every holder that has a pod, a mirror or a claim here.
    pub(super) fn everyone(&self) -> BTreeSet<HolderKey> {
        let cache = &self.context.writer.cache;
        let mut all: BTreeSet<HolderKey> = self.lease_cache().holders().cloned().collect();
        all.extend(cache.mirrored(&self.server));
        all.extend(cache.pods_of(&self.server));
        all
    }
}

/// How long something has been so.
pub(super) fn since(t: BootTime) -> Duration {
    clock::boot().since(t)
}
