//! Why a claim of the queue waits: the reason that holders act on, and the words that people read.
//!
//! "All seats are taken" is said only when they are out, and not where another product has what
//! they are made of; otherwise how many are free, and for whom they gather. Who stands in front is
//! named to its own namespace alone.

use super::capacity::Free;
use super::entry::{Entry, State, Wait};
use super::queue::{GroupAt, Rank};
use super::refusal::Refusal;
use super::state::Ledger;
use super::tenant::Tenant;
use super::who::{Asker, KeptHolder};
use crate::identity::Holder;
use crate::names::{LeaseId, ProductName};
use crate::request::Item;
use crate::time::BootTime;
use crate::wire::{ProblemType, WaitReason};
use std::time::Duration;

/// How many in front of each pool are told of each move of theirs; those behind hear of another
/// reason alone.
const NEAR: u32 = 10;

/// How many products, or pools, a message names at most.
const MOST_NAMED: usize = 8;

impl Ledger {
    /// How an entry waits, if it does: its place is one more than those before it that share a
    /// pool.
    pub(super) fn wait_of(&self, e: &Entry) -> Option<Wait> {
        let State::Queued(queued) = &e.state else {
            return None;
        };
        let (rank, at) = (queued.rank, queued.group);
        let tenant = self.capacity.rights.tenant(e.asks());
        let pools = match queued.group {
            GroupAt::Of(i) => self.queue.pools(i).to_vec(),
            GroupAt::Aside | GroupAt::Resting => self.capacity.pools_of(e.items()),
        };
        let mut before = self.queue.before(rank, &pools, tenant);
        if at == GroupAt::Aside {
            before += self.queue.before_aside(rank);
        }
        let front = || self.front(e, rank, &pools, tenant);
        let (reason, message) = self.why((e, at), front, before);
        Some(Wait {
            place: u32::try_from(before + 1).unwrap_or(u32::MAX),
            reason,
            message,
        })
    }

