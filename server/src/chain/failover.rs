//! Which anchor serves, and since when it is lost: the rule, without a task, a timer or a clock of
//! its own.
//!
//! It takes one step when told, reads the time from whoever made it, and reaches hardware by the
//! trait alone. So a test can run it for thirty minutes in a moment, with an anchor that comes and
//! goes (`tests`).

use super::Chain;
use super::delegation::Unsigned;
use super::standby::Served;
use super::words;
use crate::anchor::{Anchor, Lost};
use crate::keeper::NotCommitted;
use crate::license::{FileError, LicenseFiles, for_this_anchor};
use crate::metrics::{Metrics, count};
use mooring_config::Lease;
use mooring_core::frontend::{Authority, InForce, delegation_due};
use mooring_core::kept::AllSpent;
use mooring_core::license::{AnchorKey, AnchorKind, Digest, OpenLicense, PublicKey, Standby};
use mooring_core::reason::AnchorReason;
use mooring_core::time::{BootTime, Now, print_span};
use mooring_core::wire::AnchorView;
use std::sync::Arc;
use std::time::Duration;

/// The first and the longest wait before a lost anchor is opened anew. A token that is plugged in
/// again must serve within 5 s, and opening a slow one takes a second or two.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// The longest while another one serves: opening a token that hangs takes long, and the one that
/// serves must be looked at.
const BACK_OFF_SERVED: Duration = Duration::from_secs(30);

pub(crate) type Time = Box<dyn Fn() -> Now + Send + Sync>;

/// A configured anchor, and how it stands.
struct AnchorSlot<A> {
    anchor: A,
    /// Its keys, while it is open.
    keys: Option<Vec<PublicKey>>,
    /// Why it does not serve, and since when it does not.
    lost: Option<(Lost, BootTime)>,
    open_at: BootTime,
    back_off: Duration,
}

enum Look {
    /// It is there, and serves as this entry of the license.
    Serves(AnchorKey),
    /// It is there, and there is no license.
    Idle,
    /// It is lost, and not looked for at the moment.
    Waits(Lost),
}

pub(crate) struct Failover<A> {
    /// As configured: the first, and the standby if there is one.
    slots: Vec<AnchorSlot<A>>,
    served: Served,
    chain: Arc<Chain>,
    metrics: Arc<Metrics>,
    lease: Lease,
    time: Time,
    in_force: Option<Arc<InForce>>,
    delegated: BootTime,
    lost_since: Option<BootTime>,
    /// The words of the last loss, or of the standby's service, without dates.
    said: Option<String>,
    view: AnchorView,
}

impl<A: Anchor> Failover<A> {
    pub(crate) fn new(
        anchors: Vec<A>,
        served: Served,
        chain: Arc<Chain>,
        metrics: Arc<Metrics>,
        lease: Lease,
        time: Time,
        view: AnchorView,
    ) -> Self {
        let slot = |anchor| AnchorSlot {
            anchor,
            keys: None,
            lost: None,
            open_at: BootTime::default(),
            back_off: BACK_OFF.0,
        };
        Self {
            slots: anchors.into_iter().map(slot).collect(),
            served,
            chain,
            metrics,
            lease,
            time,
            in_force: None,
            delegated: BootTime::default(),
            lost_since: None,
            said: None,
            view,
        }
    }

    /// The keys of the anchors that are open; none if none is.
    pub(crate) fn keys(&self) -> Option<Vec<PublicKey>> {
        let mut open = self.slots.iter().filter_map(|s| s.keys.as_ref()).peekable();
        open.peek()?;
        Some(open.flatten().copied().collect())
    }

    pub(crate) fn delegated(&self) -> BootTime {
        self.delegated
    }

    pub(crate) fn in_force(&self) -> Option<&Arc<InForce>> {
        self.in_force.as_ref()
    }

    pub(crate) fn authority(&self, files: &LicenseFiles, now: Now) -> Authority {
        let in_force = self.in_force.iter().flat_map(|f| f.licenses());
        let revoked = in_force.map(|l| files.revoked(l, now.wall));
        let revoked: Option<Vec<_>> = revoked.collect();
        Authority {
            in_force: self.in_force.clone(),
            anchor: self.anchor_view(),
            lost_since: self.lost_since,
            license: files.view(now.wall),
            revoked: revoked.and_then(|all| all.into_iter().next()),
        }
    }

