//! When a server's certificate is to be made anew. Pure.

use k8s_openapi::api::core::v1::Secret;
use mooring_api::names::ServerRef;
use mooring_core::time::Timestamp;
use std::time::Duration;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

/// How long a serving certificate is valid.
pub(super) const VALIDITY: Duration = Duration::from_secs(90 * 86_400);

/// The names a server's certificate is for.
pub(super) fn dns_names(server: &ServerRef) -> Vec<String> {
    let short = server.dns_name();
    vec![short.clone(), format!("{short}.cluster.local")]
}

/// Why the certificate in `secret` does not serve (any more); `None`: it does.
pub(super) fn renewal(
    secret: Option<&Secret>,
    roots: &str,
    names: &[String],
    now: Timestamp,
) -> Option<&'static str> {
    let Some(data) = secret.and_then(|s| s.data.as_ref()) else {
        return Some("there is none");
    };
    let text = |key: &str| data.get(key).map(|b| b.0.as_slice()).unwrap_or_default();
    if text("tls.key").is_empty() {
        return Some("its key is missing");
    }
    if text("ca.crt") != roots.as_bytes() {
        return Some("the CA has changed");
    }
    let pem = parse_x509_pem(text("tls.crt")).ok().map(|(_, pem)| pem);
    let Some(cert) = pem.as_ref().and_then(|pem| pem.parse_x509().ok()) else {
        return Some("it cannot be read");
    };
    let listed: Vec<&str> = match cert.subject_alternative_name() {
        Ok(Some(san)) => san
            .value
            .general_names
            .iter()
            .filter_map(dns_name)
            .collect(),
        _ => Vec::new(),
    };
    if names.iter().any(|n| !listed.contains(&n.as_str())) {
        return Some("its names have changed");
    }
    let validity = cert.validity();
    let (from, to) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    // At two thirds of its life.
    let due = from + (to - from) / 3 * 2;
    (now.as_second() >= due).then_some("it is at two thirds of its life")
}

fn dns_name<'a>(name: &'a GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::DNSName(n) => Some(n),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
