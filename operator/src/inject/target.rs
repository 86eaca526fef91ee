//! What a sidecar must know of a license server of its pod.

use k8s_openapi::api::core::v1::Service;
use mooring_api::{LicenseServer, Span};
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
    /// What is verified: `https://‹name›.‹namespace›.svc:‹port›`.
    pub url: String,
    /// Where to connect, so that no DNS is needed: the Service's ClusterIPs, both families. Empty:
    /// resolve the name.
    pub addresses: Vec<SocketAddr>,
    /// The audience of the pod's token.
    pub audience: String,
    /// The port, which meshes must leave alone.
    pub port: u16,
    /// What its license says of starts without it, where that is known and less than `allow`.
    pub optimistic_start: Option<String>,
    /// The longest that the application may go on without it.
    pub max_grace: Span,
    pub voucher: Option<String>,
}

impl SidecarTarget {
    /// From the LicenseServer and its Service, if it has one already.
    pub fn new(items: &[Item], server: &LicenseServer, service: Option<&Service>) -> Self {
        let (name, port) = (server.reference(), server.spec.service.port);
        let status = server.status.as_ref();
        let optimistic_start = status.and_then(|s| s.optimistic_start.clone());
        Self {
            licenses: print(items),
            url: format!("https://{}:{port}", name.dns_name()),
            addresses: addresses(service, port),
            audience: format!("mooring.dev/{}", name.namespace),
            port,
            optimistic_start: optimistic_start.filter(|s| s != "allow"),
            max_grace: server.grace(),
            voucher: server.spec.voucher.clone(),
        }
    }
}
