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
fn the_operator_may_take_away_its_own_scheduling_gate_alone() {
    use mooring_api::names::SCHEDULING_GATE;
    let wait = mooring_core::annotation::WAIT.key;
    has(
        "templates/policies-operator.yaml",
        &[
            &format!("exists(g, g.name == '{SCHEDULING_GATE}')"),
            &format!("filter(g, g.name != '{SCHEDULING_GATE}')"),
            &format!("annotations['{wait}'].orValue('') == 'scheduling'"),
        ],
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

/// The documents of a template, with nothing in the place of what is filled in.
fn documents(file: &str) -> Vec<serde_json::Value> {
    let mut text = chart(file);
    while let Some((before, rest)) = text.split_once("{{") {
        let (_, after) = rest.split_once("}}").unwrap();
        text = format!("{before}{after}");
    }
    let all = text.split("\n---").map(serde_yaml::from_str);
    all.map(Result::unwrap).collect()
}

#[test]
fn servers_and_people_may_do_what_the_page_says_and_no_more() {
    let rules = |file: &str, name: &str| {
        let all = documents(file);
        let mut found = all.iter().filter(|d| d["metadata"]["name"] == name);
        let role = found.next().unwrap_or_else(|| panic!("{file}: {name}"));
        role["rules"].as_array().unwrap().clone()
    };
    assert_eq!(
        rules("templates/rbac-server.yaml", "mooring-server-tokenreviews"),
        [serde_json::json!({
            "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"],
        })]
    );
    // Who grants a right must have it: a server's role is no more than the operator's own.
    let all = rules("templates/rbac-operator.yaml", "mooring-operator-servers");
    let verbs = |what: &str| {
        let rule = all.iter().find(|r| r["resources"][0] == what).unwrap();
        rule["verbs"].clone()
    };
    let by_name = serde_json::json!(["get", "create", "patch", "update"]);
    assert_eq!(verbs("secrets"), by_name, "never listed, never deleted");
    assert_eq!(
        verbs("roles"),
        serde_json::json!(["get", "create", "patch"])
    );
    for rule in rules("templates/rbac-people.yaml", "mooring-viewer") {
        for verb in rule["verbs"].as_array().unwrap() {
            let reads = ["get", "list", "watch"].iter().any(|v| verb == v);
            assert!(reads, "{rule}");
        }
    }
    let editor = rules("templates/rbac-people.yaml", "mooring-licenseserver-editor");
    assert!(
        editor
            .iter()
            .all(|r| r["apiGroups"] == serde_json::json!(["mooring.dev"]))
    );
    // Of the discovery agents' account no binding says anything, and none has a token for the API.
    use crate::discovery::ACCOUNT;
    let folder = format!("{}/../charts/mooring/templates", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let mut bindings = text.split("\n---").filter(|d| d.contains("Binding\n"));
        let bound = bindings.any(|d| d.contains("subjects:") && d.contains(ACCOUNT));
        assert!(!bound, "{}: {ACCOUNT} has rights", path.display());
    }
    has(
        "templates/discovery.yaml",
        &["automountServiceAccountToken: false\n"],
    );
}
