//! What the licenses have, and drawing seats from them.

use super::alternative::{Alternative, draws};
use super::count_by::{Joins, Share, ShareKey, share_key};
use super::fit::{Want, fit, most, room};
use super::pool::{Drawn, Draws, Offer, Plan, PoolUse, ProductRule, Source};
use super::refusal::{Refusal, Sold};
use super::rights::{Rights, part_of};
use super::sharers::Changes;
use super::tenant::Tenant;
use super::types::{Claim, Part};
use super::who::Asker;
use crate::identity::Holder;
use crate::license::{CountBy, TokenDraw};
use crate::mutant::{self, Mutant};
use crate::names::{LeaseId, PoolName, ProductName};
use crate::receipt::PartBefore;
use crate::request::Item;
use crate::time::Timestamp;
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

/// Pools and products in force, and how many seats are in use.
#[derive(Clone, Debug, Default)]
pub struct Capacity {
    /// The license files, in the order in which they are drawn on.
    pub(super) licenses: Vec<Source>,
    pub(super) pools: Vec<PoolUse>,
    pub(super) products: Vec<ProductRule>,
    /// Where each product is among them.
    pub(super) places: HashMap<ProductName, usize, FixedNames>,
    /// Seats that several claims count as one: of products that are counted by pod, node, …
    pub(super) shares: HashMap<ShareKey, Share>,
    /// Which of them have changed since the queue was looked through for who may share them.
    pub(super) changes: Changes,
    /// Whether a product is counted by something else than claims.
    pub(super) shares_seats: bool,
    /// What a policy leaves to whom.
    pub(super) rights: Rights,
    /// There may be room since stranded leases were looked at last.
    pub(super) freed: bool,
    /// The wall clock as it was told last: which pools are open goes by it.
    pub(super) at: Timestamp,
    /// Between which dates the same pools are open as at that one: so a step looks at two numbers.
    pub(super) same: (Option<Timestamp>, Option<Timestamp>),
}

/// Of names that the license has: nobody else puts any in, so a quick hash will do.
pub(super) type FixedNames = foldhash::fast::RandomState;

/// What there is in a pool.
pub(super) type Free<'a> = &'a dyn Fn(usize) -> u32;

/// For whom seats are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// A claim that has none.
    Anew,
    /// A lease of an earlier run that had these.
    Back,
    /// A lease that has seats already, as if it had none.
    ToMove(LeaseId),
}

/// One way to serve an item: out of this file.
struct Way<'a> {
    offer: &'a Offer,
    /// As whose it counts, if not for itself alone.
    key: Option<ShareKey>,
    /// Whether others have seats out that it counts as one with.
    shares: bool,
    /// How many it takes besides.
    seats: u32,
}

impl<'a> Way<'a> {
    fn want(&self) -> (&'a [Alternative], u32) {
        (&self.offer.from, self.seats)
    }
}

impl Capacity {
    pub(super) fn rule(&self, product: &ProductName) -> Option<&ProductRule> {
        self.products.get(*self.places.get(product)?)
    }

