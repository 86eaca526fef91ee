//! What a LicenseServer must keep to, checked once more here: the API server's rules may be older
//! than this operator. Pure.

use mooring_api::names::MAX_SERVER_NAME;
use mooring_api::{
    AuditSettings, External, LeaseSettings, LicenseServer, LicenseServerSpec, NamespacesFrom,
    Placement, Span,
};
use mooring_core::audit::{FILE_COUNTS, FILE_SIZES};
use mooring_core::client_token::{check_prefix, check_subject};
use mooring_core::ledger::MOST_CLAIMS_PER_HOLDER;
use mooring_core::time::{MAX_LEASE, MIN_LEASE};
use std::borrow::Cow;
use std::net::SocketAddr;

/// A field that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {found}, expected {expected}")]
pub struct Invalid {
    /// The condition's reason, CamelCase.
    pub reason: &'static str,
    pub field: Cow<'static, str>,
    pub found: String,
    pub expected: String,
}

fn invalid(field: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Invalid {
    Invalid {
        reason: "InvalidSpec",
        field: field.into(),
        found: found.into(),
        expected: expected.into(),
    }
}

/// The first thing that is wrong.
pub fn validate(server: &LicenseServer) -> Result<(), Invalid> {
    let spec = &server.spec;
    let name = server.metadata.name.as_deref().unwrap_or("");
    if name.len() > MAX_SERVER_NAME || name.contains('.') {
        let expected = format!(
            "at most {MAX_SERVER_NAME} of a-z, 0-9 and '-': the Service and the pod are named after it"
        );
        return Err(invalid("metadata.name", format!("{name:?}"), expected));
    }
    if let Some(external) = &spec.external {
        check_external(external)?;
        return check_namespaces(spec);
    }
    if spec.anchor.kind().is_none() {
        return Err(invalid(
            "spec.anchor",
            "none or several",
            "exactly one of pkcs11 {module, tokenLabel, pinSecret}, usb {keySecret} and hwid {keySecret}",
        ));
    }
    check_standby(spec)?;
    check_placement("spec.placement", &spec.placement)?;
    check_lease(&spec.lease)?;
    check_audit(spec.audit)?;
    if spec
        .vendor_keys
        .as_ref()
        .is_some_and(|k| k.config_map_name.is_some() == k.secret_name.is_some())
    {
        return Err(invalid(
            "spec.vendorKeys",
            "none or both",
            "exactly one of configMapName and secretName",
        ));
    }
    check_outside(spec)?;
    check_namespaces(spec)
}

fn check_namespaces(spec: &LicenseServerSpec) -> Result<(), Invalid> {
    let by_selector = spec.allowed_namespaces.from == NamespacesFrom::Selector;
    if by_selector != spec.allowed_namespaces.selector.is_some() {
        return Err(invalid(
            "spec.allowedNamespaces",
            "a selector without from: Selector, or the other way round",
            "both or none",
        ));
    }
    Ok(())
}

/// Where a server outside of the cluster is, and what its pods are called there.
fn check_external(external: &External) -> Result<(), Invalid> {
    let host = external.address.strip_prefix("https://");
    let host = host.and_then(|a| a.rsplit_once(':')).map(|(host, _)| host);
    // By such a name pods know a server within the cluster.
    let service =
        host.is_none_or(|h| h.rsplit('.').next() == Some("svc") || h.ends_with(".cluster.local"));
    if service || external.port().is_none_or(|p| p == 0) {
        return Err(invalid(
            "spec.external.address",
            format!("{:?}", external.address),
            "https://‹name or IP address›:‹port›, and no name of a Service of this cluster",
        ));
    }
    let mut addresses = external.addresses.iter();
    if let Some(bad) = addresses.find(|a| a.parse::<SocketAddr>().is_err()) {
        let expected = "ip:port, an IPv6 address in brackets";
        return Err(invalid(
            "spec.external.addresses",
            format!("{bad:?}"),
            expected,
        ));
    }
    let subjects = &external.issuer.subjects;
    check_prefix(subjects).map_err(|expected| {
        let found = format!("{subjects:?}");
        invalid("spec.external.issuer.subjects", found, expected)
    })
}

/// A second anchor, on the same node or on another.
fn check_standby(spec: &LicenseServerSpec) -> Result<(), Invalid> {
    let Some(standby) = &spec.standby else {
        return Ok(());
    };
    if standby.anchor.kind().is_none() {
        return Err(invalid(
            "spec.standby",
            "none or several",
            "exactly one of pkcs11, usb and hwid, or no standby",
        ));
    }
    let Some(placement) = &standby.placement else {
        return Ok(());
    };
    check_placement("spec.standby.placement", placement)?;
    if placement.labels() == spec.placement.labels() {
        return Err(invalid(
            "spec.standby.placement",
            "the same as spec.placement",
            "that of another node, or none: without it the standby is in the anchor's pod",
        ));
    }
    Ok(())
}

fn check_placement(field: &'static str, placement: &Placement) -> Result<(), Invalid> {
    if placement.node_selector.is_empty() == placement.device.is_some() {
        return Ok(());
    }
    Err(invalid(
        field,
        "none or both of nodeSelector and device",
        "exactly one: at least one label of the node that holds the anchor, or device {vendorId, productId, serial}",
    ))
}

/// Who may come from outside of the cluster, and how many at once.
fn check_outside(spec: &LicenseServerSpec) -> Result<(), Invalid> {
    let connections = spec.service.connections;
    if connections.most < 16 || connections.per_address > connections.most {
        return Err(invalid(
            "spec.service.connections",
            format!(
                "most {}, perAddress {}",
                connections.most, connections.per_address
            ),
            "most of at least 16, and perAddress of at most that",
        ));
    }
    if spec
        .clients
        .as_ref()
        .is_some_and(|c| c.config_map_name.is_some() == c.secret_name.is_some())
    {
        return Err(invalid(
            "spec.clients",
            "none or both",
            "exactly one of configMapName and secretName",
        ));
    }
    if let Some(admin) = spec.admins.iter().find(|a| check_subject(a).is_err()) {
        return Err(invalid(
            "spec.admins",
            format!("{admin:?}"),
            "the subject of a client token (not mooring-operator, which is one anyway)",
        ));
    }
    Ok(())
}

fn check_lease(lease: &LeaseSettings) -> Result<(), Invalid> {
    let (d, grace) = (lease.duration, lease.grace);
    if !(MIN_LEASE..=MAX_LEASE).contains(&d.0) {
        let expected = format!("{} to {}", Span(MIN_LEASE), Span(MAX_LEASE));
        return Err(invalid("spec.lease.duration", d.to_string(), expected));
    }
    if grace < d {
        return Err(invalid(
            "spec.lease.grace",
            grace.to_string(),
            format!("at least lease.duration ({d})"),
        ));
    }
    let claims = lease.claims_per_holder;
    if !(1..=MOST_CLAIMS_PER_HOLDER).contains(&claims) {
        let expected = format!("1 to {MOST_CLAIMS_PER_HOLDER}");
        return Err(invalid(
            "spec.lease.claimsPerHolder",
            claims.to_string(),
            expected,
        ));
    }
    Ok(())
}

fn check_audit(audit: AuditSettings) -> Result<(), Invalid> {
    let (size, files) = (audit.max_file_size, audit.files);
    if !FILE_SIZES.contains(&size) {
        let expected = format!("{} to {} bytes", FILE_SIZES.start(), FILE_SIZES.end());
        return Err(invalid(
            "spec.audit.maxFileSize",
            size.to_string(),
            expected,
        ));
    }
    if !FILE_COUNTS.contains(&files) {
        let expected = format!("{} to {}", FILE_COUNTS.start(), FILE_COUNTS.end());
        return Err(invalid("spec.audit.files", files.to_string(), expected));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
