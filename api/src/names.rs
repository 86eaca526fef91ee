//! Names that the operator's parts and other programs share (docs/contracts.md).

pub use mooring_config::{API_PORT, METRICS_PORT};
pub use mooring_core::annotation::{ENTRY_END, MAX_SERVERS};
use ring::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The field manager of all that the operator writes.
pub const FIELD_MANAGER: &str = "mooring-operator";
/// The API group.
pub const GROUP: &str = "mooring.dev";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// Kubernetes' label of a Deployment's pods: of which revision of it they are.
pub const REVISION: &str = "pod-template-hash";
/// The label that the webhook gives to pods with a sidecar: what the operator watches.
pub const INJECTED: &str = "mooring.dev/injected";
/// The Secret with the operator's CA, in its namespace.
pub const CA_SECRET: &str = "mooring-ca";
/// The variable with the certificates that a sidecar trusts.
pub const ROOTS_ENV: &str = "MOORING_ROOTS";
/// The variable with what license or LicenseServer say of a start without the server.
pub const OPTIMISTIC_START_ENV: &str = "MOORING_OPTIMISTIC_START";
/// The variable with the longest that an application may go on without the server.
pub const MAX_GRACE_ENV: &str = "MOORING_MAX_GRACE";
/// The sidecar's container in a pod.
pub const SIDECAR: &str = "mooring";
/// The one argument that it is started with.
pub const SIDECAR_ARG: &str = "run";
/// The init container behind it, which ends once the pod is licensed.
pub const GATE: &str = "mooring-gate";
/// The controller of Kueue's AdmissionChecks that is the operator.
pub const KUEUE_CONTROLLER: &str = "mooring.dev/license";
/// Kueue's label of pods that it holds back itself, and not what has them run.
pub const KUEUE_MANAGED: &str = "kueue.x-k8s.io/managed";
/// Kueue's label of what waits in one of its queues.
pub const KUEUE_QUEUE: &str = "kueue.x-k8s.io/queue-name";
/// A pod group of Kueue's: its label, and the annotation with its size.
pub const KUEUE_GROUP: &str = "kueue.x-k8s.io/pod-group-name";
pub const KUEUE_COUNT: &str = "kueue.x-k8s.io/pod-group-total-count";
/// The Job of a pod, and its index there if that is an Indexed one.
pub const JOB: &str = "batch.kubernetes.io/job-name";
pub const JOB_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The `JobSet` of a pod, and how many Jobs that has (it says so from 0.8 on).
pub const JOBSET: &str = "jobset.sigs.k8s.io/jobset-name";
pub const JOBSET_JOBS: &str = "jobset.sigs.k8s.io/global-replicas";
/// The scheduling gate of a pod that waits for its seats before it is scheduled.
pub const SCHEDULING_GATE: &str = "mooring.dev/license";
/// The variable by which the sidecar knows its server: `https://‹name›.‹ns›.svc:8443`. Of several,
/// in whose lines it stands, it is a list.
pub const SERVER_ENV: &str = "MOORING_SERVER";
/// The variable that names a LicenseServer outside of the cluster, `namespace/name`: there
/// [`SERVER_ENV`] is its address. Of several it is a list, with an empty entry for one within.
pub const LICENSE_SERVER_ENV: &str = "MOORING_LICENSE_SERVER";
/// The volume of a pod with its tokens for the license servers: its sidecar's alone.
pub const TOKEN_VOLUME: &str = "mooring-token";
/// What the Secret with a pod's client tokens is called in the beginning.
pub const TOKEN_SECRET: &str = "mooring-token-";
/// Its type.
pub const TOKEN_TYPE: &str = "mooring.dev/client-token";
/// The longest certificates of one license server that a sidecar is told of, in bytes.
pub const MOST_ROOTS: usize = 8192;
/// The label on what belongs to a license server, with its name.
pub const SERVER_LABEL: &str = "mooring.dev/server";
/// The label on a LicenseLease with its license server's namespace.
pub const SERVER_NAMESPACE_LABEL: &str = "mooring.dev/server-namespace";
/// Labels of nodes that say which devices are plugged in there; all with this prefix are the
/// operator's. No kubelet may set them, not even on its own node: NodeRestriction sees to that
/// below this domain.
pub const ANCHOR_LABEL_PREFIX: &str = "anchor.mooring.node-restriction.kubernetes.io/";
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const APP_NAME: &str = "app.kubernetes.io/name";
/// The `app.kubernetes.io/name` of a license server's objects.
pub const SERVER_APP: &str = "mooring-server";
/// The domain of labels that no kubelet may set on its node.
pub const NODE_RESTRICTION: &str = "node-restriction.kubernetes.io";
/// The longest name of a LicenseServer: its pod's name and revision label are derived from it.
pub const MAX_SERVER_NAME: usize = 52;

