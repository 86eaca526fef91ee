//! Runs every vector against this crate. Other clients have a file like this in their own language.

use super::model::{Expect, Good, GoodFile, Parsed, Vectors};
use mooring_core::license::{
    AppClock, Bundle, Demand, FirstProof, LicenseError, MinAnchor, OpenLicense, SigningKey, Trust,
    verify,
};
use mooring_core::receipt::Identity;
use mooring_core::request;
use mooring_core::secret::{Secret, SecretHash};
use mooring_core::time::parse_span;
use std::time::Duration;

fn vectors() -> Vectors {
    let text = std::fs::read_to_string(super::FILE).expect("testdata/vectors.json");
    serde_json::from_str(&text).expect("testdata/vectors.json: see main.rs")
}

#[test]
fn keys() {
    for (name, k) in vectors().keys {
        assert_eq!(k.public.id().0, k.id, "{name}");
        if let Some(seed) = k.seed_hex {
            let seed = hex::decode(seed).unwrap().try_into().unwrap();
            assert_eq!(
                SigningKey::from_seed(&seed).unwrap().public(),
                k.public,
                "{name}"
            );
        }
    }
}

#[test]
fn bundles() {
    let all = vectors();
    let link = |name: &str| all.envelopes[name].clone();
    for case in &all.bundles {
        let bundle = Bundle {
            licenses: case.bundle.licenses.iter().map(|l| link(l)).collect(),
            delegation: link(&case.bundle.delegation),
            lease: link(&case.bundle.lease),
        };
        let d = &case.demand;
        let demand = Demand {
            product: &d.product,
            app_version: d.app_version.as_ref(),
            built_on: d.built_on,
            nonce: d.nonce.as_deref(),
            bind: d.bind,
            min_anchor: if d.hardware {
                MinAnchor::Hardware
            } else {
                MinAnchor::Any
            },
        };
        let first = case.first.map(|f| FirstProof {
            issued_at: f.issued_at,
            ago: Duration::from_secs(f.ago_secs),
        });
        let clock = AppClock {
            now: case.now,
            first,
        };
        let got = match verify(&bundle, &case.vendor_keys, &demand, &clock) {
            Err(e) => Expect::Error(e.reason().to_owned()),
            Ok(v) => Expect::Ok(Good {
                lease: v.lease.to_string(),
                seats: v.seats,
                run_for_secs: v.run_for.as_secs(),
                fresh: v.fresh,
                anchor: v.anchor.to_string(),
                software: v.software,
                overdraft: v.overdraft,
                test: v.test,
                emergency: v.emergency,
                license_id: v.license_id,
                issued_at: v.issued_at,
            }),
        };
        assert_eq!(got, case.expect, "{}: {}", case.name, case.why);
    }
}

#[test]
fn license_files() {
    for case in vectors().license_files {
        let read = OpenLicense::read(&case.text, Trust::Pinned(&case.vendor_keys));
        let got = read.and_then(|o| o.license.check_dates(case.at).map(|()| o));
        let got = match got {
            Err(e) => Expect::Error(LicenseError::reason(&e).to_string()),
            Ok(o) => Expect::Ok(GoodFile {
                id: o.license.id,
                sha256: o.digest.0,
                signed_by: o.signed_by.map(|k| k.0).unwrap_or_default(),
            }),
        };
        assert_eq!(got, case.expect, "{}: {}", case.name, case.why);
    }
}

#[test]
fn pae() {
    for case in vectors().pae {
        let payload = hex::decode(case.payload_hex).unwrap();
        let (t, n) = (&case.payload_type, payload.len());
        // Written out here a second time, from the specification (DSSE v1.0.2, "PAE").
        let expected = [format!("DSSEv1 {} {t} {n} ", t.len()).as_bytes(), &payload].concat();
        assert_eq!(case.signed_hex, hex::encode(expected), "{t}");
    }
}

#[test]
fn versions() {
    for case in vectors().versions {
        assert_eq!(
            case.range.covers(&case.version),
            case.covered,
            "{} in {}",
            case.version,
            case.range
        );
    }
}

#[test]
fn holders() {
    for case in vectors().holders {
        let key: [u8; 32] = hex::decode(case.key_hex).unwrap().try_into().unwrap();
        assert_eq!(case.holder.canonical(), case.canonical);
        let key = Identity::new(&key, &[], "main");
        assert_eq!(key.hide(&case.holder), case.hmac);
        assert!(key.is(&case.holder, &case.hmac));
    }
}

#[test]
fn secrets() {
    for case in vectors().secrets {
        let secret = Secret::try_from(case.secret.clone()).unwrap();
        let bytes: [u8; 32] = hex::decode(case.bytes_hex).unwrap().try_into().unwrap();
        assert_eq!(secret, Secret::from_bytes(bytes));
        assert!(SecretHash::try_from(case.hash).unwrap().matches(&secret));
    }
}

#[test]
fn annotations() {
    for case in vectors().annotations {
        let got = match request::parse(&case.value) {
            Ok(items) => Parsed::Items(items),
            Err(e) => Parsed::Error {
                at: e.at,
                found: e.found,
                expected: e.expected,
            },
        };
        assert_eq!(got, case.expect, "{:?}", case.value);
    }
}

#[test]
fn durations() {
    for case in vectors().durations {
        assert_eq!(
            parse_span(&case.text).ok().map(|d| d.as_secs()),
            case.secs,
            "{:?}",
            case.text
        );
    }
}
