//! No change of a signed file is taken for another meaning: every byte of it, every bit, and
//! changes at random.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mooring_core::license::{
    AppClock, Bundle, Demand, Envelope, License, OpenLicense, PublicKey, Trust, verify,
};
use mooring_core::names::ProductName;
use proptest::prelude::*;
use std::sync::LazyLock;

/// The vectors' plain case.
struct Plain {
    text: String,
    license: License,
    vendor: PublicKey,
    bundle: Bundle,
    product: ProductName,
    nonce: String,
    clock: AppClock,
}

static PLAIN: LazyLock<Plain> = LazyLock::new(read);

fn plain() -> &'static Plain {
    &PLAIN
}

fn read() -> Plain {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors.json");
    let v: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let text = v["licenseFiles"][0]["text"].as_str().unwrap().to_owned();
    let vendor: PublicKey = v["keys"]["vendor"]["public"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let case = &v["bundles"][0];
    let link = |name: &str| {
        let envelope = &v["envelopes"][case["bundle"][name].as_str().unwrap()];
        serde_json::from_value(envelope.clone()).unwrap()
    };
    let first = |name: &str| {
        let envelope = &v["envelopes"][case["bundle"][name][0].as_str().unwrap()];
        serde_json::from_value(envelope.clone()).unwrap()
    };
    let bundle = Bundle {
        licenses: vec![first("licenses")],
        delegation: link("delegation"),
        lease: link("lease"),
    };
    let license = OpenLicense::read(&text, Trust::Pinned(&[vendor]))
        .unwrap()
        .license;
    let nonce = case["demand"]["nonce"].as_str().unwrap().to_owned();
    let now = case["now"].as_str().unwrap().parse().unwrap();
    Plain {
        clock: AppClock::at(now),
        text,
        license,
        vendor,
        bundle,
        product: ProductName::new("render").unwrap(),
        nonce,
    }
}

impl Plain {
    /// A changed file is refused, or means what it meant.
    fn file_is_safe(&self, bytes: &[u8]) -> Result<(), String> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(());
        };
        match OpenLicense::read(text, Trust::Pinned(&[self.vendor])) {
            Ok(open) if open.license != self.license => {
                Err(format!("another license was read from {text:?}"))
            }
            _ => Ok(()),
        }
    }

    /// A changed bundle is refused, or gives what it gave.
    fn bundle_is_safe(&self, json: &[u8]) -> Result<(), String> {
        let Ok(bundle) = serde_json::from_slice::<Bundle>(json) else {
            return Ok(());
        };
        let demand = Demand {
            nonce: Some(&self.nonce),
            ..Demand::of(&self.product)
        };
        let expected = verify(&self.bundle, &[self.vendor], &demand, &self.clock).unwrap();
        match verify(&bundle, &[self.vendor], &demand, &self.clock) {
            Ok(v) if v != expected => Err(format!("another lease was read: {v:?}")),
            _ => Ok(()),
        }
    }
}

#[test]
fn no_bit_of_a_license_file_changes_its_meaning() {
    let p = plain();
    let bytes = p.text.as_bytes();
    for i in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[i] ^= 1 << bit;
            p.file_is_safe(&changed).unwrap();
        }
    }
}

#[test]
fn no_byte_left_out_or_doubled_changes_its_meaning() {
    let p = plain();
    let bytes = p.text.as_bytes();
    for i in 0..bytes.len() {
        let mut less = bytes.to_vec();
        less.remove(i);
        p.file_is_safe(&less).unwrap();
        let mut more = bytes.to_vec();
        more.insert(i, bytes[i]);
        p.file_is_safe(&more).unwrap();
    }
}

#[test]
fn no_bit_of_a_document_verifies() {
    // Inside the envelopes every bit counts: of payload and type each one, of the signature each
    // one.
    let p = plain();
    let demand = Demand::of(&p.product);
    for link in 0..3 {
        let signed = envelope(&mut p.bundle.clone(), link).clone();
        for i in 0..signed.payload.len() {
            let mut b = p.bundle.clone();
            envelope(&mut b, link).payload[i] ^= 1 << (i % 8);
            assert!(
                verify(&b, &[p.vendor], &demand, &p.clock).is_err(),
                "link {link}, document's byte {i}"
            );
        }
        for i in 0..signed.signatures[0].sig.len() * 8 {
            let mut b = p.bundle.clone();
            envelope(&mut b, link).signatures[0].sig[i / 8] ^= 1 << (i % 8);
            assert!(
                verify(&b, &[p.vendor], &demand, &p.clock).is_err(),
                "link {link}, signature's bit {i}"
            );
        }
    }
}

fn envelope(b: &mut Bundle, link: usize) -> &mut Envelope {
    match link {
        0 => &mut b.licenses[0],
        1 => &mut b.delegation,
        _ => &mut b.lease,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_of_a_license_file_changes_its_meaning(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let p = plain();
        let mut bytes = p.text.clone().into_bytes();
        let i = at.index(bytes.len());
        bytes[i] = byte;
        prop_assert_eq!(p.file_is_safe(&bytes), Ok(()));
    }

    #[test]
    fn no_byte_of_a_bundle_changes_its_meaning(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let p = plain();
        let mut bytes = serde_json::to_vec(&p.bundle).unwrap();
        let i = at.index(bytes.len());
        bytes[i] = byte;
        prop_assert_eq!(p.bundle_is_safe(&bytes), Ok(()));
    }

    #[test]
    fn any_text_is_answered(s in any::<String>(), inner in any::<Vec<u8>>()) {
        let _ = OpenLicense::read(&s, Trust::Unchecked);
        let b64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, inner);
        let text = format!("-----BEGIN MOORING LICENSE-----\n{b64}\n-----END MOORING LICENSE-----\n");
        let _ = OpenLicense::read(&text, Trust::Unchecked);
    }
}
