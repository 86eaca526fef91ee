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
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// Every object's every property, wherever it stands.
    fn properties<'v>(at: &str, v: &'v Value, out: &mut Vec<(String, &'v Value)>) {
        if let Some(p) = v.get("properties").and_then(Value::as_object) {
            out.extend(p.iter().map(|(n, s)| (format!("{at}.{n}"), s)));
        }
        match v {
            Value::Object(o) => o
                .iter()
                .for_each(|(n, v)| properties(&format!("{at}/{n}"), v, out)),
            Value::Array(a) => a.iter().for_each(|v| properties(at, v, out)),
            _ => {}
        }
    }

    #[test]
    fn every_field_is_described() {
        for (name, schema) in documents() {
            let mut all = Vec::new();
            properties(name, &schema, &mut all);
            assert!(all.len() >= 5, "{name}: {}", all.len());
            for (field, s) in all {
                let words = s["description"].as_str().unwrap_or_default();
                assert!(!words.is_empty(), "{field} is not described: {s}");
            }
        }
    }

    #[test]
    fn the_fields_are_those_of_the_documents() {
        let license = documents().remove(0).1;
        for field in [
            "critical",
            "supersedes",
            "notBefore",
            "maintenanceUntil",
            "emergency",
        ] {
            assert!(license["properties"][field].is_object(), "{field}");
        }
        let required: Vec<&str> = license["required"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for field in [
            "schema", "id", "customer", "issued", "pools", "products", "anchors",
        ] {
            assert!(required.contains(&field), "{field}");
        }
        assert!(!required.contains(&"critical"));
        assert_eq!(license["properties"]["schema"]["const"], 1);
    }
}