    /// How the anchor stands, with what is to be told of it besides.
    fn anchor_view(&self) -> AnchorView {
        let mut view = self.view.clone();
        let mut open = self.slots.iter().filter(|s| s.keys.is_some());
        let note = open.find_map(|s| s.anchor.note());
        if let Some(note) = note.filter(|_| view.present) {
            // That a standby serves is more than what its next login may find.
            if view.reason == AnchorReason::Present {
                view.reason = note.reason;
            }
            view.message = format!("{}. {note}", view.message);
        }
        view
    }

    pub(crate) async fn close(&mut self) {
        for s in &mut self.slots {
            s.anchor.close().await;
        }
    }

    /// Opens the anchors or looks whether they are there, and has one sign what is due.
    pub(crate) async fn step(&mut self, files: &mut LicenseFiles) {
        if let Err(lost) = self.serve(files).await {
            self.lose(&lost);
        }
    }

    /// One anchor serves: that which is no standby if it can, else a standby that has days left.
    async fn serve(&mut self, files: &mut LicenseFiles) -> Result<(), Lost> {
        let mut losses = Vec::new();
        let mut standbys = Vec::new();
        for i in 0..self.slots.len() {
            match self.look(i, files).await {
                Ok(Look::Serves(entry)) if entry.standby.is_none() => {
                    match self.sign(i, &entry, files).await {
                        Ok(()) => {
                            self.let_go_of_others(i).await;
                            return Ok(());
                        }
                        Err(lost) => {
                            self.drop_slot(i, &lost).await;
                            losses.push(lost);
                        }
                    }
                }
                Ok(Look::Serves(entry)) => standbys.push((i, entry)),
                Ok(Look::Idle) => return Ok(()),
                Ok(Look::Waits(lost)) => losses.push(lost),
                Err(lost) => {
                    self.drop_slot(i, &lost).await;
                    losses.push(lost);
                }
            }
        }
        for (i, entry) in standbys {
            match self.stand_in(i, &entry, files, losses.first()).await {
                Ok(()) => return Ok(()),
                Err(lost) => {
                    // No fault of the hardware; and each opening of a token is a login.
                    if !words::is_of_days(&lost) {
                        self.drop_slot(i, &lost).await;
                    }
                    losses.push(lost);
                }
            }
        }
        Err(words::together(losses))
    }

    /// Opens an anchor, or looks whether it is there.
    async fn look(&mut self, i: usize, files: &mut LicenseFiles) -> Result<Look, Lost> {
        let now = (self.time)();
        let Some(slot) = self.slots.get_mut(i) else {
            return Err(Lost::new(AnchorReason::Starting, "there is no such anchor"));
        };
        let open = if let Some(keys) = &slot.keys {
            keys.clone()
        } else {
            if let Some((lost, _)) = slot.lost.as_ref().filter(|_| now.boot < slot.open_at) {
                return Ok(Look::Waits(lost.clone()));
            }
            let wanted = wanted(&files.good(now.wall), i > 0);
            let keys = slot.anchor.open(&wanted).await?;
            tracing::info!(kind = %slot.anchor.kind(), keys = keys.len(), standby = i > 0, "anchor opened");
            slot.keys = Some(keys.clone());
            keys
        };
        let meant = self.meant(i, files, &open);
        // Also where the license means another one: the wrong token is pulled out, and the right
        // one is in its place.
        if let Some(slot) = self.slots.get_mut(i) {
            let entry = meant.as_ref().ok().and_then(Option::as_ref);
            slot.anchor.present(entry).await?;
        }
        if let Some(entry) = meant? {
            return Ok(Look::Serves(entry));
        }
        // One that was in force may count for nothing any more: another server serves what replaced
        // it. Then nothing is signed from now on.
        self.in_force = None;
        let ids: Vec<String> = open.iter().map(|k| k.id().to_string()).collect();
        let ids = ids.join(", ");
        let m = format!("the anchor is there, with key {ids}; there is no license to sign for");
        self.found(i, None, AnchorReason::Present, m);
        Ok(Look::Idle)
    }

