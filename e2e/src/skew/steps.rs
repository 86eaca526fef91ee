//! What the scenarios of two versions share.

use crate::lab::{App, Lab, Row, Server, eventually, is_ready, within};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;

/// The image of the sidecar that a pod was given.
pub(super) async fn injected(lab: &Lab, app: &App) -> Result<String> {
    let spec = app.pod(lab).await?.spec.context("no spec")?;
    let init = spec.init_containers.unwrap_or_default();
    let sidecar = init.into_iter().find(|c| c.name == "mooring");
    let image = sidecar.and_then(|c| c.image);
    image.with_context(|| format!("{} has no sidecar", app.name))
}

/// Waits until the license server's pod runs this image and is Ready, and the operator says so of
/// the LicenseServer.
pub(super) async fn serves_with(lab: &Lab, server: &Server, image: &str) -> Result<()> {
    let what = format!("LicenseServer {} serves with {image}", server.name);
    eventually(&what, within(120), async || {
        let Ok(pod) = server.pod(lab).await else {
            return Ok(Err("it has no pod".into()));
        };
        let spec = pod.spec.as_ref();
        let has = spec.and_then(|s| s.containers.first()?.image.clone());
        let is = has.as_deref() == Some(image) && is_ready(&pod);
        Ok(is
            .then_some(())
            .ok_or_else(|| format!("{has:?}, Ready: {}", is_ready(&pod))))
    })
    .await?;
    server.condition(lab, "Ready", "True").await.map(drop)
}

/// Who had a lease then has the same now.
pub(super) fn the_same_leases(then: &[Row], now: &[Row]) -> Result<()> {
    let of = |rows: &[Row]| -> BTreeMap<String, String> {
        let each = rows.iter().map(|r| (r.pod.clone(), r.lease.clone()));
        each.collect()
    };
    let (then, now) = (of(then), of(now));
    let kept = |(pod, lease): (&String, &String)| now.get(pod) == Some(lease);
    ensure!(
        then.iter().all(kept),
        "the leases were {then:?}, and are {now:?}"
    );
    Ok(())
}
