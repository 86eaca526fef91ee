//! Who may write what into a LicenseLease.

use crate::lab::{App, Lab, Server};
use crate::main_job::begin;
use anyhow::{Context as _, Result, ensure};

const EDITOR: &str = "e2e-jane";
const VIEWER: &str = "e2e-bob";

/// The editor of leases writes `spec.revoked` and `spec.release`, in her own name, and nothing
/// else; who may only look is told which role it takes; nobody makes a lease with a revocation in
/// it.
pub(super) async fn who_may_write_what_into_a_lease(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "who_may_write_what_into_a_lease").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let one = App::start(lab, &ns, "one", "render", Some(&lab.nodes.0)).await?;
    one.says("Held", 60).await?;
    for (user, role) in [(EDITOR, "editor"), (VIEWER, "viewer")] {
        let role = match role {
            "editor" => "mooring-licenselease-editor",
            _ => "mooring-viewer",
        };
        let bind = format!("-n {ns} create rolebinding {user} --clusterrole={role} --user={user}");
        lab.kubectl(&bind).await?.ok("binding a role")?;
    }
    let name = lab.kubectl(format!("-n {ns} get licenseleases -o name"));
    let name = name.await?.ok("the lease's name")?;
    let name = name.trim();
    let patch = async |user: &str, patch: &str| {
        let line = format!(
            "-n {ns} patch {name} --type=merge --dry-run=server --as={user} --as-group=system:authenticated -p"
        );
        lab.kubectl_with(&line, patch).await
    };
    let mine = format!(r#"{{"spec":{{"revoked":{{"reason":"x","by":"{EDITOR}"}}}}}}"#);
    patch(EDITOR, &mine)
        .await?
        .ok("revoking in one's own name")?;
    let release = r#"{"spec":{"release":["0123456789abcdef0123456789abcdef"]}}"#;
    patch(EDITOR, release).await?.ok("releasing")?;
    for (bad, says) in [
        (
            r#"{"spec":{"revoked":{"by":"somebody-else"}}}"#,
            "is not you",
        ),
        (
            r#"{"status":{"state":"Waiting"}}"#,
            "only spec.revoked and spec.release are yours",
        ),
        (
            r#"{"spec":{"holder":{"name":"other"}}}"#,
            "cannot be changed",
        ),
        (r#"{"spec":{"release":["x"]}}"#, "spec.release"),
        (
            r#"{"spec":{"revoked":{"reason":"two\nlines"}}}"#,
            "spec.revoked.reason",
        ),
    ] {
        let said = patch(EDITOR, bad).await?.failed(bad)?;
        ensure!(said.contains(says), "{bad} is refused with: {said}");
    }
    let said = patch(VIEWER, &mine).await?.failed("a viewer revokes")?;
    ensure!(said.contains("cannot patch"), "a viewer is told: {said}");

    // Whoever may make one cannot bring a revocation with it.
    let uid = one.pod(lab).await?.metadata.uid.context("no UID")?;
    let forged = format!(
        "apiVersion: mooring.dev/v1alpha1\nkind: LicenseLease\nmetadata: {{name: forged, namespace: {ns}}}\nspec:\n  server: {{namespace: {ns}, name: main}}\n  \
         holder: {{kind: Pod, name: one, uid: {uid}}}\n  revoked: {{reason: forged}}\n"
    );
    let said = lab.apply(&forged).await?.failed("a forged lease")?;
    ensure!(said.contains("spec.revoked, spec.release"), "{said}");
    ensure!(
        one.state().as_deref() == Some("Held"),
        "after words that were refused it is told {:?}",
        one.state()
    );
    Ok(())
}
