//! Installing with Helm.

use super::{Lab, Output, run};
use anyhow::{Context as _, Result};

/// The chart, in its namespace.
#[derive(Debug)]
pub struct Helm;

/// The release's namespace.
pub(super) const NAMESPACE: &str = "mooring-system";

impl Helm {
    /// Installs or upgrades, and waits until all of it is Ready. `set` are further values,
    /// `key=value`.
    pub async fn upgrade(lab: &Lab, set: &[&str]) -> Result<Output> {
        let chart = lab.root.join("charts/mooring");
        let (operator, sidecar, server) = (
            &lab.images.operator,
            &lab.images.sidecar,
            &lab.images.server,
        );
        let mut args: Vec<String> = ["upgrade", "--install", "mooring"].map(String::from).into();
        args.push(chart.to_string_lossy().into_owned());
        args.extend(
            [
                "--namespace",
                NAMESPACE,
                "--create-namespace",
                "--wait",
                "--timeout",
                "120s",
            ]
            .map(String::from),
        );
        for (key, image) in [
            ("operator", operator),
            ("sidecar", sidecar),
            ("server", server),
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
                args.extend(["--set-string".into(), format!("{key}.image.{k}={v}")]);
            }
        }
        for s in set {
            args.extend(["--set".into(), (*s).into()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run("helm", &args, None).await
    }

    /// Takes the release away.
    pub async fn uninstall() -> Result<Output> {
        run(
            "helm",
            &[
                "uninstall",
                "mooring",
                "--namespace",
                NAMESPACE,
                "--wait",
                "--timeout",
                "120s",
            ],
            None,
        )
        .await
    }

    /// How many copies of the operator run.
    pub async fn scale(lab: &Lab, replicas: u32) -> Result<()> {
        let n = format!("--replicas={replicas}");
        lab.kubectl(&[
            "-n",
            NAMESPACE,
            "scale",
            "deployment",
            "-l",
            "app.kubernetes.io/name=mooring",
            &n,
        ])
        .await?
        .ok("scaling the operator")?;
        let what = if replicas == 0 {
            "--for=delete"
        } else {
            "--for=condition=Ready"
        };
        let wait = [
            "-n",
            NAMESPACE,
            "wait",
            what,
            "pod",
            "-l",
            "app.kubernetes.io/name=mooring",
            "--timeout=90s",
        ];
        if replicas > 0 {
            lab.kubectl(&[
                "-n",
                NAMESPACE,
                "rollout",
                "status",
                "deployment",
                "-l",
                "app.kubernetes.io/name=mooring",
                "--timeout=90s",
            ])
            .await?
            .ok("waiting for the operator")?;
        }
        let o = lab.kubectl(&wait).await?;
        if !o.success && !o.err.contains("no matching resources") {
            o.ok("waiting for the operator's pods")?;
        }
        Ok(())
    }
}
