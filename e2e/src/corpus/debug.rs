//! `kubectl debug` at a pod that has a seat, or waits for one.

use super::admission::{asking, dry_run, send};
use crate::lab::Lab;
use crate::main_job::begin;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// A copy without annotations would take a second seat that nobody sees; a container that joins the
/// pod may not have the sidecar's secrets.
pub(super) async fn a_copy_of_a_pod_and_a_container_that_joins_it_are_refused(
    lab: &Lab,
) -> Result<()> {
    let ns = begin(
        lab,
        "a_copy_of_a_pod_and_a_container_that_joins_it_are_refused",
    )
    .await?;
    // No node is like this: it is never bound.
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"},
        "spec": {"nodeSelector": {"e2e": "nowhere"}, "containers": [{"name": "app", "image": "app"}]}});
    let path = format!("/api/v1/namespaces/{ns}/pods");
    let made = send(lab, "POST", &path, "application/json", &asking(&pod, &[])).await?;
    let made = made.map_err(|e| anyhow::anyhow!("refused: {e}"))?;

    let copy = |annotations: Value, labels: Value| {
        let metadata = json!({"name": "copy", "annotations": annotations, "labels": labels});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": made["spec"]})
    };
    let said = dry_run(lab, &ns, &copy(json!({}), json!({}))).await?;
    let said = said.err().context("a copy with a sidecar was admitted")?;
    ensure!(said.contains("--keep-init-containers=false"), "{said}");
    let metadata = &made["metadata"];
    let kept = copy(metadata["annotations"].clone(), metadata["labels"].clone());
    let kept = dry_run(lab, &ns, &kept).await?;
    ensure!(kept.is_ok(), "a copy that asks is refused: {kept:?}");
    let mut bare = copy(json!({}), json!({}));
    bare["spec"]["initContainers"] = json!([]);
    let bare = dry_run(lab, &ns, &bare).await?;
    ensure!(
        bare.is_ok(),
        "a copy without its sidecar is refused: {bare:?}"
    );

    for (volume, private) in [
        ("mooring-state", true),
        ("mooring-token", true),
        ("mooring-socket", false),
    ] {
        let mount = json!([{"name": volume, "mountPath": "/x"}]);
        let container = json!({"name": "debug", "image": "app", "volumeMounts": mount});
        let patch = json!({"spec": {"ephemeralContainers": [container]}});
        let path = format!("/api/v1/namespaces/{ns}/pods/app/ephemeralcontainers?dryRun=All");
        let kind = "application/strategic-merge-patch+json";
        let joined = send(lab, "PATCH", &path, kind, &patch).await?;
        match joined {
            Err(said) if private => ensure!(said.contains(volume), "{said}"),
            Ok(_) if !private => {}
            other => anyhow::bail!("{volume}: {:?}", other.map(drop)),
        }
    }
    Ok(())
}
