//! A namespace that is not allowed any more, for a while.

use crate::lab::{App, Lab, Server, eventually, within};
use crate::main_job::{begin, notices_nothing};
use crate::outage::{event, lease, shown, socket};
use anyhow::Result;
use mooring_api::{AllowedNamespaces, NamespacesFrom};
use serde_json::json;

/// Its label goes: who holds a seat is called back, is told so, and goes on; who comes is not let
/// in. The label is back: nothing has happened.
pub(super) async fn a_namespace_that_is_not_allowed_any_more(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_namespace_that_is_not_allowed_any_more").await?;
    label(lab, &ns, "e2e-team=render").await?;
    let mut server = Server::new(&ns, 2);
    server.allowed = AllowedNamespaces {
        from: NamespacesFrom::Selector,
        selector: Some(serde_json::from_value(
            json!({ "matchLabels": { "e2e-team": "render" } }),
        )?),
    };
    server.ready(lab).await?;
    let one = App::start(lab, &ns, "one", "render", Some(&lab.nodes.0)).await?;
    one.says("Held", 60).await?;

    label(lab, &ns, "e2e-team-").await?;
    let may_not = ["called back", "may not use", "may go on until"];
    let status = shown(lab, &one, "Held", &may_not).await?;
    anyhow::ensure!(
        status.reason.as_deref() == Some("CalledBack") && status.until.is_some(),
        "{status:?}"
    );
    event(lab, &one, "LicenseCalledBack", &["may go on until"]).await?;
    socket(lab, &one, &["called back", "not-entitled"]).await?;
    let yaml = App::yaml(lab, &ns, "two", "render", None, "", "");
    let refused = lab.apply(&yaml).await?;
    let refused = refused.failed("a pod of a namespace that is not allowed any more")?;
    anyhow::ensure!(refused.contains("allowedNamespaces"), "{refused}");

    label(lab, &ns, "e2e-team=render").await?;
    let lifted = "the LicenseLease of one says nothing any more";
    eventually(lifted, within(60), async || {
        let status = lease(lab, &ns, "one").await?;
        let plain = status
            .as_ref()
            .is_some_and(|s| s.reason.is_none() && s.message.is_none());
        Ok(plain.then_some(()).ok_or(format!("{status:?}")))
    })
    .await?;
    event(lab, &one, "LicenseKept", &[]).await?;
    notices_nothing(&one)
}

async fn label(lab: &Lab, ns: &str, label: &str) -> Result<()> {
    let labelled = lab.kubectl(format!("label namespace {ns} {label} --overwrite"));
    labelled.await?.ok("labelling the namespace").map(drop)
}