    /// Which of the licenses' anchors this one is; none if there is no license.
    fn meant(
        &self,
        i: usize,
        files: &mut LicenseFiles,
        keys: &[PublicKey],
    ) -> Result<Option<AnchorKey>, Lost> {
        let other = |why: String| Lost::new(AnchorReason::KeyNotInLicense, why);
        let matches = self.match_licenses(files, keys);
        matches.map_err(|e| other(e.to_string()))?;
        let licenses = files.good((self.time)().wall);
        if licenses.is_empty() {
            return Ok(None);
        }
        let kind = self.slots.get(i).map(|s| s.anchor.kind());
        let entry = choose(&licenses, keys).filter(|e| Some(e.kind) == kind);
        let entry = entry.ok_or_else(|| {
            let kind = kind.map_or_else(String::new, |k| k.to_string());
            other(format!(
                "the license lists this key as another kind of anchor than {kind}"
            ))
        })?;
        Ok(Some(entry.clone()))
    }

    /// Whether anchor and licenses belong together: one of them lists it. A new license that came
    /// while the anchor was away, and turns out to be for another, is given up for that of the same
    /// file that was in force; the anchor stays open, since a better file may come.
    fn match_licenses(
        &self,
        files: &mut LicenseFiles,
        keys: &[PublicKey],
    ) -> Result<(), FileError> {
        // Another of the anchors is the license's: this one is not meant.
        let others = self.keys().unwrap_or_default();
        let of_others = |l: &OpenLicense| for_this_anchor(l, &others).is_ok();
        // The license served before: it is the token that is another one.
        let in_force = self.in_force.as_ref();
        let served = |l: &OpenLicense| in_force.is_some_and(|f| f.license(&l.digest).is_some());
        let now = (self.time)().wall;
        let (some, first) = files.give_up(now, keys, |l| of_others(l) || served(l));
        let first = first.or_else(|| files.other_anchor().cloned());
        first.filter(|_| !some).map_or(Ok(()), Err)
    }

    /// Has the standby anchor serve, if it has days left.
    async fn stand_in(
        &mut self,
        i: usize,
        entry: &AnchorKey,
        files: &LicenseFiles,
        why: Option<&Lost>,
    ) -> Result<(), Lost> {
        let (id, now) = (entry.key.id(), (self.time)());
        let first = why.map_or("it is not here", |l| &l.message);
        let listing = signed_for(&files.good(now.wall), entry);
        let Some(standby) = entry.standby else {
            return self.sign_for(i, entry, listing).await;
        };
        // What earlier pods have spent, before anything is spent here.
        let read = self.served.read().await;
        read.map_err(|e| words::uncounted(&e, first))?;
        // Each license that lists it has days of its own.
        let (mut licenses, mut most) = (Vec::new(), Duration::ZERO);
        for open in &listing {
            let days = days_by(open, entry);
            let left = self.served.left(&open.license.id, &id, days, now.boot);
            most = most.max(left);
            if !left.is_zero() {
                licenses.push(open.clone());
            }
        }
        self.metrics.standby_left.set(most.as_secs_f64());
        if self.is_due(&licenses, entry, now) {
            let mut paid = Vec::new();
            for open in licenses {
                let days = days_by(&open, entry);
                let spend = self.served.spend(&open.license.id, &id, days, now);
                match spend.await {
                    Ok(()) => paid.push(open),
                    Err(NotCommitted::Refused(AllSpent)) => {}
                    Err(NotCommitted::Unkept(e)) => return Err(words::uncounted(&e, first)),
                }
            }
            licenses = paid;
        }
        if licenses.is_empty() {
            let uses = listing.iter();
            let uses = uses.filter_map(|l| self.served.so_far(&l.license.id, &id));
            let began = uses.map(|u| u.first).min();
            return Err(words::spent(&id, standby, began, first));
        }
        self.sign_for(i, entry, licenses).await?;
        self.stands_in(i, entry, standby, most, first);
        Ok(())
    }

