//! Somebody who has the operator's token.

use crate::lab::{Lab, OPERATOR, Server};
use crate::main_job::begin;
use anyhow::{Result, ensure};

/// One object of `main`'s, as the operator makes them: with further metadata and further lines.
fn object(kind: &str, name: &str, namespace: &str, more: &str, lines: &str) -> String {
    let version = match kind {
        "StatefulSet" => "apps/v1",
        "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
        _ => "v1",
    };
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  \
         labels: {{app.kubernetes.io/managed-by: mooring-operator, mooring.dev/server: main}}\n  \
         ownerReferences: [{{apiVersion: mooring.dev/v1alpha1, kind: LicenseServer, name: main, uid: forged, controller: true}}]\n{more}{lines}"
    )
}

/// A StatefulSet of `main`'s whose pod has these further lines, and this of its container.
fn set(namespace: &str, pod: &str, container: &str) -> String {
    let lines = format!(
        "spec:\n  selector: {{matchLabels: {{a: b}}}}\n  serviceName: main\n  template:\n    metadata: {{labels: {{a: b}}}}\n    \
         spec:\n      {pod}\n      containers: [{{name: c, {container}}}]\n"
    );
    object("StatefulSet", "main", namespace, "", &lines)
}

/// What the operator's rights would allow and its policies do not. That they allow what the
/// operator does is shown by all other scenarios.
pub(super) async fn who_has_the_operators_token_makes_nothing_but_license_servers(
    lab: &Lab,
) -> Result<()> {
    let ns = begin(lab, "who_has_the_operators_token").await?;
    let own = "serviceAccountName: main-mooring-server";
    let safe = "securityContext: {allowPrivilegeEscalation: false}";
    let token = "  annotations: {kubernetes.io/service-account.name: default}\n";
    let ports = "ports: [{port: 53}]";
    let selector = "selector: {mooring.dev/server: main}";
    let service = |spec: String| object("Service", "main", &ns, "", &format!("spec: {{{spec}}}\n"));
    let role = |rule: &str| {
        let lines = format!("rules: [{{apiGroups: [\"\"], {rule}}}]\n");
        object("Role", "main-mooring-server", &ns, "", &lines)
    };
    for (what, yaml, says) in [
        (
            "the token of a service account",
            object("Secret", "main-tls", &ns, token, "type: kubernetes.io/service-account-token\n"),
            "Secrets of its own types only",
        ),
        (
            "another's address",
            service(format!("{selector}, {ports}, externalIPs: [10.0.0.53]")),
            "no address of others",
        ),
        (
            "a Service of another name",
            service(format!("{selector}, type: ExternalName, externalName: x.example")),
            "no address of others",
        ),
        (
            "a Service to another's pods",
            service(format!("selector: {{app: shop}}, {ports}")),
            "Services to license servers only",
        ),
        (
            "state of a license server, made up",
            object("Secret", "main-state", &ns, "", "type: mooring.dev/state\nstringData: {state.json: \"{}\"}\n"),
            "makes the Secret for a license server's state, empty",
        ),
        (
            "the right to another Secret",
            role("resources: [secrets], resourceNames: [shop], verbs: [get]"),
            "no role but that to get and update",
        ),
        (
            "the right to all Secrets",
            role("resources: [secrets], verbs: [get]"),
            "no role but that to get and update",
        ),
        (
            "any Secret",
            object("Secret", "shop", &ns, "", "type: mooring.dev/identity\n"),
            "named after a LicenseServer",
        ),
        (
            "an object of nobody",
            format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: main-config, namespace: {ns}, labels: {{mooring.dev/server: main}}}}}}"),
            "adopts nothing",
        ),
        (
            "kube-system",
            object("ConfigMap", "main-config", "kube-system", "", ""),
            "into this namespace",
        ),
        (
            "another's account",
            set(&ns, "serviceAccountName: default", &format!("image: x, {safe}")),
            "their own service accounts only",
        ),
        (
            "a foreign image",
            set(&ns, own, &format!("image: registry.example/attacker, {safe}")),
            "licenseServers.allowedImages",
        ),
        (
            "root on the node",
            set(&ns, &format!("{own}\n      hostPID: true"), "image: x, securityContext: {privileged: true}"),
            "nothing privileged",
        ),
        (
            "a role",
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: \"mooring-server:x\"}, \
             roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mooring-server-tokenreviews}, \
             subjects: [{kind: ServiceAccount, name: default, namespace: default}]}".to_owned(),
            "and nothing else",
        ),
    ] {
        let refused = lab.apply_as(OPERATOR, &yaml).await?.failed(what)?;
        ensure!(
            refused.contains(says),
            "{what}: the refusal does not say {says:?}: {refused}"
        );
        println!("  {what}: refused");
    }

    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: shop, namespace: {ns}}}, spec: {{containers: [{{name: c, image: localhost/none}}]}}}}"
    );
    lab.apply(&pod).await?.ok("making a pod")?;
    for verb in ["delete pod shop", "label pod shop a=b"] {
        let line = format!("--as={OPERATOR} -n {ns} {verb}");
        let refused = lab.kubectl(line).await?.failed(verb)?;
        ensure!(refused.contains("touches no pod"), "{verb}: {refused}");
    }
    let right = Server::new(&ns, 1);
    right.apply(lab).await?;
    right.ready(lab).await?;
    let line =
        format!("--as={OPERATOR} -n {ns} patch rolebinding main-mooring-server --type merge -p");
    let subject =
        format!(r#"{{"kind": "ServiceAccount", "name": "default", "namespace": "{ns}"}}"#);
    let subjects = format!(r#"{{"subjects": [{subject}]}}"#);
    let refused = lab.kubectl_with(&line, &subjects).await?;
    let refused = refused.failed("another's right")?;
    ensure!(
        refused.contains("to that server's service account, and nothing else"),
        "the state for another account: {refused}"
    );
    Ok(())
}
