//! Bundles that are genuine, but do not give what is asked for.

use super::make::{Cases, Chain, NONCE, at, demand, of_kind, product, range, version};
use super::model::Expect;
use mooring_core::license::{AnchorKind, Draw, Pool, VersionScheme};
use mooring_core::names::PoolName;
use mooring_core::secret::Secret;

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
        "license-expired",
        "issued after the license's end",
        "LicenseExpired",
        |ch| {
            ch.license.expires = Some(at("2026-06-01T12:04:59Z"));
        },
    );
    c.bad(
        "license-expires-now",
        "issued at the license's end, which is exclusive",
        "LicenseExpired",
        |ch| {
            ch.license.expires = Some(at("2026-06-01T12:05:00Z"));
        },
    );
    c.bad(
        "license-not-yet",
        "issued before the license begins",
        "LicenseNotYetValid",
        |ch| {
            ch.license.not_before = Some(at("2026-06-01T12:05:01Z"));
        },
    );
}

/// A seat that an application took for itself says so in each of its tokens.
pub fn seats(c: &mut Cases) {
    let of = |n: u8| Some(Secret::from_bytes([n; 32]).hash());
    c.good(
        "bind",
        "the application's own seat",
        |ch| ch.token.bind = of(1),
        |d| d.bind = of(1),
        |_| {},
    );
    c.good(
        "bind-not-asked",
        "who did not take the seat itself, as who follows the pod's claim, does not look at whose it is",
        |ch| ch.token.bind = of(1),
        |_| {},
        |_| {},
    );
    for (name, why, bind) in [
        (
            "bind-other",
            "another application's seat, through a proxy",
            of(2),
        ),
        (
            "bind-none",
            "a seat that is nobody's: an old server, or the pod's",
            None,
        ),
    ] {
        let mut chain = Chain::new(&c.kept);
        chain.token.bind = bind;
        let mut d = demand();
        d.bind = of(1);
        let bundle = chain.sign();
        c.push(name, why, bundle, d, Expect::Error("LeaseBind".into()));
    }
}

pub fn licenses(c: &mut Cases) {
    c.bad(
        "critical-unknown",
        "a critical field that this version does not know",
        "LicenseCritical",
        |ch| {
            ch.license.critical = vec!["moonPhase".into()];
        },
    );
    c.bad("schema", "a later schema", "LicenseField", |ch| {
        ch.license.schema = 2;
    });
    c.bad(
        "anchors-none",
        "a license bound to nothing",
        "LicenseField",
        |ch| ch.license.anchors.clear(),
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
        c.bad(name, why, "LicenseField", |ch| {
            of_kind(ch, kind);
            (ch.license.anchors[0].usb, ch.license.anchors[0].hwid) = (None, None);
        });
    }
    c.bad(
        "anchor-hwid-none",
        "an hwid anchor of which nothing need match",
        "LicenseField",
        |ch| {
            of_kind(ch, AnchorKind::Hwid);
            ch.license.anchors[0].hwid.as_mut().unwrap().k = 0;
        },
    );
    c.bad(
        "anchors-two",
        "two anchors that serve at once would double the seats",
        "LicenseField",
        |ch| {
            let mut second = ch.license.anchors[0].clone();
            second.key = super::keys::p256_public();
            ch.license.anchors.push(second);
        },
    );
    c.bad(
        "product-twice",
        "the same product twice",
        "LicenseField",
        |ch| {
            let again = ch.license.products[0].clone();
            ch.license.products.push(again);
        },
    );
    c.bad(
        "decimal-bound-that-is-none",
        "a bound of versions that are compared as decimals is none",
        "LicenseField",
        |ch| {
            let v = &mut ch.license.products[0].versions;
            (v.scheme, v.to) = (VersionScheme::Decimal, Some(version("2026b")));
        },
    );
    for (name, what) in [("products", "product"), ("pools", "pool")] {
        c.bad(
            &format!("{name}-that-differ-in-case"),
            &format!("two names of a {what} that differ in case alone are one"),
            "LicenseField",
            |ch| {
                let l = &mut ch.license;
                if what == "product" {
                    let mut again = l.products[0].clone();
                    again.name = product("RENDER");
                    l.products.push(again);
                } else {
                    let mut again = l.pools[0].clone();
                    again.name = PoolName::new("Render").unwrap();
                    l.pools.push(again);
                }
            },
        );
    }
    c.bad(
        "pool-unknown",
        "a product draws on a pool that is not there",
        "LicenseField",
        |ch| {
            ch.license.pools.remove(0);
        },
    );
}

