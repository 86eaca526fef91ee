//! Who is revoked: has the server's list say what the mirrors say, and takes it in.

use super::error::ConnectionError;
use super::server::{Connection, Word};
use super::session::{get, made, send};
use crate::leases::{Listed, RevocationDue, due, is_its_holders};
use mooring_core::identity::HolderKey;
use mooring_core::names::LeaseId;
use mooring_core::wire::calls::server;
use mooring_core::wire::{ChangeRevocations, RevokedHolder, RevokedHolders};
use mooring_net::client::{Call, Client};
use mooring_net::clock;
use mooring_net::sync::lock;

impl Connection {
    /// At the beginning of a session, before anybody is let in: the list ended with the server's
    /// pod, perhaps.
    pub(super) async fn begin_revocations(&self, client: &Client) -> Result<(), ConnectionError> {
        self.take_revocations(client).await?;
        let all = self.context.writer.cache.mirrored(&self.server);
        self.tell_revocations(client, all).await
    }

    pub(super) fn forget_revocations(&self) {
        *lock(&self.revoked) = None;
    }

    pub(super) async fn take_revocations(&self, client: &Client) -> Result<(), ConnectionError> {
        let list: RevokedHolders = get(client, &server::REVOCATIONS, self.most()).await?;
        let list = list.revoked.into_iter().map(|r| {
            let holder = self.known_here(r.holder);
            (holder.clone(), RevokedHolder { holder, ..r })
        });
        *lock(&self.revoked) = Some(list.collect());
        Ok(())
    }

    /// What the server's list says of a holder, to `read`.
    pub(super) fn listed<T>(&self, key: &HolderKey, read: impl FnOnce(Listed<'_>) -> T) -> T {
        match &*lock(&self.revoked) {
            None => read(Listed::Unheard),
            Some(list) => read(list.get(key).map_or(Listed::No, Listed::Yes)),
        }
    }

    pub(super) fn is_listed(&self, key: &HolderKey) -> bool {
        self.listed(key, |l| matches!(l, Listed::Yes(_)))
    }

    /// What is due about a holder's revocation, as its mirror is now.
    pub(super) fn revocation_due(&self, key: &HolderKey) -> Option<RevocationDue> {
        let cache = &self.context.writer.cache;
        let stored = cache.mirror(&self.server, key)?;
        let claims = self.lease_cache().claims(key);
        if !is_its_holders(&stored.lease, cache.pod(key).as_ref(), &claims) {
            return None;
        }
        let now = clock::now().wall;
        self.listed(key, |l| due(key, &stored.lease, l, now))
    }

    /// Tells the server all that is due about these holders.
    async fn tell_revocations(
        &self,
        client: &Client,
        keys: Vec<HolderKey>,
    ) -> Result<(), ConnectionError> {
        let mut change = ChangeRevocations::default();
        for key in &keys {
            match self.revocation_due(key) {
                Some(RevocationDue::Revoke(r)) => change.revoke.push(r),
                Some(RevocationDue::Lift(key)) => change.lift.push(key),
                Some(RevocationDue::Restore(_)) | None => {}
            }
        }
        if change == ChangeRevocations::default() {
            return Ok(());
        }
        for r in &change.revoke {
            tracing::info!(server = %self.server, uid = %r.holder, reason = r.reason.as_deref(), "a holder is revoked");
        }
        for key in &change.lift {
            tracing::info!(server = %self.server, uid = %key, "a revocation is lifted");
        }
        let revoke = change.revoke.into_iter().filter_map(|r| {
            let holder = self.abroad(r.holder)?;
            Some(RevokedHolder { holder, ..r })
        });
        let lift = change.lift.into_iter().filter_map(|k| self.abroad(k));
        let change = ChangeRevocations {
            revoke: revoke.collect(),
            lift: lift.collect(),
        };
        let told = send(client, &server::CHANGE_REVOCATIONS, &change).await;
        self.refused("revocation", told)?;
        self.take_revocations(client).await?;
        self.touch(keys);
        Ok(())
    }

    /// Tells the server what has come up.
    pub(super) async fn tell(
        &self,
        client: &Client,
        words: impl Iterator<Item = Word>,
    ) -> Result<(), ConnectionError> {
        let (mut gone, mut revocations, mut take_back) = (Vec::new(), Vec::new(), Vec::new());
        for word in words {
            match word {
                Word::Gone(key) => gone.push(key),
                Word::Revocation(key) => revocations.push(key),
                Word::TakeBack(lease) => take_back.push(lease),
            }
        }
        self.post_gone(client, gone).await?;
        self.tell_revocations(client, revocations).await?;
        for lease in take_back {
            self.take_back(client, lease).await?;
        }
        Ok(())
    }

    async fn take_back(&self, client: &Client, lease: LeaseId) -> Result<(), ConnectionError> {
        tracing::info!(server = %self.server, %lease, "a lease is taken back");
        let told = made(client, Call::of(&server::TAKE_BACK, lease)).await;
        self.refused("release", told.map(drop))
    }

    /// A refusal is said, and ends no session: it is tried again with the next one, or when the
    /// mirror changes.
    pub(super) fn refused(
        &self,
        what: &str,
        told: Result<(), ConnectionError>,
    ) -> Result<(), ConnectionError> {
        match told {
            Err(e @ ConnectionError::Answer { .. }) => {
                self.context.writer.metrics.word_refused(what);
                tracing::warn!(server = %self.server, what, error = %e, "the license server refuses what an administrator asked for");
                Ok(())
            }
            other => other,
        }
    }
}
