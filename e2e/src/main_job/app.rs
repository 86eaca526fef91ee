//! What an application sees; jobs; a sidecar that is killed.

use super::steps::{begin, count_seats, holds, notices_nothing, renews};
use crate::lab::{App, Lab, Server, eventually, so, within};
use anyhow::{Context as _, Result, ensure};
use std::time::Duration;

/// Plain curl reads the state under a UID that is not the sidecar's; the client library verifies
/// the token with the vendor's key alone; the sidecar's secrets are out of reach.
pub(super) async fn an_application_asks_its_socket_and_verifies(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "an_application_asks_its_socket_and_verifies").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let app = holds(lab, &ns, "app", Some(&lab.nodes.1)).await?;

    let curl = "curl -s --unix-socket $MOORING_SOCKET http://mooring/v1/status";
    let status = app.shell(lab, curl).await?.ok("curl")?;
    let status: serde_json::Value =
        serde_json::from_str(&status).with_context(|| format!("curl said: {status}"))?;
    ensure!(
        status["state"] == "Held" && status["licensed"] == true,
        "curl said: {status}"
    );
    let mine = app.shell(lab, "id -u").await?.ok("id")?;
    let pod = app.pod(lab).await?;
    let init = pod.spec.and_then(|s| s.init_containers).unwrap_or_default();
    let sidecar = init.into_iter().find(|c| c.name == "mooring");
    let sidecar = sidecar.context("there is no sidecar")?;
    let theirs = sidecar.security_context.and_then(|s| s.run_as_user);
    ensure!(
        theirs != mine.trim().parse().ok(),
        "application and sidecar have the same UID, {theirs:?}"
    );

    let what = "the application verifies its token";
    let verified = eventually(what, within(20), async || {
        let lines = app.lines();
        let bad = lines.iter().find(|l| !l["verifyError"].is_null());
        let good = lines.iter().find(|l| l["verified"].is_object()).cloned();
        Ok(good.ok_or_else(|| format!("{bad:?}")))
    })
    .await?;
    ensure!(
        verified["verified"]["fresh"] == true,
        "the token is not fresh: {verified}"
    );
    // With another vendor's key nothing verifies.
    let other = "0".repeat(64);
    let verify = format!("MOORING_E2E_VENDOR_KEY={other} /mooring-e2e-app verify");
    let wrong = app.shell(lab, &verify).await?;
    ensure!(
        !wrong.success,
        "a token verified with another vendor's key: {}",
        wrong.out
    );

    for path in ["/var/lib/mooring", "/var/run/secrets/mooring.dev/token"] {
        let script = format!("ls {path} && cat {path}/* {path}");
        let look = app.shell(lab, &script).await?;
        ensure!(
            !look.success && look.out.trim().is_empty(),
            "the application sees {path}: {}",
            look.out
        );
    }
    let touch = app.shell(lab, "touch $(dirname $MOORING_SOCKET)/x").await?;
    ensure!(!touch.success, "the socket's folder can be written to");
    Ok(())
}

/// An annotated Job completes, although its sidecar would run on; its seat is back at once.
pub(super) async fn a_job_completes_and_its_seat_is_back(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_job_completes_and_its_seat_is_back").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: job, namespace: {ns}}}\nspec:\n  backoffLimit: 0\n  template:\n    metadata:\n      \
         annotations: {{mooring.dev/licenses: render}}\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: app\n        image: {}\n        \
         args: [run, --for, 3s]\n        securityContext: {{runAsUser: 1000}}\n",
        lab.images.app
    );
    lab.apply(&job).await?.ok("making a Job")?;
    server.shows(lab, &[("Held", 1)], 60).await?;
    let wait = format!("-n {ns} wait --for=condition=Complete job/job --timeout=60s");
    lab.kubectl(&wait).await?.ok("waiting for the Job")?;
    let none = server.shows(lab, &[], 10).await;
    none.context("after the Job's end")?;
    let next = App::start(lab, &ns, "next", "render", None).await?;
    next.says("Held", 20).await
}

/// SIGKILL: the kubelet starts the sidecar again, which goes on with its lease and takes no second
/// seat.
pub(super) async fn a_killed_sidecar_comes_back_with_its_lease(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_killed_sidecar_comes_back_with_its_lease").await?;
    let mut server = Server::new(&ns, 2);
    // The kubelet waits 10 s before it starts a container for the second time: the lease must last
    // longer.
    server.duration = Duration::from_secs(60);
    server.ready(lab).await?;
    // One container can end another's process where they share the process namespace; root may.
    let shared = "  shareProcessNamespace: true\n";
    let capabilities = "drop: [ALL], add: [KILL, SYS_PTRACE, DAC_READ_SEARCH]";
    let yaml = App::yaml(lab, &ns, "app", "render", None, "", shared)
        .replace("runAsUser: 1000, runAsNonRoot: true", "runAsUser: 0")
        .replace("drop: [ALL]", capabilities);
    lab.apply(&yaml).await?.ok("starting an annotated pod")?;
    let app = App::follow(lab, &ns, "app");
    app.says("Held", 60).await?;
    let before = server.shows(lab, &[("Held", 1)], 20).await?;

    for round in 1..=2 {
        let kill = "for p in /proc/[0-9]*; do case $(cat $p/comm 2>/dev/null) in mooring-sidecar) kill -9 ${p#/proc/}; exit 0;; esac; done; exit 1";
        app.shell(lab, kill).await?.ok("killing the sidecar")?;
        let what = "the kubelet has started the sidecar again";
        eventually(what, within(60), async || {
            let sidecar = app.sidecar(lab).await?.context("no sidecar")?;
            let restarts = sidecar.restart_count;
            let runs = sidecar.state.is_some_and(|s| s.running.is_some());
            so(restarts >= round && runs, || {
                format!("restarts: {restarts}")
            })
        })
        .await?;
        renews(&app, 1).await.context("after the kill")?;
    }
    let after = server.shows(lab, &[("Held", 1)], 20).await?;
    let (before, after) = (&before[0].lease, &after[0].lease);
    ensure!(before == after, "the lease was {before} and is {after}");
    let used = server.get(lab).await?.status.and_then(|s| s.used);
    ensure!(used == Some(1), "{used:?} seats are used, by one pod");
    notices_nothing(&app)?;
    count_seats(&[(&app, 1)], 1).map(drop)
}
