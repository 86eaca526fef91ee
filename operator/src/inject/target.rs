//! What a sidecar must know of a license server of its pod.

use k8s_openapi::api::core::v1::Service;
use mooring_api::names::ServerRef;
use mooring_api::{External, LicenseServer, Span};
use mooring_core::request::{Item, print};
use std::net::{IpAddr, SocketAddr};

/// A Service's addresses, of both families.
pub fn addresses(service: Option<&Service>, port: u16) -> Vec<SocketAddr> {
    let ips = cluster_ips(service);
    // "None" of a headless Service is no address, and drops out here.
    let ips = ips.iter().filter_map(|ip| ip.parse::<IpAddr>().ok());
    ips.map(|ip| SocketAddr::new(ip, port)).collect()
}

/// The same as the API server writes them, without the port.
pub fn cluster_ips(service: Option<&Service>) -> Vec<String> {
    let spec = service.and_then(|s| s.spec.as_ref());
    spec.and_then(|s| s.cluster_ips.clone()).unwrap_or_default()
}

/// What a sidecar must know of one of its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarTarget {
    /// What it is asked for, as the annotation writes it.
    pub licenses: String,
    /// What is verified: `https://‹name›.‹namespace›.svc:‹port›`, or where it is outside of the
    /// cluster.
    pub url: String,
    /// Where to connect, so that no DNS is needed: the Service's ClusterIPs, both families. Empty:
    /// resolve the name.
    pub addresses: Vec<SocketAddr>,
    /// By what the pod is known there.
    pub token: TokenOf,
    /// Whom the sidecar trusts, PEM, where that is not the operator's CA.
    pub roots: Option<String>,
    /// The port, which meshes must leave alone.
    pub port: u16,
    /// What its license says of starts without it, where that is known and less than `allow`.
    pub optimistic_start: Option<String>,
    /// The longest that the application may go on without it.
    pub max_grace: Span,
    pub voucher: Option<String>,
}

/// Whose token shows a license server who a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOf {
    /// That of its service account, for this audience: the server has the API server review it.
    Account { audience: String },
    /// The operator's, for a server outside of the cluster; which LicenseServer stands for it.
    Operator { server: ServerRef },
}

impl TokenOf {
    /// The LicenseServer of a server outside of the cluster.
    pub(super) fn operator(&self) -> Option<&ServerRef> {
        match self {
            Self::Account { .. } => None,
            Self::Operator { server } => Some(server),
        }
    }
}

impl SidecarTarget {
    /// Of a server outside of the cluster, with the certificates that it is known by.
    pub fn outside(
        items: &[Item],
        server: &LicenseServer,
        external: &External,
        roots: String,
    ) -> Self {
        let addresses = external.addresses.iter();
        let inside = Self::new(items, server, None);
        Self {
            url: external.address.clone(),
            addresses: addresses.filter_map(|a| a.parse().ok()).collect(),
            token: TokenOf::Operator {
                server: server.reference(),
            },
            roots: Some(roots),
            port: external.port().unwrap_or(inside.port),
            ..inside
        }
    }

    /// Whether it is within the cluster, and has no address yet.
    pub fn is_unfound(&self) -> bool {
        self.addresses.is_empty() && self.token.operator().is_none()
    }

    /// From the LicenseServer and its Service, if it has one already.
    pub fn new(items: &[Item], server: &LicenseServer, service: Option<&Service>) -> Self {
        let (name, port) = (server.reference(), server.spec.service.port);
        let status = server.status.as_ref();
        let optimistic_start = status.and_then(|s| s.optimistic_start.clone());
        Self {
            licenses: print(items),
            url: format!("https://{}:{port}", name.dns_name()),
            addresses: addresses(service, port),
            token: TokenOf::Account {
                audience: format!("mooring.dev/{}", name.namespace),
            },
            roots: None,
            port,
            optimistic_start: optimistic_start.filter(|s| s != "allow"),
            max_grace: server.grace(),
            voucher: server.spec.voucher.clone(),
        }
    }
}
