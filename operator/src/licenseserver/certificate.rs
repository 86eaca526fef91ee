//! When a server's certificate is to be made anew, and which earlier ones it goes on showing. Pure.

use crate::certs::{Ca, stored::certificates};
use k8s_openapi::api::core::v1::Secret;
use mooring_api::TlsSettings;
use mooring_api::names::ServerRef;
use mooring_net::tls::{chains_with_keys, pem_not_after, would_trust};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::SystemTime;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

/// The key of its Secret with chains that earlier CAs signed, each with its private key behind it.
pub(super) const EARLIER: &str = "earlier.pem";
/// So many of them at most.
const MOST: usize = 3;

/// The names a server's certificate is for: the Service's, and those that were asked for.
pub(super) fn names(server: &ServerRef, tls: &TlsSettings) -> Vec<String> {
    let short = server.dns_name();
    let long = format!("{short}.cluster.local");
    let own = [short, long].into_iter();
    own.chain(tls.names.iter().cloned()).collect()
}

/// A key of a Secret; empty if it is not there.
pub(super) fn text(secret: &Secret, key: &str) -> String {
    let bytes = secret.data.as_ref().and_then(|d| d.get(key));
    let bytes = bytes.map(|b| b.0.as_slice()).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

/// Why the certificate in `secret` does not serve (any more); `None`: it does.
pub(super) fn renewal(
    secret: Option<&Secret>,
    ca: &Ca,
    names: &[String],
    now: SystemTime,
) -> Option<&'static str> {
    let Some(secret) = secret else {
        return Some("there is none");
    };
    if text(secret, "tls.key").is_empty() {
        return Some("its key is missing");
    }
    if certificates(&text(secret, "ca.crt")) != certificates(&ca.roots_pem()) {
        return Some("the CA has changed");
    }
    let chain = text(secret, "tls.crt");
    let pem = parse_x509_pem(chain.as_bytes()).ok().map(|(_, pem)| pem);
    let Some(cert) = pem.as_ref().and_then(|pem| pem.parse_x509().ok()) else {
        return Some("it cannot be read");
    };
    let listed: BTreeSet<String> = match cert.subject_alternative_name() {
        Ok(Some(san)) => san.value.general_names.iter().filter_map(name).collect(),
        _ => BTreeSet::new(),
    };
    if listed != names.iter().map(|n| n.to_lowercase()).collect() {
        return Some("its names have changed");
    }
    let due = pem_not_after(&chain).is_none_or(|end| ca.is_due(end, now));
    due.then_some("it is in the last third of its life")
}

/// A name or an address as people write it.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(n) => Some(n.to_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// The chains that are shown besides a new one: what was shown until now, if somebody who trusts
/// its CA does not trust the new one (the CA's Secret was lost, so that nobody could vouch for its
/// successor), and what was kept before; as long as they are valid.
pub(super) fn kept(secret: Option<&Secret>, chain: &str, name: &str, now: SystemTime) -> String {
    let Some(secret) = secret else {
        return String::new();
    };
    let old = text(secret, "tls.crt");
    let roots = text(secret, "ca.crt");
    let lost =
        |roots: &str| would_trust(roots, &old, name, now) && !would_trust(roots, chain, name, now);
    let mut all = Vec::new();
    if pem_blocks(&roots).iter().any(|r| lost(r)) {
        all.push(format!(
            "{}\n{}\n",
            old.trim(),
            text(secret, "tls.key").trim()
        ));
    }
    let before = chains_with_keys(&text(secret, EARLIER)).into_iter();
    all.extend(before.filter(|c| pem_not_after(c).is_some_and(|end| end > now)));
    all.truncate(MOST);
    all.concat()
}

/// The certificates of a PEM text, one by one.
pub(super) fn pem_blocks(text: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let blocks = text.split_inclusive(END).filter(|b| b.contains(END));
    blocks.map(|b| format!("{}\n", b.trim())).collect()
}

#[cfg(test)]
pub(super) mod tests;
