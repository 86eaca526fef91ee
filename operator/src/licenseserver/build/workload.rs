//! The StatefulSet of one: the server's pod, pinned to the node that holds the anchor.

use super::anchor;
use super::inputs::{Inputs, labels, meta, selector};
use super::paths::{CONFIG_FILE, DIR, SERVICE_ACCOUNT_DIR, STATE_DIR, VENDOR_KEYS_DIR};
use super::volumes::{SERVICE_ACCOUNT, volumes};
use crate::container::{amounts, confined, mount, seccomp};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, EnvVar, ExecAction, LocalObjectReference, NodeAffinity,
    NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSecurityContext, PodSpec,
    PodTemplateSpec, Probe, ResourceRequirements, Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use mooring_api::names::{API_PORT, METRICS_PORT};
use mooring_api::serving::{END_SEEN, SIDE};
use mooring_api::{Connections, RunAs};
use std::collections::BTreeMap;

/// What a connection may cost, and what claims, lines and caches may.
const CONNECTION_KIB: u32 = 64;
const BOOKS_MIB: u32 = 192;
/// Where the server is in its image (server/Containerfile).
const PROGRAM: &str = "/usr/local/bin/mooring-server";
/// The pod's annotation whose change rolls it.
const CONFIG_HASH: &str = "mooring.dev/config-hash";

/// StatefulSet `‹name›`.
pub fn stateful_set(i: &Inputs<'_>, config_hash: &str) -> StatefulSet {
    let annotations = [
        (CONFIG_HASH, config_hash),
        ("kubectl.kubernetes.io/default-container", "server"),
    ];
    let annotations = annotations.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let template = &i.server.spec.template;
    StatefulSet {
        metadata: meta(i, i.reference.name.clone()),
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::from(!i.ends)),
            service_name: Some(i.reference.name.clone()),
            selector: LabelSelector {
                match_labels: Some(selector(i.reference)),
                ..LabelSelector::default()
            },
            // With OrderedReady a pod that is not ready is never updated, not even to the version
            // that would mend it.
            pod_management_policy: Some("Parallel".into()),
            revision_history_limit: Some(3),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(and(&template.pod_labels, pod_labels(i))),
                    annotations: Some(and(&template.pod_annotations, annotations)),
                    // Its end is a proof that must be seen.
                    finalizers: i.side.map(|_| vec![END_SEEN.to_owned()]),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(i)),
            },
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

/// The pod's own labels; with a standby elsewhere also the side that it is of.
fn pod_labels(i: &Inputs<'_>) -> BTreeMap<String, String> {
    let mut all = labels(i.reference);
    all.extend(i.side.map(|s| (SIDE.to_owned(), s.to_string())));
    all
}

/// What is asked for, and ours, which counts where both say something.
fn and(
    asked: &BTreeMap<String, String>,
    ours: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let asked = asked.iter().map(|(k, v)| (k.clone(), v.clone()));
    asked.chain(ours).collect()
}

fn pod(i: &Inputs<'_>) -> PodSpec {
    let spec = &i.server.spec;
    let t = &spec.template;
    let needed = anchor::user(spec).map(RunAs::User);
    let user = t.run_as_user.or(needed);
    let user = user.unwrap_or(i.defaults.server_run_as_user).user();
    let pull = i.defaults.image_pull_secrets.iter().cloned();
    let pull = pull.map(|name| LocalObjectReference { name });
    let mut secrets = t.image_pull_secrets.clone();
    secrets.extend(pull.filter(|p| !t.image_pull_secrets.contains(p)));
    PodSpec {
        service_account_name: Some(i.reference.account()),
        // For the server's container alone: it is mounted there.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(10),
        affinity: Some(affinity(&spec.placement.labels())),
        tolerations: Some(tolerations(&spec.placement.tolerations)),
        image_pull_secrets: Some(secrets).filter(|s| !s.is_empty()),
        security_context: Some(PodSecurityContext {
            run_as_user: user,
            run_as_group: user,
            run_as_non_root: Some(user != Some(0)),
            fs_group: user,
            supplemental_groups: Some(t.supplemental_groups.clone()).filter(|g| !g.is_empty()),
            seccomp_profile: Some(seccomp()),
            ..PodSecurityContext::default()
        }),
        init_containers: anchor::pcscd(i, user).map(|c| vec![c]),
        containers: vec![container(i)],
        volumes: Some(volumes(i)),
        ..PodSpec::default()
    }
}

