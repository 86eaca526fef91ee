//! Calls to the API server that several parts make alike.

use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Error, Resource, ResourceExt as _};
use mooring_api::names::FIELD_MANAGER;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

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

/// Deletes this object, and no other of its name; whether it was there.
pub(crate) async fn delete<K>(api: &Api<K>, object: &K) -> Result<bool, Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    let only = Preconditions {
        uid: object.uid(),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(only),
        ..DeleteParams::default()
    };
    let deleted = api.delete(&object.name_any(), &params).await;
    Ok(unless(deleted, &[404, 409])?.is_some())
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
