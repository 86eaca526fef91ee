//! JSON schemas of the words that messages are made of (feature `schema`). Those of the messages
//! are derived where they stand.
//!
//! A schema is exact: what it lets through is read, and what it does not is refused. So whoever
//! generates a client from it, or tries a server by it, is told the truth.

use crate::license::{Digest, HolderHmac, KeyId, PublicKey};
use crate::names::{
    ClaimName, InstanceId, LeaseId, PoolName, ProductName, RequestId, Seats, Version,
};
use crate::request::MAX_SEATS;
use crate::secret::{Secret, SecretHash};
use crate::time::BootTime;
use crate::wire::{PROBLEM_BASE, ProblemType, WatchPosition};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

const DNSISH: &str = "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$";
const HEX32: &str = "^[0-9a-f]{32}$";
/// 32 bytes in base64url without padding: the last of 43 characters carries four bits.
const BYTES32: &str = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$";

macro_rules! text {
    ($($t:ty, $name:literal, $pattern:expr, $words:literal;)*) => {$(
        impl JsonSchema for $t {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "description": $words})
            }
        }
    )*};
}

text! {
    ProductName, "ProductName", DNSISH, "What a license sells.";
    PoolName, "PoolName", DNSISH, "A number of seats that products draw on.";
    ClaimName, "ClaimName", DNSISH, "A holder's name for one of its claims.";
    Version, "Version", "^[A-Za-z0-9._+-]{1,32}$", "A version of a product.";
    LeaseId, "LeaseId", HEX32, "One lease: given to a claim when it arrives, never given again.";
    InstanceId, "InstanceId", HEX32, "One run of a license server's process.";
    RequestId, "RequestId", HEX32, "One request of a holder; a retry carries the same one.";
    Secret, "Secret", BYTES32, "A claim's secret: 32 random bytes, base64url without padding.";
    SecretHash, "SecretHash", BYTES32, "The SHA-256 of a claim's secret, base64url without padding.";
    PublicKey, "PublicKey", "^(ed25519:[0-9a-fA-F]{64}|p256:04[0-9a-fA-F]{128})$", "A public key with its algorithm: Ed25519, or an uncompressed point of P-256.";
    HolderHmac, "HolderHmac", "^[0-9a-f]{64}$", "Who, as an HMAC that only the license server can make.";
    WatchPosition, "WatchPosition", "^[0-9a-f]{32}\\.[0-9]{1,19}$", "The server's run and the number of its last event.";
}

/// An RFC 3339 instant.
#[derive(Debug)]
pub struct Instant;

impl JsonSchema for Instant {
    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time", "description": "An instant (RFC 3339)."})
    }
}

/// A duration in words.
#[derive(Debug)]
pub struct Span;

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$", "description": "A duration such as \"30s\", \"8h\" or \"1h30m\"."})
    }
}

impl JsonSchema for BootTime {
    fn schema_name() -> Cow<'static, str> {
        "BootTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 0, "description": "A machine's boot clock, in milliseconds."})
    }
}

/// Bytes in base64 with padding (RFC 4648, section 4).
#[derive(Debug)]
pub struct Base64;

impl JsonSchema for Base64 {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Base64".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern =
            "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
        json_schema!({"type": "string", "contentEncoding": "base64", "pattern": pattern})
    }
}

macro_rules! plain {
    ($($t:ty, $name:literal, $words:literal;)*) => {$(
        impl JsonSchema for $t {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "description": $words})
            }
        }
    )*};
}

plain! {
    KeyId, "KeyId", "A short name of a key: the first 16 bytes of the SHA-256 of its text, in hex.";
    Digest, "Digest", "The SHA-256 of a document's bytes, in hex.";
}

impl JsonSchema for Seats {
    fn schema_name() -> Cow<'static, str> {
        "Seats".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": MAX_SEATS, "description": "A number of seats: at least one."})
    }
}

impl JsonSchema for ProblemType {
    fn schema_name() -> Cow<'static, str> {
        "ProblemType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let all: Vec<String> = Self::ALL.iter().map(|t| t.uri()).collect();
        let words = format!("What a client acts on: {PROBLEM_BASE} and a name.");
        json_schema!({"type": "string", "enum": all, "description": words})
    }
}
