//! Somebody who may write LicenseServers, and nothing else, in every namespace.

use crate::lab::{Helm, Lab, NAMESPACE, Server, eventually, so, within};
use crate::main_job::begin;
use anyhow::{Result, ensure};
use kube::ResourceExt as _;

const EVE: &str = "eve@example.com";

/// A LicenseServer that mounts a Secret, with further lines of its spec.
fn server(namespace: &str, name: &str, secret: (&str, &str), template: &str) -> String {
    let (secret, key) = secret;
    format!(
        "apiVersion: mooring.dev/v1alpha1\nkind: LicenseServer\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
         licenses: [{{secretName: {secret}, key: {key}}}]\n  anchor: {{usb: {{keySecret: {{name: {secret}, key: {key}}}}}}}\n  \
         placement: {{nodeSelector: {{kubernetes.io/os: linux}}}}\n  template: {template}\n"
    )
}

/// Refused at once, with whom to ask; and by the operator where nothing refuses it before.
pub(super) async fn a_hostile_editor_of_license_servers(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_hostile_editor_of_license_servers").await?;
    let bind = format!(
        "create clusterrolebinding e2e-eve --clusterrole=mooring-licenseserver-editor --user={EVE}"
    );
    let _ = lab
        .kubectl("delete clusterrolebinding e2e-eve --ignore-not-found")
        .await?;
    lab.kubectl(bind)
        .await?
        .ok("giving eve the editor's role")?;

    let ca = ("mooring-ca", "ca.key");
    let own = server(NAMESPACE, "mooring-operator", ca, "{}");
    let evil = "{image: registry.example/attacker}";
    let root = "{runAsUser: 0, hostPaths: [{path: /, mountPath: /node}]}";
    let back = "{hostPaths: [{path: /var/lib/anchor/../../../etc, mountPath: /node}]}";
    for (what, yaml, says) in [
        (
            "the operator's own account and the CA's key",
            own.clone(),
            "may have no LicenseServer",
        ),
        (
            "kube-system",
            server(
                "kube-system",
                "clusterrole-aggregation-controller",
                ca,
                "{}",
            ),
            "may have no LicenseServer",
        ),
        (
            "an image",
            server(&ns, "main", ca, evil),
            "licenseServers.allowedImages",
        ),
        (
            "the node's root",
            server(&ns, "main", ca, root),
            "licenseServers.allowedHostPaths",
        ),
        (
            "a path that goes back",
            server(&ns, "main", ca, back),
            "licenseServers.allowedHostPaths",
        ),
    ] {
        let refused = lab.apply_as(EVE, &yaml).await?.failed(what)?;
        ensure!(
            refused.contains(says),
            "{what}: the refusal does not say {says:?}: {refused}"
        );
        println!("  {what}: refused");
    }

    // The same with nothing in the way: the operator does not look at it.
    let binding = "delete validatingadmissionpolicybinding licenseservers.mooring.dev";
    lab.kubectl(binding).await?.ok("taking the policy away")?;
    let operator = async || -> Result<String> {
        let get = format!("-n {NAMESPACE} get serviceaccount mooring-operator -o");
        let owners = lab.kubectl_with(&get, "jsonpath={.metadata.ownerReferences}");
        owners.await?.ok("the operator's account")
    };
    let before = operator().await?;
    let what = "it is not refused once the policy is gone";
    eventually(what, within(60), async || {
        let o = lab.apply_as(EVE, &own).await?;
        so(o.success, || o.err)
    })
    .await?;
    let mut eves = Server::new(NAMESPACE, 1);
    eves.name = "mooring-operator".into();
    let ready = eves.condition(lab, "Ready", "False").await?;
    ensure!(ready.reason == "NotAllowed", "Ready says {ready:?}");
    ensure!(
        !ready.message.contains("ca.crt"),
        "it tells of the Secret: {}",
        ready.message
    );
    ensure!(
        operator().await? == before,
        "the operator's account was adopted"
    );
    let set = lab
        .kubectl(format!("-n {NAMESPACE} get statefulset mooring-operator"))
        .await?;
    ensure!(
        !set.success,
        "a pod was made in the operator's namespace: {}",
        set.out
    );
    let events = eves.get(lab).await?;
    println!("  {}: {}", events.name_any(), ready.message);

    let gone = lab.kubectl(format!(
        "-n {NAMESPACE} delete licenseserver mooring-operator"
    ));
    gone.await?.ok("deleting it")?;
    let _ = lab.kubectl("delete clusterrolebinding e2e-eve").await?;
    Helm::upgrade(lab, &[])
        .await?
        .ok("putting the policy back")?;
    let restored = lab
        .kubectl("get validatingadmissionpolicybinding licenseservers.mooring.dev")
        .await?;
    restored.ok("the policy is back").map(drop)
}
