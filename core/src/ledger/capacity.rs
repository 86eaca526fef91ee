//! What the license has, and drawing seats from it.

use super::alternative::{Alternative, alternative, draws};
use super::count_by::{Share, ShareKey, share_key};
use super::fit::{fit, room, take};
use super::pool::{Drawn, Draws, Plan, PoolUse, ProductRule};
use super::refusal::{Refusal, Sold};
use crate::identity::Holder;
use crate::license::{CountBy, License, Pool, Product, TokenDraw};
use crate::names::{LeaseId, PoolName, ProductName};
use crate::request::Item;
use crate::time::Timestamp;
use std::collections::HashMap;

/// Pools and products in force, and how many seats are in use.
#[derive(Clone, Debug, Default)]
pub struct Capacity {
    pub(super) pools: Vec<PoolUse>,
    pub(super) products: Vec<ProductRule>,
    /// Where each product is among them.
    places: HashMap<ProductName, usize>,
    /// Seats that several claims count as one: of products that are counted by pod, node, …
    pub(super) shares: HashMap<ShareKey, Share>,
    /// The wall clock as it was told last: which pools are open goes by it.
    pub(super) at: Timestamp,
    /// Between which dates the same pools are open as at that one: so a step looks at two numbers.
    pub(super) same: (Option<Timestamp>, Option<Timestamp>),
}

impl Capacity {
    /// What a license has. It has been checked: each product draws on pools that are there.
    pub fn of(license: &License) -> Self {
        let pool = |p: &Pool| PoolUse {
            name: p.name.clone(),
            seats: p.seats,
            overdraft: p.overdraft,
            used: 0,
            not_before: p.not_before,
            expires: p.expires,
            open: false,
        };
        let pools: Vec<PoolUse> = license.pools.iter().map(pool).collect();
        let places: HashMap<&PoolName, usize> = pools.iter().map(|p| &p.name).zip(0..).collect();
        let place = |n: &PoolName| places.get(n).copied();
        let by_name = license.pools_by_name();
        let rule = |p: &Product| ProductRule {
            count_by: p.count_by,
            name: p.name.clone(),
            versions: p.versions.clone(),
            expires: by_name.ends(p),
            from: p.from.iter().map(|a| alternative(a, &place)).collect(),
        };
        let products = license.products.iter().map(rule).collect();
        let names = license.products.iter().map(|p| p.name.clone());
        let mut new = Self {
            pools,
            products,
            places: names.zip(0..).collect(),
            ..Self::default()
        };
        new.look_at_dates();
        new
    }

    /// Nothing: no license is in force.
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes new numbers over, keeping what is in use. A pool that is sold no more stays, empty,
    /// while seats of it are out.
    pub(super) fn replace(&mut self, new: Self) {
        for p in &mut self.pools {
            // A license without it throws nobody out: it does not end by a date any more.
            (p.seats, p.overdraft) = (0, 0);
            (p.not_before, p.expires) = (None, None);
        }
        let names = self.pools.iter().map(|p| p.name.clone());
        let here: HashMap<PoolName, usize> = names.zip(0..).collect();
        let mut place = Vec::with_capacity(new.pools.len());
        for p in new.pools {
            let known = here.get(&p.name).copied();
            if let Some((i, q)) = known.and_then(|i| Some((i, self.pools.get_mut(i)?))) {
                q.name = p.name;
                (q.seats, q.overdraft) = (p.seats, p.overdraft);
                (q.not_before, q.expires) = (p.not_before, p.expires);
                place.push(i);
            } else {
                place.push(self.pools.len());
                self.pools.push(p);
            }
        }
        (self.products, self.places) = (new.products, new.places);
        let alternatives = self.products.iter_mut().flat_map(|p| &mut p.from);
        for d in alternatives.flatten() {
            d.0 = place.get(d.0).copied().unwrap_or(d.0);
        }
        self.look_at_dates();
    }

    pub(super) fn rule(&self, product: &ProductName) -> Option<&ProductRule> {
        self.products.get(*self.places.get(product)?)
    }

    /// The same items, their products spelled as the license spells them.
    pub(super) fn spelled(&self, items: &[Item]) -> Vec<Item> {
        let spelled = |item: &Item| Item {
            product: self
                .rule(&item.product)
                .map_or_else(|| item.product.clone(), |r| r.name.clone()),
            ..item.clone()
        };
        items.iter().map(spelled).collect()
    }

