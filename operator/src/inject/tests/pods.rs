//! What becomes of real-life pods.

use super::*;

/// A Deployment's pod as the API server shows it to a webhook: no name, no UID, no namespace.
fn of_a_deployment() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "render-7c9d8b5f6-", "creationTimestamp": null,
            "labels": {"app": "render", "pod-template-hash": "7c9d8b5f6"},
            "annotations": {"mooring.dev/licenses": "render@2026.1:2,denoise"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "render-7c9d8b5f6", "uid": "u", "controller": true}],
        },
        "spec": {
            "containers": [{
                "name": "render", "image": "render:1", "resources": {"requests": {"cpu": "1"}}, "env": [{"name": "A", "value": "b"}],
                "volumeMounts": [{"name": "kube-api-access-x", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent",
                "fieldFromTheFuture": {"x": 1},
            }],
            "volumes": [{"name": "kube-api-access-x", "projected": {"sources": [], "defaultMode": 420}}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "serviceAccountName": "default",
            "securityContext": {}, "schedulerName": "default-scheduler",
        },
        "status": {},
    })
}

#[test]
fn a_deployments_pod_gets_all_of_it() {
    let after = inject(&of_a_deployment());
    assert_eq!(after["metadata"]["labels"]["mooring.dev/injected"], "0.1.0");
    assert_eq!(
        after["metadata"]["annotations"]["mooring.dev/injected"],
        "0.1.0"
    );
    assert_eq!(
        after["metadata"]["annotations"]["traffic.sidecar.istio.io/excludeOutboundPorts"],
        "8443"
    );
    assert_eq!(
        after["metadata"]["annotations"]["config.linkerd.io/skip-outbound-ports"],
        "8443"
    );
    assert_eq!(
        names(&after["spec"]["volumes"]),
        [
            "kube-api-access-x",
            "mooring-state",
            "mooring-socket",
            "mooring-token"
        ]
    );
    let app = &after["spec"]["containers"][0];
    assert!(has_socket(app));
    assert_eq!(
        app["fieldFromTheFuture"],
        json!({"x": 1}),
        "what is not ours is not touched"
    );
    assert_eq!(app["resources"], json!({"requests": {"cpu": "1"}}));

    let expected = json!({
        "name": "mooring", "image": "mooring.local/sidecar:test", "imagePullPolicy": "IfNotPresent", "args": ["run"], "restartPolicy": "Always",
        "env": [
            {"name": "MOORING_LICENSES", "value": "render@2026.1:2,denoise"},
            {"name": "MOORING_START", "value": "optimistic"},
            {"name": "MOORING_SERVER", "value": "https://main.licensing.svc:8443"},
            {"name": "MOORING_ADDRESSES", "value": "10.96.0.7:8443,[fd00::7]:8443"},
            {"name": "MOORING_ROOTS", "value": "PEM"},
            {"name": "MOORING_TOKEN_FILE", "value": "/var/run/secrets/mooring.dev/token"},
            {"name": "MOORING_MAX_GRACE", "value": "8h"},
            {"name": "MOORING_STATE_DIR", "value": "/var/lib/mooring"},
            {"name": "MOORING_SOCKET", "value": "/run/mooring/mooring.sock"},
            {"name": "MOORING_LOG", "value": "info"},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false, "readOnlyRootFilesystem": true,
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "mooring-state", "mountPath": "/var/lib/mooring"},
            {"name": "mooring-socket", "mountPath": "/run/mooring"},
            {"name": "mooring-token", "mountPath": "/var/run/secrets/mooring.dev", "readOnly": true},
            // So that the API server does not mount the pod's token for itself there.
            {"name": "mooring-socket", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true},
        ],
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    assert_eq!(sidecar_of(&after), &expected);
    let gate = json!({
        "name": "mooring-gate", "image": "mooring.local/sidecar:test", "imagePullPolicy": "IfNotPresent", "args": ["gate"],
        "resources": {"requests": {"cpu": "10m", "memory": "0"}, "limits": {"cpu": "100m", "memory": "32Mi"}},
        "securityContext": expected["securityContext"],
        "volumeMounts": [
            {"name": "mooring-socket", "mountPath": "/run/mooring", "readOnly": true},
            {"name": "mooring-socket", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true},
        ],
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    assert_eq!(after["spec"]["initContainers"], json!([expected, gate]));
    assert_eq!(
        after["spec"]["volumes"][3]["projected"],
        json!({"defaultMode": 420, "sources": [{"serviceAccountToken": {"audience": "mooring.dev/licensing", "expirationSeconds": 600, "path": "token"}}]})
    );
    assert_eq!(
        after["spec"]["volumes"][1]["emptyDir"],
        json!({"medium": "Memory", "sizeLimit": "1Mi"})
    );
}

#[test]
fn a_pods_own_log_level_goes_before_the_installations() {
    let mut pod = of_a_deployment();
    pod["metadata"]["annotations"]["mooring.dev/log-level"] = "debug".into();
    let env = sidecar_of(&inject(&pod))["env"].clone();
    let log = env.as_array().unwrap().iter();
    let log: Vec<_> = log.filter(|v| v["name"] == "MOORING_LOG").collect();
    assert_eq!(log, [&json!({"name": "MOORING_LOG", "value": "debug"})]);
}

#[test]
fn a_second_pass_changes_nothing_and_another_webhooks_work_stays() {
    let once = inject(&of_a_deployment());
    assert_eq!(inject_with(&once, &settings()).unwrap().1, 0);

    // Between the passes a LimitRange adds a default, a mesh joins late.
    let mut between = once;
    let init = between["spec"]["initContainers"].as_array_mut().unwrap();
    init[1]["resources"]["requests"]["ephemeral-storage"] = json!("1Gi");
    init[0]["resources"]["limits"]["ephemeral-storage"] = json!("1Gi");
    assert_eq!(
        inject_with(&between, &settings()).unwrap().1,
        0,
        "a second pass undoes nothing of it"
    );
    let init = between["spec"]["initContainers"].as_array_mut().unwrap();
    init.push(json!({"name": "istio-init", "image": "istio"}));
    init.push(json!({"name": "istio-proxy", "image": "istio", "restartPolicy": "Always"}));
    between["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "late", "image": "late"}));
    let after = inject(&between);
    assert_eq!(
        names(&after["spec"]["initContainers"]),
        ["istio-init", "istio-proxy", "mooring", "mooring-gate"]
    );
    assert_eq!(
        sidecar_of(&after)["resources"]["limits"]["ephemeral-storage"],
        "1Gi"
    );
    assert!(
        has_socket(&after["spec"]["containers"][1])
            && !has_socket(&after["spec"]["initContainers"][1])
    );
    assert_eq!(inject_with(&after, &settings()).unwrap().1, 0);
}

#[test]
fn what_a_user_put_in_place_of_ours_is_overwritten() {
    let mut p = simple(json!({"licenses": "a", "injected": "999"}));
    p["metadata"]["labels"] = json!({"mooring.dev/injected": "999"});
    p["spec"]["initContainers"] = json!([{"name": "mooring", "image": "evil", "restartPolicy": "Always", "command": ["sh"], "env": [{"name": "X"}],
        "securityContext": {"privileged": true}, "volumeMounts": [{"name": "mooring-state", "mountPath": "/elsewhere"}]}]);
    p["spec"]["volumes"] = json!([{"name": "mooring-state", "hostPath": {"path": "/"}}]);
    p["spec"]["containers"][0]["env"] = json!([{"name": "MOORING_SOCKET", "value": "/tmp/fake"}]);
    p["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "mooring-socket", "mountPath": "/run/mooring"}]);
    let after = inject(&p);
    let s = sidecar_of(&after);
    assert_eq!(
        (
            s["image"].as_str(),
            s.get("command"),
            &s["securityContext"]["privileged"]
        ),
        (Some("mooring.local/sidecar:test"), None, &json!(false))
    );
    assert_eq!(
        after["spec"]["volumes"][0],
        json!({"name": "mooring-state", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
    );
    assert!(has_socket(&after["spec"]["containers"][0]));
    assert_eq!(
        after["spec"]["containers"][0]["env"],
        json!([{"name": "MOORING_SOCKET", "value": "/run/mooring/mooring.sock"}])
    );
    assert_eq!(after["metadata"]["labels"]["mooring.dev/injected"], "0.1.0");
    assert_eq!(
        after["metadata"]["annotations"]["mooring.dev/injected"],
        "0.1.0"
    );
}

#[test]
fn init_containers_come_after_the_sidecar_and_get_the_socket() {
    let p = pod(
        json!({"licenses": "a"}),
        json!({
            "initContainers": [{"name": "migrate", "image": "m"}, {"name": "logs", "image": "l", "restartPolicy": "Always"}],
            "containers": [{"name": "app", "image": "a"}, {"name": "helper", "image": "h"}],
        }),
    );
    let after = inject(&p);
    assert_eq!(
        names(&after["spec"]["initContainers"]),
        ["mooring", "mooring-gate", "migrate", "logs"]
    );
    for c in [
        &after["spec"]["initContainers"][2],
        &after["spec"]["initContainers"][3],
        &after["spec"]["containers"][1],
    ] {
        assert!(has_socket(c));
    }
}

#[test]
fn the_gate_comes_after_those_that_the_pod_names() {
    let p = pod(
        json!({"licenses": "a", "gate-after": "vpn,stage"}),
        json!({
            "initContainers": [
                {"name": "stage", "image": "s"}, {"name": "vpn", "image": "v", "restartPolicy": "Always"}, {"name": "migrate", "image": "m"},
            ],
            "containers": [{"name": "app", "image": "a"}],
        }),
    );
    let after = inject(&p);
    let init = &after["spec"]["initContainers"];
    assert_eq!(
        names(init),
        ["stage", "vpn", "mooring", "mooring-gate", "migrate"]
    );
    assert!(
        !has_socket(&init[0]),
        "it has ended before there is a socket"
    );
    assert!(has_socket(&init[1]) && has_socket(&init[4]));
    assert_eq!(inject_with(&after, &settings()).unwrap().1, 0);
}

#[test]
fn a_second_pass_finds_sidecar_and_gate_wherever_others_put_them() {
    let p = pod(
        json!({"licenses": "a", "gate-after": "stage"}),
        json!({"initContainers": [{"name": "stage", "image": "s"}], "containers": [{"name": "app", "image": "a"}]}),
    );
    let once = inject(&p);
    let places: [&[usize]; 4] = [&[1, 2, 0], &[2, 1, 0], &[0, 2, 1], &[1, 0, 2]];
    for order in places {
        let mut moved = once.clone();
        let init = order
            .iter()
            .map(|i| once["spec"]["initContainers"][*i].clone());
        moved["spec"]["initContainers"] = init.collect();
        assert_eq!(inject(&moved), once, "{order:?}");
    }
    // One between the two, in which nothing may run without a seat.
    let mut between = once;
    let init = between["spec"]["initContainers"].as_array_mut().unwrap();
    init.insert(2, json!({"name": "late", "image": "l"}));
    assert_eq!(
        names(&inject(&between)["spec"]["initContainers"]),
        ["stage", "mooring", "mooring-gate", "late"]
    );
}

#[test]
fn only_the_named_containers_get_the_socket() {
    let p = pod(
        json!({"licenses": "a", "containers": "app,migrate"}),
        json!({
            "initContainers": [{"name": "migrate", "image": "m"}, {"name": "seed", "image": "s"}],
            "containers": [{"name": "app", "image": "a"}, {"name": "helper", "image": "h"}],
        }),
    );
    let after = inject(&p);
    let init = &after["spec"]["initContainers"];
    assert!(has_socket(&init[2]) && !has_socket(&init[3]));
    assert!(
        has_socket(&after["spec"]["containers"][0]) && !has_socket(&after["spec"]["containers"][1])
    );
}

#[test]
fn after_istio_and_its_lists_of_ports_are_kept() {
    let p = pod(
        json!({"licenses": "a", "traffic.sidecar.istio.io/excludeOutboundPorts": "3306", "config.linkerd.io/skip-outbound-ports": "8000-9000"}),
        json!({
            "initContainers": [
                {"name": "istio-init", "image": "i"}, {"name": "istio-proxy", "image": "i", "restartPolicy": "Always"}, {"name": "migrate", "image": "m"},
            ],
            "containers": [{"name": "app", "image": "a"}],
        }),
    );
    let after = inject(&p);
    assert_eq!(
        names(&after["spec"]["initContainers"]),
        [
            "istio-init",
            "istio-proxy",
            "mooring",
            "mooring-gate",
            "migrate"
        ]
    );
    let a = &after["metadata"]["annotations"];
    assert_eq!(
        a["traffic.sidecar.istio.io/excludeOutboundPorts"],
        "3306,8443"
    );
    assert_eq!(a["config.linkerd.io/skip-outbound-ports"], "8000-9000");
    let init = &after["spec"]["initContainers"];
    assert!(!has_socket(&init[0]) && !has_socket(&init[1]) && has_socket(&init[4]));
}

#[test]
fn a_job_and_a_pod_on_the_hosts_network() {
    let mut p = simple(
        json!({"licenses": "a", "start": "licensed", "wait": "none", "project": "falcon", "on-loss": "stop"}),
    );
    p["spec"]["restartPolicy"] = json!("Never");
    p["spec"]["hostNetwork"] = json!(true);
    p["spec"]["nodeName"] = json!("node-a");
    let after = inject(&p);
    let s = sidecar_of(&after);
    let init = &after["spec"]["initContainers"];
    assert_eq!(names(init), ["mooring"], "wait: none has no gate");
    assert!(
        s["env"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "MOORING_START", "value": "licensed"}))
    );
    assert!(
        s["env"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "MOORING_PROJECT", "value": "falcon"}))
    );
    assert!(
        s["env"].as_array().unwrap().contains(
            &json!({"name": "MOORING_ADDRESSES", "value": "10.96.0.7:8443,[fd00::7]:8443"})
        )
    );
    assert_eq!(s.get("ports"), None);
    assert_eq!(after["spec"]["restartPolicy"], "Never");
}

fn guaranteed() -> Value {
    let r = json!({"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2000m", "memory": "1024Mi"}});
    pod(
        json!({"licenses": "a"}),
        json!({
            "initContainers": [{"name": "migrate", "image": "m", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}],
            "containers": [{"name": "app", "image": "a", "resources": r}],
        }),
    )
}

#[test]
fn a_guaranteed_pod_stays_guaranteed() {
    let after = inject(&guaranteed());
    let r = &sidecar_of(&after)["resources"];
    assert_eq!(
        r,
        &json!({"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}})
    );
    assert_eq!(inject_with(&after, &settings()).unwrap().1, 0);

    let gate = &after["spec"]["initContainers"][1]["resources"];
    assert_eq!(gate, r, "the gate counts for the class, too");

    let mut burstable = guaranteed();
    burstable["spec"]["initContainers"][0]["resources"]["requests"] =
        json!({"cpu": "1m", "memory": "1Gi"});
    assert_eq!(
        sidecar_of(&inject(&burstable))["resources"]["requests"]["cpu"],
        "10m"
    );
}

/// What a pod counts for (KEP-753): its containers and sidecars, or one init container with the
/// sidecars before it, whichever is more.
fn counts_for(pod: &Value, kind: &str, name: &str) -> Quantity {
    let list = |l: &str| pod["spec"][l].as_array().cloned().unwrap_or_default();
    let of = |c: &Value| {
        let said = |kind: &str| c["resources"][kind][name].as_str();
        let text = said(kind).or_else(|| said("limits"));
        Quantity::parse(text.unwrap_or("0")).unwrap()
    };
    let (mut beside, mut most) = (Quantity::zero(), Quantity::zero());
    for c in list("initContainers") {
        if c["restartPolicy"] == "Always" {
            beside = beside.plus(&of(&c));
        } else {
            most = most.max(beside.plus(&of(&c)));
        }
    }
    let all = list("containers");
    all.iter().fold(beside, |sum, c| sum.plus(&of(c))).max(most)
}

#[test]
fn the_gate_makes_no_pod_larger() {
    let small = json!({"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "20Mi"}});
    let limits = json!({"limits": {"cpu": "50m", "memory": "16Mi"}});
    let large = json!({"requests": {"cpu": "2", "memory": "1Gi"}});
    for resources in [json!({}), small, limits, large] {
        let spec =
            json!({"containers": [{"name": "app", "image": "a", "resources": resources.clone()}]});
        let gated = inject(&pod(json!({"licenses": "a"}), spec.clone()));
        let open = inject(&pod(json!({"licenses": "a", "wait": "none"}), spec));
        for name in ["cpu", "memory"] {
            let counts = |p| counts_for(p, "requests", name);
            assert_eq!(counts(&gated), counts(&open), "{name} of {resources}");
        }
        if resources["limits"].get("cpu").is_some() {
            let counts = |p| counts_for(p, "limits", "cpu");
            assert_eq!(counts(&gated), counts(&open), "{resources}");
        }
        let gate = &gated["spec"]["initContainers"][1];
        let memory = gate["resources"]["limits"]["memory"].as_str().unwrap();
        let memory = Quantity::parse(memory).unwrap();
        assert!(
            memory >= Quantity::parse("8Mi").unwrap(),
            "it could not run"
        );
    }
}

#[test]
fn the_sidecars_amounts_are_requests_and_limits() {
    let after = inject(&simple(
        json!({"licenses": "a", "sidecar-memory": "64Mi", "sidecar-cpu": "0.25"}),
    ));
    let r = &sidecar_of(&after)["resources"];
    assert_eq!(
        r,
        &json!({"requests": {"cpu": "0.25", "memory": "64Mi"}, "limits": {"cpu": "0.25", "memory": "64Mi"}})
    );
}

#[test]
fn the_resources_of_the_whole_pod_are_raised_once() {
    let mut p = simple(json!({"licenses": "a"}));
    p["spec"]["resources"] =
        json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}});
    let after = inject(&p);
    assert_eq!(
        after["spec"]["resources"],
        json!({"requests": {"cpu": "1010m", "memory": "1056Mi"}, "limits": {"memory": "2080Mi"}})
    );
    assert_eq!(
        inject_with(&after, &settings()).unwrap().1,
        0,
        "and not again"
    );

    p["spec"]["resources"] =
        json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}});
    let after = inject(&p);
    let both = json!({"cpu": "1100m", "memory": "1056Mi"});
    assert_eq!(
        after["spec"]["resources"],
        json!({"requests": both, "limits": both}),
        "guaranteed as a whole, and stays so"
    );
}

