//! A machine outside the cluster asks a license server in it.

use super::steps::begin;
use crate::lab::{Helm, Lab, Output, PIN, Server, eventually, run, run_words, so, within};
use anyhow::{Context as _, Result};
use std::path::Path;

/// By a port of the node, with a certificate for that node's address and a client token: what an
/// administrator may, a stranger may not, and who was revoked may no more.
pub(super) async fn a_machine_outside_asks_by_client_tokens(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_machine_outside_asks_by_client_tokens").await?;
    let address = address_of(lab, &lab.nodes.0).await?;
    let names = format!("licenseServers.allowedNames={{{address}}}");
    let allowed = Helm::upgrade(lab, &[&names]).await?;
    allowed.ok("helm upgrade with allowedNames")?;
    let done = ask(lab, &ns, &address).await;
    Helm::upgrade(lab, &[]).await?.ok("helm upgrade")?;
    done
}

async fn ask(lab: &Lab, ns: &str, address: &str) -> Result<()> {
    let dir = lab.dir.path().join("outside");
    std::fs::create_dir_all(&dir)?;
    let file = |name: &str| dir.join(name).display().to_string();
    let keygen = format!("client keygen --out {}", file("client.key"));
    let public = run_words(&lab.cli, &keygen).await?.ok("a client key")?;
    for subject in ["ann", "bob"] {
        let key = file("client.key");
        let out = file(&format!("{subject}.token"));
        let line =
            format!("client issue --key {key} --server main --subject {subject} --out {out}");
        run_words(&lab.cli, &line).await?.ok("a client token")?;
    }
    keys(lab, ns, &public, "").await?;

    let server = Server::new(ns, 2);
    let license = server.license(lab, &lab.anchor.description).await?;
    server.apply_with(lab, &license, PIN).await?;
    let more = format!(
        r#"{{"spec": {{"service": {{"type": "NodePort"}}, "clients": {{"configMapName": "clients"}}, "admins": ["ann"], "tls": {{"names": ["{address}"]}}}}}}"#
    );
    let patch = [
        "-n",
        ns,
        "patch",
        "licenseserver",
        "main",
        "--type=merge",
        "-p",
        &more,
    ];
    run("kubectl", &patch, None).await?.ok("clients")?;
    server.condition(lab, "Ready", "True").await?;

    let get = |what: &str, path: &str| format!("-n {ns} get {what} -o jsonpath={path}");
    let port = lab.kubectl(get("service main", "{.spec.ports[0].nodePort}"));
    let url = format!("https://{address}:{}", port.await?.ok("the port")?.trim());
    let roots = file("ca.crt");
    let asked = async |subject: &str| {
        let ca = lab
            .kubectl(get("secret main-tls", "{.data.ca\\.crt}"))
            .await?;
        let pem = run("base64", &["-d"], Some(&ca.ok("the CA")?)).await?;
        std::fs::write(&roots, pem.ok("the CA")?)?;
        let token = file(&format!("{subject}.token"));
        let flags = format!("--server {url} --roots {roots} --token-file {token}");
        outside(lab, &lab.cli, &format!("leases {flags}")).await
    };
    eventually(
        "an administrator outside sees the leases",
        within(60),
        async || {
            let o = asked("ann").await?;
            so(o.success, || o.err)
        },
    )
    .await?;
    keys(lab, ns, &public, "subject:bob\n").await?;
    eventually("who was revoked is told so", within(90), async || {
        let o = asked("bob").await?;
        so(!o.success && o.err.contains("revoked"), || o.out + &o.err)
    })
    .await
}

/// The ConfigMap with the client keys and who is revoked.
async fn keys(lab: &Lab, ns: &str, public: &str, revoked: &str) -> Result<()> {
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clients", "namespace": ns},
        "data": {"client-keys": public, "revoked": revoked},
    });
    let made = lab.apply(&map.to_string()).await?;
    made.ok("the clients' keys").map(drop)
}

async fn address_of(lab: &Lab, node: &str) -> Result<String> {
    let path = "jsonpath={.status.addresses[?(@.type==\"InternalIP\")].address}";
    let get = format!("get node {node} -o");
    let all = lab.kubectl_with(&get, path).await?.ok("a node's address")?;
    let first = all.split_whitespace().next();
    first
        .map(str::to_owned)
        .context("a node without an address")
}

/// Runs a program on the machine that is not of the cluster.
async fn outside(lab: &Lab, program: &Path, line: &str) -> Result<Output> {
    let node = lab.root.join("e2e/cluster/node");
    run_words(&node, &format!("exec outside {} {line}", program.display())).await
}
