//! Writes a LicenseServer's objects: server-side apply, one field manager.

use super::build;
use super::certificate::{VALIDITY, dns_names, renewal};
use super::context::{ControllerContext, Error};
use super::facts::{Children, ServerFacts};
use crate::certs::{CertRequest, Usage};
use crate::kubernetes::{self, unless};
use k8s_openapi::ByteString;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use mooring_api::names::{ServerRef, short_hash};
use mooring_config::Config;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;

/// The pod's annotation by which a change of what it mounts is brought to its kubelet's notice.
const SOURCES: &str = "mooring.dev/sources";

fn failed<K: Resource<DynamicType = ()>>(object: &K, source: kube::Error) -> Error {
    Error::Api {
        what: format!("{} {}", K::kind(&()), object.name_any()),
        source: Box::new(source),
    }
}

async fn namespaced<K>(client: &Client, object: &K) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug,
{
    let api = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let written = kubernetes::apply(&api, object).await;
    written.map_err(|e| failed(object, e))
}

/// The server's configuration, and a digest of what of it needs a restart.
fn config(i: &build::Inputs<'_>) -> Result<(Config, String), Error> {
    let config = build::server_config(i).ok_or(Error::Anchor)?;
    let hash = build::config_hash(&config)?;
    Ok((config, hash))
}

/// A digest of what would be written, to write only on a change.
pub(super) fn fingerprint(i: &build::Inputs<'_>) -> Result<String, Error> {
    let (config, hash) = config(i)?;
    let all = json!([
        build::config_map(i, &config)?,
        build::service(i),
        build::role_binding(i),
        build::stateful_set(i, &hash)
    ]);
    Ok(short_hash(&all.to_string(), 64))
}

/// Writes all of them; the children as they are then.
pub(super) async fn apply(
    i: &build::Inputs<'_>,
    ctx: &ControllerContext,
) -> Result<Children, Error> {
    let client = ctx.client();
    let (config, hash) = config(i)?;
    namespaced(client, &build::service_account(i)).await?;
    let binding = build::role_binding(i);
    let written = kubernetes::apply(&Api::all(client.clone()), &binding).await;
    written.map_err(|e| failed(&binding, e))?;
    Ok(Children {
        config: Some(namespaced(client, &build::config_map(i, &config)?).await?),
        service: Some(namespaced(client, &build::service(i)).await?),
        set: Some(namespaced(client, &build::stateful_set(i, &hash)).await?),
    })
}

/// Sees to the serving certificate.
pub(super) async fn certificate(
    i: &build::Inputs<'_>,
    facts: &ServerFacts,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let (names, roots) = (dns_names(i.reference), ctx.connection.ca.roots_pem());
    let now = mooring_net::clock::now().wall;
    let Some(why) = renewal(facts.tls.as_ref(), &roots, &names, now) else {
        return Ok(());
    };
    let request = CertRequest {
        common_name: i.reference.dns_name(),
        dns_names: names,
        usages: vec![Usage::Server],
        validity: VALIDITY,
    };
    let cert = ctx.connection.ca.issue(&request).map_err(Error::Cert)?;
    namespaced(ctx.client(), &build::tls_secret(i, &cert, &roots)).await?;
    tracing::info!(server = %i.reference, reason = why, "serving certificate issued");
    Ok(())
}

/// Makes the identity once: 32 random bytes. It hides holders' names in tokens; another one would
/// make the same holder a stranger to its own leases, so `create` decides and nothing ever
/// overwrites it.
pub(super) async fn identity(
    i: &build::Inputs<'_>,
    facts: &ServerFacts,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    if facts.has_identity {
        return Ok(());
    }
    let key: [u8; 32] = mooring_net::random::bytes();
    let secret = Secret {
        metadata: build::meta(i, i.reference.child("identity")),
        data: Some([("key".to_owned(), ByteString(key.to_vec()))].into()),
        type_: Some("mooring.dev/identity".into()),
        immutable: Some(true),
        ..Secret::default()
    };
    let api: Api<Secret> = Api::namespaced(ctx.client().clone(), &i.reference.namespace);
    let made = api.create(&PostParams::default(), &secret).await;
    if unless(made, &[409])
        .map_err(|e| failed(&secret, e))?
        .is_some()
    {
        tracing::info!(server = %i.reference, "identity made");
    }
    Ok(())
}

/// Brings a change of what the pod mounts to its kubelet's notice: it looks at a pod's volumes at
/// each change of the pod, and otherwise once in a minute or two.
pub(super) async fn nudge(
    i: &build::Inputs<'_>,
    facts: &ServerFacts,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let Some(pod) = &facts.pod else { return Ok(()) };
    let text = format!("{}\n{}", facts.sources, serde_yaml::to_string(i.policies)?);
    let now = short_hash(&text, 16);
    let before = pod.annotations().get(SOURCES);
    if before == Some(&now) {
        return Ok(());
    }
    let patch = json!({ "metadata": { "uid": pod.uid(), "annotations": { SOURCES: now } } });
    let api: Api<Pod> = Api::namespaced(ctx.client().clone(), &i.reference.namespace);
    let params = PatchParams::default();
    let (name, patch) = (pod.name_any(), Patch::Merge(&patch));
    let patched = unless(api.patch(&name, &params, &patch).await, &[404, 409]);
    patched.map(drop).map_err(|e| failed(pod, e))
}

/// Deletes the server's pod, and only this one: the StatefulSet makes it anew where the labels are
/// now.
pub(super) async fn delete_pod(
    reference: &ServerRef,
    pod: &Pod,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let api = Api::namespaced(ctx.client().clone(), &reference.namespace);
    let deleted = kubernetes::delete(&api, pod).await;
    deleted.map(drop).map_err(|e| failed(pod, e))
}
