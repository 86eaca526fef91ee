//! What all peers of a port draw on together (connections, or the bytes of their bodies), and that
//! no peer gets it all.
//!
//! Two rules. An address has at most its share. And where everything is taken, the address that has
//! most gives way to one that has less: so whoever takes little always gets in, however many
//! strangers take much. Of one address' entries those go first of which least is lost: a connection
//! that has not said anything yet, then one that rests, oldest first.
//!
//! In IPv6 a host has a /64 of addresses off the cluster, and a pod a single address of its node's
//! /64 on it. So an address is an address, and a /64 together has at most half of everything.

use crate::sync::lock;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// How much there is, and how much of it one address gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub all: usize,
    pub of_one: usize,
    /// Of each of the two, what may be silent, as one part in so many.
    pub silent_part: usize,
}

impl Bounds {
    pub const fn new(all: usize, of_one: usize) -> Self {
        let silent_part = 2;
        Self {
            all,
            of_one,
            silent_part,
        }
    }

    fn silent(self, of: usize) -> usize {
        (of / self.silent_part).max(1)
    }
}

/// How much is lost with an entry, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A connection that has not sent a whole request yet.
    Silent,
    /// A connection that is kept for the next request.
    Idle,
    /// A request is under way.
    Busy,
}

/// Clones share what they hand out.
#[derive(Clone, Debug)]
pub struct Shares(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    bounds: Bounds,
    used: usize,
    silent: usize,
    peers: HashMap<IpAddr, Peer>,
    /// Of IPv6 alone, by /64.
    networks: HashMap<u64, usize>,
    /// Counts entries and their changes of rank: what is older has a lower number.
    next: u64,
}

#[derive(Debug, Default)]
struct Peer {
    used: usize,
    silent: usize,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    amount: usize,
    rank: Rank,
    since: u64,
    over: Arc<Notify>,
}

/// What a peer has taken; given back when dropped.
#[derive(Debug)]
pub struct Share {
    shares: Shares,
    address: IpAddr,
    id: u64,
    over: Arc<Notify>,
}

/// IPv4 is IPv4, however it came in.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn network(address: IpAddr) -> Option<u64> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(a) => Some(u64::try_from(a.to_bits() >> 64).unwrap_or(u64::MAX)),
    }
}

impl Shares {
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Books {
            bounds,
            used: 0,
            silent: 0,
            peers: HashMap::new(),
            networks: HashMap::new(),
            next: 0,
        })))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.0)
    }

    /// Takes so much for an address; `None` if it has its share, or nobody has more than it would
    /// have.
    pub fn take(&self, address: IpAddr, amount: usize, rank: Rank) -> Option<Share> {
        let address = canonical(address);
        let mut books = self.books();
        books.make_room(address, amount, rank, None)?;
        let id = books.number();
        let over = Arc::new(Notify::new());
        let entry = Entry {
            amount: 0,
            rank,
            since: id,
            over: over.clone(),
        };
        let peer = books.peers.entry(address).or_default();
        peer.entries.insert(id, entry);
        books.count(address, id, amount);
        Some(Share {
            shares: self.clone(),
            address,
            id,
            over,
        })
    }

    /// How much is taken.
    pub fn used(&self) -> usize {
        self.books().used
    }
}

impl Share {
    /// Takes so much more; `false` if that cannot be, or if this entry was ended.
    pub fn grow(&self, amount: usize) -> bool {
        let mut books = self.shares.books();
        let Some(rank) = books.entry(self).map(|e| e.rank) else {
            return false;
        };
        let room = books.make_room(self.address, amount, rank, Some(self.id));
        room.map(|()| books.count(self.address, self.id, amount))
            .is_some()
    }

    pub fn set_rank(&self, rank: Rank) {
        let mut books = self.shares.books();
        let since = books.number();
        let Some(entry) = books.entry(self) else {
            return;
        };
        let (was, amount) = (entry.rank, entry.amount);
        (entry.rank, entry.since) = (rank, since);
        books.count_silent(self.address, was, rank, amount);
    }

    /// Waits until it has to give way to others. What it had is others' by then.
    pub async fn over(&self) {
        self.over.notified().await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.books().remove(self.address, self.id);
    }
}

impl Books {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn entry(&mut self, share: &Share) -> Option<&mut Entry> {
        let peer = self.peers.get_mut(&share.address)?;
        peer.entries.get_mut(&share.id)
    }

