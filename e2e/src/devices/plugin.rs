//! A device plugin: the dongle comes into an unprivileged pod as a resource of its node.

use crate::lab::{Lab, Server, eventually, so, within};
use crate::main_job::begin;
use anyhow::{Context as _, Result, ensure};

const RESOURCE: &str = "e2e.mooring.dev/dongle";
/// A character device that every node has and that no container may open by itself.
const DEVICE: &str = "/dev/fuse";
const AS: &str = "/dev/dongle";

/// Starts the device plugin on the first node.
async fn plug_in(lab: &Lab, ns: &str) -> Result<()> {
    let image = lab.images.device_plugin.as_ref();
    let image =
        image.context("there is no image of the device plugin; e2e/cluster/images makes it")?;
    lab.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: plugin, namespace: {ns}}}\nspec:\n  nodeName: {}\n  terminationGracePeriodSeconds: 1\n  containers:\n  \
         - name: plugin\n    image: {image}\n    args: [{RESOURCE}, {DEVICE}, {AS}]\n    env: [{{name: NODE_ROOT, value: /node}}]\n    securityContext: {{runAsUser: 0}}\n    \
         volumeMounts: [{{name: plugins, mountPath: /var/lib/kubelet/device-plugins}}, {{name: dev, mountPath: /node/dev, readOnly: true}}]\n  volumes:\n  \
         - {{name: plugins, hostPath: {{path: /var/lib/kubelet/device-plugins}}}}\n  - {{name: dev, hostPath: {{path: /dev}}}}\n",
        lab.nodes.0
    ))
    .await?
    .ok("starting the device plugin")?;
    let (node, field) = (&lab.nodes.0, RESOURCE.replace('.', "\\."));
    let offers = format!("get node {node} -o jsonpath={{.status.allocatable.{field}}}");
    eventually("the node offers the device", within(60), async || {
        let o = lab.kubectl(&offers).await?;
        so(o.out == "1", || o.out + &o.err)
    })
    .await
}

/// Runs a pod of the first node to its end and returns what it wrote.
async fn opens(lab: &Lab, ns: &str, name: &str, limits: &str, path: &str) -> Result<String> {
    lab.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {ns}}}\nspec:\n  nodeName: {}\n  restartPolicy: Never\n  \
         securityContext: {{runAsUser: 1000, runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}\n  containers:\n  - name: c\n    image: {}\n    \
         command: [sh, -c, 'if exec 3<>{path}; then echo opened; else echo not; fi 2>&1 || true']\n    resources: {{limits: {{{limits}}}}}\n    \
         securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}\n    volumeMounts: [{{name: dev, mountPath: /node/dev}}]\n  volumes:\n  \
         - {{name: dev, hostPath: {{path: /dev}}}}\n",
        lab.nodes.0, lab.images.app
    ))
    .await?
    .ok("starting a pod that opens the device")?;
    eventually("it has ended", within(60), async || {
        let path = "jsonpath={.status.phase} {.status.message}";
        let get = format!("-n {ns} get pod {name} -o");
        let o = lab.kubectl_with(&get, path).await?;
        let ended = o.out.starts_with("Succeeded") || o.out.starts_with("Failed");
        so(ended, || o.out + &o.err)
    })
    .await?;
    let logs = lab.kubectl(format!("-n {ns} logs {name}")).await?;
    logs.ok("reading what it said")
}

/// An unprivileged pod that asks for the resource opens the device, one that does not ask cannot,
/// not even where it sees the file; and a LicenseServer with `deviceResource` runs, with the device
/// in its container and nothing privileged.
pub(super) async fn a_dongle_comes_into_the_pod_as_a_device_resource(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_dongle_comes_into_the_pod_as_a_device_resource").await?;
    plug_in(lab, &ns).await?;
    let with = opens(lab, &ns, "with", &format!("{RESOURCE}: 1"), AS).await?;
    ensure!(with.trim() == "opened", "with the resource: {with}");
    let without = opens(lab, &ns, "without", "", AS).await?;
    ensure!(
        !without.contains("opened"),
        "without the resource: {without}"
    );
    let seen = opens(lab, &ns, "sees-it", "", &format!("/node{DEVICE}")).await?;
    ensure!(
        !seen.contains("opened") && seen.contains("not permitted"),
        "a host path shows the file, and the kernel keeps it closed: {seen}"
    );
    let delete = format!("-n {ns} delete pod with --grace-period=1");
    lab.kubectl(&delete).await?.ok("giving the device back")?;

    let mut server = Server::new(&ns, 1);
    server.device_resource = Some(RESOURCE.into());
    server.ready(lab).await?;
    let log = lab.kubectl(format!("-n {ns} logs plugin")).await?;
    let log = log.ok("reading the device plugin's log")?;
    let allocated = log.matches("allocated").count();
    ensure!(
        allocated == 2,
        "expected one allocation for the pod and one for the server:\n{log}"
    );
    let path = "jsonpath={.spec.containers[*].securityContext.privileged} {.spec.containers[0].resources.limits}";
    let get = format!("-n {ns} get pod main-0 -o");
    let pod = lab.kubectl_with(&get, path).await?;
    let pod = pod.ok("looking at the server's pod")?;
    ensure!(
        pod.contains(RESOURCE) && !pod.contains("true"),
        "the server's pod: {pod}"
    );
    replugged(lab, &server).await
}

/// The token goes away while the node offers the device: the pod is replaced, once, and all is well
/// when the token is back.
async fn replugged(lab: &Lab, server: &Server) -> Result<()> {
    let first = server.pod_uid(lab).await?;
    lab.anchor.pull(lab, &lab.nodes.0).await?;
    let done = async {
        server.condition(lab, "AnchorPresent", "False").await?;
        eventually("the server's pod is replaced", within(60), async || {
            so(server.pod_uid(lab).await? != first, || {
                "it is the same".into()
            })
        })
        .await?;
        let events = server.events(lab).await?;
        ensure!(
            events.contains("ServerReplaced"),
            "no Event says so:\n{events}"
        );
        Ok(())
    };
    let done: Result<()> = done.await;
    lab.anchor.place(lab, &lab.nodes.0).await?;
    done?;
    server.condition(lab, "AnchorPresent", "True").await?;
    server.condition(lab, "Ready", "True").await.map(drop)
}
