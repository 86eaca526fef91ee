//! Asks the API server. Whatever cannot be asked is told, and the rest is asked all the same.

use super::facts::{Crd, Deployment, Facts, Probe, Told, Webhook};
use crate::cluster::api;
use crate::cluster::status::ServerObject;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment as DeploymentObject;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::ca::STATUS;
use mooring_api::names::CA_SECRET;
use mooring_api::{LicenseLease, LicensePolicy, LicenseServer};
use mooring_core::time::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use std::time::Instant;

/// The name under which the operator runs, and its Deployment.
const OPERATOR: &str = "mooring-operator";
const WEBHOOK: &str = "injector.mooring.dev";

/// What the operator has to be able to do: a sample of what most depends on.
const RIGHTS: &[(&str, &str, &str)] = &[
    ("list", "", "pods"),
    ("watch", "", "pods"),
    ("create", "events.k8s.io", "events"),
    ("list", "mooring.dev", "licenseservers"),
    ("patch", "mooring.dev", "licenseservers/status"),
    ("patch", "mooring.dev", "licenseleases"),
    ("delete", "mooring.dev", "licenseleases"),
];

/// Asks for all of it.
pub(super) async fn ask(client: Client, namespace: &str, operator_namespace: String) -> Facts {
    let (operator, there) = api::operator(&client, &operator_namespace).await;
    let mut crds = Vec::new();
    for name in [
        <LicenseServer as kube::CustomResourceExt>::crd_name(),
        <LicenseLease as kube::CustomResourceExt>::crd_name(),
        <LicensePolicy as kube::CustomResourceExt>::crd_name(),
    ] {
        crds.push((name, crd(&client, name).await));
    }
    Facts {
        version: env!("CARGO_PKG_VERSION"),
        clocks: (Timestamp::now(), there),
        kubernetes: kubernetes(&client).await,
        crds,
        operator,
        deployment: deployment(&client, &operator_namespace).await,
        webhook: webhook(&client).await,
        probe: probe(&client, namespace).await,
        ca: ca(&client, &operator_namespace).await,
        rights: rights(&client, &operator_namespace).await,
        servers: servers(&client).await,
        bare: api::bare(&Api::all(client)).await,
        operator_namespace,
    }
}

/// What one call says; what is not there is none.
fn told<T>(called: Result<T, kube::Error>) -> Told<T> {
    match called {
        Ok(t) => Told::Is(t),
        Err(kube::Error::Api(said)) if said.code == 404 => Told::None,
        Err(kube::Error::Api(said)) => Told::NotRead(said.message),
        Err(e) => Told::NotRead(e.to_string()),
    }
}

impl<T> Told<T> {
    fn map<U>(self, f: impl FnOnce(T) -> Told<U>) -> Told<U> {
        match self {
            Self::Is(t) => f(t),
            Self::None => Told::None,
            Self::NotRead(why) => Told::NotRead(why),
        }
    }
}

async fn kubernetes(client: &Client) -> Told<(u32, u32)> {
    told(client.apiserver_version().await).map(|v| {
        // Some providers write `34+`.
        let number = |s: &str| s.trim_end_matches('+').parse().ok();
        match (number(&v.major), number(&v.minor)) {
            (Some(major), Some(minor)) => Told::Is((major, minor)),
            _ => Told::NotRead(format!("it says {:?}.{:?}", v.major, v.minor)),
        }
    })
}

async fn crd(client: &Client, name: &str) -> Told<Crd> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    told(crds.get(name).await).map(|crd| {
        let conditions = crd.status.unwrap_or_default().conditions.unwrap_or_default();
        let established = |c: &_| {
            let c: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionCondition = c;
            c.type_ == "Established" && c.status == "True"
        };
        let served = crd.spec.versions.into_iter().filter(|v| v.served);
        Told::Is(Crd {
            established: conditions.iter().any(established),
            served: served.map(|v| v.name).collect(),
        })
    })
}

async fn deployment(client: &Client, namespace: &str) -> Told<Deployment> {
    let all: Api<DeploymentObject> = Api::namespaced(client.clone(), namespace);
    told(all.get(OPERATOR).await).map(|d| {
        let version = d.labels().get("app.kubernetes.io/version").cloned();
        Told::Is(Deployment {
            wanted: d.spec.and_then(|s| s.replicas).unwrap_or(1),
            ready: d.status.and_then(|s| s.ready_replicas).unwrap_or(0),
            version,
        })
    })
}

