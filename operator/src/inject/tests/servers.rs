//! Which LicenseServer a pod gets, and what people read where there is none.

use super::super::server::NoServer;
use super::*;
use mooring_api::LicenseServerStatus;
use mooring_api::names::ServerRef;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct Cluster {
    servers: Vec<Arc<LicenseServer>>,
    pub(super) default: Option<ServerRef>,
    labels: BTreeMap<String, String>,
}

impl Cluster {
    pub(super) fn new(servers: Vec<LicenseServer>) -> Self {
        let labels = BTreeMap::from([("team".to_owned(), "vfx".to_owned())]);
        Self {
            servers: servers.into_iter().map(Arc::new).collect(),
            default: None,
            labels,
        }
    }

    /// For a pod with this annotation that asks for something nobody sells.
    fn choose(&self, wish: Option<&str>) -> Result<String, NoServer> {
        self.choose_for(wish, "anything", false)
    }

    /// The names of those that a pod gets, with a blank between them.
    pub(super) fn choose_for(
        &self,
        wish: Option<&str>,
        asks: &str,
        alone: bool,
    ) -> Result<String, NoServer> {
        let mut annotations = BTreeMap::from([("mooring.dev/licenses".into(), asks.into())]);
        annotations.extend(wish.map(|w| ("mooring.dev/server".to_owned(), w.to_owned())));
        let requested = Requested::read(&annotations).unwrap().unwrap();
        let context = ChoiceContext {
            namespace: "studio",
            namespace_labels: &self.labels,
            default_server: self.default.as_ref(),
            servers: &self.servers,
            alone,
        };
        let chosen = choose(&requested.servers, &requested.items, &context)?;
        let part = |p: &Part| {
            let names = p.servers.iter().map(|s| s.reference().to_string());
            names.collect::<Vec<_>>().join(" ")
        };
        let parts: Vec<String> = chosen.iter().map(part).collect();
        Ok(parts.join("; "))
    }

    fn said(&self, wish: Option<&str>) -> String {
        self.choose(wish).unwrap_err().to_string()
    }
}

pub(super) fn all() -> Value {
    json!({"from": "All"})
}

fn warned(items: &[mooring_core::request::Item], server: &LicenseServer) -> Vec<String> {
    license_warnings(&Part {
        items: items.to_vec(),
        servers: vec![Arc::new(server.clone())],
    })
}

/// A server in reach of everybody that sells these, each with so many seats.
pub(super) fn sells(name: &str, products: Value) -> LicenseServer {
    let (namespace, name) = name.split_once('/').unwrap();
    let mut server = server(namespace, name, all());
    let products = products.as_object().unwrap().iter().map(|(name, seats)| {
        json!({"name": name, "seats": seats, "used": 0, "waiting": 0, "versions": [{"from": "2024", "to": "2027"}]})
    });
    let products: Vec<Value> = products.collect();
    server.status = Some(serde_json::from_value(json!({ "products": products })).unwrap());
    server
}

#[test]
fn the_annotation_then_the_default_then_the_only_one_here() {
    let mut w = Cluster::new(vec![
        server("studio", "own", json!({})),
        server("licensing", "main", all()),
    ]);
    assert_eq!(w.choose(None).unwrap(), "studio/own");
    assert_eq!(w.choose(Some("own")).unwrap(), "studio/own");
    assert_eq!(w.choose(Some("licensing/main")).unwrap(), "licensing/main");
    w.default = Some(ServerRef::new("licensing", "main"));
    assert_eq!(w.choose(None).unwrap(), "licensing/main");
    assert_eq!(w.choose(Some("own")).unwrap(), "studio/own");
}

#[test]
fn what_is_missing_is_named_with_what_there_is() {
    let mut w = Cluster::new(vec![
        server("licensing", "main", all()),
        server("secret", "hidden", json!({"from": "Same"})),
    ]);
    assert_eq!(
        w.said(None),
        "which LicenseServer? The pod has no annotation mooring.dev/server, none that namespace studio may use is known to have its products, \
         Mooring has no default server (chart value defaultServer), and the namespace has no LicenseServer; this namespace may use: licensing/main"
    );
    assert_eq!(
        w.said(Some("main")),
        "annotation mooring.dev/server: there is no LicenseServer studio/main; this namespace may use: licensing/main"
    );
    assert_eq!(
        w.said(Some("licensing/mian")),
        "annotation mooring.dev/server: there is no LicenseServer licensing/mian (did you mean licensing/main?); this namespace may use: licensing/main"
    );
    w.default = Some(ServerRef::new("licensing", "gone"));
    assert!(
        w.said(None).starts_with(
            "Mooring's default server (chart value defaultServer): there is no LicenseServer licensing/gone"
        )
    );
    let w = Cluster::new(vec![
        server("studio", "b", json!({})),
        server("studio", "a", json!({})),
    ]);
    assert_eq!(
        w.said(None),
        "namespace studio has 2 LicenseServers (a, b): name one by the annotation mooring.dev/server"
    );
    assert!(
        !Cluster::new(vec![])
            .said(None)
            .contains("this namespace may use")
    );
}

