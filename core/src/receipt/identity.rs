//! The server's identity key, which outlives its runs, and the keys that come of it: one for each
//! use, so that nothing that is made with one can be taken for what another makes.

use crate::identity::Holder;
use crate::license::HolderHmac;
use crate::names::ServerId;
use ring::hmac;

/// How many random bytes an identity key has.
pub const IDENTITY_KEY: usize = 32;

/// What a server knows itself and its papers by.
#[derive(Debug)]
pub struct Identity {
    /// Seals and hides.
    first: Keys,
    /// Keys before it: what they have sealed and hidden still counts.
    earlier: Vec<Keys>,
    /// The server's name: two that share one key take nothing of each other's in.
    server: String,
}

#[derive(Debug)]
pub(super) struct Keys {
    /// Tells which key a receipt was sealed with.
    pub(super) id: [u8; 4],
    pub(super) lease: hmac::Key,
    pub(super) ticket: hmac::Key,
    holder: hmac::Key,
    /// What hid holders before there were labels: it hides none any more.
    holder_before: hmac::Key,
    pin: [u8; IDENTITY_KEY],
    server: hmac::Key,
}

impl Keys {
    fn of(key: &[u8; IDENTITY_KEY]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = |label: &str| hmac::sign(&key, label.as_bytes());
        let of = |label| hmac::Key::new(hmac::HMAC_SHA256, derived(label).as_ref());
        let id = derived("mooring identity id v1");
        let pin = derived("mooring pin v1");
        Self {
            id: id.as_ref().first_chunk().copied().unwrap_or_default(),
            lease: of("mooring receipt v1"),
            ticket: of("mooring ticket v1"),
            holder: of("mooring holder v1"),
            holder_before: key.clone(),
            pin: pin.as_ref().first_chunk().copied().unwrap_or_default(),
            server: of("mooring server id v1"),
        }
    }
}

impl Identity {
    /// Of a server by this name (off Kubernetes its own, else its namespace and name): `first`
    /// seals, and what one of the `earlier` has sealed counts, too.
    pub fn new(
        first: &[u8; IDENTITY_KEY],
        earlier: &[[u8; IDENTITY_KEY]],
        server: impl Into<String>,
    ) -> Self {
        Self {
            first: Keys::of(first),
            earlier: earlier.iter().map(Keys::of).collect(),
            server: server.into(),
        }
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn first(&self) -> &Keys {
        &self.first
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Keys> {
        std::iter::once(&self.first).chain(&self.earlier)
    }

    /// What tells this server from all others, for whoever asks several of them.
    pub fn id(&self) -> ServerId {
        let tag = hmac::sign(&self.first.server, self.server.as_bytes());
        let first = tag.as_ref().first_chunk().copied();
        ServerId::from_bytes(first.unwrap_or_default())
    }

    /// A holder, so that nobody else can tell who it is.
    pub fn hide(&self, holder: &Holder) -> HolderHmac {
        let tag = hmac::sign(&self.first.holder, holder.canonical().as_bytes());
        HolderHmac(hex::encode(tag))
    }

    /// Whether `holder` is the one that was hidden.
    pub fn is(&self, holder: &Holder, hidden: &HolderHmac) -> bool {
        let Ok(tag) = hex::decode(&hidden.0) else {
            return false;
        };
        let name = holder.canonical();
        let mut keys = self.all();
        keys.any(|k| {
            let by = [&k.holder, &k.holder_before];
            let mut by = by.into_iter();
            by.any(|key| hmac::verify(key, name.as_bytes(), &tag).is_ok())
        })
    }

    /// The key that PINs are hidden with, where they are remembered and must not be kept.
    pub fn pin_key(&self) -> [u8; IDENTITY_KEY] {
        self.first.pin
    }
}
