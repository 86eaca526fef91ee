//! The genuine documents and keys of the shared vectors (core/testdata/vectors.json).

use mooring_core::license::{AppClock, Bundle, Envelope, PublicKey, SigningKey};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What the vectors hold.
pub(crate) struct Genuine {
    /// Each genuine document by the name of its envelope.
    pub(crate) envelopes: BTreeMap<String, Envelope>,
    /// The plain bundle.
    pub(crate) bundle: Bundle,
    /// The nonce that it answers.
    pub(crate) nonce: String,
    /// An application's clock by which it is good.
    pub(crate) clock: AppClock,
    keys: Value,
}

/// Read once.
pub(crate) static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
    let v: Value = serde_json::from_str(include_str!("../../core/testdata/vectors.json")).unwrap();
    let envelopes: BTreeMap<String, Envelope> =
        serde_json::from_value(v["envelopes"].clone()).unwrap();
    let case = &v["bundles"][0];
    let link = |name: &str| envelopes[case["bundle"][name].as_str().unwrap()].clone();
    let first = |name: &str| envelopes[case["bundle"][name][0].as_str().unwrap()].clone();
    Genuine {
        bundle: Bundle {
            licenses: vec![first("licenses")],
            delegation: link("delegation"),
            lease: link("lease"),
        },
        clock: AppClock::at(case["now"].as_str().unwrap().parse().unwrap()),
        nonce: case["demand"]["nonce"].as_str().unwrap().to_owned(),
        envelopes,
        keys: v["keys"].clone(),
    }
});

impl Genuine {
    /// A private key of the vectors.
    pub(crate) fn key(&self, name: &str) -> SigningKey {
        let mut seed = [0; 32];
        let text = self.keys[name]["seedHex"].as_str().unwrap();
        for (i, b) in seed.iter_mut().enumerate() {
            *b = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
        }
        SigningKey::from_seed(&seed).unwrap()
    }

    /// The vendor's public key.
    pub(crate) fn vendor(&self) -> PublicKey {
        self.keys["vendor"]["public"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Whether these very bytes of this very type are signed somewhere in the vectors.
    pub(crate) fn has(&self, e: &Envelope) -> bool {
        self.envelopes
            .values()
            .any(|g| g.payload_type == e.payload_type && g.payload == e.payload)
    }
}
