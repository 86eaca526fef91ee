//! The test vectors that every client shares: `core/testdata/vectors.json`.
//!
//! Here the file is made, compared with what is in the repository, and run against this crate's own
//! code. After a change of format: `MOORING_UPDATE_VECTORS=1 cargo test -p mooring-core --test
//! vectors`; seeds in `fuzz/corpus/token` that hold one of its documents then take the new one.

#![allow(clippy::too_many_lines)] // a list of cases, or a scenario, is read from its top to its end
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

mod accepted;
mod bundles;
mod dates;
mod files;
mod forged;
mod keys;
mod make;
mod model;
mod p256;
mod refused;
mod run;
mod small;

use model::{BundleCase, Links, Vectors};
use mooring_core::license::{Bundle, Envelope};
use std::collections::BTreeMap;
use std::fs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors.json");

/// Signatures that cannot be made twice, out of the file as it is.
fn kept(old: Option<&Vectors>) -> Vec<Vec<u8>> {
    let envelopes = old.map(|v| v.envelopes.values()).into_iter().flatten();
    envelopes
        .flat_map(|e| &e.signatures)
        .map(|s| s.sig.clone())
        .collect()
}

/// Takes the envelopes out of the bundles, each once, named after the first case and link it is in.
fn intern(cases: Vec<BundleCase<Bundle>>) -> (BTreeMap<String, Envelope>, Vec<BundleCase<Links>>) {
    let mut all: BTreeMap<String, Envelope> = BTreeMap::new();
    let mut name = |case: &str, link: &str, e: Envelope| {
        if let Some((name, _)) = all.iter().find(|(_, there)| **there == e) {
            return name.clone();
        }
        let name = format!("{case}.{link}");
        all.insert(name.clone(), e);
        name
    };
    let named = cases.into_iter().map(|c| {
        let licenses = c.bundle.licenses.into_iter().enumerate();
        let license = |(i, e)| match i {
            0 => name(&c.name, "license", e),
            _ => name(&c.name, &format!("license-{i}"), e),
        };
        let bundle = Links {
            licenses: licenses.map(license).collect(),
            delegation: name(&c.name, "delegation", c.bundle.delegation),
            lease: name(&c.name, "lease", c.bundle.lease),
        };
        let BundleCase {
            name,
            why,
            vendor_keys,
            demand,
            now,
            first,
            expect,
            ..
        } = c;
        BundleCase {
            name,
            why,
            vendor_keys,
            demand,
            now,
            first,
            bundle,
            expect,
        }
    });
    let named = named.collect();
    (all, named)
}

fn make(old: Option<&Vectors>) -> Vectors {
    let about = [
        "Test vectors of Mooring's signed formats (docs/formats.md). Made by core/tests/vectors; do not edit.",
        "Every client must come to what `expect` says: `ok` with these values, or `error` with this reason.",
        "Keys are Ed25519 seeds of one repeated byte, and one P-256 key; they are good for nothing else.",
        "`bundles` (their links are in `envelopes`) are verified with `vendorKeys` and `demand`, by an application whose clock reads",
        "`now` and whose process had its `first` proof so long ago: no vector reads a clock;",
        "`licenseFiles` are read with `vendorKeys`, their dates judged at `at`.",
    ];
    let (envelopes, bundles) = intern(bundles::all(&kept(old)));
    Vectors {
        about: about.map(String::from).to_vec(),
        keys: keys::listed(),
        envelopes,
        bundles,
        license_files: small::files(),
        pae: small::pae(),
        versions: small::versions(),
        holders: small::holders(),
        secrets: small::secrets(),
        annotations: small::annotations(),
        durations: small::durations(),
    }
}

fn read() -> Option<Vectors> {
    let text = fs::read_to_string(FILE).ok()?;
    // An older form is no reason to fail while it is written anew.
    serde_json::from_str(&text).ok()
}

#[test]
fn the_file_is_what_the_code_says() {
    let made = make(read().as_ref());
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    if std::env::var_os("MOORING_UPDATE_VECTORS").is_some() {
        fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata")).unwrap();
        fs::write(FILE, &text).unwrap();
    }
    let there = fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        there == text,
        "core/testdata/vectors.json is stale: MOORING_UPDATE_VECTORS=1 cargo test -p mooring-core --test vectors, \
         look at the difference, commit it"
    );
}

#[test]
fn names_are_unique() {
    let v = make(read().as_ref());
    let mut names: Vec<&str> = v.bundles.iter().map(|b| b.name.as_str()).collect();
    names.sort_unstable();
    let n = names.len();
    names.dedup();
    assert_eq!(names.len(), n);
    assert!(n >= 100, "{n}");
}
