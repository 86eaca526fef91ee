//! The license files in the books: what they have, and what becomes of it when others come into
//! force.

use super::alternative::alternative;
use super::capacity::Capacity;
use super::pool::{Offer, PoolUse, ProductRule, Source};
use crate::license::{CountBy, Digest, License, Pool, Product};
use crate::names::PoolName;
use std::collections::HashMap;

impl Capacity {
    /// What license files have, in the order in which they are drawn on. Each has been checked: its
    /// products draw on pools that are there.
    ///
    /// The dates of the only file are the server's own to judge. Beside others a file's end is the
    /// end of its seats alone.
    pub fn of<'l>(files: impl IntoIterator<Item = (&'l License, &'l Digest)>) -> Self {
        let files: Vec<_> = files.into_iter().collect();
        let beside_others = files.len() > 1;
        let mut new = Self::default();
        for (license, digest) in files {
            new.add(license, digest, beside_others);
        }
        let mut offers = new.products.iter().flat_map(|p| &p.offers);
        new.shares_seats = offers.any(|o| o.count_by != CountBy::Claim);
        new.look_at_dates();
        new
    }

    /// Nothing: no license is in force.
    pub fn none() -> Self {
        Self::default()
    }

    pub(super) fn license_id(&self, pool: &PoolUse) -> String {
        let of = self.licenses.get(pool.license);
        of.map(|l| l.id.clone()).unwrap_or_default()
    }

    fn add(&mut self, license: &License, digest: &Digest, beside_others: bool) {
        let place = self.licenses.len();
        self.licenses.push(Source {
            id: license.id.clone(),
            digest: digest.clone(),
            supersedes: license.supersedes.clone(),
            in_force: true,
            max_handover: license.policy.max_handover.unwrap_or_default(),
        });
        let within = if beside_others {
            // A server whose clock is behind the vendor's signs nothing of it yet.
            let begins = license.not_before.max(Some(license.issued));
            (begins, license.expires)
        } else {
            (None, None)
        };
        let pool = |p: &Pool| PoolUse {
            license: place,
            name: p.name.clone(),
            seats: p.seats,
            overdraft: p.overdraft,
            used: 0,
            not_before: p.not_before.max(within.0),
            expires: [p.expires, within.1].into_iter().flatten().min(),
            gone: false,
            open: false,
        };
        let first = self.pools.len();
        self.pools.extend(license.pools.iter().map(pool));
        let names = license.pools.iter().map(|p| &p.name);
        let pools: HashMap<&PoolName, usize> = names.zip(first..).collect();
        let places = |n: &PoolName| pools.get(n).copied();
        let by_name = license.pools_by_name();
        let offer = |p: &Product| Offer {
            license: place,
            versions: p.versions.clone(),
            expires: by_name.ends(p),
            count_by: p.count_by,
            from: p.from.iter().map(|a| alternative(a, &places)).collect(),
        };
        for p in &license.products {
            let (name, offer) = (p.name.clone(), offer(p));
            let known = self.places.get(&name).copied();
            if let Some(rule) = known.and_then(|i| self.products.get_mut(i)) {
                rule.offers.push(offer);
            } else {
                self.places.insert(name.clone(), self.products.len());
                let offers = vec![offer];
                self.products.push(ProductRule { name, offers });
            }
        }
    }

    /// Takes new files over, keeping what is in use. A pool that is sold no more stays, empty,
    /// while seats of it are out: a license that changes throws nobody out. But the seats of a file
    /// that is in force no more and has no successor have ended: it may serve elsewhere.
    pub(super) fn replace(&mut self, new: Self) {
        let licenses = self.succeed(&new.licenses);
        for p in &mut self.pools {
            // Its dates stay: seats that were sold until a day end on it.
            (p.seats, p.overdraft) = (0, 0);
            p.gone = !self.licenses.get(p.license).is_some_and(|l| l.in_force);
        }
        let at = |places: &[usize], i: usize| places.get(i).copied().unwrap_or(i);
        let known = self.pools.iter().map(|q| (q.license, q.name.clone()));
        let known: HashMap<(usize, PoolName), usize> = known.zip(0..).collect();
        let mut pools = Vec::with_capacity(new.pools.len());
        for mut p in new.pools {
            p.license = at(&licenses, p.license);
            let i = known.get(&(p.license, p.name.clone())).copied();
            if let Some((i, q)) = i.and_then(|i| Some((i, self.pools.get_mut(i)?))) {
                q.name = p.name;
                (q.seats, q.overdraft) = (p.seats, p.overdraft);
                (q.not_before, q.expires) = (p.not_before, p.expires);
                pools.push(i);
            } else {
                pools.push(self.pools.len());
                self.pools.push(p);
            }
        }
        (self.products, self.places) = (new.products, new.places);
        self.shares_seats = new.shares_seats;
        for offer in self.products.iter_mut().flat_map(|p| &mut p.offers) {
            offer.license = at(&licenses, offer.license);
            for draw in offer.from.iter_mut().flatten() {
                draw.0 = at(&pools, draw.0);
            }
        }
        self.look_at_dates();
    }

    /// Which place here each new file takes: that of the license with its id, else of one that it
    /// supersedes. Any other is new: leases of another license move to it as from a file that has
    /// ended.
    fn succeed(&mut self, new: &[Source]) -> Vec<usize> {
        let before = self.licenses.iter().enumerate();
        let before: Vec<usize> = before.filter(|(_, l)| l.in_force).map(|(i, _)| i).collect();
        for l in &mut self.licenses {
            l.in_force = false;
        }
        let with_id = |l: &Source| self.licenses.iter().position(|b| b.id == l.id);
        let mut places: Vec<Option<usize>> = new.iter().map(with_id).collect();
        for (i, l) in new.iter().enumerate() {
            let is_free = |b: &&usize| !places.contains(&Some(**b));
            let mut free = before.iter().filter(is_free);
            let supersedes = |b: &&usize| {
                let earlier = self.licenses.get(**b);
                earlier.is_some_and(|b| l.supersedes.contains(&b.id))
            };
            let place = free.find(supersedes).copied();
            if let Some(p) = places.get_mut(i).filter(|p| p.is_none()) {
                *p = place;
            }
        }
        let take = |(l, place): (&Source, Option<usize>)| {
            if let Some((i, b)) = place.and_then(|i| Some((i, self.licenses.get_mut(i)?))) {
                *b = l.clone();
                return i;
            }
            self.licenses.push(l.clone());
            self.licenses.len() - 1
        };
        new.iter().zip(places).map(take).collect()
    }
}
