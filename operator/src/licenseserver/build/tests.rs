#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::inputs::Defaults;
use super::*;
use mooring_api::names::ServerRef;
use mooring_api::{LicenseServer, RunAs, Side};
use mooring_core::wire::{AllowedNamespaces, Policies};
use serde_json::{Value, json};
use std::time::Duration;

fn license_server(change: impl FnOnce(&mut Value)) -> LicenseServer {
    let mut v = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
        "metadata": { "name": "main", "namespace": "licensing", "uid": "11111111-2222-3333-4444-555555555555" },
        "spec": {
            "licenses": [{ "secretName": "license" }],
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
    side: Option<Side>,
    ends: bool,
}

fn case(change: impl FnOnce(&mut Value)) -> Case {
    Case {
        server: license_server(change),
        reference: ServerRef::new("licensing", "main"),
        defaults: Defaults {
            server_image: "mooring-server:1".into(),
            pcscd_image: "mooring-pcscd:1".into(),
            server_run_as_user: RunAs::User(65_532),
            tokenreview_role: "mooring-server-tokenreviews".into(),
            image_pull_secrets: vec![],
            platform: crate::licenseserver::platform::Platform::default(),
            network_policies: None,
        },
        policies: Policies {
            replaced: Vec::new(),
            seats: None,
            generation: 7,
            allowed_namespaces: AllowedNamespaces::These(vec!["licensing".into()]),
        },
        in_force: 30,
        side: None,
        ends: false,
    }
}

impl Case {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            server: &self.server,
            reference: &self.reference,
            defaults: &self.defaults,
            operator_namespace: "mooring-system",
            in_force: Duration::from_secs(self.in_force),
            policies: &self.policies,
            side: self.side,
            ends: self.ends,
        }
    }

    fn hash(&self) -> String {
        config_hash(&server_config(&self.inputs()).unwrap()).unwrap()
    }

    fn pod(&self) -> Value {
        let set = stateful_set(&self.inputs(), &self.hash());
        serde_json::to_value(set.spec.unwrap().template).unwrap()
    }

    fn config(&self) -> (Value, Value) {
        let map = config_map(&self.inputs(), &server_config(&self.inputs()).unwrap()).unwrap();
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
            "name": "main", "namespace": "licensing", "listen": "[::]:8443", "metrics": "[::]:8081",
            "connections": { "most": 10000, "perAddress": 2500 },
            "tls": { "cert": "/etc/mooring/tls/tls.crt", "key": "/etc/mooring/tls/tls.key", "earlier": "/etc/mooring/tls/earlier.pem", "clientCa": "/etc/mooring/tls/ca.crt" },
            "licenses": ["/etc/mooring/license/0.mooring"],
            "revocations": "/etc/mooring/license/revocations.mooring",
            "vendorKeys": "/etc/mooring-vendor-keys",
            "anchor": { "pkcs11": { "module": "/m.so", "tokenLabel": "mooring", "pinFile": "/etc/mooring/pin/pin" } },
            "lease": { "durationSecs": 30, "graceSecs": 28800, "reclaim": "Any", "claimsPerHolder": 16 },
            "earlierLongestLeaseSecs": 30,
            "stateDir": "/var/lib/mooring",
            "stateSecret": "main-state",
            "identityKey": "/etc/mooring/identity/key",
            "policies": "/etc/mooring/policies.yaml",
            "tokenReview": true,
            "operatorKnowsAll": true,
            "audit": { "maxFileSize": 10_485_760, "files": 10 }
        })
    );
    assert_eq!(
        policies,
        json!({ "generation": 7, "allowedNamespaces": ["licensing"] })
    );
}

