//! Whose seats are whose: policies, loans that are called back, limits, lines that may be passed.

mod fill;
mod loans;
mod trial;

use crate::lab::{App, Lab, Server};
use crate::suite::Scenario;
use anyhow::Result;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        loans::a_loan_is_back_with_its_owner_within_its_notice,
        trial::a_dry_run_says_what_would_change_and_changes_nothing,
        fill::one_that_fits_passes_one_that_does_not_for_a_while,
    ]
}

/// Makes a LicensePolicy, whose spec this is.
async fn policy(lab: &Lab, ns: &str, name: &str, spec: serde_json::Value) -> Result<()> {
    let object = serde_json::json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicensePolicy",
        "metadata": { "name": name, "namespace": ns }, "spec": spec,
    });
    let made = lab.apply(&object.to_string()).await?;
    made.ok("making a LicensePolicy").map(drop)
}

/// Has a LicenseServer go by a policy, or by none.
async fn names(lab: &Lab, server: &Server, policy: Option<&str>) -> Result<()> {
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
async fn start(lab: &Lab, ns: &str, (team, name): (&str, &str), licenses: &str) -> Result<App> {
    let spec = format!("  serviceAccountName: {team}\n");
    let at_once = "    mooring.dev/wait: none\n";
    let yaml = App::yaml(lab, ns, name, licenses, None, at_once, &spec);
    lab.apply(&yaml).await?.ok("starting an annotated pod")?;
    Ok(App::follow(lab, ns, name))
}

/// Makes the service accounts of teams.
async fn teams(lab: &Lab, ns: &str, teams: &[&str]) -> Result<()> {
    for team in teams {
        let made = lab.kubectl(format!("-n {ns} create serviceaccount {team}"));
        made.await?.ok("making a service account")?;
    }
    Ok(())
}
