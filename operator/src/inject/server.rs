//! Which LicenseServers a pod gets its seats from.
//!
//! The annotation decides; then who has the products; then the chart's default; then the only one
//! in the pod's namespace. Several that have the same are one pool: the pod's claim stands in all
//! their lines, and is served where it comes first. Where none has all, as of two vendors, the
//! claim has parts. The license servers themselves decide again at each claim
//! (`allowedNamespaces`, products, seats): here people only learn it earlier.

use super::hint::nearest;
use super::sells::{Part, parts};
use kube::ResourceExt as _;
use kube::core::{Selector, SelectorExt as _};
use mooring_api::names::{MAX_SERVERS, MOST_ROOTS, ServerRef};
use mooring_api::{LicenseServer, NamespacesFrom};
use mooring_core::annotation::{LICENSES, SERVER};
use mooring_core::request::{Item, print};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The name of a LicenseServer as the annotation writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    /// `None`: the pod's own.
    pub namespace: Option<String>,
    pub name: String,
    /// Where it stands in the annotation, counted from 1.
    pub at: usize,
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
    /// It is, and a sidecar cannot be told of it.
    #[error(
        "LicenseServer {server}: spec.external.roots: ConfigMap {map}, key {key}: expected certificates as PEM of at most {MOST_ROOTS} bytes, and no ';'"
    )]
    BadRoots {
        server: ServerRef,
        map: String,
        key: String,
    },
    /// One that was named before, perhaps otherwise.
    #[error(
        "annotation {SERVER}: character {at}: {server} again, expected each LicenseServer once"
    )]
    Twice { at: usize, server: ServerRef },
    /// No server has all that is asked for, and several have it together, where it must be one.
    #[error(
        "annotation {LICENSES}: no LicenseServer that namespace {namespace} may use has all of these products: {}. {}", who_has_which(.parts), .why
    )]
    Split {
        namespace: String,
        parts: Vec<(String, Vec<ServerRef>)>,
        why: String,
    },
    /// Several to choose from.
    #[error("namespace {namespace} has {} LicenseServers ({}): name one by the annotation {SERVER}", .names.len(), .names.join(", "))]
    Several {
        namespace: String,
        names: Vec<String>,
    },
    /// Nothing was named, and there is none here.
    #[error(
        "which LicenseServer? The pod has no annotation {SERVER}, none that namespace {namespace} may use is known to have its products, Mooring has no default \
         server (chart value defaultServer), and the namespace has no LicenseServer{}", reach(.in_reach)
    )]
    None {
        namespace: String,
        /// Those that this namespace may use.
        in_reach: Vec<String>,
    },
}

/// How many of a list a text names.
const SHOWN: usize = 8;

fn who_has_which(parts: &[(String, Vec<ServerRef>)]) -> String {
    let part = |(items, servers): &(String, Vec<ServerRef>)| {
        let names: Vec<String> = servers.iter().map(ServerRef::to_string).collect();
        let has = if names.len() == 1 { "has" } else { "have" };
        format!("{} {has} {items}", named(&names, " and "))
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    named(&parts, "; ")
}

/// The first of them, and that there are more.
fn named(all: &[String], between: &str) -> String {
    match all.get(..SHOWN) {
        Some(shown) if all.len() > SHOWN => format!("{}{between}…", shown.join(between)),
        _ => all.join(between),
    }
}

fn did_you_mean(hint: Option<&String>) -> String {
    hint.map(|h| format!(" (did you mean {h}?)"))
        .unwrap_or_default()
}

fn reach(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; this namespace may use: {}", named(names, ", "))
    }
}

/// What decides which LicenseServers a pod may use.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceContext<'a> {
    pub namespace: &'a str,
    pub namespace_labels: &'a BTreeMap<String, String>,
    pub default_server: Option<&'a ServerRef>,
    pub servers: &'a [Arc<LicenseServer>],
    /// Its seats are claimed for it before it runs, and so at one server.
    pub alone: bool,
}

impl ChoiceContext<'_> {
    fn may(&self, server: &LicenseServer) -> bool {
        allows(server, self.namespace, self.namespace_labels).is_ok()
    }
}

