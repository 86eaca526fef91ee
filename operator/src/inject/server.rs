//! Which LicenseServer a pod gets its seats from, and what its sidecar must know of it.
//!
//! The annotation decides; then the chart's default; then the only one in the pod's namespace. The
//! license server itself decides again at each claim (`allowedNamespaces`, products, seats): here
//! people only learn it earlier.

use super::hint::nearest;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use kube::core::{Selector, SelectorExt as _};
use mooring_api::names::ServerRef;
use mooring_api::{External, LicenseServer, NamespacesFrom, Span};
use mooring_core::annotation::SERVER;
use mooring_core::request::Item;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The name of a LicenseServer as the annotation writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    /// `None`: the pod's own.
    pub namespace: Option<String>,
    pub name: String,
}

/// Why no LicenseServer could be chosen.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum NoServer {
    /// The one that was named does not exist.
    #[error("{by}: there is no LicenseServer {server}{}{}", did_you_mean(.hint.as_ref()), reach(.in_reach))]
    NotFound {
        by: &'static str,
        server: ServerRef,
        hint: Option<String>,
        /// Those that this namespace may use.
        in_reach: Vec<String>,
    },
    /// It does not take pods of this namespace.
    #[error(
        "LicenseServer {server} does not take pods of namespace {namespace}: its spec.allowedNamespaces says {from}. Ask its owner to allow the \
         namespace there{}", reach(.in_reach)
    )]
    NotAllowed {
        server: ServerRef,
        namespace: String,
        from: &'static str,
        /// Those that this namespace may use.
        in_reach: Vec<String>,
    },
    /// It is outside of the cluster, and what it is known by is not here.
    #[error(
        "LicenseServer {server}: spec.external.roots: ConfigMap {map} is not there, or has no key {key}: create it; it has the certificates that the server outside of the cluster is known by"
    )]
    NoRoots {
        server: ServerRef,
        map: String,
        key: String,
    },
    /// Several to choose from.
    #[error("namespace {namespace} has {} LicenseServers ({}): name one by the annotation {SERVER}", .names.len(), .names.join(", "))]
    Several {
        namespace: String,
        names: Vec<String>,
    },
    /// Nothing was named, and there is none here.
    #[error(
        "which LicenseServer? The pod has no annotation {SERVER}, Mooring has no default server (chart value defaultServer), and namespace {namespace} has \
         no LicenseServer{}", reach(.in_reach)
    )]
    None {
        namespace: String,
        /// Those that this namespace may use.
        in_reach: Vec<String>,
    },
}

fn did_you_mean(hint: Option<&String>) -> String {
    hint.map(|h| format!(" (did you mean {h}?)"))
        .unwrap_or_default()
}

fn reach(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0 => String::new(),
        n if n > SHOWN => {
            let shown = names.get(..SHOWN).unwrap_or_default().join(", ");
            format!("; this namespace may use: {shown}, …")
        }
        _ => format!("; this namespace may use: {}", names.join(", ")),
    }
}

/// What decides which LicenseServer a pod may use.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceContext<'a> {
    pub namespace: &'a str,
    pub namespace_labels: &'a BTreeMap<String, String>,
    pub default_server: Option<&'a ServerRef>,
    pub servers: &'a [Arc<LicenseServer>],
}

impl ChoiceContext<'_> {
    fn may(&self, server: &LicenseServer) -> bool {
        allows(server, self.namespace, self.namespace_labels).is_ok()
    }
}

/// Chooses a pod's LicenseServer.
pub fn choose(
    wish: Option<&ServerName>,
    context: &ChoiceContext<'_>,
) -> Result<Arc<LicenseServer>, NoServer> {
    let here = context.namespace;
    let (by, wanted) = match (wish, context.default_server) {
        (Some(w), _) => {
            let namespace = w.namespace.as_deref().unwrap_or(here);
            let wanted = ServerRef::new(namespace, w.name.as_str());
            ("annotation mooring.dev/server", wanted)
        }
        (None, Some(default)) => (
            "Mooring's default server (chart value defaultServer)",
            default.clone(),
        ),
        (None, None) => return only_one(context),
    };
    let Some(server) = context.servers.iter().find(|s| s.reference() == wanted) else {
        let in_reach = in_reach(context);
        let hint = nearest(&wanted.to_string(), in_reach.iter().map(String::as_str));
        return Err(NoServer::NotFound {
            by,
            server: wanted,
            hint: hint.map(str::to_owned),
            in_reach,
        });
    };
    allowed(server, context)
}

fn only_one(context: &ChoiceContext<'_>) -> Result<Arc<LicenseServer>, NoServer> {
    let namespace = context.namespace.to_owned();
    let here = |s: &&Arc<LicenseServer>| s.namespace().as_deref() == Some(context.namespace);
    let mut here: Vec<_> = context.servers.iter().filter(here).collect();
    here.sort_by_key(|s| s.name_any());
    let mut mine = here.iter().filter(|s| context.may(s));
    match (mine.next(), mine.next()) {
        (None, _) => match here.first() {
            Some(server) => allowed(server, context),
            None => Err(NoServer::None {
                namespace,
                in_reach: in_reach(context),
            }),
        },
        (Some(s), None) => Ok(Arc::clone(s)),
        (Some(_), Some(_)) => {
            let names = here.iter().map(|s| s.name_any()).collect();
            Err(NoServer::Several { namespace, names })
        }
    }
}

