//! What the scenarios of anchors share: a LicenseServer whose dongle is a virtual card, and how it
//! is seen to stand.

use crate::lab::{Card, Lab, Server, eventually, within};
use anyhow::{Result, ensure};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mooring_api::status::ANCHOR_PRESENT;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A LicenseServer for this card, made and not waited for.
pub(crate) async fn serve(lab: &Lab, server: &mut Server, card: &Card, pin: &str) -> Result<()> {
    server.anchored = Some(Card::anchored(lab)?);
    let license = server.license(lab, &card.description).await?;
    server.apply_with(lab, &license, pin).await
}

/// Waits for `AnchorPresent` with this reason; returns it and how long it took.
pub(crate) async fn anchor(
    lab: &Lab,
    server: &Server,
    status: &str,
    time: u64,
) -> Result<(Condition, Duration)> {
    let begin = Instant::now();
    let what = format!("AnchorPresent={status}");
    let found = eventually(&what, within(time), async || {
        let all = server.conditions(lab).await?;
        let found = all.into_iter().find(|c| c.type_ == ANCHOR_PRESENT);
        Ok(match found {
            Some(c) if c.status == status => Ok(c),
            other => Err(format!("{other:?}")),
        })
    })
    .await?;
    Ok((found, begin.elapsed()))
}

/// What the server keeps for its next pod: the document in its Secret; null while that is empty.
pub(super) async fn state(lab: &Lab, server: &Server) -> Result<Value> {
    let (ns, name) = (&server.namespace, &server.name);
    let get = format!("-n {ns} get secret {name}-state -o");
    let text = "go-template={{with .data}}{{index . \"state.json\" | base64decode}}{{end}}";
    let text = lab.kubectl_with(&get, text).await?;
    match text.ok("reading the server's state")?.trim() {
        "" => Ok(Value::Null),
        text => Ok(serde_json::from_str(text)?),
    }
}

/// The pod's UID and how often its containers were started again.
pub(super) async fn pod(lab: &Lab, server: &Server) -> Result<(String, i32)> {
    let pod = server.pod(lab).await?;
    let status = pod.status.unwrap_or_default();
    let all = [
        status.container_statuses.unwrap_or_default(),
        status.init_container_statuses.unwrap_or_default(),
    ];
    ensure!(
        all[1].iter().any(|c| c.name == "pcscd"),
        "pcscd is not beside the server: {all:?}"
    );
    let restarts = all.iter().flatten().map(|c| c.restart_count).sum();
    Ok((pod.metadata.uid.unwrap_or_default(), restarts))
}
