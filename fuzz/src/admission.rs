//! An AdmissionReview through to the patch, and the pod as the API server would have it then.

use crate::readable;
use json_patch::Patch;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Service;
use mooring_api::LicenseServer;
use mooring_api::names::{GATE, INJECTED, SIDECAR};
use mooring_operator::inject::{Budget, Images, InjectContext, Part, Settings, SidecarTarget};
use mooring_operator::webhook::review::{Question, Verdict};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// What an author's own pod may have none of, or ours alone.
const VOLUMES: [&str; 3] = ["mooring-state", "mooring-socket", "mooring-token"];
/// Lists of ports that meshes leave alone: ours is added to them.
const PORTS: [&str; 6] = [
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "config.linkerd.io/skip-outbound-ports",
    "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports",
    "traffic.kuma.io/exclude-outbound-ports",
    "openservicemesh.io/outbound-port-exclusion-list",
    "config.nsm.nginx.com/ignore-outgoing-ports",
];

struct Fixture {
    parts: [Part; 1],
    targets: [SidecarTarget; 1],
    settings: Settings,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let server: LicenseServer = serde_json::from_value(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
        "metadata": {"namespace": "licensing", "name": "main"},
        "spec": {
            "licenses": [{"secretName": "license"}], "placement": {"nodeSelector": {"a": "b"}},
            "anchor": {"pkcs11": {"module": "/m.so", "tokenLabel": "t", "pinSecret": {"name": "pin"}}},
        },
        "status": {"products": [{"name": "render", "seats": 2, "used": 0, "waiting": 0}]},
    }))
    .unwrap();
    let service: Service =
        serde_json::from_value(json!({"spec": {"clusterIPs": ["10.96.0.7"]}})).unwrap();
    Fixture {
        targets: [SidecarTarget::new(&[], &server, Some(&service))],
        parts: [Part {
            items: Vec::new(),
            servers: vec![Arc::new(server)],
        }],
        settings: Settings {
            images: Images {
                image: "mooring/sidecar:1".into(),
                also: vec!["mirror/sidecar:1".into()],
            },
            pull_policy: "IfNotPresent".into(),
            pull_secrets: Vec::new(),
            run_as_user: Some(65_532),
            budget: Budget::parse(("10m", "100m"), ("32Mi", "32Mi")).unwrap(),
            log: "info".into(),
            version: "0.1.0".into(),
        },
    }
});

/// What the API server does with the answer: the pod as it is then, `None` if it is refused.
fn admitted(question: &Question) -> Option<Value> {
    let fixture = &*FIXTURE;
    let ctx = InjectContext {
        targets: &fixture.targets,
        roots: "PEM",
        settings: &fixture.settings,
        review: "a-review",
    };
    let verdict = match question.requested() {
        Ok(None) => Verdict::Unchanged,
        Ok(Some(requested)) => question.verdict(&requested, &fixture.parts, &ctx),
        Err(refusal) => Verdict::Refused(refusal),
    };
    let kind = verdict.kind();
    let review = question.answer(verdict).expect("an answer");
    let answer = &review["response"];
    let warnings = answer["warnings"].as_array().into_iter().flatten();
    for warning in warnings {
        readable(&warning.as_str().expect("a warning's text"));
        assert!(warning.as_str().is_some_and(|w| w.chars().count() <= 256));
    }
    if answer["allowed"] != true {
        let status = &answer["status"];
        readable(&status["message"].as_str().expect("why it is refused"));
        let spec = question.raw.as_ref().and_then(|r| r.get("spec"));
        let expected = if kind == "refused" { 400 } else { 500 };
        assert_eq!(status["code"], expected, "{status}");
        assert!(
            expected == 400 || spec.is_none_or(Value::is_null),
            "{status}"
        );
        assert!(answer.get("patch").is_none());
        return None;
    }
    let mut pod = question.raw.clone().unwrap_or_default();
    if let Some(patch) = answer.get("patch") {
        assert_eq!(
            (kind, &answer["patchType"]),
            ("injected", &json!("JSONPatch"))
        );
        let bytes: ByteString = serde_json::from_value(patch.clone()).expect("base64");
        let patch: Patch = serde_json::from_slice(&bytes.0).expect("a patch");
        json_patch::patch(&mut pod, &patch).expect("it fits");
    }
    Some(pod)
}

