//! For the fuzzer: an AdmissionReview through to the patch.

use super::review::{Question, Verdict};
use crate::inject::{self, Budget, InjectContext, Settings, SidecarTarget};
use json_patch::Patch;
use k8s_openapi::api::core::v1::Pod;
use mooring_api::LicenseServer;
use serde_json::{Value, json};

fn settings() -> Option<Settings> {
    Some(Settings {
        image: "mooring/sidecar:1".into(),
        pull_policy: "IfNotPresent".into(),
        pull_secrets: Vec::new(),
        run_as_user: Some(65_532),
        budget: Budget::parse(("10m", "100m"), ("32Mi", "32Mi")).ok()?,
        log: "info".into(),
        version: "0.1.0".into(),
    })
}

fn target() -> Option<SidecarTarget> {
    let server: LicenseServer = serde_json::from_value(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": {"namespace": "licensing", "name": "main"},
        "spec": {
            "license": {"secretName": "license"}, "placement": {"nodeSelector": {"a": "b"}},
            "anchor": {"pkcs11": {"module": "/m.so", "tokenLabel": "t", "pinSecret": {"name": "pin"}}},
        },
    }))
    .ok()?;
    let service = serde_json::from_value(json!({"spec": {"clusterIPs": ["10.96.0.7"]}})).ok()?;
    Some(SidecarTarget::new(&server, Some(&service)))
}

/// Through the rules once: the pod as the API server would have it, or the refusal's words.
fn injected(raw: &Value) -> Option<Result<Value, String>> {
    let pod: Pod = serde_json::from_value(raw.clone()).ok()?;
    let requested = match inject::requested(&pod) {
        Ok(requested) => requested?,
        Err(refusal) => return Some(Err(refusal.to_string())),
    };
    let (target, settings) = (target()?, settings()?);
    let ctx = InjectContext {
        target: &target,
        roots: "PEM",
        settings: &settings,
    };
    let patch = match inject::mutate(raw.clone(), &pod, &requested, &ctx) {
        Ok(patch) => patch,
        Err(refusal) => return Some(Err(refusal.to_string())),
    };
    let mut after = raw.clone();
    let patched = json_patch::patch(&mut after, &patch);
    assert!(patched.is_ok(), "the patch does not fit: {patched:?}");
    Some(Ok(after))
}

/// A review, or a pod alone: refused with words, left alone, or patched to a pod that a second pass
/// leaves as it is. Gives the refusals and errors, which are for people.
pub fn admission(data: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    let mut pods: Vec<Value> = serde_json::from_slice(data).into_iter().collect();
    match Question::read(data) {
        Err(e) => words.push(e.to_string()),
        Ok(question) => {
            pods.extend(question.raw.clone().filter(|_| question.pod.is_some()));
            let verdict = Verdict::Injected {
                patch: Patch::default(),
                warnings: vec!["x".repeat(3000)],
                server: mooring_api::names::ServerRef::new("licensing", "main"),
            };
            let answer = question.answer(verdict);
            assert!(answer.is_ok(), "{:?}", answer.err().map(|e| e.to_string()));
        }
    }
    for pod in pods {
        match injected(&pod) {
            None => {}
            Some(Err(refusal)) => words.push(refusal),
            Some(Ok(after)) => match injected(&after) {
                Some(Ok(again)) => assert_eq!(after, again, "a second pass changes it"),
                other => assert!(other.is_some(), "it asks for nothing any more"),
            },
        }
    }
    words
}
