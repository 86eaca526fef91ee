//! Installing with Helm.

use super::anchor::ON_NODE;
use super::{Images, Lab, Output, run, words};
use anyhow::{Context as _, Result};
use std::fmt::Write as _;

/// The chart, in its namespace.
#[derive(Debug)]
pub struct Helm;

/// An image that the platform allows, and nobody can pull.
pub const NO_IMAGE: &str = "registry.invalid/none:0";

/// The value that allows license servers one more image.
pub fn also_allows(lab: &Lab, image: &str) -> String {
    // Without the folder: that is the last.
    let n = allowed(lab).len() - 1;
    format!("licenseServers.allowedImages[{n}]={image}")
}

/// What the scenarios' license servers ask of the platform: SoftHSM's store and the folder that
/// stands for `/sys`, and the images that are not the chart's.
fn allowed(lab: &Lab) -> Vec<String> {
    let Images {
        app,
        pcscd_test,
        mutant,
        ..
    } = &lab.images;
    let images = [Some(app), pcscd_test.as_ref(), mutant.as_ref()];
    let images = images.into_iter().flatten().map(String::as_str);
    let images = images.chain([NO_IMAGE]).enumerate();
    let images = images.map(|(n, image)| format!("licenseServers.allowedImages[{n}]={image}"));
    let path = format!("licenseServers.allowedHostPaths[0].path={ON_NODE}");
    images.chain([path]).collect()
}

/// The release's namespace.
pub const NAMESPACE: &str = "mooring-system";
/// The operator's account, as the API server calls it.
pub const OPERATOR: &str = "system:serviceaccount:mooring-system:mooring-operator";

impl Helm {
    /// Installs or upgrades, and waits until all of it is Ready. `set` are further values,
    /// `key=value`.
    pub async fn upgrade(lab: &Lab, set: &[&str]) -> Result<Output> {
        let (chart, images) = (lab.root.join("charts/mooring"), &lab.images);
        let mut flags = format!("--namespace {NAMESPACE} --create-namespace --wait --timeout 120s");
        for (key, image) in [
            ("operator", &images.operator),
            ("sidecar", &images.sidecar),
            ("server", &images.server),
        ] {
            let (name, tag) = image
                .rsplit_once(':')
                .with_context(|| format!("image {image} has no tag"))?;
            let (registry, repository) = name
                .split_once('/')
                .with_context(|| format!("image {image} has no registry"))?;
            for (k, v) in [
                ("registry", registry),
                ("repository", repository),
                ("tag", tag),
            ] {
                let _ = write!(flags, " --set-string {key}.image.{k}={v}");
            }
        }
        for s in allowed(lab)
            .iter()
            .map(String::as_str)
            .chain(set.iter().copied())
        {
            let _ = write!(flags, " --set {s}");
        }
        let (upgrade, chart) = (words("upgrade --install mooring"), chart.to_string_lossy());
        run(
            "helm",
            &[&upgrade, &[&*chart][..], &words(&flags)].concat(),
            None,
        )
        .await
    }

    /// Takes the release away.
    pub async fn uninstall() -> Result<Output> {
        let line = format!("uninstall mooring --namespace {NAMESPACE} --wait --timeout 120s");
        run("helm", &words(&line), None).await
    }

    /// How many copies of the operator run.
    pub async fn scale(lab: &Lab, replicas: u32) -> Result<()> {
        let kubectl = async |what: &str, how: &str| {
            let which = "-l app.kubernetes.io/name=mooring";
            lab.kubectl(format!("-n {NAMESPACE} {what} {which} {how}"))
                .await
        };
        let n = format!("--replicas={replicas}");
        let scaled = kubectl("scale deployment", &n).await?;
        scaled.ok("scaling the operator")?;
        let what = if replicas == 0 {
            "wait --for=delete pod"
        } else {
            let rolled = kubectl("rollout status deployment", "--timeout=90s");
            rolled.await?.ok("waiting for the operator")?;
            "wait --for=condition=Ready pod"
        };
        let o = kubectl(what, "--timeout=90s").await?;
        if !o.success && !o.err.contains("no matching resources") {
            o.ok("waiting for the operator's pods")?;
        }
        Ok(())
    }
}
