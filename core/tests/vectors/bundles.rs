//! The cases of verification.

use super::keys::{keys, p256_public};
use super::make::{
    Cases, Chain, NONCE, at, demand, good, product, range, replace, resign, standby, version,
};
use super::model::{BundleCase, Expect};
use mooring_core::license::{AnchorKey, AnchorKind, Bundle, Digest, Envelope, TokenItem, types};
use mooring_core::names::{InstanceId, Seats};
use std::time::Duration;

pub fn all(kept: &[Vec<u8>]) -> Vec<BundleCase<Bundle>> {
    let mut c = Cases {
        all: Vec::new(),
        kept: kept.to_vec(),
    };
    accepted(&mut c);
    rotation(&mut c);
    signatures(&mut c);
    types_and_links(&mut c);
    times(&mut c);
    licences(&mut c);
    demands(&mut c);
    p256(&mut c);
    c.all
}

fn accepted(c: &mut Cases) {
    c.good("ed25519", "the plain case, fresh", |_| {}, |_| {}, |_| {});
    c.good(
        "unfresh",
        "no nonce was asked for: the token's is not looked at",
        |_| {},
        |d| d.nonce = None,
        |g| g.fresh = false,
    );
    c.good(
        "no-nonce",
        "a token without a nonce",
        |c| c.token.nonce = None,
        |d| d.nonce = None,
        |g| g.fresh = false,
    );
    c.good(
        "bare-demand",
        "an application that tells nothing of itself",
        |_| {},
        |d| {
            (d.app_version, d.built_on) = (None, None);
        },
        |_| {},
    );
    c.good(
        "hardware",
        "the anchor's key cannot be copied",
        |_| {},
        |d| d.hardware = true,
        |_| {},
    );
    c.good(
        "software",
        "a software anchor, which the application takes",
        |c| c.licence.anchors[0].software = true,
        |_| {},
        |g| g.software = true,
    );
    c.good(
        "hwid",
        "an hwid anchor is software always",
        |c| {
            c.licence.anchors[0].kind = AnchorKind::Hwid;
            c.delegation.kind = AnchorKind::Hwid;
            c.token.anchor.kind = AnchorKind::Hwid;
        },
        |_| {},
        |g| (g.anchor, g.software) = ("hwid".into(), true),
    );
    c.good(
        "second-anchor",
        "signed by the licence's standby anchor",
        |c| {
            let main = c.licence.anchors[0].clone();
            c.licence.anchors.insert(
                0,
                AnchorKey {
                    key: p256_public(),
                    standby: None,
                    ..main
                },
            );
            c.licence.anchors[1].standby = standby(14);
        },
        |_| {},
        |_| {},
    );
    c.good(
        "overdraft",
        "two seats, one of them over what was sold",
        |c| c.token.overdraft = 1,
        |_| {},
        |g| g.overdraft = 1,
    );
    c.good(
        "test-licence",
        "the watermark comes from the licence",
        |c| c.licence.test = true,
        |_| {},
        |g| g.test = true,
    );
    c.good(
        "test-token",
        "the watermark comes from the token",
        |c| c.token.test = true,
        |_| {},
        |g| g.test = true,
    );
    c.good(
        "perpetual",
        "a licence without an end",
        |c| c.licence.expires = None,
        |_| {},
        |_| {},
    );
    c.good(
        "several-products",
        "the second product of a lease",
        |c| {
            let seats = Seats::new(3).unwrap();
            c.token.items.push(TokenItem {
                product: product("denoise"),
                seats,
                versions: range(None, None),
                maintenance_until: None,
            });
        },
        |d| d.product = product("denoise"),
        |g| g.seats = 3,
    );
    c.good(
        "shorter-run",
        "the server grants less than the licence allows",
        |c| c.token.run_for = Duration::from_secs(60),
        |_| {},
        |g| g.run_for_secs = 60,
    );
    c.good(
        "longer-run",
        "the server grants more than the licence allows: the licence's limit counts",
        |c| c.token.run_for = Duration::from_secs(999_999),
        |_| {},
        |g| g.run_for_secs = 8 * 3600,
    );
    c.good(
        "default-grace",
        "the licence says nothing: eight hours at most",
        |c| {
            c.licence.policy.max_grace = None;
            c.token.run_for = Duration::from_secs(86_400);
        },
        |_| {},
        |g| g.run_for_secs = 8 * 3600,
    );
    c.good(
        "allowed-grace",
        "the licence allows more than eight hours",
        |c| {
            c.licence.policy.max_grace = Some(Duration::from_secs(86_400));
            c.token.run_for = Duration::from_secs(86_400);
        },
        |_| {},
        |g| g.run_for_secs = 86_400,
    );
    c.good(
        "critical-known",
        "a critical field that is understood",
        |c| c.licence.critical = vec!["expires".into()],
        |_| {},
        |_| {},
    );
    c.good(
        "version-first",
        "the first version covered",
        |_| {},
        |d| d.app_version = Some(version("2024.2")),
        |_| {},
    );
    c.good(
        "version-last",
        "a bound counts as far as it is written",
        |_| {},
        |d| d.app_version = Some(version("2026.9.1")),
        |_| {},
    );
    c.good(
        "built-last",
        "built on the last second of maintenance",
        |_| {},
        |d| d.built_on = Some(at("2026-06-30T23:59:59Z")),
        |_| {},
    );
    let mut chain = Chain::new(&c.kept);
    let text = serde_json::to_string(&chain.licence).unwrap().replacen(
        '{',
        "{\"later\":[1,{\"x\":null}],",
        1,
    );
    let mut e = Envelope::unsigned(types::LICENCE, &0).unwrap();
    resign(&mut e, types::LICENCE, text.as_bytes(), &keys().vendor);
    let bundle = chain.sign_under(e);
    c.push(
        "unknown-field",
        "a field that this version does not know is ignored",
        bundle,
        demand(),
        Expect::Ok(good()),
    );
}

