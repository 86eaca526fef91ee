#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value)]
use super::*;
use crate::watched::watched;
use mooring_core::wire::AllowedNamespaces;
use serde_json::{Value, json};

/// A pod as the webhook makes it, with what is changed of it.
fn pod(change: impl FnOnce(&mut Value)) -> Pod {
    let env = json!([
        { "name": "MOORING_LICENSES", "value": "render:2" },
        { "name": "MOORING_SERVER", "value": "https://main.licensing.svc:8443" }
    ]);
    let sidecar = json!({ "name": "mooring", "image": "mirror.example/any", "args": ["run"], "restartPolicy": "Always", "env": env });
    let mut v = json!({
        "metadata": { "name": "p", "namespace": "apps", "uid": "u", "annotations": { "mooring.dev/licenses": "render:2" } },
        "spec": { "containers": [{ "name": "app" }], "initContainers": [sidecar], "nodeName": "n", "serviceAccountName": "default" },
    });
    change(&mut v);
    serde_json::from_value(v).unwrap()
}

fn main() -> ServerRef {
    ServerRef::new("licensing", "main")
}

fn judge(pod: &Pod, allowed: &[&str]) -> Standing {
    let allowed = allowed.iter().map(ToString::to_string).collect();
    let policies = Policies {
        replaced: Vec::new(),
        seats: None,
        generation: 0,
        allowed_namespaces: AllowedNamespaces::These(allowed),
    };
    standing(
        &HolderKey("u".into()),
        Some(&watched(pod)),
        &main(),
        &policies,
    )
}

#[test]
fn the_server_is_read_from_the_sidecar() {
    assert_eq!(servers_of(&pod(|_| ())), [main()]);
    assert_eq!(servers_of(&Pod::default()), []);
}

/// The pod of two servers, as its sidecar is told of them.
fn of_two(more: Value) -> impl FnOnce(&mut Value) {
    move |v| {
        let env = v["spec"]["initContainers"][0]["env"].as_array_mut();
        let env = env.unwrap();
        env[1]["value"] = json!("https://other.licensing.svc:8443;https://main.licensing.svc:8443");
        env.extend(more.as_array().cloned().unwrap());
    }
}

#[test]
fn a_pod_of_several_servers_is_each_ones() {
    let pod = pod(of_two(json!([])));
    let other = ServerRef::new("licensing", "other");
    assert_eq!(servers_of(&watched(&pod)), [other, main()]);
    assert_eq!(judge(&pod, &["apps"]), Standing::Counts);
}

