//! The life of one connection: connect, post, list, watch, and again.

use super::error::{ConnectionError, tls};
use super::roster::{lasts, roster};
use super::server::{Connection, Endpoint, Word};
use crate::allowance::Allowance;
use crate::owners::OwnersClock;
use crate::pods::Standing;
use mooring_api::names::API_PORT;
use mooring_core::identity::HolderKey;
use mooring_core::names::InstanceId;
use mooring_core::wire::calls::{CallSpec, ServerCall, server};
use mooring_core::wire::{
    Expected, Gone, Leases, Problem, ProblemType, Products, WatchEvent, WatchPosition,
};
use mooring_net::client::{Answer, Call, Client, Lines};
use mooring_net::clock;
use mooring_net::sync::lock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);
/// The watch says at least `Alive` more often than this; silence longer than it means a dead
/// connection.
const SILENCE: Duration = Duration::from_secs(30);
/// How often everything is listed anew.
const RESYNC: Duration = Duration::from_secs(300);
/// How often the numbers are fetched: so many times at once, then one more each while. Each change
/// of them is a write of status.
const NUMBERS: (u32, Duration) = (5, Duration::from_secs(5));
/// How long to gather changes before the numbers are fetched.
const SETTLE_DOWN: Duration = Duration::from_millis(300);
/// How much of an answer is read: of a line of the watch or a problem, of the products, of the list
/// for few holders, and for each further one (sixteen claims, each with a text).
const LINE: usize = 64 * 1024;
const MOST_PRODUCTS: usize = 8 * 1024 * 1024;
const FEWEST: usize = 512 * 1024;
const PER_HOLDER: usize = 16 * 1024;
/// The pauses between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

impl Connection {
    /// Has sessions with the server, one after the other, until dropped.
    pub(super) async fn sessions(&self, mut words: UnboundedReceiver<Word>) {
        let (shortest, longest) = PAUSES;
        let mut pause = shortest;
        loop {
            self.awaits_address().await;
            let began = Instant::now();
            let Err(error) = self.session(&mut words).await;
            self.context.writer.metrics.connected(&self.server, false);
            self.forget_revocations();
            // Said once: a server that is down answers alike each time.
            let before = self.snapshot.borrow().clone();
            if before.connected || before.problem.as_deref() != Some(&error.to_string()) {
                tracing::warn!(server = %self.server, error = %error, "link to the license server broke");
            } else {
                tracing::debug!(server = %self.server, error = %error, "still no link to the license server");
            }
            let restarted = matches!(error, ConnectionError::Ended | ConnectionError::Restarted);
            let heard = *lock(&self.heard);
            self.show(|s| s.broke(error.to_string(), heard));
            pause = if restarted || began.elapsed() > longest {
                shortest
            } else {
                (pause * 2).min(longest)
            };
            let mut target = self.target.clone();
            let jitter = pause.mul_f64(mooring_net::random::fraction() / 2.0);
            tokio::select! {
                () = sleep(pause + jitter) => {}
                r = target.changed() => if r.is_err() { return },
            }
        }
    }

    /// Waits until it is known where the server is: it may lack what it needs to start.
    async fn awaits_address(&self) {
        let mut target = self.target.clone();
        let _ = target.wait_for(Endpoint::is_known).await;
    }

