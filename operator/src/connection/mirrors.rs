//! Keeps one server's mirrors: takes holders about which something changed, gathers the facts, has
//! [`plan`] decide, acts.

use super::evict::{Evictions, evict};
use super::server::{Connection, Word, since};
use super::tokens::{GivenTokens, give};
use super::touched::Batch;
use crate::cache::{Elsewhere, Stored, Subscription};
use crate::gone::KEEP_PROOF;
use crate::leases::{
    LeaseFacts, Note, RevocationDue, Step, WAITING, about, again, holder_in, is_its_holders, noted,
    plan, to_take_back, waits_for_itself,
};
use crate::pods::{
    PodFact, Standing, deployment_of, fact_of, holder_of, key_of, waits_to_be_replaced,
};
use crate::watched::WatchedPod;
use futures::StreamExt as _;
use kube::{Api, ResourceExt as _};
use mooring_api::LicenseLease;
use mooring_core::identity::HolderKey;
use mooring_core::time::BootTime;
use mooring_net::clock;
use mooring_net::sync::lock;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// How many holders are worked on at once.
const AT_ONCE: usize = 8;
/// How many are taken in one go.
const BATCH: usize = 256;
/// How long one look may take: an API server that does not answer must not hold up all others.
const LOOK: Duration = Duration::from_secs(30);
/// How long after a failed write it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The same where the API server will say no again: another server's mirror of the same pod is
/// there, for instance.
const MUCH_LATER: Duration = Duration::from_secs(60);

/// What is remembered between looks.
#[derive(Default)]
struct LookMemory {
    /// Since when a running holder is unknown to its server, and whether that was settled.
    unknown: HashMap<HolderKey, (bool, BootTime)>,
    /// Holders already reported as gone, and when. A proof is forgotten as well.
    reported: HashMap<HolderKey, BootTime>,
    /// When the old ones were last forgotten.
    swept: BootTime,
}

impl LookMemory {
    /// Notes that a holder is reported as gone; whether that is news.
    fn report(&mut self, key: &HolderKey, now: BootTime) -> bool {
        if now.since(self.swept) >= KEEP_PROOF {
            self.reported.retain(|_, at| now.since(*at) < KEEP_PROOF);
            self.swept = now;
        }
        self.reported.insert(key.clone(), now).is_none()
    }
}

/// Runs until dropped.
pub(super) async fn run(connection: &Connection, mut subscription: Subscription) {
    let memory = Mutex::new(LookMemory::default());
    let evictions = Mutex::new(Evictions::default());
    let tokens = Mutex::new(GivenTokens::default());
    let mut notice = connection.notice.clone();
    let mut later: BTreeMap<Instant, Vec<HolderKey>> = BTreeMap::new();
    loop {
        let mut batch = BTreeSet::new();
        let due = later.first_key_value().map(|(t, _)| *t);
        tokio::select! {
            Some(key) = subscription.recv() => { batch.insert(key); }
            touched = connection.touched.next(BATCH) => { batch = of(connection, touched); }
            Ok(()) = notice.changed() => { batch = connection.everyone(); }
            () = tokio::time::sleep_until(due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))) => {}
        }
        while batch.len() < BATCH
            && let Ok(key) = subscription.try_recv()
        {
            batch.insert(key);
        }
        let room = BATCH.saturating_sub(batch.len());
        if let Some(touched) = connection.touched.take(room) {
            batch.extend(of(connection, touched));
        }
        let now = Instant::now();
        while let Some(entry) = later.first_entry().filter(|e| *e.key() <= now) {
            batch.extend(entry.remove());
        }
        if !batch.is_empty() {
            connection.owners_news.notify_one();
        }
        let looks = futures::stream::iter(batch).map(|key| async {
            let given = tokio::time::timeout(LOOK, give(connection, &tokens, &key)).await;
            let looked = tokio::time::timeout(LOOK, look(connection, &memory, &key)).await;
            let evicted = tokio::time::timeout(LOOK, evict(connection, &evictions, &key)).await;
            let again = [given, looked, evicted].map(|after| after.unwrap_or(Some(AGAIN)));
            (again.into_iter().flatten().min(), key)
        });
        let again: Vec<(Option<Duration>, HolderKey)> =
            looks.buffer_unordered(AT_ONCE).collect().await;
        for (after, key) in again {
            if let Some(after) = after {
                later.entry(Instant::now() + after).or_default().push(key);
            }
        }
    }
}

