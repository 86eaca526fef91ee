//! The scenarios of the main job, one file a topic.

mod app;
mod install;
mod line;
mod operator;
mod outside;
mod partition;
mod refusals;
mod restart;
mod rogue;
mod steps;

pub(crate) use steps::{
    begin, count_seats, held_until, holds, never_above, notices_nothing, renewed_since, renews,
    states,
};

use crate::suite::Scenario;

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
        outside::a_machine_outside_asks_by_client_tokens,
    ]
}
