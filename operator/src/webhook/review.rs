//! One AdmissionReview in, one out (admission.k8s.io/v1): of a pod, or of a workload that makes
//! pods. Pure: who finds the license server is in between.

use crate::inject::{self, InjectContext, Part, Refusal, Requested, SidecarTarget};
use json_patch::Patch;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use kube::core::admission::{
    AdmissionRequest, AdmissionResponse, AdmissionReview, Operation, SerializePatchError,
};
use mooring_api::names::ServerRef;
use mooring_core::cut::cut;
use serde::Deserialize as _;
use serde_json::{Value, json};

/// The API server cuts what is longer, and after a few.
const WARNING_CHARS: usize = 256;
const WARNINGS: usize = 8;

/// Why a review cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No JSON of that shape.
    #[error("{0}")]
    Json(String),
    /// An answer where a question should be.
    #[error("field request: missing")]
    NoRequest,
    /// A version that is not ours.
    #[error("apiVersion {0:?}: expected \"admission.k8s.io/v1\"")]
    Version(String),
}

impl From<serde_json::Error> for Unreadable {
    fn from(e: serde_json::Error) -> Self {
        Self::Json(cut(e.to_string()))
    }
}

/// Why an answer cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    #[error(transparent)]
    Patch(#[from] SerializePatchError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// What the API server asks.
pub struct Question {
    request: AdmissionRequest<DynamicObject>,
    /// The object as it came, every field of it but who wrote which.
    pub raw: Option<Value>,
    /// The pod that is being created, or that a workload makes; `None` for anything else.
    pub pod: Option<Pod>,
    /// The workload, if it is about one; then `raw` is a pod of it.
    pub workload: Option<Value>,
}

/// What is said of a pod.
pub enum Verdict {
    /// It is left as it is.
    Unchanged,
    Injected {
        patch: Patch,
        /// What its author should know.
        warnings: Vec<String>,
        servers: Vec<ServerRef>,
    },
    /// A workload, whose author should know this.
    Warned(Vec<String>),
    /// It cannot be created like this.
    Refused(Refusal),
    /// We could not tell.
    Failed(String),
}

impl Verdict {
    /// For the metric.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Injected { .. } => "injected",
            Self::Warned(_) => "warned",
            Self::Refused(Refusal::Internal(_)) | Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
        }
    }

    /// What is said of a workload whose pods would be judged so: nothing keeps it from being made.
    pub(super) fn of_a_template(self) -> Self {
        let warnings = match self {
            Self::Injected { warnings, .. } | Self::Warned(warnings) => warnings,
            Self::Refused(Refusal::Internal(_)) | Self::Unchanged | Self::Failed(_) => Vec::new(),
            Self::Refused(refusal) => vec![format!("its pods will be refused: {refusal}")],
        };
        match warnings.as_slice() {
            [] => Self::Unchanged,
            _ => Self::Warned(warnings),
        }
    }
}

/// Where a workload has its pods' template.
const TEMPLATES: [&str; 2] = ["/spec/template", "/spec/jobTemplate/spec/template"];

/// A pod as a workload makes it.
fn pod_of(workload: &Value) -> Option<Value> {
    let template = TEMPLATES.iter().find_map(|p| workload.pointer(p))?;
    let (metadata, spec) = (template.get("metadata")?, template.get("spec")?);
    Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
}

/// Takes out who wrote which field: nobody here asks, and it is a third of a pod.
fn forget_managers(object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
}

