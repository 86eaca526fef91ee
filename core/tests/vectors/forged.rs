//! Bundles that somebody changed, or put together from others.

use super::make::{Cases, at, replace, resign};
use mooring_core::license::{AnchorKind, Bundle, Digest, Envelope, PublicKey, types};
use mooring_core::names::InstanceId;

pub fn signatures(c: &mut Cases) {
    for (name, reason) in [
        ("license", "LicenseNotSigned"),
        ("delegation", "DelegationNotSigned"),
        ("lease", "LeaseNotSigned"),
    ] {
        let case = |what: &str| format!("{name}-{what}");
        c.forged(
            &case("payload-bit"),
            "one bit of the document is changed",
            reason,
            |_, b| {
                let payload = &mut link(b, name).payload;
                let middle = payload.len() / 2;
                payload[middle] ^= 1;
            },
        );
        c.forged(
            &case("signature-bit"),
            "one bit of the signature is changed",
            reason,
            |_, b| {
                link(b, name).signatures[0].sig[20] ^= 1;
            },
        );
        c.forged(
            &case("signature-empty"),
            "a signature without bytes",
            reason,
            |_, b| {
                link(b, name).signatures[0].sig.clear();
            },
        );
        c.forged(
            &case("signature-long"),
            "a byte after the signature",
            reason,
            |_, b| {
                link(b, name).signatures[0].sig.push(0);
            },
        );
        c.forged(&case("unsigned"), "no signature at all", reason, |_, b| {
            link(b, name).signatures.clear();
        });
        c.forged(
            &case("rogue"),
            "signed by a key that nobody trusts, under that key's own name",
            reason,
            |ch, b| {
                let e = link(b, name);
                let (t, p) = (link_type(name), e.payload.clone());
                resign(e, t, &p, &ch.k.rogue);
            },
        );
        c.forged(
            &case("rogue-named"),
            "signed by a key that nobody trusts, under the right one's name",
            reason,
            |ch, b| {
                let e = link(b, name);
                let id = e.signatures[0].keyid.clone();
                let (t, p) = (link_type(name), e.payload.clone());
                resign(e, t, &p, &ch.k.rogue);
                e.signatures[0].keyid = id;
            },
        );
        c.forged(
            &case("bare"),
            "the document is signed alone, without its type (no PAE)",
            reason,
            |ch, b| {
                let e = link(b, name);
                let key = match name {
                    "license" => &ch.k.vendor,
                    "delegation" => &ch.k.anchor,
                    _ => &ch.k.server,
                };
                e.signatures[0].sig = key.sign(&e.payload);
            },
        );
    }
    c.forged(
        "license-seats",
        "ten seats became 99",
        "LicenseNotSigned",
        |_, b| {
            replace(&mut b.licenses[0], "\"seats\":10", "\"seats\":99");
        },
    );
    c.forged(
        "license-date",
        "the end is moved by ten years",
        "LicenseNotSigned",
        |_, b| {
            replace(&mut b.licenses[0], "2027-01-01", "2037-01-01");
        },
    );
    c.forged(
        "license-anchor",
        "the anchor's key is another one",
        "LicenseNotSigned",
        |ch, b| {
            let (a, r) = (
                ch.k.anchor.public().to_string(),
                ch.k.rogue.public().to_string(),
            );
            replace(&mut b.licenses[0], &a, &r);
        },
    );
    c.forged(
        "lease-seats",
        "two seats became 9",
        "LeaseNotSigned",
        |_, b| {
            replace(&mut b.lease, "\"seats\":2", "\"seats\":9");
        },
    );
    c.forged(
        "lease-other-server",
        "signed by a server key that the anchor did not lend its word to",
        "LeaseNotSigned",
        |ch, b| {
            let p = b.lease.payload.clone();
            resign(&mut b.lease, types::LEASE, &p, &ch.k.other_server);
        },
    );
    c.forged(
        "lease-by-anchor",
        "signed by the anchor itself: only the delegated key counts",
        "LeaseNotSigned",
        |ch, b| {
            let p = b.lease.payload.clone();
            resign(&mut b.lease, types::LEASE, &p, &ch.k.anchor);
        },
    );
    c.forged(
        "delegation-by-vendor",
        "signed by the vendor: only an anchor of the license counts",
        "DelegationNotSigned",
        |ch, b| {
            let p = b.delegation.payload.clone();
            resign(&mut b.delegation, types::DELEGATION, &p, &ch.k.vendor);
        },
    );
}