#[test]
fn where_the_platform_assigns_the_user_none_is_set() {
    let mut s = settings();
    s.run_as_user = None;
    let after = inject_with(&simple(json!({"licenses": "a"})), &s)
        .unwrap()
        .0;
    let c = &sidecar_of(&after)["securityContext"];
    assert_eq!(
        (c.get("runAsUser"), c.get("runAsGroup"), &c["runAsNonRoot"]),
        (None, None, &json!(true))
    );
}

/// A pod of one user that projects a token for a vault.
fn with_a_token_of_its_own(container: Value, security: Value) -> Value {
    let token = json!({"serviceAccountToken": {"path": "token", "audience": "vault"}});
    let volume = json!({"name": "t", "projected": {"defaultMode": 256, "sources": [token]}});
    pod(
        json!({"licenses": "a"}),
        json!({"securityContext": security, "containers": [container], "volumes": [volume]}),
    )
}

#[test]
fn an_applications_own_token_stays_readable_to_it() {
    let app = json!({"name": "app", "image": "a"});
    let user = |pod: &Value| {
        let after = inject(pod);
        let init = after["spec"]["initContainers"].clone();
        let users = [0, 1].map(|i| init[i]["securityContext"]["runAsUser"].clone());
        assert_eq!(users[0], users[1]);
        assert_eq!(inject_with(&after, &settings()).unwrap().1, 0);
        users[0].as_i64().unwrap()
    };
    let whole = with_a_token_of_its_own(app.clone(), json!({"runAsUser": 1000}));
    assert_eq!(user(&whole), 1000);
    let own = json!({"name": "app", "image": "a", "securityContext": {"runAsUser": 2000}});
    let own = with_a_token_of_its_own(own, json!({"runAsUser": 1000}));
    assert_eq!(user(&own), 2000);

    for no_one in [json!({}), json!({"runAsUser": 0})] {
        assert_eq!(user(&with_a_token_of_its_own(app.clone(), no_one)), 65532);
    }
    let mut two = whole;
    let other = json!({"name": "other", "image": "o", "securityContext": {"runAsUser": 2000}});
    two["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(other);
    assert_eq!(user(&two), 65532, "the token is root's anyway");
    let mut none = simple(json!({"licenses": "a"}));
    none["spec"]["securityContext"] = json!({"runAsUser": 1000});
    assert_eq!(user(&none), 65532, "there is no token to take away");
}

#[test]
fn of_variables_with_one_name_the_last_counts_so_there_is_one() {
    let mut p = simple(json!({"licenses": "a"}));
    let told = |name: &str, value: &str| json!({"name": name, "value": value});
    let fake = || told("MOORING_SOCKET", "/tmp/fake");
    p["spec"]["containers"][0]["env"] =
        json!([fake(), told("A", "1"), fake(), told("A", "2"), fake()]);
    let after = inject(&p);
    assert_eq!(
        after["spec"]["containers"][0]["env"],
        json!([
            told("MOORING_SOCKET", "/run/mooring/mooring.sock"),
            told("A", "1"),
            told("A", "2")
        ])
    );
}

#[test]
fn each_mesh_leaves_the_servers_port_alone() {
    let after = inject(&simple(json!({"licenses": "a"})));
    let annotations = after["metadata"]["annotations"].as_object().unwrap();
    for (mesh, suffix) in [
        ("istio.io", "excludeOutboundPorts"),
        ("linkerd.io", "skip-outbound-ports"),
        ("consul.hashicorp.com", "exclude-outbound-ports"),
        ("kuma.io", "exclude-outbound-ports"),
        ("openservicemesh.io", "port-exclusion-list"),
        ("nsm.nginx.com", "ignore-outgoing-ports"),
    ] {
        let mut all = annotations.iter();
        let is = |k: &str| k.contains(mesh) && k.ends_with(suffix);
        assert!(all.any(|(k, v)| is(k) && v == "8443"), "{mesh}");
    }
}

#[test]
fn pull_secrets_are_added_to_the_pods_own() {
    let mut s = settings();
    s.pull_secrets = vec!["mooring-pull".into(), "mine".into()];
    let mut p = simple(json!({"licenses": "a"}));
    p["spec"]["imagePullSecrets"] = json!([{"name": "mine"}]);
    let after = inject_with(&p, &s).unwrap().0;
    assert_eq!(
        after["spec"]["imagePullSecrets"],
        json!([{"name": "mine"}, {"name": "mooring-pull"}])
    );
}

#[test]
fn mirror_pods_and_pods_that_did_not_opt_in_are_left_alone() {
    for annotations in [
        json!({}),
        json!({"licenses": "a", "kubernetes.io/config.mirror": "hash"}),
        json!({"license": "a"}),
    ] {
        let p: Pod = serde_json::from_value(simple(annotations)).unwrap();
        assert_eq!(requested(&p).unwrap(), None);
    }
    assert_eq!(requested(&Pod::default()).unwrap(), None);
}

#[test]
fn versions_make_labels() {
    assert_eq!(label_value("0.1.0+build.7"), "0.1.0_build.7");
    assert_eq!(label_value("-1-"), "1");
    assert_eq!(label_value(&"x".repeat(80)).len(), 63);
}

#[test]
fn a_pod_that_the_webhook_made_counts_for_its_server() {
    use crate::pods::{Standing, standing};
    use crate::watched::WatchedPod;
    use mooring_api::names::ServerRef;
    use mooring_core::identity::HolderKey;
    use mooring_core::wire::{AllowedNamespaces, Policies};
    let mut injected = inject(&simple(json!({ "mooring.dev/licenses": "render" })));
    injected["metadata"]["uid"] = json!("u");
    let made = serde_json::from_value::<WatchedPod>(injected).unwrap().0;
    let server = ServerRef::from_url(&target().url).unwrap();
    let all = Policies {
        replaced: Vec::new(),
        seats: None,
        generation: 0,
        allowed_namespaces: AllowedNamespaces::ALL,
    };
    let is = standing(&HolderKey("u".into()), Some(&made), &server, &all);
    assert_eq!(is, Standing::Counts, "{made:?}");
}

#[test]
fn a_pod_that_waits_before_scheduling_gets_its_gate_once_and_all_else_as_at_startup() {
    let mut p = of_a_deployment();
    let at_startup = inject(&p);
    p["metadata"]["annotations"]["mooring.dev/wait"] = json!("scheduling");
    p["spec"]["schedulingGates"] = json!([{"name": "kueue.x-k8s.io/admission"}]);
    let mut after = inject(&p);
    assert_eq!(
        names(&after["spec"]["schedulingGates"]),
        ["kueue.x-k8s.io/admission", "mooring.dev/license"]
    );
    assert_eq!(inject(&after), after, "never twice");
    after["spec"]
        .as_object_mut()
        .unwrap()
        .remove("schedulingGates");
    assert_eq!(after["spec"], at_startup["spec"]);
    assert_eq!(at_startup["spec"].get("schedulingGates"), None);
}

#[test]
fn a_pod_that_is_bound_already_waits_at_startup_and_its_author_is_told() {
    let mut p = of_a_deployment();
    let warning = |p: &Value| {
        let typed: Pod = serde_json::from_value(p.clone()).unwrap();
        wait_warning(&typed, &requested(&typed).unwrap().unwrap())
    };
    p["metadata"]["annotations"]["mooring.dev/wait"] = json!("scheduling");
    assert_eq!(warning(&p), None);
    p["spec"]["nodeName"] = json!("n1");
    let said = warning(&p).unwrap();
    assert!(
        said.contains("waits at startup") && said.len() <= 256,
        "{said}"
    );
    let after = inject(&p);
    assert_eq!(after["spec"].get("schedulingGates"), None);
    assert!(names(&after["spec"]["initContainers"]).contains(&"mooring-gate"));
}