#[test]
fn clients_outside_the_cluster_are_known_by_their_keys_and_end_what_only_the_operator_knows() {
    for kind in ["configMap", "secret"] {
        let case = case(|v| {
            v["spec"]["clients"] = json!({ format!("{kind}Name"): "ours", "revokedKey": "no" });
            v["spec"]["admins"] = json!(["ann"]);
        });
        let (config, _) = case.config();
        assert_eq!(
            config["clients"],
            json!({ "keys": "/etc/mooring/clients/keys", "issuers": "/etc/mooring/clients/issuers", "revoked": "/etc/mooring/clients/revoked" })
        );
        assert_eq!(config["admins"], json!(["ann"]));
        assert_eq!(
            config["operatorKnowsAll"],
            json!(null),
            "its roster is not all there is"
        );
        let pod = case.pod();
        let config = volume(&pod, "config").unwrap();
        let sources = config["projected"]["sources"].as_array().unwrap().clone();
        let keys = sources.iter().find(|s| s[kind]["name"] == "ours").unwrap();
        let items = json!([{ "key": "client-keys", "path": "clients/keys" }, { "key": "issuers", "path": "clients/issuers" }, { "key": "no", "path": "clients/revoked" }]);
        assert_eq!(keys[kind]["items"], items);
        assert_eq!(keys[kind]["optional"], json!(true));
    }
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
        replaced: Vec::new(),
        seats: None,
        generation: 8,
        allowed_namespaces: AllowedNamespaces::ALL,
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
    let ports: Vec<_> = ports.iter().map(|p| (p.name.as_deref(), p.port)).collect();
    assert_eq!(
        ports,
        [(Some("https"), 8443)],
        "the API, and nothing beside it"
    );
}

#[test]
fn the_kubelet_asks_the_program_itself_and_no_port_that_strangers_share() {
    let pod = case(|_| ()).pod();
    let container = &pod["spec"]["containers"][0];
    for (probe, words) in [
        ("livenessProbe", &["health"][..]),
        ("readinessProbe", &["health", "--ready"]),
    ] {
        let command = [&["/usr/local/bin/mooring-server"], words].concat();
        assert_eq!(container[probe]["exec"]["command"], json!(command));
        assert!(container[probe].get("httpGet").is_none());
    }
}

#[test]
fn a_network_policy_names_who_may_come_and_the_metrics_readers() {
    let ingress = |c: &Case, metrics: &str| {
        let policy = network_policy(&c.inputs(), &metrics.parse().unwrap());
        let spec = serde_json::to_value(policy.spec.unwrap()).unwrap();
        assert_eq!(spec["policyTypes"], json!(["Ingress"]));
        assert_eq!(
            spec["podSelector"]["matchLabels"]["mooring.dev/server"],
            "main"
        );
        spec["ingress"].clone()
    };
    let api = json!([{ "port": 8443, "protocol": "TCP" }]);
    let name = "kubernetes.io/metadata.name";
    let within = |ns: &str| json!({ "matchExpressions": [{ "key": name, "operator": "In", "values": [ns] }] });
    let operator =
        json!({ "app.kubernetes.io/name": "mooring", "app.kubernetes.io/component": "operator" });
    let mut c = case(|_| ());
    assert_eq!(
        ingress(&c, "[]"),
        json!([{ "ports": api, "from": [
            { "namespaceSelector": within("mooring-system"), "podSelector": { "matchLabels": operator } },
            { "namespaceSelector": within("licensing") },
        ] }])
    );
    // An empty peer would be everybody.
    c.policies.allowed_namespaces = AllowedNamespaces::These(vec![]);
    assert_eq!(ingress(&c, "[]")[0]["from"].as_array().unwrap().len(), 1);
    c.policies.allowed_namespaces = AllowedNamespaces::ALL;
    let prometheus = r#"[{"namespaceSelector":{"matchLabels":{"a":"b"}}}]"#;
    let all = ingress(&c, prometheus);
    assert_eq!(all[0], json!({ "ports": api }));
    assert_eq!(all[1]["ports"][0]["port"], 8081);
    assert_eq!(
        all[1]["from"],
        serde_json::from_str::<Value>(prometheus).unwrap()
    );
    let outside = case(|v| v["spec"]["service"] = json!({ "type": "LoadBalancer" }));
    assert_eq!(ingress(&outside, "[]"), json!([{ "ports": api }]));
    assert!("x".parse::<super::inputs::MetricsFrom>().is_err());
}

