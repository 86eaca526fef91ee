#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use super::*;
use serde_json::{Value, json};

fn license_server(change: impl FnOnce(&mut Value)) -> LicenseServer {
    let mut v = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
        "metadata": { "name": "main", "namespace": "licensing", "uid": "11111111-2222-3333-4444-555555555555" },
        "spec": {
            "license": { "secretName": "licence" },
            "vendorKeys": { "configMapName": "keys" },
            "anchor": { "pkcs11": { "module": "/m.so", "tokenLabel": "mooring", "pinSecret": { "name": "pin" } } },
            "placement": { "nodeSelector": { "mooring.dev/anchor": "main", "kubernetes.io/arch": "amd64" } },
            "template": { "env": [{ "name": "SOFTHSM2_CONF", "value": "/a/c" }], "hostPaths": [{ "path": "/var/lib/anchor", "mountPath": "/a" }] }
        }
    });
    change(&mut v);
    serde_json::from_value(v).unwrap()
}

struct Case {
    server: LicenseServer,
    reference: ServerRef,
    defaults: Defaults,
    policies: Policies,
    in_force: u64,
}

fn case(change: impl FnOnce(&mut Value)) -> Case {
    Case {
        server: license_server(change),
        reference: ServerRef::new("licensing", "main"),
        defaults: Defaults {
            server_image: "mooring-server:1".into(),
            tokenreview_role: "mooring-server-tokenreviews".into(),
            image_pull_secrets: vec![],
        },
        policies: Policies {
            allowed_namespaces: Some(vec!["licensing".into()]),
        },
        in_force: 30,
    }
}

impl Case {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            server: &self.server,
            reference: &self.reference,
            defaults: &self.defaults,
            in_force: Duration::from_secs(self.in_force),
            policies: &self.policies,
        }
    }

    fn hash(&self) -> String {
        config_hash(&server_config(&self.inputs())).unwrap()
    }

    fn pod(&self) -> Value {
        let set = stateful_set(&self.inputs(), &self.hash());
        serde_json::to_value(set.spec.unwrap().template).unwrap()
    }

    fn config(&self) -> (Value, Value) {
        let map = config_map(&self.inputs(), &server_config(&self.inputs())).unwrap();
        let data = map.data.unwrap();
        (
            serde_yaml::from_str(&data["config.yaml"]).unwrap(),
            serde_yaml::from_str(&data["policies.yaml"]).unwrap(),
        )
    }
}

#[test]
fn the_configuration_is_the_contracts() {
    let (config, policies) = case(|_| ()).config();
    assert_eq!(
        config,
        json!({
            "name": "main", "namespace": "licensing", "listen": "[::]:8443", "health": "[::]:8081",
            "tls": { "cert": "/etc/mooring/tls/tls.crt", "key": "/etc/mooring/tls/tls.key", "clientCa": "/etc/mooring/tls/ca.crt" },
            "licence": "/etc/mooring/licence/licence.mooring",
            "vendorKeys": "/etc/mooring-vendor-keys",
            "anchor": { "pkcs11": { "module": "/m.so", "tokenLabel": "mooring", "pinFile": "/etc/mooring/pin/pin" } },
            "lease": { "durationSecs": 30, "graceSecs": 28800, "reclaim": "Any" },
            "earlierLongestLeaseSecs": 30,
            "stateDir": "/var/lib/mooring",
            "identityKey": "/etc/mooring/identity/key",
            "policies": "/etc/mooring/policies.yaml",
            "tokenReview": true
        })
    );
    assert_eq!(policies, json!({ "allowedNamespaces": ["licensing"] }));
}

#[test]
fn only_what_needs_a_restart_rolls_the_pod() {
    let before = case(|_| ()).hash();
    let mut raised = case(|_| ());
    raised.in_force = 300;
    assert_eq!(
        raised.hash(),
        before,
        "the longest earlier lease is read at a start, and causes none"
    );
    let mut opened = case(|_| ());
    opened.policies = Policies {
        allowed_namespaces: None,
    };
    assert_eq!(opened.hash(), before, "policies are taken in while running");
    assert_eq!(
        case(|v| v["spec"]["license"]["secretName"] = json!("other")).hash(),
        before
    );
    assert_ne!(
        case(|v| v["spec"]["lease"] = json!({ "duration": "60s" })).hash(),
        before
    );
    assert_ne!(
        case(|v| v["spec"]["anchor"]["pkcs11"]["tokenLabel"] = json!("b")).hash(),
        before
    );
}

