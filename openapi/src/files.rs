//! `docs/schema/*.json`: JSON Schemas of the signed documents, from their Rust types
//! (docs/formats.md explains them).
//!
//! A reader ignores fields that it does not know, so the schemas let them through; what is not in
//! them is not in this version.

use mooring_core::license::{Delegation, LeaseToken, License, Revocations, Voucher};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

fn of<T: JsonSchema>(name: &str, words: &str) -> Value {
    let schema: Schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>();
    let mut v = schema.to_value();
    v["$id"] = format!("https://mooring.dev/schema/{name}.v1.json").into();
    v["title"] = name.into();
    v["description"] = words.into();
    v
}

/// Each document: its file's name, and its schema.
pub(crate) fn documents() -> Vec<(&'static str, Value)> {
    vec![
        (
            "license.json",
            of::<License>(
                "license",
                "What a vendor sells, bound to an anchor's key. Payload of application/vnd.mooring.license.v1+json.",
            ),
        ),
        (
            "delegation.json",
            of::<Delegation>(
                "delegation",
                "The anchor lends its word to an ephemeral server key, for 15 minutes at most. Payload of application/vnd.mooring.delegation.v1+json.",
            ),
        ),
        (
            "lease.json",
            of::<LeaseToken>(
                "lease",
                "What is held, for whom and how long. Payload of application/vnd.mooring.lease.v1+json.",
            ),
        ),
        (
            "revocations.json",
            of::<Revocations>(
                "revocations",
                "Which licenses a vendor has taken back. Payload of application/vnd.mooring.revocations.v1+json.",
            ),
        ),
        (
            "voucher.json",
            of::<Voucher>(
                "voucher",
                "A permit to start with no license server in reach. Payload of application/vnd.mooring.voucher.v1+json.",
            ),
        ),
    ]
}

#[cfg(test)]
mod tests;
