//! A review takes no more memory than it is weighed for, whatever it is made of: measured, by an
//! allocator that counts.

#![allow(clippy::unwrap_used, clippy::too_many_lines)]

use k8s_openapi::api::core::v1::Service;
use mooring_api::LicenseServer;
use mooring_operator::inject::{Budget, Images, InjectContext, Part, Settings, SidecarTarget};
use mooring_operator::webhook::review::{Question, Verdict};
use mooring_operator::webhook::weight::weigh;
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use std::sync::Arc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

fn server() -> LicenseServer {
    serde_json::from_value(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
        "metadata": {"namespace": "licensing", "name": "main"},
        "spec": {
            "licenses": [{"secretName": "license"}], "placement": {"nodeSelector": {"a": "b"}},
            "anchor": {"pkcs11": {"module": "/m.so", "tokenLabel": "t", "pinSecret": {"name": "pin"}}},
        },
        "status": {"products": [{"name": "render", "seats": 2, "used": 0, "waiting": 0}]},
    }))
    .unwrap()
}

fn settings() -> Settings {
    Settings {
        images: Images {
            image: "mooring/sidecar:1".into(),
            also: Vec::new(),
        },
        pull_policy: "IfNotPresent".into(),
        pull_secrets: Vec::new(),
        run_as_user: Some(65_532),
        budget: Budget::parse(("10m", "100m"), ("32Mi", "32Mi")).unwrap(),
        log: "info".into(),
        version: "0.1.0".into(),
    }
}

/// A review of a pod that asks for a license, with one more field in its metadata and in its spec.
fn review(metadata: &str, spec: &str) -> String {
    let pod = format!(
        r#"{{"metadata":{{"name":"p","annotations":{{"mooring.dev/licenses":"render"}}{metadata}}},"spec":{{{spec}}}}}"#
    );
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},"namespace":"studio","operation":"CREATE","userInfo":{{"username":"x"}},"object":{pod}}}}}"#
    )
}

/// What the webhook marks pods with, and whoever likes.
const MARKED: &str = r#","labels":{"mooring.dev/injected":"true"}"#;
const APP: &str = r#""containers":[{"name":"app","image":"app"}]"#;

/// As many of these as are about so long, between commas; `#` is a number of each.
fn many(one: &str, bytes: usize) -> String {
    let count = bytes / (one.len() + 1);
    let all: Vec<String> = (0..count)
        .map(|i| one.replace('#', &i.to_string()))
        .collect();
    all.join(",")
}

/// What judging it takes at most besides its body, and how it was judged.
fn taken(
    body: &str,
    ctx: &InjectContext<'_>,
    servers: &[Arc<LicenseServer>],
) -> (usize, &'static str) {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let kind = match Question::read(body.as_bytes()) {
        Err(_) => "unreadable",
        Ok(question) => {
            let verdict = match question.requested() {
                Ok(None) => Verdict::Unchanged,
                Ok(Some(requested)) => {
                    let part = Part {
                        items: requested.items.clone(),
                        servers: servers.to_vec(),
                    };
                    question.verdict(&requested, &[part], ctx)
                }
                Err(refusal) => Verdict::Refused(refusal),
            };
            let kind = verdict.kind();
            let answer: Value = question.answer(verdict).unwrap();
            assert!(!serde_json::to_vec(&answer).unwrap().is_empty());
            kind
        }
    };
    (ALLOCATED.peak_usage() - before, kind)
}