#[test]
fn it_is_pinned_by_every_label_and_tolerates_a_silent_node_without_end() {
    let pod = case(|_| ()).pod();
    let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        ["nodeSelectorTerms"];
    assert_eq!(
        *terms,
        json!([{ "matchExpressions": [
            { "key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"] },
            { "key": "mooring.dev/anchor", "operator": "In", "values": ["main"] }
        ]}])
    );
    for key in [
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/not-ready",
    ] {
        let all = pod["spec"]["tolerations"].as_array().unwrap();
        let t = all.iter().find(|t| t["key"] == key).unwrap();
        assert_eq!(
            (&t["effect"], t.get("tolerationSeconds")),
            (&json!("NoExecute"), None),
            "{key}"
        );
    }
}

#[test]
fn one_in_parallel_behind_a_service_that_keeps_unready_pods() {
    let c = case(|_| ());
    let set = stateful_set(&c.inputs(), "h").spec.unwrap();
    assert_eq!(
        (set.replicas, set.pod_management_policy.as_deref()),
        (Some(1), Some("Parallel"))
    );
    let service = service(&c.inputs()).spec.unwrap();
    assert_eq!(service.publish_not_ready_addresses, Some(true));
    assert_eq!(service.selector, set.selector.match_labels);
    let ports = service.ports.unwrap();
    assert_eq!(
        (ports[0].name.as_deref(), ports[0].port),
        (Some("https"), 8443)
    );
}

#[test]
fn the_pod_is_as_restricted_as_it_can_be() {
    let pod = case(|_| ()).pod();
    let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
    assert_eq!(spec["securityContext"]["runAsNonRoot"], json!(true));
    assert_eq!(spec["securityContext"]["runAsUser"], json!(65532));
    assert_eq!(
        spec["securityContext"]["seccompProfile"]["type"],
        json!("RuntimeDefault")
    );
    assert_eq!(
        container["securityContext"]["capabilities"],
        json!({ "drop": ["ALL"] })
    );
    assert_eq!(
        container["securityContext"]["readOnlyRootFilesystem"],
        json!(true)
    );
    assert_eq!(
        container["securityContext"]["allowPrivilegeEscalation"],
        json!(false)
    );
    assert_eq!(spec["enableServiceLinks"], json!(false));
    let root = case(|v| v["spec"]["template"]["runAsUser"] = json!(0)).pod();
    assert_eq!(
        root["spec"]["securityContext"]["runAsNonRoot"],
        json!(false)
    );
}

#[test]
fn what_may_come_later_is_optional_and_what_we_make_is_not() {
    let pod = case(|_| ()).pod();
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let config = volumes.iter().find(|v| v["name"] == "config").unwrap();
    let sources = config["projected"]["sources"].as_array().unwrap();
    let optional: Vec<(String, bool)> = sources
        .iter()
        .map(|s| {
            let s = if s["secret"].is_object() {
                &s["secret"]
            } else {
                &s["configMap"]
            };
            (
                s["name"].as_str().unwrap().to_owned(),
                s["optional"].as_bool().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("main-config", false),
        ("main-tls", false),
        ("main-identity", false),
        ("licence", true),
        ("pin", true),
    ];
    assert_eq!(optional, expected.map(|(n, o)| (n.to_owned(), o)));
    let keys = volumes.iter().find(|v| v["name"] == "vendor-keys").unwrap();
    assert_eq!(
        keys["configMap"],
        json!({ "name": "keys", "optional": true })
    );
}

#[test]
fn children_belong_to_the_license_server_and_the_binding_is_found_again() {
    let c = case(|_| ());
    let set = stateful_set(&c.inputs(), "h");
    let owner = &set.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str(), owner.controller),
        ("LicenseServer", "main", Some(true))
    );
    let binding = role_binding(&c.inputs());
    assert!(
        binding.metadata.owner_references.is_none(),
        "a cluster-wide object cannot be owned by a namespaced one"
    );
    assert_eq!(
        binding.metadata.name.as_deref(),
        Some("mooring-server:licensing:main")
    );
    let labels = binding.metadata.labels.unwrap();
    assert_eq!(
        (
            labels["mooring.dev/server"].as_str(),
            labels["mooring.dev/server-namespace"].as_str()
        ),
        ("main", "licensing")
    );
    assert_eq!(binding.role_ref.name, "mooring-server-tokenreviews");
}

#[test]
fn the_templates_image_environment_and_host_paths_are_used() {
    let pod = case(|v| v["spec"]["template"]["image"] = json!("own:2")).pod();
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["image"], json!("own:2"));
    assert_eq!(
        container["env"],
        json!([{ "name": "SOFTHSM2_CONF", "value": "/a/c" }])
    );
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(
        mounts.contains(&json!({ "name": "host-0", "mountPath": "/a", "readOnly": false })),
        "{mounts:?}"
    );
    assert_eq!(
        case(|_| ()).pod()["spec"]["containers"][0]["image"],
        json!("mooring-server:1")
    );
}
