//! Without the operator, and with a server that has just started.

use super::steps::{all_well, mooring, socket};
use crate::lab::{App, Helm, Lab, Server, eventually, within};
use crate::main_job::{begin, holds};
use anyhow::{Result, ensure};

/// While no operator reports, `mooring status` and `leases` say so, with as of when; a server that
/// restarts meanwhile settles for as long as it must, and says so to who waits.
pub(super) async fn the_operator_is_away_and_the_server_settles(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "the_operator_is_away_and_the_server_settles").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    holds(lab, &ns, "one", Some(&lab.nodes.1)).await?;
    let two = App::start(lab, &ns, "two", "render", Some(&lab.nodes.1)).await?;
    server
        .shows(lab, &[("Held", 1), ("Waiting", 1)], 60)
        .await?;
    socket(lab, &two, &["the only seat of render is taken"]).await?;
    Helm::scale(lab, 0).await?;
    let done = during(lab, &ns, &server, &two).await;
    let back = Helm::scale(lab, 2).await;
    done?;
    back?;
    nothing_fails(lab, &ns).await?;
    all_well(lab, &ns).await
}

async fn during(lab: &Lab, ns: &str, server: &Server, two: &App) -> Result<()> {
    server.delete_pod(lab, "--grace-period=1").await?;
    let settling = "has just started and takes earlier leases in first";
    socket(lab, two, &[settling]).await?;
    for command in ["status", "leases"] {
        let what = format!("mooring {command} says that the operator does not report");
        let line = format!("{command} -n {ns}");
        eventually(&what, within(40), async || {
            let o = mooring(lab, &line).await?;
            let told = o.out.contains("the operator has not reported for")
                && o.out.contains("what is shown is as of")
                && (command == "leases" || !o.success);
            Ok(told.then_some(()).ok_or(o.out))
        })
        .await?;
    }
    let o = mooring(lab, &format!("check -o short -n {ns}")).await?;
    let told = [
        "0 of 0 replicas are ready",
        "the operator has not reported for",
        "the API server does not reach it",
    ];
    ensure!(
        !o.success && told.iter().all(|t| o.out.contains(t)),
        "mooring check: {o:?}"
    );
    Ok(())
}

/// Nothing fails any more, which is waited for as behind an installation.
async fn nothing_fails(lab: &Lab, ns: &str) -> Result<()> {
    let o = mooring(lab, &format!("check --wait 60 -n {ns}")).await?;
    let answers = "it refuses an annotation that breaks the grammar, within";
    ensure!(o.success && o.out.contains(answers), "mooring check: {o:?}");
    Ok(())
}
