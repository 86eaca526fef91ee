//! The scenarios of the main job, one file a topic.

mod app;
mod install;
mod line;
mod operator;
mod partition;
mod refusals;
mod restart;
mod rogue;

pub(crate) use install::renews;

use crate::lab::{App, Lab};
use crate::seats::{self, Most};
use crate::suite::Scenario;
use anyhow::{Result, bail};

/// All of them, in the order in which they run. The first installs the chart, which all others use.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        install::helm_installs_upgrades_and_uninstalls,
        line::two_run_and_the_third_waits,
        app::an_application_asks_its_socket_and_verifies,
        app::a_job_completes_and_its_seat_is_back,
        app::a_killed_sidecar_comes_back_with_its_lease,
        restart::the_server_restarts_and_nobody_notices,
        restart::without_settling_the_restart_scenario_fails,
        partition::a_node_is_cut_off,
        operator::without_the_operator,
        rogue::a_namespace_that_is_not_allowed,
        rogue::a_rogue_pod,
        refusals::bad_annotations_and_claims,
        refusals::bad_licenses_and_a_wrong_pin,
    ]
}

/// Fails if at one instant more seats were held than there are, counted on the holders' side.
pub(crate) fn count_seats(apps: &[(&App, u32)], seats: u32) -> Result<Most> {
    let spans: Vec<seats::Span> = apps
        .iter()
        .flat_map(|(a, n)| seats::spans(&a.name, *n, &a.lines()))
        .collect();
    if spans.is_empty() {
        bail!("no application ever wrote that it was Held: there is nothing to count");
    }
    let most = seats::most(&spans);
    if most.seats > seats {
        bail!(
            "at {} ms of the boot clock {} seats of {seats} were held, by {:?}",
            most.at,
            most.seats,
            most.who
        );
    }
    Ok(most)
}

/// Every state that an application was told, in order, without repeats.
pub(crate) fn states(app: &App) -> Vec<String> {
    let mut v: Vec<String> = app
        .lines()
        .iter()
        .filter_map(|l| l["event"]["state"].as_str().map(str::to_owned))
        .collect();
    v.dedup();
    v
}

/// The namespace of a scenario, made anew, and the chart installed.
pub(crate) async fn begin(lab: &Lab, name: &str) -> Result<String> {
    let ns = crate::suite::namespace(name);
    lab.namespace(&ns).await?;
    Ok(ns)
}
