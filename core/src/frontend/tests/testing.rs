//! A license, its anchor's word for a run's key, and the authority that they give, for unit tests.

#![allow(clippy::unwrap_used)]

use crate::frontend::{Authority, InForce, LeaseTerms, LicenseView, Served};
use crate::license::{
    AnchorKey, AnchorKind, CountBy, Delegation, Draw, Envelope, License, OpenLicense, Policy, Pool,
    Product, SigningKey, TokenAnchor, Trust, VersionRange, types,
};
use crate::names::{InstanceId, PoolName, ProductName};
use crate::reason::{AnchorReason, LicenseReason};
use crate::time::{DEFAULT_GRACE, DEFAULT_LEASE, Timestamp};
use crate::wire::AnchorView;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

/// Two seats of `render` for the year 2026 and a bit.
pub(crate) fn license() -> License {
    let pool = PoolName::new("seats").unwrap();
    License {
        schema: 1,
        critical: Vec::new(),
        id: "test-1".into(),
        supersedes: Vec::new(),
        customer: "ACME".into(),
        issued: at("2026-01-01T00:00:00Z"),
        not_before: None,
        expires: Some(at("2027-03-01T00:00:00Z")),
        maintenance_until: None,
        test: true,
        emergency: false,
        pools: vec![Pool {
            name: pool.clone(),
            seats: 2,
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
        anchors: vec![AnchorKey {
            kind: AnchorKind::Pkcs11,
            key: key(5).public(),
            software: true,
            label: None,
            usb: None,
            hwid: None,
            standby: None,
        }],
        policy: Policy::default(),
    }
}

/// What a license and its anchor allow, by a delegation that begins at `from`.
pub(crate) fn authority(from: &str) -> Authority {
    authority_of(&license(), from)
}

/// The same for another license.
pub(crate) fn authority_of(license: &License, from: &str) -> Authority {
    let envelope = Envelope::sign(types::LICENSE, license, &key(42)).unwrap();
    let open = OpenLicense::from_envelope(envelope, Trust::Unchecked).unwrap();
    let delegation = Delegation {
        licenses: vec![open.digest.clone()],
        kind: AnchorKind::Pkcs11,
        key_id: key(5).public().id(),
        server_key: key(1).public(),
        instance: InstanceId::from_bytes([1; 16]),
        not_before: at(from),
        not_after: at(from).checked_add(Duration::from_secs(900)).unwrap(),
    };
    let envelope = Envelope::sign(types::DELEGATION, &delegation, &key(5)).unwrap();
    let terms = LeaseTerms::of(DEFAULT_LEASE, DEFAULT_GRACE, &open.license.policy);
    let in_force = InForce {
        anchor: TokenAnchor {
            kind: AnchorKind::Pkcs11,
            key_id: key(5).public().id(),
        },
        delegation,
        digest: envelope.digest(),
        envelope,
        terms,
        licenses: vec![Served::of(Arc::new(open), terms)],
    };
    Authority {
        in_force: Some(Arc::new(in_force)),
        anchor: AnchorView {
            kind: "pkcs11".into(),
            key_id: None,
            present: true,
            reason: AnchorReason::Present,
            message: String::new(),
        },
        lost_since: None,
        license: LicenseView {
            valid: true,
            reason: LicenseReason::Valid,
            message: String::new(),
            files: Vec::new(),
        },
        revoked: None,
    }
}