    /// The same items, their products spelled as the license spells them.
    pub(super) fn spelled<'a>(&self, items: &'a [Item]) -> Cow<'a, [Item]> {
        let name = |item: &'a Item| {
            let rule = self.rule(&item.product);
            rule.map_or(&item.product, |r| &r.name)
        };
        let same = |item: &'a Item| name(item).as_str() == item.product.as_str();
        if items.iter().all(same) {
            return Cow::Borrowed(items);
        }
        let spelled = |item: &'a Item| Item {
            product: name(item).clone(),
            ..item.clone()
        };
        items.iter().map(spelled).collect()
    }

    /// Whether such a claim of a tenant could ever be granted; if not, why.
    pub(super) fn check(&self, items: &[Item], tenant: Tenant) -> Result<(), Refusal> {
        self.sells(items)?;
        self.permits(items, tenant)
    }

    /// An owner's pods take their shares over only where they count by themselves.
    pub(super) fn may_reserve(&self, c: &Claim) -> Result<(), Refusal> {
        if !matches!(c.holder, Holder::Owner { .. }) {
            return Ok(());
        }
        for (i, item) in c.items.iter().enumerate() {
            let offers = self.rule(&item.product).into_iter();
            let mut by = offers.flat_map(|r| &r.offers).map(|o| o.count_by);
            if let Some(by) = by.find(|by| !matches!(by, CountBy::Claim | CountBy::Pod)) {
                return Err(Refusal::NotReserved {
                    item: i,
                    product: item.product.clone(),
                    by,
                });
            }
        }
        Ok(())
    }

    fn sells(&self, items: &[Item]) -> Result<(), Refusal> {
        for (i, item) in items.iter().enumerate() {
            let product = item.product.clone();
            let Some(rule) = self.rule(&product) else {
                return Err(Refusal::UnknownProduct {
                    item: i,
                    product,
                    sold: Sold::of(&self.products),
                });
            };
            let covers = |v| rule.offers.iter().any(|o| o.versions.covers(v));
            if let Some(v) = item.version.as_ref().filter(|v| !covers(v)) {
                return Err(Refusal::VersionNotCovered {
                    item: i,
                    product,
                    version: v.clone(),
                    covered: rule.offers.iter().map(|o| o.versions.clone()).collect(),
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
                        of_one_file: self.most_of_one_file(item),
                        product,
                    },
                });
            }
        }
        // One alone was looked at.
        if items.len() > 1 && !self.fits_at_all(items) {
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
        let place = |(p, w): &(usize, u32)| Some((own.binary_search(p).ok()?, *w));
        let own = |alt: &Alternative| alt.iter().filter_map(place).collect::<Alternative>();
        most(rule.alternatives().map(own), &mut free)
    }

    /// Of each alternative of a product the first pool that has no room for a seat: its name, how
    /// much a seat takes of it, and how much is free.
    pub(super) fn scarce(
        &self,
        product: &ProductName,
    ) -> impl Iterator<Item = (&PoolName, u32, u32)> {
        let rule = self.rule(product).into_iter();
        let alternatives = rule.flat_map(ProductRule::alternatives);
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
            let mut pools = r.alternatives().flatten();
            pools.any(|(p, _)| own.binary_search(p).is_ok())
        };
        others.filter(shares).map(|r| &r.name)
    }

    /// Whether claims of this product may count as one: then more may be out than are taken.
    pub(super) fn is_shared(&self, product: &ProductName) -> bool {
        let mut offers = self.rule(product).into_iter().flat_map(|r| &r.offers);
        offers.any(|o| o.count_by != CountBy::Claim)
    }

    /// What is free in a pool.
    pub(super) fn free(&self, pool: usize) -> u32 {
        self.pools.get(pool).map_or(0, PoolUse::free)
    }

    /// What is in use of a pool.
    pub(super) fn used(&self, pool: usize) -> u32 {
        self.pools.get(pool).map_or(0, |p| p.used)
    }

    /// For how long what a lease has may be handed over: as its license files all allow.
    pub(super) fn max_handover(&self, drawn: &Drawn) -> Duration {
        let files = drawn.licenses.iter().filter_map(|l| self.licenses.get(*l));
        let most = files.map(|l| l.max_handover).min();
        most.unwrap_or_default()
    }

    /// Whether a claim can have what another has: as many seats of each product, by a version that
    /// the same file covers, and counted for the other alone.
    pub(super) fn draws_alike(&self, items: &[Item], before: &[Item], drawn: &Drawn) -> bool {
        let is_sold = |i: &Item, file: usize| {
            let rule = self.rule(&i.product);
            let mut offers = rule
                .into_iter()
                .flat_map(|r| r.offers_for(i.version.as_ref()));
            offers.any(|o| o.license == file)
        };
        let mut each = items.iter().zip(before).zip(&drawn.licenses);
        let alike = each.all(|((a, b), file)| {
            a.product == b.product && a.seats == b.seats && is_sold(a, *file)
        });
        let mut shares = drawn.shared.iter().filter_map(|k| self.shares.get(k));
        items.len() == before.len() && alike && shares.all(Share::is_one_lease_s)
    }

    /// Of each pool.
    pub(super) fn each(&self, of: Free<'_>) -> Vec<u32> {
        (0..self.pools.len()).map(of).collect()
    }

    /// Where these items' seats would come from, all or nothing, out of `free`.
    pub(super) fn plan(&self, items: &[Item], asker: Asker<'_>, free: Free<'_>) -> Option<Plan> {
        self.plan_of(Asks::Anew, items, asker, free)
    }

    pub(super) fn plan_of(
        &self,
        asks: Asks,
        items: &[Item],
        asker: Asker<'_>,
        free: Free<'_>,
    ) -> Option<Plan> {
        let usual = self.usual(items);
        if let Some(usual) = usual.filter(|_| !mutant::on(Mutant::PartialGrant)) {
            return self.plan_usual(asks, usual, asker, free);
        }
        let ways = |item| self.ways(asks, item, asker);
        let ways: Option<Vec<Vec<Way<'_>>>> = items.iter().map(ways).collect();
        let ways = ways?;
        let mut wants: Vec<Want<'_>> = Vec::with_capacity(ways.len());
        for ways in &ways {
            wants.push(ways.iter().map(Way::want).collect());
        }
        let found = fit(&wants, &self.each(free))?;
        let mut plan = Plan::default();
        for ((ways, (place, taken)), item) in ways.into_iter().zip(found).zip(items) {
            let way = ways.into_iter().nth(place)?;
            plan.licenses.push(way.offer.license);
            match way.key {
                Some(key) => plan.shared.push(Joins {
                    key,
                    seats: item.seats.get(),
                    owns: asker.is_owner(),
                    taken,
                }),
                None => plan
                    .own
                    .extend(taken.iter().flat_map(|(n, alt)| draws(*n, alt))),
            }
        }
        Some(plan)
    }

    /// What [`plan_of`](Self::plan_of) gives where there is nothing to search.
    fn plan_usual(
        &self,
        asks: Asks,
        (item, offer, alt): (&Item, &Offer, &Alternative),
        asker: Asker<'_>,
        free: Free<'_>,
    ) -> Option<Plan> {
        let way = self.way(asks, item, asker, offer)?;
        let (mut plan, mut seats) = (Plan::default(), way.seats);
        if asker.is_owner() && mutant::on(Mutant::GangHalved) {
            seats = seats.min(room(alt, free));
        }
        if seats > 0 && room(alt, free) < seats {
            return None;
        }
        plan.licenses.push(offer.license);
        match way.key {
            Some(key) => {
                let taken = (seats > 0).then(|| (seats, alt.clone()));
                plan.shared.push(Joins {
                    key,
                    seats: item.seats.get(),
                    owns: asker.is_owner(),
                    taken: taken.into_iter().collect(),
                });
            }
            None => plan.own = draws(seats, alt),
        }
        Some(plan)
    }

    /// One product, which one file sells out of one alternative: most claims are for such.
    fn usual<'a>(&'a self, items: &'a [Item]) -> Option<(&'a Item, &'a Offer, &'a Alternative)> {
        let [item] = items else {
            return None;
        };
        let [offer] = self.rule(&item.product)?.offers.as_slice() else {
            return None;
        };
        let [alt] = offer.from.as_slice() else {
            return None;
        };
        Some((item, offer, alt))
    }

    /// How an item could be had in a file.
    fn way<'a>(
        &self,
        asks: Asks,
        item: &Item,
        asker: Asker<'_>,
        offer: &'a Offer,
    ) -> Option<Way<'a>> {
        let key = share_key((offer.count_by, offer.license), &item.product, asker);
        let share = key.as_ref().and_then(|k| self.shares.get(k));
        // Seats that are to move are no place to come to, but for who had them.
        let stays = |s: &Share| s.taken().all(|(_, alt)| self.is_there(alt));
        if asks != Asks::Back && share.is_some_and(|s| !stays(s)) {
            return None;
        }
        let there = share.map_or(0, |s| match asks {
            Asks::ToMove(lease) => s.seats_without(lease),
            Asks::Anew | Asks::Back => s.left_for(asker.is_owner()),
        });
        Some(Way {
            offer,
            key,
            shares: there > 0,
            seats: item.seats.get().saturating_sub(there),
        })
    }

    /// In which files an item could be had: first where seats are out already that it would share,
    /// then in the files' order.
    fn ways<'a>(&'a self, asks: Asks, item: &Item, asker: Asker<'_>) -> Option<Vec<Way<'a>>> {
        let rule = self.rule(&item.product)?;
        let offers = rule.offers_for(item.version.as_ref());
        let ways = offers.filter_map(|offer| self.way(asks, item, asker, offer));
        let mut ways: Vec<Way<'a>> = ways.collect();
        ways.sort_by_key(|w| !w.shares);
        Some(ways)
    }

    /// Whether these items could be had, now or at a later date, were nothing else out.
    fn fits_at_all(&self, items: &[Item]) -> bool {
        let now = |p: usize| self.pools.get(p).map_or(0, |p| p.sold_at(self.at));
        if let Some((item, _, alt)) = self.usual(items)
            && room(alt, &now) >= item.seats.get()
        {
            return true;
        }
        let wants: Option<Vec<Want<'_>>> = items.iter().map(|i| self.want(i)).collect();
        let pools = self.pools_of(items);
        wants.is_some_and(|w| {
            let mut dates = self.prospects(&pools);
            dates.any(|at| fit(&w, &self.there_at(at, &pools)).is_some())
        })
    }

    /// An item's seats, by each file that may serve it.
    pub(super) fn want(&self, item: &Item) -> Option<Want<'_>> {
        let rule = self.rule(&item.product)?;
        let offers = rule.offers_for(item.version.as_ref());
        Some(
            offers
                .map(|o| (o.from.as_slice(), item.seats.get()))
                .collect(),
        )
    }

    /// The most seats of an item's product that one file has, now or later.
    fn most_of_one_file(&self, item: &Item) -> u32 {
        let pools = self.pools_of(std::slice::from_ref(item));
        let rule = self.rule(&item.product).into_iter();
        let offers = rule.flat_map(|r| r.offers_for(item.version.as_ref()));
        let of_file = |o: &Offer| {
            let there = self.prospects(&pools).map(|at| {
                let mut there = self.there_at(at, &pools);
                most(&o.from, &mut there)
            });
            there.max().unwrap_or(0)
        };
        offers.map(of_file).max().unwrap_or(0)
    }

    /// As whom a claim counts with others, and for how many seats, where all that it asks for can
    /// be counted so: only then may it have seats for nothing.
    pub(super) fn share_keys(&self, items: &[Item], asker: Asker<'_>) -> Vec<(ShareKey, u32)> {
        let mut keys = Vec::new();
        if !self.shares_seats && asker.family.is_none() {
            return keys;
        }
        for item in items {
            let before = keys.len();
            let rule = self.rule(&item.product).into_iter();
            let offers = rule.flat_map(|r| r.offers_for(item.version.as_ref()));
            let key = |o: &Offer| share_key((o.count_by, o.license), &item.product, asker);
            keys.extend(offers.filter_map(key).map(|k| (k, item.seats.get())));
            if keys.len() == before {
                return Vec::new();
            }
        }
        keys
    }

    /// Every pool that these items could draw on.
    pub(super) fn pools_of(&self, items: &[Item]) -> Vec<usize> {
        let offers = items.iter().flat_map(|i| {
            let rule = self.rule(&i.product).into_iter();
            rule.flat_map(|r| r.offers_for(i.version.as_ref()))
        });
        let draws = offers.flat_map(|o| &o.from).flatten();
        let mut v: Vec<usize> = draws.map(|(p, _)| *p).collect();
        v.sort_unstable();
        v.dedup();
        v
    }

    /// Books a plan for a tenant's lease; tells what it has now, and how many of its seats go over
    /// what was sold.
    pub(super) fn book(&mut self, (lease, tenant): (LeaseId, Tenant), plan: Plan) -> (Drawn, u32) {
        let mut over = self.draw(&plan.own);
        self.rights.draw(tenant, &plan.own);
        let mut shared = Vec::new();
        for joins in plan.shared {
            for (n, alt) in &joins.taken {
                over = over.saturating_add(self.draw(&draws(*n, alt)));
            }
            if !joins.taken.is_empty() {
                self.changes.note(&joins.key);
            }
            let key = joins.key.clone();
            let share = self.shares.entry(key.clone());
            let share = share.or_insert_with(|| Share::of(&key));
            self.rights.undraw(tenant, &part_of(share, tenant));
            share.join((lease, tenant), joins);
            self.rights.draw(tenant, &part_of(share, tenant));
            shared.push(key);
        }
        let Plan { licenses, own, .. } = plan;
        let drawn = Drawn {
            licenses,
            own,
            shared,
        };
        (drawn, over)
    }

    /// A lease has another number of the seats that it counts as one with others.
    pub(super) fn resize(&mut self, key: &ShareKey, (lease, tenant): (LeaseId, Tenant), n: u32) {
        let Some(share) = self.shares.get_mut(key) else {
            return;
        };
        self.rights.undraw(tenant, &part_of(share, tenant));
        let freed = share.resize(lease, n);
        self.rights.draw(tenant, &part_of(share, tenant));
        self.freed |= !freed.is_empty();
        for (n, alt) in freed {
            self.undraw(&draws(n, &alt));
        }
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

    /// What a lease has of each license file, as its token tells it. Seats that several claims
    /// count as one are in each of their tokens.
    pub(super) fn parts(&self, lease: LeaseId, items: &[Item], drawn: &Drawn) -> Vec<Part> {
        let places = &drawn.licenses;
        let mut parts = Vec::with_capacity(1);
        for (i, place) in places.iter().enumerate() {
            let (Some(of), false) = (
                self.licenses.get(*place),
                places.iter().take(i).any(|p| p == place),
            ) else {
                continue;
            };
            // Mostly one file has all.
            let items = if places.iter().all(|p| p == place) {
                items.to_vec()
            } else {
                let items = items.iter().zip(places);
                let of_it = items.filter(|(_, p)| *p == place);
                of_it.map(|(item, _)| item.clone()).collect()
            };
            let mut draws = Vec::with_capacity(drawn.own.len());
            draws.extend(self.shown_of(lease, drawn).filter_map(|(i, seats)| {
                let pool = self.pools.get(i).filter(|p| p.license == *place)?;
                let pool = pool.name.clone();
                Some(TokenDraw { pool, seats })
            }));
            let license = of.digest.clone();
            parts.push(Part {
                license,
                items,
                draws,
            });
        }
        parts
    }

    /// What a lease goes by of each pool, seats that it counts as one with others included.
    pub(super) fn shown_of(
        &self,
        lease: LeaseId,
        drawn: &Drawn,
    ) -> impl Iterator<Item = (usize, u32)> {
        let shares = drawn.shared.iter().filter_map(|k| self.shares.get(k));
        let shared = shares.flat_map(move |s| s.shown_to(lease));
        let shared = shared.flat_map(|(n, alt)| draws(n, alt));
        drawn.own.iter().copied().chain(shared)
    }

    /// The same with all that others have of it who count as one with it.
    pub(super) fn all_of(&self, drawn: &Drawn) -> impl Iterator<Item = (usize, u32)> {
        let shares = drawn.shared.iter().filter_map(|k| self.shares.get(k));
        let shared = shares.flat_map(Share::taken);
        let shared = shared.flat_map(|(n, alt)| draws(*n, alt));
        drawn.own.iter().copied().chain(shared)
    }

    /// As [`plan`](Self::plan), out of the same pools as before: the others' seats may be held by
    /// leases that have not come back yet. Only where the license does not let the products draw so
    /// any more, out of any.
    pub(super) fn plan_as_before(
        &self,
        items: &[Item],
        asker: Asker<'_>,
        before: &[PartBefore],
    ) -> Option<Plan> {
        let had = self.had(before);
        let of = |list: &[u32]| {
            let list = list.to_vec();
            move |p: usize| list.get(p).copied().unwrap_or(0)
        };
        let plan = |free: Free<'_>| self.plan_of(Asks::Back, items, asker, free);
        if before.iter().all(|p| p.draws.is_empty()) || plan(&of(&had)).is_none() {
            return self.plan(items, asker, &|p| self.free(p));
        }
        // Also out of a pool that has ended meanwhile: what others have elsewhere is not known yet.
        let left = self.pools.iter().map(|p| p.sold().saturating_sub(p.used));
        let same = std::iter::zip(had, left).map(|(had, left)| had.min(left));
        let same: Vec<u32> = same.collect();
        plan(&of(&same))
    }

    /// As [`plan_as_before`](Self::plan_as_before), of a lease that had nothing of it yet.
    pub(super) fn plan_beyond(&self, items: &[Item], before: &[PartBefore]) -> Option<Plan> {
        let (mut wants, mut files) = (Vec::<Want<'_>>::new(), Vec::new());
        for item in items {
            let offers = self.rule(&item.product)?.offers_for(item.version.as_ref());
            files.push(offers.map(|o| o.license).collect::<Vec<_>>());
            wants.push(self.want(item)?);
        }
        let mut plan = Plan::default();
        for ((place, taken), files) in fit(&wants, &self.had(before))?.into_iter().zip(files) {
            plan.licenses.push(*files.get(place)?);
            let taken = taken.iter();
            plan.own.extend(taken.flat_map(|(n, alt)| draws(*n, alt)));
        }
        Some(plan)
    }

    /// What an earlier lease had of each pool.
    fn had(&self, before: &[PartBefore]) -> Vec<u32> {
        // A license that is not here any more was replaced: by which, its pools' names say.
        let is_here = |id: &str| self.licenses.iter().any(|l| l.in_force && l.id == id);
        let had = |p: &PoolUse| {
            let of = self.licenses.get(p.license).map(|l| &l.id);
            let parts = before.iter();
            let parts = parts.filter(|part| Some(&part.license) == of || !is_here(&part.license));
            let draws = parts.flat_map(|part| &part.draws);
            let of_it = draws.filter(|d| d.pool == p.name);
            of_it.fold(0u32, |sum, d| sum.saturating_add(d.seats))
        };
        self.pools.iter().map(had).collect()
    }

    /// Whether nobody else counts what a lease has: it counts for itself, or alone for an owner
    /// that has ended.
    pub(super) fn has_alone(&self, drawn: &Drawn) -> bool {
        let alone =
            |k: &ShareKey| k.is_owners() && self.shares.get(k).is_some_and(Share::is_of_one);
        drawn.shared.iter().all(alone)
    }

    /// What a lease has of each pool; seats that several claims count as one are the first claim's.
    pub(super) fn drawn_by(&self, lease: LeaseId, drawn: &Drawn) -> Draws {
        let mut all = drawn.own.clone();
        for share in drawn.shared.iter().filter_map(|k| self.shares.get(k)) {
            all.extend(share.borne_by(lease).flat_map(|(n, alt)| draws(*n, alt)));
        }
        all
    }

    pub(super) fn give_back(&mut self, (lease, tenant): (LeaseId, Tenant), drawn: &Drawn) {
        self.freed = true;
        self.undraw(&drawn.own);
        self.rights.undraw(tenant, &drawn.own);
        for key in &drawn.shared {
            let Some(share) = self.shares.get_mut(key) else {
                continue;
            };
            self.rights.undraw(tenant, &part_of(share, tenant));
            let freed = share.leave(lease);
            self.rights.draw(tenant, &part_of(share, tenant));
            // What is left may be open, where it was not; an owner's next pod may have this share.
            if !freed.is_empty() || key.is_owners() {
                self.changes.note(key);
            }
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
