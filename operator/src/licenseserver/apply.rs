//! Writes a LicenseServer's objects: server-side apply, one field manager.

use super::build;
use super::certificate::{kept, names, renewal};
use super::context::{ControllerContext, Error};
use super::facts::{Children, ServerFacts};
use crate::certs::{CertRequest, Usage};
use crate::kubernetes::{self, unless};
use k8s_openapi::ByteString;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use mooring_api::names::{ServerRef, short_hash};
use mooring_config::Config;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;
use std::time::SystemTime;

/// The pod's annotation by which a change of what it mounts is brought to its kubelet's notice.
const SOURCES: &str = "mooring.dev/sources";

fn failed<K: Resource<DynamicType = ()>>(object: &K, source: kube::Error) -> Error {
    Error::Api {
        what: format!("{} {}", K::kind(&()), object.name_any()),
        source: Box::new(source),
    }
}

/// Writes a child, never over somebody else's: `there` is the one that is this LicenseServer's own.
async fn child<K>(client: &Client, object: &K, there: Option<&K>) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug,
{
    let api = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let written = kubernetes::write_own(&api, object, there).await;
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
        build::role(i),
        build::state_binding(i),
        build::stateful_set(i, &hash),
        network_policy(i)
    ]);
    Ok(short_hash(&all.to_string(), 64))
}

/// Where the platform wants one.
fn network_policy(i: &build::Inputs<'_>) -> Option<NetworkPolicy> {
    let metrics = i.defaults.network_policies.as_ref()?;
    Some(build::network_policy(i, metrics))
}

/// Writes all of them; the children as they are then.
pub(super) async fn apply(
    i: &build::Inputs<'_>,
    there: &Children,
    earlier_ips: &[String],
    ctx: &ControllerContext,
) -> Result<Children, Error> {
    let client = ctx.client();
    let (config, hash) = config(i)?;
    let account = child(client, &build::service_account(i), there.account.as_ref()).await?;
    let binding = build::role_binding(i);
    let bindings = Api::all(client.clone());
    let written = kubernetes::write_own(&bindings, &binding, there.binding.as_ref()).await;
    let binding = written.map_err(|e| failed(&binding, e))?;
    // Before the pod that needs it.
    let role = child(client, &build::role(i), there.role.as_ref()).await?;
    let state_binding = build::state_binding(i);
    let state_binding = child(client, &state_binding, there.role_binding.as_ref()).await?;
    let map = build::config_map(i, &config)?;
    let set = build::stateful_set(i, &hash);
    let policy = match network_policy(i) {
        Some(policy) => Some(child(client, &policy, there.policy.as_ref()).await?),
        None => None,
    };
    Ok(Children {
        account: Some(account),
        binding: Some(binding),
        role: Some(role),
        role_binding: Some(state_binding),
        config: Some(child(client, &map, there.config.as_ref()).await?),
        service: Some(service(i, there.service.as_ref(), earlier_ips, client).await?),
        policy,
        set: Some(child(client, &set, there.set.as_ref()).await?),
    })
}

/// The Service. One that was deleted gets its addresses again: pods that do not ask the cluster's
/// DNS know the server by them. Where they are not free any more, others have to do.
async fn service(
    i: &build::Inputs<'_>,
    there: Option<&Service>,
    earlier_ips: &[String],
    client: &Client,
) -> Result<Service, Error> {
    let wanted = build::service(i);
    if there.is_none() && !earlier_ips.is_empty() {
        match child(
            client,
            &build::service_at(wanted.clone(), earlier_ips),
            None,
        )
        .await
        {
            Err(e) if e.is_invalid() => {
                tracing::warn!(server = %i.reference, ips = ?earlier_ips, error = %e, "the Service gets another address");
            }
            done => return done,
        }
    }
    child(client, &wanted, there).await
}

/// Sees to the serving certificate; `facts` has it as it is then.
pub(super) async fn certificate(
    i: &build::Inputs<'_>,
    facts: &mut ServerFacts,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let names = names(i.reference, &i.server.spec.tls);
    let ca = &ctx.connection.ca;
    let now = SystemTime::now();
    let before = facts.tls.as_ref();
    let Some(why) = renewal(before, ca, &names, now) else {
        return Ok(());
    };
    let request = CertRequest {
        common_name: i.reference.dns_name(),
        dns_names: names,
        usages: vec![Usage::Server],
        validity: ca.lives.certificate(),
    };
    let roots = ca.roots_pem();
    let cert = ca.issue(&request).map_err(Error::Cert)?;
    let earlier = kept(before, &cert.cert_pem, &i.reference.dns_name(), now);
    let secret = build::tls_secret(i, &cert, &roots, &earlier);
    let written = child(ctx.client(), &secret, before).await?;
    facts.tls = Some(written);
    tracing::info!(server = %i.reference, reason = why, "serving certificate issued");
    Ok(())
}

/// Makes the identity once: 32 random bytes. It seals what holders show of their leases after a
/// restart, and another one would open nothing of it: so it is created and never overwritten. An
/// administrator may put a new key in front of it (docs/operate.md).
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
        ..Secret::default()
    };
    create(&secret, i, ctx).await?;
    tracing::info!(server = %i.reference, "identity made");
    Ok(())
}

/// Makes the Secret for the server's state once, empty. It is created and never written again: what
/// the server keeps in it is nobody else's.
pub(super) async fn state(
    i: &build::Inputs<'_>,
    facts: &ServerFacts,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    if facts.has_state {
        return Ok(());
    }
    let secret = build::state_secret(i);
    create(&secret, i, ctx).await?;
    tracing::info!(server = %i.reference, "a Secret for its state made, empty");
    Ok(())
}

/// Fails if somebody has made it meanwhile: the next look sees whose it is.
async fn create(
    secret: &Secret,
    i: &build::Inputs<'_>,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(ctx.client().clone(), &i.reference.namespace);
    let made = api.create(&PostParams::default(), secret).await;
    made.map(drop).map_err(|e| failed(secret, e))
}

/// Brings a change of what the pod mounts to its kubelet's notice: it looks at a pod's volumes at
/// each change of the pod, and otherwise once in a minute or two.
pub(super) async fn nudge(
    i: &build::Inputs<'_>,
    facts: &ServerFacts,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let Some(pod) = &facts.pod else { return Ok(()) };
    let tls = facts.tls.as_ref().and_then(ResourceExt::resource_version);
    let text = format!(
        "{}\n{tls:?}\n{}",
        facts.sources,
        serde_yaml::to_string(i.policies)?
    );
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

/// The same without waiting for its kubelet.
pub(super) async fn delete_pod_now(
    reference: &ServerRef,
    pod: &Pod,
    ctx: &ControllerContext,
) -> Result<(), Error> {
    let api = Api::namespaced(ctx.client().clone(), &reference.namespace);
    let deleted = kubernetes::delete_within(&api, pod, Some(0)).await;
    deleted.map(drop).map_err(|e| failed(pod, e))
}

/// Lets the pod's object go, whose end nobody awaits any more.
pub(super) async fn release_pod(pod: &Pod, ctx: &ControllerContext) -> Result<(), Error> {
    let released = kubernetes::release_pod(ctx.client(), &pod.metadata).await;
    released.map_err(|e| failed(pod, e))
}