    async fn session(
        &self,
        words: &mut UnboundedReceiver<Word>,
    ) -> Result<Infallible, ConnectionError> {
        let mut changed = self.target.clone();
        let target = changed.borrow_and_update().clone();
        let outside = target.outside.as_deref();
        let client = self.client(&target)?;
        let products: Products = get(&client, &server::PRODUCTS, MOST_PRODUCTS).await?;
        let instance = products.server.instance;
        self.begin(&client, &target).await?;
        let (mut position, leases) = self.take_list(self.leases(&client).await?);
        self.show(|s| {
            s.connected = true;
            s.problem = None;
            s.heard = None;
            s.counted(products, self.lease_cache().waiting(), clock::now());
        });
        let mut handed = target.policies.generation;
        self.touch(self.everyone());
        self.context.writer.metrics.connected(&self.server, true);
        tracing::info!(server = %self.server, instance = %instance, leases, "link to the license server stands");

        let mut lines = watch_from(&client, position).await?;
        let mut resync = interval(RESYNC);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        resync.reset();
        let (mut heard, mut owners) = (Instant::now(), OwnersClock::default());
        // What was told above was told before it had the policies.
        let mut numbers = Some(Instant::now() + SETTLE_DOWN);
        let mut allowance = Allowance::new(NUMBERS.0, NUMBERS.1, Instant::now());
        loop {
            tokio::select! {
                line = timeout(SILENCE, lines.next()) => {
                    let line = line.map_err(|_| ConnectionError::Silent(heard.elapsed()))??;
                    let Some(line) = line else { return Err(ConnectionError::Ended) };
                    heard = Instant::now();
                    *lock(&self.heard) = clock::now().wall;
                    if line.is_empty() { continue }
                    if let Some(due) = self.take_line(&line, instance, position.seq, &allowance)? {
                        numbers.get_or_insert(due);
                    }
                }
                () = at(numbers) => {
                    numbers = None;
                    allowance.take(Instant::now());
                    self.take_numbers(&client, instance, handed).await?;
                }
                _ = resync.tick() => {
                    if let Some(outside) = outside { outside.authorize(&client)? }
                    let list = self.leases(&client).await?;
                    if list.position.instance != instance { return Err(ConnectionError::Restarted) }
                    self.take_revocations(&client).await?;
                    (position, _) = self.take_list(list);
                    self.touch(self.everyone());
                    numbers = Some(Instant::now());
                }
                () = owners.due(&self.owners_news), if outside.is_none() => self.tell_owners(&client).await?,
                word = words.recv() => {
                    let Some(word) = word else { return Err(ConnectionError::Ended) };
                    let more = std::iter::from_fn(|| words.try_recv().ok());
                    self.tell(&client, std::iter::once(word).chain(more)).await?;
                }
                r = changed.changed() => {
                    if r.is_err() { return Err(ConnectionError::Ended) }
                    let now = changed.borrow_and_update().clone();
                    if let Some(generation) = self.take_target(&client, (&target, now)).await? {
                        handed = generation;
                        // Its groups stand otherwise now.
                        numbers.get_or_insert(allowance.next(Instant::now() + SETTLE_DOWN));
                    }
                }
            }
        }
    }

    /// The controller says something new of where it is, or of who may use it; the number of the
    /// policies that it was handed.
    async fn take_target(
        &self,
        client: &Client,
        (before, now): (&Endpoint, Endpoint),
    ) -> Result<Option<u64>, ConnectionError> {
        if now.moved(before) {
            return Err(ConnectionError::Ended);
        }
        if now.outside.is_some() {
            // Whom tokens are issued for is decided here.
            self.touch(self.everyone());
            return Ok(None);
        }
        send(client, &server::POLICIES, &now.policies).await?;
        tracing::info!(server = %self.server, "policies handed over");
        Ok(Some(now.policies.generation))
    }

    /// A client for it: by the operator's certificate, or as the issuer that it is outside.
    fn client(&self, target: &Endpoint) -> Result<Client, ConnectionError> {
        if let Some(outside) = &target.outside {
            return outside.client(target.addresses.clone());
        }
        let url = format!("https://{}:{API_PORT}", self.server.dns_name());
        let tls = tls(&self.context.ca)?;
        Ok(Client::new(&url, target.addresses.clone(), tls)?)
    }

    /// A server outside of the cluster is told who is revoked and who is gone, and nothing else:
    /// who may use it is whom a token is issued for, and it waits for no roster.
    async fn post_all_gone(&self, client: &Client) -> Result<(), ConnectionError> {
        let cache = &self.context.writer.cache;
        let (pods, mirrors) = (cache.pods_of(&self.server), cache.mirrored(&self.server));
        let proofs = cache.proofs(pods.iter().chain(&mirrors));
        self.post_gone(client, proofs.into_keys().collect()).await
    }

