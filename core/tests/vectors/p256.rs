//! Anchors with a P-256 key, as most dongles have.

use super::keys::keys;
use super::make::{Cases, Chain, demand, good, resign};
use super::model::Expect;
use mooring_core::license::types;

pub fn p256(c: &mut Cases) {
    let bundle = Chain::p256(&c.kept).sign();
    let mut d = demand();
    d.hardware = true;
    c.push(
        "p256",
        "the anchor has a P-256 key, as most dongles",
        bundle.clone(),
        d,
        Expect::Ok(good()),
    );
    let refused = || Expect::Error("DelegationNotSigned".into());

    let mut b = bundle.clone();
    b.delegation.signatures[0].sig[40] ^= 1;
    c.push(
        "p256-signature-bit",
        "one bit of the P-256 signature is changed",
        b,
        demand(),
        refused(),
    );

    let mut b = bundle.clone();
    let payload = &mut b.delegation.payload;
    let middle = payload.len() / 2;
    payload[middle] ^= 1;
    c.push(
        "p256-payload-bit",
        "one bit of the document is changed",
        b,
        demand(),
        refused(),
    );

    let mut b = bundle.clone();
    b.delegation.signatures[0].sig = der(&b.delegation.signatures[0].sig);
    c.push(
        "p256-der",
        "the signature in ASN.1: only r and s, 32 bytes each, are read",
        b,
        demand(),
        refused(),
    );

    let mut b = bundle.clone();
    b.delegation.signatures[0].sig = vec![0; 64];
    c.push("p256-zero", "r and s are zero", b, demand(), refused());

    let mut b = bundle;
    let anchor = keys().anchor;
    let id = b.delegation.signatures[0].keyid.clone();
    let p = b.delegation.payload.clone();
    resign(&mut b.delegation, types::DELEGATION, &p, &anchor);
    b.delegation.signatures[0].keyid = id;
    let why = "an Ed25519 signature under the P-256 key's name: the algorithm belongs to the key";
    c.push("p256-algorithm", why, b, demand(), refused());
}

/// A signature's r and s as an ASN.1 SEQUENCE of two INTEGERs.
fn der(raw: &[u8]) -> Vec<u8> {
    let integer = |n: &[u8]| {
        let mut n: Vec<u8> = n.iter().copied().skip_while(|b| *b == 0).collect();
        if n.first().is_none_or(|b| b & 0x80 != 0) {
            n.insert(0, 0);
        }
        [vec![2, u8::try_from(n.len()).unwrap()], n].concat()
    };
    let body = [integer(&raw[..32]), integer(&raw[32..])].concat();
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}
