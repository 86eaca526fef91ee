//! The operator as a holder: it claims for what has pods run, names its pods, asks again in time,
//! and keeps what it was given in memory.

use super::owned::{Owned, Papers};
use super::projects;
use super::state::{World, lease_no};
use crate::history::{CopyNo, Fact, GroupNo, HolderNo, OwnerNo, Stands};
use crate::plan::{Owner, OwnerKind, Pod};
use mooring_core::frontend::{InForce, Opened, Opener, ThisRun, answer};
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::{BootId, ClaimName, LeaseId};
use mooring_core::receipt::{BadProof, Identity};
use mooring_core::wire::{ClaimKind, HeldProof, OwnerClaim, OwnerStands, Replacing};
use std::time::Duration;

/// Opens what is sealed.
struct Desk<'a> {
    identity: &'a Identity,
    boot: BootId,
}

impl Opener for Desk<'_> {
    fn lease(&self, _: &InForce, _: &HeldProof) -> Result<Opened, BadProof> {
        Err(BadProof("an owner has no token".into()))
    }

    fn identity(&self) -> &Identity {
        self.identity
    }

    fn boot(&self) -> BootId {
        self.boot
    }
}

/// How an owner is known by its number.
fn real(no: OwnerNo) -> Holder {
    Holder::Owner {
        namespace: World::namespace(GroupNo(no.0 % GroupNo::COUNT)).into(),
        owner: format!("Job/job-{}", no.0),
        uid: format!("own-{}", no.0),
        service_account: "default".into(),
    }
}

/// The number of an owner by its key, if it is one's.
pub(super) fn owner_no(HolderKey(key): &HolderKey) -> Option<OwnerNo> {
    let (_, no) = key.rsplit_once("own-")?;
    no.parse().ok().map(OwnerNo)
}

impl World {
    pub(super) fn owner_comes(&mut self, plan: Owner) {
        let no = self.owners.len();
        let (standing, pods) = (plan.kind == OwnerKind::Standing, plan.pods);
        if let Some(ms) = plan.leaves {
            self.after(ms, move |w| w.owners[no].over = true);
        }
        self.owners.push(Owned {
            left: plan.pods,
            plan,
            since: self.now,
            pods: Vec::new(),
            replaces: Vec::new(),
            started: standing,
            over: false,
            papers: Papers::default(),
        });
        for _ in 0..if standing { pods } else { 0 } {
            self.owners_pod_starts(no, None);
        }
        self.owner_speaks(no);
    }

    pub(super) fn owners_pod_starts(&mut self, no: usize, replaces: Option<(HolderNo, bool)>) {
        let plan = &self.owners[no].plan;
        let pod = Pod {
            at: 0,
            clock: (self.rng.u64(1_000_000..500_000_000), self.rng.i64(-90..=90)),
            claims: vec![(ClaimKind::Pod, vec![(plan.product, 1)])],
            optimistic: false,
            max_grace: plan.max_grace,
            says_what_it_has: true,
            owner: Some(no),
            replaces,
        };
        let after = self.rng.u64(0..2_000);
        self.after(after, move |w| {
            w.pod_starts(&pod);
        });
    }

    /// A pod of an owner has started.
    pub(super) fn owner_has(
        &mut self,
        no: usize,
        (c, pod): (CopyNo, HolderNo),
        replaces: Option<(HolderNo, bool)>,
    ) {
        self.owners[no].pods.push(pod);
        let comes_first = replaces.is_some_and(|(old, broken)| {
            let before = self.copies.iter().filter(|(_, copy)| copy.holder == old);
            let before = before.map(|(copy, _)| *copy).min();
            before.is_some_and(|copy| self.comes_before(no, (copy, old), (c, pod), broken))
        });
        if self.rng.bool() {
            self.owner_says(no);
        }
        if !comes_first {
            self.owners_pod_stays(no, c, pod);
        }
    }

    /// It does, for some time.
    pub(super) fn owners_pod_stays(&mut self, no: usize, c: CopyNo, pod: HolderNo) {
        let stays = self.owners[no].plan.stays;
        let stays = stays + self.rng.u64(0..stays);
        self.after(stays, move |w| {
            if w.quiet || w.copies.get(&c).is_none_or(|copy| copy.ending) {
                return;
            }
            if w.owners[no].plan.ready.is_some() && !w.owners[no].over {
                return w.rolls_out(no, pod);
            }
            let its = &mut w.owners[no];
            if its.plan.kind == OwnerKind::Gang {
                its.left = its.left.saturating_sub(1);
            } else if !its.over {
                // Its successor comes, and is named in its place, while it is on its way out.
                w.owner_has_not(no, pod);
                w.owners_pod_starts(no, None);
                let slow = w.rng.u64(0..w.server.lease_for * 2);
                return w.after(slow, move |w| w.pod_ends(c));
            }
            w.pod_ends(c);
        });
    }

    /// A pod of an owner ends, or is gone.
    pub(super) fn owner_has_not(&mut self, no: usize, pod: HolderNo) {
        let its = &mut self.owners[no];
        its.pods.retain(|p| *p != pod);
        its.replaces.retain(|(old, new)| *old != pod && *new != pod);
    }