/// The first hexadecimal digits of a text's SHA-256; all of them are 64.
pub fn short_hash(text: &str, digits: usize) -> String {
    let hash = hex::encode(digest(&SHA256, text.as_bytes()).as_ref());
    hash.chars().take(digits).collect()
}

/// A LicenseServer, by namespace and name.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct ServerRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServerRef {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The DNS name that its certificate carries and its clients verify.
    pub fn dns_name(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// What a sidecar's [`SERVER_ENV`] says: `https://‹name›.‹ns›.svc:‹port›`.
    pub fn from_url(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let host = rest.split(['/', ':']).next()?;
        let (name, rest) = host.split_once('.')?;
        let namespace = rest
            .strip_suffix(".cluster.local")
            .unwrap_or(rest)
            .strip_suffix(".svc")?;
        (!name.is_empty() && !namespace.is_empty() && !namespace.contains('.'))
            .then(|| Self::new(namespace, name))
    }

    /// The key of its token in the Secret with a pod's client tokens.
    pub fn token_key(&self) -> String {
        // A namespace has no dot.
        format!("{}.{}", self.namespace, self.name)
    }

    /// What [`LICENSE_SERVER_ENV`] says of it.
    pub fn from_text(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        let named = !namespace.is_empty() && !name.is_empty() && !name.contains('/');
        named.then(|| Self::new(namespace, name))
    }

    /// All that a sidecar's [`SERVER_ENV`] names, in its order and each once; no more than
    /// [`MAX_SERVERS`] entries are read.
    pub fn all_from_urls(urls: &str) -> Vec<Self> {
        let mut all = Vec::new();
        let named = urls.split(ENTRY_END).take(MAX_SERVERS);
        for server in named.filter_map(Self::from_url) {
            if !all.contains(&server) {
                all.push(server);
            }
        }
        all
    }

    /// The name of one of its objects: `‹name›-‹suffix›`.
    pub fn child(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// Its pod's service account: `‹name›-mooring-server`.
    pub fn account(&self) -> String {
        self.child(SERVER_APP)
    }

    /// The ClusterRoleBinding of that account.
    pub fn binding(&self) -> String {
        format!("{SERVER_APP}:{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_sidecars_server_is_read_from_its_environment() {
        let main = ServerRef::new("licensing", "main");
        for url in [
            "https://main.licensing.svc:8443",
            "https://main.licensing.svc.cluster.local:8443/",
        ] {
            assert_eq!(ServerRef::from_url(url).as_ref(), Some(&main), "{url}");
        }
        for url in [
            "http://main.licensing.svc",
            "https://main",
            "https://main.svc:1",
            "https://a.b.c.svc",
            "",
        ] {
            assert_eq!(ServerRef::from_url(url), None, "{url}");
        }
        assert_eq!(main.dns_name(), "main.licensing.svc");
    }

    #[test]
    fn of_a_sidecars_servers_each_is_named_once_and_no_more_than_it_may_have() {
        let url = |i: usize| format!("https://s{i}.licensing.svc:8443");
        let named = |urls: &[String]| {
            let all = ServerRef::all_from_urls(&urls.join(";"));
            all.into_iter().map(|s| s.name).collect::<Vec<_>>()
        };
        assert_eq!(named(&[url(2), url(1), url(2)]), ["s2", "s1"]);
        assert_eq!(named(&[url(1), "elsewhere".into(), url(3)]), ["s1", "s3"]);
        assert_eq!(named(&[String::new()]), [""; 0]);
        let many: Vec<String> = (0..100).map(url).collect();
        assert_eq!(named(&many).len(), MAX_SERVERS);
    }
}
