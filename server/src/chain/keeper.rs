//! Keeps licence, anchor and delegation current: the only task that touches the anchor.
//!
//! Each second: is the anchor there, is the licence file new, is the delegation due? What changed is published to the
//! [`Chain`]; the ledger is paused and resumed accordingly.

use super::standing::{BACKDATED, delegation_due, paused};
use super::{Chain, InForce, State, Terms};
use crate::anchor::{Anchor, Lost, Reason};
use crate::config::Lease;
use crate::engine::Engine;
use crate::licence::{FileError, LicenceFile, for_this_anchor};
use crate::metrics::Metrics;
use mooring_core::ledger::Capacity;
use mooring_core::license::{
    AnchorKey, Delegation, Envelope, MAX_DELEGATION, OpenLicence, PublicKey, Reclaim, TokenAnchor,
    types,
};
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::{AnchorView, ProblemType};
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// How often the anchor is looked at.
const PROBE: Duration = Duration::from_secs(1);
/// How often the licence file is looked at.
const FILE: Duration = Duration::from_secs(2);
/// The first and the longest wait before a lost anchor is opened anew. A token that is plugged in again must serve within 5 s, and opening a
/// slow one takes a second or two.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));

/// What the ledger was told.
#[derive(PartialEq, Eq)]
enum Told {
    /// Nothing yet.
    Nothing,
    /// To grant.
    Granting,
    /// To grant nothing new: the problem, and the reasons of anchor and licence.
    Paused(ProblemType, String),
}

/// The task's state.
pub(crate) struct Keeper<A> {
    anchor: A,
    file: LicenceFile,
    chain: Arc<Chain>,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    lease: Lease,
    /// The keys of the open anchor.
    keys: Option<Vec<PublicKey>>,
    lost_since: Option<BootTime>,
    /// The last loss in its own words.
    lost: Option<String>,
    in_force: Option<Arc<InForce>>,
    delegated: BootTime,
    view: AnchorView,
    file_at: BootTime,
    open_at: BootTime,
    back_off: Duration,
    /// What the ledger was last told.
    told: Told,
}

impl<A: Anchor> Keeper<A> {
    /// A keeper that has looked at nothing yet.
    pub(crate) fn new(
        anchor: A,
        file: LicenceFile,
        chain: Arc<Chain>,
        engine: Arc<Engine>,
        metrics: Arc<Metrics>,
        lease: Lease,
    ) -> Self {
        let view = chain.state().anchor.clone();
        Self {
            anchor,
            file,
            chain,
            engine,
            metrics,
            lease,
            keys: None,
            lost_since: None,
            lost: None,
            in_force: None,
            delegated: BootTime::default(),
            view,
            file_at: BootTime::default(),
            open_at: BootTime::default(),
            back_off: BACK_OFF.0,
            told: Told::Nothing,
        }
    }

