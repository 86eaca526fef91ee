//! The scenarios of many servers: outside of the cluster, and clients outside of it.

mod outside;
mod site;

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        outside::pods_hold_seats_of_a_server_outside_of_the_cluster,
        outside::a_machine_outside_holds_a_seat_of_the_clusters_server,
    ]
}