#[test]
fn allowed_namespaces_are_kept_to() {
    let by =
        |label: &str| json!({"from": "Selector", "selector": {"matchLabels": {"team": label}}});
    let w = Cluster::new(vec![
        server("licensing", "same", json!({"from": "Same"})),
        server("licensing", "vfx", by("vfx")),
        server("licensing", "audio", by("audio")),
    ]);
    assert_eq!(w.choose(Some("licensing/vfx")).unwrap(), "licensing/vfx");
    assert_eq!(
        w.said(Some("licensing/same")),
        "LicenseServer licensing/same does not take pods of namespace studio: its spec.allowedNamespaces says from: Same (only its own namespace). \
         Ask its owner to allow the namespace there; this namespace may use: licensing/vfx"
    );
    assert!(
        w.said(Some("licensing/audio"))
            .contains("this namespace's labels do not match")
    );
    // The only one in the pod's own namespace is there, though it takes no pod of it.
    let w = Cluster::new(vec![server("studio", "own", by("audio"))]);
    assert!(
        w.said(None)
            .starts_with("LicenseServer studio/own does not take pods of namespace studio"),
        "{}",
        w.said(None)
    );
}

#[test]
fn a_request_beyond_the_license_is_doubted_not_refused() {
    let mut s = server("licensing", "main", all());
    let items = |text: &str| mooring_core::request::parse(text).unwrap();
    assert!(
        warned(&items("anything:99"), &s).is_empty(),
        "nothing known, nothing said"
    );
    s.status = Some(
        serde_json::from_value(json!({"products": [
            {"name": "render", "seats": 2, "used": 2, "waiting": 0}, {"name": "denoise", "seats": 5, "used": 0, "waiting": 0, "versions": [{"from": "2024.2", "to": "2027"}]},
        ]}))
        .unwrap(),
    );
    assert!(warned(&items("render:2,denoise"), &s).is_empty());
    assert!(warned(&items("render@9,denoise@v2026.1"), &s).is_empty());
    // Case makes no other product.
    assert!(warned(&items("RENDER:2,Denoise@2026.1"), &s).is_empty());
    assert_eq!(
        warned(&items("denoise@2030.1"), &s),
        [
            "denoise@2030.1 is not covered: the license of LicenseServer licensing/main covers 2024.2 to 2027"
        ]
    );
    assert_eq!(
        warned(&items("render:3,rendr,zbrush"), &s),
        [
            "render:3 asks for more than there is: the license of LicenseServer licensing/main has 2 seats of it",
            "the license of LicenseServer licensing/main has no product rendr (did you mean render?)",
            "the license of LicenseServer licensing/main has no product zbrush (it has: render, denoise)",
        ]
    );
}

#[test]
fn a_license_of_many_products_is_named_in_part_and_not_judged_beyond_what_is_known() {
    let mut s = server("licensing", "main", all());
    let items = |s: &str| mooring_core::request::parse(s).unwrap();
    let product = |i: usize| json!({"name": format!("p{i}"), "seats": 1, "used": 0, "waiting": 0});
    let mut status = json!({"products": (0..1000).map(product).collect::<Vec<_>>()});
    s.status = Some(serde_json::from_value(status.clone()).unwrap());
    let said = warned(&items("zbrush"), &s);
    assert_eq!(said.len(), 1);
    let ends = said[0].ends_with("p18, p19 and 980 more)");
    assert!(
        ends && said[0].contains("no product zbrush (it has: p0, p1, "),
        "{said:?}"
    );
    // Which the others are, the status does not say.
    status["productsInAll"] = 1001.into();
    s.status = Some(serde_json::from_value(status).unwrap());
    assert_eq!(warned(&items("zbrush"), &s), [""; 0]);
    assert_eq!(warned(&items("p3:2"), &s).len(), 1);
}

#[test]
fn a_sidecar_is_told_what_the_license_says_of_starts_without_a_server() {
    let mut s = server("licensing", "main", all());
    let told = |s: &LicenseServer| {
        let t = SidecarTarget::new(&[], s, None);
        (t.optimistic_start, t.voucher)
    };
    assert_eq!(told(&s), (None, None));
    s.spec.voucher = Some("-----BEGIN MOORING VOUCHER-----".into());
    for (says, expected) in [("allow", None), ("deny", Some("deny"))] {
        let status: LicenseServerStatus =
            serde_json::from_value(json!({ "optimisticStart": says })).unwrap();
        s.status = Some(status);
        let (start, voucher) = told(&s);
        assert_eq!(start.as_deref(), expected);
        assert!(voucher.is_some());
    }
}

#[test]
fn a_sidecar_goes_on_no_longer_than_its_server_would_let_it() {
    let mut s = server("licensing", "main", all());
    let mut told = |spec: &str, status: Value| {
        s.spec.lease.grace = spec.parse().unwrap();
        s.status = serde_json::from_value(status).unwrap();
        SidecarTarget::new(&[], &s, None).max_grace.to_string()
    };
    assert_eq!(told("10m", json!(null)), "10m");
    assert_eq!(told("24h", json!(null)), "8h", "a license may say nothing");
    assert_eq!(told("24h", json!({ "grace": "24h" })), "24h");
    assert_eq!(told("8h", json!({ "grace": "1h" })), "1h", "a license");
    assert_eq!(told("30m", json!({ "grace": "1h" })), "30m", "since then");
}

#[test]
fn a_target_without_a_service_is_resolved_by_name() {
    let t = SidecarTarget::new(&[], &server("licensing", "main", all()), None);
    assert_eq!(
        (t.url.as_str(), t.addresses.len(), &t.token),
        (
            "https://main.licensing.svc:8443",
            0,
            &TokenOf::Account {
                audience: "mooring.dev/licensing".into()
            }
        )
    );
}
