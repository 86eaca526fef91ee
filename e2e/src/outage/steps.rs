//! What the scenarios of outages share: reading all that people are told.

use crate::lab::{App, Lab, Output, Server, eventually, run, within, words};
use anyhow::{Context as _, Result, ensure};
use kube::Api;
use kube::api::ListParams;
use mooring_api::{LicenseLease, LicenseLeaseStatus};
use mooring_client::boot;
use mooring_core::time::{BootTime, Timestamp};
use mooring_core::wire::Status;
use std::time::Duration;

/// A pod's LicenseLease, if there is one.
pub(crate) async fn lease(lab: &Lab, ns: &str, pod: &str) -> Result<Option<LicenseLeaseStatus>> {
    let all = Api::<LicenseLease>::namespaced(lab.client.clone(), ns);
    let all = all.list(&ListParams::default()).await?.items;
    let mut of_pod = all.into_iter().filter(|l| l.spec.holder.name == pod);
    Ok(of_pod.next().and_then(|l| l.status))
}

/// Waits until a pod's LicenseLease is in a state, and says all of these.
pub(crate) async fn shown(
    lab: &Lab,
    app: &App,
    state: &str,
    says: &[&str],
) -> Result<LicenseLeaseStatus> {
    let (ns, pod) = (&app.namespace, &app.name);
    let what = format!("the LicenseLease of {pod} is {state} and says {says:?}");
    let status = eventually(&what, within(60), async || {
        let Some(status) = lease(lab, ns, pod).await? else {
            return Ok(Err("there is none".into()));
        };
        let message = status.message.clone().unwrap_or_default();
        let is = status.state.as_str() == state && says.iter().all(|s| message.contains(s));
        Ok(is.then_some(status.clone()).ok_or(format!("{status:?}")))
    })
    .await?;
    println!(
        "  {pod}: {} until {}: {}",
        status.state,
        status.until.as_deref().unwrap_or("-"),
        status.message.as_deref().unwrap_or("-")
    );
    Ok(status)
}

/// Waits until an Event on a pod has this reason and says all of these.
pub(crate) async fn event(lab: &Lab, app: &App, reason: &str, says: &[&str]) -> Result<()> {
    let what = format!("an Event {reason} on pod {} says {says:?}", app.name);
    let about = format!("regarding.name={},regarding.kind=Pod", app.name);
    let begin = format!("{reason}: ");
    eventually(&what, within(30), async || {
        let all = lab.events(&app.namespace, &about).await?;
        let says_all = |l: &&str| l.starts_with(&begin) && says.iter().all(|s| l.contains(s));
        Ok(all.lines().find(says_all).map(drop).ok_or(all.clone()))
    })
    .await
}

/// What its sidecar says on its socket, in a line.
pub(crate) async fn socket(lab: &Lab, app: &App, says: &[&str]) -> Result<()> {
    let what = format!("the socket of {} says {says:?}", app.name);
    let exec = format!(
        "-n {} exec {} -c mooring -- /mooring-sidecar status",
        app.namespace, app.name
    );
    let line = eventually(&what, within(30), async || {
        let o = lab.kubectl(&exec).await?;
        let says_all = says.iter().all(|s| o.out.contains(s));
        Ok(says_all.then_some(o.out.clone()).ok_or(o.out + &o.err))
    })
    .await?;
    println!("  the socket of {}: {}", app.name, line.trim());
    Ok(())
}

/// Until when its LicenseLease and its socket say that an application may go on: alike, but for
/// half a lease (the mirror counts from the earliest last renewal) and what starting takes.
pub(super) async fn agree(lab: &Lab, app: &App, shown: &LicenseLeaseStatus) -> Result<()> {
    let exec = format!(
        "-n {} exec {} -c mooring -- /mooring-sidecar status --json",
        app.namespace, app.name
    );
    let told = lab.kubectl(&exec).await?.ok("asking the socket")?;
    let told: Status = serde_json::from_str(&told)?;
    let (until, now) = (told.until_boot_ms, boot());
    let until = until.with_context(|| format!("the socket says no limit: {told:?}"))?;
    let left = now.until(BootTime::from_millis(until));
    let shown = shown.until.as_deref().context("the mirror says no limit")?;
    let shown = shown.parse::<Timestamp>()?.duration_since(Timestamp::now());
    let shown = Duration::try_from(shown)?;
    ensure!(
        shown.abs_diff(left) < Duration::from_secs(30),
        "the LicenseLease of {} says {shown:?} from now, its socket {left:?}",
        app.name
    );
    Ok(())
}

/// Runs `mooring` with the words of a line.
pub(crate) async fn mooring(lab: &Lab, line: &str) -> Result<Output> {
    run(&lab.cli.to_string_lossy(), &words(line), None).await
}

/// The lines under Problems of `mooring status` for one server, which fails for them.
pub(super) async fn problems(lab: &Lab, server: &Server) -> Result<Vec<String>> {
    let (ns, name) = (&server.namespace, &server.name);
    let o = mooring(lab, &format!("status {name} -n {ns}")).await?;
    ensure!(
        !o.success,
        "`mooring status` finds nothing wrong:\n{}",
        o.out
    );
    let under = o.out.split("Problems\n").nth(1);
    let under = under.with_context(|| format!("no problems are told:\n{}", o.out))?;
    let lines: Vec<String> = under.lines().map(|l| l.trim().to_owned()).collect();
    let lines: Vec<String> = lines.into_iter().filter(|l| !l.is_empty()).collect();
    println!("  mooring status: {}", lines.join(" | "));
    Ok(lines)
}

/// Waits until the first of them is of condition `Ready`, and says all of these.
pub(crate) async fn first_problem(lab: &Lab, server: &Server, says: &[&str]) -> Result<()> {
    let what = format!("the first problem of {} says {says:?}", server.name);
    let begin = format!("{}: Ready is False", server.name);
    eventually(&what, within(60), async || {
        let all = problems(lab, server).await?;
        let first = all.first().cloned().unwrap_or_default();
        let is = first.starts_with(&begin) && says.iter().all(|s| first.contains(s));
        let alone = !all
            .iter()
            .any(|l| l.contains("NoContact") || l.contains("NotStarted"));
        Ok((is && alone).then_some(()).ok_or(format!("{all:?}")))
    })
    .await
}

/// Waits until `mooring status` finds nothing wrong.
pub(super) async fn all_well(lab: &Lab, ns: &str) -> Result<()> {
    let well = "mooring status finds nothing wrong";
    eventually(well, within(60), async || {
        let o = mooring(lab, &format!("status -n {ns}")).await?;
        Ok(o.success.then_some(()).ok_or(o.out))
    })
    .await
}

/// `mooring leases` says all of these.
pub(super) async fn leases_say(lab: &Lab, ns: &str, says: &[&str]) -> Result<()> {
    let o = mooring(lab, &format!("leases -n {ns}"))
        .await?
        .ok("mooring leases")?;
    for part in says {
        ensure!(
            o.contains(part),
            "`mooring leases` does not say {part:?}:\n{o}"
        );
    }
    Ok(())
}
