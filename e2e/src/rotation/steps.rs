//! What the scenarios of the CA share.

use crate::lab::{App, Lab, Server, eventually, run_words, so, within};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mooring_api::ca::CaStatus;
use std::collections::BTreeSet;

/// What `mooring ca status` says.
pub(super) async fn status(lab: &Lab) -> Result<CaStatus> {
    let said = run_words(&lab.cli, "ca status -o json").await?;
    Ok(serde_json::from_str(&said.ok("mooring ca status")?)?)
}

/// Waits until it says so.
pub(super) async fn until(
    lab: &Lab,
    what: &str,
    secs: u64,
    is_so: impl Fn(&CaStatus) -> bool,
) -> Result<CaStatus> {
    let what = format!("mooring ca status: {what}");
    eventually(&what, within(secs), async || {
        let s = status(lab).await?;
        Ok(if is_so(&s) {
            Ok(s)
        } else {
            Err(format!("{s:?}"))
        })
    })
    .await
}

/// Waits until the server's condition says who trusts an earlier CA, for this reason, and names
/// these pods and no others.
pub(super) async fn told(
    lab: &Lab,
    server: &Server,
    reason: &str,
    pods: &[&App],
    others: &[&App],
) -> Result<Condition> {
    let name = |a: &&App| format!("{}/{}", a.namespace, a.name);
    let (pods, others): (Vec<_>, Vec<_>) = (
        pods.iter().map(name).collect(),
        others.iter().map(name).collect(),
    );
    let what = format!("PodsTrustEarlierCa, {reason}, names {pods:?} and not {others:?}");
    eventually(&what, within(60), async || {
        let all = server.conditions(lab).await?;
        let found = all.into_iter().find(|c| c.type_ == "PodsTrustEarlierCa");
        let fits = |c: &Condition| {
            let named = |p: &String| c.message.contains(p);
            c.reason == reason && pods.iter().all(named) && !others.iter().any(named)
        };
        Ok(match found {
            Some(c) if fits(&c) => Ok(c),
            other => Err(format!("{other:?}")),
        })
    })
    .await
}

/// The generation of the webhook's configuration: each write of caBundle is one.
pub(super) async fn generation(lab: &Lab) -> Result<i64> {
    let path = "-o jsonpath={.metadata.generation}";
    let get = format!("get mutatingwebhookconfiguration injector.mooring.dev {path}");
    let said = lab.kubectl(get).await?.ok("reading the configuration")?;
    said.trim().parse().context("a generation")
}

/// Waits until two operators are Ready and annotated pods are admitted.
pub(super) async fn admits(lab: &Lab, ns: &str) -> Result<()> {
    let pod = App::yaml(lab, ns, "admitted", "render", None, "", "");
    let dry = ["apply", "--dry-run=server", "-f", "-"];
    eventually("annotated pods are admitted", within(90), async || {
        let o = crate::lab::run("kubectl", &dry, Some(&pod)).await?;
        so(o.success, || o.err)
    })
    .await?;
    let path = "jsonpath={.items[0].status.readyReplicas}";
    let get =
        format!("-n mooring-system get deployment -l app.kubernetes.io/name=mooring -o {path}");
    eventually("two operators are Ready", within(90), async || {
        let o = lab.kubectl(&get).await?;
        so(o.out.trim() == "2", || format!("{} {}", o.out, o.err))
    })
    .await
}

/// How often an application's lease was confirmed.
pub(super) fn confirmed(app: &App) -> usize {
    let until = |l: &serde_json::Value| l["event"]["claims"][0]["heldUntilBootMs"].as_u64();
    let all: BTreeSet<u64> = app.lines().iter().filter_map(until).collect();
    all.len()
}

/// How many certificates a pod's sidecar trusts.
pub(super) async fn roots(lab: &Lab, app: &App) -> Result<usize> {
    let spec = app.pod(lab).await?.spec.context("a pod without a spec")?;
    let init = spec.init_containers.unwrap_or_default().into_iter();
    let env = init
        .filter(|c| c.name == "mooring")
        .flat_map(|c| c.env.unwrap_or_default());
    let roots = env
        .filter(|e| e.name == "MOORING_ROOTS")
        .find_map(|e| e.value);
    let roots = roots.context("the sidecar has no MOORING_ROOTS")?;
    let count = roots.matches("BEGIN CERTIFICATE").count();
    ensure!(count > 0, "MOORING_ROOTS holds no certificate: {roots}");
    Ok(count)
}
