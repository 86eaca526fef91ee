//! The operator: the roster after each start of the server, proof that pods are gone, revocations,
//! the watch.

use super::projects;
use super::server::RING;
use super::state::{World, lease_no};
use crate::history::{self, AccountNo, CopyNo, Fact, GroupNo, HolderNo, Policy, Rights};
use mooring_core::identity::HolderKey;
use mooring_core::policy::{Backfill, PolicyGroup, PoolRights, SeatPolicy};
use mooring_core::wire::{AllowedNamespaces, Policies, ViewState};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks at the watch.
const LOOKS: u64 = 7_000;

fn key(h: HolderNo) -> HolderKey {
    World::real_holder(h).key()
}

impl World {
    /// It has proof that a pod is gone.
    pub(super) fn operator_learns_gone(&mut self, h: HolderNo) {
        self.operator.there.remove(&h);
        self.operator.gone.insert(h);
        self.operator_speaks();
    }

    /// Right after the server's start: who was gone, who is revoked, then the roster.
    pub(super) fn operator_connects(&mut self) {
        if self.now < self.operator.down_until {
            let again = self.operator.down_until;
            self.at(again, World::operator_connects);
            return;
        }
        let Some(no) = self.server.run.as_ref().map(|r| r.no) else {
            return;
        };
        if self.operator.connected == Some(no) {
            return;
        }
        if !self.server_runs() {
            return self.after(1_000, World::operator_connects);
        }
        self.operator.connected = Some(no);
        for h in self.operator.revoked.clone() {
            self.server_revokes(h, true);
        }
        // Pods that hold or ask; it mirrors no others.
        let asks = |h: &HolderNo| {
            let mut its = self.copies.values().filter(|c| c.holder == *h);
            its.any(|c| !c.claims.is_empty())
        };
        let roster: Vec<HolderNo> = self.operator.there.iter().copied().filter(asks).collect();
        let keys: Vec<HolderKey> = roster.iter().map(|h| key(*h)).collect();
        self.server_ticks();
        self.state(Fact::Roster(roster));
        self.with_ledger(|l, now| l.expected(&keys, &keys, now));
        self.operator_speaks();
    }

    /// Says who is gone, if there is somebody to say it to.
    fn operator_speaks(&mut self) {
        let speaks = self.now >= self.operator.down_until && self.operator.connected.is_some();
        if !speaks || !self.server_runs() || self.operator.gone.is_empty() {
            return;
        }
        let gone = std::mem::take(&mut self.operator.gone);
        let gone: Vec<HolderNo> = gone.into_iter().collect();
        let keys: Vec<HolderKey> = gone.iter().map(|h| key(*h)).collect();
        self.server_ticks();
        self.state(Fact::Gone(gone));
        self.with_ledger(|l, now| l.gone(&keys, now));
    }

    pub(super) fn operator_away(&mut self, lasts: u64) {
        self.operator.down_until = self.operator.down_until.max(self.now + lasts);
        self.operator.follows = None;
        self.operator.connected = None;
        if !self.owners.is_empty() && self.rng.bool() {
            self.operator_forgets();
        }
        let back = self.operator.down_until;
        self.at(back, World::operator_connects);
    }

    pub(super) fn operator_is_back(&mut self) {
        self.operator.down_until = self.now;
        self.operator_connects();
    }

    pub(super) fn revokes(&mut self, h: HolderNo, yes: bool) {
        if yes {
            self.operator.revoked.insert(h);
        } else if !self.operator.revoked.remove(&h) {
            return;
        }
        if self.operator.connected.is_some() {
            self.when_awake(move |w| {
                if w.operator.revoked.contains(&h) == yes {
                    w.server_revokes(h, yes);
                }
            });
        }
    }

    pub(super) fn lifts_all(&mut self) {
        for h in self.operator.revoked.clone() {
            self.revokes(h, false);
        }
    }

    /// The policies say whether these holders are entitled: in the file, and to the run.
    pub(super) fn entitles(&mut self, group: GroupNo, yes: bool) {
        let out = &mut self.server.unentitled;
        let changed = if yes {
            out.remove(&group)
        } else {
            out.insert(group)
        };
        if changed {
            self.when_awake(World::takes_policies_in);
        }
    }

    pub(super) fn entitles_all(&mut self) {
        for group in self.server.unentitled.clone() {
            self.entitles(group, true);
        }
    }

