//! `mooring failover`: which of two anchors on different nodes is to serve, by an annotation of the
//! LicenseServer, which the operator heeds. The rules are the operator's; what it says is printed.

use super::api::{self, Place};
use anyhow::bail;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use mooring_api::serving::{FAILOVER, WITHOUT_PROOF};
use mooring_api::status::{PRIMARY_SERVES, READY};
use mooring_api::{LicenseServer, Serving, Side};
use mooring_core::time::Timestamp;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the operator may take to take a request up.
const TAKEN_UP: Duration = Duration::from_secs(30);
/// How often the LicenseServer is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "For a LicenseServer whose spec.standby has a placement of its own. The pod of the side that serves is ended first, and
the other begins once its end was seen: leases in force go on, and none is granted twice. Without --to it is the side
that does not serve. If the node of the pod that serves is not ready nobody sees it end, and the operator refuses:

  bring the node back; or shut the machine down, and say so:
      kubectl taint node NODE node.kubernetes.io/out-of-service=nodeshutdown:NoExecute
  which is a proof, and needs no command; or answer for it yourself with --without-proof.

--without-proof risks the license: a server that is merely cut off renews its own right to sign for as long as its
dongle is plugged in. If it runs still, both grant all seats, for as long as the node is cut off.

It takes the right to patch LicenseServers (ClusterRole mooring-licenseserver-editor); what it writes is the annotation
mooring.dev/failover.

Examples:
  mooring failover main -n licensing                   to the other side, whichever serves
  mooring failover main -n licensing --to primary      back
  mooring failover main -n licensing --to standby --without-proof"
)]
pub struct FailoverArgs {
    /// The LicenseServer
    name: String,
    /// Who is to serve: primary or standby [default: who does not]
    #[arg(long, value_name = "SIDE")]
    to: Option<Side>,
    /// Also if nobody has seen the end of who serves: you answer for it that nothing of it runs
    #[arg(long)]
    without_proof: bool,
    /// For how many seconds to wait until the other side serves; 0: not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
    #[command(flatten)]
    place: Place,
}

/// `mooring failover`.
pub fn run(a: &FailoverArgs) -> anyhow::Result<()> {
    let said = api::in_namespace(
        &a.place,
        ("patch", "licenseservers"),
        async |client, namespace| {
            let servers: Api<LicenseServer> = Api::namespaced(client, namespace);
            let Some(server) = servers.get_opt(&a.name).await? else {
                bail!(
                    "no license server {:?} in namespace {namespace:?}; see mooring status -A",
                    a.name
                );
            };
            fail_over(a, &servers, &server).await
        },
    )?;
    eprintln!("{said}");
    Ok(())
}

