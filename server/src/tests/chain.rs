//! A chain for unit tests: a software anchor, a license, a delegation.

#![allow(clippy::unwrap_used)]

use super::license;
use crate::chain::Chain;
use mooring_core::frontend::{Authority, InForce, LeaseTerms, LicenseView, Served};
use mooring_core::license::{
    AnchorKind, Delegation, Envelope, OpenLicense, SigningKey, TokenAnchor, Trust, types,
};
use mooring_core::names::{BootId, InstanceId};
use mooring_core::reason::{AnchorReason, LicenseReason};
use mooring_core::receipt::Identity;
use mooring_core::time::{BootTime, DEFAULT_GRACE, DEFAULT_LEASE, Now, Timestamp};
use mooring_core::wire::AnchorView;
use mooring_testkit::vendor;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

pub(crate) fn anchor() -> SigningKey {
    SigningKey::from_seed(&[5; 32]).unwrap()
}

pub(crate) fn server_key(run: u8) -> SigningKey {
    SigningKey::from_seed(&[run; 32]).unwrap()
}

pub(crate) fn instance(run: u8) -> InstanceId {
    InstanceId::from_bytes([run; 16])
}

/// What license and anchor allow run `run`, whose delegation begins at `from`.
pub(crate) fn state_of(run: u8, from: &str) -> Authority {
    let envelope = Envelope::sign(types::LICENSE, &license(anchor().public()), &vendor()).unwrap();
    let open = OpenLicense::from_envelope(envelope, Trust::Pinned(&[vendor().public()])).unwrap();
    let key_id = anchor().public().id();
    let delegation = Delegation {
        licenses: vec![open.digest.clone()],
        kind: AnchorKind::Pkcs11,
        key_id: key_id.clone(),
        server_key: server_key(run).public(),
        instance: instance(run),
        not_before: at(from),
        not_after: at(from).checked_add(Duration::from_secs(900)).unwrap(),
    };
    let envelope = Envelope::sign(types::DELEGATION, &delegation, &anchor()).unwrap();
    let terms = LeaseTerms::of(DEFAULT_LEASE, DEFAULT_GRACE, &open.license.policy);
    let in_force = InForce {
        licenses: vec![Served::of(Arc::new(open), terms)],
        anchor: TokenAnchor {
            kind: AnchorKind::Pkcs11,
            key_id,
        },
        delegation,
        digest: envelope.digest(),
        envelope,
        terms,
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

/// The chain of run `run`, started at `from`.
pub(crate) fn chain(run: u8, from: &str) -> Chain {
    let started = Now {
        boot: BootTime::from_millis(1_000_000),
        wall: at(from),
    };
    let identity = Identity::new(&[9; 32], &[], "main");
    Chain::new(
        instance(run),
        server_key(run),
        identity,
        BootId::from_bytes([7; 8]),
        started,
    )
}
