//! Writes the bundles: a good chain, and what a forger, a faulty server or a clock could make of
//! it.

use super::keys::{Keys, keys, p256_public, p256_sign};
use super::model::{BundleCase, Demand, Expect, Good};
use mooring_core::identity::Holder;
use mooring_core::license::{
    AnchorKey, AnchorKind, Bundle, CountBy, Delegation, Digest, Draw, Envelope, HwidHash, HwidItem,
    HwidItems, LeaseToken, License, Policy, Pool, Product, PublicKey, SigningKey, Standby,
    TokenAnchor, TokenDraw, TokenItem, TokenPart, UsbDevice, VersionRange, VersionScheme, types,
};
use mooring_core::names::{ClaimName, InstanceId, LeaseId, PoolName, ProductName, Seats, Version};
use mooring_core::policy::OptimisticStart;
use mooring_core::receipt::Identity;
use mooring_core::secret::Secret;
use mooring_core::time::Timestamp;
use std::time::Duration;

pub const NONCE: &str = "0123456789abcdef";

pub fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

pub fn version(s: &str) -> Version {
    Version::new(s).unwrap()
}

pub fn product(s: &str) -> ProductName {
    ProductName::new(s).unwrap()
}

pub fn range(from: Option<&str>, to: Option<&str>) -> VersionRange {
    VersionRange {
        scheme: VersionScheme::Dotted,
        from: from.map(version),
        to: to.map(version),
    }
}

pub fn holder() -> Holder {
    Holder::Pod {
        namespace: "studio".into(),
        pod: "render-0".into(),
        uid: "5f0c5d0e-7a8b-4c57-9d65-0a4a3f1f2b11".into(),
        service_account: "default".into(),
        node: Some("node-b".into()),
    }
}

fn sells(name: &str, seats: u32, versions: VersionRange) -> (Pool, Product) {
    let pool = PoolName::new(name).unwrap();
    let from = vec![vec![Draw {
        pool: pool.clone(),
        weight: 1,
    }]];
    let features = Vec::new();
    let product = Product {
        name: product(name),
        versions,
        features,
        count_by: CountBy::Claim,
        from,
    };
    (
        Pool {
            name: pool,
            seats,
            overdraft: 0,
            not_before: None,
            expires: None,
        },
        product,
    )
}

pub fn license(anchor: PublicKey) -> License {
    let (pools, products) = [
        sells("render", 10, range(Some("2024.2"), Some("2026"))),
        sells("denoise", 4, VersionRange::default()),
    ]
    .into_iter()
    .unzip();
    License {
        schema: 1,
        critical: Vec::new(),
        id: "ACME-2026-001".into(),
        supersedes: vec!["ACME-2025-001".into()],
        customer: "ACME Corp, Zürich".into(),
        issued: at("2026-01-01T00:00:00Z"),
        not_before: Some(at("2026-01-01T00:00:00Z")),
        expires: Some(at("2027-01-01T00:00:00Z")),
        maintenance_until: Some(at("2026-06-30T23:59:59Z")),
        test: false,
        emergency: false,
        pools,
        products,
        anchors: vec![AnchorKey {
            kind: AnchorKind::Pkcs11,
            key: anchor,
            software: false,
            label: Some("dongle 4711".into()),
            usb: None,
            hwid: None,
            standby: None,
        }],
        policy: Policy {
            max_grace: Some(Duration::from_secs(8 * 3600)),
            optimistic_start: OptimisticStart::Allow,
            ..Policy::default()
        },
    }
}

/// Documents and signers of one chain, before they are signed. Digests are filled in unless set.
pub struct Chain {
    pub k: Keys,
    pub p256: bool,
    pub license: License,
    pub delegation: Delegation,
    pub token: LeaseToken,
    pub license_digest: Option<Digest>,
    /// A second license file of the same anchor, and what the lease has of it.
    pub beside: Option<(License, TokenPart)>,
    /// Whose signature it bears, if not the vendor's.
    pub second_by: Option<SigningKey>,
    /// The anchor's word leaves it out.
    pub lends_first_alone: bool,
    pub delegation_digest: Option<Digest>,
    kept: Vec<Vec<u8>>,
}

impl Chain {
    pub fn new(kept: &[Vec<u8>]) -> Self {
        Self::bound_to(keys().anchor.public(), kept)
    }

    pub fn p256(kept: &[Vec<u8>]) -> Self {
        Self {
            p256: true,
            ..Self::bound_to(p256_public(), kept)
        }
    }

