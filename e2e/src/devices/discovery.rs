//! Discovery: agents report, the operator labels, the server's pod follows.

use crate::lab::{App, Lab, Ports, Server, eventually, lease_row, within};
use crate::main_job::{begin, renews, states};
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use mooring_api::Device;
use mooring_api::status::PLACED;
use std::collections::BTreeMap;
use std::time::Duration;

const IDS: (&str, &str) = ("1050", "0407");
const SERIAL: &str = "e2e-0001";

/// The anchors' labels of a node.
async fn labels(lab: &Lab, node: &str) -> Result<BTreeMap<String, String>> {
    let node = Api::<Node>::all(lab.client.clone()).get(node).await?;
    let mut labels = node.metadata.labels.unwrap_or_default();
    labels.retain(|k, _| k.starts_with("anchor.mooring.dev/"));
    Ok(labels)
}

/// Waits until the first of two nodes has one such label, and the other none.
async fn labelled(lab: &Lab, with: &str, without: &str) -> Result<()> {
    let what = format!("{with} carries the device's label, and {without} does not");
    eventually(&what, within(30), async || {
        let (has, not) = (labels(lab, with).await?, labels(lab, without).await?);
        let well = has.len() == 1 && has.values().all(|v| v == "present") && not.is_empty();
        Ok(well
            .then_some(())
            .ok_or_else(|| format!("{has:?} and {not:?}")))
    })
    .await
}

/// Waits until the server's pod is Ready on a node.
async fn runs_on(lab: &Lab, server: &Server, node: &str) -> Result<()> {
    let pods = Api::<Pod>::namespaced(lab.client.clone(), &server.namespace);
    let what = format!("the server's pod is Ready on {node}");
    eventually(&what, within(90), async || {
        let Some(pod) = pods.get_opt(&format!("{}-0", server.name)).await? else {
            return Ok(Err("there is no pod".into()));
        };
        let at = pod.spec.and_then(|s| s.node_name);
        let conditions = pod.status.and_then(|s| s.conditions).unwrap_or_default();
        let ready = conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        Ok((ready && at.as_deref() == Some(node))
            .then_some(())
            .ok_or_else(|| format!("on {at:?}, Ready: {ready}")))
    })
    .await
}

/// The condition `Placed` with this reason and these words.
async fn placed(lab: &Lab, server: &Server, reason: &str, words: &str) -> Result<()> {
    let what = format!("Placed says {reason}: … {words}");
    eventually(&what, within(40), async || {
        let all = server.conditions(lab).await?;
        let found = all.into_iter().find(|c| c.type_ == PLACED);
        let is = |c: &Condition| c.reason == reason && c.message.contains(words);
        Ok(if found.as_ref().is_some_and(is) {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        })
    })
    .await
}

/// A dongle is plugged in, moved to the other node, and pulled: the label follows it, the server's
/// pod follows the label, and a lease outlives the move. Pulled, the server stays where it is.
pub(super) async fn a_dongle_moves_and_its_label_and_server_follow(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_dongle_moves_and_its_label_and_server_follow").await?;
    let (a, b) = (lab.nodes.0.clone(), lab.nodes.1.clone());
    let (at_a, at_b) = (Ports::open(lab, &a).await?, Ports::open(lab, &b).await?);
    // The token that signs is on both nodes: here it is about the device that says where the server
    // belongs.
    lab.anchor.place(lab, &b).await?;
    let mut server = Server::new(&ns, 1);
    server.duration = Duration::from_secs(20);
    server.device = Some(Device {
        vendor_id: IDS.0.into(),
        product_id: IDS.1.into(),
        serial: Some(SERIAL.into()),
    });
    at_b.plug(lab, "2-1", IDS, "another").await?;
    server.apply(lab).await?;
    placed(
        lab,
        &server,
        "DeviceNotFound",
        &format!("1050:0407 serial another on {b}"),
    )
    .await?;

    at_a.plug(lab, "1-1", IDS, SERIAL).await?;
    labelled(lab, &a, &b).await?;
    runs_on(lab, &server, &a).await?;
    placed(lab, &server, "DeviceFound", &format!("on node {a}")).await?;
    server.condition(lab, "Ready", "True").await?;
    let app = App::start(lab, &ns, "one", "render", Some(&b)).await?;
    app.says("Held", 60).await?;
    let before: Vec<_> = server.shows(lab, &[("Held", 1)], 60).await?;
    let before: Vec<_> = before.iter().map(lease_row).collect();

    at_a.unplug(lab, "1-1").await?;
    at_b.plug(lab, "2-2", IDS, SERIAL).await?;
    labelled(lab, &b, &a).await?;
    runs_on(lab, &server, &b).await?;
    placed(lab, &server, "DeviceFound", &format!("on node {b}")).await?;
    server.condition(lab, "Ready", "True").await?;
    renews(&app, 1).await?;
    let after: Vec<_> = server.shows(lab, &[("Held", 1)], 60).await?;
    let after: Vec<_> = after.iter().map(lease_row).collect();
    ensure!(before == after, "before: {before:?}\nafter:  {after:?}");
    ensure!(
        states(&app).iter().all(|s| s == "Held"),
        "the application noticed: {:?}",
        states(&app)
    );
    let events = server.events(lab).await?;
    let found = format!("DeviceFound: device 1050:0407 serial {SERIAL}: on node {a}");
    for words in [found.as_str(), "ServerMoves"] {
        ensure!(events.contains(words), "no Event says {words:?}:\n{events}");
    }

    let (_, uid) = server.pod(lab).await?;
    at_b.unplug(lab, "2-2").await?;
    placed(lab, &server, "DeviceNotFound", "on no node").await?;
    eventually("the label is gone", within(20), async || {
        let there = labels(lab, &b).await?;
        Ok(there
            .is_empty()
            .then_some(())
            .ok_or_else(|| format!("{there:?}")))
    })
    .await?;
    server.condition(lab, "Ready", "True").await?;
    ensure!(
        server.pod(lab).await?.1 == uid,
        "the server's pod was given up for a device that is nowhere"
    );
    Ok(())
}

