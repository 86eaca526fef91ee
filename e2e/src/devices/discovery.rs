//! Discovery: agents report, the operator labels, the server's pod follows.

use crate::lab::{Lab, OPERATOR, Ports, Server, eventually, is_ready, so, within};
use crate::main_job::{begin, holds, notices_nothing, renews};
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Node;
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
    labels.retain(|k, _| k.starts_with("anchor.mooring.node-restriction.kubernetes.io/"));
    Ok(labels)
}

/// Waits until the first of two nodes has one such label, and the other none.
async fn labelled(lab: &Lab, with: &str, without: &str) -> Result<()> {
    let what = format!("{with} carries the device's label, and {without} does not");
    eventually(&what, within(30), async || {
        let (has, not) = (labels(lab, with).await?, labels(lab, without).await?);
        let well = has.len() == 1 && has.values().all(|v| v == "present") && not.is_empty();
        so(well, || format!("{has:?} and {not:?}"))
    })
    .await
}

/// Waits until a node has no such label.
async fn unlabelled(lab: &Lab, node: &str, what: &str) -> Result<()> {
    eventually(what, within(20), async || {
        let there = labels(lab, node).await?;
        so(there.is_empty(), || format!("{there:?}"))
    })
    .await
}

/// Waits until the server's pod is Ready on a node.
pub(super) async fn runs_on(lab: &Lab, server: &Server, node: &str) -> Result<()> {
    let what = format!("the server's pod is Ready on {node}");
    eventually(&what, within(90), async || {
        let pod = server.pod(lab).await?;
        let ready = is_ready(&pod);
        let at = pod.spec.and_then(|s| s.node_name);
        let missing = || format!("on {at:?}, Ready: {ready}");
        so(ready && at.as_deref() == Some(node), missing)
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
        so(found.as_ref().is_some_and(is), || format!("{found:?}"))
    })
    .await
}

/// A dongle is plugged in, moved to the other node, and pulled: the label follows it, the server's
/// pod follows the label, and a lease outlives the move. Pulled, the server stays where it is.
pub(super) async fn a_dongle_moves_and_its_label_and_server_follow(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_dongle_moves_and_its_label_and_server_follow").await?;
    let (a, b) = (lab.nodes.0.clone(), lab.nodes.1.clone());
    let (at_a, at_b) = (Ports::open(lab, &a).await?, Ports::open(lab, &b).await?);
    // The token that signs goes with the device: a server whose device signs is not moved on
    // another node's word.
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
    let another = format!("1050:0407 serial another on {b}");
    placed(lab, &server, "DeviceNotFound", &another).await?;

    at_a.plug(lab, "1-1", IDS, SERIAL).await?;
    labelled(lab, &a, &b).await?;
    runs_on(lab, &server, &a).await?;
    placed(lab, &server, "DeviceFound", &format!("on node {a}")).await?;
    server.condition(lab, "Ready", "True").await?;
    let app = holds(lab, &ns, "one", Some(&b)).await?;
    let before = server.shows(lab, &[("Held", 1)], 60).await?;

    at_a.unplug(lab, "1-1").await?;
    lab.anchor.pull(lab, &a).await?;
    at_b.plug(lab, "2-2", IDS, SERIAL).await?;
    labelled(lab, &b, &a).await?;
    runs_on(lab, &server, &b).await?;
    placed(lab, &server, "DeviceFound", &format!("on node {b}")).await?;
    server.condition(lab, "Ready", "True").await?;
    lab.anchor.place(lab, &a).await?;
    renews(&app, 1).await?;
    let after = server.shows(lab, &[("Held", 1)], 60).await?;
    ensure!(before == after, "before: {before:?}\nafter:  {after:?}");
    notices_nothing(&app)?;
    let events = server.events(lab).await?;
    let found = format!("DeviceFound: device 1050:0407 serial {SERIAL}: on node {a}");
    for words in [found.as_str(), "ServerMoves"] {
        ensure!(events.contains(words), "no Event says {words:?}:\n{events}");
    }

    let uid = server.pod_uid(lab).await?;
    at_b.unplug(lab, "2-2").await?;
    placed(lab, &server, "DeviceNotFound", "on no node").await?;
    unlabelled(lab, &b, "the label is gone").await?;
    server.condition(lab, "Ready", "True").await?;
    ensure!(
        server.pod_uid(lab).await? == uid,
        "the server's pod was given up for a device that is nowhere"
    );
    Ok(())
}

/// Another pod's token, an agent's that is bound to no pod, none at all: refused with the reason.
/// And the operator itself may set its own labels alone.
pub(super) async fn nobody_else_can_say_where_a_dongle_is(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "nobody_else_can_say_where_a_dongle_is").await?;
    let stranger = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: stranger, namespace: {ns}}}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - name: c\n    \
         image: {}\n    command: [sh, -c, 'while :; do sleep 600; done']\n    volumeMounts: [{{name: t, mountPath: /t}}]\n  volumes:\n  \
         - {{name: t, projected: {{sources: [{{serviceAccountToken: {{path: token, audience: mooring.dev/discovery}}}}]}}}}\n",
        lab.images.app
    );
    lab.apply(&stranger).await?.ok("starting a stranger")?;
    lab.awaits(&ns, "pod/stranger").await?;
    let post = async |header: &str| {
        let script = format!(
            "curl -sk -w ' %{{http_code}}' -X POST {header} -d '{{\"devices\":[]}}' https://mooring-discovery.mooring-system.svc:9443/v1/devices"
        );
        let exec = format!("-n {ns} exec stranger -- sh -c");
        let posted = lab.kubectl_with(&exec, &script).await?;
        posted.ok("posting a report")
    };
    let create = "-n mooring-system create token mooring-discovery";
    let unbound = lab.kubectl(format!("{create} --audience=mooring.dev/discovery"));
    let unbound = unbound.await?.ok("making a token")?;
    let other = lab.kubectl(create).await?;
    let other = other.ok("making a token for the API server")?;
    let bearer = |token: &str| format!("-H \"Authorization: Bearer {}\"", token.trim());
    let account = "expected \"system:serviceaccount:mooring-system:mooring-discovery\"";
    for (header, why) in [
        (String::new(), "expected Authorization"),
        (bearer("$(cat /t/token)"), account),
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
        let node = &lab.nodes.0;
        lab.kubectl(format!(
            "--as={OPERATOR} label node {node} --overwrite {what}"
        ))
        .await
    };
    let refused = label("node-role.kubernetes.io/control-plane=").await?;
    let refused = refused.failed("the operator sets a label that is not its own")?;
    ensure!(
        refused.contains("anchor.mooring.node-restriction.kubernetes.io/"),
        "{refused}"
    );
    let node = &lab.nodes.0;
    let owner = r#"{"apiVersion":"v1","kind":"ConfigMap","name":"x","uid":"gone"}"#;
    let patch = format!(r#"{{"metadata":{{"ownerReferences":[{owner}]}}}}"#);
    let line = format!("--as={OPERATOR} patch node {node} --type=merge -p");
    let refused = lab.kubectl_with(&line, &patch).await?;
    let refused = refused.failed("the operator gives a node an owner, to have it deleted")?;
    ensure!(refused.contains("and nothing else"), "{refused}");
    let own = label("anchor.mooring.node-restriction.kubernetes.io/e2e=present").await?;
    own.ok("the operator sets its own label")?;
    let goes = "a label for which no LicenseServer asks goes";
    unlabelled(lab, &lab.nodes.0, goes).await
}