fn link<'b>(b: &'b mut Bundle, name: &str) -> &'b mut Envelope {
    match name {
        "license" => &mut b.licenses[0],
        "delegation" => &mut b.delegation,
        _ => &mut b.lease,
    }
}

fn link_type(name: &str) -> &'static str {
    match name {
        "license" => types::LICENSE,
        "delegation" => types::DELEGATION,
        _ => types::LEASE,
    }
}

pub fn types_and_links(c: &mut Cases) {
    for (name, reason) in [
        ("license", "LicenseType"),
        ("delegation", "DelegationType"),
        ("lease", "LeaseType"),
    ] {
        c.forged(
            &format!("{name}-type"),
            "the right signer, another type",
            reason,
            |ch, b| {
                let e = link(b, name);
                let key = match name {
                    "license" => &ch.k.vendor,
                    "delegation" => &ch.k.anchor,
                    _ => &ch.k.server,
                };
                let p = e.payload.clone();
                resign(e, types::CLIENT, &p, key);
            },
        );
        c.forged(
            &format!("{name}-type-changed"),
            "the type is changed after signing",
            reason,
            |_, b| {
                link(b, name).payload_type = types::CLIENT.into();
            },
        );
    }
    for (name, reason) in [
        ("license", "LicenseUnreadable"),
        ("delegation", "DelegationUnreadable"),
        ("lease", "LeaseUnreadable"),
    ] {
        c.forged(
            &format!("{name}-no-json"),
            "well signed, but no JSON",
            reason,
            |ch, b| {
                let key = match name {
                    "license" => &ch.k.vendor,
                    "delegation" => &ch.k.anchor,
                    _ => &ch.k.server,
                };
                resign(link(b, name), link_type(name), b"{\"schema\":1", key);
            },
        );
    }
    c.forged(
        "swapped",
        "delegation and lease in each other's place",
        "DelegationType",
        |_, b| {
            std::mem::swap(&mut b.delegation, &mut b.lease);
        },
    );
    c.forged(
        "license-as-delegation",
        "the license twice",
        "DelegationType",
        |_, b| b.delegation = b.licenses[0].clone(),
    );
    c.bad(
        "delegation-other-license",
        "made for another license of the same anchor",
        "DelegationLicense",
        |ch| {
            ch.license_digest = Some(Digest("00".repeat(32)));
        },
    );
    c.forged(
        "delegation-exchanged",
        "another delegation of the same anchor and server key",
        "LeaseMixed",
        |ch, b| {
            ch.delegation.not_after = at("2026-06-01T12:14:00Z");
            b.delegation = ch.sign().delegation;
        },
    );
    c.forged(
        "lease-of-other-license",
        "all signed by the right ones, but the lease comes from another license",
        "LeaseMixed",
        |ch, b| {
            ch.token.parts[0].license = Digest("00".repeat(32));
            b.lease = Envelope::sign(types::LEASE, &ch.token, &ch.k.server).unwrap();
        },
    );
    c.bad(
        "lease-of-other-delegation",
        "the lease names another delegation",
        "LeaseMixed",
        |ch| {
            ch.delegation_digest = Some(Digest("00".repeat(32)));
        },
    );
    c.bad(
        "lease-of-other-instance",
        "the lease names another run of the server",
        "LeaseMixed",
        |ch| {
            ch.token.instance = InstanceId::from_bytes([0x22; 16]);
        },
    );
    c.bad(
        "lease-of-other-anchor",
        "the lease names another anchor",
        "LeaseMixed",
        |ch| {
            ch.token.anchor.key_id = ch.k.rogue.public().id();
        },
    );
    c.bad(
        "lease-of-other-kind",
        "the lease calls the anchor another kind",
        "LeaseMixed",
        |ch| {
            ch.token.anchor.kind = AnchorKind::Hwid;
        },
    );
    c.bad(
        "delegation-of-other-anchor",
        "the delegation names another key than the one that signed",
        "DelegationAnchor",
        |ch| {
            ch.delegation.key_id = ch.k.rogue.public().id();
        },
    );
    c.bad(
        "delegation-of-other-kind",
        "the delegation calls the anchor another kind",
        "DelegationAnchor",
        |ch| {
            ch.delegation.kind = AnchorKind::Hwid;
        },
    );
}

