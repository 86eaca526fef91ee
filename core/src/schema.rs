//! JSON schemas of the words that messages are made of (feature `schema`). Those of the messages
//! are derived where they stand.
//!
//! A schema is exact: what it lets through is read, and what it does not is refused. So whoever
//! generates a client from it, or tries a server by it, is told the truth.

use crate::license::{Digest, HolderHmac, KeyId, PublicKey};
use crate::names::{
    BootId, ClaimName, InstanceId, LeaseId, MAX_PRODUCT, MAX_VERSION, PoolName, ProductName,
    ProjectName, RequestId, Seats, ServerId, TermsId, Version,
};
use crate::receipt::Sealed;
use crate::request::MAX_SEATS;
use crate::secret::{Secret, SecretHash};
use crate::time::{BootTime, Millis, Secs};
use crate::wire::{PROBLEM_BASE, ProblemType, WatchPosition};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

const DNSISH: &str = "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$";
/// Not of digits alone.
const SOLD: &str = "^([A-Za-z_]|[0-9]+[A-Za-z._+-])[A-Za-z0-9._+-]*$";
const HEX32: &str = "^[0-9a-f]{32}$";
const BASE64: &str =
    "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
/// 32 bytes in base64url without padding: the last of 43 characters carries four bits.
const BYTES32: &str = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$";

#[derive(Debug)]
pub struct Instant;

/// A duration in words.
#[derive(Debug)]
pub struct Span;

/// Bytes in base64 with padding (RFC 4648, section 4).
#[derive(Debug)]
pub struct Base64;

macro_rules! schemas {
    (inline: $inline:literal; $($t:ident = $schema:tt;)*) => {$(
        impl JsonSchema for $t {
            fn inline_schema() -> bool {
                $inline
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($t).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

schemas! {
    inline: false;
    ProductName = {"type": "string", "pattern": SOLD, "maxLength": MAX_PRODUCT, "description": "What a license sells; compared without regard to case."};
    PoolName = {"type": "string", "pattern": SOLD, "maxLength": MAX_PRODUCT, "description": "A number of seats that products draw on; compared without regard to case."};
    ClaimName = {"type": "string", "pattern": DNSISH, "description": "A holder's name for one of its claims."};
    ProjectName = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "description": "What seats are used for, as their holder says."};
    Version = {"type": "string", "pattern": "^[A-Za-z]?[0-9][A-Za-z0-9._+-]*$", "maxLength": MAX_VERSION, "description": "A version of a product."};
    LeaseId = {"type": "string", "pattern": HEX32, "description": "One lease: given to a claim when it arrives, never given again."};
    InstanceId = {"type": "string", "pattern": HEX32, "description": "One run of a license server's process."};
    BootId = {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "One boot of one machine: the kernel's boot id, hashed."};
    ServerId = {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "A license server, wherever and by whatever name it is asked."};
    TermsId = {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "What a lease stands under, as its holder was told it: the run, the license files and pools, the limits."};
    Sealed = {"type": "string", "contentEncoding": "base64url", "pattern": "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$", "description": "What only the license server reads that gave it: bytes in base64url without padding, kept and shown again."};
    RequestId = {"type": "string", "pattern": HEX32, "description": "One request of a holder; a retry carries the same one."};
    Secret = {"type": "string", "pattern": BYTES32, "description": "A claim's secret: 32 random bytes, base64url without padding."};
    SecretHash = {"type": "string", "pattern": BYTES32, "description": "The SHA-256 of a claim's secret, base64url without padding."};
    PublicKey = {"type": "string", "pattern": "^(ed25519:[0-9a-fA-F]{64}|p256:04[0-9a-fA-F]{128})$", "description": "A public key with its algorithm: Ed25519, or an uncompressed point of P-256."};
    HolderHmac = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Who, as an HMAC that only the license server can make."};
    WatchPosition = {"type": "string", "pattern": "^[0-9a-f]{32}\\.[0-9]{1,19}$", "description": "The server's run and the number of its last event."};
    KeyId = {"type": "string", "description": "A short name of a key: the first 16 bytes of the SHA-256 of its text, in hex."};
    Digest = {"type": "string", "description": "The SHA-256 of a document's bytes, in hex."};
    Instant = {"type": "string", "format": "date-time", "description": "An instant (RFC 3339)."};
    Span = {"type": "string", "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$", "description": "A duration such as \"30s\", \"8h\" or \"1h30m\"."};
    BootTime = {"type": "integer", "minimum": 0, "description": "A machine's boot clock, in milliseconds."};
    Seats = {"type": "integer", "minimum": 1, "maximum": MAX_SEATS, "description": "A number of seats: at least one."};
    ProblemType = {"type": "string", "enum": Self::ALL.iter().map(|t| t.uri()).collect::<Vec<_>>(), "description": format!("What a client acts on: {PROBLEM_BASE} and a name.")};
}

schemas! {
    inline: true;
    Secs = {"type": "integer", "format": "uint64", "minimum": 0};
    Millis = {"type": "integer", "format": "uint64", "minimum": 0};
    Base64 = {"type": "string", "contentEncoding": "base64", "pattern": BASE64};
}
