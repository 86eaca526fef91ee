//! What unit tests share: a vendor, a license.

#![allow(clippy::unwrap_used)]

use mooring_core::license::{
    AnchorKey, AnchorKind, Draw, License, Policy, Pool, Product, PublicKey, SigningKey,
};
use mooring_core::names::{PoolName, ProductName};

/// The vendor's key.
pub(crate) fn vendor() -> SigningKey {
    SigningKey::from_seed(&[42; 32]).unwrap()
}

/// Two seats of `render`, bound to `anchor`, for the year 2026 and a bit.
pub(crate) fn license(anchor: PublicKey) -> License {
    let pool = PoolName::new("seats").unwrap();
    License {
        schema: 1,
        critical: Vec::new(),
        id: "test-1".into(),
        supersedes: Vec::new(),
        customer: "ACME".into(),
        issued: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_before: None,
        expires: Some("2027-03-01T00:00:00Z".parse().unwrap()),
        maintenance_until: None,
        test: true,
        emergency: false,
        pools: vec![Pool {
            name: pool.clone(),
            seats: 2,
            overdraft: 0,
        }],
        products: vec![Product {
            name: ProductName::new("render").unwrap(),
            versions: mooring_core::license::VersionRange::default(),
            features: Vec::new(),
            count_by: mooring_core::license::CountBy::Claim,
            from: vec![vec![Draw { pool, weight: 1 }]],
        }],
        anchors: vec![AnchorKey {
            kind: AnchorKind::Pkcs11,
            key: anchor,
            software: true,
            label: None,
            usb: None,
            hwid: None,
            standby: None,
        }],
        policy: Policy::default(),
    }
}