impl Question {
    /// Reads a review's body.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let mut review: Value = serde_json::from_slice(body)?;
        // Taken out first: the typed request would drop fields of the object that its types do not
        // know.
        let raw = review.pointer_mut("/request/object").map(Value::take);
        let mut raw = raw.filter(|v| !v.is_null());
        if let Some(raw) = &mut raw {
            forget_managers(raw);
        }
        let review: AdmissionReview<DynamicObject> = serde_json::from_value(review)?;
        if review.types.api_version != "admission.k8s.io/v1" {
            return Err(Unreadable::Version(
                review.types.api_version.chars().take(80).collect(),
            ));
        }
        let request: AdmissionRequest<DynamicObject> =
            review.try_into().map_err(|_| Unreadable::NoRequest)?;
        let whole = request.sub_resource.as_ref().is_none_or(String::is_empty);
        let makes = whole && matches!(request.kind.group.as_str(), "apps" | "batch");
        let ours = request.kind.kind == "Pod"
            && request.kind.group.is_empty()
            && request.operation == Operation::Create
            && whole;
        let mut workload = None;
        let pod = if makes {
            // Whoever makes it is told by the API server what cannot be read.
            let pod = raw.as_ref().and_then(pod_of);
            workload = std::mem::replace(&mut raw, pod);
            raw.as_ref().and_then(|raw| Pod::deserialize(raw).ok())
        } else {
            raw.as_ref()
                .filter(|_| ours)
                .map(Pod::deserialize)
                .transpose()?
        };
        Ok(Self {
            request,
            raw,
            pod,
            workload,
        })
    }

    /// Whether it is about a workload, which makes pods.
    pub const fn is_template(&self) -> bool {
        self.workload.is_some()
    }

    /// The namespace. The pod itself may not carry it yet.
    pub fn namespace(&self) -> &str {
        self.request.namespace.as_deref().unwrap_or_default()
    }

    /// The pod's name, or what its name will begin with.
    pub fn name(&self) -> &str {
        let pod = self.pod.as_ref().filter(|_| self.request.name.is_empty());
        let generated = pod.and_then(|p| p.metadata.generate_name.as_deref());
        generated.unwrap_or(&self.request.name)
    }

    /// Which review it is: no two have the same.
    pub fn id(&self) -> &str {
        &self.request.uid
    }

    /// Whether nothing will be kept.
    pub const fn is_dry_run(&self) -> bool {
        self.request.dry_run
    }

    /// What the pod asks for; `None` if nothing is to be done.
    pub fn requested(&self) -> Result<Option<Requested>, Refusal> {
        self.pod.as_ref().map_or(Ok(None), inject::requested)
    }

    /// Whether the pod's seats are claimed for it before it runs.
    pub fn is_alone(&self, requested: &Requested) -> bool {
        let pod = self.pod.as_ref();
        pod.is_some_and(|pod| inject::is_alone(pod, requested))
    }

    /// What becomes of a pod that asks for this, in these parts.
    pub fn verdict(
        &self,
        requested: &Requested,
        parts: &[Part],
        ctx: &InjectContext<'_>,
    ) -> Verdict {
        let (Some(pod), Some(raw)) = (&self.pod, &self.raw) else {
            return Verdict::Unchanged;
        };
        let warnings = parts.iter().flat_map(inject::license_warnings);
        let mut warnings: Vec<String> = warnings.collect();
        match &self.workload {
            // A policy speaks of their keys, also while this program does not run.
            Some(workload) => {
                let of = |p: &Part| inject::rollout_warning(workload, &p.items, &p.servers);
                warnings.extend(parts.iter().find_map(of));
            }
            None => warnings.extend(inject::unknown_keys(pod.annotations())),
        }
        warnings.extend(inject::wait_warning(pod, requested));
        warnings.extend(inject::alone_warning(pod, requested));
        let servers = parts.iter().flat_map(|p| &p.servers);
        let names: Vec<ServerRef> = servers.map(|s| s.reference()).collect();
        if ctx.targets.iter().all(SidecarTarget::is_unfound) {
            warnings.extend(names.iter().map(no_address));
        }
        match inject::mutate(raw.clone(), pod, requested, ctx) {
            Ok(patch) => Verdict::Injected {
                patch,
                warnings,
                servers: names,
            },
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// What is sent back.
    pub fn answer(&self, verdict: Verdict) -> Result<Value, Unwritable> {
        let mut response = self.response(verdict)?;
        // In base64, as the API writes bytes; the derived form is a list of numbers, each of which
        // would be a value of its own.
        let patch = response.patch.take().map(ByteString);
        let mut review = serde_json::to_value(response.into_review())?;
        let response = review.get_mut("response").and_then(Value::as_object_mut);
        if let (Some(patch), Some(response)) = (patch, response) {
            response.insert("patch".to_owned(), serde_json::to_value(patch)?);
        }
        Ok(review)
    }

    fn response(&self, verdict: Verdict) -> Result<AdmissionResponse, SerializePatchError> {
        let mut response = AdmissionResponse::from(&self.request);
        match verdict {
            Verdict::Unchanged => {}
            Verdict::Warned(warnings) => response.warnings = shown(&warnings),
            Verdict::Injected {
                patch,
                warnings,
                servers,
            } => {
                let server = ("server".to_owned(), names_of(&servers));
                response.audit_annotations.extend([server]);
                response.warnings = shown(&warnings);
                if !patch.is_empty() {
                    response = response.with_patch(patch)?;
                }
            }
            // The codes decide what kubectl prints before the text, and whether a controller tries
            // again.
            Verdict::Refused(refusal) => {
                let (code, reason) = match refusal {
                    Refusal::Internal(_) => (500, "InternalError"),
                    Refusal::Server(_) => (403, "Forbidden"),
                    _ => (400, "BadRequest"),
                };
                response = response.deny(refusal);
                (response.result.code, response.result.reason) = (code, reason.to_owned());
            }
            Verdict::Failed(text) => {
                response = response.deny(format!(
                    "Mooring could not judge this pod ({text}); try again"
                ));
                (response.result.code, response.result.reason) = (500, "InternalError".to_owned());
            }
        }
        Ok(response)
    }
}

/// License servers as they are logged.
pub(super) fn names_of(servers: &[ServerRef]) -> String {
    let names: Vec<String> = servers.iter().map(ServerRef::to_string).collect();
    names.join(", ")
}

fn no_address(name: &ServerRef) -> String {
    format!(
        "LicenseServer {name} has no address yet (kubectl -n {} describe lsrv {}): the pod waits, and looks its name up by DNS",
        name.namespace, name.name
    )
}

fn shown(warnings: &[String]) -> Option<Vec<String>> {
    let warnings: Vec<String> = warnings.iter().take(WARNINGS).map(|w| short(w)).collect();
    (!warnings.is_empty()).then_some(warnings)
}

fn short(text: &str) -> String {
    if text.chars().count() <= WARNING_CHARS {
        return text.to_owned();
    }
    text.chars().take(WARNING_CHARS - 1).chain(['…']).collect()
}