async fn webhook(client: &Client) -> Told<Webhook> {
    let all: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    told(all.get(WEBHOOK).await).map(|w| {
        let hooks = w.webhooks.unwrap_or_default();
        let bundle = hooks.into_iter().find_map(|h| h.client_config.ca_bundle);
        let bundle = bundle.map(|b| b.0).unwrap_or_default();
        Told::Is(Webhook {
            trusts_until: ends(&bundle),
        })
    })
}

/// When the certificates of a PEM text end.
fn ends(pem: &[u8]) -> Result<Vec<Timestamp>, String> {
    let mut out = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        let der = der.map_err(|e| e.to_string())?;
        let (_, cert) = x509_parser::parse_x509_certificate(&der).map_err(|e| e.to_string())?;
        let end = cert.validity().not_after.timestamp();
        out.push(Timestamp::from_second(end).map_err(|e| e.to_string())?);
    }
    if out.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(out)
}

/// Has a pod made by a dry run whose annotation breaks the grammar: nothing comes of it.
async fn probe(client: &Client, namespace: &str) -> Probe {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "generateName": "mooring-check-", "annotations": { "mooring.dev/licenses": "," } },
        "spec": { "containers": [{ "name": "none", "image": "registry.invalid/none" }] },
    });
    let pod: Pod = match serde_json::from_value(pod) {
        Ok(pod) => pod,
        Err(e) => return Probe::NotTried(e.to_string()),
    };
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let begun = Instant::now();
    let made = pods.create(&params, &pod).await;
    let took = begun.elapsed();
    match made {
        Ok(_) => Probe::Admitted,
        Err(kube::Error::Api(said)) if said.message.contains("mooring.dev/licenses") => {
            let said = said.message.clone();
            Probe::Refused { said, took }
        }
        Err(kube::Error::Api(said)) if said.message.contains("failed calling webhook") => {
            let said = said.message.clone();
            Probe::Unreachable { said, took }
        }
        Err(kube::Error::Api(said)) => Probe::NotTried(said.message.clone()),
        Err(e) => Probe::NotTried(e.to_string()),
    }
}

async fn ca(client: &Client, namespace: &str) -> Told<mooring_api::ca::CaStatus> {
    let all: Api<Secret> = Api::namespaced(client.clone(), namespace);
    told(all.get_metadata(CA_SECRET).await).map(|s| match s.annotations().get(STATUS) {
        None => Told::None,
        Some(text) => match serde_json::from_str(text) {
            Ok(status) => Told::Is(status),
            Err(e) => Told::NotRead(format!("annotation {STATUS}: {e}")),
        },
    })
}

async fn rights(client: &Client, namespace: &str) -> Told<Vec<(String, bool)>> {
    let all: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut out = Vec::new();
    for (verb, group, resource) in RIGHTS {
        let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {},
            "spec": {
                "user": format!("system:serviceaccount:{namespace}:{OPERATOR}"),
                "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{namespace}"), "system:authenticated"],
                "resourceAttributes": { "verb": verb, "group": group, "resource": resource, "subresource": sub },
            },
        });
        let review = match serde_json::from_value(review) {
            Ok(review) => review,
            Err(e) => return Told::NotRead(e.to_string()),
        };
        match told(all.create(&PostParams::default(), &review).await) {
            Told::Is(r) => {
                let may = r.status.is_some_and(|s| s.allowed);
                out.push((format!("{verb} {resource}"), may));
            }
            Told::None => return Told::None,
            Told::NotRead(why) => return Told::NotRead(why),
        }
    }
    Told::Is(out)
}

async fn servers(client: &Client) -> Told<Vec<ServerObject>> {
    let resource = kube::api::ApiResource::erase::<LicenseServer>(&());
    let all: Api<ServerObject> = Api::all_with(client.clone(), &resource);
    told(all.list(&ListParams::default()).await).map(|list| Told::Is(list.items))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bundle_says_when_each_certificate_ends_and_one_that_is_none_says_so() {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.not_after = rcgen::date_time_ymd(2036, 11, 26);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let until: Timestamp = "2036-11-26T00:00:00Z".parse().unwrap();
        let two = format!("{pem}{pem}");
        assert_eq!(ends(two.as_bytes()), Ok(vec![until, until]));
        for (bad, says) in [
            ("", "no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "",
            ),
        ] {
            let e = ends(bad.as_bytes()).unwrap_err();
            assert!(e.contains(says), "{e}");
        }
    }
}