    /// Whether such a claim could ever be granted; if not, why.
    pub(super) fn check(&self, items: &[Item]) -> Result<(), Refusal> {
        for (i, item) in items.iter().enumerate() {
            let product = item.product.clone();
            let Some(rule) = self.rule(&product) else {
                return Err(Refusal::UnknownProduct {
                    item: i,
                    product,
                    sold: Sold::of(&self.products),
                });
            };
            if let Some(v) = item.version.as_ref().filter(|v| !rule.versions.covers(v)) {
                return Err(Refusal::VersionNotCovered {
                    item: i,
                    product,
                    version: v.clone(),
                    covered: rule.versions.clone(),
                });
            }
            if !self.fits_at_all(std::slice::from_ref(item)) {
                let sold = self.most_ever(&product);
                return Err(match self.ended(&product).filter(|_| sold == 0) {
                    Some(ended) => Refusal::SeatsEnded { product, ended },
                    None => Refusal::ExceedsSeats {
                        item: i,
                        asked: item.seats,
                        sold,
                        product,
                    },
                });
            }
        }
        if !self.fits_at_all(items) {
            return Err(Refusal::ExceedsSeatsTogether);
        }
        Ok(())
    }

    /// The most seats of a product that could be out at once, were nothing else.
    pub(super) fn most(&self, product: &ProductName) -> u32 {
        self.most_out_of(product, |p| self.pools.get(p).map_or(0, PoolUse::total))
    }

    /// The most seats of a product that could be had out of what is `free` in each pool. It looks
    /// at the product's own pools alone: a license may have thousands.
    pub(super) fn most_out_of(&self, product: &ProductName, free: impl Fn(usize) -> u32) -> u32 {
        let Some(rule) = self.rule(product) else {
            return 0;
        };
        let own = rule.pools();
        let mut free: Vec<u32> = own.iter().map(|p| free(*p)).collect();
        // Alternatives of one product may share pools, so this is what drawing in their order
        // gives.
        let mut most = 0u32;
        for alt in &rule.from {
            let place = |(p, w): &(usize, u32)| Some((own.binary_search(p).ok()?, *w));
            let alt: Alternative = alt.iter().filter_map(place).collect();
            let n = room(&alt, &free);
            take(&alt, n, &mut free);
            most = most.saturating_add(n);
        }
        most
    }

    /// Of each alternative of a product the first pool that has no room for a seat: its name, how
    /// much a seat takes of it, and how much is free.
    pub(super) fn scarce(
        &self,
        product: &ProductName,
    ) -> impl Iterator<Item = (&PoolName, u32, u32)> {
        let alternatives = self.rule(product).into_iter().flat_map(|r| &r.from);
        alternatives.filter_map(|alt| {
            let mut pools = alt
                .iter()
                .filter_map(|(p, w)| Some((self.pools.get(*p)?, *w)));
            let (pool, weight) = pools.find(|(p, w)| p.free() < *w)?;
            Some((&pool.name, weight, pool.free()))
        })
    }

    /// The other products that can draw on a pool of this one's.
    pub(super) fn sharers(&self, product: &ProductName) -> impl Iterator<Item = &ProductName> {
        let own = self.rule(product).map(ProductRule::pools);
        let own = own.unwrap_or_default();
        let others = self.products.iter().filter(|r| r.name != *product);
        let shares = move |r: &&ProductRule| {
            let mut pools = r.from.iter().flatten();
            pools.any(|(p, _)| own.binary_search(p).is_ok())
        };
        others.filter(shares).map(|r| &r.name)
    }

    /// Whether claims of this product may count as one: then more may be out than are taken.
    pub(super) fn is_shared(&self, product: &ProductName) -> bool {
        self.rule(product)
            .is_some_and(|r| r.count_by != CountBy::Claim)
    }

    pub(super) fn free(&self) -> Vec<u32> {
        self.pools.iter().map(PoolUse::free).collect()
    }