fn rotation(c: &mut Cases) {
    let k = keys();
    let twice = |c: &Cases| {
        let mut chain = Chain::new(&c.kept);
        let mut e = Envelope::sign(types::LICENCE, &chain.licence, &k.vendor).unwrap();
        let sig = k.new_vendor.sign(&e.signed_bytes());
        e.add_signature(&k.new_vendor.public(), sig);
        chain.sign_under(e)
    };
    for (name, why, pinned, expect) in [
        (
            "rotation-old",
            "signed by both keys, the old one is pinned",
            vec![k.vendor.public()],
            Expect::Ok(good()),
        ),
        (
            "rotation-new",
            "signed by both keys, the new one is pinned",
            vec![k.new_vendor.public()],
            Expect::Ok(good()),
        ),
        (
            "rotation-both",
            "both are pinned",
            vec![k.new_vendor.public(), k.vendor.public()],
            Expect::Ok(good()),
        ),
        (
            "vendor-unknown",
            "neither key is pinned",
            vec![k.rogue.public()],
            Expect::Error("LicenceNotSigned".into()),
        ),
        (
            "vendor-none",
            "no key is pinned: nothing is trusted",
            vec![],
            Expect::Error("LicenceNotSigned".into()),
        ),
    ] {
        let bundle = twice(c);
        c.push(name, why, bundle, demand(), expect);
        if let Some(last) = c.all.last_mut() {
            last.vendor_keys = pinned;
        }
    }
}

fn link<'b>(b: &'b mut Bundle, name: &str) -> &'b mut Envelope {
    match name {
        "licence" => &mut b.licence,
        "delegation" => &mut b.delegation,
        _ => &mut b.lease,
    }
}

fn signatures(c: &mut Cases) {
    for (name, reason) in [
        ("licence", "LicenceNotSigned"),
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
            link(b, name).signatures.clear()
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
                    "licence" => &ch.k.vendor,
                    "delegation" => &ch.k.anchor,
                    _ => &ch.k.server,
                };
                e.signatures[0].sig = key.sign(&e.payload);
            },
        );
    }
    c.forged(
        "licence-seats",
        "ten seats became 99",
        "LicenceNotSigned",
        |_, b| {
            replace(&mut b.licence, "\"seats\":10", "\"seats\":99");
        },
    );
    c.forged(
        "licence-date",
        "the end is moved by ten years",
        "LicenceNotSigned",
        |_, b| {
            replace(&mut b.licence, "2027-01-01", "2037-01-01");
        },
    );
    c.forged(
        "licence-anchor",
        "the anchor's key is another one",
        "LicenceNotSigned",
        |ch, b| {
            let (a, r) = (
                ch.k.anchor.public().to_string(),
                ch.k.rogue.public().to_string(),
            );
            replace(&mut b.licence, &a, &r);
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
        "signed by the vendor: only an anchor of the licence counts",
        "DelegationNotSigned",
        |ch, b| {
            let p = b.delegation.payload.clone();
            resign(&mut b.delegation, types::DELEGATION, &p, &ch.k.vendor);
        },
    );
}

