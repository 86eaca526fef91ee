//! A revoked pod, and a lease that is taken back.

use crate::lab::{App, Helm, Lab, Server, eventually, run, so, within, words};
use crate::main_job::{begin, count_seats};
use crate::outage::{event, lease, mooring, shown, socket};
use anyhow::{Result, ensure};
use std::time::Duration;

/// Revoked, a pod loses its seat, which goes to the next in line, and gets nothing more: not when
/// its LicenseLease is deleted, nor when the operator or the license server starts anew, nor when
/// all seats are free. Lifted, it has one again.
pub(super) async fn who_is_revoked_loses_its_seat_and_cannot_come_back(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "who_is_revoked_loses_its_seat_and_cannot_come_back").await?;
    let server = Server::new(&ns, 1);
    server.ready(lab).await?;
    let one = App::start(lab, &ns, "one", "render", Some(&lab.nodes.0)).await?;
    one.says("Held", 60).await?;
    let two = App::start(lab, &ns, "two", "render", Some(&lab.nodes.1)).await?;
    server
        .shows(lab, &[("Held", 1), ("Waiting", 1)], 60)
        .await?;

    let said = mooring_with(lab, &format!("revoke one -n {ns} --reason"), "gone astray").await?;
    ensure!(
        said.contains(&format!("Revoked: {ns}/one")) && said.contains("seats are free at 20"),
        "mooring revoke said: {said}"
    );
    one.says("Lost", 15).await?;
    socket(lab, &one, &["revoked", "gone astray"]).await?;
    shown(lab, &one, "Revoked", &["gone astray", "(as ", "--lift"]).await?;
    event(lab, &one, "LicenseRevoked", &["gone astray"]).await?;
    two.says("Held", 30).await?;
    table(lab, &ns, "one", "Revoked").await?;

    let deleted = lab.kubectl(format!("-n {ns} delete licenselease --all"));
    deleted.await?.ok("deleting the mirrors")?;
    shown(lab, &one, "Revoked", &["gone astray"]).await?;
    says_again(lab, &ns).await?;

    Helm::scale(lab, 0).await?;
    Helm::scale(lab, 2).await?;
    is_barred(lab, &server).await?;
    // Its list ends with its pod, and its seat is free.
    let uid = server.pod_uid(lab).await?;
    server.delete_pod(lab, "--grace-period=1").await?;
    two.delete(lab).await?;
    let anew = "the license server's pod is another one";
    eventually(anew, within(60), async || {
        let now = server.pod_uid(lab).await;
        so(now.as_ref().is_ok_and(|u| *u != uid), || format!("{now:?}"))
    })
    .await?;
    server.condition(lab, "Ready", "True").await?;
    is_barred(lab, &server).await?;
    shown(lab, &one, "Revoked", &["gone astray"]).await?;
    let three = App::start(lab, &ns, "three", "render", Some(&lab.nodes.1)).await?;
    three.says("Held", 40).await?;
    ensure!(
        one.state().as_deref() == Some("Lost"),
        "the revoked one is told {:?}",
        one.state()
    );
    three.delete(lab).await?;

    let said = mooring_with(lab, &format!("revoke one -n {ns}"), "--lift").await?;
    ensure!(
        said.contains("Lifted"),
        "mooring revoke --lift said: {said}"
    );
    // It asks once a minute.
    one.says("Held", 90).await?;
    shown(lab, &one, "Held", &[]).await?;
    count_seats(&[(&one, 1), (&two, 1), (&three, 1)], 1).map(drop)
}

/// A lease that is taken back goes to the next in line; who had it stands behind, and has one again
/// when it is its turn.
pub(super) async fn a_lease_that_is_taken_back_bars_nobody(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_lease_that_is_taken_back_bars_nobody").await?;
    let mut server = Server::new(&ns, 1);
    server.duration = Duration::from_secs(15);
    server.ready(lab).await?;
    let one = App::start(lab, &ns, "one", "render", Some(&lab.nodes.0)).await?;
    one.says("Held", 60).await?;
    let two = App::start(lab, &ns, "two", "render", Some(&lab.nodes.1)).await?;
    server
        .shows(lab, &[("Held", 1), ("Waiting", 1)], 60)
        .await?;

    let o = mooring(lab, &format!("release no-such-pod -n {ns}")).await?;
    let no = o.failed("releasing what is not there")?;
    ensure!(
        no.contains("no-such-pod") && no.contains("mooring leases"),
        "the error is no help: {no}"
    );
    let o = mooring(lab, &format!("release one -n {ns}")).await?;
    ensure!(
        o.success && o.err.contains("Taken back: lease "),
        "mooring release said: {}{}",
        o.out,
        o.err
    );
    println!("  {}", o.err.trim());
    event(lab, &one, "LicenseTakenBack", &["administrator"]).await?;
    two.says("Held", 30).await?;
    one.says("Waiting", 15).await?;
    shown(lab, &one, "Waiting", &[]).await?;
    two.delete(lab).await?;
    one.says("Held", 30).await?;
    count_seats(&[(&one, 1), (&two, 1)], 1).map(drop)
}

/// Runs `mooring` with a last argument that may have blanks; what it says.
async fn mooring_with(lab: &Lab, line: &str, last: &str) -> Result<String> {
    let mut args = words(line);
    args.push(last);
    let o = run(&lab.cli.to_string_lossy(), &args, None).await?;
    ensure!(o.success, "mooring {line} {last}: {}{}", o.out, o.err);
    println!("  {}", o.err.trim());
    Ok(o.err)
}

/// The license server bars one holder.
async fn is_barred(lab: &Lab, server: &Server) -> Result<()> {
    eventually("mooring_revoked is 1", within(60), async || {
        let n = server.metric(lab, "mooring_revoked", "").await;
        so(n.as_ref().is_ok_and(|n| (*n - 1.0).abs() < 0.5), || {
            format!("{n:?}")
        })
    })
    .await
}

/// The row of `kubectl get licenseleases` has the state.
async fn table(lab: &Lab, ns: &str, pod: &str, state: &str) -> Result<()> {
    let out = lab.kubectl(format!("-n {ns} get licenseleases")).await?;
    let out = out.ok("the table of leases")?;
    let row = out.lines().find(|l| l.starts_with(&format!("{pod}-")));
    ensure!(
        row.is_some_and(|r| r.contains(state)),
        "no row of {pod} with {state}:\n{out}"
    );
    Ok(())
}

/// The mirror that was written anew says in its spec that its holder is revoked.
async fn says_again(lab: &Lab, ns: &str) -> Result<()> {
    let get = format!("-n {ns} get licenseleases -o jsonpath={{.items[*].spec.revoked.reason}}");
    eventually("spec.revoked is restored", within(20), async || {
        let out = lab.kubectl(&get).await?;
        so(out.out.contains("gone astray"), || format!("{out:?}"))
    })
    .await?;
    let status = lease(lab, ns, "one").await?;
    ensure!(status.is_some(), "there is no LicenseLease of one");
    Ok(())
}