#[test]
fn of_several_servers_each_has_its_own_entry_and_one_alone_is_of_all() {
    let grace = |said: &str| {
        let told = json!([{ "name": "MOORING_MAX_GRACE", "value": said }]);
        running(of_two(told)).max_grace.as_secs()
    };
    assert_eq!(grace("10m;20m"), 1200, "the second's");
    assert_eq!(grace("10m"), 600);
    let hours = DEFAULT_GRACE.as_secs();
    assert_eq!(
        (grace("10m;"), grace("10m;x"), grace("")),
        (hours, hours, hours)
    );
    let optimistic = |said: &str| {
        let told = json!([{ "name": "MOORING_OPTIMISTIC_START", "value": said }]);
        running(|v| {
            of_two(told)(v);
            let state = json!({ "running": {} });
            let app = json!({ "name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state });
            v["status"]["containerStatuses"] = json!([app]);
        })
        .optimistic
    };
    assert!(optimistic("voucher;") && !optimistic(";deny") && !optimistic("deny;"));
}

#[test]
fn a_pod_counts_if_the_webhook_made_it_for_this_server_and_its_namespace_is_allowed() {
    assert_eq!(judge(&pod(|_| ()), &["apps"]), Standing::Counts);
    let image = pod(|v| v["spec"]["initContainers"][0]["image"] = json!("other"));
    assert_eq!(
        judge(&image, &["apps"]),
        Standing::Counts,
        "mirrors change images"
    );
    assert_eq!(judge(&pod(|_| ()), &["other"]), Standing::NotAllowed);
}

#[test]
fn a_forged_pod_counts_for_nobody() {
    let judge = |what: &str, change: &dyn Fn(&mut Value)| {
        let forged = pod(change);
        assert_eq!(judge(&forged, &["apps"]), Standing::Foreign, "{what}");
    };
    let sidecar = |field: &'static str, value: Value| {
        move |v: &mut Value| v["spec"]["initContainers"][0][field] = value.clone()
    };
    judge("no annotation", &|v| {
        v["metadata"]["annotations"] = json!({});
    });
    judge("other arguments", &sidecar("args", json!(["sleep"])));
    judge("further arguments", &sidecar("args", json!(["run", "--x"])));
    judge("no sidecar", &sidecar("restartPolicy", Value::Null));
    judge("another name", &sidecar("name", json!("mooring2")));
    let url = json!("https://other.licensing.svc:8443");
    let env = json!([{ "name": "MOORING_SERVER", "value": url }]);
    judge("another server", &sidecar("env", env));
}

#[test]
fn who_is_not_in_sight_or_no_pod_is_told_apart() {
    let none = |key: &str| standing(&HolderKey(key.into()), None, &main(), &Policies::default());
    assert_eq!(none("u"), Standing::OutOfSight);
    assert_eq!(none("external:ann"), Standing::External);
}

/// With its sidecar running since 12:01, in a pod that began at 12:00.
fn running(change: impl FnOnce(&mut Value)) -> Holding {
    let pod = pod(|v| {
        let state = json!({ "running": { "startedAt": "2026-03-01T12:01:00Z" } });
        let status = json!({ "name": "mooring", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state });
        v["status"] =
            json!({ "startTime": "2026-03-01T12:00:00Z", "initContainerStatuses": [status] });
        change(v);
    });
    match fact_of(&watched(&pod), &main(), false) {
        PodFact::Running { of, .. } => *of,
        other => panic!("{other:?}"),
    }
}

#[test]
fn how_long_it_goes_on_without_its_server_is_what_its_sidecar_was_told() {
    assert_eq!(running(|_| ()).max_grace, Duration::from_secs(8 * 3600));
    let told = running(|v| {
        let env = &mut v["spec"]["initContainers"][0]["env"];
        let told = json!({ "name": "MOORING_MAX_GRACE", "value": "10m" });
        env.as_array_mut().unwrap().push(told);
    });
    assert_eq!(told.max_grace, Duration::from_secs(600));
}

#[test]
fn what_becomes_of_it_without_a_license_is_its_annotations_word() {
    let asks = |word: &'static str| {
        running(move |v| v["metadata"]["annotations"]["mooring.dev/on-loss"] = json!(word)).on_loss
    };
    assert_eq!(running(|_| ()).on_loss, OnLoss::Keep);
    assert_eq!(asks("stop"), OnLoss::Stop);
    assert_eq!(asks("keep"), OnLoss::Keep);
    assert_eq!(asks("Stop"), OnLoss::Keep, "no word that the webhook takes");
}

#[test]
fn a_sidecar_that_is_started_again_has_no_more_time() {
    let since = |of: Holding| of.since.unwrap().to_string();
    assert_eq!(since(running(|_| ())), "2026-03-01T12:01:00Z");
    let again = running(|v| {
        let sidecar = &mut v["status"]["initContainerStatuses"][0];
        sidecar["restartCount"] = json!(1);
        sidecar["state"]["running"]["startedAt"] = json!("2026-03-01T15:00:00Z");
    });
    assert_eq!(since(again), "2026-03-01T12:00:00Z");
}