/// Chooses a pod's LicenseServers, at most [`MAX_SERVERS`] and at least one, each for a part of
/// what it asks for. `wishes`: those that its annotation names.
pub fn choose(
    wishes: &[ServerName],
    items: &[Item],
    context: &ChoiceContext<'_>,
) -> Result<Vec<Part>, NoServer> {
    let whole = |servers| {
        let items = items.to_vec();
        vec![Part { items, servers }]
    };
    let mut chosen = if wishes.is_empty() {
        match by_products(items, context) {
            Some(parts) => parts,
            None => whole(vec![by_default(context)?]),
        }
    } else {
        let named = by_annotation(wishes, context)?;
        // Whoever is named for all is asked for all.
        let parts = parts(items, &named.iter().collect::<Vec<_>>());
        let parts = parts.filter(|p| p.len() > 1 && p.len() <= named.len());
        parts.unwrap_or_else(|| whole(named))
    };
    if let Some(why) = too_many(chosen.len(), context.alone) {
        return Err(split(context, &chosen, why));
    }
    let most = if context.alone {
        1
    } else {
        MAX_SERVERS / chosen.len().max(1)
    };
    for part in &mut chosen {
        if context.alone && wishes.is_empty() {
            // One outside of the cluster reserves nothing.
            part.servers.sort_by_key(|s| s.spec.external.is_some());
        }
        part.servers.truncate(most);
    }
    Ok(chosen)
}

/// Why a claim has no so many parts, if it has not.
fn too_many(parts: usize, alone: bool) -> Option<String> {
    if alone && parts > 1 {
        let why = "A pod that waits before it is scheduled, or is of a group or a Workload, gets all its seats from one license server: let it wait at \
                   startup, or ask for the others in a pod of its own";
        return Some(why.to_owned());
    }
    (parts > MAX_SERVERS).then(|| {
        format!("A pod gets its seats from at most {MAX_SERVERS} license servers: ask for some of them in a pod of its own")
    })
}

fn split(context: &ChoiceContext<'_>, parts: &[Part], why: String) -> NoServer {
    let part = |p: &Part| {
        let servers = p.servers.iter().map(|s| s.reference()).collect();
        (print(&p.items), servers)
    };
    NoServer::Split {
        namespace: context.namespace.to_owned(),
        parts: parts.iter().map(part).collect(),
        why,
    }
}

/// Those that are named, in that order.
fn by_annotation(
    wishes: &[ServerName],
    context: &ChoiceContext<'_>,
) -> Result<Vec<Arc<LicenseServer>>, NoServer> {
    let mut chosen: Vec<Arc<LicenseServer>> = Vec::new();
    for wish in wishes {
        let namespace = wish.namespace.as_deref().unwrap_or(context.namespace);
        let wanted = ServerRef::new(namespace, wish.name.as_str());
        let server = find("annotation mooring.dev/server", &wanted, context)?;
        if chosen.iter().any(|c| c.reference() == wanted) {
            let (at, server) = (wish.at, wanted);
            return Err(NoServer::Twice { at, server });
        }
        chosen.push(server);
    }
    Ok(chosen)
}

/// Those that have the products, by namespace and name: the same order for every pod. `None`: one
/// product is sold nowhere, as far as is known.
fn by_products(items: &[Item], context: &ChoiceContext<'_>) -> Option<Vec<Part>> {
    let goes = |s: &LicenseServer| s.metadata.deletion_timestamp.is_some();
    let may = |s: &&Arc<LicenseServer>| context.may(s) && !goes(s);
    let mut servers: Vec<_> = context.servers.iter().filter(may).collect();
    servers.sort_by_key(|s| s.reference());
    parts(items, &servers)
}

fn by_default(context: &ChoiceContext<'_>) -> Result<Arc<LicenseServer>, NoServer> {
    let by = "Mooring's default server (chart value defaultServer)";
    match context.default_server {
        Some(wanted) => find(by, wanted, context),
        None => only_one(context),
    }
}

/// The server of this name, if it is there and takes pods of this namespace. `by`: what names it.
fn find(
    by: &'static str,
    wanted: &ServerRef,
    context: &ChoiceContext<'_>,
) -> Result<Arc<LicenseServer>, NoServer> {
    let mut servers = context.servers.iter();
    let Some(server) = servers.find(|s| s.reference() == *wanted) else {
        let in_reach = in_reach(context);
        let hint = nearest(&wanted.to_string(), in_reach.iter().map(String::as_str));
        return Err(NoServer::NotFound {
            by,
            server: wanted.clone(),
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
