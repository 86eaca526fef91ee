//! A policy that is tried out before it holds.

use super::steps::{names, policy, start, teams};
use crate::lab::{Lab, Server, eventually, so, within};
use crate::main_job::{begin, notices_nothing};
use crate::outage::mooring;
use anyhow::{Context as _, Result, ensure};
use kube::Api;
use mooring_api::LicensePolicy;

/// A dry run says on the object which lease would be called back, and which claim would be held
/// back; nobody notices. `mooring policy test` says the same of a file. What no server could go by
/// is refused as it is written, with what was expected.
pub(super) async fn a_dry_run_says_what_would_change_and_changes_nothing(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_dry_run_says_what_would_change_and_changes_nothing").await?;
    teams(lab, &ns, &["owner", "guest"]).await?;
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;
    let one = start(lab, &ns, ("guest", "guest-1"), "render").await?;
    one.says("Held", 60).await?;
    let two = start(lab, &ns, ("guest", "guest-2"), "render").await?;
    two.says("Held", 60).await?;
    let owner = start(lab, &ns, ("owner", "owner-1"), "render").await?;
    owner.says("Waiting", 60).await?;

    let spec = serde_json::json!({
        "notice": "1m", "dryRun": true,
        "groups": [{
            "name": "owner", "serviceAccounts": [format!("{ns}/owner")],
            "pools": { "render": { "owned": 1 } },
        }],
    });
    policy(lab, &ns, "shares", spec.clone()).await?;
    names(lab, &server, Some("shares")).await?;
    let policies = Api::<LicensePolicy>::namespaced(lab.client.clone(), &ns);
    let says = "status.servers[0].wouldChange names the youngest loan";
    eventually(says, within(60), async || {
        let status = policies.get("shares").await?.status.unwrap_or_default();
        let lines = status.servers.first().map(|s| s.would_change.join("\n"));
        let named = |l: &String| l.contains("guest-2") && l.contains("calledBack");
        so(lines.as_ref().is_some_and(named), || format!("{status:?}"))
    })
    .await?;
    notices_nothing(&one)?;
    notices_nothing(&two)?;
    ensure!(owner.state().as_deref() == Some("Waiting"));
    names(lab, &server, None).await?;

    let file = lab.dir.path().join(format!("{ns}-policy.yaml"));
    let object = serde_json::json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicensePolicy",
        "metadata": { "name": "trial" }, "spec": spec,
    });
    std::fs::write(&file, object.to_string())?;
    let line = format!("policy test -f {} --server main -n {ns}", file.display());
    let tested = mooring(lab, &line).await?.ok("mooring policy test")?;
    ensure!(
        tested.contains("guest-2") && tested.contains("calledBack"),
        "{tested}"
    );
    notices_nothing(&two)?;

    let bad = |field: &str| {
        let mut bad = object.clone();
        bad["spec"]["groups"][0]["pools"]["render"] = serde_json::json!({ "owned": 2, field: 1 });
        bad["metadata"] = serde_json::json!({ "name": "bad", "namespace": ns });
        bad["spec"]["groups"][0]["pools"]["render"]["lend"] = if field == "lend" {
            serde_json::json!(3)
        } else {
            serde_json::Value::Null
        };
        bad
    };
    for (field, expected) in [
        ("max", "max: expected at least owned"),
        ("lend", "lend: expected at most owned"),
    ] {
        let refused = lab.apply(&bad(field).to_string()).await?;
        let refused = refused.failed("a LicensePolicy that nobody could go by")?;
        ensure!(refused.contains(expected), "{refused}");
    }
    let lines = owner.lines();
    let last = lines
        .last()
        .context("the owner's application wrote nothing")?;
    ensure!(last.is_object(), "{last}");
    Ok(())
}
