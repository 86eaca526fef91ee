//! Calls to the API server that several parts make alike.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Config, Error, Resource, ResourceExt as _};
use mooring_api::names::FIELD_MANAGER;
use mooring_api::serving::END_SEEN;
use mooring_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;

/// A client whose requests are sent once. Others ask again by themselves, in growing pauses, where
/// the API server has too much to do (429); that a `PodDisruptionBudget` forbids an eviction has
/// the same code.
pub(crate) fn sends_once(mut config: Config) -> Result<Client, Error> {
    config.default_retry = false;
    Client::try_from(config)
}

/// Server-side apply in the operator's name: what it writes is its own.
pub(crate) fn apply_params() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}

/// Writes an object by server-side apply; how it is then.
pub(crate) async fn apply<K>(api: &Api<K>, object: &K) -> Result<K, Error>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
{
    let name = object.name_any();
    api.patch(&name, &apply_params(), &Patch::Apply(object))
        .await
}

/// Kubernetes writes whole seconds.
pub(crate) fn whole_seconds(t: Timestamp) -> Timestamp {
    Timestamp::from_second(t.as_second()).unwrap_or(t)
}

/// Writes an object that is `there` already, this one and no other of its name, or makes it; fails
/// where another has come meanwhile. An apply alone would adopt that one.
pub(crate) async fn write_own<K>(api: &Api<K>, object: &K, there: Option<&K>) -> Result<K, Error>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
{
    let made = match there {
        Some(_) => None,
        None => Some(api.create(&own_params(), object).await?),
    };
    let mut object = object.clone();
    object.meta_mut().uid = there.or(made.as_ref()).and_then(K::uid);
    let written = apply(api, &object).await?;
    let Some(rest) = without_creation(written.meta()) else {
        return Ok(written);
    };
    let patch = json!({ "metadata": {
        "uid": written.uid(), "resourceVersion": written.resource_version(), "managedFields": rest
    } });
    let (name, patch) = (written.name_any(), Patch::Merge(&patch));
    api.patch(&name, &PatchParams::default(), &patch).await
}

fn own_params() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// Whose fields are whose, without the creation's claim on them: with it a field that a later apply
/// leaves out would stay. `None`: it is not among them.
fn without_creation(meta: &ObjectMeta) -> Option<Vec<ManagedFieldsEntry>> {
    let creation = |e: &ManagedFieldsEntry| {
        let ours = e.manager.as_deref() == Some(FIELD_MANAGER);
        ours && e.operation.as_deref() == Some("Update") && e.subresource.is_none()
    };
    let all = meta.managed_fields.as_ref()?;
    let rest: Vec<_> = all.iter().filter(|e| !creation(e)).cloned().collect();
    (rest.len() < all.len()).then_some(rest)
}

/// Deletes this object, and no other of its name; whether it was there.
pub(crate) async fn delete<K>(api: &Api<K>, object: &K) -> Result<bool, Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    delete_within(api, object, None).await
}

/// The same with so many seconds for a pod to end; 0: without waiting for its kubelet.
pub(crate) async fn delete_within<K>(
    api: &Api<K>,
    object: &K,
    seconds: Option<u32>,
) -> Result<bool, Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    let only = Preconditions {
        uid: object.uid(),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(only),
        grace_period_seconds: seconds,
        ..DeleteParams::default()
    };
    let deleted = api.delete(&object.name_any(), &params).await;
    Ok(unless(deleted, &[404, 409])?.is_some())
}

/// Lets the object of this pod go, and of no other of its name: nobody awaits its end any more.
pub(crate) async fn release_pod(client: &Client, pod: &ObjectMeta) -> Result<(), Error> {
    let all = pod.finalizers.iter().flatten();
    let rest: Vec<&String> = all.filter(|f| *f != END_SEEN).collect();
    let patch = json!({ "metadata": {
        "uid": pod.uid, "resourceVersion": pod.resource_version, "finalizers": rest
    } });
    let namespace = pod.namespace.as_deref().unwrap_or_default();
    let (name, params) = (
        pod.name.as_deref().unwrap_or_default(),
        PatchParams::default(),
    );
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let patched = api
        .patch_metadata(name, &params, &Patch::Merge(&patch))
        .await;
    unless(patched, &[404, 409]).map(drop)
}

/// What was answered; `None` where the API server refused with one of these codes.
pub(crate) fn unless<T>(answer: Result<T, Error>, codes: &[u16]) -> Result<Option<T>, Error> {
    match answer {
        Ok(t) => Ok(Some(t)),
        Err(Error::Api(s)) if codes.contains(&s.code) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The namespace is being deleted: it takes no new objects, and its pods end anyway.
pub(crate) fn is_terminating(error: &Error) -> bool {
    matches!(error, Error::Api(s) if s.code == 403 && s.message.contains("being terminated"))
}
