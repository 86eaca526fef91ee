//! Sealing: bytes under a MAC, as text.
//!
//! `version (1) ‖ key id (4) ‖ body ‖ MAC (16)`, in base64url. The MAC is HMAC-SHA256, cut (RFC
//! 2104, 5), over the length of what stands before it, that, the server's name, and what is said
//! besides.

use super::identity::{Identity, Keys};
use super::shown::{BadReceipt, Besides};
use crate::mutant::{self, Mutant};
use crate::secret::sha256;
use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

const VERSION: u8 = 1;
/// Version and key id.
const HEAD: usize = 5;
const MAC: usize = 16;

/// What only the server that gave it can read: the holder keeps it, and shows it again.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Sealed(Box<[u8]>);

impl TryFrom<String> for Sealed {
    type Error = &'static str;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(s);
        let bytes = bytes.map_err(|_| "expected base64url without padding")?;
        Ok(Self(bytes.into()))
    }
}

impl From<Sealed> for String {
    fn from(s: Sealed) -> Self {
        URL_SAFE_NO_PAD.encode(&s.0)
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&Base64Display::new(&self.0, &URL_SAFE_NO_PAD))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Sealed {
    /// The bytes as they come: nobody has looked at them.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a sealed paper is for: no kind is taken for another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Lease,
    Ticket,
}

impl Kind {
    fn key(self, keys: &Keys) -> &hmac::Key {
        match self {
            Self::Lease => &keys.lease,
            Self::Ticket => &keys.ticket,
        }
    }
}

/// Seals what `says` gives, for who will say the rest besides.
pub(super) fn seal(
    identity: &Identity,
    kind: Kind,
    says: &impl Serialize,
    besides: &Besides<'_>,
) -> Sealed {
    let keys = identity.first();
    let mut bytes = Vec::with_capacity(160);
    bytes.push(VERSION);
    bytes.extend(keys.id);
    // Nothing that is sealed can fail to be written: no map, no type that refuses.
    let mut bytes = postcard::to_extend(says, bytes).unwrap_or_default();
    let mac = mac(identity, kind.key(keys), &bytes, besides);
    bytes.extend(mac);
    Sealed(bytes.into())
}

/// Opens what this server sealed, for who says the rest besides.
pub(super) fn open<'s, T: Deserialize<'s>>(
    identity: &Identity,
    kind: Kind,
    sealed: &'s Sealed,
    besides: &Besides<'_>,
) -> Result<T, BadReceipt> {
    let (front, shown) = split(&sealed.0).ok_or(BadReceipt::Malformed)?;
    let (head, body) = front.split_at_checked(HEAD).ok_or(BadReceipt::Malformed)?;
    let [VERSION, id @ ..] = head else {
        return Err(BadReceipt::Malformed);
    };
    let key = identity.all().find(|k| k.id == id);
    let key = kind.key(key.ok_or(BadReceipt::OtherKey)?);
    // Comparing hashes leaks nothing of the MAC through time.
    let fits = sha256(&mac(identity, key, front, besides)) == sha256(shown);
    if !fits && !mutant::on(Mutant::ReceiptUnverified) {
        return Err(BadReceipt::DoesNotFit);
    }
    match postcard::take_from_bytes::<T>(body) {
        Ok((says, [])) => Ok(says),
        _ => Err(BadReceipt::Malformed),
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(MAC)?)
}

fn mac(identity: &Identity, key: &hmac::Key, front: &[u8], besides: &Besides<'_>) -> [u8; MAC] {
    let mut of = Vec::with_capacity(front.len() + 320);
    put(&mut of, front);
    put(&mut of, identity.server().as_bytes());
    besides.write(&mut |part| put(&mut of, part));
    let tag = hmac::sign(key, &of);
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

/// With its length in front, so that no two lists of parts are the same bytes.
fn put(to: &mut Vec<u8>, part: &[u8]) {
    to.extend((part.len() as u64).to_le_bytes());
    to.extend(part);
}
