//! Deployments and other workloads: what their pods will meet is said to whoever applies them.

use super::admission::LICENSING;
use crate::lab::{Lab, run};
use crate::main_job::begin;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Each is made, with these words or without any.
pub(super) async fn workloads_are_warned_of_what_their_pods_meet(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "workloads_are_warned_of_what_their_pods_meet").await?;
    let server = format!("{LICENSING}/main");
    let good = json!({"mooring.dev/licenses": "render", "mooring.dev/server": server});
    let none = json!({});
    let alone = json!({"mooring.dev/server": server});
    let nobody = json!({"mooring.dev/licenses": "render", "mooring.dev/server": "nobody"});
    let wrong = json!({"mooring.dev/licenses": "render:two", "mooring.dev/server": server});
    for (on_it, in_template, says) in [
        (&none, &good, None),
        (&none, &none, None),
        (
            &none,
            &alone,
            Some("no effect without mooring.dev/licenses"),
        ),
        (&good, &none, Some("spec.template.metadata.annotations")),
        (&none, &nobody, Some("there is no LicenseServer")),
        (&none, &wrong, Some("character 8")),
    ] {
        for object in [deployment(on_it, in_template), cron_job(on_it, in_template)] {
            let dry = ["-n", &ns, "apply", "--dry-run=server", "-f", "-"];
            let said = run("kubectl", &dry, Some(&object.to_string())).await?;
            let warned = said.err.clone();
            said.ok("a dry run")?;
            let what = format!("{}: {in_template}", object["kind"]);
            let Some(says) = says else {
                ensure!(!warned.contains("mooring.dev"), "{what}: {warned}");
                continue;
            };
            let times = warned.matches("Warning").count();
            ensure!(
                times > 0 && warned.contains(says),
                "{what}: {says:?}: {warned}"
            );
        }
    }
    Ok(())
}

fn template(annotations: &Value) -> Value {
    json!({
        "metadata": {"labels": {"app": "x"}, "annotations": annotations},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "app", "image": "app"}]},
    })
}

fn deployment(on_it: &Value, in_template: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "annotations": on_it},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template(in_template)},
    })
}

fn cron_job(on_it: &Value, in_template: &Value) -> Value {
    let mut pods = template(in_template);
    pods["spec"]["restartPolicy"] = json!("Never");
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x", "annotations": on_it},
        "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": pods}}},
    })
}
