//! The sidecar's container, the gate's behind it and their volumes (docs/contracts.md, "The
//! sidecar").
//!
//! Each field that the API server would fill in is written here, so that a second pass finds what
//! it would write.

use super::image::Images;
use super::requested::Requested;
use super::resources::Budget;
use super::target::{SidecarTarget, TokenOf};
use crate::container::{confined, empty_dir, seccomp};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, KeyToPath, ProjectedVolumeSource, ResourceRequirements, SecretProjection,
    SecurityContext, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use mooring_api::names::{
    ENTRY_END, GATE, LICENSE_SERVER_ENV, MAX_GRACE_ENV, OPTIMISTIC_START_ENV, ROOTS_ENV,
    SERVER_ENV, SIDECAR, SIDECAR_ARG, ServerRef, TOKEN_VOLUME,
};
use mooring_core::annotation::{LICENSES, LOG_LEVEL};
use std::borrow::Cow;

/// The volume with the sidecar's secrets, counters and limits: its alone.
pub(super) const STATE_VOLUME: &str = "mooring-state";
/// The volume with the socket.
pub(super) const SOCKET_VOLUME: &str = "mooring-socket";
/// Where the socket's volume is mounted, in the sidecar and in the application's containers.
pub(super) const SOCKET_DIR: &str = "/run/mooring";
pub(super) const SOCKET: &str = "/run/mooring/mooring.sock";
/// The variable that tells applications of it.
pub(super) const SOCKET_ENV: &str = "MOORING_SOCKET";

/// All of them.
pub(super) const OWN_VOLUMES: [&str; 3] = [STATE_VOLUME, SOCKET_VOLUME, TOKEN_VOLUME];
/// The program in the image.
pub(super) const PROGRAM: &str = "/mooring-sidecar";

const STATE_DIR: &str = "/var/lib/mooring";
const TOKEN_DIR: &str = "/var/run/secrets/mooring.dev";
/// Where the API server mounts the pod's token for itself, in each container that has nothing
/// there. Ours have: they need no rights.
const ACCOUNT_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
pub(super) const GATE_ARGS: &str = "gate";
/// How long a token of the pod's is valid, in seconds: the least that Kubernetes allows; the
/// kubelet renews it.
const TOKEN_SECONDS: i64 = 600;
/// Files in the memory volumes: a socket, and a few kilobytes of state.
const VOLUME_SIZE: &str = "1Mi";

/// How sidecars are made, the same for all pods.
#[derive(Clone, Debug)]
pub struct Settings {
    pub images: Images,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
    /// Secrets to pull it with; they must be there in the pods' namespaces.
    pub pull_secrets: Vec<String>,
    /// Its user; `None` where the platform assigns one (OpenShift).
    pub run_as_user: Option<i64>,
    /// What it may use, where the pod does not say.
    pub budget: Budget,
    /// A `tracing` filter.
    pub log: String,
    /// Mooring's version: the value of the label `mooring.dev/injected`.
    pub version: String,
}

/// What a pod that opted in is given.
#[derive(Clone, Copy, Debug)]
pub struct InjectContext<'a> {
    /// In whose lines it stands, in its order; one at least.
    pub targets: &'a [SidecarTarget],
    /// The certificates that its sidecar trusts, of all of them that are within the cluster, PEM.
    pub roots: &'a str,
    /// How sidecars are made.
    pub settings: &'a Settings,
    /// Which review it is; no two have the same. Names what a pod alone may have.
    pub review: &'a str,
}

pub(super) fn container(
    requested: &Requested,
    ctx: &InjectContext<'_>,
    user: Option<i64>,
    resources: ResourceRequirements,
) -> Container {
    let mounts = [
        mount(STATE_VOLUME, STATE_DIR, false),
        mount(SOCKET_VOLUME, SOCKET_DIR, false),
        mount(TOKEN_VOLUME, TOKEN_DIR, true),
    ];
    Container {
        restart_policy: Some("Always".to_owned()),
        env: Some(environment(requested, ctx)),
        ..alike(ctx.settings, SIDECAR, SIDECAR_ARG, &mounts, user, resources)
    }
}

/// The pod's gate: an init container, so that the application starts after its success alone,
/// whatever the kubelet forgets meanwhile. Of a startup probe of the sidecar's a kubelet that is
/// restarted says that it has passed (kubernetes#142305). It has the socket, and nothing of the
/// sidecar's.
pub(super) fn gate(
    settings: &Settings,
    user: Option<i64>,
    resources: ResourceRequirements,
) -> Container {
    let mounts = [mount(SOCKET_VOLUME, SOCKET_DIR, true)];
    alike(settings, GATE, GATE_ARGS, &mounts, user, resources)
}

