//! What the licence has, and drawing seats from it.

use crate::license::{CountBy, Licence, VersionRange};
use crate::names::{PoolName, ProductName};
use crate::request::Item;
use crate::wire::{Problem, ProblemType};

/// Pools and products in force, and how many seats are in use.
#[derive(Clone, Debug, Default)]
pub struct Capacity {
    pub(super) pools: Vec<PoolUse>,
    pub(super) products: Vec<ProductRule>,
}

/// A pool and its use.
#[derive(Clone, Debug)]
pub(super) struct PoolUse {
    pub(super) name: PoolName,
    pub(super) seats: u32,
    pub(super) overdraft: u32,
    pub(super) used: u32,
}

impl PoolUse {
    fn total(&self) -> u32 {
        self.seats.saturating_add(self.overdraft)
    }

    /// Zero, never less, where a smaller licence came while more was in use.
    pub(super) fn free(&self) -> u32 {
        self.total().saturating_sub(self.used)
    }
}

/// What is sold, as places in the list of pools.
#[derive(Clone, Debug)]
pub(super) struct ProductRule {
    pub(super) name: ProductName,
    pub(super) versions: VersionRange,
    pub(super) expires: Option<String>,
    /// Alternatives in order; each a list of (pool, weight).
    pub(super) from: Vec<Vec<(usize, u32)>>,
}

/// Seats drawn: (pool, how many).
pub(super) type Draws = Vec<(usize, u32)>;

impl Capacity {
    /// What a licence has. It has been checked: each product draws on pools that are there.
    pub fn of(licence: &Licence) -> Self {
        let pools: Vec<PoolUse> = licence
            .pools
            .iter()
            .map(|p| PoolUse {
                name: p.name.clone(),
                seats: p.seats,
                overdraft: p.overdraft,
                used: 0,
            })
            .collect();
        let place = |n: &PoolName| pools.iter().position(|p| p.name == *n);
        let products = licence
            .products
            .iter()
            .filter(|p| p.count_by == CountBy::Claim)
            .map(|p| ProductRule {
                name: p.name.clone(),
                versions: p.versions.clone(),
                expires: licence.expires.map(|t| t.to_string()),
                from: p
                    .from
                    .iter()
                    .map(|alt| {
                        alt.iter()
                            .filter_map(|d| Some((place(&d.pool)?, d.weight.max(1))))
                            .collect()
                    })
                    .collect(),
            })
            .collect();
        Self { pools, products }
    }

    /// Nothing: no licence is in force.
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes new numbers over, keeping what is in use. A pool that is sold no more stays, empty, while seats of it are out.
    pub(super) fn replace(&mut self, new: Self) {
        let old = std::mem::take(&mut self.pools);
        let mut pools: Vec<PoolUse> = old
            .into_iter()
            .map(|p| PoolUse {
                seats: 0,
                overdraft: 0,
                ..p
            })
            .collect();
        let mut place = Vec::with_capacity(new.pools.len());
        for p in new.pools {
            if let Some((i, q)) = pools.iter_mut().enumerate().find(|(_, q)| q.name == p.name) {
                (q.seats, q.overdraft) = (p.seats, p.overdraft);
                place.push(i);
            } else {
                place.push(pools.len());
                pools.push(p);
            }
        }
        self.pools = pools;
        self.products = new.products;
        for d in self
            .products
            .iter_mut()
            .flat_map(|p| p.from.iter_mut())
            .flatten()
        {
            d.0 = place.get(d.0).copied().unwrap_or(d.0);
        }
    }

    fn rule(&self, product: &ProductName) -> Option<&ProductRule> {
        self.products.iter().find(|p| p.name == *product)
    }