/// Required: elsewhere there is no anchor. Each label must be there with its value.
fn affinity(labels: &BTreeMap<String, String>) -> Affinity {
    let one = |(key, value): (&String, &String)| NodeSelectorRequirement {
        key: key.clone(),
        operator: "In".into(),
        values: Some(vec![value.clone()]),
    };
    let term = NodeSelectorTerm {
        match_expressions: Some(labels.iter().map(one).collect()),
        ..NodeSelectorTerm::default()
    };
    let required = NodeSelector {
        node_selector_terms: vec![term],
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(required),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// The server goes on while the control plane does not hear from its node: evicting it would only
/// take the license away.
fn tolerations(more: &[Toleration]) -> Vec<Toleration> {
    let endless = |key: &str| Toleration {
        key: Some(key.into()),
        operator: Some("Exists".into()),
        effect: Some("NoExecute".into()),
        ..Toleration::default()
    };
    let ours = [
        endless("node.kubernetes.io/unreachable"),
        endless("node.kubernetes.io/not-ready"),
    ];
    ours.into_iter().chain(more.iter().cloned()).collect()
}

fn container(i: &Inputs<'_>) -> Container {
    let spec = &i.server.spec;
    let t = &spec.template;
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.into()),
        container_port: i32::from(port),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    };
    let mut mounts = vec![
        mount("config", DIR, true),
        mount("state", STATE_DIR, false),
        mount("tmp", "/tmp", false),
        mount(SERVICE_ACCOUNT, SERVICE_ACCOUNT_DIR, true),
    ];
    if spec.vendor_keys.is_some() {
        mounts.push(mount("vendor-keys", VENDOR_KEYS_DIR, true));
    }
    mounts.extend(anchor::mounts(spec));
    let hosts = t.host_paths.iter().enumerate();
    mounts.extend(hosts.map(|(n, h)| mount(&format!("host-{n}"), &h.mount_path, h.read_only)));
    let image = t.image.as_ref().unwrap_or(&i.defaults.server_image);
    let config = format!("{DIR}/{CONFIG_FILE}");
    let amounts = t
        .resources
        .clone()
        .unwrap_or_else(|| resources(spec.service.connections));
    let env = t.env.iter().map(|e| EnvVar {
        name: e.name.clone(),
        value: Some(e.value.clone()),
        ..EnvVar::default()
    });
    Container {
        name: "server".into(),
        image: Some(image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        args: Some(vec!["run".into(), "--config".into(), config]),
        env: Some(env.collect::<Vec<_>>()).filter(|e| !e.is_empty()),
        ports: Some(vec![port("https", API_PORT), port("metrics", METRICS_PORT)]),
        resources: Some(anchor::with_device(spec, false, amounts)),
        liveness_probe: Some(Probe {
            initial_delay_seconds: Some(5),
            ..probe(&["health"], 10, 6)
        }),
        readiness_probe: Some(probe(&["health", "--ready"], 3, 3)),
        security_context: Some(confined()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The memory is a limit, the processor is not. Each connection may cost so much, whoever holds it:
/// half of a TLS record, a head, a body; the rest is the books'.
fn resources(connections: Connections) -> ResourceRequirements {
    let mebibytes = BOOKS_MIB + connections.most.saturating_mul(CONNECTION_KIB) / 1024;
    let requests = [("cpu", "50m"), ("memory", "64Mi")];
    amounts(&requests, &[("memory", &format!("{mebibytes}Mi"))])
}

/// Asks the program itself, where no stranger can keep it from answering.
fn probe(words: &[&str], period: i32, failures: i32) -> Probe {
    let command = [&[PROGRAM], words].concat();
    Probe {
        exec: Some(ExecAction {
            command: Some(command.into_iter().map(Into::into).collect()),
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}