/// What both have in common.
fn alike(
    settings: &Settings,
    name: &str,
    args: &str,
    mounts: &[VolumeMount],
    user: Option<i64>,
    resources: ResourceRequirements,
) -> Container {
    let no_account = mount(SOCKET_VOLUME, ACCOUNT_DIR, true);
    Container {
        name: name.to_owned(),
        image: Some(settings.images.image.clone()),
        image_pull_policy: Some(settings.pull_policy.clone()),
        args: Some(vec![args.to_owned()]),
        resources: Some(resources),
        security_context: Some(security(user)),
        volume_mounts: Some([mounts, &[no_account]].concat()),
        termination_message_path: Some("/dev/termination-log".to_owned()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// Of what is said of license servers there is an entry for each.
fn environment(requested: &Requested, ctx: &InjectContext<'_>) -> Vec<EnvVar> {
    let (targets, settings) = (ctx.targets, ctx.settings);
    let servers = each(targets, |t| t.url.as_str().into());
    let outside = each(targets, |t| {
        let server = t.token.operator().map(ServerRef::to_string);
        server.unwrap_or_default().into()
    });
    let roots = each(targets, |t| t.roots.as_deref().unwrap_or(ctx.roots).into());
    let addresses = each(targets, |t| {
        let all: Vec<String> = t.addresses.iter().map(ToString::to_string).collect();
        all.join(",").into()
    });
    let files = token_files(targets);
    let file = |t: &SidecarTarget| files.iter().find(|(token, _)| **token == t.token);
    let token_files = each(targets, |t| {
        let name = file(t).map_or("token", |(_, name)| name.as_str());
        format!("{TOKEN_DIR}/{name}").into()
    });
    let optimistic_start = each(targets, |t| {
        t.optimistic_start.as_deref().unwrap_or_default().into()
    });
    let max_grace = each(targets, |t| t.max_grace.to_string().into());
    let voucher = each(targets, |t| t.voucher.as_deref().unwrap_or_default().into());
    let licenses = each(targets, |t| t.licenses.as_str().into());
    let told = requested.told.iter();
    let mut all: Vec<(&str, &str)> = told.map(|(name, value)| (*name, value.as_str())).collect();
    for (name, value) in &mut all {
        // As its author writes it, where all are asked for all.
        if licenses.contains(ENTRY_END) && *name == LICENSES.variable() {
            *value = &licenses;
        }
    }
    let said = [
        (SERVER_ENV, &*servers),
        (LICENSE_SERVER_ENV, &outside),
        ("MOORING_ADDRESSES", &addresses),
        (ROOTS_ENV, &roots),
        ("MOORING_TOKEN_FILE", &token_files),
        (OPTIMISTIC_START_ENV, &optimistic_start),
        (MAX_GRACE_ENV, &max_grace),
        ("MOORING_VOUCHER", &voucher),
    ];
    all.extend(said.into_iter().filter(|(_, value)| !value.is_empty()));
    all.extend([("MOORING_STATE_DIR", STATE_DIR), (SOCKET_ENV, SOCKET)]);
    // The installation's word where the pod has none.
    let log = LOG_LEVEL.variable();
    if !all.iter().any(|(name, _)| *name == log) {
        all.push((log, &settings.log));
    }
    let var = |(name, value): (&str, &str)| EnvVar {
        name: name.to_owned(),
        // "$(" would be read as a reference to another variable; "$$(" is the text itself.
        value: Some(value.replace("$(", "$$(")),
        value_from: None,
    };
    all.into_iter().map(var).collect()
}

/// What the Pod Security Standard `restricted` asks of a container.
fn security(run_as_user: Option<i64>) -> SecurityContext {
    SecurityContext {
        privileged: Some(false),
        run_as_non_root: Some(true),
        run_as_user,
        run_as_group: run_as_user,
        seccomp_profile: Some(seccomp()),
        ..confined()
    }
}

pub(super) fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// What is said of each license server: where that is alike one entry stands for all, and is
/// nothing where there is none.
fn each<'a>(
    targets: &'a [SidecarTarget],
    of: impl Fn(&'a SidecarTarget) -> Cow<'a, str>,
) -> Cow<'a, str> {
    // Mostly there is one.
    if let [one] = targets {
        return of(one);
    }
    let mut all: Vec<Cow<'a, str>> = targets.iter().map(of).collect();
    if all.windows(2).all(|w| w.first() == w.last()) {
        all.pop().unwrap_or_default()
    } else {
        all.join(&ENTRY_END.to_string()).into()
    }
}

/// A pod's tokens, each with its file, in the servers' order: license servers of one namespace are
/// shown the same.
fn token_files(targets: &[SidecarTarget]) -> Vec<(&TokenOf, String)> {
    let mut files: Vec<(&TokenOf, String)> = Vec::new();
    for target in targets {
        if !files.iter().any(|(token, _)| **token == target.token) {
            let name = match files.len() {
                0 => "token".to_owned(),
                n => format!("token-{}", n + 1),
            };
            files.push((&target.token, name));
        }
    }
    files
}

/// `secret`: what the Secret with the operator's tokens for this pod is called, where it makes one.
/// Until they are there the kubelet does not start the pod.
pub(super) fn volumes(targets: &[SidecarTarget], secret: impl Fn() -> String) -> Vec<Volume> {
    let memory = |name: &str| empty_dir(name, true, Some(VOLUME_SIZE));
    let token = |(token, path): (&TokenOf, String)| match token {
        TokenOf::Account { audience } => VolumeProjection {
            service_account_token: Some(ServiceAccountTokenProjection {
                audience: Some(audience.clone()),
                expiration_seconds: Some(TOKEN_SECONDS),
                path,
            }),
            ..VolumeProjection::default()
        },
        TokenOf::Operator { server } => VolumeProjection {
            secret: Some(SecretProjection {
                name: secret(),
                items: Some(vec![KeyToPath {
                    key: server.token_key(),
                    path,
                    mode: None,
                }]),
                optional: None,
            }),
            ..VolumeProjection::default()
        },
    };
    let tokens = token_files(targets).into_iter().map(token);
    let token = Volume {
        name: TOKEN_VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(0o644),
            sources: Some(tokens.collect()),
        }),
        ..Volume::default()
    };
    vec![memory(STATE_VOLUME), memory(SOCKET_VOLUME), token]
}
