//! What these scenarios do: policies, teams, their pods.

use crate::lab::{App, Lab, Server};
use anyhow::Result;

/// Makes a LicensePolicy, whose spec this is.
pub(super) async fn policy(lab: &Lab, ns: &str, name: &str, spec: serde_json::Value) -> Result<()> {
    let object = serde_json::json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicensePolicy",
        "metadata": { "name": name, "namespace": ns }, "spec": spec,
    });
    let made = lab.apply(&object.to_string()).await?;
    made.ok("making a LicensePolicy").map(drop)
}

/// Has a LicenseServer go by a policy, or by none.
pub(super) async fn names(lab: &Lab, server: &Server, policy: Option<&str>) -> Result<()> {
    let policy = policy.map(|name| serde_json::json!({ "name": name }));
    let patch = serde_json::json!({ "spec": { "policy": policy } });
    let line = format!(
        "-n {} patch licenseserver {} --type=merge -p",
        server.namespace, server.name
    );
    let patched = lab.kubectl_with(&line, &patch.to_string()).await?;
    patched.ok("naming a LicensePolicy").map(drop)
}

/// Starts an annotated pod under a service account of its team, whose application runs at once and
/// writes down how it stands.
pub(super) async fn start(
    lab: &Lab,
    ns: &str,
    (team, name): (&str, &str),
    licenses: &str,
) -> Result<App> {
    let spec = format!("  serviceAccountName: {team}\n");
    let at_once = "    mooring.dev/wait: none\n";
    let yaml = App::yaml(lab, ns, name, licenses, None, at_once, &spec);
    lab.apply(&yaml).await?.ok("starting an annotated pod")?;
    Ok(App::follow(lab, ns, name))
}

/// Makes the service accounts of teams.
pub(super) async fn teams(lab: &Lab, ns: &str, teams: &[&str]) -> Result<()> {
    for team in teams {
        let made = lab.kubectl(format!("-n {ns} create serviceaccount {team}"));
        made.await?.ok("making a service account")?;
    }
    Ok(())
}
