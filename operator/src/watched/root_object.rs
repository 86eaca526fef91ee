//! What has pods run, with how many of them it wants, and no more.

use super::head::meta;
use super::list::{Keep, kept};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::Deserialize;
use std::borrow::Cow;

/// A Deployment, ReplicaSet, StatefulSet, DaemonSet, Job or CronJob.
#[derive(Clone, Debug, Deserialize)]
pub struct RootObject {
    #[serde(deserialize_with = "meta")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: RootSpec,
    #[serde(default)]
    pub status: RootStatus,
}

/// Of these fields a kind has those that it has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RootSpec {
    pub replicas: Option<i32>,
    pub parallelism: Option<i32>,
    pub completions: Option<i32>,
    pub suspend: bool,
    pub concurrency_policy: Option<String>,
    pub strategy: Strategy,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub rolling_update: Option<RollingUpdate>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollingUpdate {
    pub max_surge: Option<IntOrString>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RootStatus {
    pub desired_number_scheduled: Option<i32>,
    pub succeeded: Option<i32>,
    #[serde(deserialize_with = "kept")]
    conditions: Vec<Over>,
}

#[derive(Clone, Debug, Deserialize)]
struct Over {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Keep for Over {
    /// What says that a Job is over.
    fn keep(kept: &[Self], next: &Self) -> bool {
        let ends = ["Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"];
        kept.is_empty() && next.status == "True" && ends.contains(&next.kind.as_str())
    }
}

impl RootStatus {
    /// It is a Job, and has come to its end or to the reason for it.
    pub const fn is_over(&self) -> bool {
        !self.conditions.is_empty()
    }
}

impl Resource for RootObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(of: &ApiResource) -> Cow<'_, str> {
        of.kind.as_str().into()
    }

    fn group(of: &ApiResource) -> Cow<'_, str> {
        of.group.as_str().into()
    }

    fn version(of: &ApiResource) -> Cow<'_, str> {
        of.version.as_str().into()
    }

    fn plural(of: &ApiResource) -> Cow<'_, str> {
        of.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