#[test]
fn a_pod_waits_to_be_replaced_by_a_later_one_of_its_deployment() {
    let of = |set: &str, revision: &str, second: u32| {
        watched(&pod(|v| {
            v["metadata"]["name"] = json!(format!("{set}-{revision}-x7k2p"));
            v["metadata"]["labels"] = json!({ "pod-template-hash": revision });
            v["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:00:0{second}Z"));
        }))
    };
    let (old, new) = (of("app", "5d4f", 1), of("app", "77ab", 2));
    assert_eq!(deployment_of(&new), Some("app"));
    assert!(waits_to_be_replaced(&old, &new) && !waits_to_be_replaced(&new, &old));
    let others = [of("other", "5d4f", 1), of("app", "77ab", 1), pod(|_| ())];
    assert!(!others.iter().any(|o| waits_to_be_replaced(o, &new)));
    let mut goes = old;
    goes.metadata.deletion_timestamp = goes.metadata.creation_timestamp.clone();
    assert!(!waits_to_be_replaced(&goes, &new), "it goes already");
}

#[test]
fn a_server_outside_of_the_cluster_is_known_by_its_license_server() {
    let with = |url: &str, name: Option<&str>| {
        let mut env = vec![json!({ "name": "MOORING_SERVER", "value": url })];
        env.extend(name.map(|n| json!({ "name": "MOORING_LICENSE_SERVER", "value": n })));
        watched(&pod(|v| v["spec"]["initContainers"][0]["env"] = json!(env)))
    };
    let outside = with("https://license.example.com:8443", Some("licensing/main"));
    assert_eq!(servers_of(&outside), [main()]);
    for nobody in [None, Some("licensing"), Some("a/b/c"), Some("/main")] {
        let pod = with("https://license.example.com:8443", nobody);
        assert_eq!(servers_of(&pod), [], "{nobody:?}");
    }
    // A Service's name counts, whatever was added: its holders are on its roster.
    let inside = with("https://main.licensing.svc:8443", Some("licensing/other"));
    assert_eq!(servers_of(&inside), [main()]);
}

#[test]
fn one_of_a_pods_servers_may_be_outside_and_only_the_others_go_by_the_operators_ca() {
    let told = |urls: &str, names: &str, roots: &str| {
        let of = |(name, value)| json!({ "name": name, "value": value });
        let env = [
            ("MOORING_SERVER", urls),
            ("MOORING_LICENSE_SERVER", names),
            ("MOORING_ROOTS", roots),
            ("MOORING_MAX_GRACE", "1h;2h"),
        ];
        watched(&pod(|v| {
            v["spec"]["initContainers"][0]["env"] = json!(env.map(of));
        }))
    };
    let (out, within) = (
        "https://license.example.com:8443",
        "https://main.licensing.svc:8443",
    );
    let other = ServerRef::new("licensing", "out");
    let mixed = told(&format!("{out};{within}"), "licensing/out;", "THEIRS;OURS");
    assert_eq!(servers_of(&mixed), [other.clone(), main()]);
    let grace = |s| told_of(&mixed, "MOORING_MAX_GRACE", s);
    assert_eq!(grace(&other).as_deref(), Some("1h"));
    assert_eq!(grace(&main()).as_deref(), Some("2h"));
    assert_eq!(roots_of_ours(&mixed).as_deref(), Some("OURS"));
    assert_eq!(roots_of_ours(&told(out, "licensing/out", "THEIRS")), None);
    // Whoever is not named is nobody's, and the others' entries stay theirs.
    let half = told(&format!("{out};{within}"), ";", "THEIRS;OURS");
    assert_eq!(servers_of(&half), [main()]);
    assert_eq!(roots_of_ours(&half).as_deref(), Some("OURS"));
}

#[test]
fn the_secret_with_a_pods_token_is_one_that_the_webhook_names() {
    let with = |name: &str, secret: &str| {
        let volume =
            json!({ "name": name, "projected": { "sources": [{ "secret": { "name": secret } }] } });
        let others = json!({ "name": "data", "emptyDir": {} });
        watched(&pod(|v| v["spec"]["volumes"] = json!([others, volume])))
    };
    let given = with("mooring-token", "mooring-token-0123456789abcdef-01234567");
    assert_eq!(
        token_secret(&given),
        Some("mooring-token-0123456789abcdef-01234567")
    );
    assert_eq!(token_secret(&with("mooring-token", "db-password")), None);
    assert_eq!(token_secret(&with("token", "mooring-token-x")), None);
    assert_eq!(token_secret(&watched(&pod(|_| ()))), None);
}