    /// The run reads the policies as they are now.
    pub(super) fn takes_policies_in(&mut self) {
        let out = self.server.unentitled.clone();
        let groups = (0..GroupNo::COUNT).map(GroupNo);
        let allowed = groups.filter(|g| !out.contains(g));
        let list = allowed.map(|g| World::namespace(g).to_owned()).collect();
        let seats = self.server.seats.map(|n| self.seat_policy(n));
        self.server.policies = Rc::new(Policies {
            replaced: Vec::new(),
            seats: seats.clone(),
            generation: 0,
            allowed_namespaces: AllowedNamespaces::These(list),
        });
        let told = std::mem::replace(&mut self.server.told, out.clone());
        for g in told.symmetric_difference(&out) {
            self.state(Fact::Entitled(*g, !out.contains(g)));
        }
        let (now, before) = (self.server.seats, self.server.seats_told);
        if now != before {
            self.server_ticks();
            self.server.seats_told = now;
            let policy = now.and_then(|n| self.plan.policies.get(n)).cloned();
            self.state(Fact::Policy(policy));
            self.with_frontend(|f, now| f.set_policy(seats.map(Arc::new), now));
        }
    }

    /// Another seat policy lies there; the run reads it.
    pub(super) fn seats_are(&mut self, policy: Option<usize>) {
        self.server.seats = policy;
        self.when_awake(World::takes_policies_in);
    }

    /// A policy of the plan, as the server reads it.
    fn seat_policy(&self, n: usize) -> SeatPolicy {
        let Policy {
            notice,
            groups,
            backfill,
            allows,
        } = &self.plan.policies[n];
        let allowed = projects::allowed(allows);
        let pool = |(p, rights): &(usize, Rights)| {
            let Rights { owned, max, lend } = *rights;
            (
                self.names.pools[*p].clone(),
                PoolRights { owned, max, lend },
            )
        };
        let account = |(namespace, AccountNo(a)): &(GroupNo, AccountNo)| {
            format!("{}/sa-{a}", World::namespace(*namespace))
        };
        let fill = |(p, patience): &(usize, u64)| {
            let patience = Duration::from_millis(*patience);
            (self.names.pools[*p].clone(), Backfill { patience })
        };
        let group = |(n, g): (usize, &history::PolicyGroup)| PolicyGroup {
            name: format!("group-{n}"),
            namespaces: g
                .namespaces
                .iter()
                .map(|n| World::namespace(*n).into())
                .collect(),
            service_accounts: g.accounts.iter().map(account).collect(),
            projects: projects::handed_over(g, &allowed),
            subjects: Vec::new(),
            priority: g.priority,
            weight: g.weight.and_then(NonZeroU32::new),
            pools: g.pools.iter().map(pool).collect(),
        };
        SeatPolicy {
            name: format!("policy-{n}"),
            notice: Duration::from_millis(*notice),
            groups: groups.iter().enumerate().map(group).collect(),
            backfill: backfill.iter().map(fill).collect(),
            ..SeatPolicy::default()
        }
    }

    /// An administrator takes the lease of a pod's first claim back, if it knows one.
    pub(super) fn takes_back(&mut self, c: CopyNo) {
        let now = self.now;
        let lease = self.copies.get(&c).and_then(|c| {
            let drive = c.claims.first()?.drive.as_ref()?;
            drive.holder().status(c.read(now)).lease
        });
        let Some(lease) = lease.filter(|_| self.server_runs()) else {
            return;
        };
        self.server_ticks();
        self.state(Fact::TakenBack(lease_no(lease)));
        self.with_ledger(|l, now| l.take_back(lease, now));
    }

    fn server_revokes(&mut self, h: HolderNo, yes: bool) {
        self.server_ticks();
        self.state(Fact::Revoked(h, yes));
        self.with_ledger(|l, now| l.revoke(&key(h), yes.then_some("sold"), now));
    }

    /// Reads the watch, and compares what it has put together with the server's list.
    pub(super) fn operator_looks(&mut self) {
        let after = self.rng.u64(LOOKS / 2..LOOKS * 2);
        self.after(after, World::operator_looks);
        if self.now < self.operator.down_until || !self.server_runs() {
            return;
        }
        self.operator_speaks();
        let Some(list) = self.list() else { return };
        let Some(run) = &self.server.run else { return };
        let seq = run.frontend.ledger().seq();
        match self.operator.follows.take() {
            Some((no, after, mut state)) if no == run.no && after + RING as u64 >= seq => {
                for e in run.ring.iter().filter(|e| e.seq > after) {
                    if e.view.state == ViewState::Ended {
                        state.remove(&e.view.lease);
                    } else {
                        state.insert(e.view.lease, e.view.state);
                    }
                }
                let equal = state == list;
                self.operator.follows = Some((no, seq, state));
                self.state(Fact::Followed { equal });
            }
            _ => {
                self.operator.follows = Some((run.no, seq, list));
                self.state(Fact::ListAnew);
            }
        }
    }
}