/// Pools that begin and end on a day of their own; the token is issued at 12:05.
pub fn pools(c: &mut Cases) {
    for (name, why, end) in [
        (
            "pool-ended",
            "a pool that its seats come from has ended",
            "2026-06-01T12:00:00Z",
        ),
        (
            "pool-ends-then",
            "a pool's end is exclusive",
            "2026-06-01T12:05:00Z",
        ),
    ] {
        c.bad(name, why, "LeasePool", |ch| {
            ch.license.pools[0].expires = Some(at(end));
        });
    }
    c.bad(
        "pool-not-begun",
        "a pool that its seats come from has not begun",
        "LeasePool",
        |ch| ch.license.pools[0].not_before = Some(at("2026-06-01T12:05:01Z")),
    );
    c.bad(
        "pool-of-two",
        "of two pools that the product draws on, the one that is drawn has ended",
        "LeasePool",
        |ch| {
            second_pool(ch);
            ch.license.pools[0].expires = Some(at("2026-06-01T12:00:00Z"));
        },
    );
    c.bad(
        "pools-untold",
        "a token that names no pools, of a product whose pools have all ended",
        "LeasePool",
        |ch| {
            ch.license.pools[0].expires = Some(at("2026-06-01T12:00:00Z"));
            ch.token.parts[0].draws.clear();
        },
    );
    c.bad(
        "pools-elsewhere",
        "a token that draws on another product's pool, since those of its own have ended",
        "LeasePool",
        |ch| {
            ch.license.pools[0].expires = Some(at("2026-06-01T12:00:00Z"));
            ch.token.parts[0].draws[0].pool = ch.license.pools[1].name.clone();
        },
    );
    for (name, why, begin, end) in [
        (
            "pool-order",
            "a pool that ends before it begins",
            Some("2026-06-02T00:00:00Z"),
            Some("2026-06-01T00:00:00Z"),
        ),
        (
            "pool-outlives",
            "a pool that ends after its license",
            None,
            Some("2027-01-01T00:00:01Z"),
        ),
        (
            "pool-precedes",
            "a pool that begins before its license",
            Some("2025-12-31T00:00:00Z"),
            None,
        ),
    ] {
        c.bad(name, why, "LicenseField", |ch| {
            let pool = &mut ch.license.pools[0];
            (pool.not_before, pool.expires) = (begin.map(at), end.map(at));
        });
    }
}

/// Gives the first product a second pool to draw on.
pub fn second_pool(ch: &mut Chain) {
    let pool = Pool {
        name: PoolName::new("more").unwrap(),
        ..ch.license.pools[0].clone()
    };
    let draw = Draw {
        pool: pool.name.clone(),
        weight: 1,
    };
    ch.license.pools.push(pool);
    ch.license.products[0].from.push(vec![draw]);
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
        "the lease lists a product that the license does not",
        "LeaseProduct",
        |ch| {
            ch.license.products.remove(0);
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
        "the lease covers versions that the license does not",
        "LeaseVersion",
        |ch| {
            ch.license.products[0].versions = range(None, Some("2025"));
        },
    );
    c.bad(
        "version-narrowed",
        "the license covers versions that the lease does not",
        "LeaseVersion",
        |ch| {
            ch.token.parts[0].items[0].versions = range(None, Some("2025"));
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
        "built-after-license",
        "the lease forgets the end of maintenance, the license does not",
        "LeaseMaintenance",
        |ch| {
            ch.license.maintenance_until = Some(at("2026-01-31T00:00:00Z"));
            ch.token.parts[0].items[0].maintenance_until = None;
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
        chain.license.anchors[0].software = software;
        let mut d = demand();
        d.hardware = true;
        let bundle = chain.sign();
        c.push(name, why, bundle, d, Expect::Error("LeaseAnchor".into()));
    }
}