async fn fail_over(
    a: &FailoverArgs,
    servers: &Api<LicenseServer>,
    server: &LicenseServer,
) -> anyhow::Result<String> {
    let name = server.name_any();
    let Some(serving) = serving(server) else {
        bail!(
            "license server {name} has no standby on another node: expected spec.standby with a placement of its own, and an operator that has seen it"
        );
    };
    let to = a.to.unwrap_or(serving.side.other());
    let word = if a.without_proof { WITHOUT_PROOF } else { "" };
    let request = format!("{to} {word} {}", Timestamp::now());
    let request = request.split_whitespace().collect::<Vec<_>>().join(" ");
    let patch =
        json!({ "metadata": { "uid": server.uid(), "annotations": { FAILOVER: request } } });
    let params = PatchParams::default();
    servers
        .patch_metadata(&name, &params, &Patch::Merge(&patch))
        .await?;
    let begun = Instant::now();
    loop {
        let now = servers.get(&name).await?;
        let wait = Duration::from_secs(a.wait);
        match outcome(&now, &request, to) {
            Outcome::Refused(why) => bail!("refused: {why}"),
            Outcome::Serves(text) => return Ok(text),
            Outcome::Unheard if begun.elapsed() > TAKEN_UP => bail!(
                "it stands in annotation {FAILOVER} of the LicenseServer, and the operator has not taken it up after {} s; it will, once it runs: see `mooring status`",
                TAKEN_UP.as_secs()
            ),
            Outcome::Waits(text) if a.wait == 0 => return Ok(format!("Taken up: {text}")),
            Outcome::Waits(text) if begun.elapsed() > wait => bail!(
                "taken up, and not done after {} s; it goes on by itself: {text}",
                a.wait
            ),
            Outcome::Unheard | Outcome::Waits(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

fn serving(server: &LicenseServer) -> Option<&Serving> {
    server.status.as_ref()?.serving.as_ref()
}

/// What has come of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The operator has not seen it.
    Unheard,
    Refused(String),
    /// Under way, in words.
    Waits(String),
    /// The side that was asked for serves.
    Serves(String),
}

fn outcome(server: &LicenseServer, request: &str, to: Side) -> Outcome {
    let Some(serving) = serving(server).filter(|s| s.asked.as_deref() == Some(request)) else {
        return Outcome::Unheard;
    };
    if let Some(why) = &serving.refused {
        return Outcome::Refused(why.clone());
    }
    let status = server.status.as_ref();
    let condition = |kind| status.and_then(|s| s.condition(kind));
    let said = |kind| {
        condition(kind)
            .map(|c| c.message.clone())
            .unwrap_or_default()
    };
    // Of before the change the condition may speak of the other side's server.
    let of_now = condition(READY).filter(|r| {
        let since = serving.since.as_ref();
        since.is_none_or(|s| r.last_transition_time.0 >= s.0)
    });
    let is_ready = of_now.is_some_and(|r| r.status == "True");
    if serving.side == to && is_ready {
        let node = status.and_then(|s| s.node.as_deref()).unwrap_or("unknown");
        let since = serving.since.as_ref();
        let since = since.map(|t| format!(" since {}", t.0)).unwrap_or_default();
        return Outcome::Serves(format!("The {to} serves{since}, from node {node}"));
    }
    Outcome::Waits(said(if serving.side == to {
        READY
    } else {
        PRIMARY_SERVES
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn server(serving: &Value, ready: &str, since: &str) -> anyhow::Result<LicenseServer> {
        let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "reason": "R", "message": format!("about {kind}"), "lastTransitionTime": since });
        let anchor = json!({ "usb": { "keySecret": { "name": "k" } } });
        let conditions = [
            condition("Ready", ready),
            condition("PrimaryServes", "True"),
        ];
        Ok(serde_json::from_value(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": { "name": "main" },
            "spec": { "licenses": [{ "secretName": "l" }], "placement": { "nodeSelector": { "a": "b" } }, "anchor": anchor },
            "status": { "serving": serving, "node": "node-b", "conditions": conditions }
        }))?)
    }

    #[test]
    fn what_has_come_of_a_request_is_read_from_the_status() -> anyhow::Result<()> {
        let (asked, early, late) = ("standby 2", "2026-03-01T11:00:00Z", "2026-03-01T12:00:05Z");
        let of = |serving: Value, ready, since| {
            Ok::<_, anyhow::Error>(outcome(
                &server(&serving, ready, since)?,
                asked,
                Side::Standby,
            ))
        };
        let earlier = json!({ "side": "Primary", "asked": "standby 1" });
        assert_eq!(of(earlier, "True", early)?, Outcome::Unheard);
        let refused = json!({ "side": "Primary", "asked": asked, "refused": "not ready" });
        assert_eq!(
            of(refused, "True", early)?,
            Outcome::Refused("not ready".into())
        );
        let ends =
            json!({ "side": "Primary", "asked": asked, "handsOver": "2026-03-01T12:00:00Z" });
        assert_eq!(
            of(ends, "True", early)?,
            Outcome::Waits("about PrimaryServes".into())
        );
        let done = json!({ "side": "Standby", "asked": asked, "since": "2026-03-01T12:00:00Z" });
        let waits = Outcome::Waits("about Ready".into());
        assert_eq!(
            of(done.clone(), "True", early)?,
            waits,
            "of the server before"
        );
        assert_eq!(of(done.clone(), "False", late)?, waits);
        let serves = Outcome::Serves(
            "The standby serves since 2026-03-01T12:00:00Z, from node node-b".into(),
        );
        assert_eq!(of(done, "True", late)?, serves);
        Ok(())
    }
}
