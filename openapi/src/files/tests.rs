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
