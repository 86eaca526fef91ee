//! Bundles that are genuine, but do not give what is asked for.

use super::make::{Cases, Chain, NONCE, at, demand, of_kind, product, range, version};
use super::model::Expect;
use mooring_core::license::AnchorKind;

pub fn times(c: &mut Cases) {
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
            ch.token.issued_at = at(t);
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
            ch.delegation.not_after = at(end);
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

pub fn licences(c: &mut Cases) {
    c.bad(
        "critical-unknown",
        "a critical field that this version does not know",
        "LicenceCritical",
        |ch| {
            ch.licence.critical = vec!["moonPhase".into()];
        },
    );
    c.bad("schema", "a later schema", "LicenceField", |ch| {
        ch.licence.schema = 2;
    });
    c.bad(
        "anchors-none",
        "a licence bound to nothing",
        "LicenceField",
        |ch| ch.licence.anchors.clear(),
    );
    for (name, why, kind) in [
        (
            "anchor-usb-bare",
            "a usb anchor without its device",
            AnchorKind::Usb,
        ),
        (
            "anchor-hwid-bare",
            "an hwid anchor without its machine",
            AnchorKind::Hwid,
        ),
    ] {
        c.bad(name, why, "LicenceField", |ch| {
            of_kind(ch, kind);
            (ch.licence.anchors[0].usb, ch.licence.anchors[0].hwid) = (None, None);
        });
    }
    c.bad(
        "anchor-hwid-none",
        "an hwid anchor of which nothing need match",
        "LicenceField",
        |ch| {
            of_kind(ch, AnchorKind::Hwid);
            ch.licence.anchors[0].hwid.as_mut().unwrap().k = 0;
        },
    );
    c.bad(
        "anchors-two",
        "two anchors that serve at once would double the seats",
        "LicenceField",
        |ch| {
            let mut second = ch.licence.anchors[0].clone();
            second.key = super::keys::p256_public();
            ch.licence.anchors.push(second);
        },
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

pub fn demands(c: &mut Cases) {
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
        of_kind(&mut chain, kind);
        chain.licence.anchors[0].software = software;
        let mut d = demand();
        d.hardware = true;
        let bundle = chain.sign();
        c.push(name, why, bundle, d, Expect::Error("LeaseAnchor".into()));
    }
}
