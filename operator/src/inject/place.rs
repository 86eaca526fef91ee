//! Living together with service meshes: where the sidecar stands among the init containers, and
//! which ports a mesh leaves alone.

/// Containers that service meshes inject: Istio, Linkerd, Consul, Kuma, App Mesh, Open Service
/// Mesh, NGINX Service Mesh.
const MESH: [&str; 15] = [
    "istio-init",
    "istio-validation",
    "istio-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "linkerd-proxy",
    "consul-connect-inject-init",
    "consul-dataplane",
    "kuma-init",
    "kuma-validation",
    "kuma-sidecar",
    "proxyinit",
    "osm-init",
    "nginx-mesh-init",
    "nginx-mesh-sidecar",
];

/// Annotations by which meshes leave outbound ports alone: lists of ports and ranges.
pub(super) const EXCLUDED_PORTS: [&str; 6] = [
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "config.linkerd.io/skip-outbound-ports",
    "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports",
    "traffic.kuma.io/exclude-outbound-ports",
    "openservicemesh.io/outbound-port-exclusion-list",
    "config.nsm.nginx.com/ignore-outgoing-ports",
];

/// Init containers that put a pod's data back before anything else may run: Velero's, as it is
/// called now and as it was.
const RESTORES: [&str; 2] = ["restore-wait", "restic-wait"];

/// Whether a mesh put this container there.
pub(super) fn of_a_mesh(name: &str) -> bool {
    MESH.contains(&name)
}

/// Where the sidecar goes among the other init containers, given by name and whether they are
/// sidecars: after a mesh's (what a mesh sets up first, and its proxy), a restore's and those that
/// the pod names, before the user's others. A mesh's init container behind the user's stays behind.
pub(super) fn position<'a>(
    others: impl Iterator<Item = (&'a str, bool)>,
    named: impl Fn(&str) -> bool,
) -> usize {
    let mut at = 0;
    let mut leading = true;
    for (i, (name, sidecar)) in others.enumerate() {
        leading &= of_a_mesh(name) || RESTORES.contains(&name);
        if leading || (of_a_mesh(name) && sidecar) || named(name) {
            at = i + 1;
        }
    }
    at
}

/// The list with all of these ports in it; `None` if they were there already.
pub(super) fn with_ports(list: Option<&str>, ports: impl Iterator<Item = u16>) -> Option<String> {
    let mut longer: Option<String> = None;
    for port in ports {
        longer = with_port(longer.as_deref().or(list), port).or(longer);
    }
    longer
}

/// The list with `port` in it; `None` if it was there already, alone or within a range.
fn with_port(list: Option<&str>, port: u16) -> Option<String> {
    let list = list.unwrap_or_default().trim();
    let covers = |entry: &str| match entry.trim().split_once('-') {
        Some((from, to)) => match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
            (Ok(from), Ok(to)) => (from..=to).contains(&port),
            _ => false,
        },
        None => entry.trim().parse() == Ok(port) || entry.trim() == "*",
    };
    if list.split(',').any(covers) {
        None
    } else if list.is_empty() {
        Some(port.to_string())
    } else {
        Some(format!("{},{port}", list.trim_end_matches(',')))
    }
}

#[cfg(test)]
mod tests;
