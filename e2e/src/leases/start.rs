//! Pods that start while no license server is in reach.

use super::steps::story;
use crate::lab::{App, Lab, Server, eventually, so, within};
use crate::main_job::{begin, count_seats, states};
use anyhow::{Context as _, Result, ensure};

/// With no server in reach an application starts (`Optimistic`), but not one that asked for `start:
/// licensed`; once the server is there, both are `Held` within seconds.
pub(super) async fn it_starts_without_a_server_and_is_held_when_it_comes(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "it_starts_without_a_server_and_is_held_when_it_comes").await?;
    let mut server = Server::new(&ns, 2);
    server.movable = true;
    server.leave(lab).await?;
    server.apply(lab).await?;
    let waits = "the server's pod is there, and waits for a node";
    eventually(waits, within(30), async || Ok(Ok(server.pod(lab).await?))).await?;

    // The one that must not start runs its sidecar first: what the other may do after a time of
    // silence, it could do sooner.
    let far = Some(lab.nodes.1.as_str());
    let licensed = "    mooring.dev/start: licensed\n";
    let strict = App::start_with(lab, &ns, "strict", "render", far, licensed).await?;
    sidecar_runs(lab, &strict).await?;
    let app = App::start(lab, &ns, "app", "render", far).await?;
    app.says("Optimistic", 60).await?;
    ensure!(
        !strict.started(lab).await?,
        "an application with start: licensed has started, and there is no server"
    );

    let came = std::time::Instant::now();
    server.arrive(lab).await?;
    server.condition(lab, "Ready", "True").await?;
    for a in [&app, &strict] {
        a.says("Held", 15)
            .await
            .context("after the server came")
            .with_context(|| story(a))?;
    }
    let took = came.elapsed().as_secs_f64();
    println!("  both Held {took:.1} s after the server was given its node");
    // Between the two it may be in line, while the server that has just started looks who else is
    // there: licensed all the time.
    let lines = app.lines();
    let mut events = lines.iter().filter(|l| l["event"].is_object());
    ensure!(
        states(&app).first().map(String::as_str) == Some("Optimistic")
            && events.all(|l| l["event"]["licensed"] == true),
        "{}: expected Optimistic, then Held, and licensed all the time",
        story(&app)
    );
    ensure!(
        states(&strict) == ["Held"],
        "{}: expected nothing but Held",
        story(&strict)
    );
    server.shows(lab, &[("Held", 2)], 20).await?;
    // Which is seen with the next sign of life of the one that was told first.
    eventually("both hold at one instant", within(10), async || {
        let most = count_seats(&[(&app, 1), (&strict, 1)], 2)?;
        so(most.seats == 2, || format!("{most:?}"))
    })
    .await?;
    server.forget(lab).await
}

async fn sidecar_runs(lab: &Lab, app: &App) -> Result<()> {
    let what = format!("the sidecar of {} runs", app.name);
    eventually(&what, within(30), async || {
        let state = app.sidecar(lab).await?.and_then(|c| c.state);
        let runs = state.as_ref().is_some_and(|s| s.running.is_some());
        so(runs, || format!("{state:?}"))
    })
    .await
}