    /// Runs until asked to end; then lets go of the anchor.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = self.step() => {}
                () = shutdown.asked() => break,
            }
            tokio::select! {
                () = tokio::time::sleep(PROBE) => {}
                () = self.chain.look.notified() => {}
                () = shutdown.asked() => break,
            }
        }
        self.anchor.close().await;
    }

    async fn step(&mut self) {
        let now = clock::now();
        if now.boot >= self.file_at {
            self.file_at = now.boot + FILE;
            if self.file.look(now.wall, self.keys.as_deref()) {
                self.metrics.licence_reads.inc();
            }
        }
        if let Err(lost) = self.tend().await {
            self.lose(&lost).await;
        }
        self.publish(clock::now());
    }

    /// Opens the anchor or looks whether it is there, and has it sign what is due.
    async fn tend(&mut self) -> Result<(), Lost> {
        if self.keys.is_some() {
            self.anchor.present().await?;
        } else {
            if clock::boot() < self.open_at {
                return Ok(());
            }
            let keys = self.anchor.open().await?;
            tracing::info!(kind = %self.anchor.kind(), keys = keys.len(), "anchor opened");
            self.keys = Some(keys);
        }
        let keys = self.keys.clone().unwrap_or_default();
        if let Err(e) = self.match_licence(&keys) {
            return Err(Lost::new(Reason::KeyNotInLicence, e.to_string()));
        }
        let Some(open) = self.file.good().cloned() else {
            // It is there, and there is nothing to sign for.
            let ids: Vec<String> = keys.iter().map(|k| k.id().to_string()).collect();
            self.found(
                None,
                format!(
                    "the anchor is there, with key {}; there is no licence to sign for",
                    ids.join(", ")
                ),
            );
            return Ok(());
        };
        let now = clock::now();
        let due = delegation_due(&self.state(now), &open.digest, self.delegated, now);
        if due {
            self.delegate(&open, &keys, now).await
        } else {
            Ok(())
        }
    }

    /// Whether anchor and licence belong together. A new licence that came while the anchor was away, and turns out to be for
    /// another, is given up for the one in force; the anchor stays open, since a better file may come.
    fn match_licence(&mut self, keys: &[PublicKey]) -> Result<(), FileError> {
        let Some(open) = self.file.good() else {
            return self.file.other_anchor().map_or(Ok(()), |e| Err(e.clone()));
        };
        let Err(e) = for_this_anchor(open, keys) else {
            return Ok(());
        };
        let in_force = self.in_force.as_ref().map(|f| f.licence.clone());
        if in_force.as_ref().is_some_and(|l| l.digest == open.digest) {
            // The licence served before: it is the token that is another one.
            return Err(e);
        }
        let back_to = in_force.filter(|l| for_this_anchor(l, keys).is_ok());
        let saved = back_to.is_some();
        self.file.give_up(e.clone(), back_to);
        if saved { Ok(()) } else { Err(e) }
    }

    /// Has the anchor lend its word to this run's key.
    async fn delegate(
        &mut self,
        open: &Arc<OpenLicence>,
        keys: &[PublicKey],
        now: Now,
    ) -> Result<(), Lost> {
        let failed = |e: &dyn std::fmt::Display| {
            Lost::new(Reason::SignFailed, format!("the delegation: {e}"))
        };
        let Some(anchor) = choose(open, keys) else {
            let m = format!(
                "the licence lists this key as another kind of anchor than {}",
                self.anchor.kind()
            );
            return Err(Lost::new(Reason::KeyNotInLicence, m));
        };
        let not_before = now.wall.checked_sub(BACKDATED).map_err(|e| failed(&e))?;
        let delegation = Delegation {
            licence: open.digest.clone(),
            kind: self.anchor.kind(),
            key_id: anchor.key.id(),
            server_key: self.chain.key.public(),
            instance: self.chain.instance,
            not_before,
            not_after: not_before
                .checked_add(MAX_DELEGATION)
                .map_err(|e| failed(&e))?,
        };
        let mut envelope =
            Envelope::unsigned(types::DELEGATION, &delegation).map_err(|e| failed(&e))?;
        let signature = self
            .anchor
            .sign(anchor.key, &envelope.signed_bytes())
            .await?;
        envelope.add_signature(&anchor.key, signature);
        // As every reader will: what does not pass here must not leave the house.
        Delegation::open_for(&envelope, &open.licence, &open.digest).map_err(|e| failed(&e))?;

        let new_licence = self
            .in_force
            .as_ref()
            .is_none_or(|f| f.licence.digest != open.digest);
        let in_force = InForce {
            licence: open.clone(),
            anchor: TokenAnchor {
                kind: self.anchor.kind(),
                key_id: anchor.key.id(),
            },
            digest: envelope.digest(),
            envelope,
            delegation,
            terms: Terms::of(&self.lease, open),
        };
        self.in_force = Some(Arc::new(in_force));
        self.delegated = now.boot;
        self.back_off = BACK_OFF.0;
        let words = anchor
            .label
            .as_ref()
            .map(|l| format!(" ({l})"))
            .unwrap_or_default();
        self.found(
            Some(anchor),
            format!("the anchor{words} signs with key {}", anchor.key.id()),
        );
        if new_licence {
            let l = &open.licence;
            tracing::info!(licence = %l.id, customer = %l.customer, expires = l.expires.map(tracing::field::display), "licence in force");
            self.file.in_force(open);
            // What the licence demands, or the configuration: the stricter.
            let reclaim = match l.policy.reclaim {
                Some(Reclaim::Confirmed) => Reclaim::Confirmed,
                _ => self.lease.reclaim,
            };
            self.engine.act(|ledger, now| {
                ledger.set_reclaim(reclaim, now);
                ledger.set_capacity(Capacity::of(l), now);
            });
        }
        Ok(())
    }

    fn found(&mut self, key: Option<&AnchorKey>, message: String) {
        if let Some(since) = self.lost_since.take() {
            let secs = clock::boot().since(since).as_secs();
            tracing::info!(
                lost_for_secs = secs,
                "anchor is back: leases are granted again"
            );
        }
        let key_id = key.map(|k| k.key.id().to_string());
        self.view = view(
            self.anchor.kind().to_string(),
            key_id,
            true,
            "Present",
            message,
        );
    }

    async fn lose(&mut self, lost: &Lost) {
        let reason = lost.reason.to_string();
        if self.view.reason != reason {
            self.metrics
                .anchor_losses
                .with_label_values(&[&reason])
                .inc();
            tracing::error!(reason, "anchor lost, no new leases: {lost}");
        }
        let now = clock::now();
        let since = *self.lost_since.get_or_insert(now.boot);
        let began = now
            .wall
            .checked_sub(now.boot.since(since))
            .unwrap_or(now.wall);
        let key_id = self.view.key_id.take();
        // The same words as long as it is lost for the same reason, so that nobody is told of a change that is none.
        if self.view.reason != reason || self.lost != Some(lost.message.clone()) {
            let message = format!(
                "{} (lost since {})",
                lost.message,
                began.strftime("%Y-%m-%dT%H:%M:%SZ")
            );
            self.view = view(
                self.anchor.kind().to_string(),
                key_id,
                false,
                &reason,
                message,
            );
            self.lost = Some(lost.message.clone());
        } else {
            self.view.key_id = key_id;
        }
        if lost.reason != Reason::KeyNotInLicence {
            self.keys = None;
            self.anchor.close().await;
        }
        self.open_at = clock::boot() + self.back_off;
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
    }

    fn state(&self, now: Now) -> State {
        State {
            in_force: self.in_force.clone(),
            anchor: self.view.clone(),
            lost_since: self.lost_since,
            licence: self.file.view(now.wall),
            revoked: self
                .in_force
                .as_ref()
                .and_then(|f| self.file.revoked(&f.licence, now.wall)),
        }
    }

    fn publish(&mut self, now: Now) {
        let state = self.state(now);
        self.metrics.chain(&state, now, self.delegated);
        let old = self.chain.state();
        let same_chain = match (&old.in_force, &state.in_force) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let same = same_chain
            && old.anchor == state.anchor
            && old.licence == state.licence
            && old.revoked == state.revoked
            && old.lost_since == state.lost_since;
        let why = paused(&state, now, self.chain.clock());
        if !same {
            self.chain.set(state);
        }
        // The detail may carry the time, which is no change.
        let told = why.as_ref().map_or(Told::Granting, |p| {
            Told::Paused(
                p.kind,
                format!("{} {}", self.view.reason, self.file.view(now.wall).reason),
            )
        });
        if self.told != told {
            if let Some(p) = &why {
                tracing::warn!(
                    problem = p.kind.name(),
                    "nothing new is granted: {}",
                    p.detail
                );
            } else {
                tracing::info!("leases are granted");
            }
            self.engine.act(|ledger, now| ledger.pause(why, now));
            self.told = told;
        }
    }
}

/// Which of the anchor's keys serves: one that is no standby, if there is one.
fn choose<'l>(open: &'l OpenLicence, keys: &[PublicKey]) -> Option<&'l AnchorKey> {
    let mut listed = open
        .licence
        .anchors
        .iter()
        .filter(|a| keys.contains(&a.key));
    let first = listed.clone().find(|a| a.standby.is_none());
    first.or_else(|| listed.next())
}

fn view(
    kind: String,
    key_id: Option<String>,
    present: bool,
    reason: &str,
    message: String,
) -> AnchorView {
    AnchorView {
        kind,
        key_id,
        present,
        reason: reason.into(),
        message,
    }
}