    /// Tells people that the standby serves: in the same words as long as it does so for the same
    /// reason, since what is left changes all the time.
    fn stands_in(
        &mut self,
        i: usize,
        entry: &AnchorKey,
        standby: Standby,
        left: Duration,
        first: &str,
    ) {
        let (id, wall) = (entry.key.id(), (self.time)().wall);
        let said = format!("standby {id}: {first}");
        if self.said.as_ref() == Some(&said) {
            return;
        }
        let until = wall.checked_add(left).unwrap_or(wall);
        let m = format!(
            "the standby anchor{} signs with key {id}, until {} at the latest ({} of its {} are left), or until the first anchor is back, which is lost: {first}",
            words::label(entry),
            until.strftime("%Y-%m-%dT%H:%MZ"),
            print_span(Duration::from_secs(left.as_secs() / 60 * 60)),
            words::days(standby)
        );
        tracing::warn!(standby = %id, until = %until, "the standby anchor serves: {m}");
        self.found(i, Some(entry), AnchorReason::StandbyInUse, m);
        self.said = Some(said);
    }

    /// Whether a delegation must be signed now, by this anchor.
    fn is_due(&self, licenses: &[Arc<OpenLicense>], entry: &AnchorKey, now: Now) -> bool {
        let (f, lost) = (self.in_force.as_deref(), self.lost_since);
        let digests: Vec<Digest> = licenses.iter().map(|l| l.digest.clone()).collect();
        f.is_none_or(|f| f.anchor.key_id != entry.key.id())
            || delegation_due(f, lost, &digests, self.delegated, now)
    }

    /// Has the anchor delegate to this run's key, if that is due.
    async fn sign(
        &mut self,
        i: usize,
        entry: &AnchorKey,
        files: &LicenseFiles,
    ) -> Result<(), Lost> {
        let licenses = signed_for(&files.good((self.time)().wall), entry);
        self.sign_for(i, entry, licenses).await
    }

    async fn sign_for(
        &mut self,
        i: usize,
        entry: &AnchorKey,
        licenses: Vec<Arc<OpenLicense>>,
    ) -> Result<(), Lost> {
        let now = (self.time)();
        if licenses.is_empty() || !self.is_due(&licenses, entry, now) {
            return Ok(());
        }
        let unsigned = Unsigned::new(&self.chain, &licenses, entry, now)?;
        let Some(slot) = self.slots.get_mut(i) else {
            return Err(Lost::new(AnchorReason::Starting, "there is no such anchor"));
        };
        let signature = slot.anchor.sign(entry, &unsigned.bytes()).await?;
        slot.back_off = BACK_OFF.0;
        let (lease_for, grace) = (self.lease.duration(), self.lease.grace());
        let in_force = unsigned.signed(signature, entry, licenses, (lease_for, grace))?;
        self.in_force = Some(Arc::new(in_force));
        self.delegated = now.boot;
        if entry.standby.is_none() {
            self.found(i, Some(entry), AnchorReason::Present, words::signs(entry));
        } else {
            self.lost_since = None;
        }
        Ok(())
    }

    /// The anchor serves: for people, and in the log if it was lost.
    fn found(
        &mut self,
        i: usize,
        entry: Option<&AnchorKey>,
        reason: AnchorReason,
        message: String,
    ) {
        let now = (self.time)().boot;
        let Some(slot) = self.slots.get_mut(i) else {
            return;
        };
        if let Some((lost, since)) = slot.lost.take() {
            let secs = now.since(since).as_secs();
            tracing::info!(kind = %slot.anchor.kind(), standby = i > 0, lost_for_secs = secs, was = %lost.reason, "anchor is back: leases are granted again");
        }
        self.lost_since = None;
        self.said = None;
        self.view = AnchorView {
            kind: slot.anchor.kind().to_string(),
            key_id: entry.map(|e| e.key.id().to_string()),
            present: true,
            reason,
            message,
        };
    }

    /// The first anchor serves: a standby that did is let go, so that its token can be taken out.
    async fn let_go_of_others(&mut self, serving: usize) {
        for (i, slot) in self.slots.iter_mut().enumerate() {
            if i != serving && slot.keys.take().is_some() {
                slot.anchor.close().await;
                tracing::info!(kind = %slot.anchor.kind(), "the first anchor serves again; the other one is let go");
            }
            if i != serving {
                (slot.lost, slot.open_at, slot.back_off) = (None, BootTime::default(), BACK_OFF.0);
            }
        }
    }