/// A server, if it takes pods of this namespace.
fn allowed(
    server: &Arc<LicenseServer>,
    context: &ChoiceContext<'_>,
) -> Result<Arc<LicenseServer>, NoServer> {
    match allows(server, context.namespace, context.namespace_labels) {
        Ok(()) => Ok(server.clone()),
        Err(from) => Err(NoServer::NotAllowed {
            server: server.reference(),
            namespace: context.namespace.to_owned(),
            from,
            in_reach: in_reach(context),
        }),
    }
}

/// The LicenseServers that this namespace may use, as `namespace/name`: others are not told of.
fn in_reach(context: &ChoiceContext<'_>) -> Vec<String> {
    let in_reach = context.servers.iter().filter(|s| context.may(s));
    let mut names: Vec<_> = in_reach.map(|s| s.reference().to_string()).collect();
    names.sort();
    names
}

/// Whether a server takes pods of this namespace; if not, what its field says.
fn allows(
    server: &LicenseServer,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), &'static str> {
    let allowed = &server.spec.allowed_namespaces;
    match allowed.from {
        NamespacesFrom::All => Ok(()),
        NamespacesFrom::Same if server.namespace().as_deref() == Some(namespace) => Ok(()),
        NamespacesFrom::Same => Err("from: Same (only its own namespace)"),
        NamespacesFrom::Selector => match allowed.selector.clone().map(Selector::try_from) {
            Some(Ok(s)) if s.matches(labels) => Ok(()),
            _ => Err("from: Selector, and this namespace's labels do not match"),
        },
    }
}

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

/// What a sidecar must know of its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarTarget {
    /// What is verified: `https://‹name›.‹namespace›.svc:‹port›`.
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
    /// The operator's, for a server outside of the cluster; which LicenseServer stands for it, as
    /// `namespace/name`.
    Operator { server: String },
}

impl SidecarTarget {
    /// Of a server outside of the cluster, with the certificates that it is known by.
    pub fn outside(server: &LicenseServer, external: &External, roots: String) -> Self {
        let addresses = external.addresses.iter();
        let inside = Self::new(server, None);
        Self {
            url: external.address.clone(),
            addresses: addresses.filter_map(|a| a.parse().ok()).collect(),
            token: TokenOf::Operator {
                server: server.reference().to_string(),
            },
            roots: Some(roots),
            port: external.port().unwrap_or(inside.port),
            ..inside
        }
    }

    /// From the LicenseServer and its Service, if it has one already.
    pub fn new(server: &LicenseServer, service: Option<&Service>) -> Self {
        let (name, port) = (server.reference(), server.spec.service.port);
        let status = server.status.as_ref();
        let optimistic_start = status.and_then(|s| s.optimistic_start.clone());
        Self {
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

/// How many products a warning names at most.
const MOST_NAMED: usize = 20;

/// Warnings where the license, as the server last reported it, cannot meet the request. Only
/// warnings: it may be renewed at any moment, and the server decides.
pub fn license_warnings(items: &[Item], server: &LicenseServer) -> Vec<String> {
    let (products, is_whole) = match &server.status {
        Some(s) if !s.products.is_empty() => (&s.products, s.products_in_all.is_none()),
        _ => return Vec::new(),
    };
    let name = server.reference();
    let warning = |item: &Item| match products.iter().find(|p| item.product.is(&p.name)) {
        // It may be one of those that the status does not list.
        None if !is_whole => None,
        None => {
            let known: Vec<_> = products.iter().map(|p| p.name.as_str()).collect();
            let hint = nearest(item.product.as_str(), known.iter().copied());
            let hint = hint.map_or_else(
                || format!("it has: {}", some(&known)),
                |h| format!("did you mean {h}?"),
            );
            Some(format!(
                "the license of LicenseServer {name} has no product {} ({hint})",
                item.product
            ))
        }
        Some(p) if item.seats.get() > p.seats => Some(format!(
            "{}:{} asks for more than there is: the license of LicenseServer {name} has {} seats of it",
            item.product, item.seats, p.seats
        )),
        Some(p) => {
            let covers = |v| p.versions.is_empty() || p.versions.iter().any(|r| r.covers(v));
            let uncovered = item.version.as_ref().filter(|v| !covers(v));
            uncovered.map(|v| {
                let covered: Vec<String> = p.versions.iter().map(|r| r.against(v)).collect();
                let covered = covered.join(", or ");
                format!(
                    "{}@{v} is not covered: the license of LicenseServer {name} covers {covered}",
                    item.product
                )
            })
        }
    };
    items.iter().filter_map(warning).collect()
}

/// The first names, and how many more there are.
fn some(names: &[&str]) -> String {
    let named = names.get(..MOST_NAMED).unwrap_or(names);
    match names.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