    fn bound_to(anchor: PublicKey, kept: &[Vec<u8>]) -> Self {
        let k = keys();
        let none = Digest(String::new());
        let instance = InstanceId::from_bytes([0x11; 16]);
        let delegation = Delegation {
            licenses: Vec::new(),
            kind: AnchorKind::Pkcs11,
            key_id: anchor.id(),
            server_key: k.server.public(),
            instance,
            not_before: at("2026-06-01T12:00:00Z"),
            not_after: at("2026-06-01T12:15:00Z"),
        };
        let token = LeaseToken {
            anchor: TokenAnchor {
                kind: AnchorKind::Pkcs11,
                key_id: anchor.id(),
            },
            delegation: none.clone(),
            instance,
            seq: 7,
            lease: LeaseId::from_bytes([0xab; 16]),
            claim: ClaimName::pod(),
            holder: Identity::new(&[9; 32], &[], "main").hide(&holder()),
            parts: vec![TokenPart {
                license: none,
                id: "ACME-2026-001".into(),
                items: vec![TokenItem {
                    product: product("render"),
                    seats: Seats::new(2).unwrap(),
                    versions: range(Some("2024.2"), Some("2026")),
                    maintenance_until: Some(at("2026-06-30T23:59:59Z")),
                }],
                draws: vec![TokenDraw {
                    pool: PoolName::new("render").unwrap(),
                    seats: 2,
                }],
            }],
            issued_at: at("2026-06-01T12:05:00Z"),
            issued_boot: None,
            lease_for: Duration::from_secs(30),
            run_for: Duration::from_secs(8 * 3600),
            counter: 3,
            overdraft: 0,
            cnf: Secret::from_bytes([8; 32]).hash(),
            bind: None,
            claims: None,
            test: false,
            emergency: false,
            nonce: Some(NONCE.into()),
        };
        let license = license(anchor);
        Self {
            k,
            p256: false,
            license,
            delegation,
            token,
            license_digest: None,
            beside: None,
            second_by: None,
            lends_first_alone: false,
            delegation_digest: None,
            kept: kept.to_vec(),
        }
    }

    /// The anchor's signature, by whichever kind of key it has.
    pub fn anchor_signs(&self, e: &mut Envelope) {
        let message = e.signed_bytes();
        if self.p256 {
            e.add_signature(&p256_public(), p256_sign(&message, &self.kept));
        } else {
            e.add_signature(&self.k.anchor.public(), self.k.anchor.sign(&message));
        }
    }

    /// Each link made and signed by the one whose it is.
    pub fn sign(&mut self) -> Bundle {
        let license = Envelope::sign(types::LICENSE, &self.license, &self.k.vendor).unwrap();
        self.sign_under(license)
    }

    /// The two lower links under a license that is signed already.
    pub fn sign_under(&mut self, license: Envelope) -> Bundle {
        let digest = self
            .license_digest
            .clone()
            .unwrap_or_else(|| license.digest());
        self.delegation.licenses = vec![digest.clone()];
        self.token.parts.truncate(1);
        if let Some(part) = self.token.parts.first_mut() {
            part.license = digest;
        }
        let mut licenses = vec![license];
        if let Some((license, part)) = &self.beside {
            let by = self.second_by.as_ref().unwrap_or(&self.k.vendor);
            let license = Envelope::sign(types::LICENSE, license, by).unwrap();
            if !self.lends_first_alone {
                self.delegation.licenses.push(license.digest());
            }
            self.token.parts.push(TokenPart {
                license: license.digest(),
                ..part.clone()
            });
            licenses.push(license);
        }
        let mut delegation = Envelope::unsigned(types::DELEGATION, &self.delegation).unwrap();
        self.anchor_signs(&mut delegation);
        self.token.delegation = self
            .delegation_digest
            .clone()
            .unwrap_or_else(|| delegation.digest());
        let lease = Envelope::sign(types::LEASE, &self.token, &self.k.server).unwrap();
        Bundle {
            licenses,
            delegation,
            lease,
        }
    }
}

pub fn demand() -> Demand {
    Demand {
        product: product("render"),
        app_version: Some(version("2026.1")),
        built_on: Some(at("2026-03-01T00:00:00Z")),
        nonce: Some(NONCE.into()),
        bind: None,
        hardware: false,
    }
}

