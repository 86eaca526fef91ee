//! The file with a comment on each field: for `mooring-server init`, and for `docs/contracts.md`.
//!
//! The comments are the doc comments of the types, by way of their schema.

use crate::{
    AnchorConfig, AuditLog, Clients, Config, Connections, Lease, Pkcs11Config, Tls, UsbConfig,
    listen, metrics,
};
use serde_json::Value;
use serde_yaml::Mapping;
use std::fmt::Write as _;

/// As wide as a comment may be, `#` and all.
const WIDTH: usize = 98;
/// Between these lines `docs/contracts.md` shows the example.
const MARKS: [&str; 2] = [
    "<!-- generated from config/ by `make openapi`: config.yaml -->\n",
    "<!-- end -->\n",
];

/// The file.
pub fn commented(config: &Config) -> Result<String, serde_yaml::Error> {
    let schema = schemars::schema_for!(Config).to_value();
    let mut out = String::new();
    if let serde_yaml::Value::Mapping(mut fields) = serde_yaml::to_value(config)? {
        // What people fill in is shown also while it is empty.
        let admins = serde_yaml::to_value(&config.admins)?;
        fields.insert("admins".into(), admins);
        write_fields(&mut out, &fields, &schema, &schema, 0)?;
    }
    Ok(out)
}

fn write_fields(
    out: &mut String,
    fields: &Mapping,
    schema: &Value,
    root: &Value,
    indent: usize,
) -> Result<(), serde_yaml::Error> {
    let pad = " ".repeat(indent);
    for (name, value) in fields {
        let name = name.as_str().unwrap_or_default();
        let about = &schema["properties"][name];
        for line in wrapped(about["description"].as_str().unwrap_or_default(), indent) {
            let _ = writeln!(out, "{pad}# {line}");
        }
        if let serde_yaml::Value::Mapping(inner) = value {
            let _ = writeln!(out, "{pad}{name}:");
            write_fields(out, inner, of_struct(about, root), root, indent + 2)?;
        } else {
            let text = if value.is_sequence() {
                serde_json::to_string(value).unwrap_or_default()
            } else {
                serde_yaml::to_string(value)?
            };
            let _ = writeln!(out, "{pad}{name}: {}", text.trim_end());
        }
    }
    Ok(())
}

/// The schema of a struct, behind a reference or an `Option`.
fn of_struct<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let some = schema["anyOf"].get(0).unwrap_or(schema);
    let name = some["$ref"].as_str().and_then(|r| r.rsplit('/').next());
    name.map_or(some, |name| &root["$defs"][name])
}

fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(l) if indent + 2 + l.chars().count() + 1 + word.chars().count() <= WIDTH => {
                let _ = write!(l, " {word}");
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What the operator writes, and what else there is.
pub fn example() -> Config {
    Config {
        name: "main".into(),
        namespace: Some("licensing".into()),
        listen: listen(),
        metrics: metrics(),
        connections: Connections::default(),
        tls: Tls {
            cert: "/etc/mooring/tls/tls.crt".into(),
            key: "/etc/mooring/tls/tls.key".into(),
            earlier: Some("/etc/mooring/tls/earlier.pem".into()),
            client_ca: Some("/etc/mooring/tls/ca.crt".into()),
        },
        licenses: vec!["/etc/mooring/license/license.mooring".into()],
        revocations: Some("/etc/mooring/license/revocations.mooring".into()),
        vendor_keys: Some("/etc/mooring/vendor-keys".into()),
        anchor: AnchorConfig::Pkcs11(Pkcs11Config {
            module: "/usr/lib/softhsm/libsofthsm2.so".into(),
            token_label: "mooring".into(),
            pin_file: Some("/etc/mooring/pin/pin".into()),
        }),
        standby: Some(AnchorConfig::Usb(UsbConfig::new("/etc/mooring/anchor/key"))),
        lease: Lease::default(),
        earlier_longest_lease_secs: Some(30),
        state_dir: "/var/lib/mooring".into(),
        state_secret: Some("main-state".into()),
        identity_key: "/etc/mooring/identity/key".into(),
        policies: Some("/etc/mooring/policies.yaml".into()),
        token_review: true,
        operator_knows_all: true,
        clients: Some(Clients {
            keys: Some("/etc/mooring/client-keys".into()),
            issuers: Some("/etc/mooring/issuers.yaml".into()),
            revoked: Some("/etc/mooring/revoked".into()),
        }),
        admins: vec!["ops".into()],
        audit: AuditLog::default(),
    }
}

/// A page with the example between its marks written anew; `None` if it has no marks.
pub fn page(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(MARKS[0])?;
    let (_, after) = rest.split_once(MARKS[1])?;
    let example = commented(&example()).ok()?;
    let [begin, end] = MARKS;
    Some(format!(
        "{before}{begin}```yaml\n{example}```\n{end}{after}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_printed_is_what_is_read_and_each_field_has_its_comment() {
        let text = commented(&example()).unwrap();
        let read: Config = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read, example());
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        for pair in lines.windows(2).filter(|p| !p[1].starts_with(['#', '-'])) {
            assert!(pair[0].starts_with('#'), "no comment: {}", pair[1]);
        }
        assert!(text.lines().all(|l| l.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn the_page_of_contracts_shows_the_example() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/contracts.md");
        let there = std::fs::read_to_string(path).unwrap();
        assert!(
            page(&there).as_ref() == Some(&there),
            "docs/contracts.md differs from config/: run `make openapi` and commit it"
        );
    }
}