fn link_type(name: &str) -> &'static str {
    match name {
        "licence" => types::LICENCE,
        "delegation" => types::DELEGATION,
        _ => types::LEASE,
    }
}

fn types_and_links(c: &mut Cases) {
    for (name, reason) in [
        ("licence", "LicenceType"),
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
                    "licence" => &ch.k.vendor,
                    "delegation" => &ch.k.anchor,
                    _ => &ch.k.server,
                };
                let p = e.payload.clone();
                resign(e, types::TICKET, &p, key);
            },
        );
        c.forged(
            &format!("{name}-type-changed"),
            "the type is changed after signing",
            reason,
            |_, b| {
                link(b, name).payload_type = types::TICKET.into();
            },
        );
    }
    for (name, reason) in [
        ("licence", "LicenceUnreadable"),
        ("delegation", "DelegationUnreadable"),
        ("lease", "LeaseUnreadable"),
    ] {
        c.forged(
            &format!("{name}-no-json"),
            "well signed, but no JSON",
            reason,
            |ch, b| {
                let key = match name {
                    "licence" => &ch.k.vendor,
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
        "licence-as-delegation",
        "the licence twice",
        "DelegationType",
        |_, b| b.delegation = b.licence.clone(),
    );
    c.bad(
        "delegation-other-licence",
        "made for another licence of the same anchor",
        "DelegationLicence",
        |ch| {
            ch.licence_digest = Some(Digest("00".repeat(32)));
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
        "lease-of-other-licence",
        "all signed by the right ones, but the lease comes from another licence",
        "LeaseMixed",
        |ch, b| {
            ch.token.licence = Digest("00".repeat(32));
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

fn times(c: &mut Cases) {
    let within = "2026-06-01T12:00:00Z";
    c.good(
        "issued-first",
        "issued in the delegation's first instant",
        |ch| ch.token.issued_at = at(within),
        |_| {},
        |g| {
            g.issued_at = at(within);
        },
    );
    for (name, why, t) in [
        (
            "issued-at-end",
            "issued at the delegation's end, which is exclusive",
            "2026-06-01T12:15:00Z",
        ),
        (
            "issued-after",
            "issued under a delegation that had run out",
            "2026-06-01T12:20:00Z",
        ),
        (
            "issued-before",
            "issued before the delegation begins",
            "2026-06-01T11:59:59Z",
        ),
    ] {
        c.bad(name, why, "LeaseOutsideDelegation", |ch| {
            ch.token.issued_at = at(t)
        });
    }
    for (name, why, end) in [
        (
            "span-901",
            "a delegation of more than fifteen minutes",
            "2026-06-01T12:15:01Z",
        ),
        (
            "span-fraction",
            "too long by half a second",
            "2026-06-01T12:15:00.5Z",
        ),
        ("span-day", "a delegation of a day", "2026-06-02T12:00:00Z"),
        ("span-zero", "a delegation that ends as it begins", within),
        (
            "span-negative",
            "a delegation that ends before it begins",
            "2026-06-01T11:00:00Z",
        ),
    ] {
        c.bad(name, why, "DelegationSpan", |ch| {
            ch.delegation.not_after = at(end)
        });
    }
    c.bad(
        "licence-expired",
        "issued after the licence's end",
        "LicenceExpired",
        |ch| {
            ch.licence.expires = Some(at("2026-06-01T12:04:59Z"));
        },
    );
    c.bad(
        "licence-expires-now",
        "issued at the licence's end, which is exclusive",
        "LicenceExpired",
        |ch| {
            ch.licence.expires = Some(at("2026-06-01T12:05:00Z"));
        },
    );
    c.bad(
        "licence-not-yet",
        "issued before the licence begins",
        "LicenceNotYetValid",
        |ch| {
            ch.licence.not_before = Some(at("2026-06-01T12:05:01Z"));
        },
    );
}

fn licences(c: &mut Cases) {
    c.bad(
        "critical-unknown",
        "a critical field that this version does not know",
        "LicenceCritical",
        |ch| {
            ch.licence.critical = vec!["moonPhase".into()];
        },
    );
    c.bad("schema", "a later schema", "LicenceField", |ch| {
        ch.licence.schema = 2
    });
    c.bad(
        "anchors-none",
        "a licence bound to nothing",
        "LicenceField",
        |ch| ch.licence.anchors.clear(),
    );
    c.bad(
        "product-twice",
        "the same product twice",
        "LicenceField",
        |ch| {
            let again = ch.licence.products[0].clone();
            ch.licence.products.push(again);
        },
    );
    c.bad(
        "pool-unknown",
        "a product draws on a pool that is not there",
        "LicenceField",
        |ch| {
            ch.licence.pools.remove(0);
        },
    );
}

fn demands(c: &mut Cases) {
    c.denied(
        "other-product",
        "the lease is for another product",
        "LeaseProduct",
        |d| d.product = product("denoise"),
    );
    c.bad(
        "product-not-sold",
        "the lease lists a product that the licence does not",
        "LeaseProduct",
        |ch| {
            ch.licence.products.remove(0);
        },
    );
    c.denied(
        "version-later",
        "a version after the last",
        "LeaseVersion",
        |d| d.app_version = Some(version("2027")),
    );
    c.denied(
        "version-earlier",
        "a version before the first",
        "LeaseVersion",
        |d| d.app_version = Some(version("2024.1")),
    );
    c.bad(
        "version-widened",
        "the lease covers versions that the licence does not",
        "LeaseVersion",
        |ch| {
            ch.licence.products[0].versions = range(None, Some("2025"));
        },
    );
    c.bad(
        "version-narrowed",
        "the licence covers versions that the lease does not",
        "LeaseVersion",
        |ch| {
            ch.token.items[0].versions = range(None, Some("2025"));
        },
    );
    c.denied(
        "built-after",
        "built after maintenance ended",
        "LeaseMaintenance",
        |d| {
            d.built_on = Some(at("2026-07-01T00:00:00Z"));
        },
    );
    c.bad(
        "built-after-licence",
        "the lease forgets the end of maintenance, the licence does not",
        "LeaseMaintenance",
        |ch| {
            ch.licence.maintenance_until = Some(at("2026-01-31T00:00:00Z"));
            ch.token.items[0].maintenance_until = None;
        },
    );
    c.denied(
        "nonce-other",
        "another nonce: a replay",
        "LeaseNonce",
        |d| d.nonce = Some("fedcba9876543210".into()),
    );
    c.denied(
        "nonce-prefix",
        "the beginning of the nonce",
        "LeaseNonce",
        |d| d.nonce = Some(NONCE[..8].into()),
    );
    c.bad(
        "nonce-missing",
        "a nonce was asked for, the token has none",
        "LeaseNonce",
        |ch| ch.token.nonce = None,
    );
    for (name, why, kind, software) in [
        (
            "hardware-software",
            "hardware is demanded, the vendor allowed a software token",
            AnchorKind::Pkcs11,
            true,
        ),
        (
            "hardware-hwid",
            "hardware is demanded, the anchor is a machine's identity",
            AnchorKind::Hwid,
            false,
        ),
        (
            "hardware-usb",
            "hardware is demanded, the anchor's key is software beside a USB device",
            AnchorKind::Usb,
            false,
        ),
    ] {
        let mut chain = Chain::new(&c.kept);
        chain.licence.anchors[0].kind = kind;
        chain.licence.anchors[0].software = software;
        chain.delegation.kind = kind;
        chain.token.anchor.kind = kind;
        let mut d = demand();
        d.hardware = true;
        let bundle = chain.sign();
        c.push(name, why, bundle, d, Expect::Error("LeaseAnchor".into()));
    }
}

fn p256(c: &mut Cases) {
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
