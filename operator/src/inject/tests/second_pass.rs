//! A second pass over a pod that others have changed since the first: what is theirs stays, what is
//! ours for safety is put back.

use super::*;

fn injected() -> Value {
    inject(&simple(json!({"licenses": "a"})))
}

/// What others do to both of our containers, by path and value; `null` takes away.
fn changed(pod: &Value, changes: &[(&str, Value)]) -> Value {
    let mut pod = pod.clone();
    for i in 0..2 {
        for (path, value) in changes {
            let (parent, field) = path.rsplit_once('/').unwrap();
            let parent = format!("/spec/initContainers/{i}{parent}");
            let parent = pod.pointer_mut(&parent).unwrap();
            match (parent, value) {
                (parent, Value::Null) => drop(parent.as_object_mut().unwrap().remove(field)),
                (parent, value) => parent[field] = value.clone(),
            }
        }
    }
    pod
}

fn stays(pod: &Value, changes: &[(&str, Value)]) {
    let pod = changed(pod, changes);
    assert_eq!(inject_with(&pod, &settings()).unwrap().1, 0, "{changes:?}");
}

fn is_put_back(changes: &[(&str, Value)]) {
    let pod = injected();
    let again = inject(&changed(&pod, changes));
    assert_eq!(
        again["spec"]["initContainers"], pod["spec"]["initContainers"],
        "{changes:?}"
    );
}

#[test]
fn always_pull_images_has_the_last_word() {
    stays(&injected(), &[("/imagePullPolicy", json!("Always"))]);
    is_put_back(&[("/imagePullPolicy", json!("Never"))]);
}

#[test]
fn an_image_out_of_a_mirror_stays_and_another_does_not() {
    for image in [
        "mirror.local/mooring.local/sidecar:test",
        "mirror.local/sidecar:test@sha256:1",
    ] {
        stays(&injected(), &[("/image", json!(image))]);
    }
    is_put_back(&[("/image", json!("mirror.local/sidecar:older"))]);
    is_put_back(&[("/image", json!("evil"))]);

    let pinned = "mirror.local/sidecar@sha256:1";
    is_put_back(&[("/image", json!(pinned))]);
    let mut s = settings();
    s.images.also.push(pinned.to_owned());
    let pod = changed(&injected(), &[("/image", json!(pinned))]);
    assert_eq!(inject_with(&pod, &s).unwrap().1, 0);
}

#[test]
fn what_openshift_fills_in_stays() {
    let mut s = settings();
    s.run_as_user = None;
    let pod = simple(json!({"licenses": "a"}));
    let pod = inject_with(&pod, &s).unwrap().0;
    let filled = changed(
        &pod,
        &[
            ("/securityContext/runAsUser", json!(1_000_650_000)),
            (
                "/securityContext/seLinuxOptions",
                json!({"level": "s0:c25,c20"}),
            ),
            (
                "/securityContext/capabilities/drop",
                json!(["ALL", "KILL", "MKNOD"]),
            ),
            ("/securityContext/fieldFromTheFuture", json!(true)),
        ],
    );
    assert_eq!(inject_with(&filled, &s).unwrap().1, 0);
    // Also where the installation names a user of its own.
    stays(
        &injected(),
        &[
            ("/securityContext/runAsUser", json!(1000)),
            ("/securityContext/runAsGroup", json!(0)),
            (
                "/securityContext/seccompProfile",
                json!({"type": "Localhost", "localhostProfile": "x.json"}),
            ),
            (
                "/securityContext/appArmorProfile",
                json!({"type": "RuntimeDefault"}),
            ),
        ],
    );
}

#[test]
fn what_makes_our_containers_weaker_is_put_back() {
    for (field, weaker) in [
        ("privileged", json!(true)),
        ("allowPrivilegeEscalation", json!(true)),
        ("readOnlyRootFilesystem", json!(false)),
        ("runAsNonRoot", json!(false)),
        ("runAsUser", json!(0)),
        (
            "capabilities",
            json!({"drop": ["ALL"], "add": ["SYS_PTRACE"]}),
        ),
        ("capabilities", json!({"drop": ["KILL"]})),
        ("seccompProfile", json!({"type": "Unconfined"})),
        ("appArmorProfile", json!({"type": "Unconfined"})),
        ("procMount", json!("Unmasked")),
    ] {
        is_put_back(&[(&format!("/securityContext/{field}"), weaker)]);
    }
    is_put_back(&[("/securityContext", Value::Null)]);
    for (field, other) in [
        ("command", json!(["sh"])),
        ("workingDir", json!("/tmp")),
        ("envFrom", json!([{"configMapRef": {"name": "x"}}])),
        (
            "lifecycle",
            json!({"postStart": {"exec": {"command": ["x"]}}}),
        ),
        ("startupProbe", json!({"exec": {"command": ["x"]}})),
        ("ports", json!([{"containerPort": 1}])),
        ("tty", json!(true)),
    ] {
        is_put_back(&[(&format!("/{field}"), other)]);
    }
}