#[test]
fn the_limit_of_memory_follows_from_the_connections() {
    let limit = |c: &Case| c.pod()["spec"]["containers"][0]["resources"]["limits"].clone();
    assert_eq!(limit(&case(|_| ())), json!({ "memory": "817Mi" }));
    let few = case(|v| {
        v["spec"]["service"] = json!({ "connections": { "most": 1024, "perAddress": 512 } });
    });
    assert_eq!(limit(&few), json!({ "memory": "256Mi" }));
    assert_eq!(
        few.config().0["connections"],
        json!({ "most": 1024, "perAddress": 512 })
    );
    let own = json!({ "resources": { "limits": { "memory": "2Gi" } } });
    assert_eq!(
        limit(&case(|v| v["spec"]["template"] = own)),
        json!({ "memory": "2Gi" })
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
fn where_the_platform_assigns_the_user_none_is_written_and_root_is_refused() {
    let pcscd = |v: &mut Value| v["spec"]["anchor"]["pkcs11"]["pcscd"] = json!({});
    let asked = case(|v| {
        pcscd(v);
        v["spec"]["template"]["runAsUser"] = json!("platform");
    });
    let mut installed = case(pcscd);
    installed.defaults.server_run_as_user = RunAs::Platform;
    for case in [&asked, &installed] {
        let pod = case.pod();
        let of_pod = &pod["spec"]["securityContext"];
        for field in ["runAsUser", "runAsGroup", "fsGroup"] {
            assert_eq!(of_pod[field], json!(null), "{field}");
        }
        assert_eq!(of_pod["runAsNonRoot"], json!(true));
        let pcscd = &pod["spec"]["initContainers"][0]["securityContext"];
        assert_eq!(pcscd["runAsUser"], json!(null));
        assert_eq!(pcscd["runAsNonRoot"], json!(true));
    }
    // What LicenseServer and anchor say counts more than the installation.
    installed.server.spec.template.run_as_user = Some(RunAs::User(7));
    let user = |case: &Case| case.pod()["spec"]["securityContext"]["runAsUser"].clone();
    assert_eq!(user(&installed), json!(7));
    let mut hwid = with_key("hwid");
    hwid.defaults.server_run_as_user = RunAs::Platform;
    assert_eq!(user(&hwid), json!(0));
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
        ("license", true),
        ("license", true),
        ("pin", true),
        ("main-tls", true),
    ];
    assert_eq!(optional, expected.map(|(n, o)| (n.to_owned(), o)));
    let host = volumes.iter().find(|v| v["name"] == "host-0").unwrap();
    assert_eq!(
        host["hostPath"],
        json!({ "path": "/var/lib/anchor", "type": "Directory" }),
        "what is not there is said, not made"
    );
    let items = |i: usize| sources[i]["secret"]["items"].as_array().unwrap().iter();
    let paths: Vec<&str> = items(3)
        .chain(items(4))
        .flat_map(|i| [i["key"].as_str().unwrap(), i["path"].as_str().unwrap()])
        .collect();
    assert_eq!(
        paths,
        [
            "license.mooring",
            "license/0.mooring",
            "revocations",
            "license/revocations.mooring"
        ]
    );
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

fn volume<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    let all = pod["spec"]["volumes"].as_array().unwrap();
    all.iter().find(|v| v["name"] == name)
}

fn paths(container: &Value) -> Vec<String> {
    let mounts = container["volumeMounts"].as_array().unwrap();
    let path = |m: &Value| m["mountPath"].as_str().unwrap().to_owned();
    mounts.iter().map(path).collect()
}

/// With a software key, of this kind.
fn with_key(kind: &str) -> Case {
    let anchor = json!({ kind: { "keySecret": { "name": "k", "key": "usb.key" } } });
    case(|v| v["spec"]["anchor"] = anchor)
}

#[test]
fn a_usb_anchor_needs_its_key_and_nothing_of_the_node() {
    let c = with_key("usb");
    assert_eq!(
        c.config().0["anchor"],
        json!({ "usb": { "keyFile": "/etc/mooring/anchor/key" } })
    );
    let pod = c.pod();
    let sources = volume(&pod, "config").unwrap()["projected"]["sources"].clone();
    let key = json!({ "secret": { "name": "k", "optional": true, "items": [{ "key": "usb.key", "path": "anchor/key" }] } });
    assert!(sources.as_array().unwrap().contains(&key), "{sources}");
    assert_eq!(pod["spec"]["securityContext"]["runAsUser"], json!(65532));
    let hosts = pod["spec"]["volumes"].as_array().unwrap();
    let hosts: Vec<_> = hosts.iter().filter(|v| v["hostPath"].is_object()).collect();
    assert_eq!(hosts.len(), 1, "only the template's own: {hosts:?}");
}

#[test]
fn a_hwid_anchor_reads_the_machine_as_root_without_any_capability() {
    let c = with_key("hwid");
    assert_eq!(
        c.config().0["anchor"],
        json!({ "hwid": { "keyFile": "/etc/mooring/anchor/key", "hostRoot": "/host" } })
    );
    let pod = c.pod();
    let server = &pod["spec"]["containers"][0];
    let security = &pod["spec"]["securityContext"];
    assert_eq!(
        (&security["runAsUser"], &security["runAsNonRoot"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(
        server["securityContext"]["capabilities"],
        json!({ "drop": ["ALL"] })
    );
    for path in [
        "/etc/machine-id",
        "/sys/class",
        "/sys/block",
        "/sys/devices",
    ] {
        let mounts = server["volumeMounts"].as_array().unwrap();
        let at = format!("/host{path}");
        let mount = mounts.iter().find(|m| m["mountPath"] == *at).unwrap();
        assert_eq!(
            (&mount["readOnly"], &mount["recursiveReadOnly"]),
            (&json!(true), &json!("IfPossible")),
            "{path}"
        );
        let volume = volume(&pod, mount["name"].as_str().unwrap()).unwrap();
        assert_eq!(volume["hostPath"]["path"], json!(path));
        assert_ne!(
            volume["hostPath"]["type"],
            json!(null),
            "a missing path must be said, not made: {path}"
        );
    }
    let wish = json!({ "runAsUser": 7 });
    let mut other = with_key("hwid");
    other.server.spec.template = serde_json::from_value(wish).unwrap();
    assert_eq!(
        other.pod()["spec"]["securityContext"]["runAsUser"],
        json!(7),
        "the template's word counts"
    );
}

#[test]
fn the_device_goes_to_the_one_container_that_opens_it() {
    let device = "vendor.example/dongle";
    let alone = case(|v| v["spec"]["anchor"]["pkcs11"]["deviceResource"] = json!(device)).pod();
    let server = &alone["spec"]["containers"][0];
    assert_eq!(server["resources"]["limits"][device], json!("1"));
    assert_eq!(
        server["resources"]["limits"]["memory"],
        json!("817Mi"),
        "beside what it has anyway"
    );
    assert_eq!(alone["spec"]["initContainers"], json!(null));

    let with_pcscd = case(|v| {
        v["spec"]["anchor"]["pkcs11"]["deviceResource"] = json!(device);
        v["spec"]["anchor"]["pkcs11"]["pcscd"] = json!({});
    })
    .pod();
    let server = &with_pcscd["spec"]["containers"][0];
    let pcscd = &with_pcscd["spec"]["initContainers"][0];
    assert_eq!(pcscd["resources"]["limits"][device], json!("1"));
    assert_eq!(
        server["resources"]["limits"][device],
        json!(null),
        "two claims on one device would never be scheduled"
    );
    for c in [&alone["spec"]["containers"][0], server, pcscd] {
        assert_eq!(c["securityContext"]["privileged"], json!(null));
    }
}

#[test]
fn pcscd_starts_before_the_server_and_meets_it_in_a_folder_of_the_pod() {
    let pod = case(|v| v["spec"]["anchor"]["pkcs11"]["pcscd"] = json!({})).pod();
    let (server, pcscd) = (
        &pod["spec"]["containers"][0],
        &pod["spec"]["initContainers"][0],
    );
    assert_eq!(
        (&pcscd["name"], &pcscd["restartPolicy"], &pcscd["image"]),
        (&json!("pcscd"), &json!("Always"), &json!("mooring-pcscd:1"))
    );
    assert_eq!(paths(pcscd), ["/run/pcscd"]);
    assert!(paths(server).contains(&"/run/pcscd".to_owned()));
    assert!(volume(&pod, "pcscd").unwrap()["emptyDir"].is_object());
    let security = &pcscd["securityContext"];
    assert_eq!(
        (
            &security["runAsUser"],
            &security["runAsNonRoot"],
            &security["readOnlyRootFilesystem"],
            &security["allowPrivilegeEscalation"],
            &security["capabilities"]
        ),
        (
            &json!(65532),
            &json!(true),
            &json!(true),
            &json!(false),
            &json!({ "drop": ["ALL"] })
        )
    );
    let own = json!({ "image": "own:1", "runAsUser": 0, "resources": { "limits": { "memory": "32Mi" } } });
    let pod = case(|v| v["spec"]["anchor"]["pkcs11"]["pcscd"] = own).pod();
    let pcscd = &pod["spec"]["initContainers"][0];
    assert_eq!(pcscd["image"], json!("own:1"));
    assert_eq!(
        (
            &pcscd["securityContext"]["runAsUser"],
            &pcscd["securityContext"]["runAsNonRoot"]
        ),
        (&json!(0), &json!(false))
    );
    assert_eq!(
        pcscd["resources"],
        json!({ "limits": { "memory": "32Mi" } })
    );
    let server = &pod["spec"]["containers"][0];
    assert_eq!(
        server["securityContext"]["runAsUser"],
        json!(null),
        "the server stays who it is"
    );
}

#[test]
fn a_device_pins_the_pod_by_the_operators_label() {
    let device = json!({ "device": { "vendorId": "1050", "productId": "0407" } });
    let pod = case(|v| v["spec"]["placement"] = device).pod();
    let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        ["nodeSelectorTerms"];
    assert_eq!(
        *terms,
        json!([{ "matchExpressions": [
            { "key": "anchor.mooring.node-restriction.kubernetes.io/1050-0407", "operator": "In", "values": ["present"] }
        ]}])
    );
}

#[test]
fn a_standby_has_files_of_its_own_and_shares_the_pod() {
    let standby = json!({ "hwid": { "keySecret": { "name": "k" } } });
    let c = case(|v| v["spec"]["standby"] = standby);
    let config = c.config().0;
    assert_eq!(
        config["standby"],
        json!({ "hwid": { "keyFile": "/etc/mooring/standby/anchor/key", "hostRoot": "/host" } })
    );
    assert_eq!(
        config["anchor"]["pkcs11"]["pinFile"],
        json!("/etc/mooring/pin/pin")
    );
    let pod = c.pod();
    let sources = volume(&pod, "config").unwrap()["projected"]["sources"].clone();
    let key = json!({ "secret": { "name": "k", "optional": true, "items": [{ "key": "anchor.key", "path": "standby/anchor/key" }] } });
    assert!(sources.as_array().unwrap().contains(&key), "{sources}");
    assert!(paths(&pod["spec"]["containers"][0]).contains(&"/host/sys/class".to_owned()));
    assert_ne!(
        c.hash(),
        case(|_| ()).hash(),
        "the server reads it at its start"
    );
}

#[test]
fn labels_annotations_and_groups_of_the_template_are_added_and_ours_stay() {
    let c = case(|v| {
        let t = &mut v["spec"]["template"];
        t["podLabels"] =
            json!({ "sidecar.istio.io/inject": "false", "app.kubernetes.io/name": "evil" });
        t["podAnnotations"] =
            json!({ "a": "b", "kubectl.kubernetes.io/default-container": "evil" });
        t["supplementalGroups"] = json!([106]);
    });
    let pod = c.pod();
    let (labels, annotations) = (&pod["metadata"]["labels"], &pod["metadata"]["annotations"]);
    assert_eq!(labels["sidecar.istio.io/inject"], json!("false"));
    assert_eq!(labels["app.kubernetes.io/name"], json!("mooring-server"));
    assert_eq!(annotations["a"], json!("b"));
    assert_eq!(
        annotations["kubectl.kubernetes.io/default-container"],
        json!("server")
    );
    assert_eq!(
        pod["spec"]["securityContext"]["supplementalGroups"],
        json!([106])
    );
    let none = case(|_| ()).pod();
    assert_eq!(
        none["spec"]["securityContext"].get("supplementalGroups"),
        None
    );
}

#[test]
fn a_server_runs_as_an_account_of_its_own_that_is_no_other_objects_name() {
    let c = case(|_| ());
    let account = service_account(&c.inputs()).metadata.name.unwrap();
    assert_eq!(account, "main-mooring-server");
    assert_eq!(c.pod()["spec"]["serviceAccountName"], json!(account));
    let binding = role_binding(&c.inputs());
    assert_eq!(binding.subjects.unwrap()[0].name, account);
}

#[test]
fn its_account_may_get_and_update_the_one_secret_of_its_state_and_that_is_made_empty() {
    let c = case(|_| ());
    let secret = serde_json::to_value(state_secret(&c.inputs())).unwrap();
    assert_eq!(secret["metadata"]["name"], "main-state");
    assert_eq!(secret["type"], "mooring.dev/state");
    assert_eq!((secret.get("data"), secret.get("immutable")), (None, None));
    let role = role(&c.inputs());
    assert_eq!(
        serde_json::to_value(&role.rules).unwrap(),
        json!([{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["main-state"], "verbs": ["get", "update"] }])
    );
    let binding = serde_json::to_value(state_binding(&c.inputs())).unwrap();
    let account = "main-mooring-server";
    assert_eq!(role.metadata.name.as_deref(), Some(account));
    assert_eq!(
        (&binding["roleRef"], &binding["subjects"]),
        (
            &json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account }),
            &json!([{ "kind": "ServiceAccount", "name": account, "namespace": "licensing" }])
        )
    );
    for metadata in [
        &secret["metadata"],
        &binding["metadata"],
        &serde_json::to_value(&role.metadata).unwrap(),
    ] {
        assert_eq!(metadata["namespace"], "licensing");
        assert_eq!(metadata["ownerReferences"][0]["kind"], "LicenseServer");
        assert_eq!(metadata["labels"]["mooring.dev/server"], "main");
    }
}

#[test]
fn only_the_servers_container_has_the_pods_service_account() {
    let with_pcscd = case(|v| v["spec"]["anchor"]["pkcs11"]["pcscd"] = json!({}));
    let pod = with_pcscd.pod();
    let spec = &pod["spec"];
    assert_eq!(spec["automountServiceAccountToken"], json!(false));
    let sources = &volume(&pod, "service-account").unwrap()["projected"]["sources"];
    assert_eq!(
        *sources,
        json!([
            { "serviceAccountToken": { "path": "token", "expirationSeconds": 3600 } },
            { "configMap": { "name": "kube-root-ca.crt", "optional": false, "items": [{ "key": "ca.crt", "path": "ca.crt" }] } }
        ])
    );
    let dir = "/var/run/secrets/kubernetes.io/serviceaccount".to_owned();
    assert!(paths(&spec["containers"][0]).contains(&dir));
    let pcscd = &spec["initContainers"][0];
    assert_eq!(pcscd["name"], "pcscd");
    assert!(!paths(pcscd).contains(&dir));
}

#[test]
fn with_a_standby_elsewhere_the_pod_is_made_for_the_side_that_serves() {
    let standby = json!({
        "usb": { "keySecret": { "name": "k" } },
        "placement": { "nodeSelector": { "mooring.dev/anchor": "spare" } }
    });
    let of = |side: Side, ends: bool| {
        let c = case(|v| v["spec"]["standby"] = standby.clone());
        let mut server = c.server.clone();
        server.spec = c.server.spec.of_side(side);
        let side = Some(side);
        Case {
            server,
            side,
            ends,
            ..c
        }
    };
    let (primary, other) = (of(Side::Primary, false), of(Side::Standby, false));
    let config = |c: &Case| serde_json::to_value(server_config(&c.inputs()).unwrap()).unwrap();
    assert!(config(&primary)["anchor"]["pkcs11"].is_object());
    assert!(config(&other)["anchor"]["usb"].is_object());
    for c in [&primary, &other] {
        assert_eq!(config(c)["standby"], Value::Null, "one anchor is there");
    }
    let set = |c: &Case| serde_json::to_value(stateful_set(&c.inputs(), "h")).unwrap();
    let (at, label) = (set(&other), json!("standby"));
    let template = &at["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["mooring.dev/side"], label);
    assert_eq!(
        template["metadata"]["finalizers"],
        json!(["mooring.dev/end-seen"])
    );
    let affinity = template["spec"]["affinity"].to_string();
    assert!(
        affinity.contains("spare") && !affinity.contains("main"),
        "{affinity}"
    );
    // One StatefulSet, one name: its selector is the same for both.
    assert_eq!(at["metadata"]["name"], set(&primary)["metadata"]["name"]);
    assert_eq!(at["spec"]["selector"], set(&primary)["spec"]["selector"]);
    let service = serde_json::to_value(service(&other.inputs())).unwrap();
    assert_eq!(service["spec"]["selector"]["mooring.dev/side"], label);
    assert_eq!(set(&primary)["spec"]["replicas"], 1);
    assert_eq!(
        set(&of(Side::Primary, true))["spec"]["replicas"],
        0,
        "it is ended"
    );
    let alone = set(&case(|_| ()));
    assert!(!alone.to_string().contains("end-seen") && !alone.to_string().contains("dev/side"));
}