    /// Where these items' seats would come from, all or nothing, out of `free`.
    pub(super) fn plan(&self, items: &[Item], holder: &Holder, free: &[u32]) -> Option<Plan> {
        let mut wants = Vec::with_capacity(items.len());
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            let rule = self.rule(&item.product)?;
            let key = share_key(rule.count_by, &item.product, holder);
            let share = key.as_ref().and_then(|k| self.shares.get(k));
            let there = share.map_or(0, Share::seats);
            wants.push((rule.from.as_slice(), item.seats.get().saturating_sub(there)));
            keys.push(key);
        }
        let found = fit(&wants, free)?;
        let mut plan = Plan::default();
        for ((key, taken), item) in keys.into_iter().zip(found).zip(items) {
            match key {
                Some(k) => plan.shared.push((k, item.seats.get(), taken)),
                None => plan
                    .own
                    .extend(taken.iter().flat_map(|(n, alt)| draws(*n, alt))),
            }
        }
        Some(plan)
    }

    /// Whether these items could be had, now or at a later date, were nothing else out.
    fn fits_at_all(&self, items: &[Item]) -> bool {
        let want = |i: &Item| Some((self.rule(&i.product)?.from.as_slice(), i.seats.get()));
        let wants: Option<Vec<_>> = items.iter().map(want).collect();
        let pools = self.pools_of(items);
        wants.is_some_and(|w| {
            let mut dates = self.prospects(&pools);
            dates.any(|at| fit(&w, &self.there_at(at)).is_some())
        })
    }

    /// Whether other claims of such holders can count as one with this one.
    pub(super) fn shares_seats(&self) -> bool {
        self.products.iter().any(|p| p.count_by != CountBy::Claim)
    }

    /// Every pool that these items could draw on.
    pub(super) fn pools_of(&self, items: &[Item]) -> Vec<usize> {
        let rules = items.iter().filter_map(|i| self.rule(&i.product));
        let mut v: Vec<usize> = rules
            .flat_map(|r| r.from.iter().flatten())
            .map(|(p, _)| *p)
            .collect();
        v.sort_unstable();
        v.dedup();
        v
    }

    /// Books a plan for a lease; tells what it has now, and how many of its seats go over what was
    /// sold.
    pub(super) fn book(&mut self, lease: LeaseId, plan: Plan) -> (Drawn, u32) {
        let mut over = self.draw(&plan.own);
        let mut shared = Vec::new();
        for (key, seats, taken) in plan.shared {
            for (n, alt) in &taken {
                over = over.saturating_add(self.draw(&draws(*n, alt)));
            }
            let share = self.shares.entry(key.clone()).or_default();
            share.join(lease, seats, taken);
            shared.push(key);
        }
        let own = plan.own;
        (Drawn { own, shared }, over)
    }

    pub(super) fn draw(&mut self, draws: &Draws) -> u32 {
        let mut over = 0u32;
        for (i, n) in draws {
            if let Some(p) = self.pools.get_mut(*i) {
                let before = p.used.saturating_sub(p.seats);
                p.used = p.used.saturating_add(*n);
                over = over.saturating_add(p.used.saturating_sub(p.seats).saturating_sub(before));
            }
        }
        over
    }

    /// Where a lease's seats come from, as its token tells it. Seats that several claims count as
    /// one are in each of their tokens.
    pub(super) fn draws_to_show(&self, drawn: &Drawn) -> Vec<TokenDraw> {
        let show = |(i, seats): (usize, u32)| {
            let pool = self.pools.get(i)?.name.clone();
            Some(TokenDraw { pool, seats })
        };
        self.all_of(drawn).into_iter().filter_map(show).collect()
    }

    /// What a lease goes by of each pool, seats that it counts as one with others included.
    pub(super) fn all_of(&self, drawn: &Drawn) -> Draws {
        let mut all = drawn.own.clone();
        for share in drawn.shared.iter().filter_map(|k| self.shares.get(k)) {
            all.extend(share.taken().flat_map(|(n, alt)| draws(*n, alt)));
        }
        all
    }

    /// As [`plan`](Self::plan), out of the same pools as before: the others' seats may be held by
    /// leases that have not come back yet. Only where the license does not let the products draw so
    /// any more, out of any.
    pub(super) fn plan_as_before(
        &self,
        items: &[Item],
        holder: &Holder,
        before: &[TokenDraw],
    ) -> Option<Plan> {
        let had = |p: &PoolUse| {
            let of_it = before.iter().filter(|d| d.pool == p.name);
            of_it.fold(0u32, |sum, d| sum.saturating_add(d.seats))
        };
        let had: Vec<u32> = self.pools.iter().map(had).collect();
        if before.is_empty() || self.plan(items, holder, &had).is_none() {
            return self.plan(items, holder, &self.free());
        }
        // Also out of a pool that has ended meanwhile: what others have elsewhere is not known yet.
        let left = self.pools.iter().map(|p| p.sold().saturating_sub(p.used));
        let same = std::iter::zip(had, left).map(|(had, left)| had.min(left));
        self.plan(items, holder, &same.collect::<Vec<_>>())
    }

    /// What a lease has of each pool; seats that several claims count as one are the first claim's.
    pub(super) fn drawn_by(&self, lease: LeaseId, drawn: &Drawn) -> Draws {
        let mut all = drawn.own.clone();
        for share in drawn.shared.iter().filter_map(|k| self.shares.get(k)) {
            all.extend(share.borne_by(lease).flat_map(|(n, alt)| draws(*n, alt)));
        }
        all
    }

    pub(super) fn give_back(&mut self, lease: LeaseId, drawn: &Drawn) {
        self.undraw(&drawn.own);
        for key in &drawn.shared {
            let Some(share) = self.shares.get_mut(key) else {
                continue;
            };
            let freed = share.leave(lease);
            if share.is_empty() {
                self.shares.remove(key);
            }
            for (n, alt) in freed {
                self.undraw(&draws(n, &alt));
            }
        }
    }

    pub(super) fn undraw(&mut self, draws: &Draws) {
        for (i, n) in draws {
            if let Some(p) = self.pools.get_mut(*i) {
                p.used = p.used.saturating_sub(*n);
            }
        }
    }
}
