//! Reviews as an API server sends them, and the webhook's work on one, without HTTP: for the
//! program here, and for the operator's own tests.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use k8s_openapi::api::core::v1::Service;
use mooring_api::LicenseServer;
use mooring_operator::inject::{
    Budget, ChoiceContext, Images, InjectContext, Part, Settings, SidecarTarget, choose,
};
use mooring_operator::webhook::review::{Question, Verdict};
use mooring_operator::webhook::weight::weigh;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the pod of a review asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A license that there is.
    OptedIn,
    /// Something that cannot be read.
    Refused,
    /// Nothing.
    Foreign,
}

/// The body of a request: a pod of a Deployment, 7 KB with its managed fields.
pub fn body(kind: Kind) -> Vec<u8> {
    let mut review: Value = serde_json::from_str(include_str!("../review.json")).unwrap();
    let annotations = &mut review["request"]["object"]["metadata"]["annotations"];
    match kind {
        Kind::OptedIn => {}
        Kind::Refused => annotations["mooring.dev/licenses"] = json!("render:two"),
        Kind::Foreign => {
            let ours = |key: &String| key.starts_with("mooring.dev/");
            annotations.as_object_mut().unwrap().retain(|k, _| !ours(k));
        }
    }
    serde_json::to_vec(&review).unwrap()
}

/// What a webhook knows.
pub struct Desk {
    settings: Settings,
    servers: Vec<Arc<LicenseServer>>,
    service: Service,
    roots: String,
}

/// An answer.
pub struct Answered {
    /// As the metric calls it.
    pub verdict: &'static str,
    /// What is sent.
    pub bytes: Vec<u8>,
}

impl Desk {
    /// The webhook of a cluster with one license server.
    pub fn of_one_server() -> Self {
        let server = json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
            "metadata": {"namespace": "licensing", "name": "main"},
            "spec": {
                "licenses": [{"secretName": "license"}],
                "anchor": {"pkcs11": {"module": "/m.so", "tokenLabel": "t", "pinSecret": {"name": "pin"}}},
                "placement": {"nodeSelector": {"a": "b"}}, "allowedNamespaces": {"from": "All"},
            },
            "status": {"products": [{"name": "render", "seats": 20, "used": 0, "waiting": 0}]},
        });
        let service = json!({"spec": {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"]}});
        // As long as a certificate of an authority with a P-256 key.
        let text = "MIIBnjCCAUOgAwIBAgIUdGhpcyBpcyBubyByZWFsIGNlcnRpZmljYXRlIDEyMzQ\n".repeat(10);
        let settings = Settings {
            images: Images {
                image: "registry.example.com/mooring-sidecar:0.1.0".to_owned(),
                also: Vec::new(),
            },
            pull_policy: "IfNotPresent".to_owned(),
            pull_secrets: Vec::new(),
            run_as_user: Some(65532),
            budget: Budget::parse(("20m", "80m"), ("32Mi", "32Mi")).unwrap(),
            log: "info".to_owned(),
            version: "0.1.0".to_owned(),
        };
        Self {
            settings,
            servers: vec![serde_json::from_value(server).unwrap()],
            service: serde_json::from_value(service).unwrap(),
            roots: format!("-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"),
        }
    }

    /// Reads a review, judges it, and writes the answer.
    pub fn answer(&self, body: &[u8]) -> Answered {
        assert!(weigh(body) > body.len());
        let question = Question::read(body).unwrap();
        let verdict = self.judge(&question);
        let kind = verdict.kind();
        let bytes = serde_json::to_vec(&question.answer(verdict).unwrap()).unwrap();
        Answered {
            verdict: kind,
            bytes,
        }
    }

    fn judge(&self, question: &Question) -> Verdict {
        let requested = match question.requested() {
            Ok(Some(requested)) => requested,
            Ok(None) => return Verdict::Unchanged,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let context = ChoiceContext {
            namespace: question.namespace(),
            namespace_labels: &BTreeMap::new(),
            default_server: None,
            servers: &self.servers,
            alone: question.is_alone(&requested),
        };
        let parts = choose(&requested.servers, &requested.items, &context).unwrap();
        let of = |p: &Part| {
            let servers = p.servers.iter();
            let target = servers.map(|s| SidecarTarget::new(&p.items, s, Some(&self.service)));
            target.collect::<Vec<_>>()
        };
        let targets: Vec<SidecarTarget> = parts.iter().flat_map(of).collect();
        // The handler is given its own copy of them, too.
        let roots = self.roots.clone();
        let ctx = InjectContext {
            targets: &targets,
            roots: &roots,
            settings: &self.settings,
            review: "a-review",
        };
        question.verdict(&requested, &parts, &ctx)
    }
}