fn of(connection: &Connection, touched: Batch) -> BTreeSet<HolderKey> {
    match touched {
        Batch::Some(keys) => keys,
        Batch::Everyone => connection.everyone(),
    }
}

/// Looks at one holder; when to look again, if by itself.
async fn look(
    connection: &Connection,
    memory: &Mutex<LookMemory>,
    key: &HolderKey,
) -> Option<Duration> {
    let writer = &connection.context.writer;
    if let Err(e) = heed(connection, key).await {
        tracing::warn!(server = %connection.server, uid = %key, error = %e, "what stands in a mirror could not be heeded; tried again");
        return Some(AGAIN);
    }
    let mut asked: Option<PodFact> = None;
    // A second round only after the API server was asked for the pod.
    for _ in 0..2 {
        let stored = writer.cache.mirror(&connection.server, key);
        let server = &connection.server;
        let done = match step(connection, memory, key, stored.as_ref(), asked.take()) {
            Step::Nothing => Ok(()),
            Step::Later(after) => return Some(after),
            Step::AskForPod => {
                match ask(connection, stored.as_ref().map(|s| &s.lease), key).await {
                    Ok(fact) => {
                        asked = Some(fact);
                        continue;
                    }
                    Err(e) => Err(e),
                }
            }
            Step::Apply(lease, note) => {
                let note = note.map(|n| explained(connection, key, n));
                let done = writer.apply(server, &lease, note.as_ref()).await;
                if done.is_ok() && stored.is_none() && connection.is_listed(key) {
                    // Who revoked it is still to be written into the new mirror.
                    connection.touch([key.clone()]);
                }
                done
            }
            Step::Delete => match &stored {
                Some(s) => writer.delete(server, key, &s.lease).await,
                None => Ok(()),
            },
        };
        return match done {
            Ok(()) => again(&connection.service(), clock::now().wall),
            Err(e) => {
                tracing::warn!(server = %server, uid = %key, error = %e, "a mirror could not be written; tried again");
                let invalid = matches!(&e, kube::Error::Api(s) if s.code == 422);
                Some(if invalid { MUCH_LATER } else { AGAIN })
            }
        };
    }
    Some(AGAIN)
}

/// Does what people wrote into a holder's mirror, or has it told to the server.
async fn heed(connection: &Connection, key: &HolderKey) -> Result<(), kube::Error> {
    let (writer, server) = (&connection.context.writer, &connection.server);
    let Some(stored) = writer.cache.mirror(server, key) else {
        return Ok(());
    };
    let claims = connection.lease_cache().claims(key);
    let pod = writer.cache.pod(key);
    if !is_its_holders(&stored.lease, pod.as_ref(), &claims) {
        return Ok(());
    }
    let now = clock::now().wall;
    if let Some(noted) = connection.listed(key, |l| noted(&stored.lease, l, now)) {
        writer.apply(server, &noted, None).await?;
    }
    match connection.revocation_due(key) {
        Some(RevocationDue::Restore(revoked)) => {
            writer.restore(server, &stored.lease, &revoked).await?;
            connection.touch([key.clone()]);
        }
        Some(_) => connection.say(Word::Revocation(key.clone())),
        None => {}
    }
    for lease in to_take_back(&stored.lease, &claims) {
        connection.say(Word::TakeBack(lease));
    }
    Ok(())
}

