//! `config.yaml` of a license server, from its LicenseServer.

use super::anchor;
use super::inputs::Inputs;
use super::paths::{
    CLIENT_KEYS_FILE, ISSUERS_FILE, POLICIES_FILE, REVOCATIONS_FILE, REVOKED_FILE, STATE_DIR,
    VENDOR_KEYS_DIR, mounted as at,
};
use super::state::STATE;
use super::volumes::license_file;
use mooring_api::names::{API_PORT, METRICS_PORT, short_hash};
use mooring_config::{AuditLog, Clients, Config, Connections, Lease, Tls};
use std::net::{Ipv6Addr, SocketAddr};

/// The configuration that a LicenseServer asks for; none if its anchor is not one kind.
pub fn server_config(i: &Inputs<'_>) -> Option<Config> {
    let spec = &i.server.spec;
    let on = |port: u16| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let mut anchors = anchor::needs(spec)?.into_iter().map(|n| n.config);
    Some(Config {
        name: i.reference.name.clone(),
        namespace: Some(i.reference.namespace.clone()),
        listen: on(API_PORT),
        metrics: on(METRICS_PORT),
        connections: Connections {
            most: spec.service.connections.most,
            per_address: spec.service.connections.per_address,
        },
        tls: Tls {
            cert: at("tls/tls.crt"),
            key: at("tls/tls.key"),
            earlier: Some(at("tls/earlier.pem")),
            client_ca: Some(at("tls/ca.crt")),
        },
        licenses: (0..spec.licenses.len())
            .map(|i| at(&license_file(i)))
            .collect(),
        revocations: Some(at(REVOCATIONS_FILE)),
        vendor_keys: spec.vendor_keys.as_ref().map(|_| VENDOR_KEYS_DIR.into()),
        anchor: anchors.next()?,
        standby: anchors.next(),
        lease: Lease {
            duration_secs: spec.lease.duration.0.as_secs(),
            grace_secs: spec.lease.grace.0.as_secs(),
            reclaim: spec.lease.reclaim,
            claims_per_holder: spec.lease.claims_per_holder,
        },
        earlier_longest_lease_secs: Some(i.in_force.as_secs()),
        state_dir: STATE_DIR.into(),
        state_secret: Some(i.reference.child(STATE)),
        identity_key: at("identity/key"),
        policies: Some(at(POLICIES_FILE)),
        token_review: true,
        operator_knows_all: spec.clients.is_none(),
        clients: spec.clients.as_ref().map(|_| Clients {
            keys: Some(at(CLIENT_KEYS_FILE)),
            issuers: Some(at(ISSUERS_FILE)),
            revoked: Some(at(REVOKED_FILE)),
        }),
        admins: spec.admins.clone(),
        audit: AuditLog {
            max_file_size: spec.audit.max_file_size,
            files: spec.audit.files,
        },
    })
}

/// A digest of all that only a restart takes in. The longest earlier lease is read at a start and
/// never needs one of its own.
pub fn config_hash(config: &Config) -> Result<String, serde_yaml::Error> {
    let still = Config {
        earlier_longest_lease_secs: None,
        ..config.clone()
    };
    let text = serde_yaml::to_string(&still)?;
    Ok(short_hash(&text, 16))
}