    /// Says who is revoked, who may use it (owners are judged by that), what owners have; and then
    /// the roster, which may end settling, and so let pods in.
    async fn begin(&self, client: &Client, target: &Endpoint) -> Result<(), ConnectionError> {
        self.begin_revocations(client).await?;
        if target.outside.is_some() {
            return self.post_all_gone(client).await;
        }
        send(client, &server::POLICIES, &target.policies).await?;
        self.begin_owners(client).await?;
        self.post_roster(client).await
    }

    /// Fetches the numbers. `handed`: the number of the policies that it has by now.
    async fn take_numbers(
        &self,
        client: &Client,
        instance: InstanceId,
        handed: u64,
    ) -> Result<(), ConnectionError> {
        let products: Products = get(client, &server::PRODUCTS, MOST_PRODUCTS).await?;
        if products.server.instance != instance {
            return Err(ConnectionError::Restarted);
        }
        self.show(|s| {
            s.counted(products, self.lease_cache().waiting(), clock::now());
            s.handed = Some(handed);
        });
        Ok(())
    }

    /// Takes in a line of the watch; when to fetch the numbers after it. What is not newer than
    /// the list up to `listed` is left out: a list taken meanwhile knows it already.
    fn take_line(
        &self,
        line: &[u8],
        instance: InstanceId,
        listed: u64,
        allowance: &Allowance,
    ) -> Result<Option<Instant>, ConnectionError> {
        let soon = Instant::now() + SETTLE_DOWN;
        match serde_json::from_slice::<WatchEvent>(line) {
            Ok(WatchEvent::Lease { position, .. }) if position.instance != instance => {
                Err(ConnectionError::Restarted)
            }
            Ok(WatchEvent::Lease { position, .. }) if position.seq <= listed => Ok(None),
            Ok(WatchEvent::Lease { lease, .. }) => {
                tracing::debug!(server = %self.server, lease = %lease.lease, pod = %lease.holder, state = %lease.state, "the server says");
                let now = clock::now().wall;
                let lease = self.at_home(lease);
                let key = self.lease_cache().event(lease, now, |k| self.is_seen(k));
                self.touch(key);
                Ok(Some(allowance.next(soon)))
            }
            Ok(WatchEvent::Server { state }) if state.instance != instance => {
                Err(ConnectionError::Restarted)
            }
            Ok(WatchEvent::Server { state }) => {
                self.show(|s| s.told(state, clock::now()));
                Ok(Some(soon))
            }
            Ok(WatchEvent::Alive) => Ok(None),
            Err(e) => {
                // A newer server may say more than we understand; the next list tells what came of
                // it.
                tracing::warn!(server = %self.server, error = %e, "a line of the watch cannot be read");
                Ok(None)
            }
        }
    }

    /// From where to watch after it, and how many leases it has. The list itself is not kept: it is
    /// as large as all that is.
    fn take_list(&self, mut list: Leases) -> (WatchPosition, usize) {
        list.leases = list.leases.into_iter().map(|l| self.at_home(l)).collect();
        let (position, count) = (list.position, list.leases.len());
        let now = clock::now().wall;
        let touched = self.lease_cache().list(list, now, |k| self.is_seen(k));
        self.touch(touched);
        (position, count)
    }

    /// Whether a holder is in sight: its pod points at this server, or it has a mirror.
    fn is_seen(&self, key: &HolderKey) -> bool {
        let cache = &self.context.writer.cache;
        cache.is_of(key, &self.server)
            || cache.mirror(&self.server, key).is_some()
            || self.owner(key).is_some()
    }

    /// All that it knows. Read as far as it may go for the holders that there are: the server may
    /// be anybody's program, and its answer is in memory as a whole.
    async fn leases(&self, client: &Client) -> Result<Leases, ConnectionError> {
        get(client, &server::LEASES, self.most()).await
    }

