//! Which LicenseServers are one pool to a pod, and what people read where none has all.

use super::servers::{Cluster, all, sells};
use super::*;
use mooring_api::names::{MAX_SERVERS, ServerRef};
use std::sync::Arc;

fn items(text: &str) -> Vec<mooring_core::request::Item> {
    mooring_core::request::parse(text).unwrap()
}

fn warnings(asks: &str, servers: &[Arc<LicenseServer>]) -> Vec<String> {
    license_warnings(&Part {
        items: items(asks),
        servers: servers.to_vec(),
    })
}

#[test]
fn who_has_the_products_is_chosen_by_namespace_and_name_whatever_the_default_is() {
    let mut w = Cluster::new(vec![
        sells("studio/own", json!({"denoise": 9})),
        sells("licensing/b", json!({"render": 2, "denoise": 9})),
        sells("other/a", json!({"render": 4})),
        sells("licensing/a", json!({"render": 8})),
    ]);
    w.default = Some(ServerRef::new("studio", "own"));
    for (asks, chosen) in [
        ("render", "licensing/a licensing/b other/a"),
        ("RENDER", "licensing/a licensing/b other/a"),
        ("render,denoise", "licensing/b"),
        // Too few seats are none, but where nobody has more.
        ("render:3", "licensing/a other/a"),
        ("render:5", "licensing/a"),
        ("render:99", "licensing/a licensing/b other/a"),
        // So is a version that is not covered.
        ("render@2026.1:8", "licensing/a"),
        ("render@2031", "licensing/a licensing/b other/a"),
        // Nobody is known to sell it.
        ("zbrush", "studio/own"),
        ("render,zbrush", "studio/own"),
    ] {
        let got = w.choose_for(None, asks, false).unwrap();
        assert_eq!(got, chosen, "{asks}");
        let first = chosen.split(' ').next().unwrap();
        assert_eq!(
            w.choose_for(None, asks, true).unwrap(),
            first,
            "{asks}, alone"
        );
    }
    let named = w.choose_for(Some("licensing/b,own"), "render", false);
    assert_eq!(named.unwrap(), "licensing/b studio/own", "as it is named");
}

#[test]
fn whom_a_namespace_may_not_use_or_who_goes_is_in_no_pool() {
    let mut hidden = sells("licensing/a", json!({"render": 9}));
    hidden.spec.allowed_namespaces = serde_json::from_value(json!({"from": "Same"})).unwrap();
    let mut goes = sells("licensing/b", json!({"render": 9}));
    let now = mooring_core::time::Timestamp::UNIX_EPOCH;
    goes.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    let stays = sells("licensing/c", json!({"render": 1}));
    let w = Cluster::new(vec![hidden, goes, stays]);
    assert_eq!(w.choose_for(None, "render", false).unwrap(), "licensing/c");
}

#[test]
fn who_does_not_list_all_that_it_sells_is_asked_where_nobody_is_known_to_have_it() {
    let mut long = sells("licensing/long", json!({"render": 9, "flow": 1}));
    long.status.as_mut().unwrap().products_in_all = Some(1001);
    let w = Cluster::new(vec![long, sells("licensing/z", json!({"render": 9}))]);
    for (asks, chosen) in [
        ("render", "licensing/long licensing/z"),
        ("zbrush", "licensing/long"),
        ("render,zbrush", "licensing/long"),
        ("flow:2", "licensing/long"),
    ] {
        assert_eq!(w.choose_for(None, asks, false).unwrap(), chosen, "{asks}");
    }
}

#[test]
fn products_of_which_no_server_has_all_are_parts_of_those_that_have_them() {
    let w = Cluster::new(vec![
        sells("licensing/a", json!({"render": 2, "mesh": 1})),
        sells("licensing/b", json!({"denoise": 2})),
        sells("licensing/c", json!({"render": 2, "mesh": 9})),
    ]);
    let asks = "render:2,denoise,mesh";
    let parts = w.choose_for(None, asks, false).unwrap();
    assert_eq!(parts, "licensing/a licensing/c; licensing/b");
    let named = w.choose_for(Some("licensing/b,licensing/a"), asks, false);
    assert_eq!(named.unwrap(), "licensing/a; licensing/b");
    // Who says which server is to have it is believed.
    let named = w.choose_for(Some("licensing/b"), "render,denoise", false);
    assert_eq!(named.unwrap(), "licensing/b");
    assert_eq!(
        w.choose_for(None, asks, true).unwrap_err().to_string(),
        "annotation mooring.dev/licenses: no LicenseServer that namespace studio may use has all of these products: \
         licensing/a and licensing/c have render:2,mesh; licensing/b has denoise. A pod that waits before it is scheduled, or is of a group or a \
         Workload, gets all its seats from one license server: let it wait at startup, or ask for the others in a pod of its own"
    );
}

