//! What comes before the gate, what it says, and how it ends.

use crate::lab::{App, Lab, Server, eventually, so, within};
use crate::main_job::{begin, holds};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Container;

const AFTER: &str = "    mooring.dev/gate-after: stage\n";

/// `stage` ends before the seat is asked for, `migrate` begins with it. The gate's log says what it
/// waits for; a pod that waits ends at once; neither sidecar nor gate has the pod's API token.
pub(super) async fn some_go_before_the_gate_and_it_says_what_it_waits_for(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "some_go_before_the_gate_and_it_says_what_it_waits_for").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let first = holds(lab, &ns, "first", None).await?;
    let init = |name: &str| {
        let (image, security) = (
            &lab.images.app,
            "runAsUser: 1000, allowPrivilegeEscalation: false",
        );
        format!(
            "  - {{name: {name}, image: {image}, command: [sh, -c, 'echo {name}'], securityContext: {{{security}}}}}\n"
        )
    };
    let spec = format!("  initContainers:\n{}{}", init("stage"), init("migrate"));
    let start = async |name: &str| -> Result<App> {
        let yaml = App::yaml(lab, &ns, name, "render", None, AFTER, &spec)
            .replace("PeriodSeconds: 5", "PeriodSeconds: 300");
        lab.apply(&yaml).await?.ok("starting an annotated pod")?;
        Ok(App::follow(lab, &ns, name))
    };
    let wait = async |name: &str, place: u32| -> Result<App> {
        let app = start(name).await?;
        let words = format!("waiting for render, place {place}: the only seat of render is taken");
        says(lab, &app, &words).await?;
        let ended = ended(lab, &app).await?;
        ensure!(ended == ["stage"], "{name}: ended are {ended:?}");
        Ok(app)
    };
    let (two, three) = (wait("two", 1).await?, wait("three", 2).await?);
    no_token(lab, &two).await?;

    // Its grace period is five minutes: the gate hears SIGTERM.
    three.delete(lab).await?;
    let gone = format!("-n {ns} wait --for=delete pod/three --timeout=60s");
    lab.kubectl(&gone).await?.ok("a pod that waits ends")?;
    first.delete(lab).await?;
    two.says("Held", 60).await?;
    says(lab, &two, "render is held").await?;
    let ended = ended(lab, &two).await?;
    ensure!(ended == ["stage", "mooring-gate", "migrate"], "{ended:?}");
    let quick = format!("-n {ns} delete pod two --grace-period=1 --wait=false");
    lab.kubectl(&quick).await?.ok("deleting a pod").map(drop)
}

/// Waits until the gate's log has this.
async fn says(lab: &Lab, app: &App, words: &str) -> Result<()> {
    let what = format!("the gate of {} says {words:?}", app.name);
    let log = format!("-n {} logs {} -c mooring-gate", app.namespace, app.name);
    eventually(&what, within(60), async || {
        let said = lab.kubectl(&log).await?;
        so(said.out.contains(words), || said.out + &said.err)
    })
    .await
}

/// The init containers that have ended well.
async fn ended(lab: &Lab, app: &App) -> Result<Vec<String>> {
    let status = app.pod(lab).await?.status.unwrap_or_default();
    let all = status.init_container_statuses.unwrap_or_default();
    let ended = all.into_iter().filter(|c| {
        let state = c.state.as_ref().and_then(|s| s.terminated.as_ref());
        state.is_some_and(|t| t.exit_code == 0)
    });
    Ok(ended.map(|c| c.name).collect())
}

/// The API server mounts the pod's token in each container but ours.
async fn no_token(lab: &Lab, app: &App) -> Result<()> {
    let spec = app.pod(lab).await?.spec.context("no spec")?;
    let init = spec.init_containers.unwrap_or_default();
    let has = |c: &&Container| {
        let mut mounts = c.volume_mounts.iter().flatten();
        mounts.any(|m| m.name.starts_with("kube-api-access"))
    };
    let with = init.iter().filter(has).map(|c| c.name.as_str());
    let with: Vec<&str> = with.collect();
    ensure!(
        with == ["stage", "migrate"],
        "the pod's API token is mounted in {with:?}"
    );
    Ok(())
}