fn list<'a>(of: &'a mut Value, field: &str) -> Option<&'a mut Vec<Value>> {
    of.get_mut(field).and_then(Value::as_array_mut)
}

fn is_named(value: &Value, names: &[&str]) -> bool {
    value["name"].as_str().is_some_and(|n| names.contains(&n))
}

/// What is empty says nothing.
fn without_empty(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, v| without_empty(v));
            !fields.is_empty()
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|v| {
                without_empty(v);
            });
            !items.is_empty()
        }
        other => !other.is_null(),
    }
}

/// The pod without what is Mooring's: what its author wrote.
fn of_the_author(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for marks in ["labels", "annotations"] {
        if let Some(marks) = pod.pointer_mut(&format!("/metadata/{marks}")) {
            let marks = marks.as_object_mut().into_iter();
            marks.for_each(|m| m.retain(|k, _| k != INJECTED && !PORTS.contains(&k.as_str())));
        }
    }
    if let Some(spec) = pod.get_mut("spec") {
        // Raised for ours.
        spec.as_object_mut().map(|s| s.remove("resources"));
        if let Some(all) = list(spec, "volumes") {
            all.retain(|v| !is_named(v, &VOLUMES));
        }
        if let Some(all) = list(spec, "initContainers") {
            all.retain(|c| !is_named(c, &[SIDECAR, GATE]));
        }
        for field in ["containers", "initContainers"] {
            for container in list(spec, field).into_iter().flatten() {
                if let Some(all) = list(container, "volumeMounts") {
                    all.retain(|m| !is_named(m, &VOLUMES));
                }
                if let Some(all) = list(container, "env") {
                    all.retain(|v| !is_named(v, &["MOORING_SOCKET"]));
                }
            }
        }
    }
    without_empty(&mut pod);
    pod
}

/// Ours are there: the sidecar once, as it is to be.
fn has_ours(pod: &Value) {
    let init = pod["spec"]["initContainers"].as_array().expect("a list");
    let sidecars: Vec<&Value> = init.iter().filter(|c| is_named(c, &[SIDECAR])).collect();
    let [sidecar] = sidecars[..] else {
        panic!("{} sidecars", sidecars.len());
    };
    assert_eq!(sidecar["restartPolicy"], "Always");
    assert!(sidecar.get("command").is_none());
    let security = &sidecar["securityContext"];
    assert_eq!(security["privileged"], false);
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    let gate = init.iter().position(|c| is_named(c, &[GATE]));
    let waits = pod["metadata"]["annotations"]["mooring.dev/wait"] != "none";
    assert_eq!(gate.is_some(), waits, "the gate");
    let of_sidecar = init.iter().position(|c| is_named(c, &[SIDECAR]));
    assert!(gate.is_none_or(|g| of_sidecar == Some(g - 1)), "apart");
}

/// A review, or the pod in one alone.
fn question(data: &[u8]) -> Option<Question> {
    let alone = serde_json::from_slice::<Value>(data).ok();
    let alone = alone.filter(|v| v.get("spec").is_some() || v.get("metadata").is_some());
    let read = match alone {
        None => Question::read(data),
        Some(pod) => Question::read(review(&pod).to_string().as_bytes()),
    };
    read.map_err(|e| readable(&e)).ok()
}

fn review(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "studio", "operation": "CREATE", "userInfo": {"username": "someone"},
            "object": pod, "oldObject": null, "dryRun": false,
        },
    })
}

/// Refused with words, left alone, or patched: then the author's parts are as they were, ours are
/// there, and a second pass changes nothing.
pub fn admission(data: &[u8]) {
    let Some(question) = question(data) else {
        return;
    };
    let before = question.raw.clone().unwrap_or_default();
    let asks = matches!(question.requested(), Ok(Some(_)));
    let Some(after) = admitted(&question) else {
        return;
    };
    if !asks {
        assert_eq!(before, after, "it asked for nothing");
        return;
    }
    assert_eq!(of_the_author(&before), of_the_author(&after));
    has_ours(&after);
    let again = Question::read(review(&after).to_string().as_bytes());
    let again = again.unwrap_or_else(|e| panic!("it cannot be read any more: {e}"));
    let twice = admitted(&again).expect("it is refused the second time");
    assert_eq!(after, twice, "a second pass changes it");
}
