//! Which anchor serves, since when it is lost, and what it signs: the rule, without a task, a timer or a clock of its own.
//!
//! It takes one step when told, reads the time from whoever made it, and reaches hardware by the trait alone. So a test can run
//! it for thirty minutes in a moment, with an anchor that comes and goes (`tests`).

use super::standby::Served;
use super::standing::{BACKDATED, delegation_due};
use super::{Chain, InForce, State, Terms};
use crate::anchor::{Anchor, Lost, Reason};
use crate::config::Lease;
use crate::license::{FileError, LicenseFile, for_this_anchor};
use crate::metrics::Metrics;
use mooring_core::license::{
    AnchorKey, Delegation, Envelope, MAX_DELEGATION, OpenLicense, PublicKey, Standby, TokenAnchor,
    types,
};
use mooring_core::time::{BootTime, Now, print_span};
use mooring_core::wire::AnchorView;
use std::sync::Arc;
use std::time::Duration;

/// The first and the longest wait before a lost anchor is opened anew. A token that is plugged in again must serve within 5 s, and opening a
/// slow one takes a second or two.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// The longest while another one serves: opening a token that hangs takes long, and the one that serves must be looked at.
const BACK_OFF_SERVED: Duration = Duration::from_secs(30);

/// Where the time comes from.
pub(crate) type Time = Box<dyn Fn() -> Now + Send + Sync>;

/// A configured anchor.
struct Seat<A> {
    anchor: A,
    /// Its keys, while it is open.
    keys: Option<Vec<PublicKey>>,
    /// Why it does not serve, and since when it does not.
    lost: Option<(Lost, BootTime)>,
    open_at: BootTime,
    back_off: Duration,
}

/// What a look at one anchor gave.
enum Look {
    /// It is there, and serves as this entry of the license.
    Serves(AnchorKey),
    /// It is there, and there is no license.
    Idle,
    /// It is lost, and not looked for at the moment.
    Waits(Lost),
}