#[test]
fn a_claim_has_a_bound_of_parts_and_its_pools_share_that() {
    let vendor = |i| sells(&format!("licensing/s{i:02}"), json!({format!("p{i}"): 2}));
    let w = Cluster::new((0..20).map(vendor).collect());
    let asks = |n: usize| {
        (0..n)
            .map(|i| format!("p{i}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let most = w.choose_for(None, &asks(MAX_SERVERS), false).unwrap();
    assert_eq!(most.split("; ").count(), MAX_SERVERS);
    let said = w
        .choose_for(None, &asks(MAX_SERVERS + 1), false)
        .unwrap_err();
    assert!(
        said.to_string().contains("at most 8 license servers"),
        "{said}"
    );
    let many = (0..9).map(|i| sells(&format!("licensing/r{i}"), json!({"render": 2})));
    let other = [sells("licensing/z", json!({"denoise": 1}))];
    let w = Cluster::new(many.chain(other).collect());
    let parts = w.choose_for(None, "render,denoise", false).unwrap();
    assert_eq!(
        parts,
        "licensing/r0 licensing/r1 licensing/r2 licensing/r3; licensing/z"
    );
}

#[test]
fn a_pool_has_a_bound() {
    let many = (0..20).map(|i| sells(&format!("licensing/s{i:02}"), json!({"render": 2})));
    let w = Cluster::new(many.collect());
    let chosen = w.choose_for(None, "render", false).unwrap();
    assert_eq!(chosen.split(' ').count(), MAX_SERVERS);
    assert!(chosen.starts_with("licensing/s00 ") && chosen.ends_with(" licensing/s07"));
}

#[test]
fn of_several_that_are_named_each_is_there_is_allowed_and_is_named_once() {
    let mut hidden = sells("licensing/hidden", json!({}));
    hidden.spec.allowed_namespaces = serde_json::from_value(json!({"from": "Same"})).unwrap();
    let w = Cluster::new(vec![
        server("studio", "own", all()),
        server("licensing", "main", all()),
        hidden,
    ]);
    let said = |wish: &str| {
        let got = w.choose_for(Some(wish), "render", false);
        got.unwrap_err().to_string()
    };
    assert_eq!(
        said("own,licensing/main,studio/own"),
        "annotation mooring.dev/server: character 20: studio/own again, expected each LicenseServer once"
    );
    assert!(said("own,licensing/mian").contains("(did you mean licensing/main?)"));
    assert!(
        said("own,licensing/hidden").starts_with("LicenseServer licensing/hidden does not take")
    );
    let all = w.choose_for(Some("licensing/main,own"), "render", false);
    assert_eq!(all.unwrap(), "licensing/main studio/own");
    let first = w.choose_for(Some("licensing/main,own"), "render", true);
    assert_eq!(first.unwrap(), "licensing/main");
}

#[test]
fn whose_seats_are_claimed_before_it_runs_has_one_server_and_is_told_so() {
    let told = |annotations: Value, labels: Value| {
        let mut pod = simple(annotations);
        pod["metadata"]["labels"] = labels;
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let requested = requested(&pod).unwrap().unwrap();
        (
            is_alone(&pod, &requested),
            alone_warning(&pod, &requested).is_some(),
        )
    };
    let two = || json!({"licenses": "a", "server": "a,b"});
    assert_eq!(told(two(), json!({})), (false, false));
    for label in ["kueue.x-k8s.io/managed", "kueue.x-k8s.io/queue-name"] {
        assert_eq!(told(two(), json!({label: "x"})), (true, true), "{label}");
    }
    let mut waits = two();
    waits["wait"] = json!("scheduling");
    assert_eq!(told(waits, json!({})), (true, true));
    let of_kueue = json!({"licenses": "a", "server": "a", "reservation": "w"});
    assert_eq!(told(of_kueue, json!({})), (true, false), "it names one");
}

#[test]
fn a_pool_is_doubted_only_where_none_of_it_can_and_by_the_one_that_lacks_least() {
    let pool = |seats: [u32; 2]| {
        let named = ["licensing/a", "licensing/b"].into_iter().zip(seats);
        let servers = named.map(|(name, n)| Arc::new(sells(name, json!({"render": n}))));
        servers.collect::<Vec<_>>()
    };
    assert_eq!(warnings("render:5", &pool([2, 5])), [""; 0]);
    assert_eq!(
        warnings("render:5", &pool([2, 3])),
        [
            "render:5 asks for more than there is: the license of LicenseServer licensing/b has 3 seats of it; \
             none of its 2 LicenseServers has more, and a claim is never split"
        ],
        "not 2 + 3"
    );
    let mut silent = pool([2, 3]);
    silent.push(Arc::new(server("licensing", "new", all())));
    assert_eq!(warnings("render:5", &silent), [""; 0]);
    assert_eq!(warnings("render:5", &[]), [""; 0]);
}

type Pairs = Vec<(String, String)>;

/// The sidecar's variables, and the paths of its tokens by audience.
fn told(pod: &Value) -> (Pairs, Pairs) {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let env = sidecar_of(pod)["env"].as_array().unwrap().iter();
    let env = env.map(|e| (text(&e["name"]), text(&e["value"])));
    let volumes = pod["spec"]["volumes"].as_array().unwrap().iter();
    let token = volumes.filter(|v| v["name"] == "mooring-token");
    let sources = token.flat_map(|v| v["projected"]["sources"].as_array().unwrap());
    let tokens = sources.map(|s| &s["serviceAccountToken"]);
    let tokens = tokens.map(|t| (text(&t["audience"]), text(&t["path"])));
    (env.collect(), tokens.collect())
}

fn targets() -> Vec<SidecarTarget> {
    let at = |name: &str, ip: Option<&str>| {
        let (namespace, name) = name.split_once('/').unwrap();
        let service = ip.map(|ip| {
            let ips = json!({"spec": {"clusterIP": ip, "clusterIPs": [ip, "fd00::7"]}});
            serde_json::from_value::<Service>(ips).unwrap()
        });
        SidecarTarget::new(
            &items("render"),
            &server(namespace, name, all()),
            service.as_ref(),
        )
    };
    vec![
        at("licensing/a", Some("10.96.0.7")),
        at("other/a", None),
        at("licensing/b", Some("10.96.0.9")),
    ]
}

#[test]
fn a_sidecar_of_several_servers_is_told_of_each_and_has_a_token_for_each_namespace() {
    let mut targets = targets();
    targets[1].optimistic_start = Some("deny".into());
    targets[2].max_grace = "10m".parse().unwrap();
    let pod = simple(json!({"licenses": "render"}));
    let (after, _) = inject_for(&pod, &settings(), &targets).unwrap();
    let (env, tokens) = told(&after);
    let dir = "/var/run/secrets/mooring.dev";
    for (name, value) in [
        (
            "MOORING_SERVER",
            "https://a.licensing.svc:8443;https://a.other.svc:8443;https://b.licensing.svc:8443",
        ),
        (
            "MOORING_ADDRESSES",
            "10.96.0.7:8443,[fd00::7]:8443;;10.96.0.9:8443,[fd00::7]:8443",
        ),
        (
            "MOORING_TOKEN_FILE",
            &format!("{dir}/token;{dir}/token-2;{dir}/token"),
        ),
        ("MOORING_OPTIMISTIC_START", ";deny;"),
        ("MOORING_MAX_GRACE", "8h;8h;10m"),
        ("MOORING_ROOTS", "PEM"),
    ] {
        let got = env.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(got, Some(value), "{name}");
    }
    assert!(!env.iter().any(|(name, _)| name == "MOORING_VOUCHER"));
    let audience = |a: &str, path: &str| (format!("mooring.dev/{a}"), path.to_owned());
    assert_eq!(
        tokens,
        [audience("licensing", "token"), audience("other", "token-2")]
    );
    let (again, operations) = inject_for(&after, &settings(), &targets).unwrap();
    assert_eq!((operations, again), (0, after), "a second pass");
}

#[test]
fn of_what_each_part_asks_for_there_is_an_entry_for_each_server() {
    let mut targets = targets();
    targets[2].licenses = "denoise:2".into();
    let pod = simple(json!({"licenses": "render, denoise:2"}));
    let (after, _) = inject_for(&pod, &settings(), &targets).unwrap();
    let (env, _) = told(&after);
    let licenses = env.iter().find(|(name, _)| name == "MOORING_LICENSES");
    assert_eq!(
        licenses.map(|(_, v)| v.as_str()),
        Some("render;render;denoise:2")
    );
    let (again, operations) = inject_for(&after, &settings(), &targets).unwrap();
    assert_eq!((operations, again), (0, after), "a second pass");
}

#[test]
fn what_is_alike_at_all_servers_is_said_once() {
    let mut targets = targets();
    targets.remove(1);
    for t in &mut targets {
        (t.voucher, t.optimistic_start) = (Some("V".into()), Some("voucher".into()));
    }
    let pod = simple(json!({"licenses": "render"}));
    let (env, tokens) = told(&inject_for(&pod, &settings(), &targets).unwrap().0);
    let value = |name: &str| env.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!(
        value("MOORING_TOKEN_FILE"),
        "/var/run/secrets/mooring.dev/token"
    );
    assert_eq!(value("MOORING_VOUCHER"), "V");
    assert_eq!(value("MOORING_MAX_GRACE"), "8h");
    assert_eq!(tokens.len(), 1);
}

#[test]
fn meshes_leave_the_ports_of_all_servers_alone() {
    let mut targets = targets();
    targets[1].port = 9443;
    let key = "traffic.sidecar.istio.io/excludeOutboundPorts";
    let pod = simple(json!({"licenses": "render", key: "5432"}));
    let (after, _) = inject_for(&pod, &settings(), &targets).unwrap();
    assert_eq!(after["metadata"]["annotations"][key], "5432,8443,9443");
    assert_eq!(inject_for(&after, &settings(), &targets).unwrap().1, 0);
}
