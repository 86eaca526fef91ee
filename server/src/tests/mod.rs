//! What unit tests share: a license whose dates stand still.

#![allow(clippy::unwrap_used)]

pub(crate) mod chain;

use mooring_core::license::{License, PublicKey};

/// Two seats of `render`, bound to `anchor`, for the year 2026 and a bit.
pub(crate) fn license(anchor: PublicKey) -> License {
    License {
        issued: "2026-01-01T00:00:00Z".parse().unwrap(),
        expires: Some("2027-03-01T00:00:00Z".parse().unwrap()),
        ..mooring_testkit::license(mooring_testkit::token(anchor), 2)
    }
}
