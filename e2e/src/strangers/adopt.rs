//! Objects that are there already under the names that a LicenseServer needs.

use crate::lab::{Lab, Server};
use crate::main_job::begin;
use anyhow::{Result, ensure};

/// Whose they are, what they say, and nothing else: what adopting changes.
const WORD: &str = "jsonpath={.metadata.ownerReferences}{.metadata.labels}{.spec.selector}{.data}";

/// A shop's Service and certificate keep what they are; nothing of the license server is there
/// until they are gone; then all of it is.
pub(super) async fn nothing_is_adopted(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "nothing_is_adopted").await?;
    let theirs = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: payments, namespace: {ns}}}\nspec: {{selector: {{app: shop}}, ports: [{{port: 443}}]}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: payments-tls, namespace: {ns}}}\nstringData: {{tls.key: the shop's}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: payments, namespace: {ns}}}\n"
    );
    lab.apply(&theirs).await?.ok("making the shop's objects")?;
    let word = async |what: &str| -> Result<String> {
        let get = format!("-n {ns} get {what} -o");
        lab.kubectl_with(&get, WORD).await?.ok("reading an object")
    };
    let all = [
        "service/payments",
        "secret/payments-tls",
        "serviceaccount/payments",
    ];
    let mut before = Vec::new();
    for what in all {
        before.push(word(what).await?);
    }

    let mut server = Server::new(&ns, 2);
    server.name = "payments".into();
    server.apply(lab).await?;
    let taken = server.condition(lab, "NameTaken", "True").await?;
    println!("  {}", taken.message);
    for part in ["Service", "payments-tls", "another name"] {
        ensure!(
            taken.message.contains(part),
            "the condition does not say {part:?}: {taken:?}"
        );
    }
    let ready = server.condition(lab, "Ready", "False").await?;
    ensure!(ready.reason == "NameTaken", "Ready says {ready:?}");
    for (what, before) in all.iter().zip(before) {
        let now = word(what).await?;
        ensure!(now == before, "{what} was {before} and is {now}");
    }
    let ours = [
        "statefulset/payments",
        "configmap/payments-config",
        "secret/payments-identity",
        "secret/payments-state",
        "role/payments-mooring-server",
        "rolebinding/payments-mooring-server",
        "serviceaccount/payments-mooring-server",
    ];
    for what in ours {
        let there = lab.kubectl(format!("-n {ns} get {what}")).await?;
        ensure!(
            !there.success,
            "{what} was written although a name is taken: {}",
            there.out
        );
    }
    let binding = format!("get clusterrolebinding mooring-server:{ns}:payments");
    ensure!(
        !lab.kubectl(binding).await?.success,
        "a binding was written although a name is taken"
    );

    let gone = lab.kubectl(format!(
        "-n {ns} delete service/payments secret/payments-tls"
    ));
    gone.await?.ok("deleting what is in the way")?;
    server.condition(lab, "Ready", "True").await?;
    server.condition(lab, "NameTaken", "False").await?;
    let account = word("serviceaccount/payments").await?;
    ensure!(
        !account.contains("LicenseServer"),
        "the account was taken over: {account}"
    );
    Ok(())
}