    /// How much of an answer about all holders is read.
    pub(super) fn most(&self) -> usize {
        let holders = self.context.writer.cache.count(&self.server);
        FEWEST + PER_HOLDER.saturating_mul(holders)
    }

    /// All holders not proven gone, and then those that are.
    async fn post_roster(&self, client: &Client) -> Result<(), ConnectionError> {
        let cache = &self.context.writer.cache;
        let (pods, mirrors) = (cache.pods_of(&self.server), cache.mirrored(&self.server));
        let proofs = cache.proofs(pods.iter().chain(&mirrors));
        let holders = roster(&cache.may_have_run(&self.server), &mirrors, |k| {
            proofs.contains_key(k)
        });
        tracing::info!(server = %self.server, holders = holders.len(), gone = proofs.len(), "roster posted");
        let lasting = holders.iter().filter(|k| self.lasts(k)).cloned().collect();
        let expected = Expected {
            holders: holders.into_iter().collect(),
            lasting,
        };
        send(client, &server::EXPECTED, &expected).await?;
        self.post_gone(client, proofs.into_keys().collect()).await
    }

    fn lasts(&self, key: &HolderKey) -> bool {
        let cache = &self.context.writer.cache;
        let counts = self.standing(key, cache.pod(key).as_ref()) == Standing::Counts;
        let mirror = cache.mirror(&self.server, key);
        let elsewhere = cache.elsewhere(&self.server, key);
        lasts(counts, elsewhere, mirror.as_ref().map(|s| &s.lease))
    }

    pub(super) async fn post_gone(
        &self,
        client: &Client,
        keys: Vec<HolderKey>,
    ) -> Result<(), ConnectionError> {
        if keys.is_empty() {
            return Ok(());
        }
        for key in &keys {
            if let Some(proof) = self.context.writer.cache.proof(key) {
                self.context.writer.metrics.reported_gone(proof);
                tracing::info!(server = %self.server, uid = %key, reason = %proof, "pod reported as gone");
            }
        }
        let holders = keys.into_iter().filter_map(|k| self.abroad(k)).collect();
        send(client, &server::GONE, &Gone { holders }).await
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(t) => tokio::time::sleep_until(t).await,
        None => std::future::pending().await,
    }
}

fn refused(call: &Call, answer: &Answer) -> ConnectionError {
    let detail = answer.json::<Problem>().map_or_else(
        |_| {
            String::from_utf8_lossy(&answer.body)
                .chars()
                .take(200)
                .collect()
        },
        |p| p.to_string().chars().take(1000).collect(),
    );
    ConnectionError::Answer {
        call: format!("{} {}", call.method, call.path),
        status: answer.status.as_u16(),
        detail,
    }
}

pub(super) async fn made(client: &Client, call: Call) -> Result<Answer, ConnectionError> {
    let answer = client.call(&call, CALL).await?;
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(refused(&call, &answer))
    }
}

pub(super) async fn get<T: DeserializeOwned>(
    client: &Client,
    spec: &CallSpec<ServerCall>,
    most: usize,
) -> Result<T, ConnectionError> {
    let call = Call::of(spec, "").at_most(most);
    Ok(made(client, call).await?.json()?)
}

pub(super) async fn send<T: Serialize>(
    client: &Client,
    spec: &CallSpec<ServerCall>,
    body: &T,
) -> Result<(), ConnectionError> {
    let call = Call::of(spec, "").json(body)?.at_most(LINE);
    made(client, call).await.map(drop)
}

async fn watch_from(client: &Client, after: WatchPosition) -> Result<Lines, ConnectionError> {
    let call = Call::of(&server::LEASES, "").query(&format!("watch&after={after}"));
    let call = call.at_most(LINE);
    client.lines(&call, CALL).await?.map_err(|answer| {
        let problem = answer.json::<Problem>();
        if problem.is_ok_and(|p| p.kind == ProblemType::ResumeExpired) {
            ConnectionError::Restarted
        } else {
            refused(&call, &answer)
        }
    })
}
