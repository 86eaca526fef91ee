//! What a user reads when a pod is refused: the field, the character, what was expected, what to
//! do.

use super::*;

#[test]
fn each_bad_value_is_answered_with_its_place_and_what_was_expected() {
    for (key, value, text) in [
        (
            "licenses",
            "render:two",
            "annotation mooring.dev/licenses: character 8: 't', expected a number of seats from 1 to 1000000",
        ),
        (
            "licenses",
            "",
            "annotation mooring.dev/licenses: character 1: nothing, expected a product's name",
        ),
        (
            "server",
            "Main",
            "annotation mooring.dev/server: character 1: 'M', expected a LicenseServer as name or namespace/name (a-z, 0-9 and '-', at most 63 each)",
        ),
        (
            "server",
            "licensing/",
            "annotation mooring.dev/server: character 11: nothing, expected a LicenseServer as",
        ),
        (
            "server",
            "a/b/c",
            "annotation mooring.dev/server: character 4: '/', expected a LicenseServer as",
        ),
        (
            "server",
            "-a",
            "annotation mooring.dev/server: character 1: '-', expected a LicenseServer as",
        ),
        (
            "server",
            "a-",
            "annotation mooring.dev/server: character 2: '-', expected a LicenseServer as",
        ),
        (
            "server",
            "a, b",
            "annotation mooring.dev/server: character 3: ' ', expected a LicenseServer as",
        ),
        (
            "server",
            "a,",
            "annotation mooring.dev/server: character 3: nothing, expected a LicenseServer as",
        ),
        (
            "server",
            "ns/a,ns/b/c",
            "annotation mooring.dev/server: character 10: '/', expected a LicenseServer as",
        ),
        (
            "server",
            "a,b,c,d,e,f,g,h,i",
            "annotation mooring.dev/server: character 17: one more LicenseServer, expected at most 8 of them",
        ),
        (
            "start",
            "optimstic",
            "annotation mooring.dev/start: character 6: \"optimstic\", expected \"optimistic\" or \"licensed\" (did you mean \"optimistic\"?)",
        ),
        (
            "start",
            "",
            "annotation mooring.dev/start: character 1: nothing, expected \"optimistic\" or \"licensed\"",
        ),
        (
            "wait",
            "never",
            "annotation mooring.dev/wait: character 2: \"never\", expected \"startup\", \"none\" or \"scheduling\"",
        ),
        (
            "on-loss",
            "Keep",
            "annotation mooring.dev/on-loss: character 1: \"Keep\", expected \"keep\" or \"stop\" (did you mean \"keep\"?)",
        ),
        (
            "project",
            "Falcon",
            "annotation mooring.dev/project: character 1: 'F', expected a project's name (a-z, 0-9 and '-', at most 63)",
        ),
        (
            "project",
            "",
            "annotation mooring.dev/project: character 1: nothing, expected a project's name",
        ),
        (
            "log-level",
            "verbose",
            "annotation mooring.dev/log-level: character 1: \"verbose\", expected \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ),
        (
            "containers",
            "app,,b",
            "annotation mooring.dev/containers: character 5: nothing, expected the names of containers",
        ),
        (
            "containers",
            "app, b",
            "annotation mooring.dev/containers: character 5: ' ', expected the names of containers of this pod, with commas between them and no spaces",
        ),
        (
            "containers",
            "app,web",
            "annotation mooring.dev/containers: character 5: \"web\", expected a container of this pod (app)",
        ),
        (
            "sidecar-memory",
            "32MB",
            "annotation mooring.dev/sidecar-memory: character 3: 'M', expected an amount of at least 8Mi, such as 32Mi, 64Mi",
        ),
        (
            "sidecar-memory",
            "1Mi",
            "annotation mooring.dev/sidecar-memory: character 1: \"1Mi\", expected an amount of at least 8Mi",
        ),
        (
            "sidecar-cpu",
            "-1",
            "annotation mooring.dev/sidecar-cpu: character 1: '-', expected an amount of at least 1m, such as 10m, 100m, 0.5",
        ),
        (
            "sidecar-cpu",
            "0",
            "annotation mooring.dev/sidecar-cpu: character 1: \"0\", expected an amount of at least 1m",
        ),
    ] {
        let mut annotations = json!({"licenses": "a"});
        annotations[key] = json!(value);
        let said = refusal(&simple(annotations));
        assert!(
            said.starts_with(text),
            "{key}={value}\n said {said}\n want {text}"
        );
    }
}

#[test]
fn a_group_has_a_name_and_a_size_and_waits_before_it_is_scheduled() {
    let said = |group: Value, size: Value, wait: &str, licenses: &str| {
        let mut annotations = json!({"licenses": licenses, "wait": wait});
        for (key, value) in [("group", group), ("group-size", size)] {
            if !value.is_null() {
                annotations[key] = value;
            }
        }
        refusal(&simple(annotations))
    };
    let waits = "scheduling";
    for (said, text) in [
        (
            said(json!("gang"), Value::Null, waits, "a"),
            "annotation mooring.dev/group: there is no mooring.dev/group-size, expected both or neither",
        ),
        (
            said(Value::Null, json!("4"), waits, "a"),
            "annotation mooring.dev/group-size: there is no mooring.dev/group, expected both or neither",
        ),
        (
            said(json!("Gang"), json!("4"), waits, "a"),
            "annotation mooring.dev/group: character 1: 'G', expected a group's name (a-z, 0-9 and '-', at most 63)",
        ),
        (
            said(json!("gang"), json!("1"), waits, "a"),
            "annotation mooring.dev/group-size: character 1: \"1\", expected a number of pods from 2 to 1000",
        ),
        (
            said(json!("gang"), json!("4x"), waits, "a"),
            "annotation mooring.dev/group-size: character 2: \"4x\", expected a number of pods from 2 to 1000",
        ),
        (
            said(json!("gang"), json!("+4"), waits, "a"),
            "annotation mooring.dev/group-size: character 1: \"+4\", expected a number of pods from 2 to 1000",
        ),
        (
            said(json!("gang"), json!("1000"), waits, "a,b:1001"),
            "annotation mooring.dev/group-size: character 1: \"1000\", expected at most 1000000 seats of b together",
        ),
        (
            said(json!("gang"), json!("4"), "startup", "a"),
            "annotation mooring.dev/group: expected with mooring.dev/wait: \"scheduling\" only",
        ),
    ] {
        assert!(said.starts_with(text), "said {said}\nwant {text}");
    }
}

#[test]
fn a_place_has_a_name_and_its_pod_waits_for_it() {
    let said = |place: &str, wait: &str| {
        refusal(&simple(
            json!({"licenses": "a", "wait": wait, "place": place}),
        ))
    };
    let text = "annotation mooring.dev/place: character 5: '_', expected a place's name (a-z, 0-9 and '-', at most 63)";
    assert_eq!(said("etl-_x", "startup"), text);
    let text = "annotation mooring.dev/place: expected with mooring.dev/wait: \"startup\" or \"scheduling\" only, since a pod that waits nowhere has no place in line";
    assert_eq!(said("etl", "none"), text);
}

#[test]
fn a_users_container_may_not_have_one_of_our_names() {
    let p = pod(
        json!({"licenses": "a"}),
        json!({"containers": [{"name": "app"}, {"name": "mooring"}]}),
    );
    assert_eq!(
        refusal(&p),
        "spec.containers[1].name: \"mooring\" is the name of a container of Mooring's: give yours another name"
    );
    let p = pod(
        json!({"licenses": "a"}),
        json!({"initContainers": [{"name": "mooring"}], "containers": [{"name": "app"}]}),
    );
    assert!(refusal(&p).starts_with("spec.initContainers[0].name: \"mooring\""));
    for c in [
        json!({"name": "mooring-gate", "args": ["wait"]}),
        json!({"name": "mooring-gate", "args": ["gate"], "restartPolicy": "Always"}),
    ] {
        let spec =
            json!({"initContainers": [{"name": "migrate"}, c], "containers": [{"name": "app"}]});
        let said = refusal(&pod(json!({"licenses": "a"}), spec));
        assert!(
            said.starts_with("spec.initContainers[1].name: \"mooring-gate\""),
            "{said}"
        );
    }
}

#[test]
fn what_the_gate_comes_after_must_be_an_init_container_of_the_pod() {
    let annotations = json!({"licenses": "a", "gate-after": "stage,app"});
    let spec = json!({"initContainers": [{"name": "stage"}, {"name": "migrate"}], "containers": [{"name": "app"}]});
    assert_eq!(
        refusal(&pod(annotations.clone(), spec)),
        "annotation mooring.dev/gate-after: character 7: \"app\", expected an init container of this pod (stage, migrate)"
    );
    assert_eq!(
        refusal(&simple(annotations)),
        "annotation mooring.dev/gate-after: character 1: \"stage\", expected an init container of this pod (it has none)"
    );
}

#[test]
fn a_container_that_ends_before_there_is_a_socket_is_given_none() {
    let annotations = json!({"licenses": "a", "gate-after": "stage", "containers": "app,stage"});
    let spec = json!({"initContainers": [{"name": "stage"}], "containers": [{"name": "app"}]});
    let said = refusal(&pod(annotations, spec.clone()));
    assert!(
        said.starts_with(
            "annotation mooring.dev/containers: character 5: \"stage\" ends before the Mooring sidecar starts"
        ),
        "{said}"
    );
    // Behind the gate it has one.
    let annotations = json!({"licenses": "a", "containers": "stage"});
    assert!(has_socket(
        &inject(&pod(annotations, spec))["spec"]["initContainers"][2]
    ));
}

#[test]
fn so_many_containers_are_no_pod_and_ours_do_not_count() {
    let of = |count: usize| {
        let name = |i: usize| json!({"name": format!("c{i}")});
        let all: Vec<Value> = (0..count).map(name).collect();
        pod(json!({"licenses": "a"}), json!({"containers": all}))
    };
    assert_eq!(
        refusal(&of(1001)),
        "spec: 1001 containers, expected at most 1000 in a pod with a license: make several pods of it"
    );
    let once = inject(&of(1000));
    assert_eq!(once, inject(&once), "a second pass");
    // Our names are no way round.
    let init = vec![json!({"name": "mooring"}); 1001];
    let mut named = of(0);
    named["spec"] = json!({"containers": [{"name": "app"}], "initContainers": init});
    let said = refusal(&named);
    assert!(said.starts_with("spec: 1001 containers"), "{said}");
}

#[test]
fn the_sidecars_volumes_are_its_alone() {
    for volume in ["mooring-state", "mooring-token"] {
        let p = pod(
            json!({"licenses": "a"}),
            json!({"containers": [{"name": "app", "volumeMounts": [{"name": volume, "mountPath": "/x"}]}]}),
        );
        let said = refusal(&p);
        assert!(
            said.contains("container \"app\"")
                && said.contains(volume)
                && said.contains("remove that mount"),
            "{said}"
        );
    }
}

#[test]
fn something_else_where_the_socket_goes_is_refused_unless_the_container_is_left_out() {
    let spec = json!({"containers": [
        {"name": "app"},
        {"name": "web", "volumeMounts": [{"name": "own", "mountPath": "/run/mooring/"}]},
    ]});
    let said = refusal(&pod(json!({"licenses": "a"}), spec.clone()));
    assert!(
        said.contains("container \"web\" mounts the volume \"own\" at /run/mooring"),
        "{said}"
    );
    let after = inject(&pod(json!({"licenses": "a", "containers": "app"}), spec));
    assert!(has_socket(&after["spec"]["containers"][0]));
}

#[test]
fn the_sockets_folder_is_not_made_on_the_node_nor_in_what_is_read_only() {
    let with = |mount: Value, volume: Value| {
        pod(
            json!({"licenses": "a"}),
            json!({"containers": [{"name": "app", "volumeMounts": [mount]}], "volumes": [volume]}),
        )
    };
    let at = |path: &str| json!({"name": "own", "mountPath": path});
    let read_only = |path: &str| json!({"name": "own", "mountPath": path, "readOnly": true});
    let node = json!({"name": "own", "hostPath": {"path": "/run"}});
    let empty = json!({"name": "own", "emptyDir": {}});
    let image = json!({"name": "own", "image": {"reference": "x"}});
    let claim =
        json!({"name": "own", "persistentVolumeClaim": {"claimName": "x", "readOnly": true}});
    for (mount, volume, why) in [
        (at("/run"), &node, "is a folder of the node (hostPath)"),
        (read_only("/var/run"), &node, "is a folder of the node"),
        (read_only("/run/"), &empty, "is read-only"),
        (at("//run/."), &image, "is an image, which is read-only"),
        (at("/run"), &claim, "is read-only"),
    ] {
        let said = refusal(&with(mount.clone(), volume.clone()));
        let begin = "container \"app\" mounts the volume \"own\" at ";
        assert!(said.starts_with(begin) && said.contains(why), "{said}");
        assert!(said.contains("annotation mooring.dev/containers"), "{said}");
    }
    for (mount, volume) in [
        (at("/run"), empty),
        (
            read_only("/run"),
            json!({"name": "own", "configMap": {"name": "x"}}),
        ),
        (
            read_only("/run"),
            json!({"name": "own", "projected": {"sources": []}}),
        ),
        (at("/run/docker.sock"), node),
        (read_only("/running"), image),
    ] {
        let after = inject(&with(mount, volume));
        assert!(has_socket(&after["spec"]["containers"][0]));
    }
    let below = with(at("/run/mooring/own"), claim);
    assert!(refusal(&below).contains("where Mooring's socket goes"));
}

#[test]
fn annotations_have_an_end() {
    let mut p = simple(json!({"licenses": "a"}));
    let fill = |n: usize| json!("x".repeat(n));
    p["metadata"]["annotations"]["own"] = fill(256 * 1024 - 100);
    let said = refusal(&p);
    assert!(said.starts_with("metadata.annotations: 262"), "{said}");
    assert!(said.contains("bytes shorter"), "{said}");
    p["metadata"]["annotations"]["own"] = fill(256 * 1024 - 1000);
    inject(&p);
}

#[test]
fn windows_is_told_so() {
    let p = pod(
        json!({"licenses": "a"}),
        json!({"os": {"name": "windows"}, "containers": [{"name": "app"}]}),
    );
    assert!(refusal(&p).contains("Linux nodes only"));
    let p = pod(
        json!({"licenses": "a"}),
        json!({"nodeSelector": {"kubernetes.io/os": "windows"}, "containers": [{"name": "app"}]}),
    );
    let said = refusal(&p);
    assert!(
        said.starts_with("spec.nodeSelector[kubernetes.io/os]: \"windows\": the Mooring"),
        "{said}"
    );
}

#[test]
fn unknown_keys_are_warned_of_with_what_was_meant() {
    let p: Pod = serde_json::from_value(simple(json!({
        "licenses": "a", "license": "b", "wiat": "none", "colour": "red", "injected": "x", "other.dev/x": "y", "server": "z",
    })))
    .unwrap();
    let said = unknown_keys(p.metadata.annotations.as_ref().unwrap());
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].starts_with(
            "unknown annotation mooring.dev/colour has no effect; Mooring knows: licenses, server,"
        ),
        "{said:?}"
    );
    assert_eq!(
        said[1],
        "unknown annotation mooring.dev/license has no effect: did you mean mooring.dev/licenses?"
    );
    assert_eq!(
        said[2],
        "unknown annotation mooring.dev/wiat has no effect: did you mean mooring.dev/wait?"
    );
    assert!(
        said.iter().all(|s| s.len() <= 256),
        "the API server cuts longer warnings"
    );
}