#[test]
fn no_review_takes_more_than_it_weighs() {
    let (servers, settings) = ([Arc::new(server())], settings());
    let service: Service =
        serde_json::from_value(json!({"spec": {"clusterIPs": ["10.96.0.7"]}})).unwrap();
    let targets = [SidecarTarget::new(&[], &servers[0], Some(&service))];
    let ctx = InjectContext {
        targets: &targets,
        roots: "PEM",
        settings: &settings,
        review: "a-review",
    };
    let size = 200_000;
    let list = |field: &str, one: &str| format!(r#"{APP},"{field}":[{}]"#, many(one, size));
    let in_app = |field: &str, one: &str| {
        let items = many(one, size);
        format!(r#""containers":[{{"name":"app","image":"app","{field}":[{items}]}}]"#)
    };
    let shapes = [
        ("nothing", review("", APP)),
        (
            "containers",
            review(
                "",
                &format!(r#""containers":[{}]"#, many(r#"{"name":""}"#, size)),
            ),
        ),
        (
            "named containers",
            review(
                "",
                &format!(
                    r#""containers":[{}]"#,
                    many(r#"{"name":"c#","image":"i"}"#, size)
                ),
            ),
        ),
        (
            "empty containers",
            review("", &format!(r#""containers":[{}]"#, many("{}", size))),
        ),
        (
            "init containers",
            review("", &list("initContainers", r#"{"name":"c#"}"#)),
        ),
        (
            "a thousand containers",
            review(
                "",
                &format!(r#""containers":[{}]"#, many(r##"{"name":"#"}"##, 12_900)),
            ),
        ),
        ("variables", review("", &in_app("env", "{}"))),
        ("mounts", review("", &in_app("volumeMounts", "{}"))),
        (
            "sources of variables",
            review("", &in_app("envFrom", r#"{"secretRef":{}}"#)),
        ),
        (
            "affinities",
            review(
                "",
                &format!(
                    r#"{APP},"affinity":{{"nodeAffinity":{{"preferredDuringSchedulingIgnoredDuringExecution":[{}]}}}}"#,
                    many(r#"{"weight":1,"preference":{}}"#, size)
                ),
            ),
        ),
        (
            "spreads",
            review("", &list("topologySpreadConstraints", "{}")),
        ),
        (
            "init containers of our name, of a marked pod",
            review(MARKED, &list("initContainers", r#"{"name":"mooring"}"#)),
        ),
        (
            "volumes of a marked pod",
            review(MARKED, &list("volumes", r#"{"name":"v#"}"#)),
        ),
        (
            "variables of a marked pod",
            review(MARKED, &in_app("env", "{}")),
        ),
        (
            "ephemeral containers",
            review("", &list("ephemeralContainers", r#"{"name":""}"#)),
        ),
        (
            "probes",
            review(
                "",
                &in_app(
                    "env",
                    r#"{"name":"","valueFrom":{"secretKeyRef":{"key":""}}}"#,
                ),
            ),
        ),
        ("arguments", review("", &in_app("args", r#""""#))),
        ("volumes", review("", &list("volumes", r#"{"name":"v#"}"#))),
        (
            "projected",
            review(
                "",
                &list(
                    "volumes",
                    r#"{"name":"","projected":{"sources":[{},{},{},{},{},{},{},{}]}}"#,
                ),
            ),
        ),
        ("tolerations", review("", &list("tolerations", "{}"))),
        (
            "labels",
            review(
                &format!(r#","labels":{{{}}}"#, many(r##""#":"""##, size)),
                APP,
            ),
        ),
        (
            "managed fields",
            review(&format!(r#","managedFields":[{}]"#, many("{}", size)), APP),
        ),
        (
            "fields of managers",
            review(
                &format!(
                    r#","managedFields":[{{"fieldsV1":{{{}}}}}]"#,
                    many(r##""#":{}"##, size)
                ),
                APP,
            ),
        ),
        ("unknown lists", review("", &list("x", "[]"))),
        ("unknown numbers", review("", &list("x", "1"))),
        (
            "unknown fields",
            review(
                "",
                &format!(r#"{APP},"x":{{{}}}"#, many(r##""#":1"##, size)),
            ),
        ),
        (
            "a long text",
            review("", &format!(r#"{APP},"x":"{}""#, "a".repeat(size))),
        ),
        (
            "escapes",
            review(
                "",
                &format!(r#"{APP},"x":"{}""#, r"\u0001".repeat(size / 6)),
            ),
        ),
        (
            "other things in the review",
            format!(
                r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","options":{{{}}}}}}}"#,
                many(r##""#":{}"##, size)
            ),
        ),
        ("no review", format!("[{}]", many("{}", size))),
    ];
    let measured = shapes.map(|(what, body)| {
        let (taken, kind) = taken(&body, &ctx, &servers);
        let (weight, length) = (weigh(body.as_bytes()), body.len());
        let share = taken * 100 / weight;
        println!("{what}: {kind}, {length} bytes take {taken}, {share} % of {weight}");
        (what, share)
    });
    let above: Vec<_> = measured.iter().filter(|(_, share)| *share > 100).collect();
    assert!(
        above.is_empty(),
        "more than they weigh, in percent: {above:?}"
    );
}
