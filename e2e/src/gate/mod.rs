//! The scenarios of the gate: no application starts without a seat, whatever the kubelet forgets.
//! They kill kubelets, so they are for the project's own cluster.

mod before;
mod kubelet;
mod times;

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        kubelet::a_kubelets_restarts_open_no_gate_and_shut_none,
        before::some_go_before_the_gate_and_it_says_what_it_waits_for,
        times::start_times_beside_a_plain_sidecar,
    ]
}