#[test]
fn a_gate_and_a_sidecar_that_are_hardly_known_any_more_are_put_back() {
    let pod = injected();
    for (i, name) in ["mooring", "mooring-gate"].into_iter().enumerate() {
        for (field, other) in [
            ("args", json!(["sleep"])),
            ("args", Value::Null),
            ("restartPolicy", Value::Null),
            ("restartPolicy", json!("Always")),
        ] {
            let mut changed = pod.clone();
            let c = &mut changed["spec"]["initContainers"][i];
            assert_eq!(c["name"], name);
            match &other {
                Value::Null => drop(c.as_object_mut().unwrap().remove(field)),
                other => c[field] = other.clone(),
            }
            let again = inject(&changed);
            assert_eq!(
                again["spec"]["initContainers"], pod["spec"]["initContainers"],
                "{name} with {field}: {other}"
            );
        }
    }
}

#[test]
fn amounts_that_others_set_stay_unless_nothing_could_run_on_them() {
    let more = json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "50m", "memory": "64Mi"}});
    stays(&injected(), &[("/resources", more.clone())]);
    let no_cpu_limit =
        json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "32Mi"}});
    stays(&injected(), &[("/resources", no_cpu_limit)]);
    is_put_back(&[("/resources/limits/memory", json!("1Mi"))]);
    is_put_back(&[("/resources", json!({}))]);
    // The same for the whole pod: it was raised at the first pass, and is not again.
    let mut whole = simple(json!({"licenses": "a"}));
    whole["spec"]["resources"] = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}});
    stays(&inject(&whole), &[("/resources", more)]);
}

#[test]
fn variables_and_mounts_of_others_stay_and_ours_are_ours() {
    let pod = injected();
    let proxy = json!({"name": "HTTPS_PROXY", "value": "http://proxy"});
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let mut all = pod.clone();
    for i in 0..2 {
        let c = &mut all["spec"]["initContainers"][i];
        let mut env = c["env"].as_array().cloned().unwrap_or_default();
        env.push(proxy.clone());
        c["env"] = json!(env);
        let mounts = c["volumeMounts"].as_array_mut().unwrap();
        mounts.insert(0, mount("ca-bundle", "/etc/ssl/certs"));
    }
    assert_eq!(inject_with(&all, &settings()).unwrap().1, 0);

    let told = |name: &str, value: &str| json!({"name": name, "value": value});
    for (list, theirs) in [
        ("env", told("MOORING_SERVER", "https://evil.svc:1")),
        ("env", told("MOORING_EXTRA", "x")),
        ("volumeMounts", mount("own", "/run")),
        ("volumeMounts", mount("own", "/var/run/mooring/")),
        ("volumeMounts", mount("own", "/mooring-sidecar")),
        ("volumeMounts", mount("own", "/")),
        ("volumeMounts", mount("mooring-token", "/elsewhere")),
    ] {
        let mut changed = pod.clone();
        let c = &mut changed["spec"]["initContainers"][0];
        c[list].as_array_mut().unwrap().push(theirs.clone());
        let again = inject(&changed);
        assert_eq!(
            again["spec"]["initContainers"], pod["spec"]["initContainers"],
            "{theirs}"
        );
    }
}

#[test]
fn a_variable_of_ours_has_our_value_and_what_says_nothing_of_safety_is_the_platforms() {
    let pod = injected();
    let mut changed = pod.clone();
    let env = changed["spec"]["initContainers"][0]["env"].as_array_mut();
    for variable in env.unwrap() {
        variable["value"] = json!("https://evil.svc:1");
    }
    let again = inject(&changed);
    assert_eq!(
        again["spec"]["initContainers"],
        pod["spec"]["initContainers"]
    );
    stays(&pod, &[("/terminationMessagePolicy", json!("File"))]);
}