    /// Notes that an anchor is lost, closes it, and says when it is looked for again.
    async fn drop_slot(&mut self, i: usize, lost: &Lost) {
        let now = (self.time)().boot;
        let mut others = self.slots.iter().enumerate();
        let others = others.any(|(j, s)| j != i && s.keys.is_some());
        let Some(slot) = self.slots.get_mut(i) else {
            return;
        };
        let kind = slot.anchor.kind();
        let before = slot.lost.take();
        if before.as_ref().map(|(l, _)| l.reason) != Some(lost.reason) {
            let (kind, reason) = (kind.to_string(), lost.reason.to_string());
            count(&self.metrics.anchor_losses, &[&kind, &reason]);
            tracing::error!(kind, reason, standby = i > 0, "anchor lost: {lost}");
        }
        slot.lost = Some((lost.clone(), before.map_or(now, |(_, since)| since)));
        // A token stays open, since a better license may come and each opening is a login. A key
        // file may be replaced.
        if lost.reason != AnchorReason::KeyNotInLicense || kind != AnchorKind::Pkcs11 {
            slot.keys = None;
            slot.anchor.close().await;
        }
        slot.open_at = (self.time)().boot + slot.back_off;
        let longest = if others { BACK_OFF_SERVED } else { BACK_OFF.1 };
        slot.back_off = (slot.back_off * 2).min(longest);
    }

    fn lose(&mut self, lost: &Lost) {
        let now = (self.time)();
        let since = *self.lost_since.get_or_insert(now.boot);
        let reason = lost.reason;
        // The same words as long as it is lost for the same reason, so that nobody is told of a
        // change that is none.
        let said = self.said.as_ref() == Some(&lost.message);
        if said && self.view.reason == reason && !self.view.present {
            return;
        }
        let began = now.wall.checked_sub(now.boot.since(since));
        let began = began.unwrap_or(now.wall).strftime("%Y-%m-%dT%H:%M:%SZ");
        let first = self.slots.first().map(|s| s.anchor.kind().to_string());
        self.view = AnchorView {
            kind: first.unwrap_or_default(),
            key_id: self.view.key_id.take(),
            present: false,
            reason,
            message: format!("{} (lost since {began})", lost.message),
        };
        self.said = Some(lost.message.clone());
    }
}

/// The licenses' keys, the best first for the first anchor, or for the standby one.
fn wanted(licenses: &[Arc<OpenLicense>], for_standby: bool) -> Vec<PublicKey> {
    let mut all: Vec<_> = licenses.iter().flat_map(|o| &o.license.anchors).collect();
    all.sort_by_key(|a| a.standby.is_some() != for_standby);
    let mut keys = Vec::new();
    for a in all {
        if !keys.contains(&a.key) {
            keys.push(a.key);
        }
    }
    keys
}

/// As which of the licenses' anchors these keys serve: one that is no standby, if there is one.
fn choose<'l>(licenses: &'l [Arc<OpenLicense>], keys: &[PublicKey]) -> Option<&'l AnchorKey> {
    let all = licenses.iter().flat_map(|o| &o.license.anchors);
    let listed = all.filter(|a| keys.contains(&a.key));
    listed.min_by_key(|a| a.standby.is_some())
}

/// A license's entry for the same anchor, in the same role.
fn listed<'l>(open: &'l OpenLicense, entry: &AnchorKey) -> Option<&'l AnchorKey> {
    let same = |a: &&AnchorKey| {
        let role = a.standby.is_some() == entry.standby.is_some();
        role && a.key == entry.key && a.kind == entry.kind
    };
    open.license.anchors.iter().find(same)
}

/// How many days this standby has, by a license that lists it.
fn days_by(open: &OpenLicense, entry: &AnchorKey) -> u32 {
    let standby = listed(open, entry).and_then(|a| a.standby);
    standby.map_or(0, |s| s.days)
}

/// Which of the licenses this anchor signs for: those that list it so.
fn signed_for(licenses: &[Arc<OpenLicense>], entry: &AnchorKey) -> Vec<Arc<OpenLicense>> {
    let of = licenses.iter().filter(|l| listed(l, entry).is_some());
    of.cloned().collect()
}

#[cfg(test)]
mod tests;
