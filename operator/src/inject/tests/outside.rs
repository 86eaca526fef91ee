//! A pod of a license server outside of the cluster, alone or beside others.

use super::servers::{Cluster, all, sells};
use super::*;
use mooring_api::External;
use std::collections::BTreeMap;

/// A LicenseServer for a server outside of the cluster, in reach of everybody, that sells render.
fn outside(name: &str) -> LicenseServer {
    let mut server = sells(name, json!({"render": 2}));
    let external: External = serde_json::from_value(json!({
        "address": format!("https://{}.example.com:9443", name.split_once('/').unwrap().1),
        "addresses": ["172.30.0.9:9443"],
        "roots": { "configMapName": "roots" },
        "issuer": { "secretName": "issuer", "subjects": "pod:a/" },
    }))
    .unwrap();
    server.spec.external = Some(external);
    server
}

fn target_of(name: &str, roots: &str) -> SidecarTarget {
    let (server, items) = (outside(name), mooring_core::request::parse("render"));
    let external = server.spec.external.clone().unwrap();
    SidecarTarget::outside(&items.unwrap(), &server, &external, roots.into())
}

/// A pod that is injected for these, in this review.
fn injected(pod: &Value, targets: &[SidecarTarget], review: &str) -> Result<Value, Refusal> {
    let typed: Pod = serde_json::from_value(pod.clone()).unwrap();
    let requested = requested(&typed)?.unwrap();
    let ctx = InjectContext {
        targets,
        roots: "OURS",
        settings: &settings(),
        review,
    };
    let patch = mutate(pod.clone(), &typed, &requested, &ctx)?;
    let mut after = pod.clone();
    let patch: Patch = serde_json::from_slice(&serde_json::to_vec(&patch).unwrap()).unwrap();
    json_patch::patch(&mut after, &patch).unwrap();
    Ok(after)
}

fn env_of(pod: &Value) -> BTreeMap<String, String> {
    let env = sidecar_of(pod)["env"].as_array().unwrap().iter();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    env.map(|v| (text(&v["name"]), text(&v["value"]))).collect()
}

fn sources_of(pod: &Value) -> Vec<Value> {
    let mut volumes = pod["spec"]["volumes"].as_array().unwrap().iter();
    let token = volumes.find(|v| v["name"] == "mooring-token").unwrap();
    token["projected"]["sources"].as_array().unwrap().clone()
}

#[test]
fn a_pod_of_a_server_outside_of_the_cluster_gets_the_operators_token() {
    let target = target_of("licensing/out", "THEIRS");
    assert_eq!(target.port, 9443);
    assert!(
        !SidecarTarget {
            addresses: Vec::new(),
            ..target.clone()
        }
        .is_unfound()
    );
    let pod = simple(json!({ "licenses": "render" }));
    let after = injected(&pod, std::slice::from_ref(&target), "r-1").unwrap();
    let env = env_of(&after);
    for (name, value) in [
        ("MOORING_SERVER", "https://out.example.com:9443"),
        ("MOORING_LICENSE_SERVER", "licensing/out"),
        ("MOORING_ADDRESSES", "172.30.0.9:9443"),
        ("MOORING_ROOTS", "THEIRS"),
    ] {
        assert_eq!(env[name], value, "{name}");
    }
    let sources = sources_of(&after);
    assert!(
        sources.len() == 1 && sources[0].get("serviceAccountToken").is_none(),
        "{sources:?}"
    );
    let secret = &sources[0]["secret"];
    let name = secret["name"].as_str().unwrap();
    assert!(name.starts_with("mooring-token-"), "{name}");
    let file = json!([{ "key": "licensing.out", "path": "token" }]);
    assert_eq!(secret["items"], file);
    // The next review of the same pod changes nothing.
    let again = injected(&after, std::slice::from_ref(&target), "r-2").unwrap();
    assert_eq!(again, after);

    let gated = simple(json!({ "licenses": "render", "wait": "scheduling" }));
    let e = injected(&gated, &[target], "r-3").unwrap_err();
    assert!(
        e.to_string()
            .contains("licensing/out, which is outside of the cluster"),
        "{e}"
    );
}

#[test]
fn beside_servers_of_the_cluster_each_has_its_own_token_and_roots() {
    let pod = simple(json!({ "licenses": "render" }));
    let targets = [
        target_of("licensing/a", "A'S"),
        target(),
        target_of("licensing/b", "B'S"),
    ];
    let after = injected(&pod, &targets, "r-1").unwrap();
    let (env, dir) = (env_of(&after), "/var/run/secrets/mooring.dev");
    for (name, value) in [
        ("MOORING_LICENSE_SERVER", "licensing/a;;licensing/b"),
        ("MOORING_ROOTS", "A'S;OURS;B'S"),
        (
            "MOORING_TOKEN_FILE",
            &format!("{dir}/token;{dir}/token-2;{dir}/token-3"),
        ),
    ] {
        assert_eq!(env[name], value, "{name}");
    }
    let sources = sources_of(&after);
    let item = |n: usize| &sources[n]["secret"]["items"][0];
    assert_eq!(item(0), &json!({ "key": "licensing.a", "path": "token" }));
    assert_eq!(sources[1]["serviceAccountToken"]["path"], "token-2");
    assert_eq!(item(2), &json!({ "key": "licensing.b", "path": "token-3" }));
    assert_eq!(sources[0]["secret"]["name"], sources[2]["secret"]["name"]);
    assert_eq!(injected(&after, &targets, "r-2").unwrap(), after);
}

#[test]
fn who_has_the_products_is_found_outside_too_but_not_for_who_must_be_reserved_for() {
    let inside = sells("licensing/main", json!({"render": 2}));
    let w = Cluster::new(vec![outside("licensing/a"), inside]);
    let chosen = |alone| w.choose_for(None, "render", alone).unwrap();
    assert_eq!(chosen(false), "licensing/a licensing/main");
    assert_eq!(chosen(true), "licensing/main");
    // Who names it is told what it cannot.
    let named = w.choose_for(Some("licensing/a"), "render", true);
    assert_eq!(named.unwrap(), "licensing/a");
    let w = Cluster::new(vec![
        server("licensing", "main", all()),
        outside("licensing/a"),
    ]);
    assert_eq!(w.choose_for(None, "render", true).unwrap(), "licensing/a");
}