#[test]
fn settings_are_checked_at_the_start() {
    let e = Budget::parse(("10x", "100m"), ("32Mi", "32Mi")).unwrap_err();
    assert_eq!(
        e,
        "CPU request \"10x\": character 3: 'x', expected an amount such as 10m or 32Mi"
    );
    let e = Budget::parse(("1", "100m"), ("32Mi", "32Mi")).unwrap_err();
    assert_eq!(
        e,
        "CPU request \"1\", limit \"100m\": expected request ≤ limit, and a limit above 0"
    );
}

#[test]
fn a_refusal_has_an_end_whatever_it_would_have_to_repeat() {
    let long = "x".repeat(100_000);
    let at = |path: &str| {
        let mount = json!({"name": long, "mountPath": path});
        let app = json!({"name": long, "image": "a", "volumeMounts": [mount]});
        let volume = json!({"name": long, "hostPath": {"path": "/"}});
        json!({"containers": [app], "volumes": [volume]})
    };
    let asks = json!({"mooring.dev/licenses": "render"});
    let many: Vec<_> = (0..5000)
        .map(|i| json!({"name": format!("c{i}")}))
        .collect();
    let named = json!({"mooring.dev/licenses": "render", "mooring.dev/containers": "y"});
    for pod in [
        pod(asks.clone(), at("/run/mooring")),
        pod(
            asks.clone(),
            at(&format!("/run/{}/..", "./".repeat(50_000))),
        ),
        pod(named, json!({"containers": many})),
    ] {
        let said = refusal(&pod);
        assert!(said.len() < 2000, "{} bytes: {said:.200}", said.len());
    }
}
