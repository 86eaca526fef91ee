//! The vendor's key, and a license to begin with: a test changes the fields that it is about.

use mooring_core::license::{
    AnchorKey, AnchorKind, CountBy, Draw, Envelope, License, Policy, Pool, Product, PublicKey,
    SigningKey, VersionRange, armour, types,
};
use mooring_core::names::{PoolName, ProductName};
use mooring_core::time::Timestamp;
use std::time::Duration;

pub fn vendor() -> SigningKey {
    SigningKey::from_seed(&[42; 32]).unwrap()
}

/// The entry of a token in software.
pub fn token(key: PublicKey) -> AnchorKey {
    AnchorKey {
        kind: AnchorKind::Pkcs11,
        key,
        software: true,
        label: None,
        usb: None,
        hwid: None,
        standby: None,
    }
}

/// A test license for `seats` of `render`, for one year from yesterday.
pub fn license(anchor: AnchorKey, seats: u32) -> License {
    let pool = PoolName::new("seats").unwrap();
    let day = Duration::from_secs(86_400);
    License {
        schema: 1,
        critical: Vec::new(),
        id: "test-1".into(),
        supersedes: Vec::new(),
        customer: "ACME".into(),
        issued: Timestamp::now().checked_sub(day).unwrap(),
        not_before: None,
        expires: Some(Timestamp::now().checked_add(day * 365).unwrap()),
        maintenance_until: None,
        test: true,
        emergency: false,
        pools: vec![Pool {
            name: pool.clone(),
            seats,
            overdraft: 0,
            not_before: None,
            expires: None,
        }],
        products: vec![Product {
            name: ProductName::new("render").unwrap(),
            versions: VersionRange::default(),
            features: Vec::new(),
            count_by: CountBy::Claim,
            from: vec![vec![Draw { pool, weight: 1 }]],
        }],
        anchors: vec![anchor],
        policy: Policy::default(),
    }
}

/// The license file's text.
pub fn sealed(license: &License, by: &SigningKey) -> String {
    armour(&Envelope::sign(types::LICENSE, license, by).unwrap()).unwrap()
}