    fn why(
        &self,
        (e, at): (&Entry, GroupAt),
        front: impl FnOnce() -> Option<String>,
        before: usize,
    ) -> (WaitReason, String) {
        // Settling ends by itself; what stops all grants does not.
        if let Some(why) = &self.paused {
            return paused(why);
        }
        if self.settling.is_on() {
            let reason = WaitReason::Settling;
            return (reason, reason.explain().to_owned());
        }
        if at == GroupAt::Resting && e.part().is_some() {
            let reason = WaitReason::Elsewhere;
            return (reason, reason.explain().to_owned());
        }
        let tenant = self.capacity.rights.tenant(e.asks());
        if at == GroupAt::Aside
            && let Err(why) = self.capacity.check(e.items(), tenant)
        {
            let text = format!("the license in force can never grant it: {why}");
            return (WaitReason::Full, text);
        }
        let free: Free<'_> = &|p| self.capacity.free(p);
        if let Some(text) = self.held_back((e, at), tenant, free) {
            return (WaitReason::Policy, text);
        }
        let items = e.items().iter();
        let short: Vec<String> = items
            .filter_map(|i| self.shortage(i, e.asks(), free))
            .collect();
        let taken = if short.is_empty() {
            self.together(e, free)
        } else {
            Some(short.join("; "))
        };
        match (taken, front()) {
            (Some(text), None) => {
                let passed = self.patience_of(at).map(|p| {
                    format!(
                        "; claims that fit may pass it, for {} s at most",
                        p.as_secs()
                    )
                });
                (WaitReason::Full, text + &passed.unwrap_or_default())
            }
            (Some(text), Some(first)) => {
                let more = match before {
                    0 | 1 => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                let text = format!("{text}; in front of it: {first}{more}");
                (WaitReason::Full, text)
            }
            (None, first) => {
                let free: Vec<String> = e.items().iter().map(|i| self.is_free(i, free)).collect();
                let first = first.as_deref().unwrap_or("another claim");
                let text = format!(
                    "{}, kept for {first}, which is in front of it",
                    free.join(", ")
                );
                (WaitReason::Behind, text)
            }
        }
    }

    /// How the policy keeps it from its seats, where that is why it waits.
    fn held_back(
        &self,
        (e, at): (&Entry, GroupAt),
        tenant: Tenant,
        free: Free<'_>,
    ) -> Option<String> {
        let GroupAt::Of(group) = at else { return None };
        let (items, asker) = (e.items(), e.asks());
        let why = || {
            self.capacity.plan(items, asker, free).is_some()
                || !self.capacity.is_within_limit(items, asker, tenant)
        };
        if !self.queue.is_held_back(group) || !why() {
            return None;
        }
        let pools = self.queue.pools(group);
        let rights = &self.capacity.rights;
        let text = rights.explain(tenant, pools)?;
        Some(text + &rights.explain_project(asker).unwrap_or_default())
    }

    /// For how long a claim of a group is passed where it does not fit.
    fn patience_of(&self, at: GroupAt) -> Option<Duration> {
        let GroupAt::Of(group) = at else { return None };
        let pools = self.queue.pools(group).iter();
        let each = pools.filter_map(|p| self.capacity.rights.patience(*p));
        each.max()
    }

    /// What an item lacks by itself, if it does.
    fn shortage(&self, item: &Item, asker: Asker<'_>, free: Free<'_>) -> Option<String> {
        let alone = std::slice::from_ref(item);
        if self.capacity.plan(alone, asker, free).is_some() {
            return None;
        }
        let (product, wanted) = (&item.product, item.seats.get());
        let there = self.capacity.most_out_of(product, free);
        if there == 0
            && let Some(why) = self.taken_by_others(product)
        {
            return Some(why);
        }
        let text = match (there, self.capacity.most(product)) {
            (0, 0) => format!("{product} has no seats now"),
            (0, 1) => format!("the only seat of {product} is taken"),
            (0, all) => format!("all {all} seats of {product} are taken"),
            (n, _) if n >= wanted => format!(
                "{wanted} seats of {product} are wanted, and no license file has so many of the {n} that are free"
            ),
            (1, _) => format!("{wanted} seats of {product} are wanted, and 1 is free"),
            (n, _) => format!("{wanted} seats of {product} are wanted, and {n} are free"),
        };
        Some(match self.capacity.next_begin(product) {
            Some(t) => format!("{text}; more begin {t}"),
            None => text,
        })
    }

    /// Why no seat of a product is free although not all are out: others draw on the same pools.
    fn taken_by_others(&self, product: &ProductName) -> Option<String> {
        let out = |p: &ProductName| self.tally.product(p).used;
        let pools = self.capacity.scarce(product);
        let sharers = self.capacity.sharers(product);
        let others = sharers.filter(|p| out(p) > 0).map(|p| match out(p) {
            1 => format!("1 seat of {p} is out"),
            n => format!("{n} seats of {p} are out"),
        });
        let mut others: Vec<String> = others.collect();
        let all_are_out = out(product) >= u64::from(self.capacity.most(product));
        if others.is_empty() || (all_are_out && !self.capacity.is_shared(product)) {
            return None;
        }
        if others.len() > MOST_NAMED {
            let more = others.len() - MOST_NAMED;
            others.truncate(MOST_NAMED);
            others.push(format!("and of {more} more products"));
        }
        let takes: Vec<String> = pools
            .take(MOST_NAMED)
            .map(|(pool, weight, free)| {
                let free = match free {
                    0 => "none is".to_owned(),
                    1 => "1 is".to_owned(),
                    n => format!("{n} are"),
                };
                format!("{weight} of {pool}, of which {free} free")
            })
            .collect();
        let (takes, others) = (takes.join(" or "), others.join(", "));
        Some(format!("1 seat of {product} takes {takes}; {others}"))
    }

    /// What items lack that could each be had.
    fn together(&self, e: &Entry, free: Free<'_>) -> Option<String> {
        let plan = self.capacity.plan(e.items(), e.asks(), free);
        plan.is_none().then(|| {
            let products: Vec<&str> = e.items().iter().map(|i| i.product.as_str()).collect();
            let products = products.join(" and ");
            format!("{products} draw on the same seats, and too few are free for all of them")
        })
    }

    fn is_free(&self, item: &Item, free: Free<'_>) -> String {
        let product = &item.product;
        match self.capacity.most_out_of(product, free) {
            1 => format!("1 seat of {product} is free"),
            n => format!("{n} seats of {product} are free"),
        }
    }

    /// Who stands first of those before it, as its own holder may know it.
    fn front(&self, e: &Entry, rank: Rank, pools: &[usize], tenant: Tenant) -> Option<String> {
        let first = self.queue.front(rank, pools, tenant)?;
        let first = &self.entries.get(&first.id)?.who;
        Some(as_seen_by(first, &e.who))
    }

    /// Tells others of a claim of the queue that waits otherwise than they were told last. Only who
    /// asks again is looked at, so that a step does not cost more the longer the line is.
    pub(super) fn tell_news(&mut self, id: LeaseId, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        let (Some(wait), told) = (self.wait_of(e), e.told.as_deref()) else {
            return;
        };
        let near = |w: &Wait| w.place <= NEAR;
        let news = told
            .is_none_or(|t| t.reason != wait.reason || ((near(t) || near(&wait)) && *t != wait));
        if news {
            self.tell_wait(id, Some(wait), now);
        }
    }
}

/// What stops grants altogether.
fn paused(why: &Refusal) -> (WaitReason, String) {
    let reason = match why {
        Refusal::ByEdge(p) if p.kind == ProblemType::AnchorLost => WaitReason::AnchorLost,
        _ => WaitReason::LicenseInvalid,
    };
    (reason, why.told())
}

/// A holder in the words for another: by name within a namespace, and nothing of it beyond.
fn as_seen_by(one: &KeptHolder, other: &KeptHolder) -> String {
    match (one, other) {
        (one, other) if one.key() == other.key() => "another claim of its own".into(),
        (KeptHolder::Pod { pod, .. }, KeptHolder::Pod { .. } | KeptHolder::Owner(_)) => {
            if one.namespace() == other.namespace() {
                format!("pod {}", &**pod)
            } else {
                "a claim of another namespace".into()
            }
        }
        (KeptHolder::External(_), KeptHolder::External(_)) => "a claim of another client".into(),
        (KeptHolder::External(_), _) => "a claim from outside the cluster".into(),
        (KeptHolder::Pod { .. }, _) => "a claim of a pod".into(),
        (KeptHolder::Owner(holder), KeptHolder::Pod { .. })
            if one.namespace() == other.namespace() =>
        {
            name_of(holder)
        }
        (KeptHolder::Owner(_), _) => "a claim for pods to come".into(),
    }
}

/// An owner's kind and name.
fn name_of(holder: &Holder) -> String {
    match holder {
        Holder::Owner { owner, .. } => owner.clone(),
        other => other.to_string(),
    }
}