/// Links that are genuine, each in a place that is not its own, or of a time that is not now.
pub fn exchanged(c: &mut Cases) {
    for (name, why, reason, swap) in [
        (
            "license-swapped-with-delegation",
            "license and delegation in each other's place",
            "LicenseType",
            (|b| std::mem::swap(&mut b.licenses[0], &mut b.delegation)) as fn(&mut Bundle),
        ),
        (
            "license-swapped-with-lease",
            "license and lease in each other's place",
            "LicenseType",
            |b| std::mem::swap(&mut b.licenses[0], &mut b.lease),
        ),
        (
            "license-as-lease",
            "the license in the lease's place",
            "LeaseType",
            |b| b.lease = b.licenses[0].clone(),
        ),
        (
            "delegation-as-lease",
            "the delegation twice",
            "LeaseType",
            |b| b.lease = b.delegation.clone(),
        ),
        (
            "lease-as-delegation",
            "the lease twice",
            "DelegationType",
            |b| b.delegation = b.lease.clone(),
        ),
    ] {
        c.forged(name, why, reason, |_, b| swap(b));
    }
    c.forged(
        "license-of-another-customer",
        "another license of the same vendor, for the same anchor",
        "DelegationLicense",
        |ch, b| {
            ch.license.id = "OTHER-1".into();
            ch.license.pools[0].seats = 1000;
            b.licenses = ch.sign().licenses;
        },
    );
    c.forged(
        "license-of-another-anchor",
        "a license of the same vendor that lists another anchor",
        "DelegationNotSigned",
        |ch, b| {
            ch.license.anchors[0].key = ch.k.rogue.public();
            b.licenses = ch.sign().licenses;
        },
    );
    c.forged(
        "delegation-of-another-chain",
        "a genuine delegation of the same anchor, for another server's key",
        "LeaseNotSigned",
        |ch, b| {
            ch.delegation.server_key = ch.k.other_server.public();
            b.delegation = ch.sign().delegation;
        },
    );
    c.forged(
        "lease-replayed-under-a-new-delegation",
        "yesterday's lease with today's delegation of the same server key",
        "LeaseMixed",
        |ch, b| {
            ch.delegation.not_before = at("2026-06-02T12:00:00Z");
            ch.delegation.not_after = at("2026-06-02T12:15:00Z");
            b.delegation = ch.sign().delegation;
        },
    );
    c.bad(
        "lease-of-yesterday",
        "a lease that names today's delegation, but was issued yesterday",
        "LeaseOutsideDelegation",
        |ch| ch.token.issued_at = at("2026-05-31T12:05:00Z"),
    );
}

/// Keys for which everybody can sign: whoever takes one takes a chain of anybody's. The honest twin
/// is the good chain with an Ed25519 anchor.
pub fn weak_keys(c: &mut Cases) {
    let number = |n: u8| {
        let mut k = [0; 32];
        k[0] = n;
        k
    };
    // R = [S]B with S = 0: for the identity as a key, the signature of every message.
    let mut anybodys = [0; 64];
    anybodys[0] = 1;
    let identity = PublicKey::Ed25519(number(1));
    c.forged(
        "anchor-key-of-small-order",
        "the license's anchor key is the identity point, and the delegation bears anybody's signature",
        "LicenseUnreadable",
        |ch, b| {
            ch.license.anchors[0].key = identity;
            ch.delegation.key_id = identity.id();
            ch.token.anchor.key_id = identity.id();
            *b = ch.sign();
            b.delegation.signatures.clear();
            b.delegation.add_signature(&identity, anybodys.to_vec());
        },
    );
    c.forged(
        "server-key-of-small-order",
        "the delegation is the anchor's, for a server key with which anybody signs leases",
        "DelegationUnreadable",
        |ch, b| {
            ch.delegation.server_key = identity;
            *b = ch.sign();
            b.lease.signatures.clear();
            b.lease.add_signature(&identity, anybodys.to_vec());
        },
    );
    let mut second_way = [0xff; 32];
    // y = 2²⁵⁵ - 19 + 3, which is 3 written a second way.
    (second_way[0], second_way[31]) = (0xf0, 0x7f);
    c.bad(
        "anchor-key-not-canonical",
        "the license's anchor key is a y that is not below the field's prime",
        "LicenseUnreadable",
        |ch| ch.license.anchors[0].key = PublicKey::Ed25519(second_way),
    );
}
