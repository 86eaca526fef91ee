//! Bundles that verify, and keys that rotate.

use super::keys::{keys, p256_public};
use super::make::{
    Cases, Chain, at, demand, good, of_kind, product, range, resign, standby, version,
};
use super::model::Expect;
use super::refused::second_pool;
use mooring_core::license::{
    AnchorKey, AnchorKind, Envelope, TokenItem, VersionRange, VersionScheme, types,
};
use mooring_core::names::{PoolName, Seats};
use std::time::Duration;

pub fn accepted(c: &mut Cases) {
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
        "names-of-vendors",
        "a product's name of both cases, with a plus, asked for in another case than the license's and the token's",
        |c| {
            (c.license.pools[0].name, c.license.products[0].name) =
                (PoolName::new("_Pgc++").unwrap(), product("85690DSPRM_Pgc++"));
            c.license.products[0].from[0][0].pool = PoolName::new("_pgc++").unwrap();
            c.token.parts[0].draws[0].pool = PoolName::new("_PGC++").unwrap();
            c.token.parts[0].items[0].product = product("85690dsprm_PGC++");
        },
        |d| d.product = product("85690DsprM_pgc++"),
        |_| {},
    );
    c.good(
        "pool-last",
        "issued in the last second of its pool, and the first",
        |c| {
            let pool = &mut c.license.pools[0];
            pool.not_before = Some(at("2026-06-01T12:05:00Z"));
            pool.expires = Some(at("2026-06-01T12:05:01Z"));
        },
        |_| {},
        |_| {},
    );
    c.good(
        "pool-other",
        "another pool of the product has ended, and one that is not drawn",
        |c| {
            second_pool(c);
            for pool in &mut c.license.pools[1..] {
                pool.expires = Some(at("2026-06-01T12:00:00Z"));
            }
        },
        |_| {},
        |_| {},
    );
    c.good(
        "pool-renamed",
        "a draw on a pool that the license has no more, as after a change of it",
        |c| c.token.parts[0].draws[0].pool = PoolName::new("earlier").unwrap(),
        |_| {},
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
        |c| c.license.anchors[0].software = true,
        |_| {},
        |g| g.software = true,
    );
    c.good(
        "hwid",
        "an hwid anchor is software always",
        |c| of_kind(c, AnchorKind::Hwid),
        |_| {},
        |g| (g.anchor, g.software) = ("hwid".into(), true),
    );
    c.good(
        "second-anchor",
        "signed by the license's standby anchor",
        |c| {
            let main = c.license.anchors[0].clone();
            c.license.anchors.insert(
                0,
                AnchorKey {
                    key: p256_public(),
                    standby: None,
                    ..main
                },
            );
            c.license.anchors[1].standby = Some(standby(14));
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
        "test-license",
        "the watermark comes from the license",
        |c| c.license.test = true,
        |_| {},
        |g| g.test = true,
    );
    c.good(
        "emergency-license",
        "a license for the time until a new dongle is there says so",
        |ch| ch.license.emergency = true,
        |_| {},
        |g| g.emergency = true,
    );
    c.good(
        "emergency-token",
        "the token says so, too",
        |ch| ch.token.emergency = true,
        |_| {},
        |g| g.emergency = true,
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
        "a license without an end",
        |c| c.license.expires = None,
        |_| {},
        |_| {},
    );
    c.good(
        "several-products",
        "the second product of a lease",
        |c| {
            let seats = Seats::new(3).unwrap();
            c.token.parts[0].items.push(TokenItem {
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
        "the server grants less than the license allows",
        |c| c.token.run_for = Duration::from_secs(60),
        |_| {},
        |g| g.run_for_secs = 60,
    );
    c.good(
        "longer-run",
        "the server grants more than the license allows: the license's limit counts",
        |c| c.token.run_for = Duration::from_secs(999_999),
        |_| {},
        |g| g.run_for_secs = 8 * 3600,
    );
    c.good(
        "default-grace",
        "the license says nothing: eight hours at most",
        |c| {
            c.license.policy.max_grace = None;
            c.token.run_for = Duration::from_secs(86_400);
        },
        |_| {},
        |g| g.run_for_secs = 8 * 3600,
    );
    c.good(
        "allowed-grace",
        "the license allows more than eight hours",
        |c| {
            c.license.policy.max_grace = Some(Duration::from_secs(86_400));
            c.token.run_for = Duration::from_secs(86_400);
        },
        |_| {},
        |g| g.run_for_secs = 86_400,
    );
    c.good(
        "critical-known",
        "a critical field that is understood",
        |c| c.license.critical = vec!["expires".into()],
        |_| {},
        |_| {},
    );
    c.good(
        "critical-all",
        "every field that a license has may be insisted on",
        |c| {
            let all = "id supersedes customer notBefore expires maintenanceUntil test emergency pools overdraft products versions \
                features countBy from weight anchors software standby usb hwid policy maxGrace optimisticStart maxContested \
                maxHandover maxAnchorGrace maxLease reclaim";
            c.license.critical = all.split_whitespace().map(str::to_owned).collect();
        },
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
        "built in the last instant of maintenance",
        |ch| {
            // At midnight, because applications say a day.
            let end = at("2026-06-30T00:00:00Z");
            ch.license.maintenance_until = Some(end);
            ch.token.parts[0].items[0].maintenance_until = Some(end);
        },
        |d| d.built_on = Some(at("2026-06-30T00:00:00Z")),
        |_| {},
    );
    let mut chain = Chain::new(&c.kept);
    let text = serde_json::to_string(&chain.license).unwrap().replacen(
        '{',
        "{\"later\":[1,{\"x\":null}],",
        1,
    );
    let mut e = Envelope::unsigned(types::LICENSE, &0).unwrap();
    resign(&mut e, types::LICENSE, text.as_bytes(), &keys().vendor);
    let bundle = chain.sign_under(e);
    c.push(
        "unknown-field",
        "a field that this version does not know is ignored",
        bundle,
        demand(),
        Expect::Ok(good()),
    );
}

pub fn rotation(c: &mut Cases) {
    let k = keys();
    let twice = |c: &Cases| {
        let mut chain = Chain::new(&c.kept);
        let mut e = Envelope::sign(types::LICENSE, &chain.license, &k.vendor).unwrap();
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
            Expect::Error("LicenseNotSigned".into()),
        ),
        (
            "vendor-none",
            "no key is pinned: nothing is trusted",
            vec![],
            Expect::Error("LicenseNotSigned".into()),
        ),
    ] {
        let bundle = twice(c);
        c.push(name, why, bundle, demand(), expect);
        if let Some(last) = c.all.last_mut() {
            last.vendor_keys = pinned;
        }
    }
}

/// How a license has its versions compared; the application asks for one.
pub fn schemes(c: &mut Cases) {
    for (to, v, dotted, decimal) in super::small::schemes() {
        for (scheme, word, covered) in [
            (VersionScheme::Dotted, "dotted", dotted),
            (VersionScheme::Decimal, "decimal", decimal),
        ] {
            let mut chain = Chain::new(&c.kept);
            let versions = VersionRange {
                scheme,
                ..range(None, Some(to))
            };
            chain.license.products[0].versions = versions.clone();
            chain.token.parts[0].items[0].versions = versions;
            let mut d = demand();
            d.app_version = Some(version(v));
            let expect = if covered {
                Expect::Ok(good())
            } else {
                Expect::Error("LeaseVersion".into())
            };
            let name = format!("{word}-to-{to}-asked-{v}");
            let why = format!("versions up to {to}, {word}, and an application of version {v}");
            c.push(&name, &why, chain.sign(), d, expect);
        }
    }
}
