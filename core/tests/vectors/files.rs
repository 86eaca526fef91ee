//! Leases that draw on several license files of one anchor.

use super::keys::keys;
use super::make::{Cases, Chain, at, demand, product, range};
use super::model::{Demand, Expect};
use mooring_core::license::{Bundle, Digest, License, TokenDraw, TokenItem, TokenPart};
use mooring_core::names::{PoolName, Seats};
use std::time::Duration;

/// Another license of the same anchor, and three seats of it.
fn second_file(first: &License) -> (License, TokenPart) {
    let mut license = first.clone();
    license.id = "ACME-2026-002".into();
    license.supersedes.clear();
    license.maintenance_until = None;
    license.policy.max_grace = Some(Duration::from_secs(3600));
    license.pools.truncate(1);
    license.products.truncate(1);
    license.products[0].name = product("composite");
    license.products[0].versions = range(None, None);
    let part = TokenPart {
        id: license.id.clone(),
        license: Digest(String::new()),
        items: vec![TokenItem {
            product: product("composite"),
            seats: Seats::new(3).unwrap(),
            versions: range(None, None),
            maintenance_until: None,
        }],
        draws: vec![TokenDraw {
            pool: PoolName::new("render").unwrap(),
            seats: 3,
        }],
    };
    (license, part)
}

fn with_second(ch: &mut Chain) {
    ch.beside = Some(second_file(&ch.license));
}

fn of_second(d: &mut Demand) {
    d.product = product("composite");
    (d.app_version, d.built_on) = (None, None);
}

pub fn files(c: &mut Cases) {
    c.good(
        "two-files",
        "a lease that draws on two license files of one anchor, asked for what the first sells",
        with_second,
        |_| {},
        |_| {},
    );
    c.good(
        "two-files-second",
        "the same, asked for what the second sells: its own terms count",
        with_second,
        of_second,
        |g| {
            g.seats = 3;
            g.run_for_secs = 3600;
            g.license_id = "ACME-2026-002".into();
        },
    );
    c.good(
        "two-files-second-ended",
        "the second has ended, which is nothing to who asks for what the first sells",
        |ch| {
            with_second(ch);
            ended(ch);
        },
        |_| {},
        |_| {},
    );
    c.good(
        "two-files-two-vendors",
        "the second is another vendor's, which is nothing to who asks for what the first sells",
        |ch| {
            with_second(ch);
            ch.second_by = Some(keys().rogue);
        },
        |_| {},
        |_| {},
    );
    refused(
        c,
        "two-files-forged-second",
        "the second is signed by nobody who is trusted",
        "LicenseNotSigned",
        |ch| ch.second_by = Some(keys().rogue),
        |_| {},
    );
    refused(
        c,
        "two-files-second-expired",
        "the second has ended, and it sells what is asked for",
        "LicenseExpired",
        ended,
        |_| {},
    );
    refused(
        c,
        "two-files-not-lent",
        "the anchor's word is for the first file alone",
        "DelegationLicense",
        |ch| ch.lends_first_alone = true,
        |_| {},
    );
    refused(
        c,
        "two-files-under-the-other",
        "the lease has it under the file that does not sell it",
        "LeaseProduct",
        |ch| {
            let (_, part) = ch.beside.as_mut().unwrap();
            let items = std::mem::take(&mut part.items);
            ch.token.parts[0].items.extend(items);
        },
        |_| {},
    );
    refused(
        c,
        "two-files-one-shown",
        "the file that sells it is not in the bundle",
        "LeaseProduct",
        |_| {},
        |b| b.licenses.truncate(1),
    );
}

/// Two files, and what the second sells is asked for.
fn refused(
    c: &mut Cases,
    name: &str,
    why: &str,
    reason: &str,
    spoil: impl FnOnce(&mut Chain),
    cut: impl FnOnce(&mut Bundle),
) {
    let (mut chain, mut d) = (Chain::new(&c.kept), demand());
    with_second(&mut chain);
    spoil(&mut chain);
    of_second(&mut d);
    let mut bundle = chain.sign();
    cut(&mut bundle);
    c.push(name, why, bundle, d, Expect::Error(reason.into()));
}

fn ended(ch: &mut Chain) {
    let (license, _) = ch.beside.as_mut().unwrap();
    license.expires = Some(at("2026-06-01T12:00:00Z"));
}