    /// Whether such a claim could ever be granted; if not, why, by the field.
    pub(super) fn check(&self, items: &[Item]) -> Result<(), Problem> {
        for (i, item) in items.iter().enumerate() {
            let Some(rule) = self.rule(&item.product) else {
                let names: Vec<&str> = self.products.iter().map(|p| p.name.as_str()).collect();
                let known = if names.is_empty() {
                    "none".into()
                } else {
                    names.join(", ")
                };
                let detail = format!(
                    "product {:?} is not in the licence; it has: {known}",
                    item.product
                );
                return Err(Problem::new(ProblemType::UnknownProduct, detail)
                    .field(format!("items[{i}].product")));
            };
            if let Some(v) = item.version.as_ref().filter(|v| !rule.versions.covers(v)) {
                let detail = format!(
                    "version {v} of {} is not covered; the licence covers {}",
                    item.product, rule.versions
                );
                return Err(Problem::new(ProblemType::VersionNotCovered, detail)
                    .field(format!("items[{i}].version")));
            }
            if self
                .draw_from(std::slice::from_ref(item), &self.totals())
                .is_none()
            {
                return Err(self.exceeds(i, item));
            }
        }
        if self.draw_from(items, &self.totals()).is_none() {
            let detail = "these products together ask for more seats than the licence has";
            return Err(Problem::new(ProblemType::ExceedsSeats, detail).field("items"));
        }
        Ok(())
    }

    fn exceeds(&self, i: usize, item: &Item) -> Problem {
        let most = self.most(&item.product);
        let detail = format!(
            "{} seats of {} are asked for, and the licence has {most}",
            item.seats, item.product
        );
        Problem::new(ProblemType::ExceedsSeats, detail).field(format!("items[{i}].seats"))
    }

    /// The most seats of a product that could be out at once, were nothing else.
    pub(super) fn most(&self, product: &ProductName) -> u32 {
        let Some(rule) = self.rule(product) else {
            return 0;
        };
        let mut free = self.totals();
        rule.take(u32::MAX, &mut free).0
    }

    fn totals(&self) -> Vec<u32> {
        self.pools.iter().map(PoolUse::total).collect()
    }

    /// What is free in each pool.
    pub(super) fn free(&self) -> Vec<u32> {
        self.pools.iter().map(PoolUse::free).collect()
    }

    /// Where these items' seats would come from, all or nothing, out of `free`.
    pub(super) fn draw_from(&self, items: &[Item], free: &[u32]) -> Option<Draws> {
        let mut left = free.to_vec();
        let mut draws = Draws::new();
        for item in items {
            let want = item.seats.get();
            let (got, mut d) = self.rule(&item.product)?.take(want, &mut left);
            if got < want {
                return None;
            }
            draws.append(&mut d);
        }
        Some(draws)
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

    /// Books draws; tells how many of the seats go over what was sold.
    pub(super) fn book(&mut self, draws: &Draws) -> u32 {
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

    /// Gives draws back.
    pub(super) fn give_back(&mut self, draws: &Draws) {
        for (i, n) in draws {
            if let Some(p) = self.pools.get_mut(*i) {
                p.used = p.used.saturating_sub(*n);
            }
        }
    }

    /// Whether every seat that was sold is in use.
    pub(super) fn is_full(&self) -> bool {
        !self.pools.is_empty() && self.pools.iter().all(|p| p.free() == 0)
    }
}

impl ProductRule {
    /// Takes up to `want` seats, alternative by alternative; returns how many it got and from where.
    fn take(&self, want: u32, free: &mut [u32]) -> (u32, Draws) {
        let mut got = 0;
        let mut draws = Draws::new();
        for alt in &self.from {
            let room = alt
                .iter()
                .map(|(p, w)| free.get(*p).copied().unwrap_or(0) / (*w).max(1))
                .min()
                .unwrap_or(0);
            // One pool may stand twice in an alternative: then its weights add up, and less fits than each alone says.
            let mut n = room.min(want - got);
            while n > 0 && !fits(alt, n, free) {
                n -= 1;
            }
            if n == 0 {
                continue;
            }
            for (p, w) in alt {
                if let Some(f) = free.get_mut(*p) {
                    *f -= n * w;
                    draws.push((*p, n * w));
                }
            }
            got += n;
            if got == want {
                break;
            }
        }
        (got, draws)
    }
}

fn fits(alt: &[(usize, u32)], n: u32, free: &[u32]) -> bool {
    alt.iter().all(|(p, _)| {
        let need: u64 = alt
            .iter()
            .filter(|(q, _)| q == p)
            .map(|(_, w)| u64::from(*w) * u64::from(n))
            .sum();
        free.get(*p).is_some_and(|f| need <= u64::from(*f))
    })
}
