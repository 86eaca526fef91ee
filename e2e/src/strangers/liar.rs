//! A license server that is none: a program of its author's, which says of anybody's pods whatever
//! may do harm.

use super::memory::operator_is_bounded;
use crate::lab::{App, Lab, Server, eventually, so, within};
use crate::main_job::{begin, renews};
use anyhow::{Context as _, Result, ensure};
use kube::ResourceExt as _;
use mooring_api as api;
use mooring_api::{LicenseLease, NamespacesFrom};
use serde_json::json;

/// Nothing that it says is written: no LicenseLease, no Event; another server's pods and mirrors go
/// on meanwhile.
pub(super) async fn a_license_server_that_lies(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_license_server_that_lies").await?;
    let theirs = format!("{ns}-liar");
    lab.namespace(&theirs).await?;
    let server = Server::new(&ns, 3);
    server.ready(lab).await?;
    let victim = App::start(lab, &ns, "victim", "render", Some(&lab.nodes.1)).await?;
    victim.says("Held", 60).await?;

    let uid = victim.pod(lab).await?.uid().context("no UID")?;
    let holder = |namespace: &str, pod: &str, uid: &str| json!({ "kind": "pod", "namespace": namespace, "pod": pod, "uid": uid, "serviceAccount": "default" });
    let lies = json!([
        holder(&ns, "victim", &uid),
        holder("kube-system", "kube-apiserver-x", &uid),
        holder(
            "kube-system",
            "kube-apiserver-x",
            "00000000-0000-4000-8000-00000000beef"
        ),
    ]);
    let mut liar = Server::new(&theirs, 1);
    liar.name = "liar".into();
    liar.image = Some(lab.images.app.clone());
    liar.allowed.from = NamespacesFrom::All;
    let mut template = api::Template::default();
    template.env.push(api::EnvVar {
        name: "MOORING_E2E_LIES".into(),
        value: lies.to_string(),
    });
    let token = crate::lab::pkcs11("/none.so", "none");
    liar.anchored = Some((token.into(), template));
    liar.apply(lab).await?;
    liar.condition(lab, "Ready", "True")
        .await
        .context("the operator hears its lies")?;

    // Meanwhile, as ever.
    for name in ["second", "third"] {
        let app = App::start(lab, &ns, name, "render", Some(&lab.nodes.0)).await?;
        app.says("Held", 60).await?;
    }
    server.shows(lab, &[("Held", 3)], 60).await?;
    renews(&victim, 3).await?;

    let leases = kube::Api::<LicenseLease>::all(lab.client.clone());
    let of_liar = async || -> Result<Vec<String>> {
        let all = leases.list(&kube::api::ListParams::default()).await?;
        let its = all.iter().filter(|l| l.spec.server.name == "liar");
        Ok(its
            .map(|l| format!("{}/{}", l.namespace().unwrap_or_default(), l.name_any()))
            .collect())
    };
    let written = of_liar().await?;
    ensure!(written.is_empty(), "its lies were written: {written:?}");
    let events = lab
        .kubectl("get events.v1.events.k8s.io -A -o jsonpath={.items[*].note}")
        .await?;
    let events = events.ok("reading Events")?;
    ensure!(
        !events.contains("evil.example"),
        "an Event says what it said"
    );
    operator_is_bounded(lab).await?;

    // A pod that chose it is its own to speak of.
    let annotation = format!("    mooring.dev/server: {theirs}/liar\n");
    let chose = App::yaml(lab, &ns, "chose-it", "render", None, &annotation, "");
    lab.apply(&chose).await?.ok("a pod that chose it")?;
    let what = "a pod that chose the liar is shown as unknown to it";
    eventually(what, within(90), async || {
        let all = of_liar().await?;
        so(all.iter().any(|l| l.contains("chose-it")), || {
            format!("{all:?}")
        })
    })
    .await?;
    lab.drop_namespace(&theirs).await;
    Ok(())
}
