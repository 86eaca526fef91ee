//! What building needs to know, and what all objects have in common.

use crate::licenseserver::platform::Platform;
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;
use mooring_api::names::{
    APP_NAME, FIELD_MANAGER, MANAGED_BY, SERVER_APP, SERVER_LABEL, ServerRef,
};
use mooring_api::{LicenseServer, RunAs, Side};
use mooring_core::wire::Policies;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// Who may read metrics, as the chart's values say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsFrom(Vec<NetworkPolicyPeer>);

impl FromStr for MetricsFrom {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let read = serde_json::from_str(s).map(Self);
        read.map_err(|e| format!("{e}; expected a JSON list of NetworkPolicyPeers, such as []"))
    }
}

impl MetricsFrom {
    pub fn peers(&self) -> &[NetworkPolicyPeer] {
        &self.0
    }
}

/// What an installation of the operator decides.
#[derive(Clone, Debug, clap::Args)]
pub struct Defaults {
    /// The license server's image, where a LicenseServer names none.
    #[arg(long, value_name = "IMAGE")]
    pub server_image: String,
    /// pcscd's image, where a LicenseServer that has pcscd in its pod names none.
    #[arg(long, default_value = "mooring/pcscd", value_name = "IMAGE")]
    pub pcscd_image: String,
    /// A Secret to pull both with, which must be there in the LicenseServers' namespaces. May be
    /// given several times.
    #[arg(long = "server-image-pull-secret", value_name = "NAME")]
    pub image_pull_secrets: Vec<String>,
    /// The license server's user where neither LicenseServer nor anchor says otherwise; `platform`
    /// where the platform assigns one (OpenShift).
    #[arg(long, default_value = "65532", value_name = "UID|platform")]
    pub server_run_as_user: RunAs,
    /// The ClusterRole that may create tokenreviews, bound to each license server's service
    /// account.
    #[arg(
        long,
        default_value = "mooring-server-tokenreviews",
        value_name = "NAME"
    )]
    pub tokenreview_role: String,
    #[command(flatten)]
    pub platform: Platform,
    /// Make a NetworkPolicy for each license server; the value says who may read its metrics, as a
    /// JSON list of NetworkPolicyPeers.
    #[arg(long, value_name = "JSON")]
    pub network_policies: Option<MetricsFrom>,
}

impl Defaults {
    /// The images that every LicenseServer may have.
    pub fn images(&self) -> [&str; 2] {
        [&self.server_image, &self.pcscd_image]
    }
}

/// What building needs to know besides the spec.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    pub server: &'a LicenseServer,
    pub reference: &'a ServerRef,
    pub defaults: &'a Defaults,
    pub operator_namespace: &'a str,
    /// `status.leaseDurationInForce`, already written: the longest lease any instance may have
    /// granted.
    pub in_force: Duration,
    /// Who may use it, resolved.
    pub policies: &'a Policies,
    /// With a standby elsewhere: which side the pod is made for. `server` is as that one has it.
    pub side: Option<Side>,
    /// Its pod is ended, and none is made.
    pub ends: bool,
}

/// The labels that select a server's pod: they never change.
pub fn selector(server: &ServerRef) -> BTreeMap<String, String> {
    BTreeMap::from([
        (APP_NAME.to_owned(), SERVER_APP.to_owned()),
        (SERVER_LABEL.to_owned(), server.name.clone()),
    ])
}

/// The labels on all that belongs to a server.
pub fn labels(server: &ServerRef) -> BTreeMap<String, String> {
    let mut labels = selector(server);
    labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    labels
}

/// Name, labels and owner of a namespaced child. It lives and dies with the LicenseServer, not with
/// the operator.
pub fn meta(i: &Inputs<'_>, name: String) -> ObjectMeta {
    let owner: Option<OwnerReference> = i.server.controller_owner_ref(&());
    ObjectMeta {
        name: Some(name),
        namespace: Some(i.reference.namespace.clone()),
        labels: Some(labels(i.reference)),
        owner_references: owner.map(|o| vec![o]),
        ..ObjectMeta::default()
    }
}
