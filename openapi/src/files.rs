//! `docs/schema/*.json`: JSON Schemas of the signed documents, from their Rust types
//! (docs/formats.md explains them).
//!
//! A reader ignores fields that it does not know, so the schemas let them through; what is not in
//! them is not in this version.

use mooring_core::license::{Delegation, LeaseToken, License, Revocations, Voucher};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

fn of<T: JsonSchema>(name: &'static str, words: &str) -> (&'static str, Value) {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut v = generator.into_root_schema_for::<T>().to_value();
    v["$id"] = format!("https://mooring.dev/schema/{name}.v1.json").into();
    v["title"] = name.into();
    let payload = format!("Payload of application/vnd.mooring.{name}.v1+json.");
    v["description"] = format!("{words} {payload}").into();
    (name, v)
}

const LICENSE: &str = "What a vendor sells, bound to an anchor's key.";
const DELEGATION: &str =
    "The anchor lends its word to an ephemeral server key, for 15 minutes at most.";
const LEASE: &str = "What is held, for whom and how long.";
const REVOCATIONS: &str = "Which licenses a vendor has taken back.";
const VOUCHER: &str = "A permit to start with no license server in reach.";

/// Each document: its name, and its schema.
pub(crate) fn documents() -> Vec<(&'static str, Value)> {
    vec![
        of::<License>("license", LICENSE),
        of::<Delegation>("delegation", DELEGATION),
        of::<LeaseToken>("lease", LEASE),
        of::<Revocations>("revocations", REVOCATIONS),
        of::<Voucher>("voucher", VOUCHER),
    ]
}

#[cfg(test)]
mod tests;
