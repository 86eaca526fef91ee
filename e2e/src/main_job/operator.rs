//! Without the operator.

use super::steps::{begin, count_seats, holds, notices_nothing, renews};
use crate::lab::{App, Helm, Lab, Server};
use anyhow::{Result, ensure};

/// Scaled to zero: pods that did not opt in start as ever; annotated ones are refused with a clear
/// error; running ones notice nothing, and seats still float between them.
pub(super) async fn without_the_operator(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "without_the_operator").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let one = holds(lab, &ns, "one", Some(&lab.nodes.0)).await?;
    let two = App::start(lab, &ns, "two", "render", Some(&lab.nodes.1)).await?;
    server
        .shows(lab, &[("Held", 1), ("Waiting", 1)], 60)
        .await?;

    Helm::scale(lab, 0).await?;
    let done = during(lab, &ns, &one, &two).await;
    let back = Helm::scale(lab, 2).await;
    done?;
    back?;
    server.shows(lab, &[("Held", 1)], 60).await?;
    count_seats(&[(&one, 1), (&two, 1)], 1).map(drop)
}

async fn during(lab: &Lab, ns: &str, one: &App, two: &App) -> Result<()> {
    let plain = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: plain, namespace: {ns}}}\nspec:\n  containers:\n  - {{name: app, image: {}, command: [sh, -c, 'sleep 600']}}\n",
        lab.images.app
    );
    lab.apply(&plain).await?.ok("a pod that did not opt in")?;
    let wait = format!("-n {ns} wait --for=condition=Ready pod/plain --timeout=30s");
    lab.kubectl(&wait).await?.ok("a pod that did not opt in")?;

    let three = App::yaml(lab, ns, "three", "render", None, "", "");
    let refused = lab.apply(&three).await?.failed("an annotated pod")?;
    ensure!(
        refused.contains("mooring"),
        "the error does not name Mooring: {refused}"
    );
    println!("  an annotated pod is refused: {}", refused.trim());

    renews(one, 2).await?;
    notices_nothing(one)?;
    one.delete(lab).await?;
    two.says("Held", 20).await
}
