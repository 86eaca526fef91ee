//! The chain of signatures that an application verifies offline (docs/security.md, "The chain").
//!
//! ```text
//! vendor key ─signs→ license (file)     pools, products, policy, the anchor's public key
//! anchor     ─signs→ delegation         an ephemeral server key, at most 15 min
//! server key ─signs→ lease token        what, for whom (an HMAC), how long, the nonce
//! ```
//! Each link is a DSSE envelope ([`Envelope`]): the exact bytes are signed together with their
//! type, and the algorithm belongs to the key, never to the envelope.

mod anchor;
mod armour;
mod bundle;
mod check;
mod dates;
mod delegation;
mod dsse;
mod file;
mod keys;
mod open;
mod placeholder;
mod revocations;
mod token;
mod verify;
mod versions;
mod voucher;

pub use anchor::{
    AnchorKey, AnchorKind, HwidHash, HwidItem, HwidItems, MAX_HWID_ITEMS, MAX_STANDBY_DAYS,
    MAX_USB_SERIAL, Standby, UsbDevice,
};
pub use armour::{ArmourError, MAX_FILE, armour, armoured_type};
pub use bundle::{Bundle, FreshToken, says_issued_at};
pub use check::LicenseError;
pub use dates::{
    AppClock, CLOCK_SLACK, CLOCK_WARNING, ClockOrStale, DateFault, FirstProof, Restricts,
    clock_ahead, clocks_apart,
};
pub use delegation::{Delegation, DelegationError, MAX_DELEGATION, MAX_LICENSES};
pub use dsse::{Digest, DsseError, Envelope, Signature};
pub(crate) use file::is_zero;
pub use file::{CountBy, Draw, License, Policy, Pool, PoolsByName, Product};
pub use keys::{KeyError, KeyId, PublicKey, SigningKey};
pub use open::{OpenLicense, Trust};
pub use placeholder::is_placeholder;
pub use revocations::{OpenRevocations, Revocations, RevocationsError, Revoked, RevokedLicense};
pub use token::{HolderHmac, LeaseToken, TokenAnchor, TokenDraw, TokenItem, TokenPart};
pub use verify::{Demand, MinAnchor, Verified, VerifyError, verify};
pub use versions::{VersionRange, VersionScheme};
pub use voucher::{OpenVoucher, Voucher, VoucherError};

/// Media types of the documents.
pub mod types {
    pub const LICENSE: &str = "application/vnd.mooring.license.v1+json";
    pub const DELEGATION: &str = "application/vnd.mooring.delegation.v1+json";
    pub const LEASE: &str = "application/vnd.mooring.lease.v1+json";
    /// A revocation list: which licenses the vendor has taken back.
    pub const REVOCATIONS: &str = "application/vnd.mooring.revocations.v1+json";
    /// A voucher: a permit to start without a license server in reach.
    pub const VOUCHER: &str = "application/vnd.mooring.voucher.v1+json";
    /// A client token ([`crate::client_token`]): it is not part of the chain.
    pub const CLIENT: &str = "application/vnd.mooring.client.v1+json";
}
