//! Names that the chart and this program must spell alike.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use clap::Parser;

fn chart(file: &str) -> String {
    let path = format!("{}/../charts/mooring/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn has(file: &str, texts: &[&str]) {
    let text = chart(file);
    for t in texts {
        assert!(text.contains(t), "charts/mooring/{file}: expected {t:?}");
    }
}

#[test]
fn the_webhook_is_called_alike() {
    let (path, port) = (format!("\"path\" \"{PATH}\""), format!("  port: {PORT}\n"));
    has(
        "templates/webhook.yaml",
        &[
            &format!("name: {CONFIGURATION}\n"),
            &format!("name: {WEBHOOK}\n"),
            &format!("name: {LATE}\n"),
            &format!("name: {WORKLOADS}\n"),
            &format!("\"name\" \"{SERVICE}\""),
            &path,
        ],
    );
    has("templates/service.yaml", &[&format!("name: {SERVICE}\n")]);
    has("values.yaml", &[&port]);
    let port = "containerPort: {{ int .Values.webhook.port }}";
    has("templates/deployment.yaml", &[port, "--webhook-listen="]);
    has(
        "templates/rbac-operator.yaml",
        &[&format!("resourceNames: [{CONFIGURATION}]")],
    );
    has(
        "templates/policies.yaml",
        &[
            WEBHOOK,
            CONFIGURATION,
            mooring_api::names::INJECTED,
            mooring_api::names::FIELD_MANAGER,
            "c.name == 'mooring'",
        ],
    );
}

#[test]
fn the_discovery_agents_are_known_alike() {
    use crate::discovery::{ACCOUNT, AUDIENCE, SERVICE, roots};
    let url = format!(
        "--operator=https://{SERVICE}.{{{{ .Release.Namespace }}}}.svc:{{{{ int .Values.webhook.port }}}}"
    );
    has(
        "templates/discovery.yaml",
        &[
            &format!("serviceAccountName: {ACCOUNT}\n"),
            &format!("audience: {AUDIENCE},"),
            &format!("configMap: {{name: {}}}", roots::CONFIG_MAP),
            &url,
            &format!(
                "k.startsWith('{}')",
                mooring_api::names::ANCHOR_LABEL_PREFIX
            ),
        ],
    );
    has("templates/deployment.yaml", &["- --discovery\n"]);
}

#[test]
fn the_policies_know_the_same_annotations() {
    let list: Vec<_> = mooring_core::annotation::ALL
        .iter()
        .map(|a| format!("'{}'", a.key))
        .collect();
    has(
        "templates/_helpers.tpl",
        &[&format!("[{}]", list.join(", "))],
    );
}

#[test]
fn the_deployments_flags_are_this_programs() {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        _flags: Flags,
    }
    let command = <Cli as clap::CommandFactory>::command();
    let ours: Vec<_> = command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .collect();
    let text = chart("templates/deployment.yaml");
    let used = text
        .split("--")
        .filter_map(|t| t.split(['=', '"']).next())
        .filter(|t| {
            t.starts_with("sidecar-") || t.starts_with("webhook-") || *t == "default-server"
        });
    for flag in used {
        assert!(
            ours.contains(&flag),
            "charts/mooring/templates/deployment.yaml: --{flag}: the program has {ours:?}"
        );
    }
}

#[test]
fn the_charts_crds_are_those_of_the_repository() {
    for (file, _) in mooring_api::definitions::all() {
        let path = format!("{}/../crds/{file}", env!("CARGO_MANIFEST_DIR"));
        let crd = std::fs::read_to_string(path).unwrap();
        assert!(
            chart(&format!("files/crds/{file}")) == crd,
            "{file} differs between crds/ and charts/mooring/files/crds: run `make crds`"
        );
        assert_eq!(
            crd.matches("\nmetadata:\n").count(),
            1,
            "{file}: templates/crds.yaml puts an annotation there"
        );
    }
}
