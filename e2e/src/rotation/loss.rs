//! The operator's namespace is deleted, and with it the CA's key.

use super::steps::{admits, told};
use crate::lab::{Helm, Lab, Server, run};
use crate::main_job::{begin, count_seats, holds, notices_nothing, renews};
use anyhow::Result;
use serde_json::Value;

/// Installed again, the operator has another CA. Pods of before go on with the certificate that the
/// lost CA had signed, also over a restart of their server, and are named; new ones trust the new
/// CA. With the Secret restored from a backup it is the other way round.
pub(super) async fn without_its_namespace_pods_are_served_on(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "without_its_namespace_pods_are_served_on").await?;
    let server = Server::new(&ns, 4);
    server.ready(lab).await?;
    let one = holds(lab, &ns, "one", Some(&lab.nodes.0)).await?;
    let two = holds(lab, &ns, "two", Some(&lab.nodes.1)).await?;
    let backup = lab
        .kubectl("-n mooring-system get secret mooring-ca -o json")
        .await?;
    let mut backup: Value = serde_json::from_str(&backup.ok("a backup of the CA")?)?;
    for field in [
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "managedFields",
    ] {
        backup["metadata"].as_object_mut().map(|m| m.remove(field));
    }

    let gone = lab.kubectl("delete namespace mooring-system --timeout=120s");
    gone.await?.ok("deleting the operator's namespace")?;
    // The release's notes went with its namespace, and what lies outside of it is in the way.
    Helm::upgrade(lab, &[]).await?.ok("installing again")?;
    admits(lab, &ns).await?;
    let c = told(lab, &server, "EarlierCertificateKept", &[&one, &two], &[]).await?;
    println!("  {}", c.message);
    server.delete_pod(lab, "--grace-period=1").await?;
    for app in [&one, &two] {
        renews(app, 2).await?;
    }
    let three = holds(lab, &ns, "three", None).await?;
    let events = server.events(lab).await?;
    anyhow::ensure!(
        events.contains("PodsTrustEarlierCa: 2 pods trust only a CA"),
        "{events}"
    );

    let args = ["replace", "-f", "-"];
    let put = run("kubectl", &args, Some(&backup.to_string())).await?;
    put.ok("restoring the backup")?;
    told(
        lab,
        &server,
        "EarlierCertificateKept",
        &[&three],
        &[&one, &two],
    )
    .await?;
    admits(lab, &ns).await?;
    server.delete_pod(lab, "--grace-period=1").await?;
    for app in [&one, &two, &three] {
        renews(app, 2).await?;
        notices_nothing(app)?;
    }
    count_seats(&[(&one, 1), (&two, 1), (&three, 1)], 4).map(drop)
}
