//! An object by its metadata alone.

use super::list::{Entries, Keep, Keys, kept};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use mooring_api::names::{
    JOB, JOB_INDEX, JOBSET, JOBSET_JOBS, KUEUE_COUNT, KUEUE_GROUP, KUEUE_MANAGED, REVISION,
    SERVER_LABEL,
};
use mooring_core::annotation::{GROUP, GROUP_SIZE, LICENSES, ON_LOSS, PLACE, SERVER, WAIT};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// The longest name of a kind or an object that is taken for one.
const OWNER_TEXT: usize = 512;

/// What is read of any object's metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Entries<Labels>,
    annotations: Entries<Annotations>,
    #[serde(deserialize_with = "kept")]
    owner_references: Vec<Owner>,
}

/// What has it run.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Owner {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
    controller: Option<bool>,
}

impl Keep for Owner {
    /// The one that controls it: others only keep it from being collected.
    fn keep(kept: &[Self], next: &Self) -> bool {
        let sane = [&next.api_version, &next.kind, &next.name, &next.uid];
        next.controller == Some(true)
            && kept.is_empty()
            && sane.iter().all(|s| s.len() <= OWNER_TEXT)
    }
}

impl From<Owner> for OwnerReference {
    fn from(o: Owner) -> Self {
        Self {
            api_version: o.api_version,
            kind: o.kind,
            name: o.name,
            uid: o.uid,
            controller: o.controller,
            block_owner_deletion: None,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Labels;

impl Keys for Labels {
    const KEYS: &[&str] = &[
        SERVER_LABEL,
        REVISION,
        KUEUE_GROUP,
        KUEUE_MANAGED,
        JOB,
        JOB_INDEX,
        JOBSET,
        JOBSET_JOBS,
    ];
}

#[derive(Clone, Debug, Default)]
struct Annotations;

impl Keys for Annotations {
    const KEYS: &[&str] = &[
        LICENSES.key,
        WAIT.key,
        PLACE.key,
        GROUP.key,
        GROUP_SIZE.key,
        ON_LOSS.key,
        // An AdmissionCheck's, too.
        SERVER.key,
        KUEUE_COUNT,
        JOB_INDEX,
    ];
}

/// An object's metadata, of which that much is read.
pub(super) fn meta<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    Meta::deserialize(deserializer).map(Into::into)
}

impl From<Meta> for ObjectMeta {
    fn from(m: Meta) -> Self {
        let some = |map: BTreeMap<_, _>| Some(map).filter(|m| !m.is_empty());
        let owners: Vec<_> = m.owner_references.into_iter().map(Into::into).collect();
        Self {
            name: m.name,
            namespace: m.namespace,
            uid: m.uid,
            resource_version: m.resource_version,
            generation: m.generation,
            creation_timestamp: m.creation_timestamp,
            deletion_timestamp: m.deletion_timestamp,
            labels: some(m.labels.0),
            annotations: some(m.annotations.0),
            owner_references: Some(owners).filter(|o| !o.is_empty()),
            ..Self::default()
        }
    }
}

/// An object of kind `K`, of which the API server sends the metadata alone.
#[derive(Debug)]
pub struct Head<K> {
    metadata: ObjectMeta,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Head<K> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            kind: PhantomData,
        }
    }
}

impl<'de, K> Deserialize<'de> for Head<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Read {
            metadata: Meta,
        }
        let metadata = Read::deserialize(deserializer)?.metadata.into();
        let kind = PhantomData;
        Ok(Self { metadata, kind })
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Head<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn metadata_api() -> bool {
        true
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