/// Another pod's token, an agent's that is bound to no pod, none at all: refused with the reason.
/// And the operator itself may set its own labels alone.
pub(super) async fn nobody_else_can_say_where_a_dongle_is(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "nobody_else_can_say_where_a_dongle_is").await?;
    lab.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: stranger, namespace: {ns}}}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - name: c\n    \
         image: {}\n    command: [sh, -c, 'while :; do sleep 600; done']\n    volumeMounts: [{{name: t, mountPath: /t}}]\n  volumes:\n  \
         - {{name: t, projected: {{sources: [{{serviceAccountToken: {{path: token, audience: mooring.dev/discovery}}}}]}}}}\n",
        lab.images.app
    ))
    .await?
    .ok("starting a stranger")?;
    lab.kubectl(&[
        "-n",
        &ns,
        "wait",
        "--for=condition=Ready",
        "pod/stranger",
        "--timeout=60s",
    ])
    .await?
    .ok("waiting for it")?;
    let post = async |header: &str| {
        let script = format!(
            "curl -sk -w ' %{{http_code}}' -X POST {header} -d '{{\"devices\":[]}}' https://mooring-discovery.mooring-system.svc:9443/v1/devices"
        );
        lab.kubectl(&["-n", &ns, "exec", "stranger", "--", "sh", "-c", &script])
            .await?
            .ok("posting a report")
    };
    let unbound = lab
        .kubectl(&[
            "-n",
            "mooring-system",
            "create",
            "token",
            "mooring-discovery",
            "--audience=mooring.dev/discovery",
        ])
        .await?
        .ok("making a token")?;
    let other = lab
        .kubectl(&[
            "-n",
            "mooring-system",
            "create",
            "token",
            "mooring-discovery",
        ])
        .await?
        .ok("making a token for the API server")?;
    let bearer = |token: &str| format!("-H \"Authorization: Bearer {}\"", token.trim());
    for (header, why) in [
        (String::new(), "expected Authorization"),
        (
            bearer("$(cat /t/token)"),
            "expected \"system:serviceaccount:mooring-system:mooring-discovery\"",
        ),
        (bearer(&unbound), "not bound to a pod"),
        (bearer(&other), "refused"),
        (bearer("nonsense"), "refused"),
    ] {
        let said = post(&header).await?;
        ensure!(
            said.contains(why) && said.ends_with("401"),
            "expected {why:?} and 401: {said}"
        );
    }

    let label = async |what: &str| {
        let who = "--as=system:serviceaccount:mooring-system:mooring-operator";
        lab.kubectl(&[who, "label", "node", &lab.nodes.0, "--overwrite", what])
            .await
    };
    let refused = label("node-role.kubernetes.io/control-plane=").await?;
    let refused = refused.failed("the operator sets a label that is not its own")?;
    ensure!(refused.contains("anchor.mooring.dev/"), "{refused}");
    label("anchor.mooring.dev/e2e=present")
        .await?
        .ok("the operator sets its own label")?;
    eventually(
        "a label for which no LicenseServer asks goes",
        within(20),
        async || {
            let there = labels(lab, &lab.nodes.0).await?;
            Ok(there
                .is_empty()
                .then_some(())
                .ok_or_else(|| format!("{there:?}")))
        },
    )
    .await
}