/// What is to be done about a holder's mirror as it is `stored`. `asked`: what the API server said
/// of its pod when it was asked by name. A pod that is proven gone is reported on the way.
fn step(
    connection: &Connection,
    memory: &Mutex<LookMemory>,
    key: &HolderKey,
    stored: Option<&Stored>,
    asked: Option<PodFact>,
) -> Step {
    let settled = connection.settled();
    let (mut claims, known, released) = {
        let cache = connection.lease_cache();
        (cache.claims(key), cache.knows(key), cache.has_released(key))
    };
    let cache = &connection.context.writer.cache;
    let (seen, node) = cache.fact(&connection.server, key);
    let fact = match (seen, asked) {
        (PodFact::Unseen, Some(asked)) => asked,
        (seen, _) => seen,
    };
    let pod = cache.pod(key);
    let standing = connection.standing(key, pod.as_ref());
    let who = pod.as_ref().map(holder_of);
    let who = who.or_else(|| connection.owner(key));
    if let Some(who) = who.or_else(|| stored.map(|s| holder_in(&s.lease))) {
        claims = about(claims, &who);
    }
    connection.keeps(key, &mut claims);
    let elsewhere = cache.elsewhere(&connection.server, key);
    let awaited = standing == Standing::Counts && elsewhere != Elsewhere::Licensed;
    let fact = remember(memory, key, fact, (!known && awaited).then_some(settled));
    if matches!(fact, PodFact::Gone) {
        let is_news = lock(memory).report(key, clock::boot());
        if is_news || known {
            connection.say(Word::Gone(key.clone()));
        }
    }
    if !matches!(fact, PodFact::Running { .. } | PodFact::Idle) {
        connection.lease_cache().forget(key);
    }
    connection.listed(key, |listed| {
        plan(&LeaseFacts {
            server: &connection.server,
            service: &connection.service(),
            now: clock::now().wall,
            claims: &claims,
            settled,
            released,
            pod: fact,
            standing,
            elsewhere,
            node,
            listed,
            existing: stored.map(|s| &s.lease),
            written: stored.and_then(|s| s.written).map(since),
        })
    })
}

/// The Event of a pod that waits says so where the pods that it is to replace have the seats: all
/// pods are looked through for it, once for each wait.
fn explained(connection: &Connection, key: &HolderKey, note: Note) -> Note {
    let cache = &connection.context.writer.cache;
    let Some(pod) = cache.pod(key).filter(|_| note.reason == WAITING) else {
        return note;
    };
    let Some(deployment) = deployment_of(&pod) else {
        return note;
    };
    let replaced = cache.pods_like(&connection.server, |p| waits_to_be_replaced(p, &pod));
    let leases = connection.lease_cache();
    let wanted = leases.claims(key);
    let holders = replaced.iter().filter(|k| {
        let theirs = leases.claims(k);
        theirs.iter().any(|t| wanted.iter().any(|w| t.keeps(w)))
    });
    match holders.count() {
        0 => note,
        n => waits_for_itself(&note, deployment, n),
    }
}

/// Fills in for how long a running pod has been unknown to its server, which is `settled` or not.
fn remember(
    memory: &Mutex<LookMemory>,
    key: &HolderKey,
    fact: PodFact,
    unknown: Option<bool>,
) -> PodFact {
    let mut memory = lock(memory);
    match (fact, unknown) {
        (PodFact::Running { of, .. }, Some(settled)) => {
            let first = memory.unknown.entry(key.clone());
            let first = first.or_insert_with(|| (settled, clock::boot()));
            // A server that does not settle any more says another thing by its silence.
            if settled && !first.0 {
                *first = (settled, clock::boot());
            }
            let unknown_for = since(first.1);
            PodFact::Running { of, unknown_for }
        }
        (other, _) => {
            memory.unknown.remove(key);
            other
        }
    }
}

/// Asks the API server for a pod that is not in sight.
async fn ask(
    connection: &Connection,
    mirror: Option<&LicenseLease>,
    key: &HolderKey,
) -> Result<PodFact, kube::Error> {
    let Some(mirror) = mirror else {
        return Ok(PodFact::Absent);
    };
    let namespace = mirror.namespace().unwrap_or_default();
    let api: Api<WatchedPod> =
        Api::namespaced(connection.context.writer.client.clone(), &namespace);
    match api.get_opt(&mirror.spec.holder.name).await? {
        Some(WatchedPod(pod)) if key_of(&pod).as_ref() == Some(key) => {
            Ok(fact_of(&pod, &connection.server, false))
        }
        _ => Ok(PodFact::Absent),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn who_was_reported_as_gone_is_forgotten_with_the_proof() {
        let mut memory = LookMemory::default();
        let minutes = |n: u64| BootTime::from_millis(n * 60_000);
        let key = |n: u64| HolderKey(format!("pod-{n}"));
        assert!(memory.report(&key(0), minutes(0)));
        assert!(!memory.report(&key(0), minutes(1)), "once is enough");
        for n in 1..2000 {
            memory.report(&key(n), minutes(n));
        }
        assert!(
            memory.reported.len() <= 121,
            "{} are kept",
            memory.reported.len()
        );
    }
}