pub fn good() -> Good {
    Good {
        lease: "ab".repeat(16),
        seats: 2,
        run_for_secs: 8 * 3600,
        fresh: true,
        anchor: "pkcs11".into(),
        software: false,
        overdraft: 0,
        test: false,
        emergency: false,
        license_id: "ACME-2026-001".into(),
        issued_at: at("2026-06-01T12:05:00Z"),
    }
}

/// Collects cases, each a change of the good chain.
pub struct Cases {
    pub all: Vec<BundleCase<Bundle>>,
    pub kept: Vec<Vec<u8>>,
}

impl Cases {
    pub fn push(
        &mut self,
        name: &str,
        why: &str,
        bundle: Bundle,
        demand: Demand,
        expect: Expect<Good>,
    ) {
        let vendor_keys = vec![keys().vendor.public()];
        let (name, why) = (name.to_owned(), why.to_owned());
        self.all.push(BundleCase {
            name,
            why,
            vendor_keys,
            demand,
            now: at("2026-06-01T12:06:00Z"),
            first: None,
            bundle,
            expect,
        });
    }

    /// A good one.
    pub fn good(
        &mut self,
        name: &str,
        why: &str,
        chain: impl FnOnce(&mut Chain),
        ask: impl FnOnce(&mut Demand),
        get: impl FnOnce(&mut Good),
    ) {
        let (mut c, mut d, mut g) = (Chain::new(&self.kept), demand(), good());
        chain(&mut c);
        ask(&mut d);
        get(&mut g);
        let bundle = c.sign();
        self.push(name, why, bundle, d, Expect::Ok(g));
    }

    /// One whose documents are wrong, though signed by the right keys.
    pub fn bad(&mut self, name: &str, why: &str, reason: &str, chain: impl FnOnce(&mut Chain)) {
        let mut c = Chain::new(&self.kept);
        chain(&mut c);
        let bundle = c.sign();
        self.push(name, why, bundle, demand(), Expect::Error(reason.into()));
    }

    /// One that was changed after it was signed.
    pub fn forged(
        &mut self,
        name: &str,
        why: &str,
        reason: &str,
        forge: impl FnOnce(&mut Chain, &mut Bundle),
    ) {
        let mut c = Chain::new(&self.kept);
        let mut bundle = c.sign();
        forge(&mut c, &mut bundle);
        self.push(name, why, bundle, demand(), Expect::Error(reason.into()));
    }

    /// A good chain that is asked for what it does not give.
    pub fn denied(&mut self, name: &str, why: &str, reason: &str, ask: impl FnOnce(&mut Demand)) {
        let mut d = demand();
        ask(&mut d);
        let bundle = Chain::new(&self.kept).sign();
        self.push(name, why, bundle, d, Expect::Error(reason.into()));
    }
}

/// Signs another document in the envelope's place.
pub fn resign(e: &mut Envelope, payload_type: &'static str, payload: &[u8], key: &SigningKey) {
    payload_type.clone_into(&mut e.payload_type);
    e.payload = payload.to_vec();
    e.signatures.clear();
    let sig = key.sign(&e.signed_bytes());
    e.add_signature(&key.public(), sig);
}

/// Puts other words into a document's bytes; the length may change.
pub fn replace(e: &mut Envelope, from: &str, to: &str) {
    let text = String::from_utf8(e.payload.clone()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    e.payload = text.replacen(from, to, 1).into_bytes();
}

pub fn standby(days: u32) -> Standby {
    Standby { days }
}

/// Makes the license's first anchor one of another kind, with what its kind needs, and the other
/// links to fit.
pub fn of_kind(c: &mut Chain, kind: AnchorKind) {
    let a = &mut c.license.anchors[0];
    a.kind = kind;
    a.usb = (kind == AnchorKind::Usb).then(|| UsbDevice {
        vendor_id: "096e".into(),
        product_id: "0006".into(),
        serial: "A1B2C3".into(),
    });
    a.hwid = (kind == AnchorKind::Hwid).then(|| {
        let salt = "5a".repeat(16);
        let items = [
            (
                HwidItem::ProductUuid,
                "4c4c4544-0042-3510-8052-b4c04f4e3132",
            ),
            (HwidItem::Mac, "02:00:5e:10:00:01"),
            (HwidItem::MachineId, "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ];
        let hashed = items.map(|(item, value)| HwidHash {
            item,
            hash: HwidItems::hash(&salt, item, value),
        });
        HwidItems {
            k: 2,
            items: hashed.to_vec(),
            salt,
        }
    });
    (c.delegation.kind, c.token.anchor.kind) = (kind, kind);
}
