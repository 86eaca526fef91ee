//! The cases of verification.

use super::make::Cases;
use super::model::BundleCase;
use super::{accepted, dates, files, forged, p256, refused};
use mooring_core::license::Bundle;

pub fn all(kept: &[Vec<u8>]) -> Vec<BundleCase<Bundle>> {
    let mut c = Cases {
        all: Vec::new(),
        kept: kept.to_vec(),
    };
    accepted::accepted(&mut c);
    accepted::rotation(&mut c);
    files::files(&mut c);
    forged::signatures(&mut c);
    forged::types_and_links(&mut c);
    forged::exchanged(&mut c);
    accepted::schemes(&mut c);
    forged::weak_keys(&mut c);
    refused::times(&mut c);
    refused::licenses(&mut c);
    refused::pools(&mut c);
    refused::demands(&mut c);
    refused::seats(&mut c);
    dates::dates(&mut c);
    p256::p256(&mut c);
    c.all
}
