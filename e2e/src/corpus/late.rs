//! The annotation is put on by somebody else's webhook, which is called after Mooring's.

use super::admission::{LICENSING, dry_run};
use crate::lab::{Lab, eventually, run, run_words, so, within};
use crate::main_job::begin;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// The configuration's name sorts behind Mooring's.
const CONFIGURATION: &str = "zz.e2e.mooring.dev";
/// Where it runs.
const THEIRS: &str = "e2e-late-webhook";

/// Such a pod is refused, and the words name the label; with the label on its namespace it gets its
/// sidecar and its gate, and one without the annotation is as it was.
pub(super) async fn an_annotation_put_on_later_counts_where_allowed(lab: &Lab) -> Result<()> {
    let name = "an_annotation_put_on_later_counts_where_allowed";
    let ns = begin(lab, name).await?;
    lab.namespace(THEIRS).await?;
    webhook(lab, THEIRS, &ns).await?;
    let done = pods(lab, &ns).await;
    let delete = format!("delete mutatingwebhookconfiguration {CONFIGURATION}");
    lab.kubectl(&delete).await?.ok(&delete)?;
    lab.drop_namespace(THEIRS).await;
    done
}

async fn pods(lab: &Lab, ns: &str) -> Result<()> {
    let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain", "labels": {"late": "yes"}},
        "spec": {"containers": [{"name": "app", "image": "app"}]}});
    eventually("it is refused, and told why", within(60), async || {
        let said = dry_run(lab, ns, &plain).await?;
        let told = |e: &String| e.contains("mooring.dev/late-annotations=true");
        so(said.as_ref().is_err_and(told), || format!("{said:?}"))
    })
    .await?;
    let label = format!("label namespace {ns} mooring.dev/late-annotations=true");
    lab.kubectl(&label).await?.ok(&label)?;
    let what =
        "it gets its sidecar and its gate, though it comes to Mooring without the annotation";
    eventually(what, within(30), async || {
        let made = dry_run(lab, ns, &plain).await?;
        let names = made.map(|p| init(&p));
        let ours = ["mooring".to_owned(), "mooring-gate".to_owned()];
        so(names.as_ref().is_ok_and(|n| *n == ours), || {
            format!("{names:?}")
        })
    })
    .await?;
    let mut other = plain;
    other["metadata"]["labels"] = json!({});
    let made = dry_run(lab, ns, &other).await?;
    let names = made.as_ref().map(init);
    ensure!(names == Ok(Vec::new()), "who did not ask got {names:?}");
    Ok(())
}

fn init(pod: &Value) -> Vec<String> {
    let all = pod["spec"]["initContainers"].as_array();
    let names = all.into_iter().flatten().filter_map(|c| c["name"].as_str());
    names.map(str::to_owned).collect()
}

/// The webhook, in a pod of its own, for pods of namespace `of` with a label.
async fn webhook(lab: &Lab, ns: &str, of: &str) -> Result<()> {
    let dir = lab.dir.path().join("late");
    let (ca, tls) = (dir.join("ca"), dir.join("tls"));
    let init = format!("pki init --out {}", ca.display());
    run_words(&lab.cli, &init).await?.ok("a CA")?;
    let server = format!(
        "pki server --ca {} --out {} --name late.{ns}.svc",
        ca.display(),
        tls.display()
    );
    run_words(&lab.cli, &server).await?.ok("a certificate")?;
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path);
    let base64 = async |text: &str| -> Result<String> {
        let said = run("base64", &["-w0"], Some(text)).await?;
        said.ok("base64")
    };
    let annotations = json!({"mooring.dev/licenses": "render", "mooring.dev/server": format!("{LICENSING}/main")});
    let patch = json!([{"op": "add", "path": "/metadata/annotations", "value": annotations}]);
    let patch = base64(&patch.to_string()).await?;
    let roots = base64(&read(ca.join("ca.crt"))?).await?;
    let data =
        json!({"tls.crt": read(tls.join("server.crt"))?, "tls.key": read(tls.join("server.key"))?});
    let labels = json!({"app": "late"});
    let container = json!({
        "name": "late", "image": lab.images.app, "args": ["late", "--tls=/tls", format!("--patch={patch}")],
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
    });
    let objects = [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late", "namespace": ns}, "stringData": data}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "late", "namespace": ns},
            "spec": {"selector": labels, "ports": [{"port": 443, "targetPort": 8443}]}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "late", "namespace": ns, "labels": labels},
            "spec": {"containers": [container], "volumes": [{"name": "tls", "secret": {"secretName": "late"}}]}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": CONFIGURATION},
        "webhooks": [{
            "name": CONFIGURATION, "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "clientConfig": {"service": {"name": "late", "namespace": ns}, "caBundle": roots},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": of}}, "objectSelector": {"matchLabels": {"late": "yes"}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
        }]}),
    ];
    for object in objects {
        let made = lab.apply(&object.to_string()).await?;
        made.ok("making the other webhook")?;
    }
    let wait = format!("-n {ns} wait pod late --for=condition=Ready --timeout=60s");
    lab.kubectl(&wait).await?.ok("the other webhook").map(drop)
}