    fn count(&mut self, address: IpAddr, id: u64, amount: usize) {
        self.used += amount;
        if let Some(n) = network(address) {
            *self.networks.entry(n).or_default() += amount;
        }
        let Some(peer) = self.peers.get_mut(&address) else {
            return;
        };
        peer.used += amount;
        if let Some(e) = peer.entries.get_mut(&id) {
            e.amount += amount;
            if e.rank == Rank::Silent {
                peer.silent += amount;
                self.silent += amount;
            }
        }
    }

    fn count_silent(&mut self, address: IpAddr, was: Rank, is: Rank, amount: usize) {
        let Some(peer) = self.peers.get_mut(&address) else {
            return;
        };
        if was == Rank::Silent {
            peer.silent -= amount;
            self.silent -= amount;
        }
        if is == Rank::Silent {
            peer.silent += amount;
            self.silent += amount;
        }
    }

    fn remove(&mut self, address: IpAddr, id: u64) -> Option<Entry> {
        let peer = self.peers.get_mut(&address)?;
        let entry = peer.entries.remove(&id)?;
        peer.used -= entry.amount;
        if entry.rank == Rank::Silent {
            peer.silent -= entry.amount;
            self.silent -= entry.amount;
        }
        if peer.entries.is_empty() {
            self.peers.remove(&address);
        }
        self.used -= entry.amount;
        if let Some(n) = network(address)
            && let Some(used) = self.networks.get_mut(&n)
        {
            *used -= entry.amount;
            if *used == 0 {
                self.networks.remove(&n);
            }
        }
        Some(entry)
    }

    /// Ends entries until there is room for so much; `None` if there will be none.
    fn make_room(
        &mut self,
        address: IpAddr,
        amount: usize,
        rank: Rank,
        except: Option<u64>,
    ) -> Option<()> {
        let bounds = self.bounds;
        let silent = |part: usize| rank == Rank::Silent && part > 0;
        loop {
            let (used, own_silent) = self
                .peers
                .get(&address)
                .map_or((0, 0), |p| (p.used, p.silent));
            let net = network(address);
            let in_net = net.and_then(|n| self.networks.get(&n)).copied();
            if used + amount > bounds.of_one {
                self.end_one(address, Rank::Idle, except)?;
            } else if silent((own_silent + amount).saturating_sub(bounds.silent(bounds.of_one))) {
                self.end_one(address, Rank::Silent, except)?;
            } else if in_net.is_some_and(|n| n + amount > bounds.all / 2) {
                self.end_the_largest(address, amount, except, |a, p| {
                    (network(a) == net).then_some(p.used)
                })?;
            } else if self.used + amount > bounds.all {
                self.end_the_largest(address, amount, except, |_, p| Some(p.used))?;
            } else if silent((self.silent + amount).saturating_sub(bounds.silent(bounds.all))) {
                self.end_the_largest(address, amount, except, |_, p| {
                    Some(p.silent).filter(|s| *s > 0)
                })?;
            } else {
                return Some(());
            }
        }
    }

    /// Ends an entry of the peer of which `size` is largest, if it is larger than what the asking
    /// one would have; else one of its own that does nothing.
    fn end_the_largest(
        &mut self,
        address: IpAddr,
        amount: usize,
        except: Option<u64>,
        size: impl Fn(IpAddr, &Peer) -> Option<usize>,
    ) -> Option<()> {
        let own = self.peers.get(&address).and_then(|p| size(address, p));
        let others = self.peers.iter().filter(|(a, _)| **a != address);
        let sizes = others.filter_map(|(a, p)| Some((size(*a, p)?, *a)));
        match sizes.max() {
            Some((most, largest)) if most > own.unwrap_or(0) + amount => {
                self.end_one(largest, Rank::Busy, None)
            }
            _ => self.end_one(address, Rank::Idle, except),
        }
    }

    /// Ends the entry of this address of which least is lost, of these ranks.
    fn end_one(&mut self, address: IpAddr, highest: Rank, except: Option<u64>) -> Option<()> {
        let entries = self.peers.get(&address)?.entries.iter();
        let may = entries.filter(|(id, e)| e.rank <= highest && Some(**id) != except);
        let (id, _) = may.min_by_key(|(_, e)| (e.rank, e.since))?;
        let id = *id;
        let ended = self.remove(address, id)?;
        ended.over.notify_one();
        Some(())
    }
}

#[cfg(test)]
mod tests;
