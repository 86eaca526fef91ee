//! The small objects around a license server's pod.

use super::inputs::{Inputs, labels, meta, selector};
use super::paths::{CONFIG_FILE, POLICIES_FILE};
use crate::certs::IssuedCert;
use crate::licenseserver::certificate::EARLIER;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    ConfigMap, Secret, Service, ServiceAccount, ServicePort, ServiceSpec,
};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use mooring_api::names::{API_PORT, SERVER_NAMESPACE_LABEL};
use mooring_api::serving::SIDE;
use mooring_config::Config;
use std::collections::BTreeMap;

/// ConfigMap `‹name›-config`.
pub fn config_map(i: &Inputs<'_>, config: &Config) -> Result<ConfigMap, serde_yaml::Error> {
    let data = BTreeMap::from([
        (CONFIG_FILE.to_owned(), serde_yaml::to_string(config)?),
        (POLICIES_FILE.to_owned(), serde_yaml::to_string(i.policies)?),
    ]);
    Ok(ConfigMap {
        metadata: meta(i, i.reference.child("config")),
        data: Some(data),
        ..ConfigMap::default()
    })
}

/// The server's service account, of a name that nobody else has. Sidecars have none of ours; this
/// one may ask whose token it was shown, and get and update the server's state (`super::state`).
pub fn service_account(i: &Inputs<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: meta(i, i.reference.account()),
        ..ServiceAccount::default()
    }
}

/// Lets the server's service account create TokenReviews. Cluster-wide, so no owner reference: the
/// operator removes it.
pub fn role_binding(i: &Inputs<'_>) -> ClusterRoleBinding {
    let namespace = &i.reference.namespace;
    let mut all = labels(i.reference);
    all.insert(SERVER_NAMESPACE_LABEL.to_owned(), namespace.clone());
    ClusterRoleBinding {
        metadata: ObjectMeta {
            name: Some(i.reference.binding()),
            labels: Some(all),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: i.defaults.tokenreview_role.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: i.reference.account(),
            namespace: Some(namespace.clone()),
            ..Subject::default()
        }]),
    }
}

/// The Service. It routes to a pod that is not ready as well: a kubelet's partition must not take a
/// working server away. With a standby elsewhere it routes to the side that serves, and to no pod
/// of the other.
pub fn service(i: &Inputs<'_>) -> Service {
    let settings = &i.server.spec.service;
    let mut metadata = meta(i, i.reference.name.clone());
    metadata.annotations = Some(settings.annotations.clone()).filter(|a| !a.is_empty());
    let mut selected = selector(i.reference);
    selected.extend(i.side.map(|s| (SIDE.to_owned(), s.to_string())));
    // The API alone: whoever reaches the Service, a load balancer's guests among them, has no
    // business with the metrics.
    let api = ServicePort {
        name: Some("https".into()),
        port: i32::from(settings.port),
        target_port: Some(IntOrString::Int(i32::from(API_PORT))),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    };
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(settings.type_.as_str().into()),
            selector: Some(selected),
            publish_not_ready_addresses: Some(true),
            ports: Some(vec![api]),
            ip_family_policy: Some("PreferDualStack".into()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// The Service with these addresses.
pub fn service_at(mut service: Service, ips: &[String]) -> Service {
    let spec = service.spec.get_or_insert_default();
    spec.cluster_ip = ips.first().cloned();
    spec.cluster_ips = Some(ips.to_vec());
    service
}

/// Secret `‹name›-tls`. `earlier`: chains that earlier CAs signed, which it goes on showing.
pub fn tls_secret(i: &Inputs<'_>, cert: &IssuedCert, roots: &str, earlier: &str) -> Secret {
    let entry = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
    let mut data = BTreeMap::from([
        entry("tls.crt", &cert.cert_pem),
        entry("tls.key", &cert.key_pem),
        entry("ca.crt", roots),
    ]);
    data.extend((!earlier.is_empty()).then(|| entry(EARLIER, earlier)));
    Secret {
        metadata: meta(i, i.reference.child("tls")),
        type_: Some("kubernetes.io/tls".into()),
        data: Some(data),
        ..Secret::default()
    }
}