    /// It asks again from time to time.
    fn owner_speaks(&mut self, no: usize) {
        let most = self.server.lease_for.min(90_000);
        let after = self.rng.u64(most / 6..most);
        let before = self.owners[no].over;
        self.owner_says(no);
        let its = &self.owners[no];
        let ends = its.over || its.plan.kind == OwnerKind::Gang && its.left == 0;
        if before && ends && self.said_last(no) {
            if !self.quiet {
                let (idle, plan) = (its.plan.idle, its.plan.clone());
                self.after(idle, move |w| w.owner_comes(plan));
            }
            return;
        }
        self.after(after, move |w| w.owner_speaks(no));
    }

    /// Whether the server has heard that an owner is no more.
    fn said_last(&self, no: usize) -> bool {
        let heard = self.owners[no].papers.heard;
        heard.is_none() && self.now >= self.operator.down_until
    }

    /// The operator's word of an owner's claim.
    pub(super) fn owner_says(&mut self, no: usize) {
        if self.now < self.operator.down_until || !self.server_runs() {
            return;
        }
        self.server_ticks();
        let Some(instance) = self.server.run.as_ref().map(|r| r.instance) else {
            return;
        };
        let its = &mut self.owners[no];
        its.over |= its.plan.kind == OwnerKind::Gang && its.left == 0;
        let standing = its.plan.kind == OwnerKind::Standing;
        let p = &its.papers;
        // A receipt is for as many seats as it was given for.
        let anew = p.heard.is_some_and(|run| run != instance) && p.receipt.is_some();
        let seats = if anew { p.seats } else { its.left };
        let rests = if standing {
            its.pods.is_empty()
        } else {
            !its.started && self.now < its.since + its.plan.rests
        };
        let (items, owner) = (vec![(its.plan.product, seats)], OwnerNo(no as u32));
        let (ends, pods, replaces) = (its.over, its.pods.clone(), its.replaces.clone());
        let (receipt, sent) = p.receipt.clone().unzip();
        let sent_ago = sent.map(|t| Duration::from_millis(self.now - t));
        let (ticket, heard) = (p.ticket.clone(), p.heard);
        self.state(Fact::Owned {
            owner,
            items: items.clone(),
            pods: pods.clone(),
            replaces: replaces.clone(),
            rests,
            ends,
        });
        let claim = OwnerClaim {
            owner: real(owner),
            claim: owner_claim(),
            items: self.real_items(&items),
            project: projects::of_owner(owner),
            pods: pods.iter().map(|h| World::real_holder(*h).key()).collect(),
            rests,
            replaces: replaces.iter().copied().map(real_pair).collect(),
            ends,
            heard,
            receipt,
            sent_ago,
            ticket,
        };
        if let Some(stands) = self.owns(claim) {
            self.owner_hears(no, seats, stands);
        }
    }

    /// The server takes an owner's claim in.
    fn owns(&mut self, claim: OwnerClaim) -> Option<OwnerStands> {
        let now = self.server.now(self.now);
        let boot = self.server.machine().boot;
        let id = LeaseId::from_bytes(self.rng.u128(..).to_be_bytes());
        let identity = &self.identity;
        let run = self.server.run.as_mut()?;
        let instance = run.instance;
        let desk = Desk { identity, boot };
        let answer = run.frontend.own(claim, Ok(()), (&desk, id), now);
        self.handed_out();
        let run = ThisRun {
            instance,
            boot,
            identity: &self.identity,
        };
        let stands = match answer {
            Ok(None) => Ok(OwnerStands::Ended),
            Ok(Some((claimed, f))) => answer::owner(run, &f, claimed, now),
            Err(problem) => Err(problem),
        };
        Some(stands.unwrap_or_else(|problem| OwnerStands::Refused { problem }))
    }

    fn owner_hears(&mut self, no: usize, seats: u32, stands: OwnerStands) {
        let instance = self.server.run.as_ref().map(|r| r.instance);
        let now = self.now;
        let its = &mut self.owners[no];
        let (stands, lease) = match stands {
            OwnerStands::Reserved { lease, receipt, .. } => {
                its.papers = Papers {
                    heard: instance,
                    receipt: Some((receipt, now)),
                    ticket: None,
                    seats,
                };
                (Stands::Reserved, Some(lease))
            }
            OwnerStands::Waiting { lease, ticket, .. } => {
                its.papers = Papers {
                    heard: instance,
                    receipt: None,
                    ticket: Some(ticket),
                    seats,
                };
                (Stands::Waiting, Some(lease))
            }
            OwnerStands::Ended => {
                its.papers = Papers::default();
                (Stands::Ended, None)
            }
            OwnerStands::Refused { .. } => (Stands::Refused, None),
        };
        let starts = stands == Stands::Reserved && !its.started;
        its.started |= starts;
        let pods = its.plan.pods;
        self.state(Fact::OwnerStands {
            owner: OwnerNo(no as u32),
            lease: lease.map(lease_no),
            stands,
        });
        for _ in 0..if starts { pods } else { 0 } {
            self.owners_pod_starts(no, None);
        }
    }

    /// The operator starts again, and has what it remembers, or nothing.
    pub(super) fn operator_forgets(&mut self) {
        for its in &mut self.owners {
            its.papers = Papers::default();
        }
    }
}

fn real_pair((old, new): (HolderNo, HolderNo)) -> Replacing {
    Replacing {
        pod: World::real_holder(old).key(),
        by: World::real_holder(new).key(),
    }
}

/// The name of an owner's claim.
fn owner_claim() -> ClaimName {
    let name = ClaimName::new("owner");
    name.unwrap_or_else(|_| ClaimName::pod())
}