/// The anchors, and what they signed.
pub(crate) struct Tending<A> {
    /// As configured: the first, and the standby if there is one.
    seats: Vec<Seat<A>>,
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

impl<A: Anchor> Tending<A> {
    /// One that has looked at nothing yet.
    pub(crate) fn new(
        anchors: Vec<A>,
        served: Served,
        chain: Arc<Chain>,
        metrics: Arc<Metrics>,
        lease: Lease,
        time: Time,
    ) -> Self {
        let seat = |anchor| Seat {
            anchor,
            keys: None,
            lost: None,
            open_at: BootTime::default(),
            back_off: BACK_OFF.0,
        };
        let view = chain.state().anchor.clone();
        Self {
            seats: anchors.into_iter().map(seat).collect(),
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
        let mut open = self.seats.iter().filter_map(|s| s.keys.as_ref()).peekable();
        open.peek()?;
        Some(open.flatten().copied().collect())
    }

    /// When the present delegation was signed.
    pub(crate) fn delegated(&self) -> BootTime {
        self.delegated
    }

    /// What was signed last.
    pub(crate) fn in_force(&self) -> Option<&Arc<InForce>> {
        self.in_force.as_ref()
    }

    /// How it stands.
    pub(crate) fn state(&self, file: &LicenseFile, now: Now) -> State {
        State {
            in_force: self.in_force.clone(),
            anchor: self.view.clone(),
            lost_since: self.lost_since,
            license: file.view(now.wall),
            revoked: self
                .in_force
                .as_ref()
                .and_then(|f| file.revoked(&f.license, now.wall)),
        }
    }

    /// Lets go of all hardware.
    pub(crate) async fn close(&mut self) {
        for s in &mut self.seats {
            s.anchor.close().await;
        }
    }

    /// Opens the anchors or looks whether they are there, and has one sign what is due.
    pub(crate) async fn step(&mut self, file: &mut LicenseFile) {
        if let Err(lost) = self.serve(file).await {
            self.lose(&lost);
        }
    }

    /// One anchor serves: that which is no standby if it can, else a standby that has days left.
    async fn serve(&mut self, file: &mut LicenseFile) -> Result<(), Lost> {
        let mut losses = Vec::new();
        let mut standbys = Vec::new();
        for i in 0..self.seats.len() {
            match self.look(i, file).await {
                Ok(Look::Serves(entry)) if entry.standby.is_none() => {
                    match self.sign(i, &entry, file).await {
                        Ok(()) => {
                            self.let_go_of_others(i).await;
                            return Ok(());
                        }
                        Err(lost) => {
                            self.drop_seat(i, &lost).await;
                            losses.push(lost);
                        }
                    }
                }
                Ok(Look::Serves(entry)) => standbys.push((i, entry)),
                Ok(Look::Idle) => return Ok(()),
                Ok(Look::Waits(lost)) => losses.push(lost),
                Err(lost) => {
                    self.drop_seat(i, &lost).await;
                    losses.push(lost);
                }
            }
        }
        for (i, entry) in standbys {
            match self.stand_in(i, &entry, file, losses.first()).await {
                Ok(()) => return Ok(()),
                Err(lost) => {
                    // Days that are over are no fault of the hardware.
                    if lost.reason != Reason::StandbyExpired {
                        self.drop_seat(i, &lost).await;
                    }
                    losses.push(lost);
                }
            }
        }
        Err(together(losses))
    }

    /// Opens an anchor, or looks whether it is there.
    async fn look(&mut self, i: usize, file: &mut LicenseFile) -> Result<Look, Lost> {
        let now = (self.time)();
        let Some(seat) = self.seats.get_mut(i) else {
            return Err(Lost::new(Reason::Starting, "there is no such anchor"));
        };
        let open = if let Some(keys) = &seat.keys {
            keys.clone()
        } else {
            if let Some((lost, _)) = seat.lost.as_ref().filter(|_| now.boot < seat.open_at) {
                return Ok(Look::Waits(lost.clone()));
            }
            let wanted = wanted(file.good(), i > 0);
            let keys = seat.anchor.open(&wanted).await?;
            tracing::info!(kind = %seat.anchor.kind(), keys = keys.len(), standby = i > 0, "anchor opened");
            seat.keys = Some(keys.clone());
            keys
        };
        let meant = self.meant(i, file, &open);
        // Also where the license means another one: the wrong token is pulled out, and the right one is in its place.
        if let Some(seat) = self.seats.get_mut(i) {
            let entry = meant.as_ref().ok().and_then(Option::as_ref);
            seat.anchor.present(entry).await?;
        }
        let entry = meant?;
        let Some(entry) = entry else {
            let ids: Vec<String> = open.iter().map(|k| k.id().to_string()).collect();
            self.found(
                i,
                None,
                "Present",
                format!(
                    "the anchor is there, with key {}; there is no license to sign for",
                    ids.join(", ")
                ),
            );
            return Ok(Look::Idle);
        };
        Ok(Look::Serves(entry))
    }

    /// Which of the license's anchors this one is; none if there is no license.
    fn meant(
        &self,
        i: usize,
        file: &mut LicenseFile,
        keys: &[PublicKey],
    ) -> Result<Option<AnchorKey>, Lost> {
        let other = |why: String| Lost::new(Reason::KeyNotInLicense, why);
        self.match_license(file, keys)
            .map_err(|e| other(e.to_string()))?;
        let Some(l) = file.good() else {
            return Ok(None);
        };
        let kind = self.seats.get(i).map(|s| s.anchor.kind());
        let entry = choose(l, keys).filter(|e| Some(e.kind) == kind);
        let entry = entry.ok_or_else(|| {
            other(format!(
                "the license lists this key as another kind of anchor than {}",
                kind.map_or_else(String::new, |k| k.to_string())
            ))
        })?;
        Ok(Some(entry.clone()))
    }

    /// Whether anchor and license belong together. A new license that came while the anchor was away, and turns out to be for
    /// another, is given up for the one in force; the anchor stays open, since a better file may come.
    fn match_license(&self, file: &mut LicenseFile, keys: &[PublicKey]) -> Result<(), FileError> {
        let Some(open) = file.good() else {
            return file.other_anchor().map_or(Ok(()), |e| Err(e.clone()));
        };
        let Err(e) = for_this_anchor(open, keys) else {
            return Ok(());
        };
        // Another of the anchors is the license's: this one is not meant.
        let others = self.keys().unwrap_or_default();
        if for_this_anchor(open, &others).is_ok() {
            return Err(e);
        }
        let in_force = self.in_force.as_ref().map(|f| f.license.clone());
        if in_force.as_ref().is_some_and(|l| l.digest == open.digest) {
            // The license served before: it is the token that is another one.
            return Err(e);
        }
        let back_to = in_force.filter(|l| for_this_anchor(l, keys).is_ok());
        let saved = back_to.is_some();
        file.give_up(e.clone(), back_to);
        if saved { Ok(()) } else { Err(e) }
    }

    /// Has the standby anchor serve, if it has days left.
    async fn stand_in(
        &mut self,
        i: usize,
        entry: &AnchorKey,
        file: &LicenseFile,
        why: Option<&Lost>,
    ) -> Result<(), Lost> {
        let (Some(standby), Some(open)) = (entry.standby, file.good()) else {
            return self.sign(i, entry, file).await;
        };
        let (license, id, now) = (open.license.id.clone(), entry.key.id(), (self.time)());
        let first = why.map_or("it is not here", |l| &l.message);
        let left = self.served.left(&license, &id, standby.days, now.boot);
        self.metrics.standby_left.set(left.as_secs_f64());
        if left.is_zero() {
            let m = format!(
                "the standby anchor (key {id}) has served its {}; repair the first anchor ({first}), or have the license issued anew",
                days(standby)
            );
            return Err(Lost::new(Reason::StandbyExpired, m));
        }
        if self.is_due(open, entry, now) {
            self.served.spend(&license, &id, now.boot).map_err(|e| {
                let m = format!("stateDir: how long the standby anchor served cannot be kept: {e}; make stateDir writable");
                Lost::new(Reason::StandbyUncounted, m)
            })?;
        }
        self.sign(i, entry, file).await?;
        // The same words as long as it serves for the same reason: what is left changes all the time.
        let said = format!("standby {id}: {first}");
        if self.said.as_ref() != Some(&said) {
            let until = now.wall.checked_add(left).unwrap_or(now.wall);
            let m = format!(
                "the standby anchor{} signs with key {id}, until {} at the latest ({} of its {} are left), or until the first anchor is back, which is lost: {first}",
                label(entry),
                until.strftime("%Y-%m-%dT%H:%MZ"),
                print_span(Duration::from_secs(left.as_secs() / 60 * 60)),
                days(standby)
            );
            tracing::warn!(standby = %id, until = %until, "the standby anchor serves: {m}");
            self.found(i, Some(entry), "StandbyInUse", m);
            self.said = Some(said);
        }
        Ok(())
    }

    /// Whether a delegation must be signed now, by this anchor.
    fn is_due(&self, open: &OpenLicense, entry: &AnchorKey, now: Now) -> bool {
        let other = self
            .in_force
            .as_ref()
            .is_none_or(|f| f.anchor.key_id != entry.key.id());
        other
            || delegation_due(
                self.in_force.as_deref(),
                self.lost_since,
                &open.digest,
                self.delegated,
                now,
            )
    }

    /// Has the anchor lend its word to this run's key, if that is due.
    async fn sign(&mut self, i: usize, entry: &AnchorKey, file: &LicenseFile) -> Result<(), Lost> {
        let Some(open) = file.good().cloned() else {
            return Ok(());
        };
        let now = (self.time)();
        if !self.is_due(&open, entry, now) {
            return Ok(());
        }
        let failed = |e: &dyn std::fmt::Display| {
            Lost::new(Reason::SignFailed, format!("the delegation: {e}"))
        };
        let not_before = now.wall.checked_sub(BACKDATED).map_err(|e| failed(&e))?;
        let not_after = not_before
            .checked_add(MAX_DELEGATION)
            .map_err(|e| failed(&e))?;
        let delegation = Delegation {
            license: open.digest.clone(),
            kind: entry.kind,
            key_id: entry.key.id(),
            server_key: self.chain.key.public(),
            instance: self.chain.instance,
            not_before,
            not_after,
        };
        let mut envelope =
            Envelope::unsigned(types::DELEGATION, &delegation).map_err(|e| failed(&e))?;
        let Some(seat) = self.seats.get_mut(i) else {
            return Err(failed(&"there is no such anchor"));
        };
        let signature = seat.anchor.sign(entry, &envelope.signed_bytes()).await?;
        seat.back_off = BACK_OFF.0;
        envelope.add_signature(&entry.key, signature);
        // As every reader will: what does not pass here must not leave the house.
        Delegation::open_for(&envelope, &open.license, &open.digest).map_err(|e| failed(&e))?;
        self.in_force = Some(Arc::new(InForce {
            anchor: TokenAnchor {
                kind: entry.kind,
                key_id: entry.key.id(),
            },
            digest: envelope.digest(),
            envelope,
            delegation,
            terms: Terms::of(&self.lease, &open),
            license: open,
        }));
        self.delegated = now.boot;
        if entry.standby.is_none() {
            let m = format!(
                "the anchor{} signs with key {}",
                label(entry),
                entry.key.id()
            );
            self.found(i, Some(entry), "Present", m);
        } else {
            self.lost_since = None;
        }
        Ok(())
    }

    /// The anchor serves: for people, and in the log if it was lost.
    fn found(&mut self, i: usize, entry: Option<&AnchorKey>, reason: &str, message: String) {
        let now = (self.time)().boot;
        let Some(seat) = self.seats.get_mut(i) else {
            return;
        };
        if let Some((lost, since)) = seat.lost.take() {
            let secs = now.since(since).as_secs();
            tracing::info!(kind = %seat.anchor.kind(), standby = i > 0, lost_for_secs = secs, was = %lost.reason, "anchor is back: leases are granted again");
        }
        self.lost_since = None;
        self.said = None;
        self.view = AnchorView {
            kind: seat.anchor.kind().to_string(),
            key_id: entry.map(|e| e.key.id().to_string()),
            present: true,
            reason: reason.into(),
            message,
        };
    }

    /// The first anchor serves: a standby that did is let go, so that its token can be taken out.
    async fn let_go_of_others(&mut self, serving: usize) {
        for (i, seat) in self.seats.iter_mut().enumerate() {
            if i != serving && seat.keys.take().is_some() {
                seat.anchor.close().await;
                tracing::info!(kind = %seat.anchor.kind(), "the first anchor serves again; the other one is let go");
            }
            if i != serving {
                (seat.lost, seat.open_at, seat.back_off) = (None, BootTime::default(), BACK_OFF.0);
            }
        }
    }

    /// Notes that an anchor is lost, closes it, and says when it is looked for again.
    async fn drop_seat(&mut self, i: usize, lost: &Lost) {
        let now = (self.time)().boot;
        let others = self
            .seats
            .iter()
            .enumerate()
            .any(|(j, s)| j != i && s.keys.is_some());
        let Some(seat) = self.seats.get_mut(i) else {
            return;
        };
        let kind = seat.anchor.kind();
        let (before, since) = match seat.lost.take() {
            Some((l, since)) => (Some(l.reason), since),
            None => (None, now),
        };
        if before != Some(lost.reason) {
            let (kind, reason) = (kind.to_string(), lost.reason.to_string());
            self.metrics
                .anchor_losses
                .with_label_values(&[&kind, &reason])
                .inc();
            tracing::error!(kind, reason, standby = i > 0, "anchor lost: {lost}");
        }
        seat.lost = Some((lost.clone(), since));
        // A token stays open, since a better license may come and each opening is a login. A key file may be replaced.
        if lost.reason != Reason::KeyNotInLicense
            || kind != mooring_core::license::AnchorKind::Pkcs11
        {
            seat.keys = None;
            seat.anchor.close().await;
        }
        seat.open_at = (self.time)().boot + seat.back_off;
        let longest = if others { BACK_OFF_SERVED } else { BACK_OFF.1 };
        seat.back_off = (seat.back_off * 2).min(longest);
    }

    /// No anchor serves.
    fn lose(&mut self, lost: &Lost) {
        let now = (self.time)();
        let since = *self.lost_since.get_or_insert(now.boot);
        let reason = lost.reason.to_string();
        // The same words as long as it is lost for the same reason, so that nobody is told of a change that is none.
        if self.view.reason == reason
            && !self.view.present
            && self.said.as_ref() == Some(&lost.message)
        {
            return;
        }
        let began = now
            .wall
            .checked_sub(now.boot.since(since))
            .unwrap_or(now.wall);
        self.view = AnchorView {
            kind: self
                .seats
                .first()
                .map_or_else(String::new, |s| s.anchor.kind().to_string()),
            key_id: self.view.key_id.take(),
            present: false,
            reason,
            message: format!(
                "{} (lost since {})",
                lost.message,
                began.strftime("%Y-%m-%dT%H:%M:%SZ")
            ),
        };
        self.said = Some(lost.message.clone());
    }
}

/// Several losses as one: the reason of the first, but for days that are over, which is what people must know.
fn together(losses: Vec<Lost>) -> Lost {
    if let Some(expired) = losses.iter().find(|l| l.reason == Reason::StandbyExpired) {
        return expired.clone();
    }
    let mut losses = losses.into_iter();
    let Some(first) = losses.next() else {
        return Lost::new(Reason::Starting, "no anchor is configured");
    };
    losses.fold(first, |a, b| {
        Lost::new(
            a.reason,
            format!(
                "{}; the other anchor: {}: {}",
                a.message, b.reason, b.message
            ),
        )
    })
}

fn label(entry: &AnchorKey) -> String {
    entry
        .label
        .as_ref()
        .map(|l| format!(" ({l})"))
        .unwrap_or_default()
}

fn days(s: Standby) -> String {
    format!("{} {}", s.days, if s.days == 1 { "day" } else { "days" })
}

/// The license's keys, the best first for the first anchor, or for the standby one.
fn wanted(open: Option<&Arc<OpenLicense>>, for_standby: bool) -> Vec<PublicKey> {
    let Some(open) = open else { return Vec::new() };
    let (mut best, mut rest) = (Vec::new(), Vec::new());
    for a in &open.license.anchors {
        let list = if a.standby.is_some() == for_standby {
            &mut best
        } else {
            &mut rest
        };
        list.push(a.key);
    }
    best.append(&mut rest);
    best
}

/// As which of the license's anchors these keys serve: one that is no standby, if there is one.
fn choose<'l>(open: &'l OpenLicense, keys: &[PublicKey]) -> Option<&'l AnchorKey> {
    let mut listed = open
        .license
        .anchors
        .iter()
        .filter(|a| keys.contains(&a.key));
    let first = listed.clone().find(|a| a.standby.is_none());
    first.or_else(|| listed.next())
}

#[cfg(test)]
mod tests;
